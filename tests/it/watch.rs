//! `watch`, with real changes of real files.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::Space;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(120);

const PIPELINE: &str = r#"
default: [told]
nodes:
  made:
    exec:
      command: [sh, -c, 'if grep -q wait src/a.txt; then echo > began; sleep 1000; fi; cat src/*.txt > made.txt']
      inputs: ["src/*.txt"]
      outputs: [made.txt]
  told:
    exec: {command: [sh, -c, 'echo told >> told.log'], class: effect, inputs: [made.txt]}
"#;

/// A `watch` at work; ended when dropped.
struct Watching {
    child: Child,
    events: Receiver<Value>,
    errors: Receiver<String>,
}

impl Watching {
    fn of(space: &Space, arguments: &[&str]) -> Self {
        let mut command = space.command(&[&["watch", "--output", "json"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("watch");
        let (out, error) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let (tell, events) = channel();
        std::thread::spawn(move || {
            let values = BufReader::new(out).lines().map_while(Result::ok);
            values.map(|line| serde_json::from_str(&line).expect("JSON")).try_for_each(|value| tell.send(value))
        });
        let (tell, errors) = channel();
        std::thread::spawn(move || {
            BufReader::new(error).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        Self { child, events, errors }
    }

    /// The next end of a run.
    fn finished(&self) -> Value {
        loop {
            let event = self.events.recv_timeout(LONG).expect("a run");
            if event["event"] == "finished" {
                return event;
            }
        }
    }

    /// Waits for a line that has this.
    fn says(&self, part: &str) {
        while !self.errors.recv_timeout(LONG).unwrap_or_else(|_| panic!("`{part}` was not said")).contains(part) {}
    }

    fn interrupt(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it is there");
        assert_eq!(self.child.wait().expect("an end").code(), Some(0));
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).ok();
        self.child.wait().ok();
    }
}

#[test]
fn a_change_runs_what_depends_on_it_and_no_effect() {
    let space = Space::with(PIPELINE);
    space.write("src/a.txt", "one\n");
    let watching = Watching::of(&space, &[]);
    watching.says("watching 2 folders");
    assert_eq!(watching.finished()["ran"], 1, "`told` is left out");
    space.write("src/a.txt", "two\n");
    assert_eq!(watching.finished()["ran"], 1);
    // A new file that a pattern finds, as an editor writes it.
    space.write("src/.b.tmp", "three\n");
    std::fs::rename(space.root().join("src/.b.tmp"), space.root().join("src/b.txt")).expect("a rename");
    assert_eq!(watching.finished()["ran"], 1);
    assert_eq!(space.read("made.txt"), "two\nthree\n");
    assert!(!space.exists("told.log"));
    watching.interrupt();
}

#[test]
fn a_change_while_it_works_begins_anew() {
    let space = Space::with(PIPELINE);
    space.write("src/a.txt", "wait\n");
    let watching = Watching::of(&space, &["made"]);
    while !space.exists("began") {
        std::thread::yield_now();
    }
    space.write("src/a.txt", "go\n");
    watching.says("changed meanwhile: begun anew");
    while watching.finished()["ran"] != 1 {}
    assert_eq!(space.read("made.txt"), "go\n");
    watching.interrupt();
}

#[test]
fn effects_run_if_asked_for_and_are_never_cancelled() {
    let space = Space::with(PIPELINE);
    space.write("src/a.txt", "one\n");
    let watching = Watching::of(&space, &["--effects"]);
    assert_eq!(watching.finished()["ran"], 2);
    space.write("src/a.txt", "two\n");
    assert_eq!(watching.finished()["ran"], 2);
    assert_eq!(space.read("told.log"), "told\ntold\n");
    watching.interrupt();
    let space = Space::with("nodes: {told: {exec: {command: [echo, told], class: effect}}}");
    let said = space.run(&["watch"]).status(2).stderr;
    assert!(said.contains("are effects, which `watch` leaves out") && said.contains("--effects"), "{said}");
}

#[test]
fn a_pipeline_that_is_wrong_is_shown_and_watched_until_it_is_right() {
    let space = Space::with(PIPELINE);
    space.write("src/a.txt", "one\n");
    space.write("pipeline.yaml", "nodes: [");
    // Wrong from the beginning, and then anew.
    let watching = Watching::of(&space, &[]);
    watching.says("pipeline.yaml:1");
    space.write("pipeline.yaml", PIPELINE);
    assert_eq!(watching.finished()["ran"], 1);
    space.write("pipeline.yaml", &PIPELINE.replace("inputs:", "input:"));
    watching.says("unknown field `input`");
    space.write("pipeline.yaml", &PIPELINE.replace("cat src", "echo new >&2; cat src"));
    assert_eq!(watching.finished()["ran"], 1);
    assert_eq!(space.read("made.txt"), "one\n", "the echo is for the log");
    watching.interrupt();
}
