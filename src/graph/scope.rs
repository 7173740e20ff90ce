//! Values of parameters and axes, and `${name}` in the texts of a pipeline.

use std::collections::BTreeMap;

use crate::base::code;
use crate::base::diag::Diagnostic;
use crate::base::suggest;
use crate::spec::value::{Text, Texts};

/// The value of a parameter in this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamValue {
    /// A single value.
    Text(String),
    /// A list: usable as an axis and in list fields.
    List(Vec<String>),
    /// Could not be determined; an error only if an instance of this run needs it.
    Unknown {
        /// Why not.
        message: String,
        /// What to do.
        help: String,
    },
}

/// Every parameter by name.
pub type Params = BTreeMap<String, ParamValue>;

/// What `${name}` may read in one instance: its axes, then the parameters.
pub struct Scope<'a> {
    /// Parameters of the pipeline.
    pub params: &'a Params,
    /// Axis names with this instance's values.
    pub axes: Vec<(&'a str, &'a str)>,
}

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Literal(&'a str),
    Name(&'a str),
}

/// Splits a text at its `${name}`s; `$${` is a literal `${`. `Err` is an unclosed `${`.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, ()> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push(Piece::Literal(&rest[..at - 1]));
            out.push(Piece::Literal("${"));
            rest = &rest[at + 2..];
            continue;
        }
        out.push(Piece::Literal(&rest[..at]));
        let tail = &rest[at + 2..];
        let end = tail.find('}').ok_or(())?;
        out.push(Piece::Name(&tail[..end]));
        rest = &tail[end + 1..];
    }
    out.push(Piece::Literal(rest));
    Ok(out)
}

/// The names that a text reads, each once; none if it cannot be read.
pub(in crate::graph) fn names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for piece in pieces(text).unwrap_or_default() {
        if let Piece::Name(name) = piece
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

/// Whether a text reads any name.
pub fn reads_names(text: &str) -> bool {
    pieces(text).is_ok_and(|pieces| pieces.iter().any(|piece| matches!(piece, Piece::Name(_))))
}

impl Scope<'_> {
    /// Expands a text to one value.
    ///
    /// # Errors
    /// An unknown name, a list where one value is wanted, an unclosed `${`, or a value that could not be determined.
    pub fn text(&self, text: &Text) -> Result<String, Diagnostic> {
        if !text.value.contains("${") {
            return Ok(text.value.clone());
        }
        let mut out = String::with_capacity(text.value.len());
        let pieces = pieces(&text.value).map_err(|()| {
            Diagnostic::error(code::UNCLOSED_NAME, "`${` is not closed")
                .label(text.span, "write `$${` for a literal `${`")
        })?;
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => out.push_str(literal),
                Piece::Name(name) => match self.lookup(name) {
                    Some(Value::One(value)) => out.push_str(value),
                    Some(Value::Many(_)) => {
                        return Err(Diagnostic::error(
                            code::LIST_PARAM,
                            format!("`{name}` is a list, and one value is wanted here"),
                        )
                        .label(text.span, "a list parameter goes into list fields, or into `for:`")
                        .help(format!("add `for: [{name}]` to the node to make one instance per value")));
                    }
                    Some(Value::Unknown(message, help)) => {
                        return Err(Diagnostic::error(code::PARAM_WITHOUT_VALUE, message)
                            .label(text.span, "needed here")
                            .help(help));
                    }
                    None => return Err(self.unknown(name, text)),
                },
            }
        }
        Ok(out)
    }

    /// Expands a list; an element that is only `${list}` becomes all its values.
    ///
    /// # Errors
    /// As [`Self::text`].
    pub fn texts(&self, texts: &Texts) -> Result<Vec<String>, Diagnostic> {
        let mut out = Vec::with_capacity(texts.items.len());
        for item in &texts.items {
            out.extend(self.elements(item)?);
        }
        Ok(out)
    }

    /// Expands one element of a list: several if it is only `${list}`.
    ///
    /// # Errors
    /// As [`Self::text`].
    pub fn elements(&self, item: &Text) -> Result<Vec<String>, Diagnostic> {
        let whole = item.value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        match whole.and_then(|name| self.lookup(name)) {
            Some(Value::Many(values)) => Ok(values.to_vec()),
            _ => Ok(vec![self.text(item)?]),
        }
    }

    /// Expands an optional text.
    ///
    /// # Errors
    /// As [`Self::text`].
    pub fn optional(&self, text: Option<&Text>) -> Result<Option<String>, Diagnostic> {
        text.map(|text| self.text(text)).transpose()
    }

    /// Expands to `true` or `false`.
    ///
    /// # Errors
    /// As [`Self::text`], or another value.
    pub fn bool(&self, text: Option<&Text>, default: bool) -> Result<bool, Diagnostic> {
        let Some(text) = text else { return Ok(default) };
        match self.text(text)?.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(Diagnostic::error(code::NOT_BOOLEAN, format!("expected `true` or `false`, found `{other}`"))
                .label(text.span, "not a boolean")),
        }
    }

    fn lookup(&self, name: &str) -> Option<Value<'_>> {
        if let Some((_, value)) = self.axes.iter().find(|(axis, _)| *axis == name) {
            return Some(Value::One(value));
        }
        self.params.get(name).map(|value| match value {
            ParamValue::Text(text) => Value::One(text),
            ParamValue::List(list) => Value::Many(list),
            ParamValue::Unknown { message, help } => Value::Unknown(message, help),
        })
    }

    fn unknown(&self, name: &str, text: &Text) -> Diagnostic {
        let known = self.params.keys().map(String::as_str).chain(self.axes.iter().map(|(axis, _)| *axis));
        let diagnostic = Diagnostic::error(code::UNKNOWN_PARAM, format!("unknown parameter `{name}`"))
            .label(text.span, "no parameter of this name");
        match suggest::closest(name, known) {
            Some(near) => diagnostic.help(format!("did you mean `${{{near}}}`?")),
            None => diagnostic.help(
                "`${name}` reads a parameter or an axis and nothing else; pass environment variables with `pass-env`, \
                 and write `$${` for a literal `${`",
            ),
        }
    }
}

enum Value<'a> {
    One(&'a str),
    Many(&'a [String]),
    Unknown(&'a str, &'a str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_split_at_names_and_escapes() {
        assert_eq!(pieces("a${b}c"), Ok(vec![Piece::Literal("a"), Piece::Name("b"), Piece::Literal("c")]));
        assert_eq!(pieces("$${b}"), Ok(vec![Piece::Literal(""), Piece::Literal("${"), Piece::Literal("b}")]),);
        assert_eq!(pieces("$HOME"), Ok(vec![Piece::Literal("$HOME")]));
        assert_eq!(pieces("${b"), Err(()));
    }
}
