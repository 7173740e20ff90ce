//! Runs that are killed, interrupted, or beside each other; damaged state.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::support::{Ran, Space, both_paths, counts, files};

/// Waits until a command of the run has printed something.
fn wait_for_work(child: &mut std::process::Child) -> BufReader<std::process::ChildStdout> {
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    // Its first line: from then on the watcher has been told of its process group.
    while !line.contains("\"output\"") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the run ended before it worked");
    }
    lines
}

/// `first` writes its process number, then waits for ever unless `go` exists.
const HANGS: &str = "nodes:\n  first: {exec: {command: [sh, -c, 'echo $$ > pid; echo up; test -e go || exec sleep 600; echo 1 > first'], outputs: [first]}}\n  second: {exec: {command: [cat, first], inputs: [first], stdout: second}}\n  quick: {exec: {command: [echo, q], stdout: quick}}\n";

fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn wait_for_file(space: &Space, path: &str) -> String {
    loop {
        if let Ok(text) = std::fs::read_to_string(space.root().join(path))
            && text.ends_with('\n')
        {
            return text.trim().to_owned();
        }
        std::thread::yield_now();
    }
}

#[test]
fn row_03_an_interrupt_ends_commands_and_the_next_run_goes_on() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let space = Space::with(HANGS);
        let mut child = space.command(&["run", "--output", "json", "-j4"]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = wait_for_work(&mut child);
        let pid = wait_for_file(&space, "pid");
        let killed = std::process::Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(killed.unwrap().success());
        drop(lines);
        assert_eq!(child.wait().unwrap().code(), Some(status));
        assert!(!is_alive(&pid), "the command outlives the run");
        space.write("go", "");
        let after = space.build(&[]);
        assert_eq!((after.failed, after.skipped), (0, 0));
        assert_eq!(space.read("second"), "1\n");
    }
}

#[test]
fn row_19_a_killed_run_takes_its_commands_along_and_frees_the_lock() {
    let space = Space::with(HANGS);
    let mut child = space.command(&["run", "--output", "json", "-j4"]).stdout(Stdio::piped()).spawn().unwrap();
    let _lines = wait_for_work(&mut child);
    let pid = wait_for_file(&space, "pid");
    child.kill().unwrap();
    child.wait().unwrap();
    space.write("go", "");
    // The next run waits for the watcher, which holds the lock until the last command is gone.
    let after = space.build(&[]);
    assert!(!is_alive(&pid), "an orphan worked beside the next run");
    assert_eq!((after.failed, after.skipped), (0, 0));
    assert_eq!(space.read("second"), "1\n");
}

