//! Pages that a reader can follow from top to bottom: what they say to type is typed, and what they say is printed is.
//!
//! `<!-- walked: empty -->` begins such a page: in an empty folder, or with `shipped` in a copy of what this repository ships.
//! Each `console` block is then run in order; what stands before a block in a comment is done with it: `<!-- write: FILE -->`
//! and `<!-- append: FILE -->`. `<!-- run: COMMAND -->` is done without being shown. A line `…` stands for any lines. Times,
//! sizes, digests, dates and names of runs may be others.

use crate::shipped;
use crate::snapshot::{self, read};
use crate::support::Space;

/// Shortest digest that is shown, in letters.
const DIGEST: usize = 12;

/// A step of a page.
#[derive(Debug, PartialEq)]
enum Step {
    Write { file: String, text: String, is_more: bool },
    Run { line: usize, command: String, expected: Option<Vec<String>> },
}

fn comment<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    line.strip_prefix("<!-- ")?.strip_suffix(" -->")?.strip_prefix(name)?.strip_prefix(": ")
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut before = "";
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(command) = comment(line, "run") {
            steps.push(Step::Run { line: number + 1, command: command.to_owned(), expected: None });
        }
        let Some(language) = line.strip_prefix("```") else {
            before = if line.is_empty() { before } else { line };
            continue;
        };
        let block: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| !line.starts_with("```")).collect();
        let text = || block.iter().map(|(_, line)| format!("{line}\n")).collect::<String>();
        for (name, is_more) in [("write", false), ("append", true)] {
            if let Some(file) = comment(before, name) {
                steps.push(Step::Write { file: file.to_owned(), text: text(), is_more });
            }
        }
        before = "";
        if language == "console" {
            for (number, line) in block {
                match (line.strip_prefix("$ "), steps.last_mut()) {
                    (Some(command), _) => steps.push(Step::Run {
                        line: number + 1,
                        command: command.to_owned(),
                        expected: Some(Vec::new()),
                    }),
                    (None, Some(Step::Run { expected: Some(expected), .. })) => expected.push(line.to_owned()),
                    _ => panic!("line {}: output without a command", number + 1),
                }
            }
        }
    }
    steps
}

/// A line with a name in place of what differs from run to run.
fn settled(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut parts = line.split_whitespace().peekable();
    while let Some(part) = parts.next() {
        let bare = part.trim_start_matches('(');
        let unit = parts.peek().map(|unit| unit.trim_end_matches([')', ',', ':', ';'])).unwrap_or_default();
        let name = match unit {
            "ms" | "s" | "min" | "h" => "TIME",
            "B" | "KiB" | "MiB" => "SIZE",
            _ => "",
        };
        if bare.parse::<f64>().is_ok() && !name.is_empty() {
            let last = parts.next().expect("the unit");
            let (open, close) = (&part[..part.len() - bare.len()], &last[unit.len()..]);
            // "1 min 6 s" is one time.
            match words.last_mut().filter(|word| word.ends_with("TIME") && name == "TIME" && open.is_empty()) {
                Some(word) => word.push_str(close),
                None => words.push(format!("{open}{name}{close}")),
            }
            continue;
        }
        words.push(settled_word(part));
    }
    words.join(" ")
}

fn settled_word(word: &str) -> String {
    let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_hex = |text: &str| text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    let is_digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let parts: Vec<&str> = core.split(['-', ':']).collect();
    let name = match parts[..] {
        [digest] if digest.len() >= DIGEST && is_hex(digest) => "DIGEST",
        [day, time, more] if day.len() == 8 && is_digits(day) && is_digits(time) && is_hex(more) => "RUN",
        [year, month, day] if year.len() == 4 && [year, month, day].into_iter().all(is_digits) => "DATE",
        [hour, minute, second] if hour.len() == 2 && [hour, minute, second].into_iter().all(is_digits) => "CLOCK",
        _ => return word.to_owned(),
    };
    word.replace(core, name)
}

/// Lines in the order in which they would be if nodes that work side by side ended by name.
fn ordered(lines: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = lines.iter().map(|line| settled(line)).collect();
    let is_end = |line: &String| line.starts_with("ran ") || line.starts_with("restore ");
    lines.chunk_by_mut(|one, other| is_end(one) && is_end(other)).for_each(<[String]>::sort);
    lines
}

/// Whether the lines are as expected, where `…` stands for any number of them.
fn is_same(expected: &[String], found: &[String]) -> bool {
    fits(&ordered(expected), &ordered(found))
}

