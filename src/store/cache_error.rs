//! What the content store reports: errors that stop an operation, and warnings that do not.

use std::io;
use std::path::{Path, PathBuf};

/// Why an operation of the content store could not be done.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The cache folder is another user's: its entries could be planted.
    #[error(
        "the cache folder {} belongs to user id {owner}, not to you: set XDG_CACHE_HOME to a folder of your own, \
         or run `sudo chown -R \"$(id -u)\" {}`",
        .path.display(),
        .path.display()
    )]
    ForeignOwner {
        /// The cache folder.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
    },
    /// Anybody can write to the cache folder, so its entries could be planted.
    #[error("the cache folder {} can be written by every user: run `chmod 700 {}`, or set OCELOT_TRUST_CACHE=1 if all of them may fill it", .path.display(), .path.display())]
    WorldWritable {
        /// The cache folder.
        path: PathBuf,
    },
    /// The path of the cache is there, but is no folder.
    #[error("the cache folder {} is not a folder: remove it, or set XDG_CACHE_HOME to another place", .path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// A system call failed.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was being done, as a verb ("read", "write").
        action: &'static str,
        /// The file it was done to.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file was written to while it was being stored.
    #[error("{} changed while it was being read: run again once nothing writes to it", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// An export was asked for something that the cache does not hold.
    #[error("cannot export {what}: it is missing or damaged in this cache; run the build first, then export again")]
    NotHeld {
        /// The record or blob.
        what: String,
    },
    /// A file given to import is no bundle, or a damaged one; nothing was imported.
    #[error("{} is not a usable cache bundle ({reason}); nothing was imported: export it again", .path.display())]
    BadBundle {
        /// The bundle.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The cache cannot be written, and the operation makes no sense without.
    #[error("the cache folder {} cannot be written: {reason}", .path.display())]
    NotWritable {
        /// The cache folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl CacheError {
    /// Wraps the answer of a system call.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }
}

/// Why a blob was not restored; nothing was put in place.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The store does not hold the blob (or not with that size).
    #[error("the cache no longer holds blob {digest}")]
    Missing {
        /// First digits of the digest.
        digest: String,
    },
    /// The stored bytes do not have their digest any more; they were set aside.
    #[error("blob {digest} was damaged in the cache and has been set aside")]
    Damaged {
        /// First digits of the digest.
        digest: String,
    },
    /// The file could not be written or the blob not be read.
    #[error("cannot restore {}: {source}", .path.display())]
    Io {
        /// The file that was to be written.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Something the person should know, though the run goes on and its results are right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// The cache folder cannot be written: results of this run are not kept. Said once.
    #[error("the cache folder {} cannot be written ({reason}): results of this run are not kept there", .path.display())]
    WritesDisabled {
        /// The cache folder.
        path: PathBuf,
        /// The system's answer.
        reason: String,
    },
    /// Something was not kept, for example because the disk is full. Said once.
    #[error("not kept in the cache: {what} ({reason}); the build is not affected")]
    NotKept {
        /// What was to be written.
        what: String,
        /// The system's answer.
        reason: String,
    },
    /// Stored bytes no longer had their digest; they were set aside and count as absent.
    #[error("{what} was damaged in the cache: set aside, and made anew when needed")]
    Damaged {
        /// The blob, record or segment.
        what: String,
    },
}
