//! Segments: append-only files of records and small blobs, and how one is read.
//!
//! Every run that stores something appends to a segment of its own. While the run lasts, and after it was killed,
//! the segment is *unsealed*: a reader scans its good prefix once and remembers where everything is. A run that ends
//! *seals* its segment with a footer, so that a reader finds an entry with two small reads:
//!
//! ```text
//! segment = header frame* [footer]                    header and frames: see `frame`
//! record  = action[32] own[32] day:u32 payload        kind 1; `day`: days since 1970 of the last known use
//! blob    = digest[32] content                        kind 3; at most 4 KiB
//! used    = action[32] day:u32                        kind 4; the record was used on that day
//! footer  = entry* fanout[1024] entries_at:u64 count:u32 "ocelidx1" check[16]
//! entry   = kind:u8 digest[32] offset:u64 len:u32     sorted by kind and digest; `len` is the body's
//! ```
//! A record has a second entry, kind 2, under its own-digest. `fanout` holds, for each kind and first byte of the
//! digest, how many entries sort at or before it. `check` covers fanout and trailer; entries need none: a frame is
//! verified when it is used, so a damaged entry can only cause a miss.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::digest::{ActionDigest, BlobDigest, OwnDigest};
use crate::store::frame::{self, Format, FrameReader, HeaderError, PREFIX_LEN};
use crate::store::fs::{Fs, FsFile};

/// Format of segment files.
pub(crate) const FORMAT: Format = Format { purpose: *b"SEGM", version: 1 };
/// Bytes of a record's body before its payload.
pub(crate) const RECORD_HEAD: usize = 68;
/// Bytes of a blob's body before its content.
pub(crate) const BLOB_HEAD: usize = 32;

pub(crate) const ENTRY_LEN: usize = 45;
pub(crate) const FANOUT_SLOTS: usize = 4 * 256;
pub(crate) const FANOUT_LEN: usize = FANOUT_SLOTS * 4;
pub(crate) const TRAILER_LEN: usize = 36;
pub(crate) const INDEX_MAGIC: &[u8; 8] = b"ocelidx1";

/// What an index entry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum EntryKind {
    Record = 1,
    /// The same frame as a record, under its own-digest.
    Own = 2,
    Blob = 3,
    Used = 4,
}

impl EntryKind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Record, Self::Own, Self::Blob, Self::Used].into_iter().find(|&kind| kind as u8 == byte)
    }
}

/// What an entry is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryKey {
    pub(crate) kind: EntryKind,
    pub(crate) digest: [u8; 32],
}

impl EntryKey {
    pub(crate) fn record(action: &ActionDigest) -> Self {
        Self { kind: EntryKind::Record, digest: *action.as_bytes() }
    }

    pub(crate) fn own(own: &OwnDigest) -> Self {
        Self { kind: EntryKind::Own, digest: *own.as_bytes() }
    }

    pub(crate) fn blob(blob: &BlobDigest) -> Self {
        Self { kind: EntryKind::Blob, digest: *blob.as_bytes() }
    }

    pub(crate) fn used(action: &ActionDigest) -> Self {
        Self { kind: EntryKind::Used, digest: *action.as_bytes() }
    }

    /// Slot of the fan-out table.
    pub(crate) fn slot(&self) -> usize {
        (self.kind as usize - 1) * 256 + usize::from(self.digest[0])
    }
}

/// Where a frame is in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) offset: u64,
    /// Length of the body.
    pub(crate) len: u32,
}

/// The meaning of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    Record { action: ActionDigest, own: OwnDigest, day: u32, payload: &'a [u8] },
    Blob { digest: BlobDigest, bytes: &'a [u8] },
    Used { action: ActionDigest, day: u32 },
}

