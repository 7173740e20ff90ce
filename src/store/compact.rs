//! Merging segments, so that their number stays small however many runs there were.
//!
//! What is kept is written to one new segment (temporary file, sync, rename), and only then are the old ones
//! unlinked. Processes that have an old one open go on reading it. A crash in between leaves some entries twice,
//! which is harmless.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::frame::parse_frame;
use crate::store::fs::{Fs, FsFile, unique_name};
use crate::store::segment::{self, Entry, EntryKind, Segment};
use crate::store::segment_writer::SegmentWriter;

/// Merged when there are more segments than this.
pub(crate) const MAX_SEGMENTS: usize = 8;
/// A segment whose lock cannot be asked for (file system without locks) is its run's for this long.
const UNLOCKABLE_SECONDS: i64 = 24 * 3600;

/// The collector's and merger's lock, held while this lives.
pub(crate) struct GcLock {
    // Held for its lock, which closing the file frees.
    _file: Box<dyn FsFile>,
    /// The file system's own clock when the lock was taken, seconds since 1970.
    pub(crate) now: i64,
}

impl GcLock {
    /// Takes `gc.lock` without waiting; `None` if another process has it. Where the file system has no locks the
    /// work goes on: two collectors at once do double work, never harm.
    pub(crate) fn take(fs: &dyn Fs, root: &Path) -> io::Result<Option<Self>> {
        let path = root.join("gc.lock");
        let file = fs.open_write(&path)?;
        if matches!(file.try_lock(), Ok(false)) {
            return Ok(None);
        }
        fs.touch(&path)?;
        let now = file.meta()?.modified;
        Ok(Some(Self { _file: file, now }))
    }
}

/// Whether the run that writes this segment may still be alive.
pub(crate) fn in_use(segment: &Segment, now: i64) -> bool {
    if segment.is_sealed() {
        return false;
    }
    match segment.file.try_lock() {
        Ok(free) => !free,
        Err(_) => segment.file.meta().is_ok_and(|meta| now - meta.modified < UNLOCKABLE_SECONDS),
    }
}

/// What a rewrite did.
#[derive(Debug, Default)]
pub(crate) struct Rewritten {
    /// Frames that were damaged and are gone.
    pub(crate) damaged: u64,
}

/// The segments' folder of a cache.
pub(crate) fn folder(root: &Path) -> PathBuf {
    root.join("segments")
}

