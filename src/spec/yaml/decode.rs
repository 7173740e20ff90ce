//! A tree to typed values through serde, with all problems and not only the first.
//!
//! Serde stops at the first error of a value, and what it needs to go on is gone by then. So a failed decode is done
//! again with the offending node left out, as often as there is something new to learn. Elements of lists and entries
//! of free maps that were found good are skipped then: the value is lost anyway, and each is decoded only once. Unknown
//! fields and variants need no second time: serde tells beforehand which ones there are.

use std::cell::{Cell, RefCell};
use std::ptr;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::de::DeserializeOwned;

use crate::base::code::{self, Code};
use crate::base::diag::{self, Diagnostic, Span, quoted};
use crate::base::suggest::closest;
use crate::spec::yaml::expect::{Failure, Place, Problem};
use crate::spec::yaml::scalar::{Core, core};
use crate::spec::yaml::tree::{Entry, Key, Style, Tree, Value};

mod access;
mod part;
mod variant;

use access::Node;

/// Problems of one decode after which it stops.
const MOST_PROBLEMS: usize = 50;
/// Names that a note lists.
const MOST_NAMES: usize = 20;

/// Decodes a tree, or a part of one. What is wrong is added to `problems` in the order of its place; then the result is
/// `None`.
///
/// Structs refuse fields they do not have even without `deny_unknown_fields`. A text takes any scalar as it was written
/// (`1.10`, `yes`, `null`); a boolean or number takes only what the core schema of YAML 1.2 calls one, without quotes.
pub fn decode<T: DeserializeOwned>(tree: &Tree<'_>, problems: &mut Vec<Diagnostic>) -> Option<T> {
    let context = Context::default();
    loop {
        let failure = match Node::new(tree, &context).decode() {
            Ok(value) => {
                let mut found = context.problems.into_inner();
                let good = found.is_empty();
                diag::sort(&mut found);
                problems.append(&mut found);
                return good.then_some(value);
            }
            Err(failure) => failure,
        };
        let place = failure.place();
        let root = id(tree);
        let learned = place.is_some_and(|place| place.node != root && context.left_out.borrow_mut().insert(place.node));
        if !learned || context.is_full() {
            let mut found = context.problems.into_inner();
            diag::sort(&mut found);
            if found.len() >= MOST_PROBLEMS
                && let Some(last) = found.last_mut()
            {
                last.notes.push(format!("reading stopped after {MOST_PROBLEMS} problems"));
            }
            problems.append(&mut found);
            return None;
        }
        context.again.set(true);
    }
}

/// What is known of a decode and its repetitions. Nodes are known by where they are in memory.
#[derive(Default)]
pub(super) struct Context {
    problems: RefCell<Vec<Diagnostic>>,
    /// Whether this is a repetition; the first time, the tables are not looked at.
    again: Cell<bool>,
    /// Nodes not to decode again: what is wrong with them is known.
    left_out: RefCell<FxHashSet<usize>>,
    /// How many children of a list or free map are known to be good.
    good: RefCell<FxHashMap<usize, usize>>,
    /// Keys that were reported as unknown.
    unknown: RefCell<FxHashSet<usize>>,
}

/// The identity of a node or key within one decode.
fn id<T>(node: &T) -> usize {
    ptr::from_ref(node).addr()
}

/// What of a node's children was left out when it failed, and so may be the reason.
#[derive(Default)]
struct Excuses {
    any: bool,
    /// Keys that were there, in any spelling.
    fields: Vec<String>,
}

impl Excuses {
    fn cover(&self, problem: &Problem) -> bool {
        match problem {
            Problem::MissingField(field) => closest(field, self.fields.iter().map(String::as_str)).is_some(),
            _ => self.any,
        }
    }
}

impl Context {
    fn is_full(&self) -> bool {
        self.problems.borrow().len() >= MOST_PROBLEMS
    }

    fn report(&self, problem: Diagnostic) {
        if !self.is_full() {
            self.problems.borrow_mut().push(problem);
        }
    }

    fn is_left_out(&self, tree: &Tree<'_>) -> bool {
        self.again.get() && self.left_out.borrow().contains(&id(tree))
    }

