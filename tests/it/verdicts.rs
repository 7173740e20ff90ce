//! The verdict table: the pure function against a table written independently, and its rows from the command line.

use ocelot::action::verdict::{Lookup, OutputState, ReceiptState, Situation, Verdict, Volatile, decide};
use ocelot::graph::node::Class;

use crate::support::{Space, both_paths, counts};

/// The table again, as prose would say it, without looking at how `decide` is written.
fn oracle(s: &Situation<'_>) -> (Verdict, &'static str) {
    let open = s.open_dep.is_some();
    let acts = if s.is_exec { Verdict::Run } else { Verdict::Ask };
    let pure = |s: &Situation<'_>| -> (Verdict, &'static str) {
        match (&s.lookup, open) {
            (Lookup::OwnUnknown, _) => (Verdict::Run, "3"),
            (_, true) => (Verdict::MayRun, "4"),
            (Lookup::CombinationUnknown, _) => (Verdict::Run, "5"),
            (Lookup::Found { outputs, blobs }, _) => {
                let in_place = matches!(outputs, OutputState::InPlace);
                if !blobs && (s.needed || !in_place) {
                    (Verdict::Run, "5")
                } else if in_place {
                    (Verdict::Fresh, "6")
                } else if matches!(outputs, OutputState::OtherRecorded(_)) {
                    (Verdict::Restore, "8")
                } else {
                    (Verdict::Restore, "7")
                }
            }
        }
    };
    if s.failed_dep.is_some() {
        return (Verdict::Skip, "2");
    }
    if s.as_is.is_some() {
        let (verdict, row) = oracle(&Situation { as_is: None, ..s.clone() });
        let acts = matches!(verdict, Verdict::Run | Verdict::Ask);
        return if acts { (Verdict::Skip, "2b") } else { (verdict, row) };
    }
    if s.forced {
        return if s.class == Class::Effect { (acts, "2a") } else { (Verdict::Run, "2a") };
    }
    match s.class {
        Class::Pure => match pure(s) {
            (Verdict::Fresh | Verdict::Restore, _) if s.over.is_some() => (Verdict::Skip, "6a"),
            other => other,
        },
        Class::Volatile => match s.volatile {
            Volatile::Unpinned => (Verdict::Ask, "10"),
            Volatile::Known => pure(s),
            Volatile::Command if open => (Verdict::MayRun, "4"),
            Volatile::Command => (Verdict::Run, "12"),
        },
        Class::Effect | Class::Sink if open => (Verdict::MayRun, "4"),
        Class::Effect => match &s.receipt {
            ReceiptState::Valid(_) => {
                let missing = matches!(&s.lookup, Lookup::Found { outputs: OutputState::Missing(_), .. });
                if s.is_exec && missing { (acts, "14") } else { (Verdict::Fresh, "13") }
            }
            ReceiptState::Other | ReceiptState::OpenIntent | ReceiptState::Missing => (acts, "14"),
        },
        Class::Sink => {
            let same = matches!(&s.lookup, Lookup::Found { outputs: OutputState::InPlace, .. });
            if same { (Verdict::Fresh, "15") } else { (Verdict::Run, "16") }
        }
    }
}

#[test]
fn every_situation_has_the_verdict_of_the_table() {
    let path = || "p".to_owned();
    let states = [
        OutputState::InPlace,
        OutputState::Missing(path()),
        OutputState::Edited(path()),
        OutputState::OtherRecorded(path()),
    ];
    let mut lookups = vec![Lookup::OwnUnknown, Lookup::CombinationUnknown];
    for outputs in states {
        for blobs in [false, true] {
            lookups.push(Lookup::Found { outputs: outputs.clone(), blobs });
        }
    }
    let receipts =
        [ReceiptState::Valid("today".into()), ReceiptState::Other, ReceiptState::OpenIntent, ReceiptState::Missing];
    let mut seen = 0;
    for class in [Class::Pure, Class::Volatile, Class::Effect, Class::Sink] {
        for volatile in [Volatile::Known, Volatile::Unpinned, Volatile::Command] {
            for receipt in &receipts {
                for lookup in &lookups {
                    for bits in 0..128u32 {
                        let bit = |n: u32| bits >> n & 1 == 1;
                        let situation = Situation {
                            class,
                            is_exec: bit(0),
                            failed_dep: bit(1).then_some("dep"),
                            forced: bit(2),
                            as_is: bit(5).then_some("not published"),
                            open_dep: bit(3).then_some("dep"),
                            lookup: lookup.clone(),
                            needed: bit(4),
                            volatile: volatile.clone(),
                            receipt: receipt.clone(),
                            over: bit(6).then_some("over budget: zip"),
                        };
                        let decision = decide(&situation);
                        assert_eq!((decision.verdict, decision.row), oracle(&situation), "{situation:?}");
                        seen += 1;
                    }
                }
            }
        }
    }
    assert_eq!(seen, 4 * 3 * 4 * 10 * 128);
}

