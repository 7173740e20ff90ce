//! Releases on GitHub, over a folder as layer store and a stand-in for GitHub.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::shipped;
use crate::support::github::{Fault, Github, REPOSITORY, Release, Seen, TOKEN};
use crate::support::{Ran, Space, counts};

const PIPELINE: &str = r#"
name: shop
params:
  distribution: {default: [minimal], choices: distributions}
  arch: {default: [amd64], choices: [amd64, arm64]}
  region: {default: [us-east-1], choices: regions}
  group: {default: beta}
nodes:
  upstream: {clone: {repo: ./tests/fixtures/collector-src, paths: [collector]}}
  tags: {for: [distribution], resolve: {source: upstream, distribution: "${distribution}"}}
  collector: {for: [distribution, arch], build: {tree: tree, arch: "${arch}"}}
  tree: {for: [distribution], overlay: {source: upstream, resolution: tags}}
  layer: {for: [distribution, arch], package: {binary: collector, config: tags}}
  checked: {for: [distribution, arch], check: {layer: layer}}
  published:
    for: [distribution, arch, region]
    publish: {layer: checked, region: "${region}", name: shop, group: "${group}", public: true, registry: directory:registry}
  report:
    for: [distribution]
    report: {of: [checked, published], formats: [index, notes, cdk], output: "build/${distribution}/"}
  release: {for: [distribution], release: {of: published, assets: checked, notes: report}}
"#;
const TAG: &str = "minimal-v0.145.0-beta";
const ZIP: &str = "collector-amd64-minimal.zip";
const CONFIG: &str = "config/examples/minimal.yaml";

/// A project with a release, and the GitHub that it is to be on.
struct Shop {
    space: Space,
    github: Github,
}

impl Shop {
    fn new() -> Self {
        Self::with(PIPELINE)
    }

    fn with(pipeline: &str) -> Self {
        let mut shop = Self { space: shipped::project(), github: Github::start() };
        shop.space.write("pipelines/shop.yaml", pipeline);
        for (name, value) in
            [("GITHUB_REPOSITORY", REPOSITORY), ("GITHUB_TOKEN", TOKEN), ("GITHUB_SHA", "0123456789abcdef")]
        {
            shop.space.set(name, value);
        }
        shop.at(Github::start());
        shop
    }

    /// From now on this one is GitHub.
    fn at(&mut self, github: Github) {
        self.space.set("GITHUB_API_URL", &github.url());
        self.github = github;
    }

    fn run(&self, more: &[&str]) -> Ran {
        self.space.json(&[&["shop"], more].concat())
    }

    fn regions(&self, regions: &str) -> Ran {
        self.run(&["--set", &format!("region={regions}")])
    }

    /// Another configuration, which makes another zip.
    fn change_zip(&self, mark: &str) {
        let text = self.space.read(CONFIG);
        self.space.write(CONFIG, &format!("{text}\n# {mark}\n"));
    }

    /// What was done outside is not remembered; what was built is.
    fn forget(&self) {
        self.space.remove(".ocelot/receipts");
    }
}

fn index(release: &Release) -> Value {
    serde_json::from_str(&release.text("index.json")).expect("JSON")
}

/// The numbers of files by their names.
fn ids(release: &Release) -> BTreeMap<String, u64> {
    release.assets.iter().map(|asset| (asset.name.clone(), asset.id)).collect()
}

/// That the release offers the zip of the project in these regions, and nothing is half-done.
fn assert_whole(release: &Release, regions: &[&str]) {
    assert!(!release.draft && release.prerelease, "{release:?}");
    assert!(
        release.assets.iter().all(|asset| asset.whole && !asset.name.ends_with(".waiting")),
        "{:?}",
        release.names()
    );
    let index = index(release);
    let [layer] = &index["layers"].as_array().expect("layers")[..] else { panic!("{index}") };
    let found: Vec<&String> = layer["regions"].as_object().expect("regions").keys().collect();
    assert_eq!(found, regions);
    let sum = release.text(&format!("{ZIP}.sha256"));
    assert_eq!(sum, format!("{}  {ZIP}\n", layer["sha256"].as_str().expect("a sum")));
    let zip = &release.asset(ZIP).bytes;
    assert_eq!(layer["size"], zip.len());
    for region in regions {
        assert!(release.body.contains(&format!("layer:{region}:")) && release.text("layers.tf").contains(region));
    }
}