/// Writes what `keep` accepts of `inputs` (newest first) to one new segment and unlinks the inputs. Of several
/// entries with one key the newest whole one counts; `used` entries move into the records they are about.
pub(crate) fn rewrite(
    fs: &dyn Fs,
    root: &Path,
    inputs: &[Arc<Segment>],
    keep: &dyn Fn(&Entry<'_>) -> bool,
) -> io::Result<Rewritten> {
    let mut done = Rewritten::default();
    let mut used = last_uses(inputs)?;
    let tmp = root.join("tmp");
    fs.create_dir_all(&tmp, 0o700)?;
    let temp = tmp.join(unique_name());
    let mut writer = SegmentWriter::create(fs, &temp)?;
    let copied = copy_entries(inputs, keep, &mut writer, &mut used, &mut done).and_then(|()| {
        if writer.is_empty() {
            return fs.remove(&temp);
        }
        writer.seal()?;
        writer.file().sync_data()?;
        let newest = inputs.iter().filter_map(|segment| number_of(&segment.path)).max().unwrap_or(0);
        let folder = folder(root);
        fs.rename(&temp, &folder.join(segment::file_name(newest)))?;
        fs.sync_dir(&folder)
    });
    if let Err(error) = copied {
        let _ = fs.remove(&temp);
        return Err(error);
    }
    for segment in inputs {
        let _ = fs.remove(&segment.path);
    }
    Ok(done)
}

/// Days of last use from the `used` entries of all inputs.
fn last_uses(inputs: &[Arc<Segment>]) -> io::Result<BTreeMap<[u8; 32], u32>> {
    let mut days: BTreeMap<[u8; 32], u32> = BTreeMap::new();
    for segment in inputs {
        for (key, location) in segment.entries()? {
            if key.kind == EntryKind::Used
                && let Some(frame) = segment.read(location)
                && let Some((kind, body)) = parse_frame(&frame)
                && let Some(Entry::Used { action, day }) = Entry::parse(kind, body)
            {
                let known = days.entry(*action.as_bytes()).or_default();
                *known = day.max(*known);
            }
        }
    }
    Ok(days)
}

fn copy_entries(
    inputs: &[Arc<Segment>],
    keep: &dyn Fn(&Entry<'_>) -> bool,
    writer: &mut SegmentWriter,
    used: &mut BTreeMap<[u8; 32], u32>,
    done: &mut Rewritten,
) -> io::Result<()> {
    let mut folded = BTreeSet::new();
    for segment in inputs {
        for (key, location) in segment.entries()? {
            if key.kind == EntryKind::Used || writer.contains(&key) {
                continue;
            }
            let frame = segment.read(location);
            let entry = frame.as_deref().and_then(parse_frame).and_then(|(kind, body)| Entry::parse(kind, body));
            let Some(mut entry) = entry.filter(|entry| entry.keys().0 == key) else {
                done.damaged += 1;
                continue;
            };
            if let Entry::Record { action, day, .. } = &mut entry {
                if let Some(&last) = used.get(action.as_bytes()) {
                    *day = last.max(*day);
                }
                folded.insert(*action.as_bytes());
            }
            if keep(&entry) {
                writer.put(&entry)?;
            }
        }
    }
    // Uses of records that are in other segments stay as they are.
    used.retain(|action, _| !folded.contains(action));
    for (action, day) in used {
        let entry = Entry::Used { action: crate::base::digest::ActionDigest::from_bytes(*action), day: *day };
        if keep(&entry) {
            writer.put(&entry)?;
        }
    }
    Ok(())
}

fn number_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.split('-').next()?.parse().ok()
}

/// Merges the newest segments when there are more than [`MAX_SEGMENTS`]: as many as are together no smaller than
/// the next older one, so that a large old segment is copied seldom. Returns whether anything was merged.
pub(crate) fn merge(fs: &dyn Fs, root: &Path) -> io::Result<bool> {
    let Some(lock) = GcLock::take(fs, root)? else { return Ok(false) };
    let mut segments = segment::open_all(fs, &folder(root))?.segments;
    segments.retain(|segment| !in_use(segment, lock.now));
    if segments.len() <= MAX_SEGMENTS {
        return Ok(false);
    }
    let at_least = segments.len() - MAX_SEGMENTS / 2;
    let mut total = 0;
    let mut count = 0;
    for segment in &segments {
        if count >= at_least && segment.data_len > total {
            break;
        }
        total += segment.data_len;
        count += 1;
    }
    rewrite(fs, root, &segments[..count], &|_| true)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sim_cache::{TODAY, is_whole, node, open, open_on, store};
    use crate::store::sim_fs::SimFs;

    #[test]
    fn many_runs_leave_few_segments_and_the_newest_record_wins() {
        let fs = SimFs::new();
        let again = node(1000, &[20]);
        let reader = {
            let cache = open(&fs);
            assert!(store(&cache, &again));
            cache.finish();
            open(&fs)
        };
        for id in 0..60 {
            let cache = open(&fs);
            assert!(store(&cache, &node(id, &[30])));
            let payload = [&again.payload[..], &[u8::try_from(id).unwrap()]].concat();
            assert!(cache.put_record(&again.action, &again.own, &payload));
            cache.finish();
            assert_eq!(cache.take_warnings(), []);
            assert!(fs.files_in("/cache/segments").len() <= MAX_SEGMENTS);
            assert_eq!(open(&fs).get_record(&again.action).as_ref(), Some(&payload));
        }
        assert!((0..60).all(|id| is_whole(&open(&fs), &fs, &node(id, &[30]))));
        // One that opened the cache long ago still reads what it saw then.
        assert!(is_whole(&reader, &fs, &again));
    }

    #[test]
    fn segments_of_killed_runs_are_merged_and_those_of_living_runs_are_not() {
        let fs = SimFs::new();
        let living = open(&fs);
        assert!(store(&living, &node(500, &[30])));
        for id in 0..12 {
            let killed = open(&fs);
            assert!(store(&killed, &node(id, &[30])));
        }
        assert_eq!(fs.files_in("/cache/segments").len(), 13);
        let cache = open_on(&fs, TODAY);
        assert!(store(&cache, &node(100, &[30])));
        cache.finish();
        assert!(fs.files_in("/cache/segments").len() <= MAX_SEGMENTS);
        assert!(store(&living, &node(501, &[30])));
        living.finish();
        let last = open(&fs);
        assert!((0..12).chain([100, 500, 501]).all(|id| is_whole(&last, &fs, &node(id, &[30]))));
    }
}
