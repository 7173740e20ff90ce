//! Changes of a text at places of it, so that everything else, comments too, stays as it was written.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::base::diag::{Diagnostic, SourceMap, Span};
use crate::spec::yaml::{Limits, Tree, parse};

/// A YAML text and what is changed in it.
pub(super) struct Edits<'a> {
    text: &'a str,
    /// By where they begin: no two of ours begin at one place, and a value that is named twice is changed once.
    changes: BTreeMap<usize, (Range<usize>, String)>,
    /// What was mended, and at which line.
    pub(super) done: Vec<String>,
    /// What a person has to do, and at which line.
    pub(super) left: Vec<String>,
}

impl<'a> Edits<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, changes: BTreeMap::new(), done: Vec::new(), left: Vec::new() }
    }

    /// The text with every change.
    pub(super) fn apply(&self) -> String {
        let (mut out, mut at) = (String::with_capacity(self.text.len()), 0);
        for (range, new) in self.changes.values() {
            out.push_str(self.text.get(at..range.start).unwrap_or_default());
            out.push_str(new);
            at = range.end;
        }
        out.push_str(self.text.get(at..).unwrap_or_default());
        out
    }

    /// Puts `new` in the place of `range`; says it at its line.
    pub(super) fn mend(&mut self, range: Range<usize>, new: impl Into<String>, told: impl std::fmt::Display) {
        let told = format!("line {}: {told}", self.line(range.start));
        if self.changes.insert(range.start, (range, new.into())).is_none() {
            self.done.push(told);
        }
    }

    /// Puts `new` in the place of `range` as a part of a change that is told elsewhere.
    pub(super) fn also(&mut self, range: Range<usize>, new: impl Into<String>) {
        self.changes.insert(range.start, (range, new.into()));
    }

    /// Says what is left at a place.
    pub(super) fn leave(&mut self, at: usize, told: impl std::fmt::Display) {
        let told = format!("line {}: {told}", self.line(at));
        if !self.left.contains(&told) {
            self.left.push(told);
        }
    }

    /// The line of a byte, counted from 1.
    fn line(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or(self.text).bytes().filter(|byte| *byte == b'\n').count() + 1
    }

    /// Where the line of a byte begins.
    pub(super) fn line_start(&self, at: usize) -> usize {
        self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
    }

    /// The lines between two bytes: where each begins, and its text with its end.
    pub(super) fn lines(&self, range: Range<usize>) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
        let mut at = range.start;
        self.text.get(range).unwrap_or_default().split_inclusive('\n').map(move |line| {
            let start = at;
            at += line.len();
            (start, line)
        })
    }
}

/// The bytes of a span.
pub(super) fn bytes(span: Span) -> Range<usize> {
    let at = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
    at(span.start)..at(span.end)
}

/// A YAML text as a tree; in words what is wrong with it.
pub(super) fn tree(text: &str) -> Result<Tree<'_>, String> {
    let mut problems: Vec<Diagnostic> = Vec::new();
    let mut sources = SourceMap::default();
    let source = sources.add("", text);
    let tree = parse(source, text, &Limits::default(), &mut problems);
    match (tree, problems.first()) {
        (Some(tree), None) => Ok(tree),
        (_, problem) => Err(problem.map_or_else(String::new, |problem| {
            let line = problem.span().and_then(|span| sources.line_col(span)).map(|at| at.line);
            line.map_or_else(|| problem.message.clone(), |line| format!("line {line}: {}", problem.message))
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_leave_the_rest_and_are_told_once() {
        let text = "a: 1 # one\nb: 2\n";
        let mut edits = Edits::new(text);
        edits.mend(11..12, "c", "`b` is `c`");
        edits.mend(11..12, "c", "`b` is `c`");
        edits.mend(3..4, "2", "twice");
        edits.leave(11, "look");
        assert_eq!(edits.apply(), "a: 2 # one\nc: 2\n");
        assert_eq!(edits.done, ["line 2: `b` is `c`", "line 1: twice"]);
        assert_eq!(edits.left, ["line 2: look"]);
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_line() {
        assert!(tree("a: 1\n").is_ok());
        let told = tree("a: 1\na: 2\n").unwrap_err();
        assert!(told.starts_with("line 2: "), "{told}");
    }
}
