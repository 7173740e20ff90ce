//! The blob side of [`Cache`]: small blobs are entries of segments, large ones files.

use std::cell::Cell;
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
            let kept = self.blobs.size(&digest) == Some(size);
            if let (Some(spill), false) = (&self.spill, kept) {
                // If this fails too, whoever needs the blob says so.
                let _ = spill.add_file(&*file, size);
            }
            unchanged(&*file, path, size)?;
            return Ok(Put { digest, size, kept });
        }
        let added = self.blobs.add_file(&*file, size).map_err(|error| source_error(path, error))?;
        unchanged(&*file, path, size)?;
        self.counters.bytes_stored.fetch_add(size, Ordering::Relaxed);
        if let Some(failure) = &added.failure {
            self.write_failed(&path.display().to_string(), failure);
            if let Some(spill) = &self.spill {
                let _ = spill.add_file(&*file, size);
            }
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
        if !kept {
            self.spill_bytes(bytes);
        }
        Put { digest, size, kept }
    }

    /// Holds bytes that the cache folder cannot take for the rest of this run.
    pub(crate) fn spill_bytes(&self, bytes: &[u8]) {
        if let Some(spill) = &self.spill {
            let _ = spill.add_bytes(bytes, &BlobDigest::of(bytes));
        }
    }

    /// Whether the store has a blob of that digest and size, judged without reading it.
    pub fn has_blob(&self, digest: &BlobDigest, size: u64) -> bool {
        let kept = match size <= SMALL_BLOB {
            true => self.entry_len(&EntryKey::blob(digest)).map(u64::from) == Some(size + BLOB_HEAD as u64),
            false => self.blobs.size(digest) == Some(size),
        };
        kept || self.spill.as_ref().is_some_and(|spill| spill.size(digest) == Some(size))
    }

    /// Lays a blob out at `dest`, replacing a file there, with the execute bits if `executable`. The bytes are
    /// verified before anything appears at `dest`; missing parent folders are made.
    pub fn restore(&self, digest: &BlobDigest, size: u64, dest: &Path, executable: bool) -> Result<(), RestoreError> {
        let place = Place { dest, executable, scratch: self.options.scratch.as_deref() };
        let restored = self.restore_kept(digest, size, &place);
        match (&restored, &self.spill) {
            (Err(RestoreError::Missing { .. } | RestoreError::Damaged { .. }), Some(spill))
                if spill.size(digest).is_some() =>
            {
                spill.restore(digest, size, &place)?;
            }
            _ => restored?,
        }
        self.counters.bytes_restored.fetch_add(size, Ordering::Relaxed);
        Ok(())
    }

    fn restore_kept(&self, digest: &BlobDigest, size: u64, place: &Place<'_>) -> Result<(), RestoreError> {
        if size > SMALL_BLOB {
            let restored = self.blobs.restore(digest, size, place);
            return restored.inspect_err(|error| self.note_damage(error, digest));
        }
        let bytes = self.small_blob(digest)?.ok_or_else(|| missing(digest))?;
        if bytes.len() as u64 != size {
            return Err(missing(digest));
        }
        let failed = |source| RestoreError::Io { path: place.dest.to_path_buf(), source };
        self.blobs.restore_bytes(&bytes, place).map_err(failed)
    }

    /// A blob's bytes, verified; `None` if it is absent, damaged (then it was set aside) or longer than `cap` bytes.
    pub fn read_blob(&self, digest: &BlobDigest, cap: u64) -> Option<Vec<u8>> {
        let held = || self.spill.as_ref()?.read(digest, cap).ok()?;
        let bytes = self.read_kept(digest, cap).or_else(held)?;
        self.counters.bytes_restored.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Some(bytes)
    }

    fn read_kept(&self, digest: &BlobDigest, cap: u64) -> Option<Vec<u8>> {
        match self.small_blob(digest).ok()? {
            Some(bytes) => (bytes.len() as u64 <= cap).then_some(bytes),
            None => self.blobs.read(digest, cap).inspect_err(|error| self.note_damage(error, digest)).ok()?,
        }
    }

    /// A blob from the segments: `Ok(None)` if none has it, an error if all that have it are damaged.
    fn small_blob(&self, digest: &BlobDigest) -> Result<Option<Vec<u8>>, RestoreError> {
        let there = Cell::new(false);
        let content = |frame| {
            there.set(true);
            blob_content(frame, digest)
        };
        match self.lookup(&EntryKey::blob(digest), content) {
            None if there.get() => Err(RestoreError::Damaged { digest: digest.short() }),
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::sync::Arc;

    use super::*;
    use crate::store::cache_options::CacheOptions;
    use crate::store::fs::{RealFs, reflink};
    use crate::store::sim_cache::{TODAY, node, open, store};
    use crate::store::sim_fs::SimFs;

    #[test]
    fn captured_and_restored_files_share_nothing_with_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = dir.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        let options = CacheOptions::new(dir.path().join("cache"), TODAY);
        let cache = Cache::open(Arc::new(RealFs), CacheOptions { scratch: Some(scratch.clone()), ..options }).unwrap();
        for size in [0, 1, 4096, 4097, 5 << 20] {
            let source = dir.path().join("source");
            let bytes = vec![3; size];
            std::fs::write(&source, &bytes).unwrap();
            let put = cache.put_file(&source).unwrap();
            assert_eq!((put.digest, put.size, put.kept), (BlobDigest::of(&bytes), size as u64, true));
            assert_eq!(cache.hash_file(&source).unwrap(), (put.digest, put.size));
            assert!(cache.has_blob(&put.digest, put.size) && !cache.has_blob(&put.digest, put.size + 1));
            for executable in [false, true] {
                let dest = dir.path().join("new/folder/out");
                cache.restore(&put.digest, put.size, &dest, executable).unwrap();
                assert_eq!(std::fs::read(&dest).unwrap(), bytes);
                let meta = std::fs::metadata(&dest).unwrap();
                assert_eq!(meta.permissions().mode() & 0o111 != 0, executable);
                assert!(meta.permissions().mode() & 0o200 != 0 && meta.nlink() == 1);
                // Writing through the restored file leaves the store as it was.
                std::fs::write(&dest, b"edited").unwrap();
            }
            std::fs::write(&source, b"edited").unwrap();
            assert_eq!(cache.read_blob(&put.digest, u64::MAX).unwrap(), bytes);
            assert_eq!(cache.read_blob(&put.digest, 4), (size <= 4).then_some(bytes));
        }
        assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
        let modes = [cache.root().to_path_buf(), cache.root().join("segments")]
            .map(|path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777);
        assert_eq!(modes, [0o700; 2]);
    }

    #[test]
    fn blobs_are_read_only_files_and_written_once() {
        let fs = SimFs::new();
        let cache = open(&fs);
        let node = node(1, &[10, 6000]);
        assert!(store(&cache, &node) && store(&cache, &node));
        let [blob] = <[_; 1]>::try_from(fs.files_in("/cache/blobs")).unwrap();
        assert_eq!(crate::store::fs::Fs::metadata(&fs, &blob).unwrap().mode, 0o444);
        cache.finish();
        let len = |fs: &SimFs| fs.files_in("/cache/segments").len();
        let again = open(&fs);
        assert!(node.blobs.iter().all(|bytes| again.put_bytes(bytes).kept));
        again.finish();
        assert_eq!(len(&fs), 1, "nothing new, no segment");
    }

    #[test]
    fn a_missing_source_is_an_error_of_the_source() {
        let cache = open(&SimFs::new());
        let error = cache.put_file(Path::new("/project/none")).unwrap_err();
        assert!(error.to_string().contains("/project/none"), "{error}");
    }

    #[test]
    fn reflinks_are_tried_and_their_absence_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| crate::store::fs::Fs::open_write(&RealFs, &dir.path().join(name)).unwrap());
        a.write_at(&[1; 8192], 0).unwrap();
        if reflink(&*a, &*b) {
            assert_eq!(b.meta().unwrap().len, 8192);
        }
    }
}
