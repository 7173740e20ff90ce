//! Collecting what is no longer used: by age, and by size, least recently used first.
//!
//! A record is kept or dropped as a whole; a blob lives as long as a kept record names it. Segments of runs that
//! may be alive, and everything younger than an hour, are spared: a build that runs meanwhile stores its blobs before
//! the record that names them. A build that loses a race all the same sees a miss, never a wrong byte.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::base::digest::{ActionDigest, BlobDigest};
use crate::store::cache::Cache;
use crate::store::cache_error::CacheError;
use crate::store::cache_options::Access;
use crate::store::compact::{self, GcLock, MAX_SEGMENTS, in_use};
use crate::store::frame::{HEADER_LEN, frame_len, parse_frame};
use crate::store::fs::FileKind;
use crate::store::segment::{self, BLOB_HEAD, Entry, EntryKind, Segment};

/// Tells which blobs the payload of a record names.
pub type BlobsOf<'a> = dyn Fn(&[u8]) -> Vec<BlobDigest> + 'a;

const DAY: i64 = 24 * 3600;

/// What may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcPolicy {
    /// Records and blobs together, in bytes.
    pub max_bytes: u64,
    /// Records unused for more days are dropped.
    pub max_age_days: u32,
    /// Segments and blobs younger than this many seconds are spared.
    pub spare_seconds: i64,
}

impl Default for GcPolicy {
    /// 10 GiB, 30 days, one hour.
    fn default() -> Self {
        Self { max_bytes: 10 << 30, max_age_days: 30, spare_seconds: 3600 }
    }
}

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Another process is collecting or merging; nothing was done.
    pub busy: bool,
    /// Records that stay.
    pub records_kept: u64,
    /// Records dropped.
    pub records_removed: u64,
    /// Blobs dropped, large and small.
    pub blobs_removed: u64,
    /// Bytes of records and blobs before.
    pub bytes_before: u64,
    /// Bytes of records and blobs after.
    pub bytes_after: u64,
}

struct Record {
    day: u32,
    size: u64,
    blobs: Vec<BlobDigest>,
    /// Used by a run that may be alive.
    spared: bool,
}

#[derive(Default)]
struct Blob {
    size: u64,
    references: u32,
    spared: bool,
    is_file: bool,
}

impl Blob {
    fn is_dead(&self) -> bool {
        self.references == 0 && !self.spared
    }
}

#[derive(Default)]
struct Survey {
    /// Ordered, so that of equally old records always the same go.
    records: BTreeMap<ActionDigest, Record>,
    blobs: HashMap<BlobDigest, Blob>,
    /// Segments that may be rewritten, newest first.
    rewritable: Vec<Arc<Segment>>,
}

impl Cache {
    /// Brings the cache within the limits of `policy`.
    pub fn gc(&self, policy: &GcPolicy, blobs_of: &BlobsOf<'_>) -> Result<GcReport, CacheError> {
        let root = self.root();
        let failed = |error| CacheError::io("collect", root, error);
        if self.options.access == Access::ReadOnly {
            let reason = "it was opened for reading only".to_owned();
            return Err(CacheError::NotWritable { path: root.to_path_buf(), reason });
        }
        if !self.fs.metadata(root).is_ok_and(|meta| meta.kind == FileKind::Folder) {
            return Ok(GcReport::default());
        }
        let Some(lock) = GcLock::take(&*self.fs, root).map_err(failed)? else {
            return Ok(GcReport { busy: true, ..GcReport::default() });
        };
        self.collect(policy, blobs_of, lock.now).map_err(failed)
    }

