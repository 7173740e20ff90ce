//! A failing command is data: what depends on it is skipped, the rest goes on, and the message helps.

use crate::support::{Counts, Space, both_paths, counts};

#[test]
fn the_rest_goes_on_and_the_failure_is_told_in_full() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes:\n  bad: {exec: {command: [sh, -c, 'echo oh no; exit 3'], outputs: [x]}}\n  below: {exec: {command: [cat, x], inputs: [x], stdout: y}}\n  beside: {exec: {command: [echo, fine], stdout: z}}\n",
        );
        let ran = space.json(&[]).status(1);
        assert_eq!(ran.counts(), Counts { ran: 1, failed: 1, skipped: 1, ..Counts::default() });
        let human = space.run(&["run"]).status(1).stderr;
        assert!(human.contains("error[OC0701]: `sh` exited with status 3"), "{human}");
        let root = space.root().display().to_string();
        assert!(human.contains(&format!("command: (cd {root} && sh -c 'echo oh no; exit 3')")), "{human}");
        assert!(human.contains("  | oh no"), "{human}");
        assert!(human.contains("skip below below `bad`, which failed"), "{human}");
        assert_eq!(space.run(&["log", "bad"]).status(0).stdout, "oh no\n");
        space.write("pipeline.yaml", &space.read("pipeline.yaml").replace("exit 3", "echo > x"));
        assert_eq!(space.build(&[]), counts(2, 0, 1));
    });
}

#[test]
fn a_failure_is_never_cached() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes: {n: {exec: {command: [sh, -c, 'test -e flag && echo ok > out'], outputs: [out]}}}",
        );
        for _ in 0..2 {
            assert_eq!(space.json(&[]).status(1).counts().failed, 1);
        }
        space.write("flag", "");
        assert_eq!(space.build(&[]), counts(1, 0, 0));
    });
}

#[test]
fn fail_fast_starts_nothing_new() {
    both_paths(|space| {
        // One slot, and the costliest chain first: `a` fails before `z` could start.
        space.write(
            "pipeline.yaml",
            "nodes:\n  a: {exec: {command: ['false'], outputs: [a]}}\n  b: {exec: {command: [cat, a], inputs: [a], stdout: b}}\n  z: {exec: {command: [echo, z], stdout: z}}\n",
        );
        let ran = space.json(&["--fail-fast", "-j1"]).status(1);
        assert_eq!(ran.counts(), Counts { failed: 1, skipped: 2, ..Counts::default() });
        assert!(!space.exists("z"));
    });
}

#[test]
fn row_26_a_missing_output_and_a_wrong_shape_are_failures() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes:\n  none: {exec: {command: ['true'], outputs: [none]}}\n  file: {exec: {command: [sh, -c, 'echo > dir'], outputs: [dir/]}}\n  dir: {exec: {command: [mkdir, file], outputs: [file]}}\n",
        );
        let ran = space.run(&["run"]).status(1).stderr;
        assert!(ran.contains("its output `none` does not exist"), "{ran}");
        assert!(ran.contains("output `dir/` is declared as a directory, but the command wrote a file"), "{ran}");
        assert!(ran.contains("output `file` is declared as a file, but the command made a directory"), "{ran}");
    });
}

#[test]
fn what_a_failed_command_left_is_never_used_and_no_edit() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes: {n: {exec: {command: [sh, -c, 'echo partial > out; test -e flag'], outputs: [out]}}}",
        );
        assert_eq!(space.json(&[]).status(1).counts().failed, 1);
        assert_eq!(space.read("out"), "partial\n");
        space.write("flag", "");
        let ran = space.run(&["run"]).status(0);
        assert!(!ran.stderr.contains("edited by hand"), "{ran:?}");
    });
}