fn verdict(space: &Space, arguments: &[&str], node: &str) -> (String, String) {
    space.plan(arguments).remove(node).unwrap_or_else(|| panic!("no `{node}` in the plan"))
}

fn is(verdict: &str, row: &str) -> (String, String) {
    (verdict.to_owned(), row.to_owned())
}

const TWO: &str = "nodes:\n  a: {exec: {command: [sh, -c, 'cat in > mid'], inputs: [in], outputs: [mid]}}\n  b: {exec: {command: [sh, -c, 'cat mid other > out'], inputs: [mid, other], outputs: [out]}}\n";

#[test]
fn rows_of_pure_nodes() {
    both_paths(|space| {
        space.write("pipeline.yaml", TWO);
        space.write("in", "1\n");
        space.write("other", "o\n");
        assert_eq!(verdict(&space, &[], "a"), is("run", "3"));
        assert_eq!(verdict(&space, &[], "b"), is("run", "3"));
        assert_eq!(space.build(&[]), counts(2, 0, 0));
        assert_eq!(verdict(&space, &[], "b"), is("fresh", "6"));

        space.write("in", "2\n");
        assert_eq!(verdict(&space, &[], "a"), is("run", "3"));
        assert_eq!(verdict(&space, &[], "b"), is("may-run", "4"));
        let why = space.run(&["why", "b"]).status(0).stdout;
        assert!(why.contains("waits for `a`") && why.contains("input in: "), "{why}");
        assert_eq!(space.build(&[]), counts(2, 0, 0));

        space.write("in", "1\n");
        assert_eq!(verdict(&space, &[], "a"), is("restore", "8"));
        assert_eq!(verdict(&space, &[], "b"), is("restore", "8"));
        assert_eq!(space.build(&[]), counts(0, 2, 0));

        space.write("out", "edited\n");
        assert_eq!(verdict(&space, &[], "b"), is("restore", "7"));
        space.remove("mid");
        assert_eq!(verdict(&space, &[], "a"), is("restore", "7"));
        assert_eq!(space.build(&[]), counts(0, 2, 0));

        assert_eq!(verdict(&space, &["--force", "b"], "b"), is("run", "2a"));
        assert_eq!(verdict(&space, &["--no-cache"], "a"), is("run", "2a"));
        assert_eq!(space.build(&["--force", "a"]), counts(1, 0, 1), "dependents by cutoff");
        assert_eq!(space.build(&["--no-cache"]), counts(2, 0, 0));
    });
}

#[test]
fn verdict_row_5_an_unknown_combination_and_a_lost_blob() {
    both_paths(|space| {
        space.write("pipeline.yaml", TWO);
        // Beyond the size up to which blobs live in segments, so that one can be deleted alone.
        let (one, two) = ("1".repeat(5000), "2".repeat(5000));
        space.write("in", &one);
        space.write("other", "o\n");
        assert_eq!(space.build(&[]), counts(2, 0, 0));
        space.write("in", &two);
        assert_eq!(space.build(&["a"]), counts(1, 0, 0));
        assert_eq!(verdict(&space, &[], "b"), is("run", "5"));
        assert_eq!(space.build(&[]), counts(1, 0, 1));
        let blobs = space.cache().join("ocelot/v1/store/blobs");
        std::fs::remove_dir_all(&blobs).unwrap();
        assert_eq!(space.build(&[]), counts(0, 0, 2), "outputs in place need no blob");
        space.remove("out");
        assert_eq!(verdict(&space, &[], "b"), is("run", "5"));
        assert_eq!(space.build(&[]), counts(1, 0, 1));
        assert_eq!(space.read("out"), format!("{two}o\n"));
    });
}

