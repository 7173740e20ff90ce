//! The content store as the engine sees it: action records and blobs, for all workspaces of a user.
//!
//! One [`Cache`] serves all threads of a run. Reading takes no lock of the store; writing takes one in this process
//! for the moment of appending to the run's own segment. Nothing that goes wrong with *keeping* a result is an error
//! of the run: it is told through [`Cache::take_warnings`], and the result is made again some day.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::base::digest::{ActionDigest, OwnDigest};
use crate::store::blobs::Blobs;
use crate::store::cache_error::{CacheError, Warning};
use crate::store::cache_options::{Access, CacheOptions, CacheStats, Counters};
use crate::store::compact::{self, MAX_SEGMENTS};
use crate::store::frame::{PREFIX_LEN, parse_frame};
use crate::store::fs::{Fs, FsFile};
use crate::store::segment::{self, Entry, EntryKey, RECORD_HEAD, Segment};
use crate::store::segment_writer::{Held, SegmentWriter};

/// The least time between two syncs by [`Cache::maybe_sync`]: what a power cut may cost.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// An open cache; shared by reference between threads.
pub struct Cache {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) options: CacheOptions,
    pub(crate) blobs: Blobs,
    /// Where this run holds what the cache folder cannot take, so that its own nodes can use it.
    pub(crate) spill: Option<Blobs>,
    pub(crate) counters: Counters,
    /// Newest first.
    segments: RwLock<Vec<Arc<Segment>>>,
    /// Number for this run's segment.
    next_number: AtomicU64,
    writer: Mutex<Option<SegmentWriter>>,
    writable: AtomicBool,
    said_not_kept: AtomicBool,
    warnings: Mutex<Vec<Warning>>,
    last_sync: Mutex<Option<Instant>>,
}

impl Cache {
    /// Opens the cache; a folder that does not exist is an empty cache. Refuses a folder that others could have
    /// filled.
    pub fn open(fs: Arc<dyn Fs>, options: CacheOptions) -> Result<Self, CacheError> {
        options.check_root(&*fs)?;
        let folder = compact::folder(&options.root);
        let listing = segment::open_all(&*fs, &folder).map_err(|error| CacheError::io("read", &folder, error))?;
        let warnings =
            listing.unreadable.iter().map(|path| Warning::Damaged { what: path.display().to_string() }).collect();
        Ok(Self {
            blobs: Blobs::new(Arc::clone(&fs), &options.root, options.hash_threads),
            spill: options
                .scratch
                .as_ref()
                .map(|scratch| Blobs::new(Arc::clone(&fs), &scratch.join("not-kept"), options.hash_threads)),
            writable: AtomicBool::new(options.access == Access::ReadWrite),
            segments: RwLock::new(listing.segments),
            next_number: AtomicU64::new(listing.next_number),
            writer: Mutex::default(),
            counters: Counters::default(),
            said_not_kept: AtomicBool::new(false),
            warnings: Mutex::new(warnings),
            last_sync: Mutex::default(),
            fs,
            options,
        })
    }

    /// The cache folder.
    pub fn root(&self) -> &Path {
        &self.options.root
    }

