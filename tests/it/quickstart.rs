//! The quickstart, as a newcomer runs it: from sources to published layers, and what each change then costs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::shipped::{self, SAMPLE, bytes, names, run_elsewhere};
use crate::support::{Counts, Space, counts, files};

const RUN: [&str; 4] = ["run", "--output", "json", "quickstart"];
const DISTRIBUTIONS: [&str; 2] = ["minimal", "minimal-s3export"];
const ARCHITECTURES: [(&str, &str); 2] = [("amd64", "x86_64"), ("arm64", "arm64")];
const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];
/// 1 `upstream`, 2 each of `tags` and `tree`, 4 each of `collector`, `layer` and `checked`, 8 `published`, 2 `report`.
const NODES: u64 = 27;

fn zip(arch: &str, distribution: &str) -> String {
    format!("build/quickstart/collector-{arch}-{distribution}.zip")
}

/// The versions of a layer in the registry, and a file in the newest.
fn versions(space: &Space, region: &str, arch: &str, distribution: &str) -> Vec<String> {
    let layer = format!("build/quickstart/registry/{region}/quickstart-{arch}-{distribution}-0_145_0-local");
    let entries = fs::read_dir(space.root().join(&layer)).unwrap_or_else(|error| panic!("{layer}: {error}"));
    let folders = entries.map(|entry| entry.expect("an entry")).filter(|entry| entry.path().is_dir());
    let mut versions: Vec<String> =
        folders.map(|entry| format!("{layer}/{}", entry.file_name().to_string_lossy())).collect();
    versions.sort();
    versions
}

fn each_layer() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    DISTRIBUTIONS.into_iter().flat_map(|distribution| ARCHITECTURES.map(|(go, aws)| (distribution, go, aws)))
}

fn registry(space: &Space) -> BTreeMap<PathBuf, Vec<u8>> {
    files(&space.root().join("build/quickstart/registry"))
}

/// Holds every published version against the zip next to it and the pipeline's wishes.
fn assert_published(space: &Space) {
    for (distribution, arch, aws_arch) in each_layer() {
        let built = bytes(space, &zip(arch, distribution));
        let sha256 = Sha256::digest(&built);
        for region in REGIONS {
            let versions = versions(space, region, arch, distribution);
            assert_eq!(versions.len(), 1, "{versions:?}");
            assert!(versions[0].ends_with("/1"), "{versions:?}");
            assert_eq!(bytes(space, &format!("{}/layer.zip", versions[0])), built, "{region} {arch} {distribution}");
            let version = shipped::json(space, &format!("{}/version.json", versions[0]));
            assert_eq!(version["code-sha256"], BASE64_STANDARD.encode(sha256), "{version}");
            assert_eq!(version["code-size"], built.len(), "{version}");
            assert_eq!(version["architectures"], json!([aws_arch]), "{version}");
            let policy = shipped::json(space, &format!("{}/policy.json", versions[0]));
            assert_eq!(policy, json!([{"id": "ocelot-public", "grantee": "everyone"}]));
        }
        let stated = space.read(&format!("{}.sha256", zip(arch, distribution)));
        let hex: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(stated.starts_with(&hex), "{stated}");
    }
}

