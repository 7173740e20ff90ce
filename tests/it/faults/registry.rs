//! A layer store in a folder, while what writes into it is killed, has no space, or loses its power. `copy` writes one
//! version, and is what is spoiled here.

use std::num::NonZeroUsize;
use std::path::Path;

use ocelot::layer::deflate::Recipe;
use ocelot::layer::zip_write::{collector_layer, write_zip};
use ocelot::outside::registry::directory::DirectoryRegistry;
use ocelot::outside::registry::{Grantee, LayerId, LayerRegistry, NewVersion, Statement};

use crate::faults::{has, run_wrapped};
use crate::support::Space;

const TO: &str = "eu-west-3";

/// A space with a store that has one public version in one region.
fn published() -> (Space, Vec<u8>) {
    let space = Space::new();
    let zip =
        write_zip(&collector_layer(b"binary", b"receivers:\n"), Recipe::CURRENT, NonZeroUsize::MIN).expect("a zip");
    let registry = DirectoryRegistry::new(&space.root(), "store");
    let layer = id("us-east-1");
    let architectures = ["x86_64".to_owned()];
    let new =
        NewVersion { zip: &zip, description: "d", architectures: &architectures, runtimes: &[], license: "Apache-2.0" };
    registry.publish(&layer, &new).expect("published");
    let everyone = Statement { id: "ocelot-public".into(), grantee: Grantee::Everyone };
    registry.add_permission(&layer, 1, &everyone).expect("shared");
    (space, zip)
}

fn id(region: &str) -> LayerId {
    LayerId { region: region.into(), name: "layer".into() }
}

const COPY: [&str; 6] = ["copy", "layer:us-east-1:layer:1", "--registry", "directory:store", "--to", TO];

/// Asserts that a region has exactly one whole version, which everybody may use.
fn assert_one(root: &Path, zip: &[u8], when: &str) {
    let registry = DirectoryRegistry::new(root, "store");
    let listed = registry.list_versions(&id(TO)).expect("a list");
    assert_eq!(listed.len(), 1, "{when}: {listed:?}");
    let number = listed[0].number;
    assert!(registry.read_zip(&id(TO), number).expect("a zip") == zip, "{when}");
    let policy = registry.read_policy(&id(TO), number).expect("a policy");
    assert!(policy.iter().any(|held| held.grantee == Grantee::Everyone), "{when}: {policy:?}");
}

/// Spoils the `n`-th of each kind of call, for all of them; the next copy then has to put it right. How many were spoiled.
fn spoil(calls: &[&str], how: &str) -> usize {
    let mut spoiled = 0;
    for call in calls {
        for at in 1..200 {
            let (space, zip) = published();
            let inject = format!("inject={call}:{how}:when={at}");
            let ran = run_wrapped(&space, &["strace", "-qq", "-f", "-o", "/dev/null", "-e", &inject], &COPY);
            let when = format!("{call} {at} {how}");
            // What is there is whole, also before anybody mends it.
            let registry = DirectoryRegistry::new(&space.root(), "store");
            for version in registry.list_versions(&id(TO)).expect("a list") {
                assert!(registry.read_zip(&id(TO), version.number).expect("a zip") == zip, "{when}: a torn version");
            }
            let _ = space.run(&COPY).status(0);
            assert_one(&space.root(), &zip, &when);
            if ran.status == 0 {
                break;
            }
            spoiled += 1;
            assert!(at < 199, "{call} has no end");
        }
    }
    spoiled
}

#[test]
fn row_01_a_store_in_a_folder_has_whole_versions_wherever_its_writer_is_killed() {
    if has("row 1", &["strace"]) {
        let kills = spoil(&["write", "rename", "mkdir", "fsync", "fdatasync", "flock"], "signal=KILL");
        assert!(kills >= 10, "{kills} kills");
    }
}

#[test]
fn row_04_a_store_in_a_folder_has_whole_versions_wherever_its_disk_is_full() {
    if has("row 4", &["strace"]) {
        let full = spoil(&["rename", "mkdir", "fsync"], "error=ENOSPC");
        assert!(full >= 5, "{full} failures");
    }
}