    /// The payload of the newest whole record of an action.
    pub fn get_record(&self, action: &ActionDigest) -> Option<Vec<u8>> {
        let found = self.lookup(&EntryKey::record(action), |frame| {
            let (kind, body) = parse_frame(&frame)?;
            match Entry::parse(kind, body)? {
                Entry::Record { action: named, day, .. } if named == *action => {
                    let end = PREFIX_LEN + body.len();
                    Some((frame, end, day))
                }
                _ => None,
            }
        });
        let Some((mut payload, end, day)) = found else {
            self.counters.misses.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.counters.hits.fetch_add(1, Ordering::Relaxed);
        if day < self.options.today {
            self.mark_used(action);
        }
        payload.truncate(end);
        payload.drain(..PREFIX_LEN + RECORD_HEAD);
        Some(payload)
    }

    /// Puts a use down to today, at most once a day; written with the next finished node.
    fn mark_used(&self, action: &ActionDigest) {
        if !self.can_write() {
            return;
        }
        let today = self.options.today;
        let marked = self.lookup(&EntryKey::used(action), |frame| {
            let (kind, body) = parse_frame(&frame)?;
            match Entry::parse(kind, body)? {
                Entry::Used { action: named, day } if named == *action => Some(day),
                _ => None,
            }
        });
        if marked.is_none_or(|day| day < today) {
            let entry = Entry::Used { action: *action, day: today };
            self.write(|writer| writer.put(&entry));
        }
    }

    /// Whether any record was made from this part of a manifest (verdict table, row 3).
    pub fn has_own(&self, own: &OwnDigest) -> bool {
        // Index and frame agreeing on 32 bytes is proof enough for a mark that carries no result.
        let own_at = PREFIX_LEN + 32..PREFIX_LEN + 64;
        self.lookup(&EntryKey::own(own), |frame| (frame.get(own_at.clone())? == own.as_bytes()).then_some(())).is_some()
    }

    /// Keeps a record, and everything put before it by any thread, visible to others from now on. False: not kept
    /// (see the warnings); the caller goes on.
    pub fn put_record(&self, action: &ActionDigest, own: &OwnDigest, payload: &[u8]) -> bool {
        self.counters.bytes_stored.fetch_add(payload.len() as u64, Ordering::Relaxed);
        let entry = Entry::Record { action: *action, own: *own, day: self.options.today, payload };
        self.write(|writer| writer.put(&entry).and_then(|()| writer.flush()))
    }

    /// Syncs blobs and then the segment if the last time was a second or more before `now`. Failures end writing
    /// for this run.
    pub fn maybe_sync(&self, now: Instant) {
        let Ok(mut last) = self.last_sync.try_lock() else { return };
        match *last {
            Some(then) if now.saturating_duration_since(then) < SYNC_EVERY => {}
            Some(_) => {
                *last = Some(now);
                self.sync();
            }
            None => *last = Some(now),
        }
    }

    fn sync(&self) {
        let mut slot = self.writer();
        let unsynced = slot.as_mut().and_then(|writer| {
            let _ = writer.flush().inspect_err(|error| self.write_failed("the result of a node", error));
            writer.unsynced()
        });
        self.spill_unwritten(&mut slot);
        drop(slot);
        // The lock is free meanwhile: other threads go on storing.
        match self.sync_files(unsynced.as_ref().map(|(file, _)| &**file), |blob| self.spill_file(blob)) {
            Ok(()) => {
                if let (Some(writer), Some((_, end))) = (&mut *self.writer(), unsynced) {
                    writer.mark_synced(end);
                }
            }
            Err(error) => {
                let mut slot = self.writer();
                // This run's own nodes may still want the small blobs of the segment that goes.
                slot.iter().flat_map(SegmentWriter::blobs).for_each(|bytes| self.spill_bytes(&bytes));
                self.abandon(&mut slot, &error);
            }
        }
    }

    /// Forces blobs, and then the segment, to the disk: a record never outlives the blobs that it names. `lost` is told
    /// each blob file that goes because of a failure.
    fn sync_files(&self, segment: Option<&dyn FsFile>, lost: impl Fn(&Path)) -> io::Result<()> {
        self.blobs.sync(lost)?;
        let Some(segment) = segment else { return Ok(()) };
        segment.sync_data()?;
        self.fs.sync_dir(&compact::folder(self.root()))
    }

    /// After a failed sync nobody can say what reached the disk: this run's segment is discarded and writing ends.
    fn abandon(&self, writer: &mut Option<SegmentWriter>, error: &io::Error) {
        self.writable.store(false, Ordering::Relaxed);
        if let Some(writer) = writer.take() {
            let _ = self.fs.remove(writer.path());
        }
        self.not_kept("the results of this run", error);
    }

    /// Ends the run's writing: syncs, seals the segment, and merges segments if there are many. A later put starts
    /// another segment.
    pub fn finish(&self) {
        let mut slot = self.writer();
        if let Some(writer) = &mut *slot {
            // Without its footer the segment is merely slower to open.
            let _ = writer.seal().inspect_err(|error| self.write_failed("the index of this run's results", error));
        }
        if let Some(unwritten) = slot.take_if(|writer| writer.is_unwritten()) {
            let _ = self.fs.remove(unwritten.path());
        }
        let file = slot.as_ref().map(SegmentWriter::file);
        if let Err(error) = self.sync_files(file.as_deref(), |_| {}) {
            return self.abandon(&mut slot, &error);
        }
        let mut many = false;
        if let (Some(writer), Some(file)) = (slot.take(), file) {
            let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
            match Segment::of_file(writer.path(), file) {
                Ok(segment) => segments.splice(..0, segment.map(Arc::new)).for_each(drop),
                Err(error) => self.write_failed("the results of this run", &error),
            }
            many = segments.len() > MAX_SEGMENTS;
        }
        drop(slot);
        if many && self.can_write() {
            self.merge();
        }
    }

    fn merge(&self) {
        let merged = compact::merge(&*self.fs, self.root()).and_then(|merged| match merged {
            true => segment::open_all(&*self.fs, &compact::folder(self.root())).map(Some),
            false => Ok(None),
        });
        match merged {
            Ok(Some(listing)) => self.replace_segments(listing.segments),
            Ok(None) => {}
            Err(error) => self.write_failed("a merge of its segments", &error),
        }
    }

    pub(crate) fn replace_segments(&self, segments: Vec<Arc<Segment>>) {
        *self.segments.write().unwrap_or_else(PoisonError::into_inner) = segments;
    }

    /// Warnings since the last call.
    pub fn take_warnings(&self) -> Vec<Warning> {
        std::mem::take(&mut *lock(&self.warnings))
    }

    /// Counters since the cache was opened.
    pub fn stats(&self) -> CacheStats {
        self.counters.read()
    }

    /// Reads the newest entry with this key that `accept` finds whole. Frames it does not accept are damaged: they
    /// are remembered and passed over from now on.
    pub(crate) fn lookup<T>(&self, key: &EntryKey, accept: impl Fn(Vec<u8>) -> Option<T>) -> Option<T> {
        let held = self.writer().as_ref().and_then(|writer| writer.find(key));
        if let Some(found) = held.and_then(Held::frame).and_then(&accept) {
            return Some(found);
        }
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        for segment in segments.iter() {
            let Some(location) = segment.find(key) else { continue };
            match segment.read(location).and_then(&accept) {
                Some(found) => return Some(found),
                None => {
                    segment.mark_bad(location);
                    self.damaged(format!("an entry of {}", segment.path.display()));
                }
            }
        }
        None
    }

    /// Length of the body of the entry with this key; nothing is read of it.
    pub(crate) fn entry_len(&self, key: &EntryKey) -> Option<u32> {
        if let Some(len) = self.writer().as_ref().and_then(|writer| writer.len_of(key)) {
            return Some(len);
        }
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.iter().find_map(|segment| segment.find(key)).map(|location| location.len)
    }

    /// Runs `work` on this run's segment, which is created if need be. False, with a warning: it failed.
    pub(crate) fn write(&self, work: impl FnOnce(&mut SegmentWriter) -> io::Result<()>) -> bool {
        if !self.can_write() {
            return false;
        }
        let mut slot = self.writer();
        let done = match &mut *slot {
            Some(writer) => work(writer),
            None => self.create_writer().and_then(|writer| work(slot.insert(writer))),
        };
        self.spill_unwritten(&mut slot);
        drop(slot);
        done.inspect_err(|error| self.write_failed("the result of a node", error)).is_ok()
    }

    /// Holds the blobs that a failed flush forgot. Under the lock: a reader on another thread finds them in the one
    /// place or in the other, never in neither.
    fn spill_unwritten(&self, slot: &mut Option<SegmentWriter>) {
        let unwritten = slot.as_mut().map(SegmentWriter::take_unwritten).unwrap_or_default();
        unwritten.iter().for_each(|bytes| self.spill_bytes(bytes));
    }

    fn spill_file(&self, blob: &Path) {
        let Some(spill) = &self.spill else { return };
        // If this fails too, whoever needs the blob says so.
        let _ = self.fs.open(blob).and_then(|file| spill.add_file(&*file, file.meta()?.len));
    }

    fn create_writer(&self) -> io::Result<SegmentWriter> {
        let folder = compact::folder(self.root());
        self.fs.create_dir_all(&folder, 0o700)?;
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        SegmentWriter::create(&*self.fs, &folder.join(segment::file_name(number)))
    }

    /// Whether storing makes sense: the cache is writable as far as is known.
    pub(crate) fn can_write(&self) -> bool {
        self.writable.load(Ordering::Relaxed)
    }

    /// Notes that something could not be written, once; a cache that can never be written is not tried again.
    pub(crate) fn write_failed(&self, what: &str, error: &io::Error) {
        if !matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied) {
            return self.not_kept(what, error);
        }
        if self.writable.swap(false, Ordering::Relaxed) {
            let path = self.options.root.clone();
            lock(&self.warnings).push(Warning::WritesDisabled { path, reason: error.to_string() });
        }
    }

    fn not_kept(&self, what: &str, error: &io::Error) {
        if !self.said_not_kept.swap(true, Ordering::Relaxed) {
            lock(&self.warnings).push(Warning::NotKept { what: what.to_owned(), reason: error.to_string() });
        }
    }

    /// Notes that something stored was damaged.
    pub(crate) fn damaged(&self, what: String) {
        self.counters.quarantined.fetch_add(1, Ordering::Relaxed);
        lock(&self.warnings).push(Warning::Damaged { what });
    }

    fn writer(&self) -> MutexGuard<'_, Option<SegmentWriter>> {
        lock(&self.writer)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every state that a panic can leave behind is one that a crash can leave too, and those are all read safely.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
