//! Reading back everything that a cache holds, and setting aside what is damaged.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::base::digest::BlobDigest;
use crate::store::cache::Cache;
use crate::store::cache_error::CacheError;
use crate::store::cache_options::Access;
use crate::store::compact::{self, GcLock, in_use};
use crate::store::frame::{FrameReader, frame_len, parse_frame};
use crate::store::fs::unique_name;
use crate::store::segment::{self, Entry, EntryKey, FORMAT, Location, Segment};

/// What [`Cache::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Whole records.
    pub records: u64,
    /// Whole blobs, large and small.
    pub blobs: u64,
    /// Bytes of the whole records and blobs.
    pub bytes: u64,
    /// What was damaged, in words.
    pub damaged: Vec<String>,
    /// Damaged entries could not be taken out of their segments, because another process was collecting; or the cache
    /// was opened for reading only. They count as absent all the same.
    pub left_in_place: bool,
}

impl Cache {
    /// Hashes every blob and checks every record. Damaged blobs and entries are moved to `quarantine/`, unless the
    /// cache was opened for reading only.
    pub fn verify(&self) -> Result<VerifyReport, CacheError> {
        let failed = |error| CacheError::io("verify", self.root(), error);
        let mut report = VerifyReport::default();
        let writable = self.options.access == Access::ReadWrite;
        let listing = segment::open_all(&*self.fs, &compact::folder(self.root())).map_err(failed)?;
        report.damaged.extend(listing.unreadable.iter().map(|path| format!("segment {}", path.display())));
        let mut damaged = Vec::new();
        for segment in listing.segments {
            if self.verify_segment(&segment, &mut report).map_err(failed)? {
                damaged.push(segment);
            }
        }
        if !damaged.is_empty() {
            let repaired = writable && self.repair(&damaged).map_err(failed)?;
            report.left_in_place = !repaired;
        }
        let mut large = Vec::new();
        self.blobs.for_each(&mut |digest, meta| large.push((digest, meta.len))).map_err(failed)?;
        for (digest, len) in large {
            match self.blobs.verify(&digest, len) {
                Ok(true) => {
                    report.blobs += 1;
                    report.bytes += len;
                }
                Ok(false) => {
                    report.damaged.push(format!("blob {}", digest.short()));
                    if writable {
                        self.blobs.damaged(&digest);
                    } else {
                        report.left_in_place = true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(CacheError::io("read", &self.blobs.path(&digest), error)),
            }
        }
        Ok(report)
    }

    /// Checks all frames of a segment; true if any, or the index, is damaged.
    fn verify_segment(&self, segment: &Segment, report: &mut VerifyReport) -> io::Result<bool> {
        let before = report.damaged.len();
        for (key, location) in segment.entries()? {
            if !is_whole(segment, &key, location) {
                report.damaged.push(format!("an entry at {} of {}", location.offset, segment.path.display()));
                continue;
            }
            match key.kind {
                segment::EntryKind::Record => report.records += 1,
                segment::EntryKind::Blob => report.blobs += 1,
                _ => {}
            }
            report.bytes += u64::from(location.len);
        }
        if segment.is_sealed() && !index_is_complete(segment)? {
            report.damaged.push(format!("the index of {}", segment.path.display()));
        }
        Ok(report.damaged.len() > before)
    }

    /// Copies the damaged frames to `quarantine/` and rewrites their segments without them. False: not possible now.
    fn repair(&self, damaged: &[Arc<Segment>]) -> io::Result<bool> {
        let Some(lock) = GcLock::take(&*self.fs, self.root())? else { return Ok(false) };
        let quarantine = self.root().join("quarantine");
        self.fs.create_dir_all(&quarantine, 0o700)?;
        let mut all = true;
        for segment in damaged {
            if in_use(segment, lock.now) {
                all = false;
                continue;
            }
            for (key, location) in segment.entries()? {
                if !is_whole(segment, &key, location) {
                    let bytes = segment.read(location).unwrap_or_default();
                    let path: PathBuf = quarantine.join(format!("frame-{}", unique_name()));
                    self.fs.create_new(&path, 0o400)?.write_at(&bytes, 0)?;
                }
            }
            // With a damaged index, the frames say what there is.
            let input = match index_is_complete(segment)? {
                true => Some(Arc::clone(segment)),
                false => Segment::open_by_scan(&*self.fs, &segment.path)?.ok().map(Arc::new),
            };
            if let Some(input) = input {
                compact::rewrite(&*self.fs, self.root(), &[input], &|_| true)?;
            }
        }
        self.replace_segments(segment::open_all(&*self.fs, &compact::folder(self.root()))?.segments);
        Ok(all)
    }
}

/// Whether the frame is undamaged and is found by this key.
fn is_whole(segment: &Segment, key: &EntryKey, location: Location) -> bool {
    let frame = segment.read(location);
    let entry = frame.as_deref().and_then(parse_frame).and_then(|(kind, body)| Entry::parse(kind, body));
    entry.is_some_and(|entry| {
        let (first, second) = entry.keys();
        let content = match entry {
            Entry::Blob { digest, bytes } => digest == BlobDigest::of(bytes),
            _ => true,
        };
        content && (first == *key || second == Some(*key))
    })
}

/// Whether every whole frame before the first damaged one can be found by the index.
fn index_is_complete(segment: &Segment) -> io::Result<bool> {
    let Ok(mut frames) = FrameReader::new(&*segment.file, &FORMAT)? else { return Ok(true) };
    while let Some(frame) = frames.next_frame() {
        if frame.offset + frame_len(frame.body.len() as u32) > segment.data_len {
            break;
        }
        let Some(entry) = Entry::parse(frame.kind, frame.body) else { continue };
        let (first, second) = entry.keys();
        let here = Location { offset: frame.offset, len: frame.body.len() as u32 };
        // A later frame with the same key is as good.
        let found = |key: EntryKey| segment.find(&key).is_some_and(|at| at == here || is_whole(segment, &key, at));
        if !found(first) || second.is_some_and(|second| !found(second)) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fs::read_file;
    use crate::store::sim_cache::{is_whole, node, open, store};
    use crate::store::sim_fs::SimFs;

    #[test]
    fn every_flipped_byte_is_found_and_the_rest_stays() {
        let nodes = [node(0, &[30]), node(1, &[5000])];
        let fs = SimFs::new();
        let cache = open(&fs);
        assert!(nodes.iter().all(|node| store(&cache, node)));
        cache.finish();
        let report = open(&fs).verify().unwrap();
        assert_eq!((report.records, report.blobs, report.damaged.len()), (2, 2, 0));
        let segment = fs.files_in("/cache/segments").remove(0);
        let whole = read_file(&fs, &segment).unwrap();
        let frames_end = segment::Segment::open(&fs, &segment).unwrap().unwrap().data_len as usize;
        for at in (16..whole.len()).step_by(3) {
            let fs = SimFs::new();
            let cache = open(&fs);
            assert!(nodes.iter().all(|node| store(&cache, node)));
            cache.finish();
            let segment = fs.files_in("/cache/segments").remove(0);
            fs.damage(&segment, |bytes| bytes[at] ^= 4);
            let cache = open(&fs);
            let report = cache.verify().unwrap();
            // Without a footer the segment counts as one that was never sealed: nothing is lost.
            let footer_tail = at >= whole.len() - segment::FANOUT_LEN - segment::TRAILER_LEN;
            assert_eq!(report.damaged.is_empty(), footer_tail, "flip at {at}: {report:?}");
            assert!(!report.left_in_place);
            assert_eq!(open(&fs).verify().unwrap().damaged, [] as [String; 0], "flip at {at}");
            let left = nodes.iter().filter(|node| is_whole(&cache, &fs, node)).count();
            assert!(left >= if at < frames_end { 1 } else { 2 }, "flip at {at}: {left}");
        }
    }

    #[test]
    fn a_damaged_blob_is_set_aside() {
        let node = node(1, &[5000]);
        let fs = SimFs::new();
        let cache = open(&fs);
        assert!(store(&cache, &node));
        cache.finish();
        fs.damage(&fs.files_in("/cache/blobs")[0], |bytes| bytes[77] ^= 1);
        assert_eq!(cache.verify().unwrap().damaged.len(), 1);
        assert_eq!((fs.files_in("/cache/blobs").len(), fs.files_in("/cache/quarantine").len()), (0, 1));
    }
}