#[test]
fn from_sources_to_published_layers_and_every_change_after() {
    let space = shipped::project();
    assert_eq!(space.build(&["quickstart"]), counts(NODES, 0, 0));
    assert_published(&space);

    assert_eq!(space.build(&["quickstart"]), counts(0, 0, NODES), "nothing changed");
    let _ = space.run(&["plan", "--exit-code", "quickstart"]).status(0);

    let published = registry(&space);
    space.remove(".ocelot");
    let adopted = space.json(&["quickstart"]).status(0);
    assert_eq!(adopted.counts(), counts(8, 0, NODES - 8), "only the registry is asked again");
    assert!(adopted.ended("ran").iter().all(|node| node.starts_with("published[")), "{adopted:?}");
    assert_eq!(registry(&space), published, "lost state publishes nothing");

    let config = space.read("config/examples/minimal.yaml");
    space.write("config/examples/minimal.yaml", &format!("{config}\n# edited\n"));
    let one = space.json(&["quickstart", "layer[minimal,arm64]"]).status(0);
    assert_eq!(one.ended("ran"), names(&["layer[minimal,arm64]", "tags[minimal]"]), "one architecture, no compiler");
    let rest = space.json(&["quickstart"]).status(0);
    assert_eq!(
        rest.ended("ran"),
        names(&[
            "layer[minimal,amd64]",
            "checked[minimal,amd64]",
            "checked[minimal,arm64]",
            "published[minimal,amd64,us-east-1]",
            "published[minimal,amd64,eu-west-1]",
            "published[minimal,arm64,us-east-1]",
            "published[minimal,arm64,eu-west-1]",
            "report[minimal]",
        ]),
        "the other distribution stays as it is"
    );
    for region in REGIONS {
        for (arch, _) in ARCHITECTURES {
            assert_eq!(versions(&space, region, arch, "minimal").len(), 2, "{region} {arch}");
            assert_eq!(versions(&space, region, arch, "minimal-s3export").len(), 1, "{region} {arch}");
        }
    }

    space.write("config/examples/minimal.yaml", &config);
    let reverted = space.json(&["quickstart"]).status(0);
    assert_eq!(
        reverted.ended("restored"),
        names(&["layer[minimal,amd64]", "layer[minimal,arm64]"]),
        "served, not built"
    );
    assert_eq!(reverted.ended("ran"), ["report[minimal]"], "the receipts of the older versions still stand");
    assert_eq!(versions(&space, "us-east-1", "amd64", "minimal").len(), 2, "the older version is found, not published");
}

#[test]
fn an_edited_component_reaches_only_the_distribution_that_has_it() {
    let space = shipped::project();
    let targets = ["quickstart", "checked[*,amd64]"];
    let _ = space.json(&targets).status(0);
    let component = "config/components/collector/lambdacomponents/exporter/awss3.go";
    space.write(component, &format!("{}\n// edited\n", space.read(component)));
    let why = space.run(&["why", "-p", "quickstart", "tree[minimal-s3export]"]).status(0);
    assert!(why.stdout.contains(component), "{why:?}");
    let ran = space.json(&targets).status(0);
    // Which tags a file has is read by every distribution; a comment changes neither the tags nor the machine code. The
    // layer has the same bytes, and another provenance, which names the file.
    assert_eq!(
        ran.ended("ran"),
        names(&[
            "tags[minimal]",
            "tags[minimal-s3export]",
            "tree[minimal-s3export]",
            "collector[minimal-s3export,amd64]",
            "layer[minimal-s3export,amd64]",
            "checked[minimal-s3export,amd64]",
        ])
    );
}

/// The reports without when each version was published, which every store knows for itself.
fn reports(space: &Space) -> BTreeMap<String, Value> {
    let read = |distribution: &str| {
        let mut report = shipped::json(space, &format!("build/quickstart/report/{distribution}/report.json"));
        for publication in report["publications"].as_array_mut().expect("publications") {
            assert!(publication["created"].take().is_u64(), "it is recorded when it was published");
        }
        (distribution.to_owned(), report)
    };
    DISTRIBUTIONS.map(read).into()
}

/// The reports without what a clock measured.
fn timeless(space: &Space) -> BTreeMap<String, Value> {
    let mut reports = reports(space);
    for layer in reports.values_mut().flat_map(|report| report["layers"].as_array_mut().expect("layers")) {
        assert!(layer["buildMs"].take().is_u64(), "the time that the compiler took is recorded");
    }
    reports
}

