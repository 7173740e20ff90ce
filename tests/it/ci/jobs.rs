//! The scripts of the shipped workflow, run one after the other as its jobs run them: each in a checkout and with a cache
//! of its own, with nothing between them but the artifacts.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::aws::KEY;
use crate::shipped;
use crate::snapshot;
use crate::support::proxy::Proxy;
use crate::support::{Ran, Space, files};

/// What a person fills in.
const INPUTS: [(&str, &str); 9] = [
    ("distribution", "minimal"),
    ("architecture", "all"),
    ("aws-region", "us-east-1,eu-west-1"),
    ("upstream-repo", "./tests/fixtures/collector-src"),
    ("upstream-ref", ""),
    ("layer-name", "$(touch injected)"),
    ("release-group", "beta"),
    ("layer-version", ""),
    ("public", "true"),
];

struct Jobs {
    workflow: Value,
    /// The value of the input `layer-name`.
    layer: &'static str,
}

impl Jobs {
    fn new(layer: &'static str) -> Self {
        let text = snapshot::read(".github/workflows/layers.yml");
        Self { workflow: serde_saphyr::from_str(&text).expect("YAML"), layer }
    }

    /// Runs the script of a step.
    fn step(&self, space: &Space, job: &str, name: &str, env: &[(&str, &str)]) -> Ran {
        let steps = self.workflow["jobs"][job]["steps"].as_array().expect("steps");
        let step = steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("{job}: no step {name}"));
        let script = step["run"].as_str().expect("a script");
        let inside = space.command(&[]);
        let mut bash = Command::new("bash");
        bash.args(["-e", "-o", "pipefail", "-c", script]).current_dir(space.root()).env_clear();
        bash.envs(inside.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let program = Path::new(inside.get_program()).parent().expect("a folder");
        bash.env("PATH", format!("{}:{}", program.display(), std::env::var("PATH").expect("a PATH")));
        for (name, value) in self.workflow["env"].as_object().expect("variables") {
            bash.env(name, self.filled(value.as_str().expect("a text")));
        }
        bash.env("GITHUB_OUTPUT", space.root().join("outputs")).envs(env.iter().copied());
        Ran::from(bash.output().expect("bash"))
    }

    /// A text with the inputs in it.
    fn filled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in INPUTS {
            let value = if name == "layer-name" { self.layer } else { value };
            text = text.replace(&format!("${{{{ inputs.{name} }}}}"), value);
        }
        assert!(!text.contains("${{"), "{text}");
        text
    }
}

/// A step output, as JSON where it is any.
fn output(space: &Space, name: &str) -> Value {
    let all = space.read("outputs");
    let value = all.rsplit_once(&format!("{name}<<ocelot-")).unwrap_or_else(|| panic!("no {name}: {all}")).1;
    serde_json::from_str(value.lines().nth(1).expect("a value")).expect("JSON")
}

/// Brings an artifact into another job's folder; modes and times are lost.
fn artifact(from: &Space, folder: &str, to: &Space, as_folder: &str) {
    for (path, bytes) in files(&from.root().join(folder)) {
        let inside = path.strip_prefix(from.root().join(folder)).expect("a file below");
        let target = to.root().join(as_folder).join(inside);
        fs::create_dir_all(target.parent().expect("a parent")).expect("a folder");
        fs::write(target, bytes).expect("a file");
    }
}

fn with_credentials(proxy: &Proxy) -> Space {
    let mut space = shipped::project();
    for (name, value) in
        [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_ENDPOINT_URL", &proxy.url())]
    {
        space.set(name, value);
    }
    space
}

fn plan(jobs: &Jobs, plan: &Space) {
    let _ = jobs.step(plan, "plan", "Resolve the sources, once for all jobs", &[]).status(0);
    let _ = jobs.step(plan, "plan", "Find out what has to run", &[]).status(0);
}

#[test]
fn from_the_form_to_published_layers_and_a_second_run_with_nothing_to_do() {
    let proxy = Proxy::start();
    let jobs = Jobs::new("jobs");
    let first = with_credentials(&proxy);
    plan(&jobs, &first);
    let machines = json!([
        {"architecture": "amd64", "runs-on": "ubuntu-24.04"},
        {"architecture": "arm64", "runs-on": "ubuntu-24.04-arm"},
    ]);
    assert_eq!(output(&first, "build")["include"], machines);
    assert_eq!(output(&first, "publish")["include"].as_array().map(Vec::len), Some(4));

    let (publish, report, state) = (with_credentials(&proxy), shipped::project(), shipped::project());
    for job in [&publish, &report, &state] {
        artifact(&first, "plan", job, "plan");
    }
    for arch in ["amd64", "arm64"] {
        let build = shipped::project();
        artifact(&first, "plan", &build, "plan");
        let of = [("ARCHITECTURE", arch)];
        let _ = jobs.step(&build, "build", "Build and check", &of).status(0);
        let _ = jobs.step(&build, "build", "Gather what others need", &of).status(0);
        for job in [&publish, &report, &state] {
            artifact(&build, "state", job, "state");
        }
    }
    let _ = jobs.step(&publish, "publish", "Take it over", &[]).status(0);
    let published = jobs.step(&publish, "publish", "Publish", &[]).status(0);
    assert!(!published.stderr.contains("ran collector"), "nothing is built here: {published:?}");
    let _ = jobs.step(&publish, "publish", "Gather what others need", &[]).status(0);
    for job in [&report, &state] {
        artifact(&publish, "out", job, "state");
    }
    let _ = jobs.step(&report, "report", "Take it over", &[]).status(0);
    let _ = jobs.step(&report, "report", "Work on it", &[]).status(0);
    let shown = report.read("build/report/minimal/report.json");
    for region in ["us-east-1", "eu-west-1"] {
        for arch in ["amd64", "arm64"] {
            let arn = format!("arn:aws:lambda:{region}:123456789012:layer:jobs-{arch}-minimal-0_145_0-beta:1");
            assert!(shown.contains(&arn), "{arn}: {shown}");
        }
    }
    let _ = jobs.step(&state, "state", "Take it over", &[]).status(0);
    let _ = jobs.step(&state, "state", "Work on it", &[]).status(0);

    let second = with_credentials(&proxy);
    artifact(&state, "known", &second, "known");
    plan(&jobs, &second);
    assert_eq!(output(&second, "build-empty"), true);
    assert_eq!(output(&second, "publish-empty"), true);
}

#[test]
fn what_a_person_fills_in_is_no_command() {
    let jobs = Jobs::new("$(touch injected)`touch injected`\";touch injected;\"");
    let space = shipped::project();
    let _ = jobs.step(&space, "plan", "Resolve the sources, once for all jobs", &[]);
    assert!(space.exists("plan/ocelot.lock"), "the script ran");
    assert!(!space.exists("injected"));
}

#[test]
fn a_release_group_without_an_environment_ends_the_run_before_any_work() {
    let jobs = Jobs::new("jobs");
    let space = shipped::project();
    let group = "Find the environment of the release group";
    let known = jobs.step(&space, "plan", group, &[("ENVIRONMENT", "layers-beta")]).status(0);
    assert_eq!(space.read("outputs"), "environment=layers-beta\n", "{known:?}");
    let unknown = jobs.step(&space, "plan", group, &[("ENVIRONMENT", "")]).status(2);
    assert!(unknown.stdout.contains("::error::this release group has no environment"), "{unknown:?}");
}
