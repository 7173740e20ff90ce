//! What goes with a layer says where it came from, and from that it can be made again: in another folder, by another user.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;

use ocelot::graph::node::{Kind, Origin};
use ocelot::project::load::{Request, load};
use ocelot::project::params::Sets;
use serde_json::Value;

use crate::shipped;
use crate::smoke::{LIFECYCLE, edit};
use crate::support::{Ran, Space};

const REPORT: &str = "build/quickstart/report/minimal-s3export";
const LAYER: &str = "build/quickstart/collector-amd64-minimal-s3export.zip";
const OVERLAY: &str = "config/components/collector/lambdacomponents/exporter/awss3.go";
const REBUILD: [&str; 6] = ["verify", "given.zip", "--rebuild", "--provenance", "given.intoto.json", "-p"];

/// A layer that was built somewhere, with what was released with it.
struct Given {
    zip: Vec<u8>,
    provenance: String,
    space: Space,
}

impl Given {
    fn new() -> Self {
        let space = shipped::project();
        let only = ["--set", "distribution=minimal-s3export", "--set", "arch=amd64"];
        let _ = space.run(&[&["run", "quickstart", "report"][..], &only].concat()).status(0);
        let provenance = space.read(&format!("{REPORT}/collector-amd64-minimal-s3export.intoto.json"));
        Self { zip: shipped::bytes(&space, LAYER), provenance, space }
    }

    /// Another project, of another user with an empty cache, that was given the layer.
    fn received(&self, provenance: &str) -> Space {
        let space = shipped::project();
        fs::write(space.root().join("given.zip"), &self.zip).expect("a file");
        space.write("given.intoto.json", provenance);
        space
    }

    /// What `verify --rebuild` says in such a project after a change.
    fn after(&self, change: impl FnOnce(&Space)) -> Ran {
        let space = self.received(&self.provenance);
        change(&space);
        space.run(&[&REBUILD[..], &["quickstart"]].concat())
    }

    /// What it says of an edited provenance.
    fn told(&self, from: &str, to: &str) -> Ran {
        assert!(self.provenance.contains(from), "`{from}` is not in {}", self.provenance);
        let space = self.received(&self.provenance.replacen(from, to, 1));
        space.run(&[&REBUILD[..], &["quickstart"]].concat())
    }
}

#[track_caller]
fn names(ran: &Ran, inputs: &[&str]) {
    assert_eq!(ran.status, 1, "{ran:?}");
    let found: Vec<&str> = ran.stderr.lines().filter_map(|line| line.strip_prefix("- ")).collect();
    assert_eq!(found.len(), inputs.len(), "{ran:?}");
    for (line, input) in found.iter().zip(inputs) {
        assert!(line.starts_with(&format!("{input}: ")), "`{input}` is not named: {ran:?}");
    }
}

#[test]
fn a_layer_is_made_again_elsewhere_or_it_is_said_which_input_differs() {
    let given = Given::new();
    let ran = given.after(|_| ()).status(0);
    assert!(ran.stderr.contains("`given.zip`: identical, SHA-256 "), "{ran:?}");

    let ran = given.after(|space| edit(space, LIFECYCLE, "\"running\"", "\"started\""));
    names(&ran, &["commit of the sources"]);
    assert!(ran.stderr.contains("`given.zip` is not what comes out here: SHA-256 "), "{ran:?}");
    let tag = "    - lambdacomponents.exporter.awss3";
    let more = format!("    - lambdacomponents.exporter.debug\n{tag}");
    names(&given.after(|space| edit(space, "config/distributions.yaml", tag, &more)), &["build tag"]);
    names(&given.after(|space| edit(space, OVERLAY, "package exporter", "package exporter // mine")), &[OVERLAY]);
    let port = |space: &Space| edit(space, "config/examples/s3export.yaml", "localhost:4318", "localhost:4319");
    names(&given.after(port), &["collector config"]);
}

#[test]
fn a_provenance_that_says_something_else_than_the_rebuild_is_refused() {
    let given = Given::new();
    let told: Value = serde_json::from_str(&given.provenance).expect("JSON");
    let go = told["predicate"]["buildDefinition"]["resolvedDependencies"][1]["uri"].as_str().expect("a toolchain");
    let ran = given.told(go, "pkg:golang/stdlib@1.2.3");
    names(&ran, &["Go toolchain"]);
    assert!(ran.stderr.contains("the same bytes, but not from what its provenance names"), "{ran:?}");
    names(&given.told("\"-trimpath\",", ""), &["Go flags"]);
    names(&given.told("\"CGO_ENABLED\": \"0\"", "\"CGO_ENABLED\": \"1\""), &["Go environment"]);
    names(&given.told("\"level\": 9", "\"level\": 6"), &["zip recipe"]);
    // Another layer's, and none at all.
    let sum = told["subject"][0]["digest"]["sha256"].as_str().expect("a digest");
    let ran = given.told(sum, &"0".repeat(64)).status(1);
    assert!(ran.stderr.contains("`given.intoto.json` is about a layer with SHA-256 0000"), "{ran:?}");
    let ran = given.told("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1").status(2);
    assert!(ran.stderr.contains("it says `https://in-toto.io/Statement/v0.1`"), "{ran:?}");
    let ran = given.told("\"distribution\": \"minimal-s3export\"", "\"distribution\": \"mine\"").status(2);
    assert!(ran.stderr.contains("distribution"), "{ran:?}");
}

