//! What a run shows and hands on under GitHub Actions.

use crate::support::{Ran, Space};

const HOSTILE: &str = "::add-mask::a ##[error]b";

/// A space as the runner gives it, with the files of a step.
fn space(pipeline: &str) -> Space {
    let mut space = Space::with(pipeline);
    let root = space.root();
    let file = |name: &str| root.join(name).to_str().expect("a UTF-8 path").to_owned();
    for (name, value) in [
        ("GITHUB_ACTIONS", "true".to_owned()),
        ("GITHUB_WORKSPACE", file("")),
        ("GITHUB_OUTPUT", file("step/output")),
        ("GITHUB_STEP_SUMMARY", file("step/summary")),
    ] {
        space.set(name, &value);
    }
    space.write("step/output", "");
    space.write("step/summary", "");
    space
}

/// The workflow commands of a run, on either stream, as the runner reads them.
fn commands(ran: &Ran) -> Vec<String> {
    let lines = ran.stdout.split(['\n', '\r']).chain(ran.stderr.split(['\n', '\r']));
    lines.filter(|line| line.trim_start().starts_with("::")).map(str::to_owned).collect()
}

fn words(ran: &Ran) -> Vec<String> {
    commands(ran).iter().map(|line| line[2..].split([':', ' ']).next().unwrap_or_default().to_owned()).collect()
}

/// Whether the older form of a command stands anywhere but in the data of one of ours.
fn has_old_form(ran: &Ran) -> bool {
    ran.stderr.lines().chain(ran.stdout.lines()).any(|line| !line.starts_with("::") && line.contains("##["))
}

#[test]
fn groups_annotations_outputs_and_the_page_of_a_failed_run() {
    let space = space(&format!(
        "name: p\nnodes:\n  good: {{exec: {{command: [echo, '{HOSTILE}'], stdout: a}}}}\n  \
         loud: {{exec: {{command: [sh, -c, 'printf \"%s\\\\n\" \"$X\"; touch b'], env: {{X: '{HOSTILE}'}}, outputs: [b]}}}}\n  \
         bad: {{exec: {{command: [sh, -c, 'echo \"$X\"; exit 7'], env: {{X: '{HOSTILE}'}}, outputs: [c]}}}}\n"
    ));
    let ran = space.run(&["run", "-j1"]).status(1);
    let mut words = words(&ran);
    words.sort();
    assert_eq!(words, ["endgroup", "error", "group"], "{ran:?}");
    assert!(!has_old_form(&ran), "{ran:?}");
    assert!(ran.stderr.contains("::group::ran loud"), "{ran:?}");
    assert!(ran.stderr.contains("::error title=bad failed (OC0701)::"), "{ran:?}");
    let output = space.read("step/output");
    assert!(output.contains("failed<<ocelot-") && output.contains("ran<<ocelot-"), "{output}");
    let page = space.read("step/summary");
    assert!(page.contains("2 ran, 0 restored, 0 fresh (cached), 1 failed, 0 skipped"), "{page}");
    assert!(page.contains("| bad | **failed** |"), "{page}");

    let log = space.run(&["log", "loud"]).status(0);
    assert!(commands(&log).is_empty() && !has_old_form(&log), "{log:?}");
}

#[test]
fn problems_of_files_are_annotated_at_their_place_ten_at_most() {
    let wrong: String =
        (0..12).map(|i| format!("  n{i}: {{exec: {{command: [x], outputs: [o{i}], oops: 1}}}}\n")).collect();
    let space = space(&format!("name: p\nnodes:\n{wrong}"));
    let ran = space.run(&["validate"]).status(2);
    let commands = commands(&ran);
    assert_eq!(commands.len(), 10, "{ran:?}");
    assert!(commands[0].starts_with("::error file=pipeline.yaml,line=3,col="), "{ran:?}");
    assert!(commands[9].starts_with("::error file=pipeline.yaml,line=12,col="), "{ran:?}");
}

#[test]
fn nothing_on_the_command_line_is_a_command_of_the_runner() {
    let space = space("name: p\nnodes:\n  a: {exec: {command: ['true'], outputs: [o]}}\n");
    for arguments in [
        ["run", "--set", "x=1\n::add-mask::a\r::error::b"],
        ["run", "--output", "x\n::add-mask::a\r::error::b"],
        ["run", "a", "x\n::add-mask::a\r::error::b"],
        ["run", "-C", "x\n::add-mask::a\r::error::b"],
    ] {
        let ran = space.run(&arguments).status(2);
        // The one that may be there is ours: a problem that has no place in a file.
        let ours = |command: &String| command.starts_with("::error title=OC0238::the pipeline has no parameter `x`");
        assert!(commands(&ran).iter().all(ours), "{ran:?}");
    }
}

#[test]
fn secrets_are_masked_and_accounts_never() {
    let mut space = space(
        "name: p\nnodes:\n  a: {exec: {command: [touch, o], outputs: [o], secret-env: [MY_TOKEN, MY_ACCOUNT]}}\n",
    );
    space.set("MY_TOKEN", "open sesame");
    space.set("MY_ACCOUNT", "123456789012");
    let ran = space.run(&["run"]).status(0);
    assert_eq!(commands(&ran), ["::add-mask::open sesame"], "{ran:?}");
    space.remove("o");
    space.unset("GITHUB_ACTIONS");
    let ran = space.run(&["run", "--output", "github", "--no-cache"]).status(0);
    assert!(!ran.stderr.contains("open sesame"), "elsewhere the command would show it: {ran:?}");
}

#[test]
fn the_form_is_chosen_by_itself_and_can_be_chosen() {
    let space = space("name: p\nnodes:\n  a: {exec: {command: [sh, -c, 'echo hi; touch o'], outputs: [o]}}\n");
    let plain = space.run(&["run", "--output", "plain"]).status(0);
    assert!(commands(&plain).is_empty(), "{plain:?}");
    let forced = space.run(&["run", "--no-cache"]).status(0);
    assert_eq!(words(&forced), ["group", "endgroup"], "{forced:?}");
    space.write("step/summary", "");
    let null = space.run(&["run"]).status(0);
    assert!(null.stderr.starts_with("fresh: nothing to do"), "{null:?}");
    assert!(space.read("step/summary").starts_with("### ocelot\n"), "a run with nothing to do hands on results too");
}
