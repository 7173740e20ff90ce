//! What a node reads without a list of it: depfiles, links, programs and files in folders that other nodes make.

use crate::support::{Space, counts};

#[test]
fn another_output_of_a_dependency_counts_if_the_depfile_names_it() {
    let space = Space::with(
        "nodes:
  gen: {exec: {command: [sh, -c, 'cp one a.h; cp two b.h'], inputs: [one, two], outputs: [a.h, b.h]}}
  use: {exec: {command: [sh, -c, 'cat a.h b.h > x; echo \"x: a.h b.h\" > x.d'], inputs: [a.h], outputs: [x], depfile: x.d}}
",
    );
    space.write("one", "1");
    space.write("two", "1");
    space.build(&[]);
    space.write("two", "2");
    assert_eq!(space.build(&[]), counts(2, 0, 0));
    assert_eq!(space.read("x"), "12");
}

#[test]
fn a_generated_file_that_is_no_input_fails_every_time() {
    let space = Space::with(
        "nodes:
  gen: {exec: {command: [cp, one, a.h], inputs: [one], outputs: [a.h]}}
  use: {exec: {command: [sh, -c, 'echo \"x: a.h\" > x.d; : > x'], outputs: [x], depfile: x.d}}
",
    );
    space.write("one", "1");
    space.write("a.h", "1");
    for _ in 0..2 {
        let ran = space.run(&["run"]).status(1);
        assert!(ran.stderr.contains("which another node makes"), "{}", ran.stderr);
    }
}

#[test]
fn a_link_that_a_depfile_names_is_followed() {
    let space = Space::with(
        "nodes: {x: {exec: {command: [sh, -c, 'cat l.h > x; echo \"x: l.h\" > x.d'], outputs: [x], depfile: x.d}}}",
    );
    space.write("one.h", "1");
    space.write("two.h", "2");
    let link = space.root().join("l.h");
    std::os::unix::fs::symlink("one.h", &link).unwrap();
    space.build(&[]);
    space.write("one.h", "one");
    assert_eq!(space.build(&[]), counts(1, 0, 0));
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("two.h", &link).unwrap();
    assert_eq!(space.build(&[]), counts(1, 0, 0));
    assert_eq!(space.read("x"), "2");
    let why = space.plan(&[]);
    assert_eq!(why["x"].0, "fresh");
}

#[test]
fn a_glob_reaches_into_folders_that_nodes_make() {
    let space = Space::with(
        "nodes:
  gen: {exec: {command: [sh, -c, 'mkdir -p gen/sub; cp in gen/sub/a.h'], inputs: [in], outputs: [gen/]}}
  use: {exec: {command: [sh, -c, 'cat gen/sub/*.h > x'], inputs: ['gen/sub/*.h'], outputs: [x]}}
",
    );
    space.write("in", "1");
    space.build(&[]);
    space.write("in", "2");
    assert_eq!(space.build(&[]), counts(2, 0, 0));
    assert_eq!(space.read("x"), "2");
}

#[test]
fn a_folder_that_only_nodes_fill_needs_no_slash() {
    let space = Space::with(
        "nodes:
  gen: {exec: {command: [cp, in, gen/a.h], inputs: [in], outputs: [gen/a.h]}}
  use: {exec: {command: [cp, gen/a.h, x], inputs: [gen], outputs: [x]}}
",
    );
    space.write("in", "1");
    assert_eq!(space.build(&[]), counts(2, 0, 0));
}

#[test]
fn a_program_that_another_node_makes_is_an_input() {
    let space = Space::with(
        "nodes:
  use: {exec: {command: [bin/tool], stdout: x}}
  gen: {exec: {command: [sh, -c, 'cp in bin/tool; chmod +x bin/tool'], inputs: [in], outputs: [bin/tool]}}
",
    );
    space.write("in", "#!/bin/sh\necho one\n");
    assert_eq!(space.build(&[]), counts(2, 0, 0));
    space.write("in", "#!/bin/sh\necho two\n");
    assert_eq!(space.build(&[]), counts(2, 0, 0));
    assert_eq!(space.read("x"), "two\n");
}

#[test]
fn what_reads_an_edited_output_of_an_effect_reads_the_edit() {
    let space = Space::with(
        "nodes:
  act: {exec: {command: [cp, in, out], inputs: [in], outputs: [out], class: effect}}
  use: {exec: {command: [sh, -c, 'cat out more > x'], inputs: [out, more], outputs: [x]}}
",
    );
    space.write("in", "1");
    space.write("more", "1");
    space.build(&[]);
    space.write("out", "edit");
    space.write("more", "2");
    assert_eq!(space.build(&[]), counts(1, 0, 1));
    space.write("out", "1");
    assert_eq!(space.build(&[]), counts(1, 0, 1), "the edit is not recorded as what the effect left");
    assert_eq!(space.read("x"), "12");
}