#[test]
fn row_69_a_release_is_made_once_and_then_nothing_is_asked() {
    let shop = Shop::new();
    let first = shop.run(&[]).status(0);
    assert!(first.ended("ran").contains(&"release[minimal]".to_owned()), "{first:?}");
    let release = shop.github.only();
    assert_whole(&release, &["us-east-1"]);
    assert_eq!((release.tag.as_str(), release.title.as_str()), (TAG, "minimal | 0.145.0 | beta"));
    assert_eq!((release.target.as_str(), release.make_latest.as_str()), ("0123456789abcdef", "false"));
    let sbom = ["collector-amd64-minimal.cdx.json", "collector-amd64-minimal.spdx.json"];
    let maps = ["index.json", "layers.csv", "layers.tf", "layers.ts", "notes.md", "ocelot.lock"];
    assert_eq!(
        release.names(),
        [&[sbom[0], sbom[1], ZIP, &format!("{ZIP}.sha256")], &maps[..]]
            .concat()
            .into_iter()
            .filter(|name| *name != "ocelot.lock" || shop.space.exists("ocelot.lock"))
            .collect::<Vec<_>>()
    );
    assert_eq!(release.text("index.json").matches("verifiedAt").count(), 1);

    shop.github.rule(|_, _| None);
    assert_eq!(shop.run(&[]).status(0).counts(), counts(0, 0, 9));
    assert!(shop.github.state().seen.is_empty(), "no socket");
    shop.forget();
    let again = shop.run(&[]).status(0);
    assert_eq!(again.ended("ran"), ["published[minimal,amd64,us-east-1]", "release[minimal]"]);
    assert_eq!(shop.github.changes(), Vec::<String>::new(), "lost state changes nothing");
    assert_eq!(shop.github.only(), release);
    // Another repository is another release.
    let verdict = |space: &Space| space.plan(&["shop"])["release[minimal]"].0.clone();
    assert_eq!(verdict(&shop.space), "fresh");
    let mut elsewhere = shop;
    elsewhere.space.set("GITHUB_REPOSITORY", "owner/other");
    assert_eq!(verdict(&elsewhere.space), "ask");
    assert_eq!(elsewhere.run(&[]).status, 4, "which this server does not have");
}

#[test]
fn row_69_a_further_region_changes_its_own_entries_and_no_other_byte() {
    let shop = Shop::new();
    let _ = shop.run(&[]).status(0);
    let before = shop.github.only();
    let _ = shop.regions("us-east-1,eu-west-1").status(0);
    let after = shop.github.only();
    assert_whole(&after, &["eu-west-1", "us-east-1"]);
    let (old, new) = (before.text("index.json"), after.text("index.json"));
    let begin = new.find("        \"eu-west-1\"").expect("the new region");
    let end = new.find("        \"us-east-1\"").expect("the old region");
    assert_eq!(format!("{}{}", &new[..begin], &new[end..]), old);
    for unchanged in [ZIP, &format!("{ZIP}.sha256"), "collector-amd64-minimal.spdx.json"] {
        assert_eq!(ids(&before)[unchanged], ids(&after)[unchanged], "{unchanged}");
    }
    // The first region alone takes nothing away.
    let _ = shop.run(&[]).status(0);
    assert_eq!(shop.github.only(), after);
}

#[test]
fn row_69_a_changed_zip_is_exchanged_and_its_name_never_stays_empty() {
    let shop = Shop::new();
    let _ = shop.run(&[]).status(0);
    let before = shop.github.only();
    shop.change_zip("edited");
    let _ = shop.run(&[]).status(0);
    let after = shop.github.only();
    assert_whole(&after, &["us-east-1"]);
    assert_eq!(before.id, after.id);
    assert_ne!((ids(&before)[ZIP], &before.asset(ZIP).bytes), (ids(&after)[ZIP], &after.asset(ZIP).bytes));
}