#[test]
fn verdict_rows_1_and_2_absent_and_skipped() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "params: {ship: {default: true}}\nnodes:\n  a: {exec: {command: ['false'], outputs: [a]}}\n  b: {exec: {command: [cat, a], inputs: [a], stdout: b}}\n  c: {when: ship, exec: {command: [echo, c], stdout: c}}\n  d: {exec: {command: [echo, d], stdout: d}, after: [c]}\n",
        );
        let ran = space.json(&[]).status(1);
        assert_eq!((ran.counts().ran, ran.counts().failed, ran.counts().skipped), (2, 1, 1));
        assert_eq!(ran.ended("skipped"), ["b"]);
        let plan = space.plan(&["--set", "ship=false"]);
        assert!(!plan.contains_key("c") && !plan.contains_key("d"), "absent, and what strictly needs it: {plan:?}");
        let named = space.run(&["plan", "--set", "ship=false", "c"]).status(2);
        assert!(named.stderr.contains("`c` has no instance in this run, because `ship` is false"), "{named:?}");
    });
}

#[test]
fn verdict_row_12_a_volatile_command_runs_every_time_and_is_cut_off() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes:\n  v: {exec: {command: [sh, -c, 'cat /dev/null; cat seed > v'], class: volatile, outputs: [v]}}\n  w: {exec: {command: [cat, v], inputs: [v], stdout: w}}\n",
        );
        space.write("seed", "1\n");
        assert_eq!(space.build(&[]), counts(2, 0, 0));
        assert_eq!(verdict(&space, &[], "v"), is("run", "12"));
        assert_eq!(verdict(&space, &[], "w"), is("may-run", "4"));
        assert_eq!(space.build(&[]), counts(1, 0, 1));
        space.write("seed", "2\n");
        assert_eq!(space.build(&[]), counts(2, 0, 0));
        assert_eq!(space.read("w"), "2\n");
    });
}

#[test]
fn verdict_rows_13_and_14_an_effect_is_done_once() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes: {e: {exec: {command: [sh, -c, 'cat in >> world; echo done > e'], inputs: [in], class: effect, outputs: [e]}}}",
        );
        space.write("in", "1\n");
        assert_eq!(verdict(&space, &[], "e"), is("run", "14"));
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        assert_eq!(verdict(&space, &[], "e"), is("fresh", "13"));
        assert_eq!(space.build(&[]), counts(0, 0, 1));
        space.remove(".ocelot/state");
        assert_eq!(space.build(&[]), counts(0, 0, 1), "receipts outlive the state");
        space.write("in", "2\n");
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        space.write("in", "1\n");
        assert_eq!(space.build(&[]), counts(0, 0, 1), "that was done before");
        assert_eq!(space.read("world"), "1\n2\n");
        space.remove("e");
        assert_eq!(verdict(&space, &[], "e"), is("run", "14"));
        space.remove(".ocelot/receipts");
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        assert_eq!(space.read("world"), "1\n2\n1\n");
    });
}

#[test]
fn a_group_is_never_counted() {
    both_paths(|space| {
        space.write("pipeline.yaml", "nodes:\n  a: {exec: {command: [echo, a], stdout: a}}\n  b: {exec: {command: [echo, b], stdout: b}}\n  both: {group: [a, b]}\n");
        assert_eq!(space.build(&["both"]), counts(2, 0, 0));
        assert_eq!(space.build(&["both"]), counts(0, 0, 2));
    });
}

#[test]
fn plan_exit_code_tells_whether_there_is_work() {
    both_paths(|space| {
        space.write("pipeline.yaml", "nodes: {a: {exec: {command: [echo, a], stdout: a}}}");
        assert_eq!(space.run(&["plan", "--exit-code"]).status, 10);
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        assert_eq!(space.run(&["plan", "--exit-code"]).status, 0);
    });
}

#[test]
fn why_remembers_why_something_was_last_done() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes: {a: {exec: {command: [cp, one, a], inputs: [one], outputs: [a]}}, \
             b: {exec: {command: [cp, two, b], inputs: [two], outputs: [b]}}, \
             c: {exec: {command: [cp, two, c], inputs: [two], outputs: [c]}}}",
        );
        space.write("one", "1");
        space.write("two", "1");
        space.build(&[]);
        space.write("one", "2");
        space.build(&[]);
        space.build(&[]);
        let why = space.run(&["why", "a"]).status(0).stdout;
        assert!(why.starts_with("a: fresh, would hit (row 6)\n  unchanged\n  made by run "), "{why}");
        let last = why.lines().skip_while(|line| !line.starts_with("  last `run` in run ")).nth(1);
        assert!(last.is_some_and(|line| line.starts_with("    input one: ") && line.contains(" → ")), "{why}");
        space.remove("a");
        space.build(&[]);
        let why = space.run(&["why", "a"]).status(0).stdout;
        assert!(why.contains("last `restore` in run ") && why.contains("    output deleted: a"), "{why}");
    });
}

