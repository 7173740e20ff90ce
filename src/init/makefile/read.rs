//! The lines of a Makefile as rules. Nothing is executed, and no other file is read.

use std::collections::BTreeSet;

use crate::init::makefile::functions::{self, wildcard};
use crate::init::makefile::variables::{Tree, Variables};

/// A rule for one target, or for all that a pattern fits.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    /// Where it stands; 0 for what make knows by itself.
    pub(super) line: usize,
    /// One target; several if one run of the recipe makes them all.
    pub(super) targets: Vec<String>,
    pub(super) prerequisites: Vec<String>,
    pub(super) order_only: Vec<String>,
    /// As written; `None` for a rule that only adds prerequisites.
    pub(super) recipe: Option<Vec<String>>,
    /// What `%` stands for, in a static pattern rule.
    pub(super) stem: String,
}

/// What could not be carried over, with its line.
pub(super) type LeftOut = BTreeSet<(usize, String)>;

/// A Makefile that was read.
pub(super) struct Makefile<'a> {
    pub(super) rules: Vec<Rule>,
    /// Rules with `%`, the file's own before those of make.
    pub(super) patterns: Vec<Rule>,
    pub(super) phony: BTreeSet<String>,
    pub(super) exported: BTreeSet<String>,
    pub(super) is_one_shell: bool,
    pub(super) goal: Option<String>,
    pub(super) variables: Variables<'a>,
    pub(super) left_out: LeftOut,
}

const BUILTIN: &str = include_str!("../templates/builtin.mk");

/// Reads the text of a Makefile.
pub(super) fn read<'a>(text: &str, tree: &'a Tree) -> Makefile<'a> {
    let makefile = Makefile {
        rules: Vec::new(),
        patterns: Vec::new(),
        phony: BTreeSet::new(),
        exported: BTreeSet::new(),
        is_one_shell: false,
        goal: None,
        variables: Variables::new(tree),
        left_out: LeftOut::new(),
    };
    let mut reader = Reader { makefile, open: Vec::new(), branches: Vec::new(), in_define: false };
    for (_, line) in logical(BUILTIN) {
        reader.line(0, &line);
    }
    let builtin = std::mem::take(&mut reader.makefile.patterns);
    reader.open.clear();
    for (number, line) in logical(text) {
        reader.line(number, &line);
    }
    let mut makefile = reader.makefile;
    makefile.patterns.extend(builtin);
    let goal = makefile.variables.expand("$(.DEFAULT_GOAL)", None);
    makefile.goal = Some(goal).filter(|goal| !goal.is_empty()).or(makefile.goal);
    makefile
}

/// Lines with their numbers, continued ones joined. In a recipe the shell sees the continuation.
fn logical(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut is_continued = false;
    for (number, line) in text.lines().enumerate() {
        let goes_on = (line.len() - line.trim_end_matches('\\').len()) % 2 == 1;
        match lines.last_mut().filter(|_| is_continued) {
            Some((_, whole)) if whole.starts_with('\t') => {
                whole.push('\n');
                whole.push_str(line.strip_prefix('\t').unwrap_or(line));
            }
            Some((_, whole)) => {
                whole.pop();
                whole.truncate(whole.trim_end().len());
                whole.push(' ');
                whole.push_str(line.trim_start());
            }
            None => lines.push((number + 1, line.to_owned())),
        }
        is_continued = goes_on;
    }
    lines
}

struct Reader<'a> {
    makefile: Makefile<'a>,
    /// The rules that a line of a recipe belongs to, by number: `true` for patterns.
    open: Vec<(bool, usize)>,
    /// For each `if` around: whether its lines count, and whether a branch of it was taken.
    branches: Vec<(bool, bool)>,
    in_define: bool,
}