#[test]
fn row_69_a_failed_region_is_shown_and_heals() {
    let shop = Shop::new();
    let _ = shop.run(&[]).status(0);
    shop.space.write("registry/eu-west-1", "in the way");
    let partial = shop.regions("us-east-1,eu-west-1").status(4);
    assert_eq!(partial.ended("failed"), ["published[minimal,amd64,eu-west-1]"]);
    let release = shop.github.only();
    assert_whole(&release, &["us-east-1"]);
    assert_eq!(index(&release)["missing"][0]["region"], "eu-west-1");
    assert!(release.body.contains("## Not published"), "{}", release.body);
    // Nothing of what was asked for is there: the release stays as it is.
    let none = shop.regions("eu-west-1").status(3);
    assert_eq!(none.counts().failed, 1, "{none:?}");
    assert_eq!(shop.github.only(), release);
    shop.space.remove("registry/eu-west-1");
    let _ = shop.regions("us-east-1,eu-west-1").status(0);
    let healed = shop.github.only();
    assert_whole(&healed, &["eu-west-1", "us-east-1"]);
    assert_eq!(index(&healed)["missing"], json!([]));
}

#[test]
fn row_69_an_immutable_release_gets_another_text_and_for_another_zip_a_successor() {
    let shop = Shop::new();
    shop.github.state().immutable = true;
    let _ = shop.run(&[]).status(0);
    let first = shop.github.only();
    assert!(first.immutable);
    let _ = shop.regions("us-east-1,eu-west-1").status(0);
    let told = shop.github.only();
    assert!(told.body.contains("layer:eu-west-1:") && told.assets == first.assets, "{}", told.body);
    // What the text says is what the next run begins with.
    shop.forget();
    shop.github.rule(|_, _| None);
    let _ = shop.regions("us-east-1").status(0);
    assert_eq!((shop.github.only(), shop.github.changes()), (told.clone(), vec![]));

    shop.change_zip("edited");
    let _ = shop.regions("us-east-1").status(0);
    let state = shop.github.state();
    let [old, new] = &state.releases[..] else { panic!("{:?}", state.releases) };
    assert_eq!((old, new.tag.as_str()), (&told, "minimal-v0.145.0-beta-2"));
    assert!(new.immutable && !new.draft && state.violations.is_empty(), "{:?}", state.violations);
    let both = index(new);
    assert_eq!(both["layers"].as_array().expect("layers").len(), 2, "the other region keeps its version: {both}");
    drop(state);

    // The successor has the files of all architectures, also of those that a run is not about.
    let both = ["--set", "arch=amd64,arm64"];
    let _ = shop.run(&both).status(0);
    shop.change_zip("once more");
    let _ = shop.run(&[]).status(0);
    let state = shop.github.state();
    let tags: Vec<&str> = state.releases.iter().map(|release| release.tag.as_str()).collect();
    assert_eq!(tags, [TAG, "minimal-v0.145.0-beta-2", "minimal-v0.145.0-beta-3", "minimal-v0.145.0-beta-4"]);
    let arm = "collector-arm64-minimal.zip";
    assert_eq!(state.releases[2].asset(arm).bytes, state.releases[3].asset(arm).bytes);
    assert_ne!(state.releases[2].asset(ZIP).bytes, state.releases[3].asset(ZIP).bytes);
    assert!(state.violations.is_empty(), "{:?}", state.violations);
}

#[test]
fn row_69_a_tag_that_was_immutable_once_is_passed_over() {
    let shop = Shop::new();
    shop.github.state().spent = vec![TAG.to_owned()];
    let _ = shop.run(&[]).status(0);
    assert_eq!(shop.github.only().tag, "minimal-v0.145.0-beta-2");
    let _ = shop.regions("us-east-1,eu-west-1").status(0);
    assert_whole(&shop.github.only(), &["eu-west-1", "us-east-1"]);
}

fn set(shop: &mut Shop, releases: &[Release], rule: impl Fn(&Seen, usize) -> Option<Fault> + Send + Sync + 'static) {
    shop.at(Github::start());
    let numbers = releases.iter().flat_map(|release| release.assets.iter().map(|asset| asset.id).chain([release.id]));
    shop.github.state().begin_with(releases.to_vec(), numbers.max().unwrap_or(0));
    shop.github.rule(rule);
}