#[test]
fn why_of_one_node_is_the_same_from_a_part_of_the_graph_and_from_all_of_it() {
    let space = Space::with(
        "nodes:
  a: {exec: {command: [cp, one, a], inputs: [one], outputs: [a]}}
  b: {exec: {command: [cp, a, b], inputs: [a], outputs: [b]}}
  c: {exec: {command: [cp, b, c], inputs: [b], outputs: [c]}}
  other: {exec: {command: [cp, two, other], inputs: [two], outputs: [other]}}
  bad: {exec: {command: [sh, -c, 'echo oh no; exit 1'], inputs: [two]}}
  unrelated: {exec: {command: [cp, three, unrelated], inputs: [three], outputs: [unrelated]}}
",
    );
    for source in ["one", "two", "three"] {
        space.write(source, "1");
    }
    let same = |expected: &[(&str, &str)]| {
        for (node, first) in expected {
            let told = ["1", "0"].map(|fast| {
                let ran = space.command(&["why", node]).env("OCELOT_FAST_PATH", fast).output().unwrap();
                String::from_utf8(ran.stdout).unwrap()
            });
            assert_eq!(told[0], told[1], "{node}");
            assert!(told[0].starts_with(first), "{node}: {}", told[0]);
        }
    };
    assert_eq!(space.json(&[]).status(1).counts().ran, 5);
    same(&[("a", "a: fresh"), ("c", "c: fresh"), ("other", "other: fresh"), ("bad", "bad: would run")]);
    assert_eq!(space.run(&["log", "bad"]).status(0).stdout, "oh no\n");
    space.write("one", "2");
    same(&[("a", "a: would run"), ("c", "c: may run"), ("other", "other: fresh"), ("bad", "bad: would run")]);
    space.write("two", "2");
    same(&[("c", "c: may run"), ("other", "other: would run"), ("unrelated", "unrelated: fresh")]);
    // What the last run did not want was not looked at by it.
    assert_eq!(space.build(&["b"]).ran, 2);
    same(&[("b", "b: fresh"), ("c", "c: would run"), ("unrelated", "unrelated: fresh"), ("other", "other: would run")]);
    space.remove("unrelated");
    same(&[("b", "b: fresh"), ("unrelated", "unrelated: would hit, and be laid out")]);
}

#[test]
fn a_receipt_that_is_gone_right_after_its_run_is_missed() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes: {n: {exec: {class: effect, command: [cp, in, out], inputs: [in], outputs: [out]}}}",
        );
        space.write("in", "1");
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        space.remove(".ocelot/receipts");
        assert_eq!(space.plan(&[])["n"], is("run", "14"));
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        assert_eq!(space.build(&[]), counts(0, 0, 1));
    });
}

#[test]
fn a_plan_ends_where_a_layer_is_lost_that_somebody_waits_for() {
    let space = crate::shipped::project();
    let _ = space.json(&["quickstart", "published[minimal,amd64,us-east-1]"]).status(0);
    space.remove("build/quickstart/registry");
    std::fs::remove_dir_all(space.cache().join("ocelot/v1/store/blobs")).unwrap();
    let plan = space.plan(&["quickstart", "published[minimal,amd64,us-east-1]"]);
    // What will be needed is gone, back to the sources; what that leads to is not known yet.
    assert_eq!(plan["upstream"], is("run", "5"), "{plan:?}");
    for node in ["layer[minimal,amd64]", "checked[minimal,amd64]", "published[minimal,amd64,us-east-1]"] {
        assert_eq!(plan[node], is("may-run", "4"), "{plan:?}");
    }
    let ran = space.json(&["quickstart", "published[minimal,amd64,us-east-1]"]).status(0);
    assert!(ran.ended("ran").contains(&"published[minimal,amd64,us-east-1]".to_owned()), "{ran:?}");
}
