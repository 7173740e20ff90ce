//! Writing a segment: frames gathered in a buffer, written with one call per finished node, sealed at the end.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::frame;
use crate::store::fs::{Fs, FsFile};
use crate::store::segment::{
    ENTRY_LEN, Entry, EntryKey, EntryKind, FANOUT_LEN, FANOUT_SLOTS, FORMAT, INDEX_MAGIC, Location, TRAILER_LEN,
    blob_bytes, read_raw,
};

/// The buffer is written out when it holds this much, even if no node has finished.
const BUFFER: usize = 1 << 20;

/// A segment being written. Its file is locked while this lives, which tells others that its run is not over.
pub(crate) struct SegmentWriter {
    path: PathBuf,
    file: Arc<dyn FsFile>,
    /// Bytes in the file. They may be followed by what a failed write left; the next write covers it.
    flushed: u64,
    /// How many of them are known to be on the disk.
    synced: u64,
    pending: Vec<u8>,
    pending_keys: Vec<EntryKey>,
    index: HashMap<EntryKey, Location>,
    /// Blobs of writes that failed.
    unwritten: Vec<Vec<u8>>,
}

/// An entry of the segment being written.
pub(crate) enum Held {
    /// Its frame, still in the buffer.
    Buffered(Vec<u8>),
    /// Its frame is in the file.
    Written(Arc<dyn FsFile>, Location),
}

impl Held {
    /// Its frame, read if need be; `None` if that cannot be done.
    pub(crate) fn frame(self) -> Option<Vec<u8>> {
        match self {
            Self::Buffered(frame) => Some(frame),
            Self::Written(file, location) => read_raw(&*file, location),
        }
    }
}

impl SegmentWriter {
    /// Creates the file; the first bytes are written by the first flush.
    pub(crate) fn create(fs: &dyn Fs, path: &Path) -> io::Result<Self> {
        let file: Arc<dyn FsFile> = Arc::from(fs.create_new(path, 0o600)?);
        // Where locks are not supported, others take this segment for one in use until it is a day old.
        let _ = file.try_lock();
        let pending = FORMAT.header().to_vec();
        let (pending_keys, index, unwritten) = Default::default();
        Ok(Self { path: path.to_path_buf(), file, flushed: 0, synced: 0, pending, pending_keys, index, unwritten })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self) -> Arc<dyn FsFile> {
        Arc::clone(&self.file)
    }

    /// What a sync has to do: the file, and the length to be told to [`SegmentWriter::mark_synced`] after it.
    pub(crate) fn unsynced(&self) -> Option<(Arc<dyn FsFile>, u64)> {
        (self.flushed > self.synced).then(|| (self.file(), self.flushed))
    }

    pub(crate) fn mark_synced(&mut self, end: u64) {
        self.synced = self.synced.max(end);
    }

    pub(crate) fn contains(&self, key: &EntryKey) -> bool {
        self.index.contains_key(key)
    }

    /// Whether nothing has reached the file.
    pub(crate) fn is_unwritten(&self) -> bool {
        self.flushed == 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Appends an entry to the buffer. An error means that a full buffer could not be written, as for
    /// [`SegmentWriter::flush`], or that the entry is too long.
    pub(crate) fn put(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        if self.pending.len() >= BUFFER {
            self.flush()?;
        }
        let offset = self.flushed + self.pending.len() as u64;
        let whole = match entry {
            Entry::Record { action, own, day, payload } => {
                let parts = [action.as_bytes(), own.as_bytes(), &day.to_le_bytes()[..], payload];
                frame::push_frame(&mut self.pending, EntryKind::Record as u8, &parts)
            }
            Entry::Blob { digest, bytes } => {
                frame::push_frame(&mut self.pending, EntryKind::Blob as u8, &[digest.as_bytes(), bytes])
            }
            Entry::Used { action, day } => {
                let parts = [&action.as_bytes()[..], &day.to_le_bytes()];
                frame::push_frame(&mut self.pending, EntryKind::Used as u8, &parts)
            }
        };
        if !whole {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let end = self.flushed + self.pending.len() as u64;
        let location = Location { offset, len: (end - offset - frame::frame_len(0)) as u32 };
        let (key, second) = entry.keys();
        for key in std::iter::once(key).chain(second) {
            self.index.insert(key, location);
            self.pending_keys.push(key);
        }
        Ok(())
    }

    /// Writes the buffer with one call. After an error what was in it is forgotten, and counts as never put.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.pending_keys.is_empty() {
            return Ok(());
        }
        let written = self.file.write_at(&self.pending, self.flushed);
        match written {
            Ok(()) => self.flushed += self.pending.len() as u64,
            Err(_) => {
                for key in &self.pending_keys {
                    if let (EntryKind::Blob, Some(Held::Buffered(frame))) = (key.kind, self.find(key)) {
                        self.unwritten.extend(blob_bytes(&frame).map(<[u8]>::to_vec));
                    }
                    self.index.remove(key);
                }
            }
        }
        self.pending.clear();
        self.pending_keys.clear();
        if self.flushed == 0 {
            self.pending.extend_from_slice(&FORMAT.header());
        }
        written
    }

    /// Blobs that were put and could not be written, since the last call: forgotten here, and still wanted by this run.
    pub(crate) fn take_unwritten(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.unwritten)
    }

    /// The entry with this key, if this run has put one.
    pub(crate) fn find(&self, key: &EntryKey) -> Option<Held> {
        let location = *self.index.get(key)?;
        if location.offset < self.flushed {
            return Some(Held::Written(self.file(), location));
        }
        let start = (location.offset - self.flushed) as usize;
        let end = start + frame::frame_len(location.len) as usize;
        self.pending.get(start..end).map(|frame| Held::Buffered(frame.to_vec()))
    }

    /// The blobs that this run has put, those that can be read.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = Vec<u8>> {
        self.index.keys().filter(|key| key.kind == EntryKind::Blob).filter_map(|key| {
            let frame = self.find(key)?.frame()?;
            blob_bytes(&frame).map(<[u8]>::to_vec)
        })
    }

    /// Length of the body of the entry with this key.
    pub(crate) fn len_of(&self, key: &EntryKey) -> Option<u32> {
        self.index.get(key).map(|location| location.len)
    }

    /// Writes buffer and footer, without syncing. After an error the segment remains readable as an unsealed one.
    pub(crate) fn seal(&mut self) -> io::Result<()> {
        self.flush()?;
        if self.is_unwritten() {
            return Ok(());
        }
        let mut entries: Vec<(&EntryKey, &Location)> = self.index.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| **key);
        let mut footer = Vec::with_capacity(entries.len() * ENTRY_LEN + FANOUT_LEN + TRAILER_LEN);
        let mut fanout = [0_u32; FANOUT_SLOTS];
        for (key, location) in &entries {
            footer.push(key.kind as u8);
            footer.extend_from_slice(&key.digest);
            footer.extend_from_slice(&location.offset.to_le_bytes());
            footer.extend_from_slice(&location.len.to_le_bytes());
            fanout[key.slot()] += 1;
        }
        let checked_from = footer.len();
        let mut before = 0;
        for slot in fanout {
            before += slot;
            footer.extend_from_slice(&before.to_le_bytes());
        }
        footer.extend_from_slice(&self.flushed.to_le_bytes());
        footer.extend_from_slice(&before.to_le_bytes());
        footer.extend_from_slice(INDEX_MAGIC);
        let check = blake3::hash(&footer[checked_from..]);
        footer.extend_from_slice(&check.as_bytes()[..16]);
        self.file.write_at(&footer, self.flushed)
    }
}