    fn collect(&self, policy: &GcPolicy, blobs_of: &BlobsOf<'_>, now: i64) -> io::Result<GcReport> {
        // A clock that jumped ahead ages nothing: the file system's counts too.
        let today = self.options.today.min(u32::try_from(now / DAY).unwrap_or(u32::MAX));
        let mut survey = self.survey(policy, blobs_of, now)?;
        let bytes_before = survey.bytes();
        let dropped = survey.choose(policy, today);
        let blobs_removed = survey.blobs.values().filter(|blob| blob.is_dead()).count() as u64;
        let dead_entries = !dropped.is_empty() || survey.blobs.values().any(|blob| blob.is_dead() && !blob.is_file);
        // Records go first, and only then what they named.
        if dead_entries || survey.rewritable.len() > MAX_SEGMENTS {
            compact::rewrite(&*self.fs, self.root(), &survey.rewritable, &|entry| match entry {
                Entry::Record { action, .. } | Entry::Used { action, .. } => !dropped.contains(action),
                Entry::Blob { digest, .. } => survey.blobs.get(digest).is_none_or(|blob| !blob.is_dead()),
            })?;
            let listing = segment::open_all(&*self.fs, &compact::folder(self.root()))?;
            self.replace_segments(listing.segments);
        }
        for digest in survey.blobs.iter().filter(|(_, blob)| blob.is_dead() && blob.is_file).map(|(digest, _)| digest) {
            let path = self.blobs.path(digest);
            // Somebody may have stored it again since it was looked at.
            if self.fs.metadata(&path).is_ok_and(|meta| now - meta.modified >= policy.spare_seconds) {
                self.fs.remove(&path)?;
            }
        }
        let long_ago = now - DAY * i64::from(policy.max_age_days);
        self.sweep_unreadable(now - policy.spare_seconds, long_ago)?;
        self.sweep("tmp", now - DAY)?;
        self.sweep("quarantine", long_ago)?;
        Ok(GcReport {
            busy: false,
            records_kept: survey.records.len() as u64,
            records_removed: dropped.len() as u64,
            blobs_removed,
            bytes_before,
            bytes_after: survey.bytes(),
        })
    }

    fn survey(&self, policy: &GcPolicy, blobs_of: &BlobsOf<'_>, now: i64) -> io::Result<Survey> {
        let mut survey = Survey::default();
        let mut used: HashMap<ActionDigest, (u32, bool)> = HashMap::new();
        for segment in segment::open_all(&*self.fs, &compact::folder(self.root()))?.segments {
            let spared = in_use(&segment, now) || now - segment.file.meta()?.modified < policy.spare_seconds;
            for (key, location) in segment.entries()? {
                if key.kind == EntryKind::Blob {
                    let digest = BlobDigest::from_bytes(key.digest);
                    let blob = survey.blobs.entry(digest).or_default();
                    blob.size = u64::from(location.len).saturating_sub(BLOB_HEAD as u64);
                    blob.spared |= spared;
                    continue;
                }
                let Some(frame) = segment.read(location) else { continue };
                let entry = parse_frame(&frame).and_then(|(kind, body)| Entry::parse(kind, body));
                match entry {
                    Some(Entry::Used { action, day }) => {
                        let known = used.entry(action).or_default();
                        *known = (known.0.max(day), known.1 | spared);
                    }
                    Some(Entry::Record { action, day, payload, .. }) => {
                        let size = frame_len(location.len);
                        let record = || Record { day, size, blobs: blobs_of(payload), spared: false };
                        survey.records.entry(action).or_insert_with(record).spared |= spared;
                    }
                    _ => {}
                }
            }
            if !spared {
                survey.rewritable.push(segment);
            }
        }
        for (action, (day, spared)) in used {
            if let Some(record) = survey.records.get_mut(&action) {
                record.day = record.day.max(day);
                record.spared |= spared;
            }
        }
        self.blobs.for_each(&mut |digest, meta| {
            let spared = now - meta.modified < policy.spare_seconds;
            survey.blobs.insert(digest, Blob { size: meta.len, references: 0, spared, is_file: true });
        })?;
        for digest in survey.records.values().flat_map(|record| &record.blobs) {
            if let Some(blob) = survey.blobs.get_mut(digest) {
                blob.references += 1;
            }
        }
        Ok(survey)
    }

    /// Removes segments that a killed run left empty, and after long those that this version cannot read.
    fn sweep_unreadable(&self, empty_limit: i64, limit: i64) -> io::Result<()> {
        let listing = segment::open_all(&*self.fs, &compact::folder(self.root()))?;
        for path in listing.passed_over.into_iter().chain(listing.unreadable) {
            let Ok(file) = self.fs.open(&path) else { continue };
            let meta = file.meta()?;
            let limit = if meta.len < HEADER_LEN as u64 { empty_limit } else { limit };
            if meta.modified <= limit && !matches!(file.try_lock(), Ok(false)) {
                self.fs.remove(&path)?;
            }
        }
        Ok(())
    }

    /// Removes files of a folder that were last written before `limit`.
    fn sweep(&self, folder: &str, limit: i64) -> io::Result<()> {
        let folder = self.root().join(folder);
        for path in list_or_empty(self, &folder)? {
            if self.fs.metadata(&path).is_ok_and(|meta| meta.kind == FileKind::File && meta.modified < limit) {
                self.fs.remove(&path)?;
            }
        }
        Ok(())
    }
}

