//! Stored bytes that change behind our back.

use std::path::Path;

use crate::base::digest::BlobDigest;
use crate::store::cache_error::RestoreError;
use crate::store::cache_options::CacheStats;
use crate::store::fault_tests::{nodes, only_segment, sealed_with};
use crate::store::fs::{Fs, read_file};
use crate::store::segment::ENTRY_LEN;
use crate::store::sim_cache::{Node, is_whole, node, open, store};

#[test]
fn row_09_blob_bit_flip() {
    let node = node(1, &[60, 4097]);
    let (small, large) = (&node.blobs[0], &node.blobs[1]);
    let digest = BlobDigest::of(large);
    let fs = sealed_with(std::slice::from_ref(&node));
    let cache = open(&fs);
    let path = fs.files_in("/cache/blobs").remove(0);
    let dest = Path::new("/project/out");
    for at in 0..large.len() {
        fs.damage(&path, |bytes| bytes[at] ^= 1 << (at % 8));
        assert!(cache.has_blob(&digest, 4097), "presence and size only");
        let restored = cache.restore(&digest, 4097, dest, false);
        assert!(matches!(restored, Err(RestoreError::Damaged { .. })), "flip at {at}");
        assert!(fs.metadata(dest).is_err() && fs.metadata(&path).is_err());
        assert!(cache.put_bytes(large).kept);
    }
    assert_eq!(cache.stats().quarantined, 4097);
    assert_eq!(fs.files_in("/cache/quarantine").len(), 4097);
    assert!(is_whole(&cache, &fs, &node));

    // The small one is in the segment, whose every byte is flipped, footer included.
    let segment = only_segment(&fs);
    let whole = read_file(&fs, &segment).unwrap();
    for at in 0..whole.len() {
        fs.damage(&segment, |bytes| bytes[at] ^= 1 << (at % 8));
        let cache = open(&fs);
        let before = is_whole(&cache, &fs, &node);
        let put = cache.put_bytes(small);
        assert!(put.kept && cache.read_blob(&put.digest, 100).as_ref() == Some(small), "flip at {at}");
        assert!(store(&cache, &node) && is_whole(&cache, &fs, &node), "flip at {at}: was {before}");
        drop(cache);
        fs.damage(&segment, |bytes| bytes.clone_from(&whole));
        for path in fs.files_in("/cache/segments").iter().filter(|path| **path != segment) {
            fs.remove(path).unwrap();
        }
    }
}

#[test]
fn row_10_blob_of_any_other_length() {
    let node = node(1, &[4200]);
    let fs = sealed_with(std::slice::from_ref(&node));
    let (digest, path) = (BlobDigest::of(&node.blobs[0]), fs.files_in("/cache/blobs").remove(0));
    let cache = open(&fs);
    for len in (0..4200).step_by(7).chain(4190..4200).chain(4201..4210) {
        fs.damage(&path, |bytes| bytes.resize(len, 0));
        assert!(!cache.has_blob(&digest, 4200), "{len}");
        let restored = cache.restore(&digest, 4200, Path::new("/project/out"), false);
        assert!(matches!(restored, Err(RestoreError::Damaged { .. })), "{len}");
        assert!(cache.put_bytes(&node.blobs[0]).kept);
        fs.damage(&path, |bytes| bytes.resize(len, 0));
        assert_eq!(cache.read_blob(&digest, 1 << 20), None, "{len}");
        assert!(store(&cache, &node) && is_whole(&cache, &fs, &node), "{len}");
    }
    // A record that is wrong about the size does not cost the blob.
    let restored = cache.restore(&digest, 4300, Path::new("/project/out"), false);
    assert!(matches!(restored, Err(RestoreError::Missing { .. })));
    assert!(is_whole(&cache, &fs, &node));
}

#[test]
fn row_11_segment_cut_at_every_length() {
    let nodes: Vec<Node> = (0..3).map(|id| node(id, &[40])).collect();
    let fs = sealed_with(&nodes);
    let segment = only_segment(&fs);
    let whole = read_file(&fs, &segment).unwrap();
    let mut most = 0;
    for cut in 0..whole.len() {
        fs.damage(&segment, |bytes| *bytes = whole[..cut].to_vec());
        let cache = open(&fs);
        let found = nodes.iter().filter(|node| is_whole(&cache, &fs, node)).count();
        assert!(found >= most, "a longer prefix holds no less");
        assert_eq!(nodes.iter().filter(|node| cache.has_own(&node.own)).count(), found);
        most = found;
    }
    assert_eq!(most, 3);
}

