//! `docs/reliability.md` and the tests belong together: every row has tests, every test exists, and none is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use crate::snapshot;

/// Rows that this version has to cover.
fn rows() -> BTreeSet<u32> {
    (1..=40).chain(59..=70).collect()
}

/// Row number to the names of its tests, as the page has them.
fn page() -> BTreeMap<u32, Vec<String>> {
    let text = snapshot::read("docs/reliability.md");
    let lines = text.lines().skip_while(|line| !line.starts_with("| row |")).skip(2).take_while(|l| l.starts_with('|'));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 4, "{line}");
            let names = cells[3].split('`').skip(1).step_by(2).map(str::to_owned).collect();
            (cells[0].parse().unwrap_or_else(|_| panic!("{line}: no row number")), names)
        })
        .collect()
}

/// Names of all tests of the crate that begin with `row_`.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in snapshot::files("src", ".rs").into_iter().chain(snapshot::files("tests/it", ".rs")) {
        let text = snapshot::read(&path);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let name = line.strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            // A test of proptest has its attribute too.
            let is_test = lines[at.saturating_sub(3)..at].iter().any(|line| line.starts_with("#[test]"));
            found.extend(name.filter(|name| is_test && name.starts_with("row_")).map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_row_has_tests_and_every_test_has_its_row() {
    let (page, tests) = (page(), tests());
    assert_eq!(page.keys().copied().collect::<BTreeSet<_>>(), rows(), "rows of docs/reliability.md");
    for (row, names) in &page {
        assert!(!names.is_empty(), "row {row} has no test");
        for name in names {
            assert!(tests.contains(name), "row {row}: there is no test `{name}`");
            assert!(name.starts_with(&format!("row_{row:02}_")), "row {row}: `{name}` is named after another row");
        }
    }
    let named: BTreeSet<String> = page.into_values().flatten().collect();
    let forgotten: Vec<&String> = tests.difference(&named).collect();
    assert!(forgotten.is_empty(), "tests that docs/reliability.md does not name: {forgotten:?}");
}
