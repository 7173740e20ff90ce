//! Completion as bash really does it, and the manual pages.

use crate::shipped;
use crate::support::{Space, files};

/// What bash offers for the last of these words.
fn offered(space: &Space, words: &[&str]) -> Vec<String> {
    const SCRIPT: &str = r#"
source <(ocelot completions bash) || exit 9
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9; COMPREPLY=()
_clap_complete_ocelot ocelot "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" || exit 8
printf '%s\n' "${COMPREPLY[@]}"
"#;
    let output = space.bash(SCRIPT).args(["bash", "ocelot"]).args(words).output().expect("bash");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_what_only_the_project_knows() {
    let space = shipped::project();
    for (words, expected) in [
        (&["run", "quick"][..], &["quickstart"][..]),
        (&["run", "quickstart", "checked[minimal,"], &["checked[minimal,amd64]", "checked[minimal,arm64]"]),
        (&["plan", "--pipeline", "qui"], &["quickstart"]),
        (&["why", "-p", "quickstart", "upst"], &["upstream"]),
        (&["log", "-p", "quickstart", "tree[minimal]"], &["tree[minimal]"]),
        (&["run", "quickstart", "--force", "upst"], &["upstream"]),
        (&["build", "-d", "minimal-s"], &["minimal-s3export"]),
        (&["build", "-a", ""], &["amd64", "arm64"]),
        (&["build", "--region", "eu-north"], &["eu-north-1"]),
        (&["run", "quickstart", "--set", "distribution=minimal-s"], &["distribution=minimal-s3export"]),
        (&["run", "quickstart", "--set", "arch="], &["arch=amd64", "arch=arm64"]),
        (&["explain", "unused-par"], &["unused-param"]),
        (&["compl"], &["completions"]),
        (&["graph", "--format", "d"], &["dot"]),
    ] {
        assert_eq!(offered(&space, words), expected, "{words:?}");
    }
    let root = space.root();
    let elsewhere = Space::new();
    let words = ["-C", root.to_str().expect("UTF-8"), "run", "quick"];
    assert_eq!(offered(&elsewhere, &words), ["quickstart"]);
}

#[test]
fn a_project_that_cannot_be_read_completes_nothing_and_says_nothing() {
    let space = Space::with("nodes: [");
    assert_eq!(offered(&space, &["run", "x"]), [] as [&str; 0]);
    assert_eq!(offered(&space, &["build", "-d", ""]), [] as [&str; 0]);
    // What the program itself knows is there all the same.
    assert_eq!(offered(&space, &["validat"]), ["validate"]);
}

#[test]
fn every_shell_has_a_script() {
    let space = Space::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = space.run(&["completions", shell]).status(0).stdout;
        assert!(script.contains("OCELOT_COMPLETE") && script.contains("ocelot"), "{shell}: {script}");
    }
    let said = space.run(&["completions", "tcsh"]).status(2).stderr;
    assert!(said.contains("powershell"), "{said}");
}

#[test]
fn every_command_has_a_manual_page() {
    let space = Space::new();
    let said = space.run(&["man", "--out", "man/man1"]).status(0).stdout;
    let pages = files(&space.root().join("man"));
    assert!(said.starts_with(&format!("{} pages in ", pages.len())), "{said}");
    let page = |name: &str| String::from_utf8_lossy(&pages[&space.root().join("man/man1").join(name)]).into_owned();
    let run = page("ocelot-run.1");
    assert!(run.starts_with(".ie ") && run.contains(".TH ocelot-run 1") && run.contains("\\-\\-keep\\-going"), "{run}");
    assert!(page("ocelot-cache-export.1").contains("receipts"), "a command below a command");
    assert!(!pages.keys().any(|path| path.to_string_lossy().contains("__watch")), "what is hidden has none");
    space.write("taken", "");
    let said = space.run(&["man", "--out", "taken/man1"]).status(3).stderr;
    assert!(said.contains("cannot write ") && said.contains("taken/man1"), "{said}");
}

/// What is wrong with a line of a manual page for a formatter, if something is: it warns of each of these.
fn unfit(line: &str) -> Option<String> {
    const REQUESTS: [&str; 12] = ["TH", "SH", "TP", "PP", "IP", "RS", "RE", "br", "nf", "fi", "ie", "el"];
    const ESCAPES: [&str; 11] = ["-", "&", "\\", "fB", "fI", "fR", "(aq", "(bu", "*(Aq", "n(.g", "[u"];
    if !line.is_ascii() {
        return Some("a letter that is not ASCII".to_owned());
    }
    if line.starts_with('\'') {
        return Some("an apostrophe that begins a request".to_owned());
    }
    let request = line.strip_prefix('.').map(|rest| rest.split(' ').next().unwrap_or_default());
    if let Some(request) = request.filter(|request| !REQUESTS.contains(request)) {
        return Some(format!("the request `{request}`"));
    }
    let mut rest = line;
    while let Some((_, after)) = rest.split_once('\\') {
        let Some(known) = ESCAPES.iter().find(|known| after.starts_with(**known)) else {
            return Some(format!("an escape of `{after}`"));
        };
        rest = &after[known.len()..];
    }
    None
}

#[test]
fn a_formatter_has_nothing_to_warn_of() {
    let space = Space::new();
    let _ = space.run(&["man", "--out", "man1"]).status(0);
    let pages = files(&space.root().join("man1"));
    assert!(pages.len() >= 30, "{} pages", pages.len());
    let mut problems = Vec::new();
    for (path, bytes) in &pages {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("\nExamples:\n"), "{}: examples that are filled", path.display());
        let found = text.lines().enumerate().filter_map(|(number, line)| Some((number, line, unfit(line)?)));
        problems.extend(found.map(|(number, line, what)| format!("{}:{}: {what}: {line}", path.display(), number + 1)));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    for line in ["layer:…", "'a", ".XX a", "a \\x b", "a \\"] {
        assert!(unfit(line).is_some(), "{line}");
    }
    assert_eq!(unfit("\\fBa\\fR \\-\\-b \\[u00E9]"), None);
}