fn fits(expected: &[String], found: &[String]) -> bool {
    match (expected, found) {
        ([], found) => found.is_empty(),
        ([any, rest @ ..], _) if any == "…" => (0..=found.len()).any(|skipped| fits(rest, &found[skipped..])),
        ([line, expected @ ..], [other, found @ ..]) => line == other && fits(expected, found),
        _ => false,
    }
}

/// What the command prints, on both streams in their order.
fn typed(space: &Space, command: &str) -> Vec<String> {
    let output = space.bash(&format!("exec 2>&1\n{command}")).output().expect("bash");
    String::from_utf8_lossy(&output.stdout).trim_end().lines().map(|line| line.trim_end().to_owned()).collect()
}

fn walk(page: &str) {
    let text = read(page);
    let Some(start) = text.lines().find_map(|line| comment(line, "walked")) else { panic!("{page} is not walked") };
    let space = if start == "shipped" { shipped::project() } else { Space::new() };
    let mut problems = Vec::new();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // How far what stands behind has moved in `lines`.
    let mut moved = 0;
    for step in steps(&text) {
        match step {
            Step::Write { file, text, is_more } => {
                let before = if is_more { space.read(&file) } else { String::new() };
                space.write(&file, &(before + &text));
            }
            Step::Run { line, command, expected } => {
                let found = typed(&space, &command);
                let Some(expected) = expected.filter(|expected| !is_same(expected, &found)) else { continue };
                problems.push(format!("{page}:{line}: $ {command}\n{}", found.join("\n")));
                let at = line.checked_add_signed(moved).expect("a line");
                moved += found.len().cast_signed() - expected.len().cast_signed();
                lines.splice(at..at + expected.len(), found);
            }
        }
    }
    if !problems.is_empty() && snapshot::differs(page, &(lines.join("\n") + "\n")).is_none() {
        return;
    }
    assert!(problems.is_empty(), "what is printed now:\n{}", problems.join("\n\n"));
}

#[test]
fn the_tutorial_is_what_happens() {
    walk("docs/tutorial.md");
}

#[test]
fn the_page_on_own_distributions_is_what_happens() {
    walk("docs/how-to/distribution.md");
}

#[test]
fn the_page_on_general_builds_is_what_happens() {
    walk("docs/how-to/general-build.md");
}

#[test]
fn the_page_on_cache_misses_is_what_happens() {
    walk("docs/how-to/cache-miss.md");
}

#[test]
fn no_walked_page_is_left_out() {
    let code = read("tests/it/walked.rs");
    for page in snapshot::files("docs", ".md") {
        let is_walked = read(&page).lines().any(|line| comment(line, "walked").is_some());
        assert_eq!(is_walked, code.contains(&format!("walk(\"{page}\")")), "{page}");
    }
}

#[test]
fn what_differs_from_run_to_run_is_settled_and_nothing_else() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (expected, found) in [
        ("ran a (1 min 6 s) never", "ran a (94 ms) never"),
        ("x 94e7352ec357 → 27d798b72349", "x 000000000000 → 111111111111"),
        ("run 20261126-122323-29fc on 2026-11-26 12:23:23 UTC", "run 20270101-000000-aaaa on 2027-01-01 00:00:01 UTC"),
        ("a\n…\nd", "a\nb\nc\nd"),
        ("  ran a (1 ms) x\n  ran b (1 ms) x", "  ran b (2 ms) x\n  ran a (1 ms) x"),
        ("…", ""),
    ] {
        assert!(is_same(&lines(expected), &lines(found)), "{expected} and {found}");
    }
    for (expected, found) in [
        ("done: 4 ran (5 ms)", "done: 3 ran (5 ms)"),
        ("a", "a\nb"),
        ("a\n…\nd", "a\nb"),
        ("took 5 ms", "took 5 MiB"),
        ("94e7352ec357", "main"),
    ] {
        assert!(!is_same(&lines(expected), &lines(found)), "{expected} and {found}");
    }
}

#[test]
fn a_page_is_read_as_steps() {
    let page =
        "<!-- write: a.txt -->\n```text\nhi\n```\n\nThen\n\n```console\n$ cat a.txt\nhi\n```\n<!-- run: rm a.txt -->\n";
    let expected = [
        Step::Write { file: "a.txt".to_owned(), text: "hi\n".to_owned(), is_more: false },
        Step::Run { line: 9, command: "cat a.txt".to_owned(), expected: Some(vec!["hi".to_owned()]) },
        Step::Run { line: 12, command: "rm a.txt".to_owned(), expected: None },
    ];
    assert_eq!(steps(page), expected);
}
