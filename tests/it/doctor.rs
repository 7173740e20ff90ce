//! `doctor`: what stops a run is told with its remedy and ends in 1; what is only slow is noted.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::aws::{ACCOUNT, KEY};
use crate::support::proxy::Proxy;
use crate::support::{Space, files};

/// What was found, by name: state and detail.
fn found(space: &Space, arguments: &[&str], status: i32) -> Vec<(String, String, String)> {
    let ran = space.run(&[&["doctor", "--output", "json"], arguments].concat()).status(status);
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    ran.events().iter().map(|event| (text(event, "what"), text(event, "state"), text(event, "detail"))).collect()
}

#[track_caller]
fn assert_is(found: &[(String, String, String)], what: &str, state: &str, detail: &str) {
    let one = found.iter().find(|(name, _, _)| name == what);
    let is_it = one.is_some_and(|(_, is, says)| is == state && says.contains(detail));
    assert!(is_it, "{what} {state} {detail}: {found:?}");
}

/// A `PATH` with this one program.
fn program(space: &mut Space, name: &str, script: &str) {
    space.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(space.root().join("bin").join(name), Permissions::from_mode(0o755)).expect("chmod");
    let path = space.root().join("bin");
    space.set("PATH", path.to_str().expect("UTF-8"));
}

#[test]
fn a_project_in_order_is_said_to_be_so_and_nothing_is_left() {
    let space = Space::with("nodes: {a: {exec: {command: [echo], stdout: build/a}}}\n");
    let _ = space.build(&[]);
    let before = files(&space.root());
    let ran = space.run(&["doctor"]).status(0);
    for line in ["   ok  project: pipeline.yaml (", "   ok  lock: free\n", "   ok  go: go1.", ", 0 wrong\n"] {
        assert!(ran.stdout.contains(line), "{line}: {ran:?}");
    }
    assert_eq!(files(&space.root()), before);
}

#[test]
fn a_missing_or_old_go_is_wrong_only_where_layers_are_built() {
    let mut space = Space::with("nodes: {}\n");
    program(&mut space, "go", "echo go version go1.19.3 linux/amd64");
    assert_is(&found(&space, &[], 0), "go", "note", "go1.19.3 is too old");
    space.write("config/distributions.yaml", "{}\n");
    assert_is(&found(&space, &[], 1), "go", "wrong", "go1.19.3 is too old");
    program(&mut space, "go", "exit 3");
    assert_is(&found(&space, &[], 1), "go", "wrong", "does not say its version");
    space.remove("bin/go");
    assert_is(&found(&space, &[], 1), "go", "wrong", "not on PATH");
    let ran = space.run(&["doctor"]).status(1);
    assert!(ran.stdout.contains("wrong  go: not on PATH\n       help: install Go"), "{ran:?}");
}

#[test]
fn a_lock_that_is_held_and_a_cache_that_others_can_fill_are_told() {
    let space = Space::with("nodes: {}\n");
    space.write(".ocelot/lock", "pid 1\nstarted-ms 1\ncommand ocelot run other\n");
    let lock = File::open(space.root().join(".ocelot/lock")).expect("open");
    lock.lock().expect("a lock");
    assert_is(&found(&space, &[], 0), "lock", "note", "another run in this workspace (pid 1: ocelot run other)");
    drop(lock);
    assert_is(&found(&space, &[], 0), "lock", "ok", "free");
    let store = space.cache().join("ocelot/v1/store");
    std::fs::create_dir_all(&store).expect("a folder");
    std::fs::set_permissions(&store, Permissions::from_mode(0o777)).expect("chmod");
    assert_is(&found(&space, &[], 1), "cache", "wrong", "store");
}

#[test]
fn aws_is_asked_only_when_that_is_wanted() {
    let proxy = Proxy::start();
    let mut space = Space::with("nodes: {}\n");
    space.write("config/regions.yaml", &crate::snapshot::read("config/regions.yaml"));
    space.set("AWS_ENDPOINT_URL", &proxy.url());
    let _ = found(&space, &[], 0);
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
    assert_is(&found(&space, &["--online"], 1), "credentials", "wrong", "");
    space.set("AWS_ACCESS_KEY_ID", KEY);
    space.set("AWS_SECRET_ACCESS_KEY", "secret");
    let online = found(&space, &["--online"], 0);
    assert_is(&online, "credentials", "ok", ACCOUNT);
    assert_is(&online, "us-west-2", "ok", "answers");
    let ran = space.run(&["doctor", "--online", "--offline"]).status(2);
    assert!(ran.stderr.contains("`--online` asks AWS"), "{ran:?}");
}
