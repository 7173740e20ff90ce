//! Runs that are killed, machines that lose power, disks that fill up or fail.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::base::digest::BlobDigest;
use crate::store::cache::Cache;
use crate::store::cache_error::Warning;
use crate::store::cache_options::CacheOptions;
use crate::store::fault_tests::{nodes, sealed_with};
use crate::store::sim_cache::{Node, TODAY, is_whole, node, open, open_on, open_with, store};
use crate::store::sim_fs::{CRASHES, SimFs};

pub(super) const ENOSPC: i32 = 28;
pub(super) const EIO: i32 = 5;
const EROFS: i32 = 30;

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
            assert!(cut > 15);
            return;
        }
    }
}

/// Stores nodes with a sync after each; returns those that were synced without complaint.
fn run_with_syncs<'n>(fs: &SimFs, nodes: &'n [Node]) -> (Vec<&'n Node>, bool) {
    let mut complete = true;
    let cache = open(fs);
    let start = Instant::now();
    cache.maybe_sync(start);
    let mut durable = vec![];
    for (n, node) in (1..).zip(nodes) {
        let kept = store(&cache, node);
        cache.maybe_sync(start + Duration::from_secs(2 * n));
        complete &= kept && cache.take_warnings().is_empty();
        if complete {
            durable.push(node);
        }
    }
    cache.finish();
    (durable, complete && cache.take_warnings().is_empty())
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
                let whole = is_whole(&after, &fs, node);
                assert!(whole || !complete, "{crash:?} at call {cut}");
                let was_synced = durable.iter().any(|kept| kept.action == node.action);
                assert!(whole || !was_synced, "{crash:?} at call {cut}");
            }
            nodes.iter().for_each(|node| assert!(store(&after, node), "{crash:?} at call {cut}"));
            after.finish();
            let last = open(&fs);
            assert!(nodes.iter().all(|node| is_whole(&last, &fs, node)), "{crash:?} at call {cut}");
            if complete {
                assert!(cut > 25);
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
            let merged = cache.take_warnings().is_empty() && fs.files_in("/cache/segments").len() == 5;
            fs.crash(crash);
            let after = open(&fs);
            assert!(all[..8].iter().all(|node| is_whole(&after, &fs, node)), "{crash:?} at call {cut}");
            if merged {
                assert!(cut > 10 && is_whole(&after, &fs, &all[8]));
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

/// A cache whose run can hold what the cache folder does not take.
fn with_scratch(fs: &SimFs) -> Cache {
    open_with(fs, CacheOptions { scratch: Some("/project".into()), ..CacheOptions::new("/cache", TODAY) })
}

#[test]
fn row_04_what_a_full_disk_refused_is_found_at_every_moment() {
    let fs = SimFs::new();
    let cache = with_scratch(&fs);
    let node = node(1, &[100; 400]);
    let puts: Vec<_> = node.blobs.iter().map(|bytes| cache.put_bytes(bytes)).collect();
    assert!(puts.iter().all(|put| put.kept), "all are in the buffer");
    let (reads, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let lost = std::thread::scope(|scope| {
        // The last one is the last to be moved.
        let reader = scope.spawn(|| {
            let mut lost = 0;
            while !stop.load(Ordering::Relaxed) {
                lost += puts.iter().filter(|put| cache.read_blob(&put.digest, 100).is_none()).count();
                reads.store(true, Ordering::Relaxed);
            }
            lost
        });
        while !reads.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        fs.fail_once(0, ENOSPC);
        assert!(!cache.put_record(&node.action, &node.own, &node.payload));
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert_eq!(lost, 0, "a node beside the one that failed would have ended with an error");
    assert!(puts.iter().all(|put| cache.has_blob(&put.digest, 100)));
}

#[test]
fn row_05_what_a_failed_sync_discards_is_still_there_for_this_run() {
    for n in 0..3 {
        let fs = SimFs::new();
        let cache = with_scratch(&fs);
        let node = node(1, &[100, 5000]);
        let began = Instant::now();
        cache.maybe_sync(began);
        assert!(store(&cache, &node));
        let late = cache.put_bytes(b"still in the buffer");
        fs.fail_once(n, EIO);
        cache.maybe_sync(began + Duration::from_secs(2));
        assert!(matches!(cache.take_warnings()[..], [Warning::NotKept { .. }]), "call {n}");
        for bytes in &node.blobs {
            assert_eq!(cache.read_blob(&BlobDigest::of(bytes), 5000).as_ref(), Some(bytes), "call {n}");
        }
        assert_eq!(cache.read_blob(&late.digest, 100).as_deref(), Some(&b"still in the buffer"[..]), "call {n}");
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
fn row_05_a_failed_sync_amid_a_run_ends_writing_too() {
    for n in 0..2 {
        let fs = SimFs::new();
        let cache = open(&fs);
        let all = nodes(2);
        let began = Instant::now();
        cache.maybe_sync(began);
        assert!(store(&cache, &all[0]));
        fs.fail_once(n, EIO);
        cache.maybe_sync(began + Duration::from_secs(2));
        assert!(matches!(cache.take_warnings()[..], [Warning::NotKept { .. }]), "call {n}");
        assert!(!store(&cache, &all[1]), "writing has ended for this run");
        cache.finish();
        let after = open(&fs);
        assert!(all.iter().all(|node| !is_whole(&after, &fs, node)), "call {n}");
    }
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
