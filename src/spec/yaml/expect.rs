//! Serde's errors in words that a user of YAML knows.

use std::fmt::Display;

use serde::de::{self, Expected, Unexpected};

use crate::base::diag::Span;

/// Why a value could not be made. It travels up through the types being decoded until it gets its place.
#[derive(Debug)]
pub(super) struct Failure(Box<Inner>);

#[derive(Debug)]
struct Inner {
    problem: Problem,
    /// Set once the failure has been dealt with at its place, so that nothing further up claims it.
    at: Option<Place>,
}

/// What a failure is about.
#[derive(Debug)]
pub(super) enum Problem {
    /// Something else was expected, in words.
    Expected(String),
    MissingField(&'static str),
    UnknownField {
        field: String,
        known: &'static [&'static str],
    },
    UnknownVariant {
        variant: String,
        known: &'static [&'static str],
    },
    Other(String),
}

/// The node that a failure is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The node to leave out next time.
    pub(super) node: usize,
    /// What to point to.
    pub(super) span: Span,
}

impl Failure {
    fn new(problem: Problem) -> Self {
        Self(Box::new(Inner { problem, at: None }))
    }

    pub(super) fn place(&self) -> Option<Place> {
        self.0.at
    }

    pub(super) fn set_place(&mut self, place: Place) {
        self.0.at = Some(place);
    }

    pub(super) fn problem(&self) -> &Problem {
        &self.0.problem
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0.problem {
            Problem::Expected(what) => write!(f, "expected {what}"),
            Problem::MissingField(field) => write!(f, "missing field `{field}`"),
            Problem::UnknownField { field, .. } => write!(f, "unknown field `{field}`"),
            Problem::UnknownVariant { variant, .. } => write!(f, "unknown value `{variant}`"),
            Problem::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(Problem::Other(message.to_string()))
    }
    // What was found is told from the node itself, as it was written.
    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Problem::Expected(in_words(&expected.to_string())))
    }
    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Problem::Expected(in_words(&expected.to_string())))
    }
    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::custom(format!("expected {}, found {length} elements", in_words(&expected.to_string())))
    }
    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownVariant { variant: variant.to_owned(), known })
    }
    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownField { field: field.to_owned(), known })
    }
    fn missing_field(field: &'static str) -> Self {
        Self::new(Problem::MissingField(field))
    }
    fn duplicate_field(field: &'static str) -> Self {
        Self::custom(format!("`{field}` is given twice, by two of its names"))
    }
}

/// What a type expects, without the words of Rust and serde.
fn in_words(expected: &str) -> String {
    let integer = |low: String, high: String| format!("a whole number from {low} to {high}");
    match expected {
        "a string" | "string" | "a borrowed string" | "identifier" | "field identifier" => "a text".to_owned(),
        "a sequence" | "sequence" => "a list".to_owned(),
        "a map" | "map" => "a map".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a character" => "a single character".to_owned(),
        "unit" => "nothing".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "u8" => integer(u8::MIN.to_string(), u8::MAX.to_string()),
        "u16" => integer(u16::MIN.to_string(), u16::MAX.to_string()),
        "u32" => integer(u32::MIN.to_string(), u32::MAX.to_string()),
        "u64" | "usize" => "a whole number, not negative".to_owned(),
        "i8" => integer(i8::MIN.to_string(), i8::MAX.to_string()),
        "i16" => integer(i16::MIN.to_string(), i16::MAX.to_string()),
        "i32" => integer(i32::MIN.to_string(), i32::MAX.to_string()),
        "i64" | "isize" => "a whole number".to_owned(),
        "a nonzero u32" | "a nonzero u64" | "a nonzero usize" | "a nonzero u16" | "a nonzero u8" => {
            "a whole number from 1".to_owned()
        }
        other if other.starts_with("struct ") => "a map".to_owned(),
        other if other.starts_with("enum ") || other.starts_with("variant ") => "one of its names".to_owned(),
        other => match other.strip_prefix("a tuple of size ") {
            Some(size) => format!("a list of {size}"),
            None => {
                other.strip_prefix("an array of length ").map_or_else(|| other.to_owned(), |n| format!("a list of {n}"))
            }
        },
    }
}
