//! Several runs over one cache, collectors beside them, and who may write it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::digest::BlobDigest;
use crate::store::cache::Cache;
use crate::store::cache_error::CacheError;
use crate::store::cache_options::{Access, CacheOptions};
use crate::store::fault_tests::{nodes, sealed_with};
use crate::store::fs::{Fs, RealFs};
use crate::store::gc::GcPolicy;
use crate::store::sim_cache::{TODAY, blobs_of, node, open_with, store};

#[test]
fn row_17_many_runs_share_one_cache_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("cache");
    let run = |seed: u32| {
        let cache = Cache::open(Arc::new(RealFs), CacheOptions::new(&root, TODAY)).unwrap();
        std::thread::scope(|scope| {
            for part in 0..2 {
                let cache = &cache;
                scope.spawn(move || {
                    (0..25).for_each(|n| assert!(store(cache, &node(seed % 3 * 50 + part * 25 + n, &[10, 5000]))))
                });
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
    let done = AtomicBool::new(false);
    let (root, done) = (&root, &done);
    // Nothing is young here, and everything is over the limit: the harshest collector there can be.
    let policy = GcPolicy { max_bytes: 0, max_age_days: 0, spare_seconds: 0 };
    std::thread::scope(|scope| {
        let collector = scope.spawn(move || {
            let mut collected = 0;
            while !done.load(Ordering::Relaxed) {
                let cache = Cache::open(Arc::new(RealFs), CacheOptions::new(root, TODAY)).unwrap();
                collected += cache.gc(&policy, &blobs_of).unwrap().records_removed;
            }
            collected
        });
        // Also when an assertion fails, or the collector would go on for ever.
        struct Done<'a>(&'a AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let guard = Done(done);
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
        drop(guard);
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
