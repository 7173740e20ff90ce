//! The history of a workspace: one checksummed frame for each run that did something, appended to one file.
//!
//! ```text
//! body = number:u64 record[..] length:u32                          numbers little-endian
//! ```
//! `length` is that of the whole frame, so that the last frame is found from the end of the file: appending to a history
//! costs the same however long it is. A tail that is cut or damaged is dropped by the next append. The file is bounded:
//! the oldest runs are left out when there are twice as many as are kept, or when it has grown too large. Who writes
//! holds the workspace lock; who reads needs none, and sees whole runs.

use std::io;
use std::path::{Path, PathBuf};

use crate::store::atomic;
use crate::store::frame::{self, Format, FrameReader, HEADER_LEN, OVERHEAD, PREFIX_LEN, frame_len, parse_frame};
use crate::store::fs::{Fs, FsFile, RealFs, make_folder, parent_of};

/// Runs that are kept when the history is made shorter.
const KEPT_RUNS: u64 = 1_000;
/// Bytes that are kept then.
const KEPT_BYTES: u64 = 8 << 20;

const FORMAT: Format = Format { purpose: *b"HIST", version: 1 };
const RUN: u8 = 1;
/// The number before a record, and the length behind it.
const NUMBER_LEN: usize = 8;
const LENGTH_LEN: usize = 4;
/// Bytes behind the length in a frame: its check.
const CHECK_LEN: usize = OVERHEAD - PREFIX_LEN;

/// One run of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counts the runs of a workspace from 1; never used twice.
    pub number: u64,
    /// What was recorded of it.
    pub record: Vec<u8>,
}

/// The history of one workspace.
#[derive(Clone, Debug)]
pub struct History {
    path: PathBuf,
}

impl History {
    /// The history of the workspace with this `.ocelot/`.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("history") }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a run and gives its number. Not forced to the disk: a power cut may lose the last runs of a history.
    ///
    /// # Errors
    /// As the file system says.
    pub fn append(&self, record: &[u8]) -> io::Result<u64> {
        append_on(&RealFs, &self.path, record, (KEPT_RUNS, KEPT_BYTES))
    }

    /// Every run that is kept, oldest first; nothing if there is no history, or it is of another version.
    pub fn read(&self) -> Vec<Entry> {
        read_on(&RealFs, &self.path)
    }
}

fn read_on(fs: &dyn Fs, path: &Path) -> Vec<Entry> {
    let Ok(file) = fs.open(path) else { return Vec::new() };
    all(file.as_ref())
}

/// Every whole frame: from the start up to what is damaged, and from the end back to it.
fn all(file: &dyn FsFile) -> Vec<Entry> {
    let Some((mut entries, good)) = scan(file) else { return Vec::new() };
    let mut end = file.meta().map_or(good, |meta| meta.len);
    let mut behind = Vec::new();
    while end > good
        && let Some((start, entry)) = frame_before(file, end)
    {
        behind.push(entry);
        end = start;
    }
    entries.extend(behind.into_iter().rev());
    entries
}

/// Every whole frame, and where the last one ends; `None` if it is no history of this version.
fn scan(file: &dyn FsFile) -> Option<(Vec<Entry>, u64)> {
    let mut reader = FrameReader::new(file, &FORMAT).ok()?.ok()?;
    let mut entries = Vec::new();
    let mut good = reader.position();
    while let Some(frame) = reader.next_frame() {
        // A later version may have frames that say something else.
        if frame.kind == RUN {
            let Some(entry) = entry(frame.body) else { break };
            entries.push(entry);
        }
        good = reader.position();
    }
    Some((entries, good))
}

fn entry(body: &[u8]) -> Option<Entry> {
    let (number, rest) = body.split_first_chunk::<NUMBER_LEN>()?;
    let record = rest.get(..rest.len().checked_sub(LENGTH_LEN)?)?.to_vec();
    Some(Entry { number: u64::from_le_bytes(*number), record })
}

fn push(out: &mut Vec<u8>, number: u64, record: &[u8]) -> io::Result<()> {
    let body = NUMBER_LEN + record.len() + LENGTH_LEN;
    let length = u32::try_from(body).ok().and_then(|body| u32::try_from(frame_len(body)).ok());
    let pushed = length
        .is_some_and(|length| frame::push_frame(out, RUN, &[&number.to_le_bytes(), record, &length.to_le_bytes()]));
    if pushed { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "a run is too long for one frame")) }
}

