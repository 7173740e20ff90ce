//! Faults of the content store, named after the rows of the fault matrix.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::digest::BlobDigest;
use crate::store::cache::Cache;
use crate::store::cache_error::{CacheError, RestoreError, Warning};
use crate::store::cache_options::{Access, CacheOptions};
use crate::store::fs::{Fs, RealFs, read_file};
use crate::store::gc::GcPolicy;
use crate::store::segment::ENTRY_LEN;
use crate::store::sim_cache::{Node, TODAY, blobs_of, is_whole, node, open, open_on, open_with, store};
use crate::store::sim_fs::{CRASHES, SimFs};

const ENOSPC: i32 = 28;
const EIO: i32 = 5;
const EROFS: i32 = 30;

fn nodes(count: u32) -> Vec<Node> {
    (0..count).map(|id| node(id, &[100, 5000][..1 + (id % 2) as usize])).collect()
}

fn sealed_with(nodes: &[Node]) -> SimFs {
    let fs = SimFs::new();
    let cache = open(&fs);
    nodes.iter().for_each(|node| assert!(store(&cache, node)));
    cache.finish();
    assert_eq!(cache.take_warnings(), []);
    fs
}

fn only_segment(fs: &SimFs) -> PathBuf {
    let [path] = fs.files_in("/cache/segments").try_into().unwrap();
    path
}

#[test]
fn row_01_killed_at_any_call_loses_only_nodes_in_flight() {
    let nodes = nodes(6);
    for cut in 0.. {
        let fs = SimFs::new();
        let cache = open(&fs);
        fs.fail_from(cut, EIO);
        let kept: Vec<bool> = nodes.iter().map(|node| store(&cache, node)).collect();
        fs.kill();
        let after = open(&fs);
        for (node, kept) in nodes.iter().zip(&kept) {
            assert!(!kept || is_whole(&after, &fs, node), "killed at call {cut}");
            // And the next run can store what was in flight.
            assert!(store(&after, node), "killed at call {cut}");
        }
        after.finish();
        let last = open(&fs);
        assert!(nodes.iter().all(|node| is_whole(&last, &fs, node)), "killed at call {cut}");
        if kept.iter().all(|&kept| kept) {
            assert!(cut > 20);
            return;
        }
    }
}

/// Stores nodes with a sync after each; returns those that were synced without complaint.
fn run_with_syncs<'n>(fs: &SimFs, nodes: &'n [Node]) -> (Vec<&'n Node>, bool) {
    let cache = open(fs);
    let start = Instant::now();
    cache.maybe_sync(start);
    let mut durable = vec![];
    for (n, node) in (1..).zip(nodes) {
        let kept = store(&cache, node);
        cache.maybe_sync(start + Duration::from_secs(2 * n));
        if kept && cache.take_warnings().is_empty() && cache.can_write() {
            durable.push(node);
        }
    }
    cache.finish();
    (durable, cache.take_warnings().is_empty())
}

#[test]
fn row_02_power_cut_at_any_call_shows_no_wrong_byte_and_keeps_what_was_synced() {
    let nodes = nodes(5);
    for crash in CRASHES {
        for cut in 0.. {
            let fs = SimFs::new();
            fs.fail_from(cut, EIO);
            let (durable, complete) = run_with_syncs(&fs, &nodes);
            fs.crash(crash);
            let after = open(&fs);
            for node in &nodes {
                // A failed sync discards the run; what other failures leave has to be whole if it was synced.
                let whole = is_whole(&after, &fs, node);
                assert!(whole || !complete, "{crash:?} at call {cut}");
                let was_synced = durable.iter().any(|kept| kept.action == node.action);
                let discarded = fs.files_in("/cache/segments").is_empty();
                assert!(whole || !was_synced || discarded, "{crash:?} at call {cut}");
            }
            nodes.iter().for_each(|node| assert!(store(&after, node), "{crash:?} at call {cut}"));
            after.finish();
            let last = open(&fs);
            assert!(nodes.iter().all(|node| is_whole(&last, &fs, node)), "{crash:?} at call {cut}");
            if complete {
                assert!(cut > 30);
                break;
            }
        }
    }
}

#[test]
fn row_02_power_cut_while_segments_are_merged_loses_no_older_record() {
    for crash in CRASHES {
        for cut in 0.. {
            let fs = SimFs::new();
            let all = nodes(9);
            for node in &all[..8] {
                let cache = open(&fs);
                assert!(store(&cache, node));
                cache.finish();
            }
            let cache = open(&fs);
            assert!(store(&cache, &all[8]));
            fs.fail_from(cut, EIO);
            cache.finish();
            let complete = cache.take_warnings().is_empty();
            fs.crash(crash);
            let after = open(&fs);
            assert!(all[..8].iter().all(|node| is_whole(&after, &fs, node)), "{crash:?} at call {cut}");
            if complete && fs.files_in("/cache/segments").len() < 8 {
                assert!(is_whole(&after, &fs, &all[8]));
                break;
            }
            assert!(cut < 100);
        }
    }
}

