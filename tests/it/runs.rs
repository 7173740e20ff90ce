//! After a run one knows what it did, and can ask again later: its last lines, its history, its trace, its logs.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::Value;

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
        let expected = [
            "    why input changed (2)",
            "   made out/program (15 B)",
            "   next ocelot why --last (what changed, with old and new values)",
        ];
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
        assert!(told.contains("error[OC0701]: `sh` exited with status 3\n"), "{told}");
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

#[test]
fn the_history_has_the_runs_that_did_something_and_no_other() {
    both_paths(|space| {
        space.write("pipeline.yaml", PIPELINE);
        space.write("a.c", "1");
        space.write("b.c", "1");
        assert!(space.run(&["history"]).status(0).stdout.contains("no run has done anything here yet"));
        for text in ["1", "2", "3"] {
            space.write("a.c", text);
            assert_eq!(space.build(&[]).failed, 0);
        }
        let before = std::fs::read(space.root().join(".ocelot/history")).unwrap();
        assert_eq!(space.build(&[]).ran, 0);
        assert_eq!(std::fs::read(space.root().join(".ocelot/history")).unwrap(), before, "nothing was done");
        let told = space.run(&["history"]).status(0).stdout;
        let lines: Vec<&str> = told.lines().collect();
        assert!(lines[0].contains("run  began (UTC)") && lines.len() == 4, "{told}");
        assert!(lines[3].trim_start().starts_with("3  20") && lines[3].contains("33 %"), "{told}");
        assert!(lines[3].ends_with("run --output json"), "{told}");
        let runs = space.run(&["history", "-n", "2", "--output", "json"]).status(0).events();
        assert_eq!(runs.iter().map(|run| run["number"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(runs[1]["counts"]["ran"], 2);
        assert_eq!(runs[1]["nodes"][0]["node"], "a");
        assert_eq!(runs[1]["nodes"][0]["topic"], "input");
    });
}

#[test]
fn what_made_runs_slow_is_told_by_node_and_by_reason() {
    let space = space();
    assert_eq!(space.build(&[]).ran, 3);
    space.write("a.c", "int a2;\n");
    assert_eq!(space.build(&[]).ran, 2);
    let slow = &space.run(&["history", "--slow", "--output", "json"]).status(0).events()[0];
    let times = |what: &str, list: &str| {
        let shares = slow[list].as_array().unwrap();
        shares.iter().find(|share| share["what"] == what).map(|share| share["times"].as_u64().unwrap())
    };
    assert_eq!((times("a", "nodes"), times("b", "nodes")), (Some(2), Some(1)), "{slow}");
    assert_eq!((times("never run", "reasons"), times("input changed", "reasons")), (Some(3), Some(2)), "{slow}");
    let told = space.run(&["history", "--slow"]).status(0).stdout;
    assert!(told.starts_with("the last 2 runs took "), "{told}");
}

#[test]
fn a_damaged_history_costs_the_damaged_run_and_no_later_one() {
    let space = space();
    assert_eq!(space.build(&[]).ran, 3);
    let file = space.root().join(".ocelot/history");
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, &good[..good.len() - 3]).unwrap();
    assert!(space.run(&["history"]).status(0).stdout.contains("no run has done anything here yet"));
    for text in ["2", "3"] {
        space.write("a.c", text);
        assert_eq!(space.build(&[]).failed, 0);
    }
    assert_eq!(space.run(&["history", "--output", "json"]).status(0).events().len(), 2);
}

/// The events of a trace.
fn trace(space: &Space, arguments: &[&str]) -> Vec<Value> {
    let ran = space.run(&[&["run", "--trace", "trace.json"], arguments].concat());
    assert!(ran.status <= 1, "{ran:?}");
    let whole: Value = serde_json::from_str(&space.read("trace.json")).unwrap();
    whole["traceEvents"].as_array().expect("events").clone()
}

#[test]
fn a_trace_has_every_node_on_a_lane_and_all_that_its_form_asks_for() {
    let space = Space::with(&format!("pools: {{disk: 1}}\n{}", PIPELINE.replace("b: {", "b: {pool: disk, ")));
    space.write("a.c", "1");
    space.write("b.c", "1");
    let events = trace(&space, &["-j2"]);
    for event in &events {
        let has = |key: &str| event.get(key).is_some();
        assert!(["ph", "name", "pid", "tid", "ts"].into_iter().all(has), "{event}");
        match event["ph"].as_str().unwrap() {
            "X" => assert!(event["dur"].is_u64() && event["ts"].is_u64() && has("cat"), "{event}"),
            "C" => {
                let values = event["args"].as_object().unwrap();
                assert!(!values.is_empty() && values.values().all(Value::is_u64), "{event}");
            }
            "M" => assert!(event["args"].is_object(), "{event}"),
            other => panic!("{other}"),
        }
    }
    let spans: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X" && event["tid"] != 0).collect();
    let named: Vec<&str> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(named.len(), 3, "{named:?}");
    let end = |span: &Value| span["ts"].as_u64().unwrap() + span["dur"].as_u64().unwrap();
    for (at, one) in spans.iter().enumerate() {
        for other in spans[at + 1..].iter().filter(|other| other["tid"] == one["tid"]) {
            assert!(end(one) <= other["ts"].as_u64().unwrap(), "{one} and {other} overlap on one lane");
        }
    }
    let program = spans.iter().find(|span| span["name"] == "program").unwrap();
    assert_eq!(program["args"]["why"], "never run with these inputs");
    assert!(spans.iter().all(|span| span["name"] == "program" || end(span) <= program["ts"].as_u64().unwrap()));
    assert!(events.iter().any(|event| event["name"] == "pool disk" && event["args"]["free"] == 0));
    // One with nothing to do, and one that cannot be written.
    assert!(trace(&space, &[]).iter().any(|event| event["name"] == "look"));
    let refused = space.run(&["run", "--trace", "none/trace.json"]).status(3);
    assert!(refused.stderr.contains("cannot write the trace to "), "{refused:?}");
}

#[test]
fn why_last_says_of_every_node_what_changed() {
    let space = space();
    assert!(space.run(&["why", "--last"]).status(2).stderr.contains("no run has done anything here yet"));
    assert_eq!(space.build(&[]).ran, 3);
    space.write("a.c", "int a2;\n");
    assert_eq!(space.build(&[]).ran, 2);
    let told = space.run(&["why", "--last"]).status(0).stdout;
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("run 2 (20") && lines[0].ends_with(": run --output json"), "{told}");
    assert_eq!(lines[1], "a: ran");
    assert!(lines[2].starts_with("  input a.c: ") && lines[2].contains(" → "), "{told}");
    assert_eq!(lines[3], "program: ran");
    assert!(lines[4].starts_with("  input a.o: ") && lines.len() == 5, "{told}");
}

#[test]
fn two_runs_are_compared_by_what_every_node_was_made_from() {
    let space = space();
    assert_eq!(space.build(&[]).ran, 3);
    space.write("a.c", "int a2;\n");
    assert_eq!(space.build(&[]).ran, 2);
    space.write("b.c", "int b2;\n");
    assert_eq!(space.build(&[]).ran, 2);
    let told = space.run(&["why", "1", "3"]).status(0).stdout;
    for expected in ["a:\n  input a.c: ", "b:\n  input b.c: ", "program:\n  input a.o: "] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert!(told.ends_with("3 nodes differ between 1 and 3; all others are the same\n"), "{told}");
    // `a` was touched last in run 2: what it was in run 3 is known all the same.
    let told = space.run(&["why", "2", "3"]).status(0).stdout;
    assert!(!told.contains("a:\n") && told.contains("b:\n"), "{told}");
    space.write("a.c", "int a;\n");
    space.write("b.c", "int b;\n");
    assert_eq!(space.build(&[]).restored, 3, "laid out from the store");
    let told = space.run(&["why", "1", "4"]).status(0).stdout;
    assert_eq!(told, "0 nodes differ between 1 and 4; all others are the same\n");
    let unknown = space.run(&["why", "1", "9"]).status(2).stderr;
    assert!(unknown.contains("the history has no run `9`: it has 1 to 4"), "{unknown}");
}

#[test]
fn two_machines_are_compared_by_files() {
    let (mut here, there) = (space(), space());
    there.write("a.c", "int other;\n");
    assert_eq!(there.build(&["--record", "there.json"]).ran, 3);
    let pipeline = here.read("pipeline.yaml").replace("cp, b.c", "cp, -p, b.c");
    here.write("pipeline.yaml", &pipeline);
    here.set("HOME", "/nonexistent");
    let _ = here.run(&["plan", "--record", "here.json"]).status(0);
    assert!(!here.exists(".ocelot/history"), "a plan changes nothing");
    here.write("there.json", &there.read("there.json"));
    let told = here.run(&["why", "there.json", "here.json"]).status(0).stdout;
    assert!(told.contains("a: would hit with there.json, would run with here.json\n  input a.c: "), "{told}");
    assert!(told.contains("\n  command[1]: `b.c` → `-p`\n"), "{told}");
    assert!(told.ends_with("nodes differ between there.json and here.json; 3 are in both\n"), "{told}");
    for text in [here.read("here.json"), here.read("there.json")] {
        assert!(!text.contains(here.root().to_str().unwrap()), "no path of a machine: {text}");
        assert!(!text.contains(there.root().to_str().unwrap()), "no path of a machine: {text}");
    }
    here.write("broken.json", "{}");
    let refused = here.run(&["why", "there.json", "broken.json"]).status(2).stderr;
    assert!(refused.contains("is no record of a run"), "{refused}");
    assert!(here.run(&["why", "there.json", "1"]).status(2).stderr.contains("not a run with a file"));
}

#[test]
fn outputs_that_differ_from_equal_inputs_are_named_as_not_reproducible() {
    let pipeline = "nodes: {n: {exec: {command: [sh, -c, 'echo $$ > out'], outputs: [out]}}}";
    let (here, there) = (Space::with(pipeline), Space::with(pipeline));
    assert_eq!(there.build(&["--record", "there.json"]).ran, 1);
    assert_eq!(here.build(&["--record", "here.json"]).ran, 1);
    here.write("there.json", &there.read("there.json"));
    let told = here.run(&["why", "there.json", "here.json"]).status(0).stdout;
    assert!(told.contains("n: made from the same, and yet other outputs: it is not reproducible\n  out: "), "{told}");
}

#[test]
fn an_effect_that_is_done_again_is_explained_like_the_rest() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes: {n: {exec: {class: effect, command: [cp, in, out], inputs: [in], outputs: [out]}}}",
        );
        space.write("in", "1");
        assert!(human(&space, &[], 0).contains(" never done here\n"));
        space.write("in", "2");
        let told = human(&space, &[], 0);
        assert!(told.contains(" input in: ") && told.contains(" → "), "{told}");
        assert!(space.run(&["why", "1", "2"]).status(0).stdout.starts_with("n:\n  input in: "));
    });
}

