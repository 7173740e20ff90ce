//! What can be asked of layers that are published, and done with them, over a store in a folder.

use serde_json::Value;

use crate::shipped;
use crate::support::{Ran, Space};

const STORE: &str = "directory:build/quickstart/registry";
const AMD64: &str = "layer:us-east-1:quickstart-amd64-minimal-0_145_0-local:1";

/// A project whose quickstart has run.
fn published() -> Space {
    let space = shipped::project();
    let _ = space.build(&["quickstart"]);
    space
}

fn version(region: &str, distribution: &str, number: u64) -> String {
    format!("build/quickstart/registry/{region}/quickstart-amd64-{distribution}-0_145_0-local/{number}")
}

fn on_store<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [words, &["--registry", STORE]].concat()
}

fn said(ran: &Ran, texts: &[&str]) {
    for text in texts {
        assert!(ran.stdout.contains(text) || ran.stderr.contains(text), "no {text:?} in {ran:?}");
    }
}

#[test]
fn everyday_commands_over_what_the_quickstart_published() {
    let space = published();
    explained(&space);
    verified(&space);
    copied(&space);
    mended(&space);
    pruned(&space);
}

fn explained(space: &Space) {
    let ran = space.run(&on_store(&["explain-layer", AMD64])).status(0);
    said(&ran, &["distribution  minimal\n", "collector  v0.145.0", "shared with  everybody", "processor.decouple"]);
    let ran = space.run(&on_store(&["--output", "json", "explain-layer", AMD64])).status(0);
    let told: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(told["distribution"], "minimal");
    assert!(told["created"].as_u64().is_some_and(|at| at > 1_700_000_000), "{told}");
    said(&space.run(&["explain-layer", AMD64]).status(2), &["is in a folder, and none is named", "directory:PATH"]);
    said(&space.run(&on_store(&["explain-layer", "layer:us-east-1:x"])).status(2), &["names no layer version; write"]);
    let absent = "layer:us-east-1:quickstart-amd64-minimal-0_145_0-local:9";
    said(&space.run(&on_store(&["explain-layer", absent])).status(1), &["there is no such version"]);
}

fn verified(space: &Space) {
    let ours = "build/quickstart/collector-amd64-minimal.zip";
    let ran = space.run(&on_store(&["verify", AMD64, "--against", ours])).status(0);
    said(&ran, &["same  build/quickstart/collector-amd64-minimal.zip", "same  layer:eu-west-1:", "absent  eu-west-3"]);
    let other = "build/quickstart/collector-amd64-minimal-s3export.zip";
    let ran = space.run(&on_store(&["verify", AMD64, "--against", other, "--region", "eu-west-1"])).status(1);
    said(&ran, &["differs", "setting -tags: lambdacomponents.exporter.awss3 against none", "awss3exporter"]);
    let _ = space.run(&["verify", "-p", "quickstart", "published"]).status(0);
    // Bytes that changed in the store are found, and nothing is said to be the same.
    let zip = format!("{}/layer.zip", version("us-east-1", "minimal", 1));
    let whole = shipped::bytes(space, &zip);
    std::fs::write(space.root().join(&zip), b"PK").expect("written");
    let ran = space.run(&on_store(&["verify", AMD64, "--against", other, "--region", "eu-west-1"])).status(1);
    said(&ran, &["its bytes have CodeSha256"]);
    std::fs::write(space.root().join(&zip), whole).expect("written");
}

fn copied(space: &Space) {
    let ran = space.run(&on_store(&["copy", AMD64, "--to", "eu-west-3", "--to", "sa-east-1"])).status(0);
    said(&ran, &["copied  layer:eu-west-3:", "copied  layer:sa-east-1:", "copy: 2 there now, 0 failed"]);
    said(&space.run(&on_store(&["copy", AMD64, "--to", "eu-west-3"])).status(0), &["was there  layer:eu-west-3:"]);
    let zip = |region: &str| shipped::bytes(space, &format!("{}/layer.zip", version(region, "minimal", 1)));
    assert_eq!(zip("eu-west-3"), zip("us-east-1"));
    let policy = shipped::json(space, &format!("{}/policy.json", version("eu-west-3", "minimal", 1)));
    assert_eq!(policy[0]["grantee"], "everyone", "shared as its source is");
    // A run with that region adopts the copy.
    let regions = ["--set", "region=us-east-1,eu-west-1,eu-west-3", "--set", "distribution=minimal"];
    let ran = space.json(&[["quickstart"].as_slice(), &regions].concat()).status(0);
    assert!(ran.ended("ran").contains(&"published[minimal,amd64,eu-west-3]".to_owned()), "{ran:?}");
    assert!(!space.exists(&version("eu-west-3", "minimal", 2)));
    said(
        &space.run(&on_store(&["copy", AMD64, "--to", "europe"])).status(2),
        &["`europe` is not the name of a region"],
    );
    // An index stands for all of its layers.
    space.write("index.yaml", "");
    said(&space.run(&on_store(&["copy", "gone.json", "--to", "eu-west-3"])).status(2), &["cannot read `gone.json`"]);
    space.write("broken.json", "{");
    said(&space.run(&on_store(&["verify", "broken.json"])).status(2), &["`broken.json`: "]);
}

