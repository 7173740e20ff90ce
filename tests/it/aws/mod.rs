//! Publishing to AWS Lambda, against moto behind a proxy that counts and spoils requests.

mod credentials;
mod everyday;
mod faults;

use std::sync::OnceLock;
use std::sync::atomic::Ordering::SeqCst;

use crate::shipped::{self, SAMPLE};
use crate::support::proxy::Proxy;
use crate::support::{Counts, Ran, Space, counts, moto};

/// The access key of the tests; moto has its owner as account 123456789012.
pub(crate) const KEY: &str = "AKIAOCELOT";
pub(crate) const ACCOUNT: &str = "123456789012";

/// A project whose AWS is the proxy. What it builds is in a cache that all these tests share, and that has the layers of
/// `minimal` already: they are about what happens afterwards.
pub(crate) fn project(proxy: &Proxy) -> Space {
    let (mut space, built) = unbuilt(proxy);
    space.share_cache(built);
    space
}

/// As [`project`], with a cache of its own: another machine.
pub(crate) fn elsewhere(proxy: &Proxy) -> Space {
    let (mut space, built) = unbuilt(proxy);
    space.copy_cache(built);
    space
}

fn unbuilt(proxy: &Proxy) -> (Space, &'static Space) {
    static BUILT: OnceLock<Space> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let space = shipped::project();
        let _ = space.run(&[&build("unused"), ["--skip-publish"].as_slice()].concat()).status(0);
        space
    });
    let mut space = shipped::project();
    for (name, value) in
        [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_ENDPOINT_URL", &proxy.url())]
    {
        space.set(name, value);
    }
    (space, built)
}

/// The arguments that build both architectures of `minimal` under this layer name.
pub(crate) fn build(name: &str) -> Vec<&str> {
    let start = ["build", "--output", "json", "-r", "./tests/fixtures/collector-src", "-b", "", "-d", "minimal"];
    debug_assert!(start[4].ends_with(SAMPLE));
    [&start, ["-a", "amd64", "-a", "arm64", "--layer-name", name].as_slice()].concat()
}

/// Publishes `name` into these regions.
pub(crate) fn publish(space: &Space, name: &str, regions: &[&str]) -> Ran {
    space.run(&arguments(name, regions))
}

pub(crate) fn arguments<'a>(name: &'a str, regions: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = build(name);
    arguments.push("--public");
    for region in regions {
        arguments.extend(["--region", region]);
    }
    arguments
}

/// The whole name of a layer.
pub(crate) fn layer(name: &str, arch: &str) -> String {
    format!("{name}-{arch}-minimal-0_145_0-local")
}

/// Asserts that each architecture has these versions in each region, and that the last is public by one statement.
pub(crate) fn assert_live(name: &str, regions: &[&str], numbers: &[u64]) {
    for region in regions {
        for arch in ["amd64", "arm64"] {
            let layer = layer(name, arch);
            let live = moto::versions(KEY, region, &layer);
            let found: Vec<u64> = live.iter().map(|(number, _)| *number).collect();
            assert_eq!(found, numbers, "{layer} in {region}");
            let last = *numbers.last().expect("a version");
            assert_eq!(moto::policy(KEY, region, &layer, last), (true, 1), "{layer} in {region}");
        }
    }
}

#[test]
fn two_architectures_and_two_regions_are_four_versions_and_stay_four() {
    let proxy = Proxy::start();
    let space = project(&proxy);
    let regions = ["us-east-1", "eu-west-1"];
    let first = publish(&space, "four", &regions).status(0);
    assert_eq!(first.ended("ran").iter().filter(|node| node.starts_with("published")).count(), 4, "{first:?}");
    assert_live("four", &regions, &[1]);
    let calls = proxy.calls();
    assert_eq!(calls["account"], 1, "{calls:?}");
    assert_eq!((calls["list"], calls["publish"], calls["permit"], calls["policy"]), (8, 4, 4, 4), "five for each");
    assert_eq!(calls.values().sum::<usize>(), 21, "{calls:?}");

    // Again: nothing is asked of anybody, with and without the short way.
    for fast in ["1", "0"] {
        proxy.rule(|_, _| None);
        let output =
            space.command(&arguments("four", &regions)).env("OCELOT_FAST_PATH", fast).output().expect("starts");
        let again = Ran::from(output).status(0);
        assert_eq!(again.counts(), counts(0, 0, 14), "{again:?}");
        assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
    }

    // State lost: every version is found again, with three calls each.
    space.remove(".ocelot");
    proxy.rule(|_, _| None);
    let adopted = publish(&space, "four", &regions).status(0);
    assert_eq!(adopted.counts().failed, 0);
    let calls = proxy.calls();
    assert_eq!((calls.get("publish"), calls["list"], calls["get"], calls["policy"]), (None, 4, 4, 4), "{calls:?}");
    assert_live("four", &regions, &[1]);

    // Another region asks only that region.
    proxy.rule(|_, _| None);
    let _ = publish(&space, "four", &["us-east-1", "eu-west-1", "eu-west-3"]).status(0);
    assert!(proxy.seen().iter().all(|seen| seen.region == "eu-west-3" || seen.call == "account"), "{:?}", proxy.seen());
    assert_live("four", &["eu-west-3"], &[1]);

    // Another config is another zip: a new version of each, and the old ones stay.
    let config = space.read("config/examples/minimal.yaml");
    space.write("config/examples/minimal.yaml", &format!("{config}\n# edited\n"));
    proxy.rule(|_, _| None);
    let _ = publish(&space, "four", &regions).status(0);
    assert_eq!(proxy.calls()["publish"], 4);
    assert_live("four", &regions, &[1, 2]);
}