impl Reader<'_> {
    fn leave_out(&mut self, line: usize, what: impl Into<String>) {
        self.makefile.left_out.insert((line, what.into()));
    }

    fn line(&mut self, number: usize, line: &str) {
        self.makefile.variables.budget.bytes(self.branches.len());
        if self.makefile.variables.budget.is_spent() {
            return;
        }
        let counts = self.branches.iter().all(|(counts, _)| *counts);
        if self.in_define {
            self.in_define = line.trim() != "endef";
            return;
        }
        if let Some(recipe) = line.strip_prefix('\t')
            && !self.open.is_empty()
        {
            if counts {
                self.recipe_line(recipe);
            }
            return;
        }
        let line = without_comment(line);
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).map_or((line, ""), |(word, rest)| (word, rest.trim()));
        if self.condition(number, word, rest, counts) || line.is_empty() || !counts {
            return;
        }
        match word {
            "include" | "-include" | "sinclude" => {
                // Files that a compiler writes are what `depfile:` is for.
                let files = self.makefile.variables.expand(rest, None);
                if !files.split_whitespace().all(|file| file.ends_with(".d")) {
                    self.leave_out(number, format!("`{line}`: the included file is not read"));
                }
            }
            "define" => {
                self.in_define = true;
                self.leave_out(number, format!("`{line}`: a variable of several lines"));
            }
            "vpath" | "undefine" | "unexport" | "load" => self.leave_out(number, format!("`{line}`")),
            "export" if rest.is_empty() => self.leave_out(number, "`export` of all variables: list them under `env:`"),
            "export" => match assignment(rest) {
                Some((name, operator, text)) => {
                    self.makefile.exported.insert(name.to_owned());
                    self.assign(number, name, operator, text);
                }
                None => self.makefile.exported.extend(rest.split_whitespace().map(str::to_owned)),
            },
            "override" | "private" => self.statement(number, rest),
            _ => self.statement(number, line),
        }
    }

    fn statement(&mut self, number: usize, line: &str) {
        match assignment(line) {
            Some((name, operator, text)) => self.assign(number, name, operator, text),
            None => self.rule(number, line),
        }
    }

    fn assign(&mut self, number: usize, name: &str, operator: &str, text: &str) {
        if operator == "!=" {
            self.makefile.variables.assign(name, "=", &format!("$(shell {text})"));
        } else if name == "VPATH" || name == ".SHELLFLAGS" {
            self.leave_out(number, format!("`{name}`"));
        } else {
            self.makefile.variables.assign(name, operator, text);
        }
    }

    /// Follows `ifeq` and its like; `false` if the line is none of them.
    fn condition(&mut self, number: usize, word: &str, rest: &str, counts: bool) -> bool {
        let holds = match word {
            "ifdef" => self.makefile.variables.is_defined(rest),
            "ifndef" => !self.makefile.variables.is_defined(rest),
            "ifeq" | "ifneq" => {
                let (one, other) = operands(rest);
                let variables = &mut self.makefile.variables;
                let is_equal = variables.expand(&one, None) == variables.expand(&other, None);
                is_equal == (word == "ifeq")
            }
            "else" => {
                let Some((was, taken)) = self.branches.pop() else { return true };
                let (word, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                if !matches!(word, "ifdef" | "ifndef" | "ifeq" | "ifneq") {
                    // Make warns of any other word behind `else`, and goes on without it.
                    self.branches.push((!was && !taken, true));
                } else {
                    self.condition(number, word, rest.trim(), counts);
                    if let Some(now) = self.branches.last_mut() {
                        *now = (now.0 && !taken, now.1 || taken);
                    }
                }
                return true;
            }
            "endif" => {
                self.branches.pop();
                return true;
            }
            _ => return false,
        };
        if counts && number > 0 {
            self.leave_out(number, format!("`{word} {rest}` was decided when this was written"));
        }
        self.branches.push((holds, holds));
        true
    }

    fn recipe_line(&mut self, line: &str) {
        if !self.makefile.variables.budget.bytes(self.open.len().saturating_mul(line.len())) {
            return;
        }
        for (is_pattern, at) in &self.open {
            let rules = if *is_pattern { &mut self.makefile.patterns } else { &mut self.makefile.rules };
            rules[*at].recipe.get_or_insert_default().push(line.to_owned());
        }
    }

    fn rule(&mut self, number: usize, line: &str) {
        self.open.clear();
        let Some(colon) = top_level(line, ':') else {
            let expanded = self.makefile.variables.expand(line, None);
            if !expanded.trim().is_empty() {
                self.leave_out(number, format!("`{line}`"));
            }
            return;
        };
        let (targets, rest) = (&line[..colon], &line[colon + 1..]);
        let (targets, is_grouped) = targets.strip_suffix('&').map_or((targets, false), |targets| (targets, true));
        let rest = rest.strip_prefix(':').map_or(rest, |rest| {
            self.leave_out(number, "a rule with `::` is taken as one with `:`");
            rest
        });
        let mut words = rest.trim();
        while let Some(after) = ["export ", "override ", "private "].iter().find_map(|word| words.strip_prefix(word)) {
            words = after.trim_start();
        }
        if assignment(words).is_some() {
            return self.leave_out(number, format!("`{line}`: a variable of one target alone"));
        }
        let (rest, recipe) = rest.split_once(';').map_or((rest, None), |(rest, recipe)| (rest, Some(recipe.trim())));
        let targets = self.words(targets);
        let (pattern, rest) = top_level(rest, ':').map_or((None, rest), |at| (Some(&rest[..at]), &rest[at + 1..]));
        let pattern = pattern.map(|pattern| self.makefile.variables.expand(pattern, None).trim().to_owned());
        let (normal, order_only) = rest.split_once('|').unwrap_or((rest, ""));
        let (normal, order_only) = (self.words(normal), self.words(order_only));
        let rule = Rule {
            line: number,
            targets: Vec::new(),
            prerequisites: normal,
            order_only,
            recipe: recipe.map(|line| vec![line.to_owned()]),
            stem: String::new(),
        };
        // Each target has all of it.
        let words = rule.prerequisites.iter().chain(&rule.order_only).chain(&pattern);
        let each = words.map(|word| word.len() + 1).sum::<usize>();
        if !self.makefile.variables.budget.bytes(targets.len().saturating_mul(each)) {
            return;
        }
        if is_grouped {
            return self.add(Rule { targets, ..rule });
        }
        for target in targets {
            let Some(pattern) = &pattern else {
                self.add(Rule { targets: vec![target], ..rule.clone() });
                continue;
            };
            let Some(stem) = functions::stem(pattern, &target).map(str::to_owned) else {
                self.leave_out(number, format!("`{target}` does not fit its pattern `{pattern}`"));
                continue;
            };
            let filled = |words: &[String]| words.iter().map(|word| word.replacen('%', &stem, 1)).collect();
            self.add(Rule {
                targets: vec![target],
                prerequisites: filled(&rule.prerequisites),
                order_only: filled(&rule.order_only),
                stem,
                ..rule.clone()
            });
        }
    }

    fn add(&mut self, mut rule: Rule) {
        let makefile = &mut self.makefile;
        let first = rule.targets.first().cloned().unwrap_or_default();
        match first.as_str() {
            ".PHONY" => return makefile.phony.extend(rule.prerequisites),
            ".ONESHELL" => return makefile.is_one_shell = true,
            ".NOTPARALLEL" => {
                return self.leave_out(rule.line, "`.NOTPARALLEL`: give the nodes one `pool:` of depth 1");
            }
            // What they ask for is so here anyway, or is of make's inside.
            ".SUFFIXES" | ".DELETE_ON_ERROR" | ".SECONDARY" | ".PRECIOUS" | ".INTERMEDIATE" | ".SILENT" => return,
            ".POSIX" | ".EXPORT_ALL_VARIABLES" | ".IGNORE" | ".DEFAULT" | ".SECONDEXPANSION" => {
                return self.leave_out(rule.line, format!("`{first}`"));
            }
            _ => {}
        }
        if let Some((from, to)) = old_suffixes(&first).filter(|_| rule.prerequisites.is_empty()) {
            rule.targets = vec![format!("%{to}")];
            rule.prerequisites = vec![format!("%{from}")];
        }
        let is_pattern = rule.targets.iter().any(|target| target.contains('%'));
        if !is_pattern && makefile.goal.is_none() && !first.starts_with('.') {
            makefile.goal = Some(first);
        }
        let rules = if is_pattern { &mut makefile.patterns } else { &mut makefile.rules };
        self.open.push((is_pattern, rules.len()));
        rules.push(rule);
    }

    /// Expanded words, globs replaced by the files that they match.
    fn words(&mut self, text: &str) -> Vec<String> {
        let text = self.makefile.variables.expand(text, None);
        let mut words = Vec::new();
        for word in text.split_whitespace() {
            let word = word.strip_prefix("./").filter(|rest| !rest.is_empty()).unwrap_or(word);
            match word.contains(['*', '?', '[']) {
                true => words.extend(wildcard(&mut self.makefile.variables, word)),
                false => words.push(word.to_owned()),
            }
        }
        words
    }
}

