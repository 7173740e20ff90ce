//! The real sources: a checkout of open-telemetry/opentelemetry-lambda, named by `OCELOT_UPSTREAM`, that has the tag
//! below and whose modules Go has already fetched. These tests compile a real collector, which takes minutes at first.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::shipped::{self, bytes, names, run_elsewhere};
use crate::support::{Ran, Space, counts};

const TAG: &str = "layer-collector/0.20.0";
const VERSION: &str = "v0.145.0";
/// The tags of `minimal`, sorted.
const MINIMAL_TAGS: &str = "lambdacomponents.custom,lambdacomponents.exporter.otlphttp,\
    lambdacomponents.processor.batch,lambdacomponents.processor.decouple,lambdacomponents.receiver.otlp";
const ZIP: &str = "build/collector-amd64-minimal.zip";

/// The checkout, or a line that says what did not run. It is written past the capture of the test harness, which would
/// swallow it.
fn upstream(test: &str) -> Option<PathBuf> {
    let checkout = std::env::var_os("OCELOT_UPSTREAM").filter(|value| !value.is_empty()).map(PathBuf::from);
    if checkout.is_none() {
        let line = format!(
            "\nNOT RUN: upstream::{test}: set OCELOT_UPSTREAM to a clone of \
             https://github.com/open-telemetry/opentelemetry-lambda that has the tag {TAG}\n"
        );
        std::io::stderr().write_all(line.as_bytes()).expect("standard error");
    }
    checkout
}

/// `ocelot build` of amd64 layers from the checkout.
fn arguments<'a>(checkout: &'a Path, distributions: &[&'a str]) -> Vec<&'a str> {
    let repo = checkout.to_str().expect("a UTF-8 path");
    let mut arguments = vec!["build", "--output", "json", "--skip-publish", "-a", "amd64", "-r", repo, "-b", TAG];
    arguments.extend(distributions.iter().flat_map(|name| ["-d", *name]));
    arguments
}

fn build(space: &Space, checkout: &Path, distributions: &[&str]) -> Ran {
    space.run(&arguments(checkout, distributions)).status(0)
}

/// What a program printed; it has to succeed.
fn said(command: &mut Command) -> Vec<u8> {
    let output = command.stderr(Stdio::inherit()).output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    output.stdout
}

fn git(checkout: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(checkout);
    git
}

/// Upstream's own build line (`collector/Makefile`) in a folder of its own and with a compile cache of its own, with
/// what makes its bytes repeatable: sorted tags, no stamp of the version control system, fixed processor levels.
fn upstreams_own_binary(checkout: &Path) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let archive = folder.path().join("sources.tar");
    said(git(checkout).args(["archive", "--output"]).arg(&archive).args([TAG, "collector"]));
    said(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(folder.path()));
    let commit = said(git(checkout).args(["rev-parse", &format!("{TAG}^{{commit}}")]));
    let commit = String::from_utf8(commit).expect("a commit id");
    let linker_flags = format!(
        "-s -w -X main.GitHash={} -X main.Version={VERSION} -X github.com/open-telemetry/\
         opentelemetry-collector-contrib/exporter/awsxrayexporter.collectorDistribution=opentelemetry-collector-lambda",
        commit.trim()
    );
    let mut go = Command::new("go");
    go.args(["build", "-trimpath", "-buildvcs=false", "-tags", MINIMAL_TAGS, "-ldflags", &linker_flags]);
    go.args(["-o", "build/extensions/", "."]).current_dir(folder.path().join("collector"));
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("upstream-go-cache");
    go.envs([("GOOS", "linux"), ("GOARCH", "amd64"), ("GOAMD64", "v1"), ("CGO_ENABLED", "0")]);
    go.envs([("GOFLAGS", "-mod=readonly"), ("GOENV", "off"), ("GOTOOLCHAIN", "local")]).env("GOCACHE", cache);
    said(&mut go);
    fs::read(folder.path().join("collector/build/extensions/collector")).expect("upstream's binary")
}

/// A file of a zip, read by a program that is not ours.
fn unzipped(space: &Space, zip: &str, name: &str) -> Vec<u8> {
    let script = "import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))";
    said(Command::new("python3").args(["-c", script]).arg(space.root().join(zip)).arg(name))
}

