//! Rows 59 to 63 of the fault matrix: what goes wrong between here and AWS ends with one version of each layer.

use std::process::Stdio;

use crate::aws::{KEY, arguments, assert_live, elsewhere, layer, project, publish};
use crate::support::proxy::{Fault, Proxy, Request};
use crate::support::{Ran, Space, moto};

/// A rule that spoils the first request of this kind in each region.
fn first(call: &'static str, fault: Fault) -> impl Fn(&Request, usize) -> Option<Fault> {
    move |request, before| (request.call == call && before == 0).then_some(fault)
}

#[test]
fn row_59_an_answer_that_is_lost_makes_no_second_version() {
    for (name, fault) in [
        ("dropped", Fault::DropAnswer),
        ("hung", Fault::Hang),
        ("failed-after", Fault::AnswerAfter(502)),
        ("cut", Fault::HalfAnswer),
        ("garbled", Fault::Garbled),
    ] {
        let proxy = Proxy::start();
        let mut space = project(&proxy);
        space.set("OCELOT_AWS_UPLOAD_TIMEOUT", "3");
        proxy.rule(first("publish", fault));
        let _ = publish(&space, name, &["us-east-1"]).status(0);
        assert_live(name, &["us-east-1"], &[1]);
        // What was shared without an answer is read back and stands.
        proxy.rule(first("permit", fault));
        let _ = publish(&space, name, &["us-west-2"]).status(0);
        assert_live(name, &["us-west-2"], &[1]);
    }
}