#[test]
fn all_regions_take_five_calls_for_each_layer_and_three_to_adopt() {
    let proxy = Proxy::start();
    let space = project(&proxy);
    let text = space.read("config/regions.yaml");
    let (facts, _) = text.split_once("\npublish:").expect("a list of regions");
    let (_, list) = facts.split_once("\nregions:").expect("regions");
    let names = list.lines().filter_map(|line| line.trim().split_once(": {")).map(|(name, _)| name);
    let names: Vec<&str> =
        names.filter(|name| !["cn-", "us-gov-", "eusc-"].iter().any(|p| name.starts_with(p))).collect();
    space.write("config/regions.yaml", &format!("{facts}\npublish: [{}]\n", names.join(", ")));
    let first = publish(&space, "everywhere", &["all"]).status(0);
    let published = first.ended("ran").iter().filter(|node| node.starts_with("published")).count();
    let calls = proxy.calls();
    assert!(names.len() >= 34 && published == 2 * names.len(), "{published} of {names:?}");
    assert_eq!(calls["account"], 1, "{calls:?}");
    assert_eq!(calls["publish"], published, "{calls:?}");
    assert_eq!(calls.values().sum::<usize>(), 5 * published + 1, "{calls:?}");
    // Each region has its own share, and no more: none pays for another.
    let mut regions = std::collections::BTreeMap::new();
    for request in proxy.seen().iter().filter(|request| request.call != "account") {
        *regions.entry(request.region.clone()).or_insert(0) += 1;
    }
    assert!(regions.len() == names.len() && regions.values().all(|count| *count == 10), "{regions:?}");
    space.remove(".ocelot");
    proxy.rule(|_, _| None);
    let _ = publish(&space, "everywhere", &["all"]).status(0);
    let calls = proxy.calls();
    assert_eq!((calls.get("publish"), calls.values().sum::<usize>()), (None, 3 * published + 1), "{calls:?}");
}

#[test]
fn memory_is_that_of_the_uploads_in_flight_whatever_the_number_of_regions() {
    const MIB: u64 = 1 << 20;
    const IN_FLIGHT: u64 = 4;
    let proxy = Proxy::start();
    let space = project(&proxy);
    // Bytes that deflate cannot make fewer.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(12 << 20)
    .collect();
    std::fs::write(space.root().join(SAMPLE).join("collector/noise.bin"), noise).expect("a file");
    let code = "package main\n\nimport _ \"embed\"\n\n//go:embed noise.bin\nvar noise string\n\nfunc init() {\n\tif len(noise) == 1 {\n\t\tpanic(noise)\n\t}\n}\n";
    space.write(&format!("{SAMPLE}/collector/noise.go"), code);
    let pid = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let peak = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let (of, seen) = (pid.clone(), peak.clone());
    proxy.rule(move |_, _| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", of.load(SeqCst))).unwrap_or_default();
        let peak =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        seen.fetch_max(peak.unwrap_or(0) * 1024, SeqCst);
        None
    });
    let regions =
        ["us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1"];
    // Built beforehand, so that what is measured is publishing.
    let mut build = arguments("large", &[]);
    build.extend(["--skip-publish"]);
    let _ = space.run(&build).status(0);
    let child =
        space.command(&arguments("large", &regions)).stdout(std::process::Stdio::piped()).spawn().expect("starts");
    pid.store(child.id(), SeqCst);
    let ran = Ran::from(child.wait_with_output().expect("ends")).status(0);
    assert_eq!(ran.ended("ran").iter().filter(|node| node.starts_with("published")).count(), 16, "{ran:?}");
    let zip = shipped::bytes(&space, "build/collector-amd64-minimal.zip").len() as u64;
    let bound = zip + 4 * zip * IN_FLIGHT;
    let peak = peak.load(SeqCst);
    assert!(zip > 12 * MIB && peak > zip, "{zip} {peak}");
    assert!(peak <= bound, "{} MiB at most, the zip has {}, {} are allowed", peak / MIB, zip / MIB, bound / MIB);
    let line = format!("published {zip} bytes to 16 places with at most {peak} bytes of memory\n");
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).ok();
}

