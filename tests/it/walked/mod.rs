//! Pages that a reader can follow from top to bottom: what they say to type is typed, and what they say is printed is.
//!
//! `<!-- walked: empty -->` begins such a page: in an empty folder, with `shipped` in a copy of what this repository ships, with
//! `aws` in such a copy whose AWS and GitHub are stand-ins and whose `layers` are of the sample collector. It may begin once
//! more.
//! Each `console` block is then run in order, but for those below `<!-- not run: REASON -->`, which `shown.rs` counts. What
//! stands before a block in a comment is done with it: `<!-- write: FILE -->`, `<!-- append: FILE -->`, and
//! `<!-- prints: COMMAND -->` for one that shows only what that prints. `<!-- run: COMMAND -->` is done without being shown, and
//! from `<!-- refuse: REGION -->` on the stand-in lets nobody into that region (`nowhere` ends it).
//!
//! A line `…` stands for any lines (of a command that succeeds, if it is all that is shown), and `…` at the end of one for any end. Times, sizes, digests, dates and names of runs may be
//! others, and which nodes were the slowest.

mod same;

use crate::aws;
use crate::shipped::{self, SAMPLE};
use crate::smoke::edit;
use crate::snapshot::{self, read};
use crate::support::Space;
use crate::support::github::{Github, REPOSITORY, TOKEN};
use crate::support::proxy::{Fault, Proxy};
use same::{is_any, is_same};

/// What a page has in place of the folder that it is walked in.
const ROOT: &str = "/home/me/project";

/// A step of a page.
#[derive(Debug, PartialEq)]
enum Step {
    Begin { start: String },
    Refuse { region: String },
    Write { file: String, text: String, is_more: bool },
    Run { line: usize, command: String, expected: Option<Vec<String>> },
}

pub(crate) fn comment<'l>(line: &'l str, name: &str) -> Option<&'l str> {
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
        steps.extend(comment(line, "walked").map(|start| Step::Begin { start: start.to_owned() }));
        steps.extend(comment(line, "refuse").map(|region| Step::Refuse { region: region.to_owned() }));
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
        if let Some(command) = comment(before, "prints") {
            let expected = block.iter().map(|(_, line)| (*line).to_owned()).collect();
            steps.push(Step::Run { line: number + 1, command: command.to_owned(), expected: Some(expected) });
        } else if language == "console" && comment(before, "not run").is_none() {
            steps.extend(typed_in(&block));
        }
        before = "";
    }
    steps
}

/// The commands of a block, each with what stands below it. One that ends with `\` goes on in the next line.
fn typed_in(block: &[(usize, &str)]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for &(number, text) in block {
        if let Some(command) = text.strip_prefix("$ ") {
            let expected = Some(Vec::new());
            steps.push(Step::Run { line: number + 1, command: command.to_owned(), expected });
            continue;
        }
        match steps.last_mut() {
            Some(Step::Run { line, command, .. }) if command.ends_with('\\') => {
                *line = number + 1;
                command.push('\n');
                command.push_str(text);
            }
            Some(Step::Run { expected: Some(expected), .. }) => expected.push(text.to_owned()),
            _ => panic!("line {}: output without a command", number + 1),
        }
    }
    steps
}

/// Where a page is walked.
struct Place {
    space: Space,
    /// The stand-ins for AWS and GitHub; nobody asks them who does not begin with them.
    proxy: Proxy,
    _github: Github,
}

impl Place {
    fn begin(start: &str) -> Self {
        let (proxy, github) = (Proxy::start(), Github::start());
        let space = match start {
            "empty" => Space::new(),
            "shipped" => shipped::project(),
            "aws" => {
                let mut space = aws::project(&proxy);
                let github = [("GITHUB_API_URL", github.url()), ("GITHUB_REPOSITORY", REPOSITORY.into())];
                for (name, value) in github.into_iter().chain([("GITHUB_TOKEN", TOKEN.into())]) {
                    space.set(name, &value);
                }
                let layers = "pipelines/layers.yaml";
                edit(&space, layers, "default: open-telemetry/opentelemetry-lambda", &format!("default: ./{SAMPLE}"));
                edit(&space, layers, "default: layer-collector/0.20.0", "default: \"\"");
                space
            }
            _ => panic!("`{start}` is nowhere to begin"),
        };
        Self { space, proxy, _github: github }
    }

