//! Codes of errors and warnings: each has a page, each is used, and the examples of the pages raise what they are of.

use std::collections::BTreeSet;

use ocelot::base::code::{Code, Wrong};

use crate::diagnostics;
use crate::snapshot::{self, assert_snapshot};
use crate::support::Space;

const PAGES: &str = "docs/errors";

/// A pipeline that uses every file of the configuration, and is in order.
const SOUND: &str = "\
params: {level: {default: debug, choices: [debug, info]}}
default: [only]
nodes:
  only: {exec: {command: [echo, \"${level}\"]}}
  s: {clone: {repo: ./sources}}
  r: {resolve: {source: s, distribution: minimal}}
";

#[test]
fn every_code_has_its_page_and_every_page_its_code() {
    let mut index =
        "# Errors and warnings\n\nEvery error and warning has a code; `ocelot explain CODE` prints the same \
                     text as the pages here.\nCodes stay what they are: one that is no longer used is not given to \
                     another problem.\n"
            .to_owned();
    index.push_str(&Code::index(
        |topic| format!("\n## {topic}\n\n"),
        |code| format!("- [{code}]({code}.md) `{}`: {}\n", code.name(), code.title()),
    ));
    assert_snapshot(&format!("{PAGES}/README.md"), &index);
    let mut pages = BTreeSet::from([format!("{PAGES}/README.md")]);
    for code in Code::all() {
        let page = format!("{PAGES}/{code}.md");
        assert_snapshot(&page, &code.page());
        pages.insert(page);
    }
    let there: BTreeSet<String> = snapshot::files(PAGES, "").into_iter().collect();
    assert_eq!(there, pages, "pages without a code");
}

#[test]
fn every_code_is_used_and_what_it_refers_to_is_there() {
    let constants = snapshot::files("src/base/code", ".rs").into_iter().flat_map(|file| {
        let text = snapshot::read(&file);
        let names = text.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(" = ").map(|(name, _)| name));
        let is_name = |name: &&str| name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        names.filter(is_name).map(str::to_owned).collect::<Vec<_>>()
    });
    let constants: Vec<String> = constants.collect();
    assert_eq!(constants.len(), Code::all().count(), "{constants:?}");
    let sources = snapshot::files("src", ".rs").into_iter().filter(|file| !file.starts_with("src/base/code"));
    let source: String = sources.map(|file| snapshot::read(&file)).collect();
    let words: BTreeSet<&str> = source.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).collect();
    let unused: Vec<_> = constants.iter().filter(|name| !words.contains(format!("code::{name}").as_str())).collect();
    assert!(unused.is_empty(), "codes that nothing raises: {unused:?}");
    for code in Code::all() {
        assert!(snapshot::repository(code.see()).is_file(), "{code:?} refers to {}, which is not there", code.see());
    }
}

/// Errors are made by constructors that take a code; a text that begins one by itself would have none.
#[test]
fn no_error_is_written_without_a_code() {
    let mut found = Vec::new();
    for file in snapshot::files("src", ".rs") {
        let text = snapshot::read(&file);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let literal = ["\"error: ", "\"warning: ", "\"error:\"", "\"warning:\""];
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        found.extend(
            lines.filter(|line| literal.iter().any(|text| line.contains(text))).map(|line| format!("{file}: {line}")),
        );
    }
    // Where the parser of the command line says it, it is replaced.
    found.retain(|line| !line.contains("strip_prefix(\"error:\")"));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A project with this file, and all else in order.
fn project_with(path: &str, text: &str) -> Space {
    let space = diagnostics::project();
    space.write("config/more.yaml", "nodes:\n  more: {exec: {command: [echo]}}\n");
    space.write("pipeline.yaml", SOUND);
    space.write(path, text);
    space
}

/// The file of an example, and the command that finds it wrong; `None` where it takes more than a project.
fn example(code: Code) -> Option<(&'static str, &'static str, &'static str)> {
    match code.wrong() {
        Wrong::Told(_) => None,
        Wrong::Pipeline(text) => Some(("pipeline.yaml", text, "ocelot validate")),
        Wrong::Run(text) => Some(("pipeline.yaml", text, "ocelot run")),
        Wrong::Lint(text) => Some(("pipeline.yaml", text, "ocelot lint")),
        Wrong::File(path, text) => Some((path, text, "ocelot validate")),
        Wrong::Command(command) => Some(("pipeline.yaml", SOUND, command)),
    }
}

#[test]
fn the_examples_raise_the_codes_that_they_are_of() {
    let mut problems = Vec::new();
    let mut proven = 0;
    for code in Code::all() {
        let Some((path, text, command)) = example(code) else { continue };
        let ran = project_with(path, text).run(&diagnostics::words(command));
        proven += 1;
        if !format!("{}{}", ran.stdout, ran.stderr).contains(&format!("[{code}]: ")) {
            problems.push(format!("{code:?}: `{command}` says\n{}{}", ran.stdout, ran.stderr));
        }
    }
    assert!(problems.is_empty(), "{} of {proven}:\n{}", problems.len(), problems.join("\n"));
    assert!(proven >= 80, "only {proven} examples are proven");
}

#[test]
fn what_is_to_be_written_instead_is_right() {
    let mut problems = Vec::new();
    let mut proven = 0;
    for code in Code::all() {
        let (Some((path, _, command)), right) = (example(code), code.right()) else { continue };
        let is_whole = path != "pipeline.yaml" || right.lines().any(|line| line.starts_with("nodes:"));
        if right.is_empty() || !is_whole || matches!(code.wrong(), Wrong::Command(_)) {
            continue;
        }
        // What takes a minute is right, and nobody waits for it here.
        let command = if matches!(code.wrong(), Wrong::Run(_)) { "ocelot validate" } else { command };
        let ran = project_with(path, right).run(&diagnostics::words(command));
        proven += 1;
        let said = format!("{}{}", ran.stdout, ran.stderr);
        if ran.status != 0 || said.contains(&format!("[{code}]: ")) {
            problems.push(format!("{code:?}: `{command}` says of\n{right}\n{said}"));
        }
    }
    assert!(problems.is_empty(), "{} of {proven}:\n{}", problems.len(), problems.join("\n"));
    assert!(proven >= 50, "only {proven} remedies are proven");
}

#[test]
fn explain_takes_numbers_and_names_and_knows_what_was_meant() {
    let space = Space::new();
    let by_number = space.run(&["explain", "oc1001"]).status(0).stdout;
    assert_eq!(by_number, space.run(&["explain", "unused-param"]).status(0).stdout);
    assert_eq!(by_number, snapshot::read("docs/errors/OC1001.md"));
    let both = space.run(&["explain", "OC0209", "unused-param"]).status(0).stdout;
    assert!(both.starts_with("# OC0209: ") && both.ends_with(&by_number), "{both}");
    let all = space.run(&["explain"]).status(0).stdout;
    assert!(Code::all().all(|code| all.contains(&format!("  {code}  {} ", code.name()))), "{all}");
    let wrong = space.run(&["explain", "unused-parm"]).status(2).stderr;
    assert_eq!(wrong, "error[OC0513]: there is no code `unused-parm`\n  help: did you mean `unused-param`?\n");
    let lines = space.run(&["explain", "OC0209", "--output", "json"]).status(0).events();
    assert_eq!((&lines[0]["code"], &lines[0]["name"]), (&"OC0209".into(), &"cycle".into()));
}

#[test]
fn machines_are_told_the_code_too() {
    let failing = "nodes: {a: {exec: {command: [sh, -c, \"exit 3\"]}}}\n";
    let space = Space::with(failing);
    let events = space.run(&["run", "--output", "json"]).status(1).events();
    let codes: Vec<_> = events.iter().filter_map(|event| event["failure"]["code"].as_str()).collect();
    assert_eq!(codes, ["OC0701"]);
    let space = Space::with("params: {unused: {default: x}}\nnodes: {a: {exec: {command: [echo], sandbox: true}}}\n");
    let found = space.run(&["lint", "--output", "json"]).status(0).events();
    assert_eq!((&found[0]["code"], &found[0]["rule"]), (&"OC1001".into(), &"unused-param".into()));
    let mut space = Space::with("nodes: {a: {exec: {comand: [echo]}}}\n");
    space.set("GITHUB_ACTIONS", "true");
    let ran = space.run(&["validate"]).status(2);
    assert!(ran.stderr.contains("::error file=pipeline.yaml,line=1,col=20,title=OC0116::unknown field"), "{ran:?}");
    space.write("pipeline.yaml", failing);
    let ran = space.run(&["run"]).status(1);
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("title=a failed (OC0701)::"), "{ran:?}");
}
