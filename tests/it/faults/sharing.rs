//! Several runs at once: one workspace, one cache, a collector beside them, and file systems without locks.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::faults::{CHAIN, assert_chain, chain, has, run_wrapped, warnings, wrapped};
use crate::support::{Space, counts};

#[test]
fn row_01_killed_at_any_call_that_changes_files_the_next_run_is_right() {
    if !has("row 1", &["strace"]) {
        return;
    }
    // Calls by which a run changes files; the n-th of each kills it.
    for (call, step) in [("write", 1), ("pwrite64", 1), ("rename", 1), ("openat", 9), ("unlink,unlinkat", 1)] {
        let mut at = 1;
        loop {
            let space = chain();
            let inject = format!("inject={call}:signal=KILL:when={at}");
            let ran = run_wrapped(&space, &["strace", "-qq", "-f", "-o", "/dev/null", "-e", &inject], &["run"]);
            assert_eq!(space.build(&[]).failed, 0, "{call} {at}");
            assert_chain(&space);
            assert_eq!(space.build(&[]), counts(0, 0, 4), "{call} {at}");
            if ran.status == 0 {
                assert!(at > 1 || call == "unlink,unlinkat", "no {call} was hit");
                break;
            }
            at += step;
            assert!(at < 400, "{call} has no end");
        }
    }
}

/// Kills a run at its calls into the system, whatever they are: every `step`-th of each thread, until a run gets to its end.
/// What a run had said of a node before it was killed stands: only what was in flight is done again.
fn killed_at_calls(step: usize) -> usize {
    let (mut at, mut kills) = (1, 0);
    loop {
        let space = chain();
        let inject = format!("inject=all:signal=KILL:when={at}");
        let strace = ["strace", "-qq", "-f", "-o", "/dev/null", "-e", &inject];
        let ran = run_wrapped(&space, &strace, &["run", "-j", "1", "--output", "json"]);
        let whole = ran.stdout.lines().filter(|line| line.ends_with('}'));
        let events = whole.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let ended = events.filter(|event| event["event"] == "ended" && event["end"] == "ran");
        let ended: Vec<String> = ended.map(|event| event["node"].as_str().unwrap_or_default().to_owned()).collect();
        let next = space.json(&["-j", "1"]).status(0);
        assert_chain(&space);
        let again = next.ended("ran");
        assert!(ended.iter().all(|node| !again.contains(node)), "{at}: {ended:?} and again {again:?}");
        assert_eq!(space.build(&[]), counts(0, 0, 4), "{at}");
        if ran.status == 0 {
            return kills;
        }
        kills += 1;
        at += step;
        assert!(at < 100_000, "it has no end");
    }
}

#[test]
fn row_01_killed_at_any_call_nothing_that_was_said_is_done_again() {
    if !has("row 1", &["strace"]) {
        return;
    }
    // Every single call takes minutes; CI asks for it once.
    let every = std::env::var("OCELOT_TEST_EVERY_CALL").is_ok();
    let kills = killed_at_calls(if every { 1 } else { 13 });
    assert!(kills >= 5, "{kills} kills");
    writeln!(std::io::stderr(), "killed at {kills} calls").ok();
}