/// As [`History::append`], on any file system, and with how many runs and bytes are kept.
fn append_on(fs: &dyn Fs, path: &Path, record: &[u8], (runs, bytes): (u64, u64)) -> io::Result<u64> {
    make_folder(fs, parent_of(path), 0o777, false)?;
    let file = fs.open_write(path)?;
    let len = file.meta()?.len;
    let (number, end) = match frame_before(file.as_ref(), len) {
        Some((_, last)) => (last.number + 1, len),
        None => match scan(file.as_ref()) {
            Some((entries, good)) => (entries.last().map_or(1, |entry| entry.number + 1), good),
            None => {
                file.set_len(0)?;
                file.write_at(&FORMAT.header(), 0)?;
                (1, HEADER_LEN as u64)
            }
        },
    };
    let mut frame = Vec::with_capacity(record.len() + OVERHEAD + NUMBER_LEN + LENGTH_LEN);
    push(&mut frame, number, record)?;
    if len > end {
        // A torn tail would hide what follows it.
        file.set_len(end)?;
    }
    file.write_at(&frame, end)?;
    let oldest = first(file.as_ref()).unwrap_or(number);
    if number - oldest.min(number) >= 2 * runs || end + frame.len() as u64 > 2 * bytes {
        shorten(fs, path, file.as_ref(), runs, bytes)?;
    }
    Ok(number)
}

/// The run whose whole frame ends here, and where it starts.
fn frame_before(file: &dyn FsFile, end: u64) -> Option<(u64, Entry)> {
    let mut length = [0; LENGTH_LEN];
    let at = end.checked_sub((LENGTH_LEN + CHECK_LEN) as u64)?;
    read_exact(file, &mut length, at)?;
    let length = u64::from(u32::from_le_bytes(length));
    let start = end.checked_sub(length).filter(|start| *start >= HEADER_LEN as u64)?;
    let mut header = [0; HEADER_LEN];
    read_exact(file, &mut header, 0)?;
    FORMAT.accept(&header).ok()?;
    let mut frame = vec![0; usize::try_from(length).ok()?];
    read_exact(file, &mut frame, start)?;
    let (kind, body) = parse_frame(&frame)?;
    Some((start, (kind == RUN).then(|| entry(body)).flatten()?))
}

/// The number of the first run, unchecked: it decides only when the history is made shorter.
fn first(file: &dyn FsFile) -> Option<u64> {
    let mut number = [0; NUMBER_LEN];
    read_exact(file, &mut number, (HEADER_LEN + PREFIX_LEN) as u64)?;
    Some(u64::from_le_bytes(number))
}

fn read_exact(file: &dyn FsFile, buffer: &mut [u8], offset: u64) -> Option<()> {
    (file.read_at(buffer, offset).ok()? == buffer.len()).then_some(())
}