#[test]
fn row_11_record_bit_flips_are_misses() {
    let node = node(7, &[40]);
    let fs = sealed_with(std::slice::from_ref(&node));
    let segment = only_segment(&fs);
    let whole = read_file(&fs, &segment).unwrap();
    let record = whole.windows(node.payload.len()).position(|window| window == node.payload).unwrap();
    for at in record - 73..record + node.payload.len() + 16 {
        fs.damage(&segment, |bytes| bytes[at] ^= 0x10);
        let cache = open(&fs);
        assert_eq!(cache.get_record(&node.action), None, "flip at {at}");
        assert_eq!(cache.stats().quarantined, 1);
        assert_eq!(cache.get_record(&node.action), None);
        assert_eq!(cache.stats(), CacheStats { misses: 2, quarantined: 1, ..cache.stats() });
        assert!(store(&cache, &node) && is_whole(&cache, &fs, &node));
        cache.finish();
        assert!(is_whole(&open(&fs), &fs, &node), "the newer record is preferred");
        for path in fs.files_in("/cache/segments").iter().filter(|path| **path != segment) {
            fs.remove(path).unwrap();
        }
        fs.damage(&segment, |bytes| bytes.clone_from(&whole));
    }
}

#[test]
fn row_12_record_of_another_key() {
    let nodes = [node(1, &[]), node(2, &[])];
    let fs = sealed_with(&nodes);
    let segment = only_segment(&fs);
    // The index begins where the first entry (kind 1) of the smaller key is; swap where the two records are said to be.
    let mut keys = nodes.each_ref().map(|node| *node.action.as_bytes());
    keys.sort();
    fs.damage(&segment, |bytes| {
        let first = [&[1], &keys[0][..]].concat();
        let at = bytes.windows(33).rposition(|window| window == first).unwrap();
        assert_eq!(bytes[at + ENTRY_LEN + 1..at + ENTRY_LEN + 33], keys[1]);
        for place in at + 33..at + ENTRY_LEN {
            bytes.swap(place, place + ENTRY_LEN);
        }
    });
    let cache = open(&fs);
    for node in &nodes {
        assert_eq!(cache.get_record(&node.action), None);
        assert!(store(&cache, node) && is_whole(&cache, &fs, node));
    }
}

#[test]
fn row_13_record_names_an_absent_blob() {
    let node = node(1, &[5000]);
    let fs = sealed_with(std::slice::from_ref(&node));
    let digest = BlobDigest::of(&node.blobs[0]);
    fs.remove(&fs.files_in("/cache/blobs")[0]).unwrap();
    let cache = open(&fs);
    assert!(cache.get_record(&node.action).is_some() && !cache.has_blob(&digest, 5000));
    let restored = cache.restore(&digest, 5000, Path::new("/project/out"), false);
    assert!(matches!(restored, Err(RestoreError::Missing { .. })));
    // The work is done again, this time with another payload, which replaces the record.
    let payload = [&node.payload[..], b"again"].concat();
    assert!(cache.put_bytes(&node.blobs[0]).kept && cache.put_record(&node.action, &node.own, &payload));
    cache.finish();
    assert_eq!(open(&fs).get_record(&node.action), Some(payload));
}

#[test]
fn row_66_segments_of_another_version_are_passed_over() {
    let nodes = nodes(1);
    let fs = sealed_with(&nodes);
    let newer = crate::store::frame::Format { version: 99, ..crate::store::segment::FORMAT };
    let path = Path::new("/cache/segments/000000000099-newer.seg");
    fs.create_new(path, 0o600).unwrap().write_at(&newer.header(), 0).unwrap();
    let cache = open(&fs);
    assert!(is_whole(&cache, &fs, &nodes[0]));
    assert_eq!(cache.take_warnings(), []);
    assert!(store(&cache, &node(5, &[])));
    assert!(fs.files_in("/cache/segments").iter().max().is_some_and(|path| path.to_str().unwrap().contains("100-")));
}