fn mended(space: &Space) {
    // A policy that somebody emptied: the receipt no longer stands, `status` tells it, `--fix` shares it again.
    let policy = format!("{}/policy.json", version("us-east-1", "minimal", 1));
    space.remove(&policy);
    let ran = space.run(&["status", "quickstart", "--exit-code"]).status(10);
    said(&ran, &["not shared  published[minimal,amd64,us-east-1]", "1 to do"]);
    let ran = space.run(&["status", "quickstart", "--markdown"]).status(0);
    said(&ran, &["| `published[minimal,amd64,us-east-1]` | us-east-1 | not shared |"]);
    let ran = space.run(&["plan", "quickstart", "--live"]).status(0);
    said(&ran, &["not shared  published[minimal,amd64,us-east-1]"]);
    let _ = space.run(&["status", "quickstart", "--fix"]).status(0);
    assert!(space.exists(&policy));
    said(&space.run(&["status", "quickstart", "--exit-code"]).status(0), &["0 to do"]);

    // A grant that is not declared: told, and taken back only if it is ours and somebody says yes.
    let wide = r#"[{"id": "ocelot-public", "grantee": "everyone"},
        {"id": "ocelot-account-123456789012", "grantee": {"account": "123456789012"}},
        {"id": "by-hand", "grantee": {"account": "210987654321"}}]"#;
    space.write(&policy, wide);
    said(&space.run(&["status", "quickstart"]).status(0), &["wider  published[minimal,amd64,us-east-1]"]);
    let ran = space.run(&["status", "quickstart", "--fix", "--unshare"]).status(2);
    said(&ran, &["unshare  statement `ocelot-account-123456789012`", "there is no terminal to ask on"]);
    assert_eq!(space.read(&policy), wide, "nothing was done");
    let ran = space.run(&["status", "quickstart", "--fix", "--unshare", "--yes"]).status(0);
    said(&ran, &["unshared  statement `ocelot-account-123456789012`"]);
    let held = shipped::json(space, &policy);
    let ids: Vec<&str> = held.as_array().expect("a list").iter().filter_map(|held| held["id"].as_str()).collect();
    assert_eq!(ids, ["ocelot-public", "by-hand"]);
}

fn pruned(space: &Space) {
    // A second content of the same version, and layers that are not ours.
    let config = space.read("config/examples/minimal.yaml");
    space.write("config/examples/minimal.yaml", &format!("{config}\n# edited\n"));
    let _ = space.build(&["quickstart"]);
    let foreign = "build/quickstart/registry/us-east-1/quickstart-amd64-theirs-0_145_0-local/1/version.json";
    space.write(foreign, &space.read(&format!("{}/version.json", version("us-east-1", "minimal", 1))));
    let old = |region: &str| space.exists(&version(region, "minimal", 1));
    let ran = space.run(&["prune", "quickstart", "--keep", "1"]).status(2);
    said(&ran, &["delete  us-east-1 quickstart-amd64-minimal-0_145_0-local:1", "there is no terminal to ask on"]);
    assert!(old("us-east-1") && old("eu-west-1"), "nothing was done");
    said(
        &space.run(&["prune", "quickstart", "--keep", "1", "--older-than", "1 day", "--yes"]).status(0),
        &["nothing to delete"],
    );
    said(&space.run(&["prune", "quickstart", "--keep", "1", "--older-than", "soon"]).status(2), &["is no time"]);
    let _ = space.run(&["prune", "quickstart", "--keep", "0"]).status(2);
    // Receipts name the new versions; an index that names the old one keeps it too.
    let set = ["--set", "region=us-east-1"];
    let index = r#"{"format":1,"pipeline":"layers","releases":[],"missing":[],"layers":[{"distribution":"minimal",
        "architecture":"amd64","collectorVersion":"v0.145.0","layerName":"quickstart-amd64-minimal-0_145_0-local",
        "codeSha256":"","sha256":null,"size":null,"commit":null,"components":[],"regions":{"us-east-1":{
        "arn":"layer:us-east-1:quickstart-amd64-minimal-0_145_0-local:1","version":1,"public":true}}}]}"#;
    space.write("index.json", index);
    let keep = ["prune", "quickstart", "--keep", "1", "--yes"];
    let ran = space.run(&[keep.as_slice(), &["--index", "index.json"], &set].concat()).status(0);
    said(&ran, &["delete  us-east-1 quickstart-arm64-minimal-0_145_0-local:1", "1 deleted, 0 failed"]);
    assert!(old("us-east-1"));
    let _ = space.run(&keep).status(0);
    assert!(!old("us-east-1") && !old("eu-west-1") && space.exists(&version("us-east-1", "minimal", 2)));
    assert!(space.exists(foreign), "what no combination names is not touched");
    assert!(old("eu-west-3"), "regions that the pipeline does not name are not looked at");
    assert_eq!(space.build(&["quickstart"]).ran, 0, "what stands is what the receipts name");
}

#[test]
fn a_mistyped_region_is_told_before_anything_is_asked() {
    let space = shipped::project();
    let to = |region| on_store(&["copy", AMD64, "--to", region]);
    let meant =
        ["`eu-wset-3` is not in config/regions.yaml; did you mean `eu-west-3`?", "add it to config/regions.yaml"];
    said(&space.run(&to("eu-wset-3")).status(2), &meant);
    said(&space.run(&on_store(&["verify", AMD64, "--region", "eu-wset-3"])).status(2), &meant);
    // What may have opened since is asked for: here the source is what is missing.
    said(&space.run(&to("eu-west-9")).status(1), &["there is no such version"]);
    space.remove("config/regions.yaml");
    said(&space.run(&to("eu-wset-3")).status(1), &["there is no such version"]);
}
