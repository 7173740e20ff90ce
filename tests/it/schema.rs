//! The JSON Schemas: what the program prints is what editors are given, and what ships is valid under them.

use serde_json::Value;

use crate::snapshot::{self, assert_snapshot};
use crate::support::Space;

const SCHEMAS: [&str; 6] = ["pipeline", "distributions", "component_dependencies", "regions", "ocelot", "lock"];

/// The schema of a shipped file, or `None` for a configuration of the collector, which is not ours.
fn schema_of(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap();
    if path.starts_with("pipelines/") {
        return Some("pipeline");
    }
    if path == "ocelot.lock" {
        return Some("lock");
    }
    if path.starts_with("config/examples/") || name == "config.yaml" {
        return None;
    }
    let name = name.strip_suffix(".yaml").unwrap();
    let found = SCHEMAS.into_iter().find(|schema| *schema == name);
    Some(found.unwrap_or_else(|| panic!("{path}: which schema is this file of?")))
}

/// Every YAML file that ships and that we read.
fn shipped() -> Vec<(String, &'static str)> {
    let folders = ["config", "pipelines", "tests/fixtures"];
    let files = folders.iter().flat_map(|folder| snapshot::files(folder, ".yaml"));
    files.chain(["ocelot.lock".to_owned()]).filter_map(|path| schema_of(&path).map(|schema| (path, schema))).collect()
}

fn json(path: &str) -> Value {
    serde_saphyr::from_str(&snapshot::read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn validator(schema: &str) -> jsonschema::Validator {
    let text = snapshot::read(&format!("docs/schema/{schema}.json"));
    let schema: Value = serde_json::from_str(&text).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn problems(validator: &jsonschema::Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_schemas_in_docs_are_what_the_program_prints() {
    let space = Space::new();
    for schema in SCHEMAS {
        let ran = space.run(&["schema", schema]).status(0);
        assert_snapshot(&format!("docs/schema/{schema}.json"), &ran.stdout);
    }
    let unknown = space.run(&["schema", "piepline"]).status(2);
    assert!(unknown.stderr.contains("'pipeline'"), "{}", unknown.stderr);
}

#[test]
fn every_shipped_file_names_its_schema_and_is_valid() {
    let shipped = shipped();
    assert!(shipped.len() >= 7, "{shipped:?}");
    for (path, schema) in shipped {
        let up = "../".repeat(path.matches('/').count());
        let line = format!("# yaml-language-server: $schema={up}docs/schema/{schema}.json");
        let text = snapshot::read(&path);
        assert!(text.lines().take(3).any(|have| have == line), "{path} does not begin with `{line}`");
        let problems = problems(&validator(schema), &json(&path));
        assert!(problems.is_empty(), "{path}:\n{}", problems.join("\n"));
    }
}

#[test]
fn the_schemas_refuse_what_the_reader_refuses() {
    let pipeline = validator("pipeline");
    for bad in [
        "nods: {}",
        "nodes: {a: {exce: {command: [cc]}}}",
        "nodes: {a: {exec: {command: cc}}}",
        "nodes: {a: {exec: {}}}",
        "nodes: {a: {exec: {command: [cc], class: puer}}}",
        "nodes: {a: {exec: {command: [cc]}, retries: -1}}",
        "nodes: {a: {exec: {command: [cc]}, timeout: soon}}",
        "nodes: {a: {exec: {command: [cc]}, after: [{node: b}]}}",
        "pools: {link: several}",
    ] {
        let value: Value = serde_saphyr::from_str(bad).unwrap();
        assert!(!pipeline.is_valid(&value), "the schema accepts {bad}");
        let ran = Space::with(&format!("{bad}\n")).run(&["validate"]);
        assert_eq!(ran.status, 2, "the reader accepts {bad}");
    }
}

#[test]
fn the_schemas_accept_what_the_reader_accepts() {
    let pipeline = validator("pipeline");
    for good in [
        "nodes: {a: {exec: {command: [sh, -c, 'true'], env: {LEVEL: 3, FAST: true}}}}",
        "nodes: {a: {exec: {command: [sleep, 1]}, timeout: 90}}",
        "nodes: {a: {exec: {command: [sh], inputs: in.txt, tools: sh}, timeout: 10m, retries: 2}}",
        "params: {n: {default: 3}, on: {default: true}, l: {default: [1, 2]}}\nnodes: {a: {for: l, when: on, exec: {command: [echo, '${n}', '${l}']}}}",
        "nodes: {a: {exec: {command: [sh]}}, b: {group: [a]}, c: {group: [{node: a, join: []}]}}",
    ] {
        let value: Value = serde_saphyr::from_str(good).unwrap();
        let problems = problems(&pipeline, &value);
        assert!(problems.is_empty(), "the schema refuses {good}:\n{}", problems.join("\n"));
        let space = Space::with(&format!("{good}\n"));
        space.write("in.txt", "");
        let ran = space.run(&["validate"]);
        assert_eq!(ran.status, 0, "the reader refuses {good}:\n{}", ran.stderr);
    }
}
