//! Blobs too large for a segment: one read-only file each, named by its digest.
//!
//! `blobs/ab/<62 hex digits>`, written under `tmp/` and renamed. Two writers of one blob write the same bytes, so a
//! lost race does no harm. No file of a project ever shares an inode with a blob: capture and restore share extents
//! where the file system can (reflink), and copy elsewhere, hashing the very bytes that are copied.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::digest::{BlobDigest, encode_hex};
use crate::store::cache_error::RestoreError;
use crate::store::fs::{FileKind, Fs, FsFile, Meta, reflink, unique_name};
use crate::store::hash::Pass;

/// The blob files of a cache.
pub(crate) struct Blobs {
    fs: Arc<dyn Fs>,
    root: PathBuf,
    threads: usize,
    /// Blobs written since the last sync.
    unsynced: Mutex<Vec<PathBuf>>,
}

/// A file or bytes that were to be stored.
pub(crate) struct Added {
    pub(crate) digest: BlobDigest,
    pub(crate) size: u64,
    /// Why it was not kept; the digest is right all the same.
    pub(crate) failure: Option<io::Error>,
}

/// Where to restore to.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) dest: &'a Path,
    pub(crate) executable: bool,
    /// Folder for the unfinished file; `None`: beside `dest`.
    pub(crate) scratch: Option<&'a Path>,
}

impl Blobs {
    pub(crate) fn new(fs: Arc<dyn Fs>, root: &Path, threads: usize) -> Self {
        Self { fs, root: root.to_path_buf(), threads, unsynced: Mutex::default() }
    }

    pub(crate) fn path(&self, digest: &BlobDigest) -> PathBuf {
        let (first, rest) = digest.as_bytes().split_at(1);
        self.root.join("blobs").join(encode_hex(first)).join(encode_hex(rest))
    }

    /// Size of the blob's file, unread.
    pub(crate) fn size(&self, digest: &BlobDigest) -> Option<u64> {
        let meta = self.fs.metadata(&self.path(digest)).ok()?;
        (meta.kind == FileKind::File).then_some(meta.len)
    }

    /// Hashes a file without storing it.
    pub(crate) fn hash(&self, source: &dyn FsFile, size: u64) -> io::Result<BlobDigest> {
        Pass { source, len: size, target: None, threads: self.threads }.run()
    }

    /// Stores the first `size` bytes of a file. An error means that the *file* could not be read.
    pub(crate) fn add_file(&self, source: &dyn FsFile, size: u64) -> io::Result<Added> {
        match self.capture(source, size) {
            Ok(digest) => Ok(Added { digest, size, failure: None }),
            Err(failure) => Ok(Added { digest: self.hash(source, size)?, size, failure: Some(failure) }),
        }
    }

    fn capture(&self, source: &dyn FsFile, size: u64) -> io::Result<BlobDigest> {
        let (temp, target) = self.create_temp()?;
        let threads = self.threads;
        let digest = if reflink(source, &*target) && target.meta()?.len == size {
            Pass { source: &*target, len: size, target: None, threads }.run()
        } else {
            Pass { source, len: size, target: Some(&*target), threads }.run()
        };
        digest.and_then(|digest| self.keep(&temp, &digest, size).map(|()| digest)).inspect_err(|_| {
            let _ = self.fs.remove(&temp);
        })
    }

    /// Stores bytes whose digest is known.
    pub(crate) fn add_bytes(&self, bytes: &[u8], digest: &BlobDigest) -> io::Result<()> {
        let size = bytes.len() as u64;
        if self.holds_whole(digest, size) {
            return Ok(());
        }
        let (temp, target) = self.create_temp()?;
        target.write_at(bytes, 0).and_then(|()| self.keep(&temp, digest, size)).inspect_err(|_| {
            let _ = self.fs.remove(&temp);
        })
    }

