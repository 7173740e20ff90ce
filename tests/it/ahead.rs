//! Short works wait ahead for whoever is done first, and nobody can tell but by the time it takes.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Counts, Space};

/// A pipeline of short commands that do not depend on each other.
fn short(count: usize, command: impl Fn(usize) -> String) -> String {
    let mut pipeline = "nodes:\n".to_owned();
    for number in 0..count {
        let command = command(number);
        writeln!(pipeline, "  n{number:03}: {{exec: {{command: [sh, -c, '{command}'], outputs: [out/{number}]}}}}")
            .unwrap();
    }
    pipeline
}

#[test]
fn no_more_commands_are_at_work_than_slots() {
    // `set --` counts the folders of those that are at work now.
    let space = Space::with(&short(120, |number| {
        format!("mkdir busy/$$ && set -- busy/* && rmdir busy/$$ && test $# -le 2 && echo > out/{number}")
    }));
    space.write("busy/.keep", "");
    let ran = space.json(&["-j2"]).status(0);
    assert_eq!(ran.counts(), Counts { ran: 120, ..Counts::default() });
}

#[test]
fn what_waits_ahead_of_a_failure_does_not_start() {
    let space = Space::with(&short(40, |number| match number {
        20 => "exit 1".to_owned(),
        _ => format!("echo > out/{number}"),
    }));
    let ran = space.json(&["--fail-fast", "-j1"]).status(1);
    assert_eq!(ran.counts(), Counts { ran: 20, failed: 1, skipped: 19, ..Counts::default() });
    assert!(!space.exists("out/21"));
}

#[test]
fn an_edit_of_an_output_that_waits_ahead_is_kept() {
    // Twelve short ones, one after the other, then `slow`, which holds the only slot, while `after` waits ahead for it.
    let mut pipeline = short(0, |_| String::new());
    for number in 0..12 {
        let from = if number == 0 { "in".to_owned() } else { format!("chain/{}", number - 1) };
        writeln!(pipeline, "  c{number}: {{exec: {{command: [cp, {from}, chain/{number}], inputs: [{from}], outputs: [chain/{number}]}}}}").unwrap();
    }
    pipeline.push_str(
        "  slow: {exec: {command: [sh, -c, 'if test -e held; then : > started; while test -e held; do sleep 0.01; done; fi; cp chain/11 slow'], inputs: [chain/11], outputs: [slow]}}
  tail: {exec: {command: [sh, -c, 'sleep 0.2; cp slow tail'], inputs: [slow], outputs: [tail]}}
  after: {exec: {command: [cp, chain/11, after], inputs: [chain/11], outputs: [after]}}
",
    );
    let space = Space::with(&pipeline);
    space.write("in", "1");
    assert_eq!(space.json(&["-j1"]).status(0).counts().ran, 15);
    space.write("in", "2");
    space.write("held", "");
    let mut child = space.command(&["run", "-j1"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while !space.exists("started") {
        assert!(Instant::now() < patience, "`slow` did not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Longer than a result of a look counts as fresh.
    std::thread::sleep(Duration::from_millis(100));
    space.write("after", "an hour of work");
    space.remove("held");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(space.read("after"), "2");
    let kept = crate::support::files(&space.root().join(".ocelot/replaced"));
    assert!(kept.values().any(|bytes| bytes == b"an hour of work"), "{kept:?}");
}