#[test]
fn somebody_elses_file_at_an_output_path_is_kept() {
    both_paths(|space| {
        space.write("pipeline.yaml", "nodes: {n: {exec: {command: [echo, new], stdout: out}}}");
        space.write("out", "precious\n");
        let ran = space.run(&["run"]).status(0);
        assert!(ran.stderr.contains("the edit is kept at"), "{ran:?}");
        let kept = crate::support::files(&space.root().join(".ocelot/replaced"));
        assert_eq!(kept.values().collect::<Vec<_>>(), [b"precious\n"]);
    });
}

#[test]
fn retries_go_on_until_one_succeeds() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes: {n: {retries: 1, exec: {command: [sh, -c, 'test -e second || { touch second; exit 1; }; echo ok > out'], outputs: [out]}}}",
        );
        let ran = space.json(&[]).status(0);
        assert_eq!(ran.counts(), counts(1, 0, 0));
        let attempts = ran.events().iter().filter(|event| event["event"] == "working").count();
        assert_eq!(attempts, 2);
        assert!(space.run(&["log", "n"]).status(0).stdout.contains("attempt 1 failed: `sh` exited with status 1"));
    });
}

#[test]
fn row_28_a_timeout_ends_the_whole_group() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes: {n: {timeout: 300ms, exec: {command: [sh, -c, 'sleep 600 & echo $! > pid; wait'], outputs: [out]}}}",
        );
        let ran = space.run(&["run"]).status(1);
        assert!(ran.stderr.contains("timed out"), "{ran:?}");
        let pid = space.read("pid").trim().to_owned();
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "the grandchild is alive: {state}");
    });
}

#[test]
fn row_31_a_program_that_is_not_there_is_named_before_anything_runs() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes:\n  a: {exec: {command: [echo, a], stdout: a}}\n  b: {exec: {command: [no-such-program], outputs: [b]}}\n",
        );
        let ran = space.run(&["run"]).status(3);
        assert!(ran.stderr.contains("`no-such-program` was not found on PATH"), "{ran:?}");
        assert!(!space.exists("a"));
    });
}

#[test]
fn a_missing_input_is_shown_in_the_pipeline_before_anything_runs() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes:\n  a: {exec: {command: [echo, a], stdout: a}}\n  b: {exec: {command: [cat, gone.txt], inputs: [gone.txt], stdout: b}}\n",
        );
        let ran = space.run(&["run"]).status(2);
        assert!(ran.stderr.contains("`gone.txt` does not exist, and no node declares it as output"), "{ran:?}");
        assert!(ran.stderr.contains("pipeline.yaml:3:"), "{ran:?}");
        assert!(!space.exists("a"));
    });
}

#[test]
fn row_21_an_input_that_changes_meanwhile_is_not_recorded() {
    both_paths(|space| {
        space.write("pipeline.yaml", "nodes:\n  n: {exec: {command: [sh, -c, 'cat in > out; echo more >> in'], inputs: [in], outputs: [out]}}\n  m: {exec: {command: [cat, out], inputs: [out], stdout: copy}}\n");
        space.write("in", "1\n");
        let ran = space.run(&["run"]).status(0);
        assert!(
            ran.stderr.contains("`in` changed while the node ran: its result is used, but not recorded"),
            "{ran:?}"
        );
        assert_eq!(space.read("copy"), "1\n", "dependents still run");
        assert!(space.plan(&[])["n"].0 != "fresh", "it is dirty next time");
    });
}

#[test]
fn a_changed_pool_depth_holds_back_its_own_nodes() {
    let space = Space::with(
        "pools: {one: 1}\nnodes:\n  a: {pool: one, exec: {command: [sh, -c, 'mkdir busy && rmdir busy && echo > a'], outputs: [a]}}\n  b: {pool: one, exec: {command: [sh, -c, 'mkdir busy && rmdir busy && echo > b'], outputs: [b]}}\n  c: {pool: one, exec: {command: [sh, -c, 'mkdir busy && rmdir busy && echo > c'], outputs: [c]}}\n",
    );
    for round in 0..10 {
        assert_eq!(space.build(&["-j8", "--no-cache"]), counts(3, 0, 0), "round {round}");
    }
}
