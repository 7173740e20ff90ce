//! The everyday commands and the metadata table, over AWS as the stand-ins play it.

use serde_json::Value;

use crate::aws::{ACCOUNT, KEY, arguments, assert_live, build, layer, project, publish};
use crate::shipped::SAMPLE;
use crate::support::proxy::{Fault, Proxy};
use crate::support::{Ran, Space, moto};

fn arn(region: &str, name: &str, arch: &str, number: u64) -> String {
    format!("arn:aws:lambda:{region}:{ACCOUNT}:layer:{}:{number}", layer(name, arch))
}

fn said(ran: &Ran, texts: &[&str]) {
    for text in texts {
        assert!(ran.stdout.contains(text) || ran.stderr.contains(text), "no {text:?} in {ran:?}");
    }
}

/// `command` about the pipeline as [`publish`] runs it.
fn about(space: &Space, command: &[&str], name: &str, sets: &[&str]) -> Ran {
    let (source, name) = (format!("upstream-repo=./{SAMPLE}"), format!("layer-name={name}"));
    let mut arguments = vec![command[0], "layers"];
    arguments.extend(&command[1..]);
    let own = |set: &str| sets.iter().any(|own| own.split('=').next() == set.split('=').next());
    let always = ["distribution=minimal", "arch=amd64,arm64", "upstream-ref=", "public=true", "region=us-east-1"];
    let always = always.into_iter().filter(|set| !own(set));
    for set in always.chain([source.as_str(), name.as_str()]).chain(sets.iter().copied()) {
        arguments.extend(["--set", set]);
    }
    space.run(&arguments)
}

#[test]
fn a_released_layer_is_explained_verified_and_copied() {
    let proxy = Proxy::start();
    let space = project(&proxy);
    let _ = publish(&space, "copied", &["us-east-1"]).status(0);
    let from = arn("us-east-1", "copied", "amd64", 1);

    let ran = space.run(&["explain-layer", &from]).status(0);
    said(&ran, &["distribution  minimal", "shared with  everybody", "receiver.otlp", "published  20"]);
    let index = "build/report/minimal/index.json";
    said(&space.run(&["verify", index]).status(0), &["verify: 2 looked at, 0 not as they should be"]);

    proxy.rule(|_, _| None);
    let ran = space.run(&["copy", &from, "--to", "eu-west-2", "--to", "eu-north-1"]).status(0);
    said(&ran, &["copied  arn:aws:lambda:eu-west-2:", "copy: 2 there now, 0 failed"]);
    let calls = proxy.calls();
    assert_eq!((calls["publish"], calls["zip"]), (2, 1), "fetched once, whatever the number of regions: {calls:?}");
    let of = |region: &str| moto::versions(KEY, region, &layer("copied", "amd64"));
    assert_eq!(of("eu-west-2"), of("us-east-1"), "the same bytes");
    assert_eq!(moto::policy(KEY, "eu-west-2", &layer("copied", "amd64"), 1), (true, 1));
    let ran = space.run(&["verify", &from, "--region", "eu-west-2", "--region", "eu-south-1"]).status(0);
    said(&ran, &["same  arn:aws:lambda:eu-west-2", "absent  eu-south-1"]);
    // A whole release, by its index: what is there is found again.
    said(&space.run(&["copy", index, "--to", "eu-west-2"]).status(0), &["was there  ", "copied  ", "2 there now"]);
    assert_live("copied", &["us-east-1", "eu-west-2"], &[1]);

    // One region that fails stops no other, and says so.
    proxy.rule(|request, _| (request.region == "eu-west-3").then_some(Fault::Answer(403, "AccessDeniedException")));
    let ran = space.run(&["copy", &from, "--to", "eu-west-3", "--to", "eu-central-1"]).status(4);
    said(&ran, &["failed  eu-west-3: list the versions", "copied  arn:aws:lambda:eu-central-1"]);
    // Bytes that do not arrive whole are published nowhere.
    proxy.rule(|request, _| (request.call == "zip").then_some(Fault::Answer(403, "AccessDenied")));
    let ran = space.run(&["copy", &from, "--to", "eu-central-2"]).status(2);
    said(&ran, &["the answer is 403"]);
    assert!(of("eu-central-2").is_empty());
    // An index that names what is no longer there.
    let path = format!("/2018-10-31/layers/{}/versions/1", layer("copied", "arm64"));
    moto::delete(KEY, "us-east-1", &path);
    proxy.rule(|_, _| None);
    said(&space.run(&["verify", index]).status(1), &["gone  arn:aws:lambda:us-east-1", "1 not as they should be"]);
}

