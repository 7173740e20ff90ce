//! The strict YAML reader: text to located tree to typed values, with every problem placed and explained.
//!
//! [`parse()`] makes a [`Tree`] that knows where everything stands and how scalars were written; [`decode()`] turns a
//! tree, or a part of one, into any `Deserialize` type. Both add all they find wrong to a list of diagnostics.
//!
//! The events come from `granit-parser`, the parser inside `serde-saphyr`, and not through `serde-saphyr` itself: its
//! decode ends at the first error, its `Spanned` carries two places of several words for each value and not the style
//! of a scalar, and the anchors, keys and budgets are checked here by our rules in any case.

mod decode;
mod expect;
mod keys;
mod located;
mod parse;
mod scalar;
mod syntax;
mod tree;

#[cfg(test)]
mod tests;

use serde::de::DeserializeOwned;

use crate::base::diag::{self, Diagnostic, SourceId};

pub use decode::decode;
pub use located::{Located, one_or_many};
pub use parse::{Limits, parse};
pub use tree::{Entry, Key, Style, Tree, Value};

/// Reads a value from a YAML text: [`parse()`], then [`decode()`]. What is wrong is added to `problems`,
/// in the order of its place; `None` if any of it is an error.
pub fn read<T: DeserializeOwned>(
    source: SourceId,
    text: &str,
    limits: &Limits,
    problems: &mut Vec<Diagnostic>,
) -> Option<T> {
    let before = problems.len();
    let tree = parse(source, text, limits, problems);
    let strict = problems.len() == before;
    let value = tree.and_then(|tree| decode(&tree, problems)).filter(|_| strict);
    diag::sort(&mut problems[before..]);
    value
}