/// Runs towards `regions` from what GitHub has, with each fault at each call; then runs again. Gives each release that
/// comes of it, which is the only one.
fn with_every_fault(shop: &mut Shop, begin: &[Release], regions: &[&str], check: impl Fn(&Release)) {
    let setting = format!("region={}", regions.join(","));
    let again = |shop: &Shop| shop.run(&["--set", &setting]).status(0);
    set(shop, begin, |_, _| None);
    let _ = again(shop);
    let calls = shop.github.state().seen.clone();
    let mut faults = Vec::new();
    for (call, seen) in calls.iter().enumerate() {
        faults.push((call, Fault::CutBefore));
        // Nothing is done by a question, and a run that is killed before a call is one that is killed after the last.
        if seen.method != "GET" {
            faults.extend([(call, Fault::CutAfter), (call, Fault::KillAfter)]);
        }
    }
    assert!(faults.len() > 25, "{calls:?}");
    for (call, fault) in faults {
        let planned = fault.clone();
        set(shop, begin, move |_, before| (before == call).then(|| planned.clone()));
        let mut command = shop.space.command(&["run", "shop", "--set", &setting]);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        shop.github.victim(child.id());
        let ended = child.wait().expect("it ends");
        assert_eq!(ended.success(), fault != Fault::KillAfter, "{call} {fault:?}: one lost answer is overcome");
        shop.github.state().bare_is_known();
        let _ = again(shop);
        let release = shop.github.only();
        assert_whole(&release, regions);
        assert_eq!(release.tag, TAG, "{call} {fault:?}");
        check(&release);
    }
}

#[test]
fn row_69_killed_or_unanswered_at_any_call_the_first_release_is_one_and_whole() {
    let mut shop = Shop::with(&PIPELINE.replace(", notes, cdk", ""));
    let _ = shop.run(&[]).status(0);
    with_every_fault(&mut shop, &[], &["us-east-1"], |_| {});
}

#[test]
fn row_69_killed_or_unanswered_at_any_call_an_exchange_is_ended() {
    let mut shop = Shop::with(&PIPELINE.replace(", notes, cdk", ""));
    let _ = shop.run(&[]).status(0);
    let before = shop.github.only();
    shop.change_zip("edited");
    let _ = shop.run(&[]).status(0);
    let bytes = shop.github.only().asset(ZIP).bytes.clone();
    with_every_fault(&mut shop, std::slice::from_ref(&before), &["us-east-1"], |after| {
        assert_eq!((after.id, &after.asset(ZIP).bytes), (before.id, &bytes));
    });
}

#[test]
fn row_69_killed_or_unanswered_at_any_call_links_to_unchanged_files_never_break() {
    let mut shop = Shop::with(&PIPELINE.replace(", notes, cdk", ""));
    let _ = shop.run(&[]).status(0);
    let before = shop.github.only();
    with_every_fault(&mut shop, std::slice::from_ref(&before), &["eu-west-1", "us-east-1"], |after| {
        for unchanged in [ZIP, &format!("{ZIP}.sha256"), "collector-amd64-minimal.cdx.json"] {
            assert_eq!(ids(&before)[unchanged], ids(after)[unchanged], "{unchanged}");
        }
    });
}

#[test]
fn row_69_an_upload_that_breaks_off_is_begun_anew() {
    let mut shop = Shop::new();
    let _ = shop.run(&[]).status(0);
    let broken = AtomicBool::new(false);
    set(&mut shop, &[], move |seen, _| {
        let is_first = seen.call == "upload" && seen.about == ZIP && !broken.swap(true, Ordering::SeqCst);
        is_first.then_some(Fault::Broken)
    });
    let _ = shop.run(&[]).status(0);
    assert_whole(&shop.github.only(), &["us-east-1"]);
    assert!(shop.github.changes().iter().any(|change| change.starts_with("remove ")), "the rest of it went first");
}

#[test]
fn row_69_two_runs_that_meet_leave_one_release() {
    let mut shop = Shop::new();
    let _ = shop.run(&[]).status(0);
    set(&mut shop, &[], |_, _| None);
    let mut other = shipped::project();
    other.write("pipelines/shop.yaml", PIPELINE);
    for (name, value) in [("GITHUB_REPOSITORY", REPOSITORY), ("GITHUB_TOKEN", TOKEN)] {
        other.set(name, value);
    }
    other.set("GITHUB_API_URL", &shop.github.url());
    let (mine, theirs) = (["run", "shop"], ["run", "shop", "--set", "region=us-east-1,eu-west-1"]);
    let (mut mine, mut theirs) = (shop.space.command(&mine), other.command(&theirs));
    let start = |command: &mut std::process::Command| {
        let quiet = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        quiet.spawn().expect("the program starts")
    };
    let mut children = [start(&mut mine), start(&mut theirs)];
    for child in &mut children {
        // One that lost the race for good says so; what counts is what is there after the next run.
        let _ = child.wait().expect("it ends");
    }
    shop.forget();
    let _ = shop.regions("us-east-1,eu-west-1").status(0);
    assert_eq!(shop.github.state().releases.len(), 1);
    assert_whole(&shop.github.state().releases[0], &["eu-west-1", "us-east-1"]);
}

