//! A run after a change works on the nodes that the change concerns, and on no other.

use crate::support::{Space, counts};

/// A chain of three, a node that reads a folder, and eight that nothing here concerns.
fn pipeline() -> String {
    let mut text = "nodes:
  a: {exec: {command: [cp, s, out/a], inputs: [s], outputs: [out/a]}}
  b: {exec: {command: [sh, -c, 'grep -v note out/a > out/b'], inputs: [out/a], outputs: [out/b]}}
  c: {exec: {command: [cp, out/b, out/c], inputs: [out/b], outputs: [out/c]}}
  all: {exec: {command: [sh, -c, 'cat g/* > all'], inputs: ['g/*'], outputs: [all]}}
"
    .to_owned();
    for i in 0..8 {
        text.push_str(&format!("  x{i}: {{exec: {{command: [cp, x, out/x{i}], inputs: [x], outputs: [out/x{i}]}}}}\n"));
    }
    text
}

fn space() -> Space {
    let space = Space::with(&pipeline());
    for (path, text) in [("s", "1\n"), ("x", "x"), ("g/one", "1\n")] {
        space.write(path, text);
    }
    assert_eq!(space.build(&[]), counts(12, 0, 0));
    space
}

/// The nodes that a run decided about.
fn decided(space: &Space, status: i32) -> Vec<String> {
    let ran = space.json(&[]).status(status);
    let mut names: Vec<String> = ran
        .events()
        .iter()
        .filter(|event| event["event"] == "decided")
        .map(|event| event["node"].as_str().expect("a node").to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn an_edit_concerns_what_reads_it_and_what_follows() {
    let space = space();
    space.write("s", "2\n");
    assert_eq!(decided(&space, 0), ["a", "b", "c"]);
    assert_eq!(space.read("out/c"), "2\n");
    space.write("s", "2\nnote\n");
    let ran = space.json(&[]).status(0);
    assert_eq!(ran.counts(), counts(2, 0, 10), "cutoff above `c`");
    space.remove("out/b");
    assert_eq!(decided(&space, 0), ["b", "c"]);
    assert_eq!(space.build(&[]), counts(0, 0, 12));
    // Whoever looks at everything agrees.
    let mut slow = space;
    slow.fast = false;
    assert_eq!(slow.build(&[]), counts(0, 0, 12));
}

#[test]
fn after_a_failure_only_what_failed_is_looked_at() {
    let space = space();
    space.write("s", "note\n");
    assert_eq!(decided(&space, 1), ["a", "b", "c"]);
    assert_eq!(decided(&space, 1), ["b", "c"], "grep finds nothing, and says so by its status");
    space.write("s", "3\n");
    assert_eq!(decided(&space, 0), ["a", "b", "c"]);
    assert_eq!(space.build(&[]), counts(0, 0, 12));
}

#[test]
fn a_new_file_in_a_folder_concerns_who_globs_it() {
    let space = space();
    space.write("g/two", "2\n");
    assert_eq!(decided(&space, 0), ["all"]);
    assert_eq!(space.read("all"), "1\n2\n");
    // The new file is known now.
    space.write("g/two", "3\n");
    assert_eq!(decided(&space, 0), ["all"]);
    space.remove("g/two");
    assert_eq!(decided(&space, 0), ["all"]);
    space.write("x", "y");
    assert_eq!(decided(&space, 0).len(), 12, "so much that all are looked at");
    assert_eq!(space.build(&[]), counts(0, 0, 12));
}

#[test]
fn many_small_changes_are_folded_and_none_is_lost() {
    let space = space();
    let graphs = space.root().join(".ocelot/state/graphs");
    let size = || std::fs::read_dir(&graphs).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>();
    let (mut last, mut folded) = (size(), 0);
    for i in 0..40 {
        space.write("s", &format!("{i}\n"));
        assert_eq!(decided(&space, 0), ["a", "b", "c"]);
        folded += u32::from(size() < last);
        last = size();
    }
    assert!(folded > 0, "{last} bytes");
    assert_eq!(space.build(&[]), counts(0, 0, 12));
    assert!(space.plan(&[]).values().all(|(verdict, _)| verdict == "fresh"));
}

#[test]
fn who_shares_a_row_that_a_run_over_others_changed_is_looked_at_again() {
    let space = Space::with(
        "nodes:
  a: {exec: {command: [sh, -c, 'cp s out/a; echo edited > g/one'], inputs: [s, g/two], outputs: [out/a]}}
  b: {exec: {command: [sh, -c, 'cat out/a g/one > out/b'], inputs: [out/a, g/one], outputs: [out/b]}}
  x: {exec: {command: [cp, g/one, out/x], inputs: [g/one], outputs: [out/x]}}
  y: {exec: {command: [cp, s2, out/y], inputs: [s2], outputs: [out/y]}}
  z: {exec: {command: [cp, s2, out/z], inputs: [s2], outputs: [out/z]}}
",
    );
    for path in ["s", "s2", "g/one", "g/two"] {
        space.write(path, "1\n");
    }
    space.build(&[]);
    for i in 0..3 {
        space.write("s", &format!("new {i}\n"));
        space.write("g/one", "1\n");
        space.build(&[]);
        space.build(&[]);
        assert_eq!((space.read("out/x"), space.read("out/b")), ("edited\n".into(), format!("new {i}\nedited\n")));
    }
}

#[test]
fn a_depfile_may_name_what_is_reached_through_untouched_nodes_only() {
    let pipeline = |inputs: &str| {
        format!(
            "nodes:
  gen: {{exec: {{command: [cp, one, gen.h], inputs: [one], outputs: [gen.h]}}}}
  mid: {{exec: {{command: [cp, gen.h, mid.h], inputs: [gen.h], outputs: [mid.h]}}}}
  use: {{exec: {{command: [sh, -c, 'cat s gen.h > x; echo \"x: gen.h\" > x.d'], inputs: {inputs}, outputs: [x], depfile: x.d}}}}
  p: {{exec: {{command: [cp, one, p], inputs: [one], outputs: [p]}}}}
  q: {{exec: {{command: [cp, one, q], inputs: [one], outputs: [q]}}}}
"
        )
    };
    let space = Space::with(&pipeline("[s, mid.h]"));
    space.write("one", "1");
    space.write("s", "s");
    space.build(&[]);
    space.write("s", "t");
    assert_eq!(decided(&space, 0), ["use"]);
    space.write("one", "2");
    space.build(&[]);
    assert_eq!(space.read("x"), "t2");

    let space = Space::with(&pipeline("[s]"));
    space.write("one", "1");
    space.write("s", "s");
    space.build(&["gen", "mid", "p", "q"]);
    for text in ["t", "u"] {
        space.write("s", text);
        let ran = space.run(&["run"]).status(1);
        assert!(ran.stderr.contains("which another node makes"), "{}", ran.stderr);
    }
}
