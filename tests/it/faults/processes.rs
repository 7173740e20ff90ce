//! Commands that hang, flood, die, leave processes behind, or cannot start.

use crate::faults::{has, run_wrapped};
use crate::support::{Counts, Space, counts};

#[test]
fn row_03_a_command_that_ignores_the_request_is_ended_with_its_children() {
    use std::io::BufRead;
    let space = Space::with(
        "nodes: {n: {exec: {command: [sh, -c, 'trap \"echo asked\" TERM INT; sh -c \"trap \\\"\\\" TERM INT; echo \\$\\$ > pid; exec sleep 600\" & while ! test -s pid; do :; done; echo up; while :; do wait; done'], outputs: [out]}}}",
    );
    for (signal, status) in [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)] {
        let mut command = space.command(&["run", "--output", "json"]);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("\"output\"") {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "the run ended before it worked");
        }
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, signal).unwrap();
        while !line.contains("asked") {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "the run ended before it asked");
        }
        // A second request ends the patience, so that nobody waits five seconds here.
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(status));
        let grandchild = space.read("pid");
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", grandchild.trim())).unwrap_or_default();
        space.remove("pid");
        assert!(stat.is_empty() || stat.contains(") Z "), "a grandchild is alive: {stat}");
        let free = space.run(&["run", "--no-wait", "-n"]).status(0);
        assert!(!free.stderr.contains("another run"), "{free:?}");
    }
}

#[test]
fn row_28_a_daemon_that_holds_the_output_does_not_hold_the_run() {
    let space = Space::with(
        "nodes: {n: {exec: {command: [sh, -c, 'setsid sh -c \"echo \\$\\$ > pid; exec sleep 600\" & while ! test -s pid; do :; done; echo 1 > out'], outputs: [out]}}}",
    );
    let ran = space.run(&["run"]).status(0);
    let pid: i32 = space.read("pid").trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
    assert!(ran.stderr.contains("left a process running that holds its output open"), "{ran:?}");
    assert_eq!(space.build(&[]), counts(0, 0, 1));
}

#[test]
fn row_29_a_gigabyte_of_output_needs_little_memory_and_no_disk() {
    if !has("row 29", &["prlimit"]) {
        return;
    }
    let space = Space::with(
        "nodes: {n: {exec: {command: [sh, -c, 'echo first; head -c 1000000000 /dev/zero; printf \"\\\\033[2J\\\\377\\\\000 last\\\\n\"; echo > out'], outputs: [out]}}}",
    );
    let ran = run_wrapped(&space, &["prlimit", "--as=300000000:"], &["run", "--output", "json"]).status(0);
    assert_eq!(ran.counts(), counts(1, 0, 0));
    assert!(ran.stdout.len() < 20_000_000, "{} bytes of events", ran.stdout.len());
    let log = space.run(&["log", "n"]).status(0).stdout;
    assert!(log.len() < 2_000_000 && log.contains("first") && log.contains("last"), "{} bytes", log.len());
    assert!(!log.contains(['\u{1b}', '\0']), "safe for a terminal");
    let kept: usize = crate::support::files(&space.cache()).values().map(Vec::len).sum();
    assert!(kept < 5_000_000, "{kept} bytes in the cache");
}

#[test]
fn row_30_a_command_that_was_killed_is_named_with_its_signal() {
    let space = Space::with(
        "nodes:\n  n: {exec: {command: [sh, -c, 'echo partial > out; kill -9 $$'], outputs: [out]}}\n  below: {exec: {command: [cat, out], inputs: [out], stdout: o2}}\n",
    );
    for _ in 0..2 {
        let ran = space.run(&["run"]).status(1);
        assert!(
            ran.stderr.contains("`sh` was killed by signal 9 (SIGKILL); the kernel may have run out of memory"),
            "{ran:?}"
        );
        assert!(!space.exists("o2"), "what it left is not used");
    }
}

#[test]
fn row_31_programs_that_cannot_start_are_named_and_the_rest_goes_on() {
    let space = Space::with(
        "nodes:
  interpreter: {exec: {command: [./one], stdout: a}}
  forbidden: {exec: {command: [./two], stdout: b}}
  no-program: {exec: {command: [./three], stdout: c}}
  below: {exec: {command: [cat, a], inputs: [a], stdout: d}}
  beside: {exec: {command: [echo, fine], stdout: e}}
",
    );
    for (name, text, mode) in
        [("one", "#!/no/such/interpreter\n", 0o755), ("two", "#!/bin/sh\n", 0o644), ("three", "\x7fELF garbage", 0o755)]
    {
        space.write(name, text);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(space.root().join(name), mode).unwrap();
    }
    let ran = space.run(&["run"]).status(3);
    for text in ["install /no/such/interpreter", "two has no execute permission: `chmod +x` it", "./three"] {
        assert!(ran.stderr.contains(text), "{text}: {ran:?}");
    }
    assert_eq!(space.read("e"), "fine\n");
    let expected = Counts { fresh: 1, failed: 3, skipped: 1, ..Counts::default() };
    assert_eq!(space.json(&[]).status(3).counts(), expected);
}

#[test]
fn row_31_a_process_without_descriptors_fails_clearly_at_every_limit() {
    if !has("row 31", &["prlimit"]) {
        return;
    }
    let space = Space::with(
        "nodes:\n  a: {exec: {command: [echo, one], stdout: a}}\n  b: {exec: {command: [cat, a], inputs: [a], stdout: b}}\n",
    );
    for limit in 4..40 {
        // Each segment of the cache is an open file.
        std::fs::remove_dir_all(space.cache()).ok();
        let ran = run_wrapped(&space, &["prlimit", &format!("--nofile={limit}:")], &["run", "-j2", "--no-cache"]);
        if ran.status == 0 {
            assert_eq!(space.read("b"), "one\n");
        } else if !ran.stderr.contains("error while loading shared libraries") {
            assert!(
                ran.stderr.contains("Too many open files") || ran.stderr.contains("descriptors"),
                "{limit}: {ran:?}"
            );
            assert!([1, 2, 3].contains(&ran.status) && limit < 39, "{limit}: {ran:?}");
        }
    }
    assert_eq!(space.build(&[]).failed, 0);
}