#[test]
fn status_tells_what_is_there_and_changes_nothing() {
    let proxy = Proxy::start();
    let space = project(&proxy);
    let _ = publish(&space, "looked", &["us-east-1"]).status(0);
    proxy.rule(|_, _| None);
    let status = |sets: &[&str]| {
        let mut arguments = vec!["status", "layers", "--output", "json", "--exit-code"];
        let always = ["distribution=minimal", "arch=amd64,arm64", "layer-name=looked", "upstream-ref="];
        let source = format!("upstream-repo=./{SAMPLE}");
        for set in always.into_iter().chain([source.as_str()]).chain(sets.iter().copied()) {
            arguments.extend(["--set", set]);
        }
        let ran = space.run(&arguments);
        let states: Vec<String> =
            ran.events().iter().map(|line| line["state"].as_str().unwrap_or("?").to_owned()).collect();
        (ran.status, states)
    };
    let all = |state: &str| vec![state.to_owned(); 2];
    assert_eq!(status(&["region=us-east-1", "public=true"]), (0, all("equal")));
    assert_eq!(status(&["region=us-east-1", "public=false"]), (0, all("wider")));
    assert_eq!(status(&["region=us-west-1", "public=true"]), (10, all("absent")));
    assert_eq!(status(&["region=us-east-1", "public=true", "runtimes=python3.13"]), (10, all("differs")));
    let calls = proxy.calls();
    assert_eq!(calls.keys().copied().collect::<Vec<_>>(), ["get", "list", "policy"], "{calls:?}");
    proxy.rule(|_, _| Some(crate::support::proxy::Fault::Answer(403, "AccessDeniedException")));
    assert_eq!(status(&["region=us-east-1", "public=true"]), (1, all("?")), "what is not known is never called absent");
    assert_live("looked", &["us-east-1"], &[1]);
}

#[test]
fn nothing_ships_if_one_architecture_fails_its_check() {
    let proxy = Proxy::start();
    let space = project(&proxy);
    // Go compiles a file with this ending for one architecture only: the one that is started here.
    let arch = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let file = format!("{SAMPLE}/collector/crash_{arch}.go");
    space.write(&file, "package main\n\nfunc init() { panic(\"planned\") }\n");
    let ran = publish(&space, "half", &["us-east-1", "eu-west-1"]).status(1);
    assert_eq!(ran.ended("failed"), [format!("checked[minimal,{arch}]")], "{ran:?}");
    assert_eq!(ran.ended("skipped").iter().filter(|node| node.starts_with("published")).count(), 4, "{ran:?}");
    assert_eq!(proxy.calls().keys().copied().collect::<Vec<_>>(), ["account"], "nothing is asked of Lambda");
}

#[test]
fn a_layer_that_is_made_private_by_hand_is_shared_again_without_a_second_version() {
    let proxy = Proxy::start();
    let space = project(&proxy);
    let regions = ["us-east-1"];
    let mut private = arguments("converge", &regions);
    private.retain(|argument| *argument != "--public");
    let _ = space.run(&private).status(0);
    assert_eq!(moto::policy(KEY, "us-east-1", &layer("converge", "amd64"), 1), (false, 0));
    proxy.rule(|_, _| None);
    let _ = publish(&space, "converge", &regions).status(0);
    assert_eq!(proxy.calls().get("publish"), None);
    assert_live("converge", &regions, &[1]);
    // Back to private: what is shared more widely than declared is told, and not taken back.
    let wider = space.run(&private).status(0);
    assert!(wider.stdout.contains("wider than declared"), "{wider:?}");
    assert_live("converge", &regions, &[1]);
}

#[test]
fn regions_that_are_not_enabled_are_passed_over_or_a_failure_as_they_were_asked_for() {
    let proxy = Proxy::start();
    let space = project(&proxy);
    let disabled = |request: &crate::support::proxy::Request, _: usize| {
        let closed = request.region == "ap-east-1" && request.call != "account";
        closed.then_some(crate::support::proxy::Fault::Answer(403, "UnrecognizedClientException"))
    };
    space.write("config/regions.yaml", &{
        let text = space.read("config/regions.yaml");
        let (facts, _) = text.split_once("\npublish:").expect("a list of regions");
        format!("{facts}\npublish: [us-east-1, ap-east-1]\n")
    });
    proxy.rule(disabled);
    let all = publish(&space, "disabled", &["all"]).status(0);
    assert!(all.stdout.contains("ap-east-1 is not enabled for this account"), "{all:?}");
    assert_live("disabled", &["us-east-1"], &[1]);
    // It is asked again each time, and published once it is enabled.
    proxy.rule(|_, _| None);
    let _ = publish(&space, "disabled", &["all"]).status(0);
    assert!(proxy.seen().iter().all(|seen| seen.region == "ap-east-1" || seen.call == "account"), "{:?}", proxy.seen());
    assert_live("disabled", &["us-east-1", "ap-east-1"], &[1]);
    // Named, it is a failure.
    proxy.rule(disabled);
    let named = publish(&space, "disabled2", &["us-east-1", "ap-east-1"]).status(4);
    let Counts { failed, .. } = named.counts();
    assert_eq!(failed, 2, "{named:?}");
}
