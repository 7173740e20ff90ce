//! Texts of a pipeline that try to be more than texts, and files that are large or odd.

use std::fmt::Write;

use crate::support::Space;

#[test]
fn row_32_no_graph_that_cannot_be_run_is_started() {
    let cases = [
        (
            "a: {exec: {command: [cp, b, a], inputs: [b], outputs: [a]}}\n  b: {exec: {command: [cp, a, b], inputs: [a], outputs: [b]}}",
            "a",
        ),
        ("a: {exec: {command: [cp, a, a], inputs: [a], outputs: [a]}}", "a"),
        ("a: {exec: {command: [echo], stdout: x}}\n  b: {exec: {command: [echo], stdout: x}}", "x"),
        ("a: {exec: {command: [echo], stdout: x}}\n  b: {exec: {command: [echo], stdout: x/y}}", "x"),
        ("a: {exec: {command: [cat, gone], inputs: [gone], stdout: x}}", "gone"),
        ("a: {after: [gone], exec: {command: [echo], stdout: x}}", "gone"),
        ("a: {exec: {command: [echo], stdout: ../x}}", "../x"),
        ("a: {exec: {command: [echo], stdout: /x}}", "/x"),
        ("a: {exec: {command: [echo], stdout: .ocelot/x}}", ".ocelot"),
    ];
    for (nodes, named) in cases {
        let space = Space::with(&format!("nodes:\n  {nodes}\n  z: {{exec: {{command: [echo], stdout: ran}}}}\n"));
        let ran = space.run(&["run"]).status(2);
        assert!(ran.stderr.contains("pipeline.yaml:") && ran.stderr.contains(named), "{nodes}: {ran:?}");
        assert!(!space.exists("ran"), "{nodes}");
    }
}

#[test]
fn row_33_an_honest_file_of_many_megabytes_loads_and_a_byte_order_mark_is_none_of_the_text() {
    let mut text = "\u{feff}nodes:\n".to_owned();
    let filler = "x".repeat(5_000);
    for i in 0..6_000 {
        writeln!(text, "  n{i}: {{exec: {{command: [echo, {filler}], stdout: o/{i}}}}}").unwrap();
    }
    assert!(text.len() > 30_000_000);
    let space = Space::with(&text);
    let ran = space.run(&["plan", "n5999"]).status(0);
    assert!(ran.stdout.contains("1 to run"), "{ran:?}");
}

#[test]
fn row_34_no_text_of_a_pipeline_becomes_a_command() {
    let texts = [
        "--upload-pack=touch sentinel",
        "-u touch",
        "ext::sh -c touch% sentinel",
        "$(touch sentinel)",
        "`touch sentinel`",
        "; touch sentinel",
        "| touch sentinel",
        "main\\ntouch sentinel",
        "file:///etc",
        "https://user:secret@host/x",
        "\\u0000",
    ];
    let source = Space::new();
    let git = |arguments: &[&str]| {
        let done = std::process::Command::new("git").arg("-C").arg(source.root()).args(arguments).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "-q"]);
    git(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"]);
    for text in texts {
        for (repo, reference) in [(text, "main"), (source.root().to_str().unwrap(), text)] {
            let space = Space::with(&format!(
                "nodes: {{n: {{clone: {{repo: \"{repo}\", ref: \"{reference}\", output: o/}}}}}}"
            ));
            let ran = space.run(&["run", "--offline"]);
            assert!((1..=3).contains(&ran.status), "{text}: {ran:?}");
            assert!(!space.exists("sentinel") && !space.exists("o"), "{text}: {ran:?}");
        }
        let space = Space::with(
            "params: {p: {default: a}}\nnodes: {n: {exec: {command: [printf, '%s', \"${p}\"], stdout: out}}}",
        );
        let plain = text.replace("\\n", "\n").replace("\\u0000", "x");
        let _ = space.run(&["run", "--set", &format!("p={plain}")]).status(0);
        assert_eq!(space.read("out"), plain, "passed as it is");
        assert!(!space.exists("sentinel"));
    }
}
