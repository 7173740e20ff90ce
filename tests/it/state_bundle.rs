//! What travels between machines: the state bundle, and runs that take what is there as it is.

use std::fs;

use crate::shipped::{self, names};
use crate::support::{Counts, Space, counts};

const EFFECT: &str = "nodes:\n  made: {exec: {command: [cp, in, made], inputs: [in], outputs: [made]}}\n  \
     told: {exec: {command: [sh, -c, 'cat made >> world'], inputs: [made], class: effect}}\n  \
     after: {exec: {command: [touch, end], outputs: [end]}, after: [told]}\n";

fn failed(ran: u64, fresh: u64, failed: u64, skipped: u64) -> Counts {
    Counts { ran, fresh, failed, skipped, ..Counts::default() }
}

#[test]
fn a_node_taken_as_it_is_never_runs() {
    let space = Space::with(EFFECT);
    space.write("in", "1\n");
    let nothing = space.json(&["--as-is", "told"]).status(1);
    assert_eq!(nothing.counts(), failed(1, 0, 1, 1), "{nothing:?}");
    assert!(nothing.stdout.contains("\"row\":\"2b\"") && nothing.stdout.contains("no stored result"), "{nothing:?}");
    assert!(!space.exists("world"));
    let plan = space.plan(&["--as-is", "told"]);
    assert_eq!(plan["told"], ("skip".to_owned(), "2b".to_owned()), "{plan:?}");
    assert_eq!(plan["after"], ("skip".to_owned(), "2".to_owned()), "{plan:?}");

    assert_eq!(space.build(&[]), counts(2, 0, 1));
    assert_eq!(space.build(&["--as-is", "told"]), counts(0, 0, 3), "its receipt stands");
    space.write("in", "2\n");
    let changed = space.plan(&["--as-is", "told"]);
    assert_eq!(changed["told"], ("may-run".to_owned(), "4".to_owned()), "not known before `made` is: {changed:?}");
    let other = space.json(&["--as-is", "told"]).status(1);
    assert_eq!(other.ended("failed"), ["told"], "the receipt is of something else");
    assert_eq!(space.read("world"), "1\n");
    // That run says nothing of a run that may act.
    assert_eq!(space.json(&[]).status(0).ended("ran"), ["told"]);
    assert_eq!(space.read("world"), "1\n2\n");
}

#[test]
fn what_is_recorded_of_a_pure_node_stands_and_is_laid_out() {
    let space = Space::with(EFFECT);
    space.write("in", "1\n");
    let ran = space.json(&["made", "--as-is", "made"]).status(1);
    assert_eq!(ran.counts(), failed(0, 0, 1, 0), "{ran:?}");
    space.build(&["made"]);
    space.remove("made");
    assert_eq!(space.build(&["made", "--as-is", "made"]), counts(0, 1, 0));
}

#[test]
fn flags_that_contradict_each_other_or_name_nothing_are_refused() {
    let space = Space::with(EFFECT);
    space.write("in", "1\n");
    let both = space.run(&["run", "--force", "told", "--as-is", "told"]).status(2);
    assert!(both.stderr.contains("`told` cannot be forced and taken as it is"), "{both:?}");
    let unknown = space.run(&["plan", "--as-is", "tolt"]).status(2);
    assert!(unknown.stderr.contains("`told`"), "{unknown:?}");
    let unneeded = space.run(&["plan", "made", "--as-is", "told"]).status(2);
    assert!(unneeded.stderr.contains("`--as-is told`: the targets do not need this node"), "{unneeded:?}");
}

#[test]
fn another_machine_knows_what_was_published_and_reports_it_without_building() {
    let here = shipped::project();
    let _ = here.json(&["quickstart"]).status(0);
    let _ = here.run(&["cache", "export", "--state", "--out", "state", "quickstart"]).status(0);
    let size = fs::metadata(here.root().join("state")).unwrap().len();
    let everything = here.run(&["cache", "export", "--out", "everything", "quickstart"]).status(0);
    assert!(!everything.stdout.contains("receipts"), "{everything:?}");
    let whole = fs::metadata(here.root().join("everything")).unwrap().len();
    assert!(size < whole / 2, "the binaries stay at home: {size} of {whole}");

    let there = shipped::project();
    fs::copy(here.root().join("state"), there.root().join("state")).unwrap();
    let imported = there.run(&["cache", "import", "state"]).status(0);
    assert!(imported.stdout.contains(" 8 receipts"), "{imported:?}");
    let ran = there.json(&["quickstart", "--as-is", "published", "--as-is", "collector"]).status(0);
    assert_eq!(ran.ended("ran"), names(&["report[minimal]", "report[minimal-s3export]"]), "{ran:?}");
    assert_eq!(ran.ended("restored").len(), 4, "the layers travel: {ran:?}");
    assert!(!there.exists("build/quickstart/registry"), "nothing was published");
    for zip in ["collector-amd64-minimal.zip", "collector-arm64-minimal-s3export.zip"] {
        let zip = format!("build/quickstart/{zip}");
        assert!(shipped::bytes(&here, &zip) == shipped::bytes(&there, &zip), "{zip}");
    }

    // One of the eight is lost: shown as failed, and no reason to hide the others.
    let receipts = there.root().join(".ocelot/receipts");
    let lost = fs::read_dir(&receipts).unwrap().map(|entry| entry.unwrap().path()).find(|path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.contains("eu-west-1") && text.contains("quickstart-amd64-minimal-0_145_0-local")
    });
    fs::remove_file(lost.expect("a receipt")).unwrap();
    let ran = there.json(&["quickstart", "--as-is", "published"]).status(4);
    assert_eq!(ran.ended("failed"), ["published[minimal,amd64,eu-west-1]"]);
    assert_eq!(ran.ended("ran"), ["report[minimal]"], "{ran:?}");
    let report = there.read("build/quickstart/report/minimal/report.json");
    assert!(report.contains("not published"), "{report}");
}

#[test]
fn a_bundle_that_was_tampered_with_changes_nothing() {
    let here = Space::with(EFFECT);
    here.write("in", "1\n");
    here.build(&[]);
    let _ = here.run(&["cache", "export", "--state", "--out", "state"]).status(0);
    let mut bytes = shipped::bytes(&here, "state");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let there = Space::with(EFFECT);
    fs::write(there.root().join("state"), bytes).unwrap();
    let refused = there.run(&["cache", "import", "state"]).status(3);
    assert!(refused.stderr.contains("state"), "{refused:?}");
    assert!(!there.exists(".ocelot/receipts"));
}