#[test]
fn row_16_a_waiting_run_starts_when_the_other_has_ended() {
    let space =
        Space::with("nodes: {n: {exec: {command: [sh, -c, 'echo up; read line < gate; echo 1 > n'], outputs: [n]}}}");
    let made = Command::new("mkfifo").arg(space.root().join("gate")).status().unwrap();
    assert!(made.success());
    let mut first = space.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Opening the gate waits until the command has it open: the first run holds the lock now.
    let mut gate = std::fs::File::options().write(true).open(space.root().join("gate")).unwrap();
    let mut second = space.command(&["run"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = std::io::BufReader::new(second.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut told, &mut line).unwrap();
    assert!(line.contains("waiting for another run") && line.contains(&format!("pid {}", first.id())), "{line}");
    std::io::Write::write_all(&mut gate, b"go\n").unwrap();
    drop(gate);
    assert_eq!(first.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut told, &mut rest).unwrap();
    assert_eq!(second.wait().unwrap().code(), Some(0), "{rest}");
    assert!(rest.contains("nothing to do"), "{rest}");
}

/// Fifty nodes, some with large outputs; `own` makes some of them differ between workspaces.
fn fifty(own: usize) -> Space {
    let nodes = (0..50).map(|i| {
        let size = if i % 5 == 0 { 9_000 } else { 40 };
        let text = if i % 10 == 0 { own } else { 0 };
        format!("  n{i}: {{exec: {{command: [sh, -c, 'cat in && printf %0{size}d {i}{text}'], inputs: [in], stdout: o{i}}}}}\n")
    });
    let space = Space::with(&("nodes:\n".to_owned() + &nodes.collect::<String>()));
    space.write("in", "shared\n");
    space
}

fn assert_fifty(space: &Space, own: usize) {
    for i in 0..50 {
        let text = space.read(&format!("o{i}"));
        let number = format!("{i}{}", if i % 10 == 0 { own } else { 0 });
        let size = if i % 5 == 0 { 9_000 } else { 40 };
        assert_eq!(text, format!("shared\n{number:0>size$}"), "o{i}");
    }
}

#[test]
fn row_17_eight_workspaces_build_at_once_over_one_cache() {
    let first = fifty(0);
    let mut spaces: Vec<Space> = (1..8).map(fifty).collect();
    spaces.iter_mut().for_each(|space| space.share_cache(&first));
    spaces.insert(0, first);
    for round in 0..2 {
        let start = |space: &Space| {
            space.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a run")
        };
        let children: Vec<_> = spaces.iter().map(start).collect();
        for (own, child) in children.into_iter().enumerate() {
            let ran = Ran::from(child.wait_with_output().unwrap()).status(0);
            assert_eq!(warnings(&ran), [] as [&str; 0], "workspace {own}: {ran:?}");
            assert_fifty(&spaces[own], own);
        }
        if round == 0 {
            for space in &spaces {
                (0..50).for_each(|i| space.remove(&format!("o{i}")));
                space.remove(".ocelot");
            }
        }
    }
    let whole = spaces[0].run(&["cache", "verify"]).status(0);
    assert!(!whole.stdout.contains("damaged: "), "{whole:?}");
}

#[test]
fn row_18_a_collector_in_a_loop_never_makes_a_build_wrong() {
    let space = fifty(0);
    space.write("config/ocelot.yaml", "cache: {max-size: 1KiB, max-age: 1d}\n");
    let valid = space.run(&["cache", "gc"]);
    assert_eq!(valid.status, 0, "{valid:?}");
    let done = AtomicBool::new(false);
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) {
                let ran = space.run(&["cache", "gc"]);
                assert!(ran.status == 0 || ran.stderr.contains("another"), "{ran:?}");
                rounds += 1;
            }
            rounds
        });
        let guard = Done(&done);
        for round in 0..6 {
            space.write("in", if round % 2 == 0 { "other\n" } else { "shared\n" });
            let ran = space.run(&["run"]).status(0);
            assert_eq!(warnings(&ran), [] as [&str; 0]);
        }
        assert_fifty(&space, 0);
        drop(guard);
        assert!(collector.join().unwrap() > 0);
    });
}

#[test]
fn row_20_a_file_system_without_locks_is_a_warning() {
    if !has("row 20", &["strace"]) {
        return;
    }
    for error in ["EOPNOTSUPP", "ENOLCK", "ENOSYS"] {
        let space = chain();
        let inject = format!("inject=flock:error={error}");
        let ran = run_wrapped(&space, &["strace", "-qq", "-f", "-o", "/dev/null", "-e", &inject], &["run"]).status(0);
        let told = warnings(&ran);
        assert!(told.len() == 1 && told[0].contains("no reliable file locks"), "{error}: {ran:?}");
        assert_chain(&space);
        assert_eq!(space.build(&[]), counts(0, 0, 4));
    }
}

#[test]
fn row_65_a_dry_run_writes_nothing_and_asks_nobody() {
    if !has("row 65", &["strace"]) {
        return;
    }
    let space =
        Space::with(&format!("{CHAIN}  source: {{clone: {{repo: 'https://example.invalid/a/b', ref: main}}}}\n"));
    space.write("in", &"x".repeat(20_000));
    let stages: [&dyn Fn(); 3] = [&|| {}, &|| assert_eq!(space.build(&["inside", "twice"]).failed, 0), &|| {
        space.write("in", "edited\n");
        space.remove("twice");
    }];
    for stage in stages {
        stage();
        for arguments in [&["plan"][..], &["run", "-n"], &["why", "twice"], &["graph"], &["validate"]] {
            let trace = space.cache().join("trace");
            let wrapper = ["strace", "-qq", "-f", "-e", "trace=all", "-o", trace.to_str().unwrap()];
            let ran = Ran::of(&mut wrapped(&space, &wrapper, arguments)).status(0);
            let calls = std::fs::read_to_string(&trace).unwrap();
            std::fs::remove_file(&trace).unwrap();
            let changes = |line: &&str| {
                let call = line.split_whitespace().nth(1).unwrap_or_default();
                let name = call.split('(').next().unwrap_or_default();
                let opens = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| line.contains(flag));
                let starts = [
                    "mkdir",
                    "rename",
                    "unlink",
                    "rmdir",
                    "symlink",
                    "link",
                    "chmod",
                    "fchmod",
                    "utimens",
                    "truncate",
                    "ftruncate",
                    "socket",
                    "connect",
                    "execve",
                ];
                let is_change =
                    starts.iter().any(|start| name.starts_with(start)) || name.contains("fork") || name == "flock";
                (opens || is_change) && !line.contains("/dev/null") && !line.contains("execve(\"/")
            };
            let found: Vec<&str> = calls.lines().filter(changes).collect();
            assert!(found.is_empty(), "{arguments:?}: {found:#?} {ran:?}");
            assert_eq!(calls.matches("execve(").count(), 1, "{arguments:?} starts nothing");
        }
    }
}

use crate::support::Ran;

impl Ran {
    fn of(command: &mut Command) -> Self {
        Self::from(command.output().expect("the program starts"))
    }
}