#[test]
fn prune_deletes_old_versions_and_their_rows_and_tells_the_storage() {
    let proxy = Proxy::start();
    let space = project(&proxy);
    let table = "prune-layers@us-east-1";
    said(&space.run(&["registry", "init", table]).status(0), &["was created"]);
    let set = format!("metadata-table={table}");
    let run = || {
        let mut arguments = arguments("pruned", &["us-east-1"]);
        arguments.extend(["--set", &set]);
        let _ = space.run(&arguments).status(0);
    };
    run();
    let config = space.read("config/examples/minimal.yaml");
    space.write("config/examples/minimal.yaml", &format!("{config}\n# edited\n"));
    run();
    assert_live("pruned", &["us-east-1"], &[1, 2]);
    let row = |number| moto::row(KEY, "us-east-1", "prune-layers", &arn("us-east-1", "pruned", "amd64", number));
    assert!(row(1).is_some() && row(2).is_some());
    let ran = about(&space, &["prune", "--keep", "1", "--yes"], "pruned", &[&set]).status(0);
    said(&ran, &["delete  us-east-1 pruned-amd64-minimal-0_145_0-local:1", "the account uses 1.0 of 75.0 GiB there"]);
    said(&ran, &["prune: 2 deleted, 0 failed"]);
    assert_live("pruned", &["us-east-1"], &[2]);
    assert!(row(1).is_none() && row(2).is_some());
    said(&about(&space, &["prune", "--keep", "1", "--yes"], "pruned", &[&set]).status(0), &["nothing to delete"]);
}

#[test]
fn each_version_has_a_row_in_the_metadata_table() {
    let proxy = Proxy::start();
    let space = project(&proxy);
    let table = "row-layers@eu-central-1";
    let set = format!("metadata-table={table}");
    let run = |name: &'static str| {
        let mut arguments = arguments(name, &["us-east-1"]);
        arguments.extend(["--set", &set]);
        space.run(&arguments)
    };
    // A table that is not there is told before anything is built or published.
    said(&run("rows").status(3), &["there is no table row-layers in eu-central-1", "ocelot registry init"]);
    assert!(!space.exists("build") && moto::versions(KEY, "us-east-1", &layer("rows", "amd64")).is_empty());
    said(&space.run(&["registry", "init", "rows"]).status(2), &["write NAME@REGION"]);
    said(&space.run(&["registry", "init", table]).status(0), &["was created"]);
    said(&space.run(&["registry", "init", table]).status(0), &["is there already"]);

    // A row that cannot be written is a failure of that layer, and the next run writes it.
    proxy.rule(|request, before| {
        (request.call == "table" && before > 0).then_some(Fault::Answer(400, "AccessDeniedException"))
    });
    said(&run("rows").status(1), &["write the row of arn:aws:lambda:us-east-1"]);
    let row = |arch: &str| moto::row(KEY, "eu-central-1", "row-layers", &arn("us-east-1", "rows", arch, 1));
    assert!(row("amd64").is_none());
    proxy.rule(|_, _| None);
    let _ = run("rows").status(0);
    assert_live("rows", &["us-east-1"], &[1]);
    let held = row("amd64").expect("a row");
    let text = |name: &str| held[name]["S"].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (text("distribution"), text("architecture"), text("region")),
        ("minimal".into(), "amd64".into(), "us-east-1".into())
    );
    assert_eq!(text("base_layer_arn"), arn("us-east-1", "rows", "amd64", 1).strip_suffix(":1").expect("a number"));
    assert_eq!((text("layer_version_str"), text("collector_version_input")), ("0_145_0".into(), "v0.145.0".into()));
    assert_eq!((held["version"]["N"].as_str(), held["public"]["BOOL"].as_bool()), (Some("1"), Some(true)));
    assert_eq!((text("md5_hash").len(), text("sha256").len(), text("release_group")), (32, 64, "local".into()));
    assert!(text("publish_timestamp").ends_with("+00:00"), "{held}");

    let of = arn("us-east-1", "rows", "amd64", 1);
    let ran = space.run(&["explain-layer", &of, "--table", table]).status(0);
    said(&ran, &["table\n", "build_tags: lambdacomponents.custom,", "release_group: local"]);
    said(&space.run(&["explain-layer", &of, "--table", "gone@us-east-1"]).status(1), &["there is no table gone"]);

    // Again: nothing is asked. A row that is gone is told, and written again.
    proxy.rule(|_, _| None);
    let _ = run("rows").status(0);
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
    moto::remove_row(KEY, "eu-central-1", "row-layers", &arn("us-east-1", "rows", "amd64", 1));
    let ran = about(&space, &["status", "--exit-code"], "rows", &[&set]).status(10);
    said(&ran, &["no row  published[minimal,amd64,us-east-1]", "1 to do"]);
    let _ = about(&space, &["status", "--fix"], "rows", &[&set]).status(0);
    assert!(row("amd64").is_some());
    let _ = about(&space, &["status", "--exit-code"], "rows", &[&set]).status(0);
    // What others have added to a row stays.
    moto::add_to_row(KEY, "eu-central-1", "row-layers", &arn("us-east-1", "rows", "amd64", 1), "team", "infra");
    space.remove(".ocelot");
    let _ = run("rows").status(0);
    assert_eq!(row("amd64").expect("a row")["team"]["S"], "infra");
}

