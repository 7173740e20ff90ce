//! How a cache is opened, and what it counts.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::cache_error::CacheError;
use crate::store::fs::{FileKind, Fs};

/// Whether a cache may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Results of this run are kept.
    ReadWrite,
    /// Nothing is ever written, not even marks of use: for `plan` and other commands that promise to change nothing.
    ReadOnly,
}

/// How to open a cache.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// The cache folder; created when something is first written.
    pub root: PathBuf,
    /// Folder for unfinished files of restores, on the workspace's file system (so that a killed run leaves nothing
    /// that a glob could match). `None`: beside the destination.
    pub scratch: Option<PathBuf>,
    /// Days since 1970: the day to which uses of records are put down.
    pub today: u32,
    /// Whether this run may write.
    pub access: Access,
    /// Threads for hashing one large file; 1 keeps it on the caller's.
    pub hash_threads: usize,
    /// Accept a folder of another user, or one that all users can write.
    pub trust_any_owner: bool,
}

impl CacheOptions {
    /// A writable cache at `root`, with two hashing threads.
    pub fn new(root: impl Into<PathBuf>, today: u32) -> Self {
        let access = Access::ReadWrite;
        Self { root: root.into(), scratch: None, today, access, hash_threads: 2, trust_any_owner: false }
    }

    /// Refuses a cache folder that others could have filled. One that does not exist is fine.
    pub(crate) fn check_root(&self, fs: &dyn Fs) -> Result<(), CacheError> {
        let path = self.root.clone();
        let meta = match fs.metadata(&path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(CacheError::io("look at", &path, error)),
        };
        if meta.kind == FileKind::File {
            return Err(CacheError::NotAFolder { path });
        }
        if self.trust_any_owner {
            return Ok(());
        }
        if meta.owner != rustix::process::geteuid().as_raw() {
            return Err(CacheError::ForeignOwner { path, owner: meta.owner });
        }
        if meta.mode & 0o002 != 0 {
            return Err(CacheError::WorldWritable { path });
        }
        Ok(())
    }
}

/// What a [`Cache`](crate::store::cache::Cache) did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Records asked for and found.
    pub hits: u64,
    /// Records asked for and not found.
    pub misses: u64,
    /// Entries found damaged and set aside.
    pub quarantined: u64,
    /// Bytes of blobs and records given to the store (also those it had already).
    pub bytes_stored: u64,
    /// Bytes of blobs restored or read.
    pub bytes_restored: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) quarantined: AtomicU64,
    pub(crate) bytes_stored: AtomicU64,
    pub(crate) bytes_restored: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> CacheStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheStats {
            hits: read(&self.hits),
            misses: read(&self.misses),
            quarantined: read(&self.quarantined),
            bytes_stored: read(&self.bytes_stored),
            bytes_restored: read(&self.bytes_restored),
        }
    }
}
