//! A cache, a workspace's state or both that cannot be written: built all the same, with one warning.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::faults::{assert_chain, chain, has, read_only, run_mounted, run_wrapped, warnings};
use crate::support::Space;

#[test]
fn row_07_a_read_only_cache_gives_hits_and_takes_nothing() {
    if !has("row 7", &["mounts"]) {
        return;
    }
    let space = chain();
    let before = space.read("in");
    assert_eq!(space.build(&[]).failed, 0);
    let frozen = read_only(&space.cache());
    space.write("in", &"y".repeat(20_000));
    let ran = run_mounted(&space, &frozen, &["run"]).status(0);
    assert_eq!(warnings(&ran).len(), 1, "{ran:?}");
    assert!(ran.stderr.contains("cannot be written"), "{ran:?}");
    assert_chain(&space);
    // What could not be kept there is here nevertheless.
    let ran = run_mounted(&space, &frozen, &["run"]).status(0);
    assert!(ran.stderr.contains("nothing to do"), "{ran:?}");
    space.write("in", &before);
    let ran = run_mounted(&space, &frozen, &["run", "--output", "json"]).status(0);
    assert_eq!(ran.ended("restored").len(), 4, "hits are served: {ran:?}");
    assert_chain(&space);
    assert!(!space.exists(".ocelot/tmp"), "what the cache did not take is gone with the run");
}

#[test]
fn row_07_with_no_cache_at_all_every_kind_of_result_is_passed_on() {
    if !has("row 7", &["mounts"]) {
        return;
    }
    let space = Space::with(
        "nodes:
  kept: {clone: {repo: ./sources, output: out/}}
  passed: {clone: {repo: ./sources}}
  folder: {exec: {command: [sh, -c, 'mkdir -p d/e; cp in d/e/f; ln -s e d/l; mkdir d/empty'], inputs: [in], outputs: [d/]}}
  inside: {exec: {command: [sh, -c, 'cat d/l/f > i'], inputs: [d/], outputs: [i], sandbox: true}}
",
    );
    space.write("in", "1\n");
    space.write("sources/small", "s\n");
    space.write("sources/large", &"l".repeat(9_000));
    let none = format!("mount -t tmpfs -o ro none '{}'", space.cache().display());
    for _ in 0..2 {
        let ran = run_mounted(&space, &none, &["run", "--force", "folder", "--force", "kept"]).status(0);
        assert_eq!(warnings(&ran).len(), 1, "{ran:?}");
        assert_eq!((space.read("i"), space.read("out/large").len()), ("1\n".to_owned(), 9_000));
    }
}

/// Gives everything below a folder to another user.
fn give(folder: &Path, user: u32) {
    for path in crate::support::files(folder).into_keys() {
        chown(&path, Some(user), Some(user)).unwrap();
        for above in path.ancestors().take_while(|above| above.starts_with(folder)) {
            chown(above, Some(user), Some(user)).unwrap();
        }
    }
    chown(folder, Some(user), Some(user)).unwrap();
}

#[test]
fn row_07_a_user_without_the_right_to_write_gets_hits() {
    if !has("row 7", &["setpriv"]) {
        return;
    }
    const NOBODY: u32 = 65_534;
    let mut space = chain();
    assert_eq!(space.build(&[]).failed, 0);
    let above = space.root().parent().unwrap().to_owned();
    give(&above, NOBODY);
    let store = space.cache().join("ocelot/v1/store");
    for folder in ["", "segments", "blobs", "tmp"] {
        let mode = std::fs::Permissions::from_mode(0o555);
        std::fs::set_permissions(store.join(folder), mode).unwrap();
    }
    // The program is where only its owner may look.
    let program = above.join("ocelot");
    std::fs::copy(env!("CARGO_BIN_EXE_ocelot"), &program).unwrap();
    space.set("OCELOT_UNUSED", "");
    let as_nobody = |arguments: &[&str]| {
        let wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program.to_str().unwrap()];
        let inner = space.command(arguments);
        let mut command = std::process::Command::new(wrapper[0]);
        command.args(&wrapper[1..]).args(inner.get_args()).current_dir(space.root()).env_clear();
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        crate::support::Ran::from(command.output().unwrap())
    };
    space.remove("twice");
    space.remove("folder");
    let restored = as_nobody(&["run", "--output", "json"]).status(0);
    assert_eq!(restored.ended("restored"), ["folder", "twice"], "{restored:?}");
    space.write("in", &"z".repeat(20_000));
    let ran = as_nobody(&["run"]).status(0);
    assert_eq!(warnings(&ran).len(), 1, "{ran:?}");
    assert_chain(&space);
}

