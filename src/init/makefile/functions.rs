//! Make's functions on texts.

use globset::GlobBuilder;

use crate::init::makefile::variables::{Automatic, Variables};

/// The functions that are known; of any other name, `$(name …)` is a variable.
const ALL: [&str; 27] = [
    "subst",
    "patsubst",
    "strip",
    "findstring",
    "filter",
    "filter-out",
    "sort",
    "word",
    "words",
    "firstword",
    "lastword",
    "dir",
    "notdir",
    "suffix",
    "basename",
    "addsuffix",
    "addprefix",
    "join",
    "wildcard",
    "realpath",
    "abspath",
    "if",
    "shell",
    "foreach",
    "call",
    "eval",
    "info",
];

pub(super) fn is_one(name: &str) -> bool {
    ALL.contains(&name) || matches!(name, "error" | "warning" | "or" | "and" | "value" | "origin" | "file" | "flavor")
}

/// Applies `change` to each word.
pub(super) fn each(words: &str, change: impl Fn(&str) -> String) -> String {
    words.split_whitespace().map(change).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// What `%` stands for in a word that fits a pattern.
pub(super) fn stem<'w>(pattern: &str, word: &'w str) -> Option<&'w str> {
    match pattern.split_once('%') {
        Some((before, after)) => word.strip_prefix(before)?.strip_suffix(after),
        None => (pattern == word).then_some(""),
    }
}

pub(super) fn patsubst(from: &str, to: &str, words: &str) -> String {
    each(words, |word| stem(from, word).map_or_else(|| word.to_owned(), |stem| to.replacen('%', stem, 1)))
}

/// Splits arguments at commas outside of brackets.
fn split(arguments: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    for (at, c) in arguments.char_indices() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&arguments[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&arguments[start..]);
    parts
}

/// By how many bytes a text may grow at most, or how many pairs of words are compared: known before it is done.
pub(super) fn growth(name: &str, first: &str, second: &str, third: &str) -> usize {
    let words = |text: &str| text.split_whitespace().count();
    match name {
        "subst" => third.matches(first).count().saturating_mul(second.len()),
        "patsubst" => words(third).saturating_mul(second.len()),
        "addsuffix" | "addprefix" => words(second).saturating_mul(first.len()),
        "filter" | "filter-out" => words(first).saturating_mul(words(second)),
        _ => 0,
    }
}

pub(super) fn call(
    variables: &mut Variables<'_>,
    name: &str,
    arguments: &str,
    automatic: Option<&Automatic>,
    depth: u32,
) -> String {
    if name == "shell" {
        variables.remarks.insert(
            "`$(shell …)` has become `$(…)` of the shell that runs the recipe; what it answers is no input".to_owned(),
        );
        return format!("$({})", variables.expand_at(arguments, automatic, depth));
    }
    let parts = split(arguments);
    if name == "if" {
        let holds = !variables.expand_at(parts[0], automatic, depth).trim().is_empty();
        let chosen = parts.get(if holds { 1 } else { 2 }).copied().unwrap_or_default();
        return variables.expand_at(chosen, automatic, depth);
    }
    let given: Vec<String> = parts.iter().map(|part| variables.expand_at(part, automatic, depth)).collect();
    let argument = |number: usize| given.get(number).map_or("", String::as_str);
    let (first, second, third) = (argument(0).to_owned(), argument(1).to_owned(), argument(2).to_owned());
    if !variables.budget.bytes(growth(name, &first, &second, &third)) {
        return String::new();
    }
    let fits_any = |word: &str| first.split_whitespace().any(|pattern| stem(pattern, word).is_some());
    let ending = |word: &str| {
        let file = word.rsplit('/').next().unwrap_or(word);
        file.rfind('.').map_or(word.len(), |at| word.len() - file.len() + at)
    };
    match name {
        "subst" => third.replace(&first, &second),
        "patsubst" => patsubst(&first, &second, &third),
        "strip" => each(&first, str::to_owned),
        "findstring" => {
            if second.contains(&first) {
                first
            } else {
                String::new()
            }
        }
        "filter" => each(&second, |word| if fits_any(word) { word.to_owned() } else { String::new() }),
        "filter-out" => each(&second, |word| if fits_any(word) { String::new() } else { word.to_owned() }),
        "sort" => {
            let mut words: Vec<&str> = first.split_whitespace().collect();
            words.sort_unstable();
            words.dedup();
            words.join(" ")
        }
        "word" => {
            let number = first.trim().parse::<usize>().unwrap_or_default();
            second.split_whitespace().nth(number.wrapping_sub(1)).unwrap_or_default().to_owned()
        }
        "words" => first.split_whitespace().count().to_string(),
        "firstword" => first.split_whitespace().next().unwrap_or_default().to_owned(),
        "lastword" => first.split_whitespace().last().unwrap_or_default().to_owned(),
        "dir" => each(&first, |word| word.rfind('/').map_or("./".to_owned(), |at| word[..=at].to_owned())),
        "notdir" => each(&first, |word| word.rsplit('/').next().unwrap_or_default().to_owned()),
        "suffix" => each(&first, |word| word[ending(word)..].to_owned()),
        "basename" => each(&first, |word| word[..ending(word)].to_owned()),
        "addsuffix" => each(&second, |word| format!("{word}{first}")),
        "addprefix" => each(&second, |word| format!("{first}{word}")),
        "join" => {
            let (left, right): (Vec<&str>, Vec<&str>) =
                (first.split_whitespace().collect(), second.split_whitespace().collect());
            let at = |words: &[&str], number: usize| words.get(number).copied().unwrap_or_default().to_owned();
            let longest = left.len().max(right.len());
            (0..longest).map(|n| at(&left, n) + &at(&right, n)).collect::<Vec<_>>().join(" ")
        }
        "wildcard" => first.split_whitespace().flat_map(|glob| wildcard(variables, glob)).collect::<Vec<_>>().join(" "),
        // Inside the project a relative path says the same, and is the same on every machine.
        "abspath" | "realpath" => first,
        _ => {
            variables.remarks.insert(format!("make's function `{name}` is not carried over, and gives nothing here"));
            String::new()
        }
    }
}

/// The files that a glob matches now, sorted.
pub(super) fn wildcard(variables: &mut Variables<'_>, glob: &str) -> Vec<String> {
    let glob = glob.strip_prefix("./").unwrap_or(glob);
    if !glob.contains(['*', '?', '[']) {
        let is_there = variables.tree.contains(glob) || variables.tree.contains(&format!("{glob}/"));
        return if is_there { vec![glob.to_owned()] } else { Vec::new() };
    }
    variables.remarks.insert(format!("`{glob}` has become the files that it matched when this was written"));
    if !variables.budget.bytes(variables.tree.len() / 16) {
        return Vec::new();
    }
    let Ok(matcher) = GlobBuilder::new(glob).literal_separator(true).build() else { return Vec::new() };
    let matcher = matcher.compile_matcher();
    variables.tree.iter().filter(|path| !path.ends_with('/') && matcher.is_match(path)).cloned().collect()
}
