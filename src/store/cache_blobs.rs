//! The blob side of [`Cache`]: small blobs are entries of segments, large ones files.

use std::path::Path;
use std::sync::atomic::Ordering;

use crate::base::digest::BlobDigest;
use crate::store::blobs::{Place, missing};
use crate::store::cache::Cache;
use crate::store::cache_error::{CacheError, RestoreError};
use crate::store::fs::FsFile;
use crate::store::hash::with_buffer;
use crate::store::segment::{BLOB_HEAD, Entry, EntryKey, blob_bytes, blob_content};

/// Blobs up to this many bytes are kept in segments, larger ones as files.
pub const SMALL_BLOB: u64 = 4096;

/// Digest and size of something given to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Put {
    /// Digest of the bytes; right whether or not they were kept.
    pub digest: BlobDigest,
    /// Their number.
    pub size: u64,
    /// Whether the store has them now. If not, a record that names them is of no use.
    pub kept: bool,
}

impl Cache {
    /// Digest and size of a file, without storing it.
    pub fn hash_file(&self, path: &Path) -> Result<(BlobDigest, u64), CacheError> {
        let (file, size) = self.open_source(path)?;
        let digest = self.blobs.hash(&*file, size).map_err(|error| source_error(path, error))?;
        unchanged(&*file, path, size)?;
        Ok((digest, size))
    }

    /// Stores a file's bytes, reading it once. An error is about the *file*; if only the store failed, the digest is
    /// returned with `kept` false.
    pub fn put_file(&self, path: &Path) -> Result<Put, CacheError> {
        let (file, size) = self.open_source(path)?;
        if size <= SMALL_BLOB {
            // One byte more, to see whether the file grew.
            return with_buffer(SMALL_BLOB as usize + 1, |buffer| {
                let read = file.read_at(buffer, 0).map_err(|error| source_error(path, error))?;
                if read as u64 != size {
                    return Err(CacheError::Changed { path: path.to_path_buf() });
                }
                Ok(self.put_bytes(&buffer[..read]))
            });
        }
        if !self.can_write() {
            let digest = self.blobs.hash(&*file, size).map_err(|error| source_error(path, error))?;
            unchanged(&*file, path, size)?;
            return Ok(Put { digest, size, kept: self.blobs.size(&digest) == Some(size) });
        }
        let added = self.blobs.add_file(&*file, size).map_err(|error| source_error(path, error))?;
        unchanged(&*file, path, size)?;
        self.counters.bytes_stored.fetch_add(size, Ordering::Relaxed);
        if let Some(failure) = &added.failure {
            self.write_failed(&path.display().to_string(), failure);
        }
        let kept = added.failure.is_none() || self.blobs.size(&added.digest) == Some(size);
        Ok(Put { digest: added.digest, size: added.size, kept })
    }

    /// Stores bytes. Small ones become visible to other processes with the next record.
    pub fn put_bytes(&self, bytes: &[u8]) -> Put {
        let digest = BlobDigest::of(bytes);
        let size = bytes.len() as u64;
        self.counters.bytes_stored.fetch_add(size, Ordering::Relaxed);
        let kept = if size <= SMALL_BLOB {
            // Comparing with what is there costs less than hashing it, and heals a damaged entry.
            let held = |frame: Vec<u8>| (blob_bytes(&frame)? == bytes).then_some(());
            self.lookup(&EntryKey::blob(&digest), held).is_some()
                || self.write(|writer| writer.put(&Entry::Blob { digest, bytes }))
        } else if self.can_write() {
            let added = self.blobs.add_bytes(bytes, &digest);
            added.inspect_err(|error| self.write_failed(&format!("blob {}", digest.short()), error)).is_ok()
        } else {
            self.blobs.size(&digest) == Some(size)
        };
        Put { digest, size, kept }
    }

    /// Whether the store has a blob of that digest and size, judged without reading it.
    pub fn has_blob(&self, digest: &BlobDigest, size: u64) -> bool {
        match size <= SMALL_BLOB {
            true => self.entry_len(&EntryKey::blob(digest)).map(u64::from) == Some(size + BLOB_HEAD as u64),
            false => self.blobs.size(digest) == Some(size),
        }
    }

    /// Lays a blob out at `dest`, replacing a file there, with the execute bits if `executable`. The bytes are
    /// verified before anything appears at `dest`; missing parent folders are made.
    pub fn restore(
        &self,
        digest: &BlobDigest,
        size: u64,
        dest: &Path,
        executable: bool,
    ) -> Result<(), RestoreError> {
        let place = Place { dest, executable, scratch: self.options.scratch.as_deref() };
        if size > SMALL_BLOB {
            let restored = self.blobs.restore(digest, size, &place);
            restored.inspect_err(|error| self.note_damage(error, digest))?;
        } else {
            let bytes = self.small_blob(digest)?.ok_or_else(|| missing(digest))?;
            if bytes.len() as u64 != size {
                return Err(missing(digest));
            }
            let failed = |source| RestoreError::Io { path: dest.to_path_buf(), source };
            self.blobs.restore_bytes(&bytes, &place).map_err(failed)?;
        }
        self.counters.bytes_restored.fetch_add(size, Ordering::Relaxed);
        Ok(())
    }

    /// A blob's bytes, verified; `None` if it is absent, damaged (then it was set aside) or longer than `cap` bytes.
    pub fn read_blob(&self, digest: &BlobDigest, cap: u64) -> Option<Vec<u8>> {
        let bytes = match self.small_blob(digest).ok()? {
            Some(bytes) => (bytes.len() as u64 <= cap).then_some(bytes)?,
            None => self.blobs.read(digest, cap).inspect_err(|error| self.note_damage(error, digest)).ok()??,
        };
        self.counters.bytes_restored.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Some(bytes)
    }

    /// A blob from the segments: `Ok(None)` if none has it, an error if all that have it are damaged.
    fn small_blob(&self, digest: &BlobDigest) -> Result<Option<Vec<u8>>, RestoreError> {
        let key = EntryKey::blob(digest);
        let there = self.entry_len(&key).is_some();
        match self.lookup(&key, |frame| blob_content(frame, digest)) {
            None if there => Err(RestoreError::Damaged { digest: digest.short() }),
            found => Ok(found),
        }
    }

    fn note_damage(&self, error: &RestoreError, digest: &BlobDigest) {
        if matches!(error, RestoreError::Damaged { .. }) {
            self.damaged(format!("blob {}", digest.short()));
        }
    }

    fn open_source(&self, path: &Path) -> Result<(Box<dyn FsFile>, u64), CacheError> {
        let file = self.fs.open(path).map_err(|error| source_error(path, error))?;
        let size = file.meta().map_err(|error| source_error(path, error))?.len;
        Ok((file, size))
    }
}

fn source_error(path: &Path, error: std::io::Error) -> CacheError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => CacheError::Changed { path: path.to_path_buf() },
        _ => CacheError::io("read", path, error),
    }
}

/// Refuses a file whose length is no longer what was read of it.
fn unchanged(file: &dyn FsFile, path: &Path, size: u64) -> Result<(), CacheError> {
    match file.meta() {
        Ok(meta) if meta.len == size => Ok(()),
        Ok(_) => Err(CacheError::Changed { path: path.to_path_buf() }),
        Err(error) => Err(source_error(path, error)),
    }
}
