//! `lint`: what it finds, where, and what it leaves alone.

use serde_json::Value;

use crate::shipped;
use crate::support::Space;

const PIPELINE: &str = "\
# ${unused} in a comment is no use of it
params:
  mode: {default: [debug]}
  unused: {default: x}
  word: {default: y}
default: [b]
nodes:
  a: {for: [mode], exec: {command: [echo, '${mode}'], outputs: [], stdout: 'build/${mode}', sandbox: true}}
  b: {after: [a], exec: {command: [echo, '${word}'], stdout: build/b, env: {API_TOKEN: s3cr3t-value, WORD: plain words}}}
  c: {exec: {command: [echo], stdout: build/c, sandbox: true}}
  d: {description: By hand, exec: {command: [echo], class: volatile}}
";

fn found(space: &Space, arguments: &[&str], status: i32) -> Vec<Value> {
    space.run(&[&["lint", "--output", "json"], arguments].concat()).status(status).events()
}

#[test]
fn what_is_legal_and_wrong_is_found_at_its_place() {
    let space = Space::with(PIPELINE);
    let found = found(&space, &[], 0);
    let told: Vec<_> = found.iter().map(|one| (one["message"].as_str().unwrap(), one["line"].as_u64())).collect();
    assert_eq!(
        told,
        [
            ("nothing reads the parameter `unused`", Some(4)),
            ("`b` runs without `sandbox: true`", Some(9)),
            ("`API_TOKEN` of `b` holds what looks like a secret", Some(9)),
            ("no run makes `c` unless it is named", Some(10)),
        ]
    );
    assert!(found.iter().all(|one| one["help"][0].as_str().is_some_and(|help| !help.is_empty())), "{found:?}");
    let ran = space.run(&["lint", "--exit-code"]).status(10);
    assert!(
        ran.stdout.contains("warning[OC1001]: nothing reads") && ran.stdout.ends_with("pipeline.yaml: 4 found\n"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("]: pipeline.yaml:9:88: `API_TOKEN`"), "{ran:?}");
    assert!(!ran.stdout.contains("s3cr3t"), "{ran:?}");
    let mut space = space;
    space.set("GITHUB_ACTIONS", "true");
    let ran = space.run(&["lint"]).status(0);
    assert!(ran.stdout.contains("::warning file=pipeline.yaml,line=4"), "{ran:?}");
    assert!(!ran.stdout.contains("s3cr3t"), "{ran:?}");
}

#[test]
fn a_project_in_order_has_nothing() {
    let space = Space::with("nodes: {a: {exec: {command: [echo], stdout: build/a, sandbox: true}}}\n");
    assert!(found(&space, &["--exit-code"], 0).is_empty());
    space.write("pipeline.yaml", "nodes: {a: {exec: {commands: [echo]}}}\n");
    let ran = space.run(&["lint"]).status(2);
    assert!(ran.stderr.contains("commands"), "{ran:?}");
}

#[test]
fn the_shipped_pipelines_are_in_order() {
    let space = shipped::project();
    assert!(found(&space, &["quickstart", "--exit-code"], 0).is_empty());
    // Without the repository's lock, which is no part of this project.
    let told = found(&space, &["layers", "--exit-code", "--set", "region=us-east-1"], 10);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["message"], "`ocelot.lock` has no pin for `upstream`");
}

#[test]
fn a_distribution_that_no_pipeline_builds_is_named() {
    let space = Space::new();
    space
        .write("config/distributions.yaml", "base: {buildtags: [a.a]}\nused: {base: base}\nleft: {buildtags: [a.b]}\n");
    let pipeline = "nodes:\n  src: {clone: {repo: ./src}}\n  tags: {resolve: {source: src, distribution: NAME}}\n";
    space.write("src/x", "");
    space.write("pipelines/one.yaml", &pipeline.replace("NAME", "used"));
    let told = found(&space, &["one"], 0);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["message"], "no pipeline builds the distribution `left` of config/distributions.yaml");
    assert_eq!((&told[0]["line"], &told[0]["file"]), (&3.into(), &"config/distributions.yaml".into()));
    space.write("pipelines/two.yaml", &pipeline.replace("NAME", "left"));
    assert!(found(&space, &["one"], 0).is_empty(), "another pipeline builds it");
}