    /// Gives a failure that has no place yet the place of `tree`, and reports it unless it is excused.
    fn settle(&self, mut failure: Failure, tree: &Tree<'_>, excuses: &Excuses) -> Failure {
        if failure.place().is_none() {
            let place = Place { node: id(tree), span: tree.span() };
            if !excuses.cover(failure.problem()) {
                self.report(explain(failure.problem(), tree, place));
            }
            failure.set_place(place);
        }
        failure
    }

    /// Reports the key of an entry, once.
    fn unknown_field(&self, key: &Key<'_>, known: &[&str], others: &[Entry<'_>]) {
        if self.is_full() {
            return;
        }
        let free = known.iter().copied().filter(|name| !others.iter().any(|entry| entry.key.as_str() == *name));
        if self.unknown.borrow_mut().insert(id(key)) {
            self.report(unknown(code::UNKNOWN_FIELD, "field", key.as_str(), key.span(), free));
        }
    }
}

fn explain(problem: &Problem, tree: &Tree<'_>, place: Place) -> Diagnostic {
    match problem {
        Problem::Expected(expected) => {
            let message = format!("expected {expected}, found {}", tree.describe());
            let diagnostic =
                Diagnostic::error(code::WRONG_TYPE, message).label(place.span, format!("expected {expected}"));
            match hint(tree, expected) {
                Some(help) => diagnostic.help(help),
                None => diagnostic,
            }
        }
        Problem::MissingField(field) => Diagnostic::error(code::MISSING_FIELD, format!("missing field `{field}`"))
            .label(place.span, format!("this needs a field `{field}`")),
        Problem::UnknownField { field, known } => {
            unknown(code::UNKNOWN_FIELD, "field", field, place.span, known.iter().copied())
        }
        Problem::UnknownVariant { variant, known } => {
            unknown(code::UNKNOWN_VALUE, "value", variant, place.span, known.iter().copied())
        }
        Problem::Other(message) => Diagnostic::error(code::INVALID_VALUE, message.as_str()).label(place.span, ""),
    }
}

/// A word that is none of `names`.
fn unknown<'n>(
    code: Code,
    what: &str,
    word: &str,
    span: Span,
    names: impl Iterator<Item = &'n str> + Clone,
) -> Diagnostic {
    Diagnostic::error(code, format!("unknown {what} {}", quoted(word)))
        .label(span, "")
        .note(list("possible here", names.clone()))
        .did_you_mean(closest(word, names))
}

/// What to write instead, where the mistake is a common one.
fn hint(tree: &Tree<'_>, expected: &str) -> Option<&'static str> {
    let (text, style) = match tree.value() {
        Value::Null if expected == "a text" => return Some("write `\"\"` for an empty text"),
        Value::Scalar(text, style) => (text, style),
        _ => return None,
    };
    let wants_bool = expected.contains("`true`");
    match core(text) {
        Core::Text if wants_bool && ["yes", "on", "y"].iter().any(|word| text.eq_ignore_ascii_case(word)) => {
            Some("write `true`")
        }
        Core::Text if wants_bool && ["no", "off", "n"].iter().any(|word| text.eq_ignore_ascii_case(word)) => {
            Some("write `false`")
        }
        Core::Bool(_) if wants_bool && style == Style::Quoted => Some("remove the quotes"),
        Core::Unsigned(_) | Core::Signed(_) | Core::Float(_)
            if expected.contains("number") && style == Style::Quoted =>
        {
            Some("remove the quotes")
        }
        _ if expected.starts_with("a list") => Some("write a list: `[...]`, or lines that start with `- `"),
        _ => None,
    }
}

/// `lead: ` and the names, as many as one can read.
fn list<'n>(lead: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(quoted).collect();
    if names.is_empty() {
        return format!("{lead}: nothing more");
    }
    let more = names.len().saturating_sub(MOST_NAMES);
    let shown = names[..names.len() - more].join(", ");
    if more == 0 { format!("{lead}: {shown}") } else { format!("{lead}: {shown} and {more} more") }
}