#[test]
fn row_16_a_second_run_says_who_holds_the_workspace() {
    let space = Space::with(HANGS);
    let mut child = space.command(&["run", "--output", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    let _lines = wait_for_work(&mut child);
    let refused = space.run(&["run", "--no-wait"]).status(3);
    assert!(refused.stderr.contains(&child.id().to_string()), "{refused:?}");
    assert_eq!(space.run(&["plan"]).status, 0, "looking needs no lock");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A build of six nodes, killed at some instant, then finished: the result must be that of a clean build.
#[test]
fn row_01_killed_at_any_instant_the_next_run_is_right() {
    let pipeline: String = "nodes:\n".to_owned()
        + &(0..6)
            .map(|i| {
                let before = if i == 0 { "seed".to_owned() } else { format!("o{}", i - 1) };
                format!("  n{i}: {{exec: {{command: [sh, -c, 'cat {before} {before} > o{i}'], inputs: [{before}], outputs: [o{i}]}}}}\n")
            })
            .collect::<String>();
    let clean = Space::with(&pipeline);
    clean.write("seed", "s\n");
    assert_eq!(clean.build(&[]), counts(6, 0, 0));
    let wanted: Vec<String> = (0..6).map(|i| clean.read(&format!("o{i}"))).collect();
    let space = Space::with(&pipeline);
    space.write("seed", "s\n");
    let mut state = 42u64;
    for round in 0..25 {
        if round % 5 == 0 {
            space.write("seed", if round % 10 == 0 { "t\n" } else { "s\n" });
        }
        let mut child =
            space.command(&["run", "--output", "json"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // Killed after so many lines of its events: an instant that depends on progress, not on a clock.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let lines = (state >> 33) % 14;
        let reader = BufReader::new(child.stdout.take().unwrap());
        reader.lines().take(usize::try_from(lines).unwrap()).for_each(drop);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    space.write("seed", "s\n");
    assert_eq!(space.build(&[]).failed, 0);
    let got: Vec<String> = (0..6).map(|i| space.read(&format!("o{i}"))).collect();
    assert_eq!(got, wanted);
    assert_eq!(space.build(&[]), counts(0, 0, 6));
}

#[test]
fn row_14_damaged_state_costs_a_look_and_nothing_else() {
    both_paths(|space| {
        space.write("pipeline.yaml", "nodes:\n  a: {exec: {command: [cat, in], inputs: [in], stdout: a}}\n  b: {exec: {command: [cat, a], inputs: [a], stdout: b}}\n");
        space.write("in", "1\n");
        assert_eq!(space.build(&[]), counts(2, 0, 0));
        let state: Vec<_> = files(&space.root().join(".ocelot/state")).into_iter().collect();
        assert!(state.len() >= 3, "paths, a snapshot, the last run: {state:?}");
        for (path, bytes) in &state {
            for damaged in [&bytes[..bytes.len() / 2], &[], &[bytes.as_slice(), b"x"].concat(), &flipped(bytes)] {
                std::fs::write(path, damaged).unwrap();
                let ran: Ran = space.json(&["-p", "pipeline.yaml"]).status(0);
                assert_eq!((ran.counts().failed, ran.counts().ran), (0, 0), "{}", path.display());
                assert_eq!(space.read("b"), "1\n");
            }
        }
    });
}

fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    flipped
}

#[test]
fn row_09_a_damaged_cache_is_a_miss_and_never_a_wrong_result() {
    both_paths(|space| {
        let big = "x".repeat(10_000);
        space.write("pipeline.yaml", "nodes:\n  a: {exec: {command: [cat, in], inputs: [in], stdout: a}}\n  b: {exec: {command: [cat, small], inputs: [small], stdout: b}}\n");
        space.write("in", &big);
        space.write("small", "s\n");
        assert_eq!(space.build(&[]), counts(2, 0, 0));
        for (path, bytes) in files(&space.cache().join("ocelot/v1/store")) {
            if path.file_name().is_some_and(|name| name != "gc.lock" && name != "last-gc") {
                let writable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
                std::fs::set_permissions(&path, writable).unwrap();
                std::fs::write(&path, flipped(&bytes)).unwrap();
            }
        }
        space.remove("a");
        space.remove("b");
        space.remove(".ocelot");
        let ran = space.json(&[]).status(0);
        assert_eq!(ran.counts().failed, 0);
        assert_eq!((space.read("a"), space.read("b")), (big, "s\n".to_owned()));
        assert_eq!(space.build(&[]), counts(0, 0, 2));
    });
}

#[test]
fn row_29_a_flood_of_output_is_capped() {
    let space = Space::with(
        "nodes: {n: {exec: {command: [sh, -c, 'head -c 50000000 /dev/zero | tr \"\\\\0\" x; echo; echo end; printf \"\\\\033[2J\\\\377\"; echo > out'], outputs: [out]}}}",
    );
    assert_eq!(space.build(&[]), counts(1, 0, 0));
    let log = space.run(&["log", "n"]).status(0).stdout;
    assert!(log.len() < 2_000_000, "{} bytes", log.len());
    assert!(log.contains("bytes left out") && log.contains("end"), "head and tail are kept");
    assert!(!log.contains('\u{1b}'), "safe for a terminal");
}

#[test]
fn workspaces_share_a_cache() {
    let first = Space::with("nodes: {n: {exec: {command: [cat, in], inputs: [in], stdout: out}}}");
    first.write("in", "x\n");
    assert_eq!(first.build(&[]), counts(1, 0, 0));
    let mut second = Space::with(&first.read("pipeline.yaml"));
    second.write("in", "x\n");
    second.share_cache(&first);
    assert_eq!(second.build(&[]), counts(0, 1, 0));
    assert_eq!(second.read("out"), "x\n");
}

#[test]
fn a_null_run_starts_nothing_and_opens_no_socket() {
    let space = Space::with("nodes: {n: {exec: {command: [cat, in], inputs: [in], stdout: out}}}");
    space.write("in", "x\n");
    for _ in 0..3 {
        assert_eq!(space.build(&[]).failed, 0);
    }
    let trace = space.root().join("trace");
    let mut command = std::process::Command::new("strace");
    command.args(["-f", "-qq", "-e", "trace=execve,socket,clone3,fork,vfork", "-o"]).arg(&trace);
    let program = space.command(&["run"]);
    command.arg(program.get_program()).args(program.get_args()).current_dir(space.root());
    command.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let Ok(output) = command.output() else {
        // Past the harness's capture, so that it shows although the test passes.
        let message = "NOT RUN: a_null_run_starts_nothing_and_opens_no_socket, because strace is not installed\n";
        std::io::stderr().write_all(message.as_bytes()).unwrap();
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let trace = std::fs::read_to_string(&trace).unwrap();
    assert_eq!(trace.matches("execve(").count(), 1, "only itself: {trace}");
    assert!(!trace.contains("socket("), "{trace}");
}