#[test]
fn row_08_a_read_only_state_costs_a_full_look() {
    if !has("row 8", &["mounts"]) {
        return;
    }
    let state = |space: &Space| read_only(&space.root().join(".ocelot"));
    let told = |ran: &crate::support::Ran| {
        assert!(warnings(ran).iter().any(|line| line.contains("the workspace is read-only")), "{ran:?}");
    };
    // Never built, built and touched, an output gone, an input edited, a depfile.
    let fresh = chain();
    std::fs::create_dir(fresh.root().join(".ocelot")).unwrap();
    let targets = ["run", "twice", "folder"];
    let ran = run_mounted(&fresh, &state(&fresh), &targets).status(0);
    told(&ran);
    let again = run_mounted(&fresh, &state(&fresh), &targets).status(0);
    assert!(again.stderr.contains("nothing to do"), "{again:?}");

    let space = chain();
    assert_eq!(space.build(&[]).failed, 0);
    let input = space.read("in");
    space.write("in", &input);
    let touched = run_mounted(&space, &state(&space), &["run"]).status(0);
    told(&touched);
    assert!(touched.stderr.contains("nothing to do"), "{touched:?}");
    space.remove("twice");
    space.remove("folder");
    // Left by a run that was killed.
    std::fs::create_dir_all(space.root().join(".ocelot/tmp")).unwrap();
    let restored = run_mounted(&space, &state(&space), &["run"]).status(0);
    told(&restored);
    assert_chain(&space);
    space.write("in", &"y".repeat(20_000));
    let ran = run_mounted(&space, &state(&space), &["run", "twice", "folder"]).status(0);
    told(&ran);
    assert!(space.read("twice") == space.read("in").repeat(6));

    let depfile = Space::with(
        "nodes: {n: {exec: {command: [sh, -c, 'cat a.h > n; echo \"n: a.h\" > n.d'], outputs: [n], depfile: n.d}}}",
    );
    depfile.write("a.h", "1\n");
    std::fs::create_dir(depfile.root().join(".ocelot")).unwrap();
    let ran = run_mounted(&depfile, &state(&depfile), &["run"]).status(0);
    told(&ran);
    assert!(!ran.stderr.contains("changed while"), "{ran:?}");
}

#[test]
fn row_08_with_neither_cache_nor_state_a_lost_result_ends_the_run() {
    if !has("row 8", &["mounts"]) {
        return;
    }
    let space = chain();
    std::fs::create_dir(space.root().join(".ocelot")).unwrap();
    let nothing = format!("mount -t tmpfs -o ro none '{}'; mount -t tmpfs -o ro none .ocelot", space.cache().display());
    // A folder has a listing, which only a store can hold: refused, and never tried for ever.
    let ran = run_mounted(&space, &nothing, &["run"]);
    assert!(ran.status == 1 || ran.status == 3, "{ran:?}");
    assert!(space.read("twice") == space.read("in").repeat(6), "what needs no store is built: {ran:?}");
    let plain = Space::with(
        "nodes:
  made: {exec: {command: [cp, in, made], inputs: [in], outputs: [made]}}
  inside: {exec: {command: [cp, made, inside], inputs: [made], outputs: [inside], sandbox: true}}
",
    );
    plain.write("in", "1\n");
    std::fs::create_dir_all(plain.root().join(".ocelot/work")).unwrap();
    let nothing = format!(
        "mount -t tmpfs -o ro none '{}'; {}; mount -t tmpfs none .ocelot/work",
        plain.cache().display(),
        read_only(&plain.root().join(".ocelot"))
    );
    let ran = run_mounted(&plain, &nothing, &["run"]).status(3);
    assert!(ran.stderr.contains("lost again and again"), "{ran:?}");
    assert!(ran.stderr.matches("ran made").count() <= 4, "{ran:?}");
}

#[test]
fn row_67_a_cache_that_others_could_have_filled_is_refused() {
    let space = chain();
    assert_eq!(space.build(&[]).failed, 0);
    space.write("in", "another\n");
    let store = space.cache().join("ocelot/v1/store");
    std::fs::set_permissions(&store, std::fs::Permissions::from_mode(0o777)).unwrap();
    for command in ["run", "plan"] {
        let ran = space.run(&[command]).status(3);
        assert!(ran.stderr.contains("can be written by every user: run `chmod 700"), "{ran:?}");
    }
    // Somebody may say that it is in order.
    let trusted = space.command(&["plan"]).env("OCELOT_TRUST_CACHE", "1").output().unwrap();
    assert!(trusted.status.success(), "{trusted:?}");
    std::fs::set_permissions(&store, std::fs::Permissions::from_mode(0o700)).unwrap();
    if has("row 67", &["setpriv"]) {
        chown(&store, Some(12_345), None).unwrap();
        let ran = space.run(&["run"]).status(3);
        assert!(ran.stderr.contains("belongs to user id 12345, not to you"), "{ran:?}");
        chown(&store, Some(rustix::process::geteuid().as_raw()), None).unwrap();
    }
    assert_eq!(space.build(&[]).failed, 0);
    let _ = run_wrapped(&space, &["env"], &["plan"]).status(0);
}