impl<'a> Entry<'a> {
    /// Reads a frame's kind and body; `None` for what this version does not know.
    pub(crate) fn parse(kind: u8, body: &'a [u8]) -> Option<Self> {
        let digest = |at: usize| body.get(at..at + 32).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let day = |at: usize| body.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        Some(match EntryKind::from_byte(kind)? {
            EntryKind::Record => Self::Record {
                action: ActionDigest::from_bytes(digest(0)?),
                own: OwnDigest::from_bytes(digest(32)?),
                day: day(64)?,
                payload: body.get(RECORD_HEAD..)?,
            },
            EntryKind::Blob => Self::Blob { digest: BlobDigest::from_bytes(digest(0)?), bytes: body.get(BLOB_HEAD..)? },
            EntryKind::Used if body.len() == 36 => {
                Self::Used { action: ActionDigest::from_bytes(digest(0)?), day: day(32)? }
            }
            EntryKind::Used | EntryKind::Own => return None,
        })
    }

    /// What the frame is found by; a record has two keys.
    pub(crate) fn keys(&self) -> (EntryKey, Option<EntryKey>) {
        match self {
            Self::Record { action, own, .. } => (EntryKey::record(action), Some(EntryKey::own(own))),
            Self::Blob { digest, .. } => (EntryKey::blob(digest), None),
            Self::Used { action, .. } => (EntryKey::used(action), None),
        }
    }
}

/// A segment open for reading. The open file keeps its bytes readable after another process removed its name.
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn FsFile>,
    /// Bytes of header and frames, without the footer.
    pub(crate) data_len: u64,
    index: Index,
    has_bad: AtomicBool,
    bad: Mutex<BTreeSet<u64>>,
}

enum Index {
    Sealed { entries_at: u64, fanout: Vec<u32> },
    Scanned(HashMap<EntryKey, Location>),
}

impl Segment {
    /// Opens a segment. The inner error: no frame can be read from it.
    pub(crate) fn open(fs: &dyn Fs, path: &Path) -> io::Result<Result<Self, HeaderError>> {
        Self::of_file(path, Arc::from(fs.open(path)?))
    }

    /// As [`Segment::open`], for a file that is open already.
    pub(crate) fn of_file(path: &Path, file: Arc<dyn FsFile>) -> io::Result<Result<Self, HeaderError>> {
        match read_footer(&*file)? {
            Some((index, data_len)) => Ok(Ok(Self::new(path, file, index, data_len))),
            None => Self::scan(path, file),
        }
    }

    /// As [`Segment::open`], by reading all frames up to the first damaged one, without any footer.
    pub(crate) fn open_by_scan(fs: &dyn Fs, path: &Path) -> io::Result<Result<Self, HeaderError>> {
        Self::scan(path, Arc::from(fs.open(path)?))
    }

    fn scan(path: &Path, file: Arc<dyn FsFile>) -> io::Result<Result<Self, HeaderError>> {
        let mut frames = match FrameReader::new(&*file, &FORMAT)? {
            Ok(frames) => frames,
            Err(error) => return Ok(Err(error)),
        };
        let mut index = HashMap::new();
        while let Some(frame) = frames.next_frame() {
            let location = Location { offset: frame.offset, len: frame.body.len() as u32 };
            if let Some(entry) = Entry::parse(frame.kind, frame.body) {
                let (key, second) = entry.keys();
                index.extend(std::iter::once(key).chain(second).map(|key| (key, location)));
            }
        }
        let data_len = frames.position();
        Ok(Ok(Self::new(path, file, Index::Scanned(index), data_len)))
    }

    fn new(path: &Path, file: Arc<dyn FsFile>, index: Index, data_len: u64) -> Self {
        let (path, bad) = (path.to_path_buf(), Mutex::default());
        Self { path, file, data_len, index, has_bad: AtomicBool::new(false), bad }
    }

    pub(crate) fn is_sealed(&self) -> bool {
        matches!(self.index, Index::Sealed { .. })
    }

    /// Where the entry is, if the segment has it and it was not found damaged before.
    pub(crate) fn find(&self, key: &EntryKey) -> Option<Location> {
        let location = match &self.index {
            Index::Scanned(index) => *index.get(key)?,
            Index::Sealed { entries_at, fanout } => self.find_sealed(key, *entries_at, fanout)?,
        };
        if self.has_bad.load(Ordering::Relaxed) && self.bad().contains(&location.offset) {
            return None;
        }
        Some(location)
    }