/// The release of another run: of the same layer in another region.
fn theirs(shop: &Shop) -> Release {
    let _ = shop.regions("eu-west-1").status(0);
    shop.github.only()
}

#[test]
fn row_69_a_draft_that_another_run_made_first_is_the_one() {
    let mut shop = Shop::new();
    let other = Release { draft: true, assets: Vec::new(), ..theirs(&shop) };
    let body = format!("<!-- ocelot-release: {TAG} -->\n");
    set(&mut shop, &[], |_, _| None);
    let mut drafts = vec![Release { body, ..other }];
    shop.github.meanwhile(move |seen, state| {
        if seen.call == "create" {
            let id = state.number();
            state.releases.extend(drafts.pop().map(|draft| Release { id, ..draft }));
        }
    });
    let _ = shop.run(&[]).status(0);
    assert_whole(&shop.github.only(), &["us-east-1"]);
    let changes = shop.github.changes();
    assert!(changes.iter().any(|change| change.starts_with("delete ")), "{changes:?}");
}

#[test]
fn row_69_a_release_that_another_run_published_first_is_the_one() {
    let mut shop = Shop::new();
    let mut other = vec![theirs(&shop)];
    set(&mut shop, &[], |_, _| None);
    shop.github.meanwhile(move |seen, state| {
        if seen.call == "edit"
            && let Some(mut release) = other.pop()
        {
            release.id = state.number();
            for place in 0..release.assets.len() {
                release.assets[place].id = state.number();
            }
            state.releases.push(release);
        }
    });
    let _ = shop.run(&[]).status(0);
    assert_whole(&shop.github.only(), &["eu-west-1", "us-east-1"]);
}

#[test]
fn row_69_an_index_that_another_run_overwrote_is_put_right() {
    let mut shop = Shop::new();
    let other = theirs(&shop);
    set(&mut shop, std::slice::from_ref(&other), |_, _| None);
    let mut left = vec![other.asset("index.json").bytes.clone()];
    shop.github.meanwhile(move |seen, state| {
        // The other run looked before this one began, and writes when this one has written.
        if seen.call == "edit"
            && let Some(bytes) = left.pop()
        {
            let assets = &mut state.releases[0].assets;
            assets.iter_mut().find(|asset| asset.name == "index.json").expect("an index").bytes = bytes;
        }
    });
    let _ = shop.run(&[]).status(0);
    assert_whole(&shop.github.only(), &["eu-west-1", "us-east-1"]);
}

#[test]
fn row_69_limits_are_obeyed() {
    let shop = Shop::new();
    let wait = |status, header: &str| {
        let text = r#"{"message":"You have exceeded a secondary rate limit"}"#;
        Fault::Answer(status, header.to_owned(), text.to_owned())
    };
    let soon = wait(429, "retry-after: 0\r\n");
    let reset = wait(403, "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1\r\n");
    shop.github.rule(move |seen, before| match (seen.call, before) {
        ("list", 0) => Some(reset.clone()),
        ("create", 2) | ("upload", 5) => Some(soon.clone()),
        _ => None,
    });
    let _ = shop.run(&[]).status(0);
    assert_whole(&shop.github.only(), &["us-east-1"]);

    let shop = Shop::new();
    let long = wait(403, "retry-after: 3600\r\n");
    shop.github.rule(move |_, _| Some(long.clone()));
    let ran = shop.run(&[]);
    assert!(ran.status == 4 && ran.stdout.contains("3600 s"), "{ran:?}");
    assert_eq!(shop.github.state().seen.len(), 1, "nobody knocks at a closed door");
}