    fn refuse(&self, region: String) {
        self.proxy.rule(move |request, _| {
            (request.region == region && request.call != "account")
                .then_some(Fault::Answer(403, "AccessDeniedException"))
        });
    }

    /// What the command prints, on both streams in their order, and whether it succeeds.
    fn typed(&self, command: &str) -> (Vec<String>, bool) {
        let output = self.space.bash(&format!("exec 2>&1\n{command}")).output().expect("bash");
        let text = String::from_utf8_lossy(&output.stdout);
        let text = text.replace(self.space.root().to_str().expect("a UTF-8 path"), ROOT);
        (text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect(), output.status.success())
    }
}

fn walk(page: &str) {
    let text = read(page);
    let mut place = None;
    let mut problems = Vec::new();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // How far what stands behind has moved in `lines`.
    let mut moved = 0;
    for step in steps(&text) {
        if let Step::Begin { start } = &step {
            place = Some(Place::begin(start));
            continue;
        }
        let Some(place) = &place else { panic!("{page} does not say where it is walked before {step:?}") };
        match step {
            Step::Begin { .. } => {}
            Step::Refuse { region } => place.refuse(region),
            Step::Write { file, text, is_more } => {
                let before = if is_more { place.space.read(&file) } else { String::new() };
                place.space.write(&file, &(before + &text));
            }
            Step::Run { line, command, expected } => {
                let (found, is_done) = place.typed(&command);
                // What nobody sees prepares what comes, and a page could be right by chance without it.
                assert!(is_done || expected.is_some(), "{page}:{line}: {command}: {}", found.join("\n"));
                let is_right = |expected: &[String]| is_same(expected, &found) && (is_done || !is_any(expected));
                let Some(expected) = expected.filter(|expected| !is_right(expected)) else { continue };
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
fn the_readme_is_what_happens() {
    walk("README.md");
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
fn the_page_on_releases_is_what_happens() {
    walk("docs/operations.md");
}

#[test]
fn the_page_on_publishing_is_what_happens() {
    walk("docs/publishing.md");
}

#[test]
fn the_page_on_github_actions_is_what_happens() {
    walk("docs/ci.md");
}

#[test]
fn the_page_on_runs_is_what_happens() {
    walk("docs/runs.md");
}

#[test]
fn no_walked_page_is_left_out() {
    let code = read("tests/it/walked/mod.rs");
    for page in snapshot::files("docs", ".md").into_iter().chain(["README.md".to_owned()]) {
        let is_walked = read(&page).lines().any(|line| comment(line, "walked").is_some());
        assert_eq!(is_walked, code.contains(&format!("walk(\"{page}\")")), "{page}");
    }
}

#[test]
fn a_page_is_read_as_steps() {
    let page = "<!-- walked: empty -->\n<!-- write: a.txt -->\n```text\nhi\n```\n\nThen\n\n```console\n$ cat \\\n   a.txt\nhi\n```\n\
        <!-- run: rm a.txt -->\n<!-- not run: dear -->\n```console\n$ cargo\n```\n<!-- prints: date -->\n\n```text\nnow\n```\n";
    let run = |line, command: &str, expected: Option<&str>| Step::Run {
        line,
        command: command.to_owned(),
        expected: expected.map(|text| vec![text.to_owned()]),
    };
    let expected = [
        Step::Begin { start: "empty".to_owned() },
        Step::Write { file: "a.txt".to_owned(), text: "hi\n".to_owned(), is_more: false },
        run(11, "cat \\\n   a.txt", Some("hi")),
        run(14, "rm a.txt", None),
        run(21, "date", Some("now")),
    ];
    assert_eq!(steps(page), expected);
}