/// Starts the program and waits for its end; the proxy may kill it.
fn run_to_the_end(space: &Space, proxy: &Proxy, arguments: &[&str]) {
    let mut command = space.command(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
    proxy.victim(child.id());
    child.wait().expect("it ends");
}

#[test]
fn row_61_nobody_listens_and_a_slow_answer() {
    let proxy = Proxy::start();
    let mut space = project(&proxy);
    proxy.rule(|request, _| (request.call == "publish" || request.call == "list").then_some(Fault::Drip));
    let _ = publish(&space, "dripped", &["us-east-1"]).status(0);
    assert_live("dripped", &["us-east-1"], &[1]);
    // A port that was just given back.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    space.set("AWS_ENDPOINT_URL", &format!("http://{closed}"));
    let ran = publish(&space, "refused", &["us-east-1"]).status(3);
    assert!(ran.stderr.contains("cannot connect") && ran.stderr.contains("when AWS can be reached"), "{}", ran.stderr);
}

#[test]
fn row_60_killed_at_any_call_the_next_run_ends_with_one_version() {
    // account, list, publish, list, permit, policy: for one layer.
    let calls = 6;
    let mut killed = 0;
    for call in 0..calls {
        for (how, fault) in [("before", Fault::KillBefore), ("after", Fault::KillAfter)] {
            let proxy = Proxy::start();
            let space = project(&proxy);
            let name = format!("killed-{call}-{how}");
            let mut arguments = arguments(&name, &["us-east-1"]);
            // One architecture, so that calls come in one order.
            let at = arguments.iter().position(|argument| *argument == "arm64").expect("both architectures");
            arguments.drain(at - 1..=at);
            let count = std::sync::atomic::AtomicUsize::new(0);
            proxy.rule(move |_, _| (count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == call).then_some(fault));
            run_to_the_end(&space, &proxy, &arguments);
            killed += usize::from(proxy.seen().len() == call + 1);
            if how == "after" {
                // The journal is a hint, not the truth.
                space.remove(".ocelot");
            }
            proxy.rule(|_, _| None);
            let _ = space.run(&arguments).status(0);
            let live = moto::versions(KEY, "us-east-1", &layer(&name, "amd64"));
            assert_eq!(live.len(), 1, "{name}: {live:?}");
            assert_eq!(moto::policy(KEY, "us-east-1", &layer(&name, "amd64"), 1), (true, 1), "{name}");
            proxy.rule(|_, _| None);
            let _ = space.run(&arguments).status(0);
            assert!(proxy.seen().is_empty(), "{name}: {:?}", proxy.seen());
        }
    }
    assert_eq!(killed, 2 * calls, "every call was reached, and the last one seen");
}

#[test]
fn row_61_one_region_down_stops_no_other_and_the_next_run_does_only_the_rest() {
    let proxy = Proxy::start();
    let space = project(&proxy);
    let regions = ["us-east-1", "eu-west-1", "eu-west-2", "us-west-2"];
    proxy.rule(|request, _| match (request.region.as_str(), request.call) {
        ("eu-west-1", "list") => Some(Fault::Answer(429, "TooManyRequestsException")),
        ("eu-west-2", "publish") => Some(Fault::Answer(403, "AccessDeniedException")),
        _ => None,
    });
    let ran = publish(&space, "down", &regions).status(4);
    assert_eq!(ran.counts().failed, 4, "{ran:?}");
    assert!(ran.stdout.contains("AccessDeniedException") && ran.stdout.contains("TooManyRequestsException"), "{ran:?}");
    assert_live("down", &["us-east-1", "us-west-2"], &[1]);
    // The table of `build` says for each what happened.
    let mut table = arguments("down", &regions);
    table.drain(1..3);
    let told = space.run(&table).status(4).stdout;
    assert_eq!(told.matches("eu-west-1: not published; the next run does only what is left").count(), 2, "{told}");
    assert_eq!(told.matches("layer:down-amd64-minimal-0_145_0-local:1").count(), 2, "{told}");
    // The report shows the dead regions too.
    let report = space.read("build/report/minimal/report.md");
    assert!(report.contains("eu-west-1") && report.contains("eu-west-2"), "{report}");
    proxy.rule(|_, _| None);
    let healed = publish(&space, "down", &regions).status(0);
    assert_eq!(healed.ended("ran").iter().filter(|node| node.starts_with("published")).count(), 4, "{healed:?}");
    let asked = proxy.seen();
    assert!(asked.iter().all(|seen| seen.call == "account" || ["eu-west-1", "eu-west-2"].contains(&&*seen.region)));
    assert_live("down", &regions, &[1]);
}

#[test]
fn row_61_a_throttled_listing_is_asked_again_and_never_taken_for_an_empty_one() {
    let proxy = Proxy::start();
    let space = project(&proxy);
    let _ = publish(&space, "throttled", &["us-east-1"]).status(0);
    space.remove(".ocelot");
    proxy.rule(|request, before| {
        (request.call == "list" && before < 4).then_some(Fault::Answer(429, "TooManyRequestsException"))
    });
    let _ = publish(&space, "throttled", &["us-east-1"]).status(0);
    assert_eq!(proxy.calls().get("publish"), None);
    assert_live("throttled", &["us-east-1"], &[1]);
}

#[test]
fn row_62_a_version_that_is_not_seen_yet_is_waited_for_and_an_equal_statement_accepted() {
    let proxy = Proxy::start();
    let space = project(&proxy);
    proxy.rule(first("permit", Fault::Answer(404, "ResourceNotFoundException")));
    let _ = publish(&space, "late", &["us-east-1"]).status(0);
    assert_live("late", &["us-east-1"], &[1]);
    // Somebody was quicker to add the same statement.
    proxy.rule(|request, _| (request.call == "permit").then_some(Fault::AnswerAfter(409)));
    let _ = publish(&space, "late", &["us-west-2"]).status(0);
    assert_live("late", &["us-west-2"], &[1]);
}

#[test]
fn row_63_of_two_publishers_at_once_one_version_stands() {
    let proxy = Proxy::start();
    let spaces = [elsewhere(&proxy), elsewhere(&proxy)];
    let mut arguments = arguments("race", &["us-east-1"]);
    let at = arguments.iter().position(|argument| *argument == "arm64").expect("both architectures");
    arguments.drain(at - 1..=at);
    // Both have looked and seen nothing before either publishes.
    proxy.rule(|request, before| (request.call == "publish" && before < 2).then_some(Fault::Barrier(2)));
    let children = spaces.each_ref().map(|space| {
        let mut command = space.command(&arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    });
    for child in children {
        let ran = Ran::from(child.wait_with_output().expect("it ends")).status(0);
        assert!(ran.stdout.contains(":1\""), "both name the version that stands: {ran:?}");
    }
    assert_eq!(proxy.calls()["publish"], 2);
    let live = moto::versions(KEY, "us-east-1", &layer("race", "amd64"));
    assert_eq!(live.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1]);
    assert_eq!(moto::policy(KEY, "us-east-1", &layer("race", "amd64"), 1), (true, 1));
    for space in &spaces {
        proxy.rule(|_, _| None);
        let _ = space.run(&arguments).status(0);
        assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
    }
}
