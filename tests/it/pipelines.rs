//! Every pipeline that ships can be read, drawn and planned.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::snapshot::{self, repository};
use crate::support::Space;

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

/// A copy of what a fresh clone of the repository has for its pipelines.
fn project() -> Space {
    let mut space = Space::new();
    for path in ["config", "pipelines", "ocelot.lock", "ocelot.lock.d", "tests/fixtures"] {
        let to = space.root().join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        copy(&repository(path), &to);
    }
    space.set("AWS_REGION", "eu-west-1");
    space
}

#[test]
fn every_pipeline_is_drawn_and_planned() {
    let space = project();
    let pipelines = snapshot::files("pipelines", ".yaml");
    assert!(pipelines.len() >= 2, "{pipelines:?}");
    for pipeline in pipelines {
        let graph = space.run(&["graph", "-p", &pipeline, "--format", "json"]).status(0);
        let graph: Value = serde_json::from_str(&graph.stdout).unwrap_or_else(|error| panic!("{pipeline}: {error}"));
        assert!(!graph["nodes"].as_array().expect("nodes").is_empty(), "{pipeline} has no nodes");
        for format in ["tree", "dot", "mermaid"] {
            let drawn = space.run(&["graph", "-p", &pipeline, "--format", format]).status(0);
            assert!(drawn.stdout.contains("report"), "{pipeline} as {format}: {}", drawn.stdout);
        }
        let valid = space.run(&["validate", "-p", &pipeline]).status(0);
        assert!(valid.stdout.ends_with("no problems\n"), "{}", valid.stdout);
        let plan = space.run(&["plan", "-p", &pipeline]).status(0);
        assert!(plan.stdout.lines().any(|line| line.starts_with("plan: ")), "{}", plan.stdout);
    }
    assert!(!space.exists(".ocelot"), "a command that only looks has written");
}

#[test]
fn every_distribution_can_be_asked_of_the_layers_pipeline() {
    let space = project();
    let graph = ["graph", "-p", "layers", "--format", "json", "--set", "distribution=all", "--set", "arch=all"];
    let graph = space.run(&graph).status(0);
    let listed = space.run(&["list", "distributions"]).status(0);
    let names: Vec<&str> = listed.stdout.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(names.len(), 6, "{names:?}");
    for name in names.iter().map(|line| line.split(':').next().unwrap()) {
        assert!(graph.stdout.contains(&format!("collector[{name},arm64]")), "{name} is not in the graph");
    }
}

#[test]
fn a_drawing_is_the_same_from_the_snapshot_and_from_the_files() {
    let text = "
default: [c]
nodes:
  a: {exec: {command: [cp, s, o], inputs: [s], outputs: [o]}}
  b: {exec: {command: [cp, o, p], inputs: [o], outputs: [p]}, after: [a]}
  c: {group: [b]}
  other: {exec: {command: [cp, s, q], inputs: [s], outputs: [q]}}
";
    for text in [text.to_owned(), text.replace("default: [c]\n", "")] {
        let mut space = Space::with(&text);
        space.write("s", "1");
        for format in ["dot", "mermaid"] {
            for target in [&[][..], &["b"]] {
                let arguments = [&["graph", "--format", format], target].concat();
                space.fast = false;
                let expected = space.run(&arguments).status(0).stdout;
                assert_eq!(expected.contains("other"), target.is_empty() && !text.contains("default"), "{expected}");
                space.fast = true;
                assert_eq!(space.build(&[]).failed, 0);
                assert_eq!(space.run(&arguments).status(0).stdout, expected);
            }
        }
        // A snapshot that no longer counts is not drawn.
        space.write("pipeline.yaml", &text.replace("other", "another"));
        let drawn = space.run(&["graph", "--format", "dot", "another"]).status(0).stdout;
        assert!(drawn.contains("another"), "{drawn}");
        if !text.contains("default") {
            assert!(space.run(&["graph", "--format", "dot"]).status(0).stdout.contains("another"));
        }
    }
}
