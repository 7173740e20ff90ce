//! The wall between the folders of `src/`: one crate has no crate walls, so this test is the wall.
//!
//! What a folder may import is read out of the table in `docs/architecture.md`, so that the page and the tree cannot part.

use std::collections::{BTreeMap, BTreeSet};

use crate::snapshot;

/// The longest a file may be, in lines, inline tests left out.
const LONGEST: usize = 400;

/// The rows of the table: each folder, and the folders that it may import.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    fn cells(row: &str) -> Vec<String> {
        row.trim().trim_matches('|').split('|').map(|cell| cell.replace('`', "").trim().to_owned()).collect()
    }
    let page = snapshot::read("docs/architecture.md");
    let mut lines = page.lines().skip_while(|line| !line.starts_with("| folder |"));
    let head = cells(lines.next().expect("docs/architecture.md has a table of folders"));
    let column = head.iter().position(|cell| cell == "may import").expect("a column `may import`");
    let rows = lines.skip(1).take_while(|line| line.starts_with('|')).map(cells);
    rows.map(|row| {
        let names = row[column].split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        (row[0].clone(), names.collect())
    })
    .collect()
}

/// A source file: its path, the folder of `src/` it belongs to, and its lines without inline tests.
struct Source {
    path: String,
    folder: String,
    lines: Vec<String>,
}

fn sources() -> Vec<Source> {
    let all: Vec<String> = snapshot::files("src", ".rs");
    let mut found = Vec::new();
    for path in all {
        let text = snapshot::read(&path);
        let lines: Vec<&str> = text.lines().collect();
        let tests = lines.windows(2).position(|two| two[0] == "#[cfg(test)]" && two[1].starts_with("mod tests {"));
        let lines = lines[..tests.unwrap_or(lines.len())].iter().map(|line| (*line).to_owned()).collect();
        let inside = path.strip_prefix("src/").unwrap();
        let folder = inside.split_once('/').map_or("", |(folder, _)| folder).to_owned();
        found.push(Source { path, folder, lines });
    }
    found
}

/// Whether a file exists for tests only: its parent declares it under `#[cfg(test)]`.
fn is_for_tests(source: &Source, all: &[Source]) -> bool {
    let stem = source.path.strip_suffix(".rs").unwrap();
    let (mut folder, mut name) = stem.rsplit_once('/').unwrap();
    loop {
        let parents = [format!("{folder}/mod.rs"), format!("{folder}.rs"), format!("{folder}/lib.rs")];
        let declared =
            |line: &str| line.trim_end_matches(';').rsplit(' ').next() == Some(name) && line.contains("mod ");
        let parent = all.iter().find(|other| other.path != source.path && parents.contains(&other.path));
        if let Some(parent) = parent {
            let at = parent.lines.iter().position(|line| declared(line));
            if at.is_some_and(|at| at > 0 && parent.lines[at - 1].starts_with("#[cfg(test)]")) {
                return true;
            }
        }
        match folder.rsplit_once('/') {
            Some(next) => (folder, name) = next,
            None => return false,
        }
    }
}

/// The folders that a line of code names by `crate::`.
fn imports(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let names = code
        .split("crate::")
        .skip(1)
        .map(|rest| rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default().to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

fn violations(check: impl Fn(&Source, &str) -> Option<String>) -> Vec<String> {
    let sources = sources();
    let mut found = Vec::new();
    for source in &sources {
        for (number, line) in source.lines.iter().enumerate() {
            if let Some(problem) = check(source, line) {
                found.push(format!("{}:{}: {problem}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    found
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "{} lines break a rule of docs/architecture.md:\n{}", found.len(), found.join("\n"));
}

#[test]
fn folders_import_what_the_table_allows() {
    let table = table();
    let folders: BTreeSet<String> =
        sources().into_iter().map(|source| source.folder).filter(|f| !f.is_empty()).collect();
    assert_eq!(folders, table.keys().cloned().collect(), "the table and `src/` have different folders");
    let wrong = violations(|source, line| {
        let allowed = table.get(&source.folder)?;
        let bad = imports(line)
            .into_iter()
            .find(|name| folders.contains(name) && *name != source.folder && !allowed.contains(name))?;
        Some(format!("`{}` may not import `{bad}`", source.folder))
    });
    assert_none(&wrong);
}

#[test]
fn the_table_allows_nothing_that_is_not_used() {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        let names = source.lines.iter().flat_map(|line| imports(line));
        used.entry(source.folder).or_default().extend(names);
    }
    for (folder, allowed) in table() {
        for name in allowed {
            assert!(used[&folder].contains(&name), "the table lets `{folder}` import `{name}`, which it does not");
        }
    }
}

#[test]
fn a_file_is_short_enough_to_be_about_one_thing() {
    let sources = sources();
    let long: Vec<String> = sources
        .iter()
        .filter(|source| source.lines.len() > LONGEST && !is_for_tests(source, &sources))
        .map(|source| format!("{}: {} lines, at most {LONGEST}", source.path, source.lines.len()))
        .collect();
    assert_none(&long);
}

#[test]
fn a_file_says_what_it_is_for() {
    let silent: Vec<String> =
        sources().iter().filter(|s| !s.lines[0].starts_with("//! ")).map(|s| s.path.clone()).collect();
    assert_none(&silent);
}

#[test]
fn effects_are_where_the_page_says() {
    let in_folder = |source: &Source, allowed: &[&str]| allowed.iter().any(|path| source.path.starts_with(path));
    let sources = sources();
    let for_tests: BTreeSet<&str> =
        sources.iter().filter(|source| is_for_tests(source, &sources)).map(|source| source.path.as_str()).collect();
    /// What must not stand in the code, and the folders where it may.
    const RULES: [(&str, &[&str]); 12] = [
        ("super::super", &[]),
        ("process::Command", &["src/outside/process/"]),
        ("Command::new", &["src/outside/process/"]),
        ("println!", &[]),
        ("eprintln!", &[]),
        ("io::stdout()", &["src/report/", "src/cli/"]),
        ("io::stderr()", &["src/report/", "src/cli/"]),
        ("env::var", &["src/main.rs"]),
        ("SystemTime::now", &["src/base/clock.rs"]),
        ("process::exit", &[]),
        ("git2::", &["src/outside/git/"]),
        ("petgraph::", &["src/graph/"]),
    ];
    let wrong = violations(|source, line| {
        if for_tests.contains(source.path.as_str()) {
            return None;
        }
        let code = line.split("//").next().unwrap_or_default();
        let (what, _) = RULES.iter().find(|(what, allowed)| code.contains(what) && !in_folder(source, allowed))?;
        Some(format!("`{what}` does not belong here"))
    });
    assert_none(&wrong);
}

#[test]
fn pure_folders_touch_no_file() {
    let wrong = violations(|source, line| {
        let pure =
            ["base", "ci", "spec", "graph", "action", "sched", "layer", "event"].contains(&source.folder.as_str());
        let code = line.split("//").next().unwrap_or_default();
        let touched = ["std::fs", "std::net", "std::process", "std::env", "rustix::"]
            .iter()
            .find(|what| code.contains(**what))?;
        pure.then(|| format!("`{}` is pure, and `{touched}` is not", source.folder))
    });
    assert_none(&wrong);
}
