//! What `plan` shows a person, and the plain form that programs may read.

use crate::support::{Space, counts};

const MATRIX: &str = "params: {v: {default: [x, y]}, w: {default: ['1', '2']}}\nnodes:\n  \
     one: {exec: {command: [cat, in], inputs: [in], stdout: out/one}}\n  \
     two: {exec: {command: [cat, out/one], inputs: [out/one], stdout: out/two}}\n  \
     many: {for: [v, w], exec: {command: [echo, '${v}${w}'], stdout: 'out/${v}${w}'}}\n";

/// A project of six nodes, none of which ran.
fn project() -> Space {
    let space = Space::with(MATRIX);
    space.write("in", "1\n");
    space
}

#[test]
fn instances_of_one_reason_are_a_line_and_what_never_ran_has_no_time() {
    let space = project();
    let said = space.run(&["plan", "--set", "w=1,2,3", "many"]).status(0).stdout;
    assert_eq!(
        said,
        "exec (6)\n  ● run      many[{x,y},{1,2,3}]  never run with these inputs (time unknown)\n\n\
         plan: 6 to run\nwork: unknown, never run here\nnext: ocelot run --set w=1,2,3 many\n"
    );
}

#[test]
fn fresh_nodes_are_a_count_unless_all_are_asked_for() {
    let space = project();
    assert_eq!(space.build(&[]), counts(6, 0, 0));
    space.write("in", "2\n");
    let said = space.run(&["plan"]).status(0).stdout;
    assert!(said.starts_with("exec (2)\n  ● run      one  input in: "), "{said}");
    assert!(said.contains("\n  ◐ may-run  two  waits for `one` (last "), "{said}");
    assert!(said.contains("\nplan: 1 to run, 1 may run, 4 fresh\nwork: "), "{said}");
    assert!(said.ends_with("\nnext: ocelot run\n") && !said.contains("many"), "{said}");
    let all = space.run(&["plan", "-v"]).status(0).stdout;
    assert!(all.contains("  ✓ fresh    many[{x,y},{1,2}]  unchanged\n"), "{all}");
}

#[test]
fn the_plain_form_has_a_line_for_each_node() {
    let space = project();
    let said = space.run(&["plan", "--output", "plain"]).status(0).stdout;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 7, "{said}");
    assert!(lines.contains(&"     run  many[y,2]  never run with these inputs"), "{said}");
    assert_eq!(lines[6], "plan: 6 to run, 0 may run, 0 to ask, 0 to restore, 0 fresh");
}

#[test]
fn the_next_command_does_what_was_planned() {
    let space = project();
    assert_eq!(space.build(&[]), counts(6, 0, 0));
    let said = space.run(&["plan", "--force", "many[x,1]", "many[x,*]"]).status(0).stdout;
    assert!(said.ends_with("\nnext: ocelot run --force 'many[x,1]' 'many[x,*]'\n"), "{said}");
    assert_eq!(space.build(&["--force", "many[x,1]", "many[x,*]"]), counts(1, 0, 1));
}