    fn find_sealed(&self, key: &EntryKey, entries_at: u64, fanout: &[u32]) -> Option<Location> {
        /// Entries read at once at the end of the search: one read of under 3 KiB.
        const BLOCK: u32 = 64;
        let slot = key.slot();
        let mut low = if slot == 0 { 0 } else { fanout[slot - 1] };
        let mut high = fanout[slot];
        let mut block = [0; BLOCK as usize * ENTRY_LEN];
        let read = |block: &mut [u8], first: u32, count: u32| {
            let want = &mut block[..count as usize * ENTRY_LEN];
            let at = entries_at + u64::from(first) * ENTRY_LEN as u64;
            self.file.read_at(want, at).ok().filter(|&read| read == want.len())
        };
        while high - low > BLOCK {
            let middle = low.midpoint(high);
            read(&mut block, middle, 1)?;
            if sort_key(&block[..ENTRY_LEN]) <= (key.kind as u8, &key.digest[..]) {
                low = middle;
            } else {
                high = middle;
            }
        }
        let read = read(&mut block, low, high - low)?;
        let (entries, _) = block[..read].as_chunks::<ENTRY_LEN>();
        let wanted = (key.kind as u8, &key.digest[..]);
        let at = entries.binary_search_by(|entry| sort_key(entry).cmp(&wanted)).ok()?;
        decode_entry(&entries[at]).map(|(_, location)| location).filter(|location| self.holds(location))
    }

    fn holds(&self, location: &Location) -> bool {
        location.offset.checked_add(frame::frame_len(location.len)).is_some_and(|end| end <= self.data_len)
            && location.len as usize <= frame::MAX_BODY
    }

    /// Reads the bytes of a frame, as they are.
    pub(crate) fn read(&self, location: Location) -> Option<Vec<u8>> {
        read_raw(&*self.file, location)
    }

    /// Remembers that the frame at this place is damaged, so that it counts as absent from now on.
    pub(crate) fn mark_bad(&self, location: Location) {
        self.bad().insert(location.offset);
        self.has_bad.store(true, Ordering::Relaxed);
    }

    fn bad(&self) -> std::sync::MutexGuard<'_, BTreeSet<u64>> {
        self.bad.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All entries in the order of their frames; the second key of a record is left out.
    pub(crate) fn entries(&self) -> io::Result<Vec<(EntryKey, Location)>> {
        let mut all = match &self.index {
            Index::Scanned(index) => index.iter().map(|(&key, &location)| (key, location)).collect::<Vec<_>>(),
            Index::Sealed { entries_at, fanout } => {
                let count = fanout[FANOUT_SLOTS - 1] as usize;
                let mut bytes = vec![0; count * ENTRY_LEN];
                let read = self.file.read_at(&mut bytes, *entries_at)?;
                let (entries, _) = bytes[..read].as_chunks::<ENTRY_LEN>();
                entries.iter().filter_map(decode_entry).collect()
            }
        };
        all.retain(|(key, location)| key.kind != EntryKind::Own && self.holds(location));
        all.sort_unstable_by_key(|(_, location)| location.offset);
        Ok(all)
    }
}

/// Reads the bytes of the frame at `location`.
pub(crate) fn read_raw(file: &dyn FsFile, location: Location) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(frame::frame_len(location.len)).ok()?];
    let read = file.read_at(&mut bytes, location.offset).ok()?;
    (read == bytes.len()).then_some(bytes)
}

/// The content in a blob's frame, unchecked.
pub(crate) fn blob_bytes(frame: &[u8]) -> Option<&[u8]> {
    frame.get(PREFIX_LEN + BLOB_HEAD..frame.len().checked_sub(frame::OVERHEAD - PREFIX_LEN)?)
}

/// The content of a blob's frame, if it has the digest: the digest itself is the check.
pub(crate) fn blob_content(mut frame: Vec<u8>, digest: &BlobDigest) -> Option<Vec<u8>> {
    let len = blob_bytes(&frame).filter(|bytes| BlobDigest::of(bytes) == *digest)?.len();
    frame.drain(..PREFIX_LEN + BLOB_HEAD);
    frame.truncate(len);
    Some(frame)
}

fn sort_key(entry: &[u8]) -> (u8, &[u8]) {
    (entry[0], &entry[1..33])
}

