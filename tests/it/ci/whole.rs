//! The shipped workflow from the form to the release, run after run, in the stand-in for GitHub Actions: AWS is moto behind
//! the proxy, GitHub's API the fake. Nothing reaches a later job or run but artifacts, caches, AWS and the release.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::aws::{ACCOUNT, KEY};
use crate::runner::{Event, Finished, Runner};
use crate::shipped::{self, SAMPLE};
use crate::snapshot;
use crate::support::github::Github;
use crate::support::proxy::{Fault, Proxy};
use crate::support::{Space, moto};

const WORKFLOW: &str = ".github/workflows/layers.yml";
const CONFIG: &str = "config/examples/minimal.yaml";
const NAME: &str = "whole";
const PLANNED_ONLY: [(&str, &str); 2] = [("ocelot", "success"), ("plan", "success")];

struct World {
    project: Space,
    proxy: Proxy,
    github: Github,
    runner: Runner,
}

impl World {
    fn new() -> Self {
        let project = shipped::project();
        project.write(WORKFLOW, &snapshot::read(WORKFLOW));
        let regions = project.read("config/regions.yaml");
        let (facts, _) = regions.split_once("\npublish:").expect("a list of regions");
        project.write("config/regions.yaml", &format!("{facts}\npublish: [us-east-1, eu-west-1]\n"));
        // Both architectures are built on this machine, which can start one of them.
        let layers = project.read("pipelines/layers.yaml");
        let layers = layers.replace("check: {layer: layer}", "check: {layer: layer, smoke: optional}");
        project.write("pipelines/layers.yaml", &layers);
        let (proxy, github) = (Proxy::start(), Github::start());
        let mut machine = BTreeMap::new();
        for name in ["PATH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOTOOLCHAIN"] {
            let inside = project.command(&[]);
            let of_project = inside.get_envs().find(|(held, _)| *held == name).and_then(|(_, value)| value);
            let value =
                of_project.map(|value| value.to_string_lossy().into_owned()).or_else(|| std::env::var(name).ok());
            machine.extend(value.map(|value| (name.to_owned(), value)));
        }
        for (name, value) in [
            ("AWS_ENDPOINT_URL", proxy.url()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("GITHUB_API_URL", github.url()),
            ("OIDC_URL", proxy.url()),
        ] {
            machine.insert(name.to_owned(), value);
        }
        let mut runner = Runner::new(&project.root(), machine);
        runner.settings = json!({
            "vars": {
                "OCELOT_READ_ROLE_ARN": format!("arn:aws:iam::{ACCOUNT}:role/read"),
                "OCELOT_PUBLISH_ROLE_ARN": format!("arn:aws:iam::{ACCOUNT}:role/publish"),
            },
            "secrets": {},
        });
        let mut world = Self { project, proxy, github, runner };
        world.have_program();
        world
    }

    /// No job compiles the program: that is what its cache is for.
    fn have_program(&mut self) {
        for arch in ["X64", "ARM64"] {
            let key = format!("ocelot-program-Linux-{arch}-0123456789abcdef");
            self.runner.keep(&key, Path::new(env!("CARGO_BIN_EXE_ocelot")));
        }
    }

    fn start(&mut self, architecture: &str, region: &str) -> Finished {
        let inputs = json!({
            "distribution": "minimal", "architecture": architecture, "aws-region": region,
            "upstream-repo": format!("./{SAMPLE}"), "upstream-ref": "", "layer-name": NAME, "release-group": "beta",
            "public": true,
        });
        self.runner.run(WORKFLOW, &Event::dispatch(inputs))
    }

    fn edit(&self, mark: &str) {
        let text = self.project.read(CONFIG);
        self.project.write(CONFIG, &format!("{text}\n# {mark}\n"));
    }

    /// What the release's index says of each architecture and region.
    fn index(&self) -> BTreeMap<(String, String), Value> {
        let index: Value = serde_json::from_str(&self.github.only().text("index.json")).expect("JSON");
        let mut entries = BTreeMap::new();
        for layer in index["layers"].as_array().expect("layers") {
            for (region, entry) in layer["regions"].as_object().expect("regions") {
                let architecture = layer["architecture"].as_str().expect("a name").to_owned();
                let entry = json!({"sha256": layer["sha256"], "entry": entry});
                entries.insert((architecture, region.clone()), entry);
            }
        }
        entries
    }
}

fn numbers(arch: &str, region: &str) -> Vec<u64> {
    let versions = moto::versions(KEY, region, &format!("{NAME}-{arch}-minimal-0_145_0-beta"));
    versions.into_iter().map(|(number, _)| number).collect()
}

fn successes(finished: &Finished) -> Vec<&str> {
    finished.results().into_iter().filter(|(_, result)| *result == "success").map(|(job, _)| job).collect()
}

#[track_caller]
fn assert_results(finished: &Finished, expected: &[(&str, &str)]) {
    let mut wanted: BTreeMap<&str, &str> = finished.jobs.keys().map(|job| (job.as_str(), "skipped")).collect();
    wanted.extend(expected.iter().copied());
    let logs: Vec<String> = finished
        .jobs
        .iter()
        .filter(|(job, end)| wanted[job.as_str()] != end.result)
        .map(|(job, end)| format!("=== {job}: {}\n{}", end.result, end.log))
        .collect();
    assert_eq!(finished.results(), wanted, "{}", logs.concat());
}

#[test]
fn one_workflow_from_the_first_run_to_the_loss_of_all_state() {
    let mut world = World::new();
    let all = ["ocelot", "plan", "ocelot-arm64", "build", "publish", "report", "attest", "release", "state"];
    let everything = all.map(|job| (job, "success"));

    // First run: both are built, everything is published, reported, attested and released.
    let first = world.start("all", "all");
    assert_results(&first, &everything);
    assert_eq!(first.jobs["build"].machines.len(), 2);
    for (arch, region) in
        [("amd64", "us-east-1"), ("amd64", "eu-west-1"), ("arm64", "us-east-1"), ("arm64", "eu-west-1")]
    {
        assert_eq!(numbers(arch, region), [1], "{arch} {region}");
    }
    let release = world.github.only();
    assert_eq!((release.tag.as_str(), release.draft, release.prerelease), ("minimal-v0.145.0-beta", false, true));
    for file in ["collector-amd64-minimal.zip", "collector-arm64-minimal.zip", "index.json", "ocelot.lock"] {
        assert!(release.names().contains(&file), "{:?}", release.names());
    }
    assert_eq!(world.index().len(), 4);
    assert_eq!(world.proxy.calls()["token"], 1, "there is nothing to ask about before it is built");

    // Nothing changed: the matrices are empty, and no further job runs.
    world.proxy.rule(|_, _| None);
    let again = world.start("all", "all");
    assert_results(&again, &PLANNED_ONLY);
    assert_eq!((again.machines(), world.proxy.calls().get("list")), (2, None), "{:?}", world.proxy.calls());

    // One region is down: the other is published, reported and released, and the run is red.
    world.edit("second");
    world.proxy.rule(|request, _| {
        let down = request.region == "eu-west-1" && !matches!(request.call, "account" | "credentials");
        down.then_some(Fault::Answer(403, "AccessDeniedException"))
    });
    let half = world.start("all", "all");
    let mut red = everything.to_vec();
    // Report and release are made, and red because of what they show.
    red.extend([("publish", "failure"), ("report", "failure"), ("release", "failure")]);
    assert_results(&half, &red);
    assert!(!half.is_green());
    assert_eq!((numbers("amd64", "us-east-1"), numbers("amd64", "eu-west-1")), (vec![1, 2], vec![1]));
    assert!(world.github.only().body.contains("eu-west-1"), "{}", world.github.only().body);
    let missing: Value = serde_json::from_str(&world.github.only().text("index.json")).expect("JSON");
    assert_eq!(missing["missing"].as_array().map(Vec::len), Some(2), "{missing}");

    // The next run does that region alone, and heals body and index.
    world.proxy.rule(|_, _| None);
    let healed = world.start("all", "all");
    assert!(healed.is_green() && healed.jobs["build"].result == "skipped", "{:?}", healed.results());
    let seen = world.proxy.seen();
    assert!(seen.iter().filter(|seen| seen.call == "publish").all(|seen| seen.region == "eu-west-1"), "{seen:?}");
    assert_eq!((numbers("amd64", "eu-west-1"), numbers("arm64", "eu-west-1")), (vec![1, 2], vec![1, 2]));
    let index: Value = serde_json::from_str(&world.github.only().text("index.json")).expect("JSON");
    assert_eq!(index["missing"], json!([]));

    // One architecture and one region: every other entry stays as it is.
    let before = world.index();
    world.edit("third");
    let one = world.start("amd64", "us-east-1");
    assert!(one.is_green(), "{:?}", one.results());
    assert_eq!(one.jobs["build"].machines.len(), 1);
    assert!(!successes(&one).contains(&"ocelot-arm64"), "no machine for the other architecture");
    let after = world.index();
    for (place, entry) in &before {
        let is_new = place == &("amd64".to_owned(), "us-east-1".to_owned());
        assert_eq!(after[place] == *entry, !is_new, "{place:?}");
    }
    assert_eq!((numbers("amd64", "us-east-1"), numbers("amd64", "eu-west-1")), (vec![1, 2, 3], vec![1, 2]));

    // All state lost: builds run, no version is published, the release stays.
    let _ = world.start("all", "all");
    let versions = |region: &str| [numbers("amd64", region), numbers("arm64", region)];
    let (published, release) = ([versions("us-east-1"), versions("eu-west-1")], world.github.only());
    world.runner.forget_caches();
    world.have_program();
    world.proxy.rule(|_, _| None);
    world.github.rule(|_, _| None);
    let lost = world.start("all", "all");
    assert_results(&lost, &everything);
    assert_eq!(world.proxy.calls().get("publish"), None);
    assert_eq!([versions("us-east-1"), versions("eu-west-1")], published);
    assert_eq!(world.github.changes(), Vec::<String>::new());
    assert_eq!(world.github.only(), release);
    assert_eq!(world.github.state().violations, Vec::<String>::new());
}

#[test]
fn a_dry_run_builds_and_publishes_nothing_and_a_fork_gets_no_role() {
    let mut world = World::new();
    let inputs = json!({
        "distribution": "minimal", "architecture": "amd64", "aws-region": "us-east-1",
        "upstream-repo": format!("./{SAMPLE}"), "upstream-ref": "", "layer-name": "dry", "dry-run": true,
    });
    let dry = world.runner.run(WORKFLOW, &Event::dispatch(inputs));
    assert_results(&dry, &[("ocelot", "success"), ("plan", "success"), ("build", "success")]);
    assert!(world.github.state().releases.is_empty());
    assert!(world.runner.cache_keys().iter().all(|key| !key.starts_with("ocelot-state")), "nothing is kept of it");
    // What a person fills in reaches no shell.
    let hostile = "$(touch injected)`touch injected`\";touch injected;\"";
    let inputs = json!({
        "distribution": "minimal", "architecture": "amd64", "aws-region": "us-east-1",
        "upstream-repo": format!("./{SAMPLE}"), "upstream-ref": "", "layer-name": hostile, "dry-run": true,
    });
    let ran = world.runner.run(WORKFLOW, &Event::dispatch(inputs));
    assert_eq!(ran.jobs["plan"].result, "success", "{:?}", ran.jobs["plan"]);
    assert!(world.runner.files_named("injected").is_empty(), "a text became a command");
    // A group without an environment ends the run before any work; a form offers none, a caller may.
    let call = Event { name: "workflow_call", inputs: json!({"release-group": "nobody's"}), fork: None };
    let refused = world.runner.run(WORKFLOW, &call);
    assert_results(&refused, &[("ocelot", "success"), ("plan", "failure")]);
    assert!(refused.jobs["plan"].log.contains("::error::this release group has no environment"), "{refused:?}");
    // The workflow does not start for pull requests at all.
    let workflow: Value = serde_saphyr::from_str(&snapshot::read(WORKFLOW)).expect("YAML");
    let events: Vec<&String> = workflow["on"].as_object().expect("events").keys().collect();
    assert_eq!(events, ["schedule", "workflow_call", "workflow_dispatch"]);
}
