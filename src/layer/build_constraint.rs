//! `//go:build` lines: where Go looks for one in a file, and what it says.
//!
//! A constraint is kept in postfix order, so that parsing, evaluating and asking for tags all run without recursion:
//! no nesting in a hostile file can exhaust the stack.

use std::collections::BTreeSet;

use crate::layer::error::LayerError;

/// Go itself refuses constraints of more operators and tags than this.
const MAX_TOKENS: usize = 1000;
const MARK: &str = "//go:build";

/// A parsed `//go:build` expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildConstraint {
    /// Postfix: operands before their operator.
    ops: Vec<Op>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Op {
    Tag(String),
    Not,
    And,
    Or,
}

/// What may stand on the operator stack; the order is the binding strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pending {
    Paren,
    Or,
    And,
    Not,
}

impl BuildConstraint {
    /// Finds and parses the `//go:build` line of a Go file. As in Go, it stands before the package clause and anything
    /// else that is not a comment, is not inside `/* */`, starts its line's text, and there is at most one.
    pub fn of_file(file: &str, text: &str) -> Result<Option<Self>, LayerError> {
        let mut found = None;
        let mut in_block_comment = false;
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let mut line = line.trim();
            if !in_block_comment
                && let Some(rest) = line.strip_prefix(MARK)
                && (rest.is_empty() || rest.starts_with([' ', '\t']))
            {
                if found.is_some() {
                    return Err(LayerError::syntax(file, index + 1, "a second //go:build line; join them with &&"));
                }
                let parsed = Self::parse(rest);
                found = Some(parsed.map_err(|problem| {
                    LayerError::syntax(file, index + 1, format!("//go:build: {problem} in `{}`", rest.trim()))
                })?);
                continue;
            }
            // Only blank space and comments may come before; the first other text ends the search.
            while !line.is_empty() {
                if in_block_comment {
                    let Some(end) = line.find("*/") else { break };
                    in_block_comment = false;
                    line = line[end + 2..].trim_start();
                } else if line.starts_with("//") {
                    break;
                } else if let Some(rest) = line.strip_prefix("/*") {
                    in_block_comment = true;
                    line = rest;
                } else {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// Parses an expression of tags, `!`, `&&`, `||` and parentheses. The error says what is wrong, not where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut ops, mut pending) = (Vec::new(), Vec::new());
        let mut want_operand = true;
        let mut rest = text.trim();
        let mut tokens = 0;
        while !rest.is_empty() {
            tokens += 1;
            if tokens > MAX_TOKENS {
                return Err(format!("more than {MAX_TOKENS} operators and tags"));
            }
            let length = token_length(rest);
            let (token, tail) = rest.split_at(length);
            rest = tail.trim_start();
            match (token, want_operand) {
                ("(", true) => pending.push(Pending::Paren),
                // As in Go: `!!x` is refused.
                ("!", true) if pending.last() == Some(&Pending::Not) => return Err("`!!` is not allowed".to_owned()),
                ("!", true) => pending.push(Pending::Not),
                (")", false) => {
                    reduce(&mut pending, &mut ops, Pending::Or);
                    if pending.pop() != Some(Pending::Paren) {
                        return Err("`)` without `(`".to_owned());
                    }
                    reduce(&mut pending, &mut ops, Pending::Not);
                }
                ("&&" | "||", false) => {
                    let strength = if token == "&&" { Pending::And } else { Pending::Or };
                    reduce(&mut pending, &mut ops, strength);
                    pending.push(strength);
                    want_operand = true;
                }
                (tag, true) if is_tag(tag) => {
                    ops.push(Op::Tag(tag.to_owned()));
                    reduce(&mut pending, &mut ops, Pending::Not);
                    want_operand = false;
                }
                (other, true) => return Err(format!("`{other}` where a tag, `!` or `(` is expected")),
                (other, false) => return Err(format!("`{other}` where `&&`, `||` or `)` is expected")),
            }
        }
        if want_operand {
            return Err("it ends where a tag is expected".to_owned());
        }
        reduce(&mut pending, &mut ops, Pending::Or);
        if pending.is_empty() { Ok(Self { ops }) } else { Err("`(` without `)`".to_owned()) }
    }

    /// Whether the constraint holds when exactly the tags for which `active` answers true are set.
    pub fn eval(&self, active: &dyn Fn(&str) -> bool) -> bool {
        let mut stack = Vec::new();
        for op in &self.ops {
            let value = match op {
                Op::Tag(tag) => active(tag),
                Op::Not => !pop(&mut stack),
                Op::And => pop(&mut stack) & pop(&mut stack),
                Op::Or => pop(&mut stack) | pop(&mut stack),
            };
            stack.push(value);
        }
        pop(&mut stack)
    }

    /// Every tag that is mentioned, sorted.
    pub fn tags(&self) -> BTreeSet<&str> {
        self.polarities().into_iter().map(|(tag, _)| tag).collect()
    }

    /// The tags that can only help the constraint to hold: mentioned under an even number of negations.
    pub fn positive_tags(&self) -> BTreeSet<&str> {
        self.polarities().into_iter().filter_map(|(tag, positive)| positive.then_some(tag)).collect()
    }

    fn polarities(&self) -> Vec<(&str, bool)> {
        let mut found = Vec::new();
        // Read backwards, postfix is prefix: every operator comes before its operands and hands its polarity to them.
        let mut stack = vec![true];
        for op in self.ops.iter().rev() {
            let polarity = pop(&mut stack);
            match op {
                Op::Tag(tag) => found.push((tag.as_str(), polarity)),
                Op::Not => stack.push(!polarity),
                Op::And | Op::Or => stack.extend([polarity, polarity]),
            }
        }
        found
    }
}

/// The parser keeps operands and operators balanced, so the stack is never empty here; `false` rather than a panic.
fn pop(stack: &mut Vec<bool>) -> bool {
    stack.pop().unwrap_or(false)
}

/// Moves pending operators that bind at least as strongly as `strength` to the output.
fn reduce(pending: &mut Vec<Pending>, ops: &mut Vec<Op>, strength: Pending) {
    while let Some(top) = pending.last().copied().filter(|top| *top >= strength) {
        match top {
            Pending::Not => ops.push(Op::Not),
            Pending::And => ops.push(Op::And),
            Pending::Or => ops.push(Op::Or),
            Pending::Paren => break,
        }
        pending.pop();
    }
}

fn token_length(text: &str) -> usize {
    if text.starts_with("&&") || text.starts_with("||") {
        return 2;
    }
    match text.find(|c: char| !is_tag_char(c)) {
        Some(0) => text.chars().next().map_or(0, char::len_utf8),
        Some(end) => end,
        None => text.len(),
    }
}

fn is_tag(token: &str) -> bool {
    !token.is_empty() && token.chars().all(is_tag_char)
}

fn is_tag_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '.'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, active: &[&str]) -> bool {
        BuildConstraint::parse(text).unwrap().eval(&|tag| active.contains(&tag))
    }

