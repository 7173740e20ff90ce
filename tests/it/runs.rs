//! After a run one knows what it did: its last lines.

use crate::support::{Space, both_paths};

/// Two objects and a program of them, with `cp` as the compiler and `cat` as the linker.
const PIPELINE: &str = "nodes:
  a: {exec: {command: [cp, a.c, a.o], inputs: [a.c], outputs: [a.o]}}
  b: {exec: {command: [cp, b.c, b.o], inputs: [b.c], outputs: [b.o]}}
  program: {exec: {command: [sh, -c, 'cat a.o b.o > out/program'], inputs: [a.o, b.o], outputs: [out/program]}}
";

fn space() -> Space {
    let space = Space::new();
    write_sources(&space);
    space
}

fn write_sources(space: &Space) {
    space.write("pipeline.yaml", PIPELINE);
    space.write("a.c", "int a;\n");
    space.write("b.c", "int b;\n");
}

fn human(space: &Space, arguments: &[&str], status: i32) -> String {
    space.run(&[&["run"], arguments].concat()).status(status).stderr
}

/// The lines after the counters, without those that depend on how fast the machine is.
fn closing(stderr: &str) -> Vec<&str> {
    let is_end = |line: &&str| !["done:", "failed:", "stopped:", "fresh:"].iter().any(|word| line.starts_with(word));
    let is_timed = |line: &&str| [" cached", "slowest", "   path"].iter().any(|word| line.starts_with(word));
    stderr.lines().skip_while(is_end).skip(1).filter(|line| !is_timed(line)).collect()
}

#[test]
fn the_end_of_a_run_says_what_ran_and_why_and_what_was_made() {
    both_paths(|space| {
        write_sources(&space);
        let first = human(&space, &[], 0);
        let expected =
            ["    why never run (3)", "   made out/program (14 B)", "   next ocelot graph (what waits for what)"];
        assert_eq!(closing(&first), expected, "{first}");
        assert!(closing(&human(&space, &[], 0)).is_empty(), "a run with nothing to do says what it said before");
        space.write("a.c", "int a2;\n");
        let edited = human(&space, &[], 0);
        let expected = ["    why input changed (2)", "   made out/program (15 B)"];
        assert_eq!(closing(&edited), expected, "{edited}");
        assert!(closing(&space.run(&["run", "--output", "plain", "--force", "a"]).status(0).stderr).is_empty());
    });
}

#[test]
fn machines_read_the_sum_before_the_end() {
    let space = space();
    let events = space.json(&[]).status(0).events();
    let [.., summary, finished] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&summary["event"], &finished["event"]), (&"summary".into(), &"finished".into()));
    assert_eq!(summary["reasons"][0], serde_json::json!({"what": "never run", "count": 3}));
    assert_eq!(summary["artifacts"][0]["place"], "out/program");
    assert_eq!(summary["artifacts"][0]["size"], 14);
    let critical = summary["critical"].as_array().unwrap();
    assert_eq!(critical.last().unwrap()["node"], "program", "{summary}");
    assert!(space.json(&[]).status(0).events().iter().all(|event| event["event"] != "summary"));
}

#[test]
fn a_failure_says_how_to_repeat_it_what_changed_and_where_the_whole_log_is() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes: {n: {exec: {command: [sh, -c, 'seq 60; test \"$MODE $(cat ../in)\" = \"a b good\"; echo > ../out'], \
             dir: sub folder, env: {MODE: a b}, inputs: [in], outputs: [out]}}}",
        );
        space.write("sub folder/keep", "");
        space.write("in", "good\n");
        assert_eq!(space.build(&[]).ran, 1);
        space.write("pipeline.yaml", &space.read("pipeline.yaml").replace("; echo", " || exit 3; echo"));
        space.write("in", "bad\n");
        let told = human(&space, &[], 1);
        assert!(told.contains("error: `sh` exited with status 3\n"), "{told}");
        assert!(told.contains("  changed since its last success: input in: "), "{told}");
        assert!(told.contains("  changed since its last success: command[2]: "), "{told}");
        assert!(told.contains("  | 60\n") && !told.contains("  | 20\n") && told.contains("  | 21\n"), "{told}");
        let log = told.lines().find_map(|line| line.strip_prefix("  all it printed: ")).expect("the log is named");
        assert_eq!(space.read(log), (1..=60).map(|i| format!("{i}\n")).collect::<String>());
        assert!(told.contains("   next ocelot log n (all that it printed)\n"), "{told}");
        // The command does what it did, wherever it is pasted.
        let command = told.lines().find_map(|line| line.strip_prefix("  command: ")).expect("the command is told");
        let pasted = std::process::Command::new("sh").args(["-c", command]).current_dir("/").output().unwrap();
        assert_eq!(pasted.status.code(), Some(3), "{command}");
        space.write("in", "good\n");
        assert_eq!(space.build(&[]).ran, 1);
        assert!(!space.exists(log), "what failed before is no longer of interest");
    });
}

#[test]
fn several_failures_are_listed_at_the_end() {
    let space = Space::with(
        "nodes:\n  a: {exec: {command: ['false'], outputs: [a]}}\n  b: {exec: {command: ['false'], outputs: [b]}}\n",
    );
    let told = human(&space, &["-j1"], 1);
    let told = closing(&told);
    assert_eq!(told[0], " failed a: `false` exited with status 1");
    assert_eq!(told[1], "        b: `false` exited with status 1");
    assert_eq!(told.last(), Some(&"   next ocelot plan (what is left to do)"), "there is no log to look at");
}