#[test]
fn row_04_full_disk_at_any_call_costs_only_what_was_being_written() {
    let nodes = nodes(4);
    for n in 0.. {
        let fs = SimFs::new();
        let cache = open(&fs);
        fs.fail_once(n, ENOSPC);
        let kept: Vec<bool> = nodes.iter().map(|node| store(&cache, node)).collect();
        let warnings = cache.take_warnings();
        let failed = kept.iter().any(|kept| !kept);
        assert_eq!(warnings.len(), usize::from(failed), "one warning: {warnings:?}");
        assert!(kept.iter().filter(|kept| !*kept).count() <= 1, "call {n}: {kept:?}");
        assert_eq!(fs.files_in("/cache/tmp"), [] as [PathBuf; 0]);
        cache.finish();
        let after = open(&fs);
        for (node, kept) in nodes.iter().zip(kept) {
            assert!(!kept || is_whole(&after, &fs, node), "call {n}");
        }
        if !failed {
            assert!(n > 10);
            return;
        }
    }
}

#[test]
fn row_05_after_a_failed_sync_the_run_is_discarded_and_never_retried() {
    let fs = SimFs::new();
    let cache = open(&fs);
    let node = node(1, &[100, 5000]);
    assert!(store(&cache, &node));
    // The blob's own sync is the first call of finish that changes anything but the footer.
    fs.fail_once(1, EIO);
    cache.finish();
    assert!(matches!(cache.take_warnings()[..], [Warning::NotKept { .. }]));
    assert!(!store(&cache, &node), "writing has ended for this run");
    assert!(!is_whole(&open(&fs), &fs, &node));
    let next = open(&fs);
    assert!(store(&next, &node) && is_whole(&next, &fs, &node));
}

#[test]
fn row_07_a_read_only_cache_serves_hits_with_one_warning() {
    let nodes = nodes(3);
    let fs = sealed_with(&nodes[..2]);
    let cache = open_on(&fs, TODAY + 1);
    // Only the cache is read-only: the simulated file system knows no mounts, so restore first.
    assert!(is_whole(&cache, &fs, &nodes[0]));
    fs.fail_from(0, EROFS);
    assert!(!store(&cache, &nodes[2]));
    assert!(!store(&cache, &nodes[2]));
    assert_eq!(cache.get_record(&nodes[1].action).as_ref(), Some(&nodes[1].payload));
    assert!(cache.read_blob(&BlobDigest::of(&nodes[1].blobs[1]), 1 << 20).is_some());
    cache.finish();
    assert!(matches!(cache.take_warnings()[..], [Warning::WritesDisabled { .. }]));
}

#[test]
fn row_09_blob_bit_flip() {
    let node = node(1, &[60, 4097]);
    let (small, large) = (&node.blobs[0], &node.blobs[1]);
    let digest = BlobDigest::of(large);
    let fs = sealed_with(std::slice::from_ref(&node));
    let cache = open(&fs);
    let path = fs.files_in("/cache/blobs").remove(0);
    let dest = Path::new("/work/out");
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
        let restored = cache.restore(&digest, 4200, Path::new("/work/out"), false);
        assert!(matches!(restored, Err(RestoreError::Damaged { .. })), "{len}");
        assert!(cache.put_bytes(&node.blobs[0]).kept);
        fs.damage(&path, |bytes| bytes.resize(len, 0));
        assert_eq!(cache.read_blob(&digest, 1 << 20), None, "{len}");
        assert!(store(&cache, &node) && is_whole(&cache, &fs, &node), "{len}");
    }
    // A record that is wrong about the size does not cost the blob.
    let restored = cache.restore(&digest, 4300, Path::new("/work/out"), false);
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
        assert_eq!(cache.stats(), crate::store::cache_options::CacheStats { misses: 2, quarantined: 1, ..cache.stats() });
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
    let restored = cache.restore(&digest, 5000, Path::new("/work/out"), false);
    assert!(matches!(restored, Err(RestoreError::Missing { .. })));
    // The work is done again, this time with another payload, which replaces the record.
    let payload = [&node.payload[..], b"again"].concat();
    assert!(cache.put_bytes(&node.blobs[0]).kept && cache.put_record(&node.action, &node.own, &payload));
    cache.finish();
    assert_eq!(open(&fs).get_record(&node.action), Some(payload));
}