#[test]
fn logs_of_earlier_runs_are_kept() {
    let space =
        Space::with("nodes: {n: {exec: {command: [sh, -c, 'cat in; cp in out'], inputs: [in], outputs: [out]}}}");
    for text in ["one\n", "two\n"] {
        space.write("in", text);
        assert_eq!(space.build(&[]).ran, 1);
    }
    assert_eq!(space.run(&["log", "n"]).status(0).stdout, "two\n");
    assert_eq!(space.run(&["log", "n", "--run", "1"]).status(0).stdout, "one\n");
    let name = space.run(&["history", "--output", "json"]).events()[0]["run"].as_str().unwrap().to_owned();
    assert_eq!(space.run(&["log", "n", "--run", &name]).status(0).stdout, "one\n");
    let refused = space.run(&["log", "other", "--run", "2"]).status(2).stderr;
    assert!(refused.contains("run 2 did nothing about `other`"), "{refused}");
}

#[test]
fn a_run_at_work_can_be_followed() {
    let space = Space::with(
        "nodes:
  n: {exec: {command: [sh, -c, 'echo first; : > started; cat gate; echo last; echo > out'], outputs: [out]}}
  m: {exec: {command: [sh, -c, 'echo other; cat out > copy'], inputs: [out], outputs: [copy]}}
",
    );
    for pipe in ["started", "gate"] {
        let made = std::process::Command::new("mkfifo").arg(space.root().join(pipe)).status().unwrap();
        assert!(made.success());
    }
    let mut run = space.command(&["run"]).stderr(Stdio::null()).spawn().unwrap();
    // Opens when the node does.
    drop(std::fs::File::open(space.root().join("started")).unwrap());
    let mut follow = space.command(&["log", "n", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "first");
    std::fs::File::options().write(true).open(space.root().join("gate")).unwrap().write_all(b"open\n").unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(rest, ["open", "last"], "what it printed, to its end, and nothing of others");
    assert!(follow.wait().unwrap().success() && run.wait().unwrap().success());
    assert!(!space.exists(".ocelot/printed"), "gone with the run");
    let after = space.run(&["log", "n", "--follow"]).status(0).stdout;
    assert_eq!(after, "first\nopen\nlast\n", "without a run at work, what the last one printed");
}
