//! A cache on the simulated file system, and nodes to store in it; for tests.

use std::path::Path;
use std::sync::Arc;

use crate::base::digest::{ActionDigest, BlobDigest, OwnDigest};
use crate::store::cache::Cache;
use crate::store::cache_blobs::Put;
use crate::store::cache_options::CacheOptions;
use crate::store::fs::{Fs, read_file};
use crate::store::sim_fs::SimFs;

/// The day that the simulated clock starts on.
pub(crate) const TODAY: u32 = 1_700_000_000 / 86_400;

/// Opens the cache at `/cache` on `fs`.
pub(crate) fn open(fs: &SimFs) -> Cache {
    open_on(fs, TODAY)
}

/// Opens the cache at `/cache` on `fs`, on a given day.
pub(crate) fn open_on(fs: &SimFs, today: u32) -> Cache {
    open_with(fs, CacheOptions::new("/cache", today))
}

/// Opens a cache on `fs`.
pub(crate) fn open_with(fs: &SimFs, options: CacheOptions) -> Cache {
    fs.create_dir_all(Path::new("/project"), 0o755).unwrap();
    Cache::open(Arc::new(fs.clone()), options).unwrap()
}

/// A node's result: a payload that lists its blobs, and those blobs.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) action: ActionDigest,
    pub(crate) own: OwnDigest,
    pub(crate) payload: Vec<u8>,
    pub(crate) blobs: Vec<Vec<u8>>,
}

/// A node with outputs of these sizes; other `id`, other bytes.
pub(crate) fn node(id: u32, sizes: &[usize]) -> Node {
    let blob = |(n, &len): (usize, &usize)| {
        let seed = BlobDigest::of(&[id.to_le_bytes(), (n as u32).to_le_bytes()].concat());
        seed.as_bytes().iter().copied().cycle().take(len).collect::<Vec<u8>>()
    };
    let blobs: Vec<Vec<u8>> = sizes.iter().enumerate().map(blob).collect();
    let mut payload = id.to_le_bytes().to_vec();
    for bytes in &blobs {
        payload.extend_from_slice(BlobDigest::of(bytes).as_bytes());
    }
    let (action, own) = keys_of(&payload).unwrap();
    Node { action, own, payload, blobs }
}

/// The blobs that a payload of [`node`] names.
pub(crate) fn blobs_of(payload: &[u8]) -> Vec<BlobDigest> {
    payload[4..].as_chunks::<32>().0.iter().map(|bytes| BlobDigest::from_bytes(*bytes)).collect()
}

/// The keys of a payload of [`node`].
pub(crate) fn keys_of(payload: &[u8]) -> Option<(ActionDigest, OwnDigest)> {
    payload.get(..4).map(|id| (ActionDigest::of(payload), OwnDigest::of(id)))
}

/// Stores blobs, then the record; true if everything was kept.
pub(crate) fn store(cache: &Cache, node: &Node) -> bool {
    let puts: Vec<Put> = node.blobs.iter().map(|bytes| cache.put_bytes(bytes)).collect();
    for (put, bytes) in puts.iter().zip(&node.blobs) {
        assert_eq!((put.digest, put.size), (BlobDigest::of(bytes), bytes.len() as u64), "a digest is always right");
    }
    puts.iter().all(|put| put.kept) && cache.put_record(&node.action, &node.own, &node.payload)
}

/// Whether record and blobs come back; panics if anything comes back wrong.
pub(crate) fn is_whole(cache: &Cache, fs: &SimFs, node: &Node) -> bool {
    let Some(payload) = cache.get_record(&node.action) else { return false };
    assert_eq!(payload, node.payload, "a record came back with other bytes");
    node.blobs.iter().all(|bytes| {
        let dest = Path::new("/project/out");
        let _ = fs.remove(dest);
        match cache.restore(&BlobDigest::of(bytes), bytes.len() as u64, dest, false) {
            Ok(()) => assert_eq!(read_file(fs, dest).unwrap(), *bytes, "a blob came back with other bytes"),
            Err(_) => assert!(fs.metadata(dest).is_err(), "something appeared although the restore failed"),
        }
        fs.metadata(dest).is_ok()
    })
}