#[test]
fn fix_makes_public_what_was_made_private_and_unshare_takes_back_only_ours() {
    let proxy = Proxy::start();
    let space = project(&proxy);
    let _ = publish(&space, "fixed", &["us-east-1"]).status(0);
    let path = format!("/2018-10-31/layers/{}/versions/1/policy/ocelot-public", layer("fixed", "amd64"));
    moto::delete(KEY, "us-east-1", &path);
    let again = publish(&space, "fixed", &["us-east-1"]).status(0);
    assert_eq!(again.counts().ran, 0, "a receipt is trusted: {again:?}");
    said(&about(&space, &["status", "--exit-code"], "fixed", &[]).status(10), &["not shared  published[minimal,amd64"]);
    proxy.rule(|_, _| None);
    let _ = about(&space, &["status", "--fix"], "fixed", &[]).status(0);
    assert_eq!(proxy.calls().get("publish"), None);
    assert_live("fixed", &["us-east-1"], &[1]);
    let ran = about(&space, &["status", "--fix", "--unshare", "--yes"], "fixed", &["public=false"]).status(0);
    said(&ran, &["unshare  statement `ocelot-public` of version 1", "unshared  "]);
    assert_eq!(moto::policy(KEY, "us-east-1", &layer("fixed", "amd64"), 1), (false, 0));
}

#[test]
fn a_private_version_is_adopted_in_three_calls() {
    let proxy = Proxy::start();
    let space = project(&proxy);
    let mut private = build("private");
    private.extend(["--region", "us-east-1"]);
    let _ = space.run(&private).status(0);
    space.remove(".ocelot");
    proxy.rule(|_, _| None);
    let _ = space.run(&private).status(0);
    let calls = proxy.calls();
    let asked: Vec<(&str, usize)> = calls.iter().map(|(call, count)| (*call, *count)).collect();
    assert_eq!(asked, [("account", 1), ("get", 2), ("list", 2), ("policy", 2)]);
    // The rows of a report's index say what explains them.
    let index: Value = serde_json::from_str(&space.read("build/report/minimal/index.json")).expect("JSON");
    assert_eq!(index["layers"][0]["regions"]["us-east-1"]["public"], false);
}
