//! Variables of a Makefile, and what `$(…)` becomes.

use std::collections::{BTreeMap, BTreeSet};

use crate::init::makefile::budget::Budget;
use crate::init::makefile::functions;

/// Deeper references are taken for a variable that names itself.
const DEEPEST: u32 = 64;

/// The files of a project: relative paths, folders ending in `/`.
pub type Tree = BTreeSet<String>;

/// A variable as it was set.
#[derive(Clone, Debug)]
struct Variable {
    text: String,
    /// Set by `:=`: expanded already.
    is_final: bool,
}

/// What make knows only of the rule it works on: `$@`, `$<` and so on.
#[derive(Clone, Debug, Default)]
pub(super) struct Automatic {
    pub(super) target: String,
    pub(super) prerequisites: Vec<String>,
    pub(super) order_only: Vec<String>,
    pub(super) stem: String,
}

/// Variables, and what could not be known while they were read.
pub(super) struct Variables<'a> {
    set: BTreeMap<String, Variable>,
    /// What a reference became that is not what make would make of it.
    pub(super) remarks: BTreeSet<String>,
    pub(super) tree: &'a Tree,
    pub(super) budget: Budget,
}

impl<'a> Variables<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        Self { set: BTreeMap::new(), remarks: BTreeSet::new(), tree, budget: Budget::new() }
    }

    /// Sets a variable by `=`, `:=`, `?=` or `+=`.
    pub(super) fn assign(&mut self, name: &str, operator: &str, text: &str) {
        let text = match operator {
            ":=" | "::=" | ":::=" => self.expand(text, None),
            _ => text.to_owned(),
        };
        match operator {
            "?=" if self.set.contains_key(name) => {}
            "+=" if self.set.contains_key(name) => {
                let is_final = self.set[name].is_final;
                let text = if is_final { self.expand(&text, None) } else { text };
                if let Some(variable) = self.set.get_mut(name) {
                    // In place: many additions to a long text would copy it each time.
                    if !variable.text.is_empty() {
                        variable.text.push(' ');
                    }
                    variable.text.push_str(text.trim());
                }
            }
            _ => {
                self.set.insert(name.to_owned(), Variable { text, is_final: operator.contains(':') });
            }
        }
    }

    /// Whether a variable has a text, as `ifdef` asks.
    pub(super) fn is_defined(&self, name: &str) -> bool {
        self.set.get(name).is_some_and(|variable| !variable.text.is_empty())
    }

    /// A text with every `$(…)` replaced.
    pub(super) fn expand(&mut self, text: &str, automatic: Option<&Automatic>) -> String {
        self.expand_at(text, automatic, DEEPEST)
    }

    pub(super) fn expand_at(&mut self, text: &str, automatic: Option<&Automatic>, depth: u32) -> String {
        if depth == 0 {
            self.remarks.insert("a variable names itself without end, and is empty here".to_owned());
            return String::new();
        }
        if !self.budget.steps(1) {
            return String::new();
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            match rest.chars().next() {
                None => out.push('$'),
                Some('$') => {
                    out.push('$');
                    rest = &rest[1..];
                }
                Some(open @ ('(' | '{')) => match inside(rest, open) {
                    Some((body, after)) => {
                        let text = self.reference(body, automatic, depth - 1);
                        if !self.budget.bytes(text.len()) {
                            return String::new();
                        }
                        out.push_str(&text);
                        rest = after;
                    }
                    None => {
                        self.remarks.insert("a `$(` is not closed".to_owned());
                        break;
                    }
                },
                Some(name) => {
                    let text = self.named(&name.to_string(), automatic, depth - 1);
                    if !self.budget.bytes(text.len()) {
                        return String::new();
                    }
                    out.push_str(&text);
                    rest = &rest[name.len_utf8()..];
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// What stands between `$(` and `)`.
    fn reference(&mut self, body: &str, automatic: Option<&Automatic>, depth: u32) -> String {
        if let Some((function, arguments)) = body.split_once([' ', '\t'])
            && functions::is_one(function)
        {
            return functions::call(self, function, arguments.trim_start(), automatic, depth);
        }
        let body = self.expand_at(body, automatic, depth);
        if let Some((name, change)) = body.split_once(':')
            && let Some((from, to)) = change.split_once('=')
        {
            let words = self.named(name, automatic, depth);
            let (from, to) = match from.contains('%') {
                true => (from.to_owned(), to.to_owned()),
                false => (format!("%{from}"), format!("%{to}")),
            };
            if !self.budget.bytes(functions::growth("patsubst", &from, &to, &words)) {
                return String::new();
            }
            return functions::patsubst(&from, &to, &words);
        }
        self.named(&body, automatic, depth)
    }

    fn named(&mut self, name: &str, automatic: Option<&Automatic>, depth: u32) -> String {
        if let Some(text) = automatic.and_then(|automatic| automatic.value(name)) {
            return text;
        }
        match self.set.get(name).cloned() {
            Some(variable) if variable.is_final => variable.text,
            Some(variable) => self.expand_at(&variable.text, automatic, depth),
            None if name == "CURDIR" => ".".to_owned(),
            // A command has these from the caller.
            None if matches!(name, "HOME" | "PATH" | "TMPDIR") => format!("${name}"),
            None => {
                if !name.is_empty() && name != "MAKEFLAGS" {
                    self.remarks.insert(format!("`$({name})` is not set in the Makefile, and is empty here"));
                }
                String::new()
            }
        }
    }
}

impl Automatic {
    fn value(&self, name: &str) -> Option<String> {
        let mut chars = name.chars();
        let (sign, part) = (chars.next()?, chars.as_str());
        let once = |words: &[String]| {
            let mut seen = BTreeSet::new();
            words.iter().filter(|word| seen.insert(word.as_str())).cloned().collect::<Vec<_>>().join(" ")
        };
        let text = match sign {
            '@' => self.target.clone(),
            '<' => self.prerequisites.first().cloned().unwrap_or_default(),
            // What is newer than the target is not asked here: all of them.
            '^' | '?' => once(&self.prerequisites),
            '+' => self.prerequisites.join(" "),
            '|' => once(&self.order_only),
            '*' => self.stem.clone(),
            _ => return None,
        };
        match part {
            "" => Some(text),
            "D" => Some(functions::each(&text, |word| word.rsplit_once('/').map_or(".", |(dir, _)| dir).to_owned())),
            "F" => Some(functions::each(&text, |word| word.rsplit('/').next().unwrap_or(word).to_owned())),
            _ => None,
        }
    }
}

/// Splits `(body)rest` at the bracket that closes the first one.
fn inside(text: &str, open: char) -> Option<(&str, &str)> {
    let close = if open == '(' { ')' } else { '}' };
    let mut depth = 0_u32;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some((&text[1..at], &text[at + 1..]));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_as_make_does_it() {
        let tree: Tree = ["a.c".to_owned(), "b.c".to_owned(), "sub/c.c".to_owned()].into();
        let mut variables = Variables::new(&tree);
        variables.assign("LATE", "=", "$(NEXT)!");
        variables.assign("NEXT", "=", "one");
        variables.assign("NOW", ":=", "$(LATE)");
        variables.assign("NEXT", "=", "two");
        variables.assign("NEXT", "?=", "three");
        variables.assign("NEXT", "+=", "four");
        variables.assign("SRC", ":=", "$(wildcard *.c)");
        variables.assign("OBJ", "=", "$(SRC:.c=.o)");
        variables.assign("S", "=", "$(S)");
        let automatic = Automatic {
            target: "out/x.o".to_owned(),
            prerequisites: vec!["x.c".to_owned(), "x.h".to_owned(), "x.c".to_owned()],
            stem: "x".to_owned(),
            ..Automatic::default()
        };
        for (text, becomes) in [
            ("$(LATE) ${NOW} $$HOME $", "two four! one! $HOME $"),
            ("$(OBJ)", "a.o b.o"),
            ("$(patsubst %.c,build/%.o,$(SRC))", "build/a.o build/b.o"),
            ("$(addprefix -l,$(subst .c,,$(SRC)))", "-la -lb"),
            ("$(@D)/$(@F) $< $^ $+ $*", "out/x.o x.c x.c x.h x.c x.h x.c x"),
            ("$(shell git describe)", "$(git describe)"),
            ("$(NOWHERE)$(S)", ""),
        ] {
            assert_eq!(variables.expand(text, Some(&automatic)), becomes, "{text}");
        }
        let remarks: Vec<&str> = variables.remarks.iter().map(String::as_str).collect();
        assert_eq!(remarks.len(), 4, "{remarks:?}");
        assert!(remarks.iter().any(|remark| remark.contains("`$(NOWHERE)` is not set")), "{remarks:?}");
    }
}