fn list_or_empty(cache: &Cache, folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    match cache.fs.list(folder) {
        Ok(names) => Ok(names.into_iter().map(|name| folder.join(name)).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

impl Survey {
    fn bytes(&self) -> u64 {
        let records: u64 = self.records.values().map(|record| record.size).sum();
        let blobs: u64 = self.blobs.values().filter(|blob| !blob.is_dead()).map(|blob| blob.size).sum();
        records + blobs
    }

    /// Takes out the records that have to go, and returns them.
    fn choose(&mut self, policy: &GcPolicy, today: u32) -> BTreeSet<ActionDigest> {
        let mut by_age: Vec<(u32, ActionDigest)> = self
            .records
            .iter()
            .filter(|(_, record)| !record.spared)
            .map(|(action, record)| (record.day, *action))
            .collect();
        by_age.sort_unstable();
        let mut bytes = self.bytes();
        let mut dropped = BTreeSet::new();
        for (day, action) in by_age {
            let too_old = day.saturating_add(policy.max_age_days) < today;
            if !too_old && bytes <= policy.max_bytes {
                break;
            }
            let Some(record) = self.records.remove(&action) else { continue };
            bytes -= record.size;
            for digest in &record.blobs {
                if let Some(blob) = self.blobs.get_mut(digest) {
                    blob.references -= 1;
                    bytes -= if blob.is_dead() { blob.size } else { 0 };
                }
            }
            dropped.insert(action);
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fs::Fs;
    use crate::store::sim_cache::{Node, TODAY, blobs_of, is_whole, node, open, open_on, store};
    use crate::store::sim_fs::SimFs;

    const HOUR: i64 = 3600;

    fn store_on(fs: &SimFs, day: u32, nodes: &[Node]) {
        let cache = open_on(fs, day);
        assert!(nodes.iter().all(|node| store(&cache, node)));
        cache.finish();
    }

    fn day_later(fs: &SimFs, days: i64) -> u32 {
        fs.advance(days * DAY);
        u32::try_from(fs.now() / DAY).unwrap()
    }

    #[test]
    fn old_records_go_with_their_blobs_and_used_ones_stay() {
        let fs = SimFs::new();
        // Nodes 0 and 1 share no blob; both have a small and a large one.
        let nodes = [node(0, &[50, 5000]), node(1, &[50, 5000])];
        store_on(&fs, TODAY, &nodes);
        let day = day_later(&fs, 20);
        let cache = open_on(&fs, day);
        assert!(cache.get_record(&nodes[1].action).is_some());
        assert!(cache.get_record(&nodes[1].action).is_some());
        cache.finish();
        let day = day_later(&fs, 20);
        let cache = open_on(&fs, day);
        let report = cache.gc(&GcPolicy::default(), &blobs_of).unwrap();
        assert_eq!((report.records_kept, report.records_removed, report.blobs_removed), (1, 1, 2));
        assert!(report.bytes_after < report.bytes_before);
        for cache in [cache, open_on(&fs, day)] {
            assert!(is_whole(&cache, &fs, &nodes[1]) && cache.has_own(&nodes[1].own));
            assert!(!is_whole(&cache, &fs, &nodes[0]) && !cache.has_own(&nodes[0].own));
            assert!(!cache.has_blob(&BlobDigest::of(&nodes[0].blobs[0]), 50));
        }
        assert_eq!(fs.files_in("/cache/blobs").len(), 1);
        // The use has moved into the record: it ages from there.
        day_later(&fs, 9);
        let report = open_on(&fs, day + 9).gc(&GcPolicy::default(), &blobs_of).unwrap();
        assert_eq!(report.records_removed, 0);
        day_later(&fs, 3);
        let report = open_on(&fs, day + 12).gc(&GcPolicy::default(), &blobs_of).unwrap();
        assert_eq!((report.records_kept, report.records_removed), (0, 1));
        assert_eq!((fs.files_in("/cache/blobs").len(), fs.files_in("/cache/segments").len()), (0, 0));
    }

    #[test]
    fn over_the_limit_the_least_recently_used_go_first() {
        let fs = SimFs::new();
        let nodes: Vec<Node> = (0..4).map(|id| node(id, &[5000])).collect();
        for node in &nodes {
            let day = day_later(&fs, 1);
            store_on(&fs, day, std::slice::from_ref(node));
        }
        let day = day_later(&fs, 1);
        let policy = GcPolicy { max_bytes: 11_000, ..GcPolicy::default() };
        let cache = open_on(&fs, day);
        assert_eq!(cache.gc(&policy, &blobs_of).unwrap().records_removed, 2);
        let held: Vec<bool> = nodes.iter().map(|node| is_whole(&cache, &fs, node)).collect();
        assert_eq!(held, [false, false, true, true]);
    }

    #[test]
    fn row_18_what_is_young_and_what_a_living_run_holds_is_spared() {
        let nothing = GcPolicy { max_bytes: 0, max_age_days: 0, ..GcPolicy::default() };
        let fs = SimFs::new();
        let nodes = [node(0, &[50, 5000]), node(1, &[50, 5000]), node(2, &[60])];
        store_on(&fs, TODAY, &nodes[..1]);
        fs.advance(HOUR / 2);
        let collector = open_on(&fs, TODAY);
        assert_eq!(collector.gc(&nothing, &blobs_of).unwrap().records_removed, 0, "young");

        let living = open_on(&fs, TODAY + 1);
        assert!(living.get_record(&nodes[0].action).is_some(), "a hit, noted as used");
        assert!(store(&living, &nodes[1]));
        fs.advance(5 * HOUR);
        assert!(living.put_bytes(&nodes[0].blobs[1]).kept, "stored again, with no record yet");
        assert_eq!(collector.gc(&nothing, &blobs_of).unwrap().records_removed, 0, "held by a run");
        assert!(is_whole(&open(&fs), &fs, &nodes[0]) && is_whole(&open(&fs), &fs, &nodes[1]));
        drop(living);
        fs.advance(5 * HOUR);
        assert_eq!(collector.gc(&nothing, &blobs_of).unwrap().records_removed, 2, "killed");
    }

    #[test]
    fn row_24_a_clock_that_jumps_ages_nothing() {
        let fs = SimFs::new();
        let node = node(0, &[50, 5000]);
        store_on(&fs, TODAY, std::slice::from_ref(&node));
        fs.advance(2 * HOUR);
        for wrong_day in [TODAY + 5 * 365, TODAY - 5 * 365] {
            let cache = open_on(&fs, wrong_day);
            assert_eq!(cache.gc(&GcPolicy::default(), &blobs_of).unwrap().records_removed, 0);
            assert!(is_whole(&cache, &fs, &node));
        }
    }

    #[test]
    fn one_collector_at_a_time_and_leftovers_are_swept() {
        let fs = SimFs::new();
        store_on(&fs, TODAY, &[node(0, &[])]);
        fs.create_dir_all(Path::new("/cache/tmp"), 0o700).unwrap();
        let stale = Path::new("/cache/tmp/stale");
        fs.create_new(stale, 0o600).unwrap();
        day_later(&fs, 2);
        let fresh = Path::new("/cache/tmp/fresh");
        fs.create_new(fresh, 0o600).unwrap();
        let cache = open(&fs);
        let held = GcLock::take(&fs, Path::new("/cache")).unwrap();
        assert!(cache.gc(&GcPolicy::default(), &blobs_of).unwrap().busy);
        drop(held);
        assert!(!cache.gc(&GcPolicy::default(), &blobs_of).unwrap().busy);
        assert!(fs.metadata(stale).is_err() && fs.metadata(fresh).is_ok());
    }

    #[test]
    fn an_error_at_any_call_removes_nothing_that_is_kept() {
        for cut in 0.. {
            let fs = SimFs::new();
            let nodes = [node(0, &[50, 5000]), node(1, &[50, 5000])];
            store_on(&fs, TODAY, &nodes[..1]);
            let day = day_later(&fs, 40);
            store_on(&fs, day, &nodes[1..]);
            fs.advance(2 * HOUR);
            let cache = open_on(&fs, day);
            fs.fail_from(cut, 5);
            let done = cache.gc(&GcPolicy::default(), &blobs_of);
            fs.crash(crate::store::sim_fs::Crash::Forget);
            assert!(is_whole(&open_on(&fs, day), &fs, &nodes[1]), "call {cut}");
            if done.is_ok_and(|report| report.records_removed == 1) {
                assert!(cut > 8);
                return;
            }
        }
    }
}