#[test]
fn row_17_many_runs_share_one_cache_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("cache");
    let run = |seed: u32| {
        let cache = Cache::open(Arc::new(RealFs), CacheOptions::new(&root, TODAY)).unwrap();
        std::thread::scope(|scope| {
            for part in 0..2 {
                let cache = &cache;
                scope.spawn(move || (0..25).for_each(|n| assert!(store(cache, &node(seed % 3 * 50 + part * 25 + n, &[10, 5000])))));
            }
        });
        cache.finish();
        assert_eq!(cache.take_warnings(), []);
    };
    std::thread::scope(|scope| {
        for seed in 0..8 {
            scope.spawn(move || (0..3).for_each(|round| run(seed + round)));
        }
    });
    let cache = Cache::open(Arc::new(RealFs), CacheOptions::new(&root, TODAY)).unwrap();
    for id in 0..150 {
        let node = node(id, &[10, 5000]);
        assert_eq!(cache.get_record(&node.action), Some(node.payload.clone()));
        for bytes in &node.blobs {
            assert_eq!(cache.read_blob(&BlobDigest::of(bytes), 1 << 20).as_ref(), Some(bytes));
        }
    }
    assert_eq!(cache.verify().unwrap().damaged, [] as [String; 0]);
}

#[test]
fn row_18_collecting_beside_builds_never_makes_a_result_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("cache");
    let done = std::sync::atomic::AtomicBool::new(false);
    let (root, done) = (&root, &done);
    // Nothing is young here, and everything is over the limit: the harshest collector there can be.
    let policy = GcPolicy { max_bytes: 0, max_age_days: 0, spare_seconds: 0 };
    std::thread::scope(|scope| {
        let collector = scope.spawn(move || {
            let mut collected = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let cache = Cache::open(Arc::new(RealFs), CacheOptions::new(root, TODAY)).unwrap();
                collected += cache.gc(&policy, &blobs_of).unwrap().records_removed;
            }
            collected
        });
        for round in 0..40 {
            let cache = Cache::open(Arc::new(RealFs), CacheOptions::new(root, TODAY)).unwrap();
            for id in 0..10 {
                let node = node(round % 4 * 10 + id, &[10, 5000]);
                if let Some(payload) = cache.get_record(&node.action) {
                    assert_eq!(payload, node.payload);
                }
                assert!(store(&cache, &node));
                for bytes in &node.blobs {
                    if let Some(found) = cache.read_blob(&BlobDigest::of(bytes), 1 << 20) {
                        assert_eq!(found, *bytes);
                    }
                }
            }
            cache.finish();
            assert_eq!(cache.take_warnings(), []);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(collector.join().unwrap() > 0, "the collector must have had work");
    });
}

#[test]
fn row_65_a_cache_opened_for_reading_changes_nothing() {
    let nodes = nodes(2);
    let fs = sealed_with(&nodes);
    let before = fs.changes();
    let read_only = CacheOptions { access: Access::ReadOnly, ..CacheOptions::new("/cache", TODAY + 9) };
    let cache = open_with(&fs, read_only.clone());
    assert!(cache.get_record(&nodes[0].action).is_some());
    assert!(!store(&cache, &node(9, &[5000])));
    assert!(matches!(cache.gc(&GcPolicy::default(), &blobs_of), Err(CacheError::NotWritable { .. })));
    assert_eq!(cache.verify().unwrap().records, 2);
    cache.finish();
    let absent = open_with(&fs, CacheOptions { root: "/absent".into(), ..read_only });
    assert_eq!(absent.get_record(&nodes[0].action), None);
    assert_eq!(fs.changes(), before);
    assert!(fs.metadata(Path::new("/absent")).is_err());
    assert_eq!(cache.take_warnings(), []);
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
    assert!(store(&cache, &node(5, &[])));
    assert!(fs.files_in("/cache/segments").iter().max().is_some_and(|path| path.to_str().unwrap().contains("100-")));
}

#[test]
fn row_67_folders_that_others_could_have_filled_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let options = CacheOptions::new(dir.path(), TODAY);
    let open = |options: &CacheOptions| Cache::open(Arc::new(RealFs), options.clone());
    assert!(open(&options).is_ok());
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let Err(error) = open(&options) else { panic!("a world-writable cache was accepted") };
    assert!(error.to_string().contains("chmod 700"), "{error}");
    assert!(open(&CacheOptions { trust_any_owner: true, ..options.clone() }).is_ok());
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(dir.path(), Some(12345), None).unwrap();
        let Err(error) = open(&options) else { panic!("a foreign cache was accepted") };
        assert!(matches!(error, CacheError::ForeignOwner { owner: 12345, .. }));
    }
}
