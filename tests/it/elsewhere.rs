//! Outputs of nodes that this run does not have, left in the project by a run that had them.

use crate::support::{Space, both_paths, counts};

const SWITCHED: &str = "params: {docs: {default: true}}
nodes:
  made: {when: docs, exec: {command: [cp, one, gen/made], inputs: [one], outputs: [gen/made]}}
  all: {exec: {command: [sh, -c, 'cat gen/* > all'], inputs: ['gen/*'], outputs: [all], sandbox: true}}
  named: {exec: {command: [cp, gen/made, named], inputs: [gen/made], outputs: [named]}}
  below: {exec: {command: [cp, named, below], inputs: [named], outputs: [below]}}
  either: {exec: {command: [cp, one, either], inputs: [one], outputs: [either]}}
";

fn switched() -> Space {
    let space = Space::with(SWITCHED);
    space.write("one", "1");
    space.write("gen/kept", "k");
    space
}

#[test]
fn what_a_switched_off_node_left_is_no_source() {
    both_paths(|space| {
        space.write("pipeline.yaml", SWITCHED);
        space.write("one", "1");
        space.write("gen/kept", "k");
        assert_eq!(space.build(&[]), counts(5, 0, 0));
        assert_eq!(space.read("all"), "k1");
        assert_eq!(space.build(&["--set", "docs=false"]), counts(1, 0, 1));
        assert_eq!(space.read("all"), "k");
        assert!(space.exists("gen/made"), "leftovers are not removed");
        // The same as from a clean checkout.
        let clean = switched();
        assert_eq!(clean.build(&["--set", "docs=false"]), counts(2, 0, 0));
        assert_eq!(clean.read("all"), "k");
    });
}

#[test]
fn who_names_the_path_of_a_switched_off_node_vanishes_with_it() {
    let space = switched();
    space.build(&[]);
    let off = ["--set", "docs=false"];
    let plan = space.plan(&off);
    assert_eq!(plan.keys().collect::<Vec<_>>(), ["all", "either"]);
    let ran = space.run(&["run", "below", "--set", "docs=false"]).status(2);
    assert!(ran.stderr.contains("`docs` is false"), "{}", ran.stderr);
}

#[test]
fn of_two_nodes_that_exclude_each_other_one_makes_the_path() {
    let space = Space::with(
        "params: {fast: {default: true}, slow: {default: false}}
nodes:
  a: {when: fast, exec: {command: [cp, one, x], inputs: [one], outputs: [x]}}
  b: {when: slow, exec: {command: [cp, two, x], inputs: [two], outputs: [x]}}
  use: {exec: {command: [cp, x, y], inputs: [x], outputs: [y]}}
",
    );
    space.write("one", "1");
    space.write("two", "2");
    assert_eq!(space.build(&[]), counts(2, 0, 0));
    assert_eq!(space.build(&["--set", "fast=false", "--set", "slow=true"]), counts(2, 0, 0));
    assert_eq!(space.read("y"), "2");
    let plan = space.plan(&["--set", "fast=false"]);
    assert!(plan.is_empty(), "{plan:?}");
}

#[test]
fn what_other_choices_of_an_axis_left_is_no_source() {
    let space = Space::with(
        "params: {arch: {default: [amd64, arm64], choices: [amd64, arm64]}}
nodes:
  bin: {for: [arch], exec: {command: [cp, one, 'build/${arch}.bin'], inputs: [one], outputs: ['build/${arch}.bin']}}
  sum: {exec: {command: [sh, -c, 'ls build > sum'], inputs: ['build/*'], outputs: [sum], sandbox: true}}
",
    );
    space.write("one", "1");
    space.build(&[]);
    assert_eq!(space.read("sum"), "amd64.bin\narm64.bin\n");
    assert_eq!(space.build(&["--set", "arch=amd64"]), counts(1, 0, 1));
    assert_eq!(space.read("sum"), "amd64.bin\n");
}

#[test]
fn a_path_that_only_another_choice_makes_is_refused_whatever_is_there() {
    let space = Space::with(
        "params: {arch: {default: [amd64, arm64], choices: [amd64, arm64]}}
nodes:
  bin: {for: [arch], exec: {command: [cp, one, '${arch}.bin'], inputs: [one], outputs: ['${arch}.bin']}}
  arm: {exec: {command: [cp, arm64.bin, arm], inputs: [arm64.bin], outputs: [arm]}}
",
    );
    space.write("one", "1");
    space.build(&[]);
    for _ in 0..2 {
        let ran = space.run(&["run", "--set", "arch=amd64"]).status(2);
        assert!(ran.stderr.contains("`arm64.bin` is not made in this run"), "{}", ran.stderr);
        assert!(ran.stderr.contains("node `bin` makes it only under other parameters"), "{}", ran.stderr);
        if space.exists("arm64.bin") {
            space.remove("arm64.bin");
        }
    }
}