#[test]
fn row_69_a_token_that_is_not_accepted_is_said_and_never_shown() {
    let mut shop = Shop::new();
    let secret = "ghs_another-SECRET-value";
    shop.space.set("GITHUB_TOKEN", secret);
    let ran = shop.run(&[]);
    assert_eq!(ran.status, 4, "{ran:?}");
    assert!(ran.stdout.contains("GITHUB_TOKEN is not valid"), "{ran:?}");
    let log = shop.space.run(&["log", "-p", "shop", "release[minimal]"]);
    for text in [&ran.stdout, &ran.stderr, &log.stdout] {
        assert!(!text.contains(secret), "{text}");
    }
    for name in ["GITHUB_TOKEN", "GITHUB_REPOSITORY"] {
        let mut shop = Shop::new();
        shop.space.unset(name);
        let stopped = shop.run(&[]).status(3);
        assert!(stopped.stderr.contains(name), "{stopped:?}");
        assert!(!shop.space.exists("registry"), "nothing was built or published");
    }
}

#[test]
fn row_69_an_index_that_cannot_be_read_is_never_an_empty_one() {
    let shop = Shop::new();
    let _ = shop.run(&[]).status(0);
    let good = shop.github.only();
    type Damage = fn(&mut Release);
    let damages: [(&str, Damage); 2] = [
        ("the release index has form 9", |release| {
            let index = release.assets.iter_mut().find(|asset| asset.name == "index.json").expect("an index");
            index.bytes = b"{\"format\": 9}".to_vec();
        }),
        ("has no index.json", |release| {
            release.assets.retain(|asset| asset.name != "index.json");
            release.body = "by hand".to_owned();
        }),
    ];
    for (said, damage) in damages {
        damage(&mut shop.github.state().releases[0]);
        let damaged = shop.github.only();
        shop.github.rule(|_, _| None);
        let ran = shop.regions("us-east-1,eu-west-1");
        assert!(ran.status == 4 && ran.stdout.contains(said), "{ran:?}");
        assert_eq!((shop.github.only(), shop.github.changes()), (damaged, vec![]));
        shop.github.state().releases[0] = good.clone();
    }
    // A file that was lost is known from the text.
    shop.github.state().releases[0].assets.retain(|asset| asset.name != "index.json");
    let _ = shop.regions("us-east-1,eu-west-1").status(0);
    assert_whole(&shop.github.only(), &["eu-west-1", "us-east-1"]);
}

#[test]
fn row_69_a_text_that_is_too_long_becomes_a_file() {
    let shop = Shop::new();
    let _ = shop.run(&[]).status(0);
    // As many regions as no text has room for.
    {
        let mut state = shop.github.state();
        let release = &mut state.releases[0];
        let mut full = index(release);
        let regions = full["layers"][0]["regions"].as_object_mut().expect("regions");
        for number in 0..900 {
            let arn = format!("layer:eu-west-{number}:shop-amd64-minimal-0_145_0-beta:1");
            regions.insert(format!("eu-west-{number}"), json!({"arn": arn, "version": 1, "public": true}));
        }
        let text = serde_json::to_vec_pretty(&full).expect("JSON");
        release.assets.iter_mut().find(|asset| asset.name == "index.json").expect("an index").bytes = text;
    }
    let _ = shop.regions("us-east-1,eu-central-1").status(0);
    let release = shop.github.only();
    assert!(release.body.contains("`notes.md`") && release.body.chars().count() <= 125_000);
    assert!(release.text("notes.md").contains("layer:eu-west-899:"));
    assert!(release.text("layers.tf").contains("eu-central-1"));
}

#[test]
fn row_69_a_server_that_says_no_digests_is_asked_for_the_bytes() {
    let shop = Shop::new();
    shop.github.state().silent = true;
    let _ = shop.run(&[]).status(0);
    let before = shop.github.only();
    let _ = shop.regions("us-east-1,eu-west-1").status(0);
    assert_eq!(ids(&before)[ZIP], ids(&shop.github.only())[ZIP]);
    assert_whole(&shop.github.only(), &["eu-west-1", "us-east-1"]);
}

#[test]
fn a_production_release_is_the_latest_and_stays_what_it_is() {
    let shop = Shop::new();
    let _ = shop.run(&["--set", "group=prod"]).status(0);
    let release = shop.github.only();
    assert_eq!((release.prerelease, release.make_latest.as_str()), (false, "true"));
    let _ = shop.run(&["--set", "group=prod", "--set", "region=us-east-1,eu-west-1"]).status(0);
    assert_eq!(shop.github.only().make_latest, "legacy", "an edit makes no older release the latest");
}