#[test]
fn minimal_is_upstreams_own_binary_and_only_what_changed_runs_again() {
    let Some(checkout) = upstream("minimal_is_upstreams_own_binary_and_only_what_changed_runs_again") else { return };
    let space = shipped::project();
    assert_eq!(build(&space, &checkout, &["minimal"]).counts(), counts(7, 0, 0));
    let binary = unzipped(&space, ZIP, "extensions/collector");
    assert!(
        binary == upstreams_own_binary(&checkout),
        "the binary in the layer is not what upstream's build line makes"
    );
    let config = unzipped(&space, ZIP, "collector-config/config.yaml");
    assert_eq!(String::from_utf8_lossy(&config), space.read("config/examples/minimal.yaml"));

    assert_eq!(build(&space, &checkout, &["minimal"]).counts(), counts(0, 0, 7), "nothing changed");

    let elsewhere = shipped::project();
    let _ = run_elsewhere(&elsewhere, &arguments(&checkout, &["minimal"])).status(0);
    assert!(bytes(&space, ZIP) == bytes(&elsewhere, ZIP), "the zip depends on where it is made");

    let config = space.read("config/examples/minimal.yaml");
    space.write("config/examples/minimal.yaml", &format!("{config}\n# edited\n"));
    let edited = build(&space, &checkout, &["minimal"]);
    let packaging = ["tags[minimal]", "layer[minimal,amd64]", "checked[minimal,amd64]", "report[minimal]"];
    assert_eq!(edited.ended("ran"), names(&packaging), "a config is packaged, not compiled");

    let more = build(&space, &checkout, &["minimal", "default"]);
    let own = ["tags[default]", "tree[default]", "collector[default,amd64]", "layer[default,amd64]"];
    let own = [own.as_slice(), &["checked[default,amd64]", "report[default]"]].concat();
    assert_eq!(more.ended("ran"), names(&own), "one more distribution runs its own nodes");
}

/// Every file of this name in the kept work folder.
fn kept(space: &Space, name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let work = space.root().join(".ocelot/work");
    let all = crate::support::files(&work);
    all.into_iter().filter(|(path, _)| path.file_name().is_some_and(|file| file == name)).collect()
}

#[test]
fn a_component_of_ours_is_compiled_in_and_another_project_builds_it_offline() {
    let test = "a_component_of_ours_is_compiled_in_and_another_project_builds_it_offline";
    let Some(checkout) = upstream(test) else { return };
    let module = format!("github.com/open-telemetry/opentelemetry-collector-contrib/exporter/awss3exporter {VERSION}");
    let zip = "build/collector-amd64-minimal-s3export.zip";
    let arguments = arguments(&checkout, &["minimal-s3export"]);

    let space = shipped::project();
    let first = space.run(&[&arguments[..], &["--keep-temp"]].concat()).status(0);
    assert_eq!(first.counts(), counts(7, 0, 0));
    let go_mods = kept(&space, "go.mod");
    assert!(
        go_mods.values().any(|text| String::from_utf8_lossy(text).contains(&module)),
        "no go.mod requires the module of the component: {:?}",
        go_mods.keys()
    );
    let binary = unzipped(&space, zip, "extensions/collector");
    let text = module.split(' ').next().expect("a path").as_bytes();
    assert!(binary.windows(text.len()).any(|window| window == text), "the component is not linked");

    let mut fresh = shipped::project();
    fresh.share_cache(&space);
    let offline = fresh.run(&[&arguments[..], &["--offline"]].concat()).status(0);
    assert!(!offline.ended("ran").iter().any(|node| node.starts_with("collector[")), "compiled again: {offline:?}");
    assert!(bytes(&space, zip) == bytes(&fresh, zip), "the cache gives another layer");

    let mut rebuilt = shipped::project();
    rebuilt.share_cache(&space);
    let _ = rebuilt.run(&[&arguments[..], &["--offline", "--no-cache"]].concat()).status(0);
    assert!(bytes(&space, zip) == bytes(&rebuilt, zip), "an offline build gives another layer");
}