/// Leaves out the oldest runs. Readers see the old file or the new one.
fn shorten(fs: &dyn Fs, path: &Path, file: &dyn FsFile, runs: u64, bytes: u64) -> io::Result<()> {
    let entries = all(file);
    let mut room = bytes;
    let fits = |entry: &&Entry| {
        let left = room.checked_sub(entry.record.len() as u64);
        room = left.unwrap_or(0);
        left.is_some()
    };
    // The newest stays, however long it is.
    let most = usize::try_from(runs).unwrap_or(usize::MAX);
    let kept = entries.iter().rev().take(most).take_while(fits).count().max(1);
    let mut whole = FORMAT.header().to_vec();
    for entry in &entries[entries.len().saturating_sub(kept)..] {
        push(&mut whole, entry.number, &entry.record)?;
    }
    atomic::write_on(fs, path, &whole, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sim_fs::SimFs;

    const KEPT: (u64, u64) = (1_000, 1 << 20);

    fn path() -> PathBuf {
        PathBuf::from("/w/.ocelot/history")
    }

    fn numbers(fs: &SimFs) -> Vec<u64> {
        read_on(fs, &path()).into_iter().map(|entry| entry.number).collect()
    }

    fn bytes(fs: &SimFs) -> Vec<u8> {
        crate::store::fs::read_file(fs, &path()).unwrap()
    }

    fn with(bytes: &[u8]) -> SimFs {
        let fs = SimFs::new();
        fs.create_dir_all(parent_of(&path()), 0o777).unwrap();
        fs.create_new(&path(), 0o600).unwrap().write_at(bytes, 0).unwrap();
        fs
    }

    #[test]
    fn runs_are_numbered_and_read_back_in_order() {
        let fs = SimFs::new();
        assert!(numbers(&fs).is_empty());
        for (at, record) in [&b"one"[..], b"", b"three"].iter().enumerate() {
            assert_eq!(append_on(&fs, &path(), record, KEPT).unwrap(), at as u64 + 1);
        }
        let records: Vec<Vec<u8>> = read_on(&fs, &path()).into_iter().map(|entry| entry.record).collect();
        assert_eq!(records, [&b"one"[..], b"", b"three"]);
    }

    #[test]
    fn a_tail_that_is_cut_or_damaged_is_dropped_and_the_next_run_is_kept() {
        let fs = SimFs::new();
        let mut ends = Vec::new();
        for record in [&b"first run"[..], b"second run", b"third run"] {
            append_on(&fs, &path(), record, KEPT).unwrap();
            ends.push(bytes(&fs).len());
        }
        let whole = bytes(&fs);
        for at in 0..whole.len() {
            let before = ends.iter().filter(|end| **end <= at).count() as u64;
            let cut = with(&whole[..at]);
            assert_eq!(numbers(&cut).len() as u64, before, "cut at {at}");
            append_on(&cut, &path(), b"next", KEPT).unwrap();
            assert_eq!(numbers(&cut), (1..=before + 1).collect::<Vec<_>>(), "appended to what was cut at {at}");
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            let damaged = with(&damaged);
            let mut whole_ones: Vec<u64> = (1..=3).filter(|number| at >= HEADER_LEN && *number != before + 1).collect();
            assert_eq!(numbers(&damaged), whole_ones, "flip at {at}");
            append_on(&damaged, &path(), b"next", KEPT).unwrap();
            whole_ones.push(whole_ones.last().map_or(1, |last| last + 1));
            assert_eq!(numbers(&damaged), whole_ones, "appended to what was damaged at {at}");
        }
    }

    #[test]
    fn a_file_of_another_version_is_begun_anew() {
        let other = Format { version: 99, ..FORMAT };
        let fs = with(&other.header());
        assert!(numbers(&fs).is_empty());
        assert_eq!(append_on(&fs, &path(), b"x", KEPT).unwrap(), 1);
        assert_eq!(numbers(&fs), [1]);
    }

    #[test]
    fn the_oldest_runs_are_left_out_by_number_and_by_size() {
        let fs = SimFs::new();
        for _ in 0..100 {
            append_on(&fs, &path(), b"x", (10, 1 << 20)).unwrap();
            let kept = numbers(&fs);
            assert!(kept.len() <= 20 && kept.windows(2).all(|two| two[0] + 1 == two[1]), "{kept:?}");
        }
        assert_eq!(numbers(&fs).last(), Some(&100), "the newest is there, and no number came twice");
        for _ in 0..100 {
            append_on(&fs, &path(), &[7; 300], (1_000, 1_000)).unwrap();
            assert!(bytes(&fs).len() <= 2_400, "{}", bytes(&fs).len());
        }
        assert_eq!(append_on(&fs, &path(), &[7; 9_000], (1_000, 1_000)).unwrap(), 201);
        assert_eq!(numbers(&fs), [201], "one that is longer than all that is kept stays alone");
    }

    #[test]
    fn adding_reads_a_few_bytes_however_long_the_history_is() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::new(dir.path());
        for _ in 0..3 {
            history.append(&[1; 1_000]).unwrap();
        }
        // Damage in the middle is not seen by who only adds, and hides no other run.
        let mut whole = std::fs::read(history.path()).unwrap();
        whole[1_500] ^= 1;
        std::fs::write(history.path(), &whole).unwrap();
        assert_eq!(history.append(b"x").unwrap(), 4);
        let kept: Vec<u64> = history.read().into_iter().map(|entry| entry.number).collect();
        assert_eq!(kept, [1, 3, 4]);
    }
}