/// `.c.o` as `.c` and `.o`.
fn old_suffixes(target: &str) -> Option<(&str, &str)> {
    let rest = target.strip_prefix('.')?;
    let at = rest.find('.')?;
    let is_one = |suffix: &str| (1..=4).contains(&suffix.len()) && suffix.chars().all(|c| c.is_ascii_lowercase());
    (is_one(&rest[..at]) && is_one(&rest[at + 1..])).then_some((&target[..=at], &target[at + 1..]))
}

/// The line up to `#`; `\#` is a `#` like any other character.
fn without_comment(line: &str) -> String {
    let mut out = String::new();
    for c in line.chars() {
        if c == '#' && !out.ends_with('\\') {
            break;
        }
        if c == '#' {
            out.pop();
        }
        out.push(c);
    }
    out
}

/// The first such character outside of `$(…)`.
fn top_level(text: &str, wanted: char) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth -= 1,
            _ if c == wanted && depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// Name, operator and text of an assignment.
fn assignment(line: &str) -> Option<(&str, &str, &str)> {
    let at = top_level(line, '=')?;
    let left = &line[..at];
    let name = left.trim_end_matches([':', '?', '+', '!']);
    let operator = &line[name.len()..=at];
    let name = name.trim();
    let is_name = !name.is_empty() && !name.contains([':', '#', ' ', '\t']);
    let is_operator = matches!(operator, "=" | ":=" | "::=" | ":::=" | "?=" | "+=" | "!=");
    (is_name && is_operator).then(|| (name, operator, line[at + 1..].trim()))
}

/// The two sides of `ifeq (a,b)` or `ifeq "a" "b"`.
fn operands(text: &str) -> (String, String) {
    let clean = |side: &str| side.trim().trim_matches(['"', '\'']).to_owned();
    if let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        let at = top_level(inner, ',').unwrap_or(inner.len());
        return (clean(&inner[..at]), clean(inner.get(at + 1..).unwrap_or_default()));
    }
    let quote = text.chars().next().unwrap_or('"');
    let mut parts = text.split(quote).filter(|part| !part.trim().is_empty());
    (parts.next().map(clean).unwrap_or_default(), parts.next().map(clean).unwrap_or_default())
}