    #[test]
    fn and_binds_tighter_than_or_and_not_tightest() {
        assert!(holds("a || b && c", &["a"]));
        assert!(!holds("(a || b) && c", &["a"]));
        assert!(holds("!a && b", &["b"]));
        assert!(!holds("!(a || b)", &["b"]));
        assert!(holds("!(a && !(b || c))", &["a", "c"]));
        assert!(holds("a&&b||c", &["c"]));
    }

    #[test]
    fn the_upstream_shape() {
        let line = "p.custom && (p.all || p.exporter.all || p.exporter.otlp)";
        assert!(holds(line, &["p.custom", "p.exporter.otlp"]));
        assert!(holds(line, &["p.custom", "p.all"]));
        assert!(!holds(line, &["p.exporter.otlp"]));
        let parsed = BuildConstraint::parse(line).unwrap();
        assert_eq!(
            parsed.tags().into_iter().collect::<Vec<_>>(),
            ["p.all", "p.custom", "p.exporter.all", "p.exporter.otlp"]
        );
    }

    #[test]
    fn negated_tags_are_not_positive() {
        let parsed = BuildConstraint::parse("a && !(b || !c) && !d").unwrap();
        assert_eq!(parsed.positive_tags().into_iter().collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn malformed_expressions_say_what_is_wrong() {
        for (text, problem) in [
            ("", "it ends where a tag is expected"),
            ("a &&", "it ends where a tag is expected"),
            ("a b", "`b` where `&&`, `||` or `)` is expected"),
            ("a & b", "`&` where `&&`, `||` or `)` is expected"),
            ("(a", "`(` without `)`"),
            ("a)", "`)` without `(`"),
            ("()", "`)` where a tag, `!` or `(` is expected"),
            ("!!a", "`!!` is not allowed"),
            ("a-b", "`-` where `&&`, `||` or `)` is expected"),
        ] {
            assert_eq!(BuildConstraint::parse(text).unwrap_err(), problem, "{text}");
        }
    }

    #[test]
    fn found_only_where_go_looks() {
        let tags = |text: &str| {
            let found = BuildConstraint::of_file("x.go", text).unwrap();
            found.map(|found| found.tags().into_iter().map(str::to_owned).collect::<Vec<_>>().join(","))
        };
        assert_eq!(tags("// hello\n\n//go:build a\n\npackage x").as_deref(), Some("a"));
        assert_eq!(tags("\u{feff}//go:build a\r\n\r\npackage x").as_deref(), Some("a"));
        assert_eq!(tags("/* one\n//go:build b\n*/ // c\n//go:build a\npackage x").as_deref(), Some("a"));
        assert_eq!(tags("package x\n//go:build a\n"), None);
        assert_eq!(tags("/* x */ package x\n//go:build a\n"), None);
        assert_eq!(tags("// go:build a\n//go:builder\npackage x"), None);
        let error = BuildConstraint::of_file("x.go", "//go:build a\n//go:build b\n").unwrap_err();
        assert_eq!(error.to_string(), "x.go:2: a second //go:build line; join them with &&");
        let error = BuildConstraint::of_file("x.go", "\n//go:build a ||\n").unwrap_err();
        assert_eq!(error.to_string(), "x.go:2: //go:build: it ends where a tag is expected in `a ||`");
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{}a{}", "(".repeat(400), ")".repeat(400));
        assert!(holds(&deep, &["a"]));
        assert!(BuildConstraint::parse(&"(".repeat(1_000_000)).unwrap_err().contains("more than 1000"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(a|b\\.c|!|&&|\\|\\||\\(|\\)| |é|/|\n){0,40}") {
            if let Ok(parsed) = BuildConstraint::parse(&text) {
                let all = parsed.eval(&|_| true);
                let none = parsed.eval(&|_| false);
                if parsed.positive_tags() == parsed.tags() && !text.contains('!') {
                    assert!(all && !none, "without negation, all tags satisfy and no tags do not");
                }
            }
            let _ = BuildConstraint::of_file("x.go", &text);
        }
    }
}
