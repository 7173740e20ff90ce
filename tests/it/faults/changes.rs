//! Time, and what changes while nobody looks.

use std::fs;

use crate::faults::{assert_chain, chain, has, run_wrapped};
use crate::support::{Space, both_paths, counts};

const COPY: &str = "nodes: {n: {exec: {command: [cp, in, out], inputs: [in], outputs: [out]}}}";

#[test]
fn row_22_an_edit_under_the_very_same_stamps_within_a_run_is_seen() {
    both_paths(|space| {
        space.write("pipeline.yaml", COPY);
        space.write("in", "00000\n");
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        for round in 1..20 {
            let text = format!("{round:05}\n");
            // Written, and its time set to what it was: as if within one tick.
            space.write_in_disguise("in", &text);
            assert_eq!(space.build(&[]).failed, 0);
            assert_eq!(space.read("out"), text);
        }
    });
}

#[test]
fn row_23_a_time_that_goes_back_hides_no_edit() {
    both_paths(|space| {
        space.write("pipeline.yaml", COPY);
        space.write("in", "1\n");
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        for text in ["2\n", "3\n", "4\n"] {
            space.write("in", text);
            // As `tar`, `rsync -t` and checkouts do: each time the same time long ago.
            fs::File::options().write(true).open(space.root().join("in")).unwrap().set_modified(old).unwrap();
            assert_eq!(space.build(&[]), counts(1, 0, 0));
            assert_eq!(space.read("out"), text);
        }
    });
}

#[test]
fn row_24_a_clock_that_jumps_makes_nothing_wrong_and_nothing_old() {
    if !has("row 24", &["faketime"]) {
        return;
    }
    let space = chain();
    assert_eq!(space.build(&[]), counts(4, 0, 0));
    for (round, jump) in ["+5y", "-5y", "+5y", "-30y", "+0y"].into_iter().enumerate() {
        let at = |arguments: &[&str]| run_wrapped(&space, &["faketime", "-f", jump], arguments).status(0);
        assert_eq!(at(&["run", "--output", "json"]).counts(), counts(0, 0, 4), "{jump}");
        space.write("in", &round.to_string().repeat(20_000));
        assert_eq!(at(&["run", "--output", "json"]).counts(), counts(4, 0, 0), "{jump}");
        assert_chain(&space);
        let _ = at(&["cache", "gc"]);
        space.remove("twice");
        space.remove("folder");
        assert_eq!(space.build(&[]), counts(0, 2, 2), "what is young is kept: {jump}");
        assert_chain(&space);
    }
}

#[test]
fn row_25_outputs_are_put_right_whatever_became_of_them() {
    both_paths(|space| {
        space.write("pipeline.yaml", COPY);
        space.write("in", "1\n");
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        let out = space.root().join("out");
        let spoil: [&dyn Fn(); 5] = [
            &|| fs::remove_file(&out).unwrap(),
            &|| fs::write(&out, "1\nmore\n").unwrap(),
            &|| fs::write(&out, "").unwrap(),
            &|| {
                fs::remove_file(&out).unwrap();
                fs::create_dir_all(out.join("sub")).unwrap();
                fs::write(out.join("sub/file"), "mine").unwrap();
            },
            &|| {
                fs::remove_file(&out).unwrap();
                std::os::unix::fs::symlink("in", &out).unwrap();
            },
        ];
        for spoil in spoil {
            spoil();
            assert_eq!(space.build(&[]), counts(0, 1, 0));
            assert_eq!(space.read("out"), "1\n");
            assert!(fs::symlink_metadata(&out).unwrap().is_file());
        }
        let kept = crate::support::files(&space.root().join(".ocelot/replaced"));
        assert!(kept.values().any(|bytes| bytes == b"mine"), "{kept:?}");
    });
}

#[test]
fn row_27_a_node_that_writes_its_input_is_not_recorded() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes: {n: {exec: {command: [sh, -c, 'cat src/in > out; echo more >> src/in'], inputs: [src/], outputs: [out]}}}",
        );
        space.write("src/in", "1\n");
        for _ in 0..2 {
            let ran = space.run(&["run"]).status(0);
            assert!(ran.stderr.contains("`src/in` changed while the node ran"), "{ran:?}");
        }
        space.write("src/in", "1\n");
        assert_eq!(space.build(&[]), counts(1, 0, 0), "never a hit");
    });
}

#[test]
fn row_26_outputs_that_are_no_files_are_refused() {
    let space = Space::with(
        "nodes:
  fifo: {exec: {command: [mkfifo, a], outputs: [a]}}
  inside: {exec: {command: [sh, -c, 'mkdir b; mkfifo b/c'], outputs: [b/]}}
  after: {exec: {command: [cat, a], inputs: [a], stdout: d}}
",
    );
    for _ in 0..2 {
        let ran = space.run(&["run"]).status(1);
        assert_eq!(ran.stderr.matches("is neither a file, a directory nor a link\n  command: ").count(), 2, "{ran:?}");
        assert!(!space.exists("d"));
    }
}