/// Hands a folder and all in it to a user.
fn hand_over(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).expect("root may");
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).expect("a folder") {
            hand_over(&entry.expect("an entry").path(), user);
        }
    }
}

#[test]
fn another_user_makes_the_same_layer() {
    const NOBODY: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let given = Given::new();
    let mut space = given.received(&given.provenance);
    // Go's caches of the user who runs the tests are not this user's to write.
    let places = space.root().parent().expect("a parent").join("cache");
    for name in ["GOCACHE", "GOMODCACHE"] {
        space.set(name, places.join(name).to_str().expect("UTF-8"));
    }
    let top = space.root().parent().expect("a parent").to_owned();
    hand_over(&top, NOBODY);
    fs::set_permissions(&top, fs::Permissions::from_mode(0o755)).expect("a mode");
    let mut command = space.command(&[&REBUILD[..], &["quickstart"]].concat());
    command.uid(NOBODY).gid(NOBODY);
    let ran = Ran::from(command.output().expect("the program starts")).status(0);
    assert!(ran.stderr.contains("`given.zip`: identical, SHA-256 "), "{ran:?}");
}

#[test]
fn what_goes_with_a_layer_lies_in_its_report() {
    let given = Given::new();
    let file = |ending: &str| format!("{REPORT}/collector-amd64-minimal-s3export.{ending}");
    let spdx = shipped::json(&given.space, &file("spdx.json"));
    let cyclonedx = shipped::json(&given.space, &file("cdx.json"));
    let statement: Value = serde_json::from_str(&given.provenance).expect("JSON");
    let sum = &statement["subject"][0]["digest"]["sha256"];
    assert_eq!(
        (
            &spdx["packages"][0]["checksums"][0]["checksumValue"],
            &cyclonedx["metadata"]["component"]["hashes"][0]["content"]
        ),
        (sum, sum)
    );
    let definition = &statement["predicate"]["buildDefinition"];
    let dependencies = definition["resolvedDependencies"].as_array().expect("a list");
    let names: Vec<&str> = dependencies.iter().filter_map(|dependency| dependency["name"].as_str()).collect();
    assert_eq!(names, ["sources", "go", "collector config", OVERLAY, "go.mod"]);
    assert_eq!(definition["internalParameters"]["action"].as_str().map(str::len), Some(64));
    // Neither this machine nor this day is in it.
    let here = given.space.root();
    for text in [given.provenance.as_str(), &spdx.to_string(), &cyclonedx.to_string()] {
        assert!(!text.contains(here.to_str().expect("UTF-8")) && !text.contains("2026-"), "{text}");
    }
    // A second run writes nothing.
    let only = ["quickstart", "report", "--set", "distribution=minimal-s3export", "--set", "arch=amd64"];
    let again = given.space.json(&only).status(0);
    assert!(again.ended("ran").is_empty(), "{again:?}");
}

/// Where the packages of a pipeline say that their sources come from.
fn origins(file: &str, sets: &[(&str, &str)]) -> Vec<Option<Origin>> {
    let space = shipped::project();
    let sets: Sets = sets.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect();
    let request = Request { root: &space.root(), file, sets: &sets, lock: None, env: &|_| None, everything: false };
    let Ok(loaded) = load(&request) else { panic!("{file} is not loaded") };
    let packages = loaded.graph.nodes.iter().filter_map(|node| match &node.kind {
        Kind::Package(package) => Some(package.origin.clone()),
        _ => None,
    });
    packages.collect()
}

#[test]
fn sources_of_this_machine_have_no_origin_and_others_their_address() {
    let upstream = Origin {
        repository: "https://github.com/open-telemetry/opentelemetry-lambda.git".to_owned(),
        reference: "layer-collector/0.20.0".to_owned(),
    };
    assert_eq!(origins("pipelines/layers.yaml", &[("publish", "false")]), [Some(upstream)]);
    assert_eq!(origins("pipelines/quickstart.yaml", &[]), vec![None; 4]);
    let sets = [("publish", "false"), ("upstream-repo", "file:///srv/upstream")];
    assert_eq!(origins("pipelines/layers.yaml", &sets), [None]);
}
