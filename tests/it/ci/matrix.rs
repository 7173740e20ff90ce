//! `ci matrix`: only what has something to do costs a job.

use std::fs;

use serde_json::{Value, json};

use crate::aws;
use crate::shipped;
use crate::support::proxy::Proxy;
use crate::support::{Space, files};

/// The entries of the matrix of `targets`.
fn entries(space: &Space, targets: &[&str]) -> Vec<Value> {
    let ran = space.run(&[&["ci", "matrix"], targets].concat()).status(0);
    let matrix: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    matrix["include"].as_array().expect("a list").clone()
}

/// A checkout of the project on a new machine, with the state that `from` exports and what it has published.
fn next_machine(from: &Space) -> Space {
    let _ = from.run(&["cache", "export", "--state", "--out", "state", "quickstart"]).status(0);
    let space = shipped::project();
    fs::copy(from.root().join("state"), space.root().join("state")).expect("a copy");
    let _ = space.run(&["cache", "import", "state"]).status(0);
    let registry = "build/quickstart/registry";
    for (path, bytes) in files(&from.root().join(registry)) {
        let to = space.root().join(path.strip_prefix(from.root()).expect("a file below"));
        fs::create_dir_all(to.parent().expect("a parent")).expect("a folder");
        fs::write(to, bytes).expect("a copy");
    }
    space
}

#[test]
fn what_is_up_to_date_elsewhere_costs_no_job() {
    let first = shipped::project();
    let build = json!([
        {"architecture": "amd64", "runs-on": "ubuntu-24.04"},
        {"architecture": "arm64", "runs-on": "ubuntu-24.04-arm"},
    ]);
    assert_eq!(json!(entries(&first, &["quickstart", "checked"])), build);
    assert_eq!(entries(&first, &["quickstart"]).len(), 4, "each architecture in each region");
    let _ = first.json(&["quickstart"]).status(0);

    let mut second = next_machine(&first);
    second.set("GITHUB_ACTIONS", "true");
    let output = second.root().join("output");
    second.set("GITHUB_OUTPUT", output.to_str().expect("UTF-8"));
    assert_eq!(entries(&second, &["quickstart", "checked", "--name", "build"]), [] as [Value; 0]);
    assert_eq!(entries(&second, &["quickstart", "published"]), [] as [Value; 0]);
    assert!(!second.exists("build/quickstart/collector-amd64-minimal.zip"), "nothing is laid out");
    let outputs = second.read("output");
    for (name, value) in [("build", r#"{"include":[]}"#), ("build-empty", "true"), ("matrix-empty", "true")] {
        let entry = outputs.split_once(&format!("{name}<<")).expect(name).1;
        assert_eq!(entry.lines().nth(1), Some(value), "{outputs}");
    }

    // A receipt is lost, so that one region of one architecture has to be asked.
    let receipts = second.root().join(".ocelot/receipts");
    let lost = fs::read_dir(receipts).unwrap().map(|entry| entry.unwrap().path()).find(|path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.contains("eu-west-1") && text.contains("quickstart-arm64-minimal-0_145_0-local")
    });
    fs::remove_file(lost.expect("a receipt")).unwrap();
    let publish = json!([{"architecture": "arm64", "aws-region": "eu-west-1", "runs-on": "ubuntu-24.04"}]);
    assert_eq!(json!(entries(&second, &["quickstart", "published"])), publish);
    assert_eq!(entries(&second, &["quickstart", "checked"]), [] as [Value; 0], "the layer came with the state");
    // Without the layer itself, whoever makes it has to run too; the tree that is laid out again for it is shared by both.
    fs::remove_dir_all(second.cache().join("ocelot/v1/store/blobs")).unwrap();
    assert_eq!(json!(entries(&second, &["quickstart", "checked"])), build);

    let third = next_machine(&first);
    let component = "config/components/collector/lambdacomponents/exporter/awss3.go";
    third.write(component, &format!("{}\n// edited\n", third.read(component)));
    assert_eq!(json!(entries(&third, &["quickstart", "checked"])), build);
}

#[test]
fn the_originals_arrays_and_names_of_outputs() {
    let space = shipped::project();
    let all = space.run(&["ci", "matrix", "quickstart", "--all"]).status(0);
    let all: Value = serde_json::from_str(&all.stdout).expect("JSON");
    let architectures = json!(["amd64", "arm64"]);
    let release = json!({"architecture": architectures, "aws-region": ["eu-west-1", "us-east-1"]});
    assert_eq!(all, json!({"build_jobs": {"architecture": architectures}, "release_jobs": release}));
    for name in ["", "a b", "a\nb", "1a", "a=b"] {
        let refused = space.run(&["ci", "matrix", "quickstart", &format!("--name={name}")]).status(2);
        assert!(refused.stderr.contains("is no name of a step output"), "{refused:?}");
    }
}

#[test]
fn receipts_of_aws_stand_once_it_is_known_whose_the_credentials_are() {
    let proxy = Proxy::start();
    let first = aws::project(&proxy);
    let regions = ["us-east-1", "eu-west-1"];
    let _ = aws::publish(&first, "matrix", &regions).status(0);
    let sets = [
        "layers",
        "--set=distribution=minimal",
        "--set=arch=all",
        "--set=upstream-repo=./tests/fixtures/collector-src",
        "--set=upstream-ref=",
        "--set=layer-name=matrix",
        "--set=public=true",
        "--set=region=us-east-1,eu-west-1",
    ];
    let _ = first.run(&[&["cache", "export", "--state", "--out", "state"], &sets[..]].concat()).status(0);

    let second = aws::project(&proxy);
    fs::copy(first.root().join("state"), second.root().join("state")).expect("a copy");
    let _ = second.run(&["cache", "import", "state"]).status(0);
    assert_eq!(entries(&second, &sets), [] as [Value; 0]);

    let mut offline = aws::project(&proxy);
    offline.set("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    fs::copy(first.root().join("state"), offline.root().join("state")).expect("a copy");
    let _ = offline.run(&["cache", "import", "state"]).status(0);
    let ran = offline.run(&[&["ci", "matrix", "--offline"], &sets[..]].concat()).status(0);
    assert_eq!(ran.stdout.matches("aws-region").count(), 4, "unknown is listed: {ran:?}");
    assert!(ran.stderr.contains("every layer is listed"), "{ran:?}");
}