fn decode_entry(entry: &[u8; ENTRY_LEN]) -> Option<(EntryKey, Location)> {
    let (digest, rest) = entry[1..].split_first_chunk::<32>()?;
    let (offset, rest) = rest.split_first_chunk::<8>()?;
    let (len, _) = rest.split_first_chunk::<4>()?;
    let key = EntryKey { kind: EntryKind::from_byte(entry[0])?, digest: *digest };
    Some((key, Location { offset: u64::from_le_bytes(*offset), len: u32::from_le_bytes(*len) }))
}

/// The index of a sealed segment and the length of its data; `None` if there is no whole footer.
fn read_footer(file: &dyn FsFile) -> io::Result<Option<(Index, u64)>> {
    let mut tail = vec![0; FANOUT_LEN + TRAILER_LEN];
    let len = file.meta()?.len;
    let Some(tail_at) = len.checked_sub(tail.len() as u64) else { return Ok(None) };
    if file.read_at(&mut tail, tail_at)? < tail.len() {
        return Ok(None);
    }
    let mut header = [0; frame::HEADER_LEN];
    let read = file.read_at(&mut header, 0)?;
    Ok(parse_tail(&tail, tail_at).filter(|_| FORMAT.accept(&header[..read]).is_ok()))
}

fn parse_tail(tail: &[u8], tail_at: u64) -> Option<(Index, u64)> {
    let (checked, check) = tail.split_at(tail.len() - 16);
    let (fanout, trailer) = checked.split_at(FANOUT_LEN);
    if trailer[12..] != *INDEX_MAGIC || blake3::hash(checked).as_bytes()[..16] != *check {
        return None;
    }
    let entries_at = u64::from_le_bytes(trailer[..8].try_into().ok()?);
    let count = u32::from_le_bytes(trailer[8..12].try_into().ok()?);
    let (slots, _) = fanout.as_chunks::<4>();
    let fanout: Vec<u32> = slots.iter().map(|slot| u32::from_le_bytes(*slot)).collect();
    let whole = fanout.is_sorted()
        && fanout[FANOUT_SLOTS - 1] == count
        && entries_at.checked_add(u64::from(count) * ENTRY_LEN as u64) == Some(tail_at);
    whole.then_some((Index::Sealed { entries_at, fanout }, entries_at))
}

/// What the folder of segments holds.
#[derive(Default)]
pub(crate) struct Listing {
    /// Newest first: the newest record of an action wins.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// Files without a header: just created, or left by a killed run; and those of another version.
    pub(crate) passed_over: Vec<PathBuf>,
    /// Files that could not be read, or not as segments.
    pub(crate) unreadable: Vec<PathBuf>,
    /// A number above that of every segment.
    pub(crate) next_number: u64,
}

/// Opens all segments of `folder`; an absent folder has none.
pub(crate) fn open_all(fs: &dyn Fs, folder: &Path) -> io::Result<Listing> {
    // A merge may remove a segment between listing and opening; what it wrote instead is in the next listing.
    const ATTEMPTS: usize = 10;
    for attempt in 1.. {
        let mut names = match fs.list(folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Listing::default()),
            Err(error) => return Err(error),
        };
        names.retain(|name| name.to_str().is_some_and(|name| name.ends_with(".seg")));
        names.sort_unstable_by(|a, b| b.cmp(a));
        let mut listing = Listing::default();
        let mut vanished = false;
        for name in names {
            let number = name.to_str().and_then(|name| name.split('-').next()?.parse::<u64>().ok()).unwrap_or(0);
            listing.next_number = listing.next_number.max(number + 1);
            let path = folder.join(name);
            match Segment::open(fs, &path) {
                Ok(Ok(segment)) => listing.segments.push(Arc::new(segment)),
                Ok(Err(HeaderError::Short | HeaderError::Version(_))) => listing.passed_over.push(path),
                Ok(Err(HeaderError::Foreign)) => listing.unreadable.push(path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => vanished = true,
                Err(_) => listing.unreadable.push(path),
            }
        }
        if !vanished || attempt == ATTEMPTS {
            return Ok(listing);
        }
    }
    Ok(Listing::default())
}

/// File name of a segment; names sort by number.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number:012}-{}.seg", crate::store::fs::unique_name())
}
