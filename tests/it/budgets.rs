//! `budgets:` of the settings: judged when a result is read, so that another budget counts at once and starts nothing.

use crate::shipped;
use crate::smoke::{RUN, can_start, edit};
use crate::support::{Counts, Space, both_paths};

const SETTINGS: &str = "config/ocelot.yaml";
const NODE: [&str; 2] = ["quickstart", "checked[minimal,amd64]"];

fn allow(space: &Space, budgets: &str) {
    space.write(SETTINGS, &format!("budgets: {budgets}\n"));
}

#[test]
fn a_budget_counts_at_once_and_nothing_is_started_for_it() {
    let space = shipped::project();
    assert_eq!(space.json(&NODE).status(0).counts().ran, 6);
    allow(&space, "{zip: 1 KiB}");
    let plan = space.plan(&NODE);
    assert_eq!(plan[NODE[1]], ("skip".to_owned(), "6a".to_owned()), "{plan:?}");
    let why = space.run(&["why", "-p", NODE[0], NODE[1]]).status(0).stdout;
    assert!(why.contains("over budget: zip is ") && why.contains(", its budget 1024 ("), "{why}");
    let over = space.json(&NODE).status(1);
    assert_eq!(over.counts(), Counts { fresh: 5, failed: 1, ..Counts::default() }, "{over:?}");
    let said = space.run(&RUN).status(1).stderr;
    assert!(said.contains("the most code, in bytes: go std "), "{said}");
    assert!(said.contains("raise `budgets:` in config/ocelot.yaml"), "{said}");
    // A workflow has a job for it, which ends red.
    let matrix = space.run(&["ci", "matrix", NODE[0], "checked", "--name", "build"]).status(0).stdout;
    assert!(matrix.contains("amd64"), "{matrix}");
    // One distribution may have more than all.
    allow(&space, "{zip: 1 KiB, distributions: {minimal: {zip: 1 GiB}}}");
    let within = space.json(&NODE).status(0);
    assert_eq!(within.counts(), Counts { fresh: 6, ..Counts::default() }, "{within:?}");
    space.remove(SETTINGS);
    assert_eq!(space.json(&NODE).status(0).counts().fresh, 6);
}

#[test]
fn a_layer_that_is_over_budget_when_it_is_made_is_not_checked_again_for_a_larger_one() {
    if !can_start() {
        return;
    }
    let space = shipped::project();
    allow(&space, "{init-time: 0 ms, memory: 1 B}");
    let first = space.run(&RUN).status(1).stderr;
    assert!(first.contains("over budget: init-time is ") && first.contains("; memory is "), "{first}");
    assert!(first.contains("`--force 'checked[minimal,amd64]'` measures anew"), "{first}");
    assert!(space.run(&["log", "-p", NODE[0], NODE[1]]).status(0).stdout.contains("started: first event/next"));
    assert_eq!(space.json(&NODE).status(1).counts().failed, 1);
    allow(&space, "{init-time: 30 s, memory: 1 GiB}");
    let larger = space.json(&NODE).status(0);
    assert_eq!(larger.counts(), Counts { fresh: 6, ..Counts::default() }, "{larger:?}");
}

#[test]
fn a_budget_that_cannot_be_read_or_is_for_nobody_is_told_at_its_place() {
    let space = shipped::project();
    allow(&space, "{zip: small}");
    let said = space.run(&["plan", NODE[0]]).status(2).stderr;
    assert!(said.contains("`small` is not a size") && said.contains("config/ocelot.yaml:1:16"), "{said}");
    allow(&space, "{distributions: {minimla: {zip: 1 MiB}}}");
    let said = space.run(&["plan", NODE[0]]).status(2).stderr;
    assert!(said.contains("unknown distribution `minimla`") && said.contains("`minimal`"), "{said}");
}

#[test]
fn a_layer_over_budget_is_compared_with_the_last_release() {
    let space = shipped::project();
    let index = "config/last-release.json";
    edit(&space, "pipelines/quickstart.yaml", "formats: [markdown, json,", "formats: [markdown, json, index,");
    let _ = space.run(&["run", NODE[0], "report[minimal]"]).status(0);
    let report = space.read("build/quickstart/report/minimal/index.json");
    let size = "\"size\": ";
    let (before, after) = report.split_at(report.find(size).expect("a size") + size.len());
    let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
    let released = format!("{before}1000{after}").replacen("receiver.otlp", "receiver.other", 1);
    space.write(index, &released);
    allow(&space, &format!("{{zip: 1 KiB, last-release: {index}}}"));
    let said = space.run(&RUN).status(1).stderr;
    assert!(said.contains("in the last release: zip was 1000 bytes ("), "{said}");
    assert!(said.contains(" more now); new since: receiver.otlp; gone since: receiver.other\n"), "{said}");
    // The file is one of those that the graph was made from.
    space.write(index, &released.replace("1000", "1001"));
    let said = space.run(&RUN).status(1).stderr;
    assert!(said.contains("zip was 1001 bytes"), "{said}");
    space.write(index, "{\"format\": 2}");
    let said = space.run(&["plan", NODE[0]]).status(2).stderr;
    assert!(said.contains("the release index has form 2") && said.contains("config/ocelot.yaml:1:"), "{said}");
    space.remove(index);
    let said = space.run(&["plan", NODE[0]]).status(2).stderr;
    assert!(
        said.contains("cannot read `config/last-release.json`") && said.contains("download `index.json`"),
        "{said}"
    );
}

#[test]
fn settings_are_no_input_of_a_pipeline_without_layers() {
    both_paths(|space| {
        space.write("pipeline.yaml", "nodes: {a: {exec: {command: [echo, a], stdout: a}}}");
        space.write(SETTINGS, "budgets: {zip: small}\n");
        assert_eq!(space.json(&[]).status(0).counts().ran, 1);
    });
}