#[test]
fn bytes_depend_on_nothing_but_the_inputs() {
    let here = shipped::project();
    let _ = here.run(&RUN).status(0);
    let elsewhere = shipped::project();
    let _ = run_elsewhere(&elsewhere, &RUN).status(0);
    for (distribution, arch, _) in each_layer() {
        let zip = zip(arch, distribution);
        assert!(bytes(&here, &zip) == bytes(&elsewhere, &zip), "{zip} differs");
        assert_eq!(here.read(&format!("{zip}.sha256")), elsewhere.read(&format!("{zip}.sha256")));
    }
    assert_eq!(timeless(&here), timeless(&elsewhere));

    let mut same_cache = shipped::project();
    same_cache.share_cache(&here);
    let ran = run_elsewhere(&same_cache, &RUN).status(0);
    let writes = |node: &String| node.starts_with("published[") || node.starts_with("report[");
    assert!(ran.ended("ran").iter().all(writes), "built twice: {ran:?}");
    assert_eq!(reports(&here), reports(&same_cache), "recorded times come with the results");
}

#[test]
fn a_tag_that_exists_nowhere_is_refused_with_the_nearest() {
    let space = shipped::project();
    let distributions = space.read("config/distributions.yaml");
    let (before, minimal) = distributions.split_once("\nminimal:").expect("a distribution `minimal`");
    let minimal = minimal.replacen("exporter.otlphttp", "exporter.otlphtp", 1);
    space.write("config/distributions.yaml", &format!("{before}\nminimal:{minimal}"));
    let ran = space.run(&["run", "quickstart", "tree[minimal]"]).status(2);
    assert!(ran.stderr.contains("unknown build tag `lambdacomponents.exporter.otlphtp`"), "{ran:?}");
    assert!(ran.stderr.contains("did you mean `lambdacomponents.exporter.otlphttp`?"), "{ran:?}");
}

#[test]
fn a_component_never_overwrites_a_file_of_the_sources() {
    let space = shipped::project();
    let file = "collector/lambdacomponents/exporter/otlphttp.go";
    space.write(&format!("config/components/{file}"), &space.read(&format!("{SAMPLE}/{file}")));
    let ran = space.run(&["run", "quickstart", "tree"]).status(1);
    let said = format!("`config/components/{file}` would overwrite `{file}` of the sources");
    assert!(ran.stderr.contains(&said), "{ran:?}");
}

#[test]
fn a_missing_compiler_is_named_before_anything_starts() {
    let mut space = shipped::project();
    let programs = space.root().join("programs");
    fs::create_dir(&programs).expect("a folder");
    let path = std::env::var_os("PATH").expect("a PATH");
    let git = std::env::split_paths(&path).map(|folder| folder.join("git")).find(|git| git.is_file()).expect("git");
    symlink(git, programs.join("git")).expect("a link");
    space.set("PATH", programs.to_str().expect("UTF-8"));
    let ran = space.run(&["run", "quickstart"]).status(3);
    assert!(ran.stderr.contains("`go` was not found on PATH; install Go (https://go.dev/dl/)"), "{ran:?}");
    assert!(ran.stderr.contains("pipelines/quickstart.yaml:"), "{ran:?}");
    assert!(!space.exists("build"), "something ran: {ran:?}");
    let validated = space.run(&["validate", "quickstart"]);
    assert_ne!(validated.status, 70, "{validated:?}");
}

#[test]
fn a_broken_component_fails_with_the_compilers_own_words_and_the_rest_goes_on() {
    let space = shipped::project();
    let component = "config/components/collector/lambdacomponents/exporter/awss3.go";
    space.write(component, &format!("{}\nfunc broken() {{ return 1 }}\n", space.read(component)));
    let ran = space.json(&["quickstart", "checked[*,amd64]"]).status(1);
    let expected = Counts { ran: 8, failed: 1, skipped: 2, ..Counts::default() };
    assert_eq!(ran.counts(), expected, "{ran:?}");
    assert_eq!(ran.ended("failed"), ["collector[minimal-s3export,amd64]"]);
    assert!(ran.stdout.contains("too many return values"), "{ran:?}");
    assert!(space.exists(&zip("amd64", "minimal")), "the other distribution is built");
}
