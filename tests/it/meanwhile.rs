//! What somebody changes while a run goes on: no edit is lost, and nothing is recorded for what was not read.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Space, counts};

/// Starts a run; the command that is to wait makes `started`, and goes on once `go` is there.
fn start(space: &Space) -> Child {
    let child = space.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while !space.exists("started") {
        assert!(Instant::now() < patience, "the command did not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// Lets the waiting command end, and the run with it.
fn go_on(space: &Space, mut child: Child) -> Option<i32> {
    space.write("go", "");
    let code = child.wait().unwrap().code();
    space.remove("go");
    space.remove("started");
    code
}

const WAIT: &str = ": > started; while ! test -e go; do sleep 0.01; done";

#[test]
fn an_edit_of_an_output_whose_node_waits_for_its_turn_is_kept() {
    let space = Space::with(&format!(
        "nodes:
  first: {{exec: {{command: [sh, -c, '{WAIT}; cat in > first'], inputs: [in], outputs: [first]}}}}
  second: {{exec: {{command: [cp, first, second], inputs: [first], outputs: [second]}}}}
"
    ));
    space.write("in", "1");
    let child = start(&space);
    assert_eq!(go_on(&space, child), Some(0));
    space.write("in", "2");
    let child = start(&space);
    space.write("second", "an hour of work");
    assert_eq!(go_on(&space, child), Some(0));
    assert_eq!(space.read("second"), "2");
    let kept = crate::support::files(&space.root().join(".ocelot/replaced"));
    assert!(kept.values().any(|bytes| bytes == b"an hour of work"), "{kept:?}");
}

#[test]
fn an_edit_that_could_not_be_moved_is_still_an_edit() {
    let space = Space::with("nodes: {a: {exec: {command: [cp, in, out], inputs: [in], outputs: [out]}}}");
    space.write("in", "1");
    space.build(&[]);
    space.write("in", "2");
    space.write("out", "an hour of work");
    space.write(".ocelot/replaced", "no folder");
    let failed = space.run(&["run"]).status(1);
    assert!(failed.stderr.contains(".ocelot/replaced"), "{}", failed.stderr);
    assert_eq!(space.read("out"), "an hour of work");
    space.remove(".ocelot/replaced");
    space.build(&[]);
    let kept = crate::support::files(&space.root().join(".ocelot/replaced"));
    assert!(kept.values().any(|bytes| bytes == b"an hour of work"), "{kept:?}");
}

#[test]
fn what_another_node_made_is_looked_at_again_too() {
    let space = Space::with(&format!(
        "nodes:
  first: {{exec: {{command: [cp, in, first], inputs: [in], outputs: [first]}}}}
  second: {{exec: {{command: [sh, -c, '{WAIT}; cat first > second'], inputs: [first], outputs: [second]}}}}
"
    ));
    space.write("in", "1");
    let child = start(&space);
    space.write("first", "an edit");
    assert_eq!(go_on(&space, child), Some(0));
    assert_eq!(space.read("second"), "an edit");
    let child = start(&space);
    assert_eq!(go_on(&space, child), Some(0));
    assert_eq!(space.read("second"), "1", "the edit was never recorded");
}

#[test]
fn a_discovered_input_that_changes_meanwhile_is_not_recorded() {
    let script = format!("cat a.h > x; {WAIT}; echo \"x: a.h\" > x.d");
    let space =
        Space::with(&format!("nodes: {{x: {{exec: {{command: [sh, -c, '{script}'], outputs: [x], depfile: x.d}}}}}}"));
    space.write("a.h", "1");
    let child = start(&space);
    space.write("a.h", "2");
    assert_eq!(go_on(&space, child), Some(0));
    assert_eq!(space.read("x"), "1");
    let child = start(&space);
    assert_eq!(go_on(&space, child), Some(0));
    assert_eq!(space.read("x"), "2");
    assert_eq!(space.build(&[]), counts(0, 0, 1));
}

#[test]
fn an_interrupt_of_the_last_node_is_told_by_the_exit_code() {
    let space = Space::with(&format!("nodes: {{a: {{exec: {{command: [sh, -c, '{WAIT}']}}}}}}"));
    let child = start(&space);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let mut child = child;
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