    /// Creates a read-only file to be renamed into place by [`Blobs::keep`].
    pub(crate) fn create_temp(&self) -> io::Result<(PathBuf, Box<dyn FsFile>)> {
        let folder = self.root.join("tmp");
        let temp = folder.join(unique_name());
        let file = match self.fs.create_new(&temp, 0o444) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.fs.create_dir_all(&folder, 0o700)?;
                self.fs.create_new(&temp, 0o444)?
            }
            other => other?,
        };
        Ok((temp, file))
    }

    /// Whether the blob is there already and need not be written again. Its content is looked at, since a power cut
    /// can leave a file of the right size with other bytes; reading it costs less than the work that made it anew.
    fn holds_whole(&self, digest: &BlobDigest, size: u64) -> bool {
        let whole = self.size(digest) == Some(size) && self.verify(digest, size).unwrap_or(false);
        if whole {
            // Younger than the collector's limit again, so that it is there when the record that names it comes.
            let _ = self.fs.touch(&self.path(digest));
        }
        whole
    }

    /// Moves a finished temporary file to its place; if the blob is there already, that one stays.
    pub(crate) fn keep(&self, temp: &Path, digest: &BlobDigest, size: u64) -> io::Result<()> {
        let path = self.path(digest);
        if self.holds_whole(digest, size) {
            return self.fs.remove(temp);
        }
        match self.fs.rename(temp, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.fs.create_dir_all(path.parent().unwrap_or(&self.root), 0o700)?;
                self.fs.rename(temp, &path)?;
            }
            other => other?,
        }
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).push(path);
        Ok(())
    }

    /// Forces what was stored since the last call to the disk. After a failed sync its pages may be lost without
    /// another word, so those blobs are removed; `lost` is told each one before that.
    pub(crate) fn sync(&self, lost: impl Fn(&Path)) -> io::Result<()> {
        let files = std::mem::take(&mut *self.unsynced.lock().unwrap_or_else(PoisonError::into_inner));
        if files.is_empty() {
            return Ok(());
        }
        self.fs.sync_files(&files, &self.root).inspect_err(|_| {
            for file in &files {
                lost(file);
                let _ = self.fs.remove(file);
            }
        })
    }

    /// Puts the blob at `place`, verified.
    pub(crate) fn restore(&self, digest: &BlobDigest, size: u64, place: &Place<'_>) -> Result<(), RestoreError> {
        let failed = |source| RestoreError::Io { path: place.dest.to_path_buf(), source };
        let path = self.path(digest);
        let blob = match self.fs.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(digest)),
            other => other.map_err(failed)?,
        };
        let len = blob.meta().map_err(failed)?.len;
        if len != size {
            // Either the blob was cut, or the record that names it is wrong about its size.
            return Err(match self.hash(&*blob, len) {
                Ok(found) if found == *digest => missing(digest),
                _ => self.damaged(digest),
            });
        }
        let found = self.place(place, |target| {
            let threads = self.threads;
            if reflink(&*blob, target) {
                Pass { source: target, len: size, target: None, threads }.run()
            } else {
                Pass { source: &*blob, len: size, target: Some(target), threads }.run()
            }
            .map(|found| found == *digest)
        });
        if found.map_err(failed)? { Ok(()) } else { Err(self.damaged(digest)) }
    }

    /// Puts `bytes` at `place`.
    pub(crate) fn restore_bytes(&self, bytes: &[u8], place: &Place<'_>) -> io::Result<()> {
        self.place(place, |target| target.write_at(bytes, 0).map(|()| true)).map(drop)
    }

    /// Fills a temporary file and renames it to its place if `fill` says that it is good.
    fn place(&self, place: &Place<'_>, fill: impl Fn(&dyn FsFile) -> io::Result<bool>) -> io::Result<bool> {
        let beside = place.dest.parent().unwrap_or(Path::new(""));
        let attempt = |folder: &Path| -> io::Result<bool> {
            let temp = folder.join(format!(".ocelot-{}", unique_name()));
            let target = self.fs.create_new(&temp, if place.executable { 0o777 } else { 0o666 })?;
            let placed = match fill(&*target) {
                Ok(true) => self.fs.rename(&temp, place.dest).map(|()| true),
                other => other,
            };
            if !matches!(placed, Ok(true)) {
                let _ = self.fs.remove(&temp);
            }
            placed
        };
        let first = attempt(place.scratch.unwrap_or(beside));
        match &first {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.fs.create_dir_all(beside, 0o777)?;
                attempt(beside)
            }
            // The scratch folder is on another file system than the destination, or cannot be written.
            Err(error) if place.scratch.is_some() && is_of_scratch(error) => attempt(beside),
            _ => first,
        }
    }

    /// Reads a blob of at most `cap` bytes whole. `Ok(None)`: absent or longer; `Err`: damaged, and set aside.
    pub(crate) fn read(&self, digest: &BlobDigest, cap: u64) -> Result<Option<Vec<u8>>, RestoreError> {
        if self.size(digest).is_none_or(|size| size > cap) {
            return Ok(None);
        }
        match crate::store::fs::read_file(&*self.fs, &self.path(digest)) {
            Ok(bytes) if BlobDigest::of(&bytes) == *digest => Ok(Some(bytes)),
            Ok(_) => Err(self.damaged(digest)),
            Err(_) => Ok(None),
        }
    }

    /// Calls `visit` for every blob file.
    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(BlobDigest, Meta)) -> io::Result<()> {
        let folder = self.root.join("blobs");
        for first in self.names(&folder)? {
            let below = folder.join(&first);
            for rest in self.names(&below)? {
                let Some(digest) = BlobDigest::from_hex(&format!("{first}{rest}")) else { continue };
                match self.fs.metadata(&below.join(&rest)) {
                    Ok(meta) if meta.kind == FileKind::File => visit(digest, meta),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        match self.fs.list(folder) {
            Ok(names) => Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Whether the blob's file has its digest.
    pub(crate) fn verify(&self, digest: &BlobDigest, len: u64) -> io::Result<bool> {
        Ok(self.hash(&*self.fs.open(&self.path(digest))?, len)? == *digest)
    }

    /// Sets the blob aside, and says so.
    pub(crate) fn damaged(&self, digest: &BlobDigest) -> RestoreError {
        let folder = self.root.join("quarantine");
        let aside = folder.join(format!("{}-{}", digest.to_hex(), unique_name()));
        let path = self.path(digest);
        let moved = self.fs.create_dir_all(&folder, 0o700).and_then(|()| self.fs.rename(&path, &aside));
        if moved.is_err() {
            let _ = self.fs.remove(&path);
        }
        RestoreError::Damaged { digest: digest.short() }
    }
}

fn is_of_scratch(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), CrossesDevices | PermissionDenied | ReadOnlyFilesystem)
}

pub(crate) fn missing(digest: &BlobDigest) -> RestoreError {
    RestoreError::Missing { digest: digest.short() }
}
