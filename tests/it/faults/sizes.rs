//! Large graphs, many files and large files: in bounded memory.

use std::fmt::Write;

use crate::faults::{has, run_wrapped};
use crate::support::{Space, counts};

#[test]
fn row_68_a_graph_of_a_hundred_thousand_nodes_is_planned_in_bounded_memory() {
    if !has("row 68", &["prlimit"]) {
        return;
    }
    let mut text = "nodes:\n".to_owned();
    for i in 0..100_000 {
        let input = if i < 100 { "in".to_owned() } else { format!("o/{}", i - 100) };
        writeln!(text, "  n{i}: {{exec: {{command: [cp, {input}, o/{i}], inputs: [{input}], outputs: [o/{i}]}}}}")
            .unwrap();
    }
    let space = Space::with(&text);
    space.write("in", "");
    let ran = run_wrapped(&space, &["prlimit", "--as=1000000000:"], &["plan"]).status(0);
    assert!(
        ran.stdout.contains("plan: 100000 to run") || ran.stdout.contains("1 to run"),
        "{} bytes",
        ran.stdout.len()
    );
}

#[test]
fn row_68_many_files_and_large_ones_are_streamed() {
    if !has("row 68", &["prlimit"]) {
        return;
    }
    let space = Space::with(
        "nodes:
  many: {exec: {command: [sh, -c, 'echo > out'], inputs: [many/], outputs: [out]}}
  large: {exec: {command: [cp, --sparse=always, large, copy], inputs: [large], outputs: [copy]}}
",
    );
    for folder in 0..40 {
        for file in 0..500 {
            space.write(&format!("many/{folder}/{file}"), "");
        }
    }
    const LARGE: u64 = 400 << 20;
    std::fs::File::create(space.root().join("large")).unwrap().set_len(LARGE).unwrap();
    // Less than the large file in all, with the program and the stacks of its threads.
    let bounded = ["prlimit", "--as=300000000:"];
    let ran = run_wrapped(&space, &bounded, &["run", "--output", "json"]).status(0);
    assert_eq!(ran.counts(), counts(2, 0, 0));
    space.remove("copy");
    let ran = run_wrapped(&space, &bounded, &["run", "--output", "json"]).status(0);
    assert_eq!(ran.counts(), counts(0, 1, 1));
    assert_eq!(std::fs::metadata(space.root().join("copy")).unwrap().len(), LARGE);
}
