//! State and records that are damaged, of another version, or hostile.

use crate::faults::{assert_chain, chain};
use crate::support::{counts, files};

#[test]
fn row_13_a_record_whose_blob_is_gone_is_a_miss() {
    let space = chain();
    assert_eq!(space.build(&[]), counts(4, 0, 0));
    std::fs::remove_dir_all(space.cache().join("ocelot/v1/store/blobs")).unwrap();
    for output in ["big", "twice", "folder", "inside"] {
        space.remove(output);
    }
    space.remove(".ocelot");
    assert_eq!(space.build(&[]), counts(4, 0, 0));
    assert_chain(&space);
    for output in ["big", "twice", "folder", "inside"] {
        space.remove(output);
    }
    assert_eq!(space.build(&[]), counts(0, 4, 0), "the records were replaced");
    assert_chain(&space);
}

#[test]
fn row_14_state_of_another_version_is_dropped() {
    let space = chain();
    assert_eq!(space.build(&[]), counts(4, 0, 0));
    let mut state: Vec<_> = files(&space.root().join(".ocelot/state")).into_iter().collect();
    state.sort();
    for (path, bytes) in state {
        // Each byte of the head, where magic and version are, as a newer program would write it.
        for at in 0..bytes.len().min(24) {
            let mut newer = bytes.clone();
            newer[at] = newer[at].wrapping_add(1);
            std::fs::write(&path, newer).unwrap();
            let ran = space.json(&["-p", "pipeline.yaml"]).status(0);
            assert_eq!(ran.counts(), counts(0, 0, 4), "{} byte {at}", path.display());
        }
    }
}

#[test]
fn row_66_another_version_of_the_cache_is_left_alone() {
    let space = chain();
    let foreign = space.cache().join("ocelot/v2/store");
    std::fs::create_dir_all(&foreign).unwrap();
    std::fs::write(foreign.join("segments"), "of a later program").unwrap();
    let segments = space.cache().join("ocelot/v1/store/segments");
    std::fs::create_dir_all(&segments).unwrap();
    std::fs::write(segments.join("000000000007-0123456789abcdef.seg"), b"OCELOT??\xff\xff of a later program").unwrap();
    std::fs::set_permissions(
        space.cache().join("ocelot/v1/store"),
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    assert_eq!(space.build(&[]), counts(4, 0, 0));
    assert_chain(&space);
    space.remove(".ocelot");
    space.remove("twice");
    assert_eq!(space.build(&[]), counts(0, 1, 3));
    assert_eq!(std::fs::read(foreign.join("segments")).unwrap(), b"of a later program");
}
