//! A result whose place in the project changes is laid out at the new place, whatever the kind.

use crate::support::Space;

#[test]
fn sources_are_laid_out_at_their_new_place() {
    let pipeline = |output: &str| format!("nodes:\n  src: {{clone: {{repo: ./sources, output: {output}}}}}\n");
    let space = Space::with(&pipeline("build/one/"));
    space.write("sources/a.txt", "a");
    space.build(&[]);
    assert_eq!(space.read("build/one/a.txt"), "a");
    space.write("pipeline.yaml", &pipeline("build/two/"));
    space.build(&[]);
    assert_eq!(space.read("build/two/a.txt"), "a");
}

#[test]
fn a_command_runs_again_for_its_new_output() {
    let pipeline = |output: &str| {
        format!("nodes:\n  a: {{exec: {{command: [printf, text], stdout: {output}, outputs: [{output}]}}}}\n")
    };
    let space = Space::with(&pipeline("one.txt"));
    space.build(&[]);
    space.write("pipeline.yaml", &pipeline("two.txt"));
    assert_eq!(space.build(&[]).ran, 1);
    assert_eq!(space.read("two.txt"), "text");
}

#[test]
fn folders_with_nothing_in_them_are_part_of_a_folder() {
    let space = crate::support::Space::with(
        "nodes: {a: {exec: {command: [sh, -c, 'mkdir -p out/logs/old out/bin; cp in out/bin/x'], inputs: [in], outputs: [out/]}}}",
    );
    space.write("in", "1");
    space.build(&[]);
    assert_eq!(space.build(&[]), crate::support::counts(0, 0, 1));
    space.remove("out");
    assert_eq!(space.build(&[]), crate::support::counts(0, 1, 0));
    assert!(space.exists("out/logs/old"), "restored as it was made");
    std::fs::create_dir(space.root().join("out/more")).unwrap();
    assert_eq!(space.build(&[]), crate::support::counts(0, 1, 0));
    assert!(!space.exists("out/more"));
    assert_eq!(space.build(&[]), crate::support::counts(0, 0, 1));
}
