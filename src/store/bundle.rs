//! Carrying records and their blobs to another cache in one file.
//!
//! A bundle is a file of frames (see `frame`): attachments, blobs, records, and an end frame with their counts, so
//! that a cut is noticed. An import reads it twice: the first pass checks every byte and stores nothing; the second
//! checks again while it stores, blobs first. A bundle can therefore be refused as a whole, and a record never comes
//! before what it names.
//!
//! ```text
//! attachment = name_len:u32 name bytes      kind 1; opaque to the store, for example receipts
//! blob       = digest[32] size:u64          kind 2; followed by parts that add up to `size`
//! part       = bytes                        kind 3; at most 1 MiB
//! record     = action[32] payload           kind 4
//! end        = attachments:u64 blobs:u64 records:u64     kind 5; the last
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use blake3::Hasher;

use crate::base::digest::{ActionDigest, BlobDigest, OwnDigest};
use crate::store::cache::Cache;
use crate::store::cache_blobs::SMALL_BLOB;
use crate::store::cache_error::CacheError;
use crate::store::cache_options::Access;
use crate::store::frame::{Format, FrameReader, push_frame};
use crate::store::fs::{FsFile, unique_name};
use crate::store::gc::BlobsOf;

const FORMAT: Format = Format { purpose: *b"BNDL", version: 1 };
const ATTACHMENT: u8 = 1;
const BLOB: u8 = 2;
const PART: u8 = 3;
const RECORD: u8 = 4;
const END: u8 = 5;
const PART_LEN: usize = 1 << 20;

/// Computes a record's keys from its payload; `None` if it is no record of this version.
pub type KeysOf<'a> = dyn Fn(&[u8]) -> Option<(ActionDigest, OwnDigest)> + 'a;

/// Says what is wrong with an attachment, by its name and bytes; a bundle with one that is wrong is refused as a whole.
pub type AttachmentCheck<'a> = dyn Fn(&str, &[u8]) -> Result<(), String> + 'a;

/// How what comes in a bundle is checked beside its digests.
#[derive(Clone, Copy)]
pub struct Checks<'a> {
    /// For records.
    pub keys_of: &'a KeysOf<'a>,
    /// For attachments.
    pub attachment: &'a AttachmentCheck<'a>,
}

/// What to put into a bundle.
pub struct Export<'a> {
    /// The records.
    pub actions: &'a [ActionDigest],
    /// The blobs to carry along with a record; may leave some out.
    pub blobs_of: &'a BlobsOf<'a>,
    /// Further named content, kept as it is.
    pub attachments: &'a BTreeMap<String, Vec<u8>>,
}

/// What was exported or imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleReport {
    /// Number of records.
    pub records: u64,
    /// Number of blobs.
    pub blobs: u64,
    /// Bytes of the blobs.
    pub bytes: u64,
    /// Attachments by name (import only).
    pub attachments: BTreeMap<String, Vec<u8>>,
}

impl Cache {
    /// Writes the chosen records and their blobs to `dest`, all verified. Nothing appears there unless all of it
    /// does.
    pub fn export(&self, what: &Export<'_>, dest: &Path) -> Result<BundleReport, CacheError> {
        let folder = dest.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temp = folder.join(format!(".ocelot-{}", unique_name()));
        let failed = |error| CacheError::io("write", dest, error);
        let file = self.fs.create_new(&temp, 0o666).map_err(failed)?;
        let mut sink = Sink { file: &*file, path: dest, offset: 0, buffer: FORMAT.header().to_vec() };
        let written = self.write_bundle(what, &mut sink).and_then(|report| {
            sink.file.sync_data().map_err(failed)?;
            self.fs.rename(&temp, dest).and_then(|()| self.fs.sync_dir(folder)).map_err(failed)?;
            Ok(report)
        });
        written.inspect_err(|_| {
            let _ = self.fs.remove(&temp);
        })
    }

    fn write_bundle(&self, what: &Export<'_>, sink: &mut Sink<'_>) -> Result<BundleReport, CacheError> {
        let mut report = BundleReport::default();
        for (name, bytes) in what.attachments {
            sink.frame(ATTACHMENT, &[&(name.len() as u32).to_le_bytes(), name.as_bytes(), bytes])?;
        }
        let mut done = BTreeSet::new();
        let mut records = BTreeSet::new();
        for action in what.actions {
            let payload = self.record_for_export(action)?;
            records.insert(action);
            for digest in (what.blobs_of)(&payload) {
                if done.insert(digest) {
                    report.bytes += self.write_blob(&digest, sink)?;
                }
            }
        }
        for action in &records {
            sink.frame(RECORD, &[action.as_bytes(), &self.record_for_export(action)?])?;
        }
        (report.blobs, report.records) = (done.len() as u64, records.len() as u64);
        let counts = [what.attachments.len() as u64, report.blobs, report.records];
        sink.frame(END, &[&counts.map(u64::to_le_bytes).concat()])?;
        sink.flush()?;
        Ok(report)
    }

    fn record_for_export(&self, action: &ActionDigest) -> Result<Vec<u8>, CacheError> {
        self.get_record(action).ok_or_else(|| CacheError::NotHeld { what: format!("record {}", action.short()) })
    }

    fn write_blob(&self, digest: &BlobDigest, sink: &mut Sink<'_>) -> Result<u64, CacheError> {
        let not_held = || CacheError::NotHeld { what: format!("blob {}", digest.short()) };
        if let Some(bytes) = self.read_blob(digest, SMALL_BLOB) {
            let size = bytes.len() as u64;
            sink.frame(BLOB, &[digest.as_bytes(), &size.to_le_bytes()])?;
            if size > 0 {
                sink.frame(PART, &[&bytes])?;
            }
            return Ok(size);
        }
        let path = self.blobs.path(digest);
        let size = self.blobs.size(digest).ok_or_else(not_held)?;
        let file = self.fs.open(&path).map_err(|_| not_held())?;
        sink.frame(BLOB, &[digest.as_bytes(), &size.to_le_bytes()])?;
        let (mut hasher, mut offset, mut buffer) = (Hasher::new(), 0, vec![0; PART_LEN]);
        while offset < size {
            let want = (size - offset).min(PART_LEN as u64) as usize;
            let read = file.read_at(&mut buffer[..want], offset).map_err(|e| CacheError::io("read", &path, e))?;
            if read == 0 {
                return Err(not_held());
            }
            hasher.update(&buffer[..read]);
            sink.frame(PART, &[&buffer[..read]])?;
            offset += read as u64;
        }
        if hasher.finalize().as_bytes() != digest.as_bytes() {
            self.blobs.damaged(digest);
            self.damaged(format!("blob {}", digest.short()));
            return Err(not_held());
        }
        Ok(size)
    }

    /// Takes over everything in a bundle, after all of it was checked: every byte, every record's key, and every
    /// attachment. What becomes of attachments is the caller's.
    pub fn import(&self, bundle: &Path, checks: &Checks<'_>) -> Result<BundleReport, CacheError> {
        if self.options.access == Access::ReadOnly {
            return Err(self.not_writable("it was opened for reading only"));
        }
        let file = self.fs.open(bundle).map_err(|error| CacheError::io("read", bundle, error))?;
        let source = Source { file: &*file, path: bundle, checks };
        source.walk(&mut |_| Ok(()))?;
        let mut report = BundleReport::default();
        let mut open: Option<Incoming> = None;
        let stored = source.walk(&mut |item| self.take_over(item, &mut open, &mut report));
        if let Some(Incoming { temp: Some((temp, _)), .. }) = open {
            let _ = self.fs.remove(&temp);
        }
        stored.map(|()| report)
    }

    fn take_over(
        &self,
        item: Item<'_>,
        open: &mut Option<Incoming>,
        report: &mut BundleReport,
    ) -> Result<(), CacheError> {
        let failed = |error: io::Error| self.not_writable(&error.to_string());
        match item {
            Item::Attachment { name, bytes } => {
                report.attachments.insert(name.to_owned(), bytes.to_vec());
            }
            Item::Blob { digest, size } => {
                let temp = if size > SMALL_BLOB { Some(self.blobs.create_temp().map_err(failed)?) } else { None };
                *open = Some(Incoming { digest, size, temp, done: 0, small: Vec::new() });
            }
            Item::Part(bytes) => {
                if let Some(blob) = open {
                    match &blob.temp {
                        Some((_, file)) => file.write_at(bytes, blob.done).map_err(failed)?,
                        None => blob.small.extend_from_slice(bytes),
                    }
                    blob.done += bytes.len() as u64;
                }
            }
            Item::BlobEnd => {
                if let Some(blob) = open {
                    match &blob.temp {
                        Some((temp, _)) => self.blobs.keep(temp, &blob.digest, blob.size).map_err(failed)?,
                        None if self.put_bytes(&blob.small).kept => {}
                        None => return Err(self.not_writable("see the warnings")),
                    }
                    report.blobs += 1;
                    report.bytes += blob.size;
                }
                *open = None;
            }
            Item::Record { action, own, payload } => {
                if !self.put_record(&action, &own, payload) {
                    return Err(self.not_writable("see the warnings"));
                }
                report.records += 1;
            }
        }
        Ok(())
    }

    fn not_writable(&self, reason: &str) -> CacheError {
        CacheError::NotWritable { path: self.root().to_path_buf(), reason: reason.to_owned() }
    }
}

/// A blob being imported.
struct Incoming {
    digest: BlobDigest,
    size: u64,
    /// Where a large one is gathered.
    temp: Option<(PathBuf, Box<dyn FsFile>)>,
    done: u64,
    small: Vec<u8>,
}

struct Sink<'a> {
    file: &'a dyn FsFile,
    path: &'a Path,
    offset: u64,
    buffer: Vec<u8>,
}

impl Sink<'_> {
    fn frame(&mut self, kind: u8, parts: &[&[u8]]) -> Result<(), CacheError> {
        if !push_frame(&mut self.buffer, kind, parts) {
            return Err(CacheError::io("write", self.path, io::ErrorKind::FileTooLarge.into()));
        }
        if self.buffer.len() >= PART_LEN { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), CacheError> {
        let written = self.file.write_at(&self.buffer, self.offset);
        written.map_err(|error| CacheError::io("write", self.path, error))?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// What a bundle holds, in its order; a blob's parts are checked against its digest before `BlobEnd`.
enum Item<'a> {
    Attachment { name: &'a str, bytes: &'a [u8] },
    Blob { digest: BlobDigest, size: u64 },
    Part(&'a [u8]),
    BlobEnd,
    Record { action: ActionDigest, own: OwnDigest, payload: &'a [u8] },
}

struct Source<'a> {
    file: &'a dyn FsFile,
    path: &'a Path,
    checks: &'a Checks<'a>,
}

struct OpenBlob {
    digest: BlobDigest,
    left: u64,
    hasher: Hasher,
}

impl Source<'_> {
    /// Reads the whole bundle, checks it, and passes on what it holds.
    fn walk(&self, visit: &mut dyn FnMut(Item<'_>) -> Result<(), CacheError>) -> Result<(), CacheError> {
        let end = self.file.meta().map_err(|error| CacheError::io("read", self.path, error))?.len;
        let mut frames = FrameReader::new(self.file, &FORMAT)
            .map_err(|error| CacheError::io("read", self.path, error))?
            .map_err(|error| self.bad(error.to_string()))?;
        let mut counts = [0_u64; 3];
        let mut open: Option<OpenBlob> = None;
        while let Some(frame) = frames.next_frame() {
            if open.is_some() != (frame.kind == PART) {
                return Err(self.bad("its parts are out of order"));
            }
            match frame.kind {
                PART => self.part(frame.body, &mut open, visit)?,
                ATTACHMENT => {
                    counts[0] += 1;
                    let item = attachment(frame.body).ok_or_else(|| self.bad("an attachment has no name"))?;
                    if let Item::Attachment { name, bytes } = &item {
                        (self.checks.attachment)(name, bytes).map_err(|reason| self.bad(reason))?;
                    }
                    visit(item)?;
                }
                BLOB => {
                    counts[1] += 1;
                    let (digest, left) = blob(frame.body).ok_or_else(|| self.bad("a blob has no digest"))?;
                    visit(Item::Blob { digest, size: left })?;
                    open = Some(OpenBlob { digest, left, hasher: Hasher::new() });
                    if left == 0 {
                        self.part(&[], &mut open, visit)?;
                    }
                }
                RECORD => {
                    counts[2] += 1;
                    visit(self.record(frame.body)?)?;
                }
                END if frame.body != counts.map(u64::to_le_bytes).concat() => {
                    return Err(self.bad("its counts do not agree"));
                }
                END if frames.position() == end => return Ok(()),
                _ => return Err(self.bad("it holds something unknown")),
            }
        }
        Err(self.bad("it is cut short or damaged"))
    }

    fn part(
        &self,
        bytes: &[u8],
        open: &mut Option<OpenBlob>,
        visit: &mut dyn FnMut(Item<'_>) -> Result<(), CacheError>,
    ) -> Result<(), CacheError> {
        let Some(blob) = open else { return Ok(()) };
        let left = blob.left.checked_sub(bytes.len() as u64);
        blob.left = left.ok_or_else(|| self.bad("a blob is longer than announced"))?;
        blob.hasher.update(bytes);
        visit(Item::Part(bytes))?;
        if blob.left > 0 {
            return Ok(());
        }
        if blob.hasher.finalize().as_bytes() != blob.digest.as_bytes() {
            return Err(self.bad("a blob does not have its digest"));
        }
        *open = None;
        visit(Item::BlobEnd)
    }

    fn record<'b>(&self, body: &'b [u8]) -> Result<Item<'b>, CacheError> {
        let (named, payload) = body.split_first_chunk::<32>().ok_or_else(|| self.bad("a record has no key"))?;
        match (self.checks.keys_of)(payload) {
            Some((action, own)) if action.as_bytes() == named => Ok(Item::Record { action, own, payload }),
            Some(_) => Err(self.bad("a record is filed under a key that is not its own")),
            None => Err(self.bad("a record cannot be read by this version")),
        }
    }

    fn bad(&self, reason: impl Into<String>) -> CacheError {
        CacheError::BadBundle { path: self.path.to_path_buf(), reason: reason.into() }
    }
}

fn attachment(body: &[u8]) -> Option<Item<'_>> {
    let (len, rest) = body.split_first_chunk::<4>()?;
    let (name, bytes) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    Some(Item::Attachment { name: std::str::from_utf8(name).ok()?, bytes })
}

fn blob(body: &[u8]) -> Option<(BlobDigest, u64)> {
    let (digest, size) = body.split_first_chunk::<32>()?;
    Some((BlobDigest::from_bytes(*digest), u64::from_le_bytes(size.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fs::{Fs, read_file};
    use crate::store::sim_cache::{Node, blobs_of, is_whole, keys_of, node, open, store};
    use crate::store::sim_fs::SimFs;

    const BUNDLE: &str = "/project/bundle";
    /// One attachment is a forgery, all others are good.
    const CHECKS: Checks<'_> = Checks {
        keys_of: &keys_of,
        attachment: &|name, _| if name == "forged" { Err("it is forged".to_owned()) } else { Ok(()) },
    };

    fn exported(nodes: &[Node]) -> (SimFs, BundleReport) {
        let fs = SimFs::new();
        let cache = open(&fs);
        assert!(nodes.iter().all(|node| store(&cache, node)));
        let actions: Vec<_> = nodes.iter().map(|node| node.action).collect();
        let attachments = BTreeMap::from([("receipts/a".to_owned(), b"receipt".to_vec())]);
        let what = Export { actions: &actions, blobs_of: &blobs_of, attachments: &attachments };
        let report = cache.export(&what, Path::new(BUNDLE)).unwrap();
        (fs, report)
    }

    fn import(bytes: &[u8]) -> (SimFs, Cache, Result<BundleReport, CacheError>) {
        let fs = SimFs::new();
        let cache = open(&fs);
        fs.create_new(Path::new(BUNDLE), 0o600).unwrap().write_at(bytes, 0).unwrap();
        let report = cache.import(Path::new(BUNDLE), &CHECKS);
        (fs, cache, report)
    }

    #[test]
    fn a_bundle_carries_records_blobs_and_attachments() {
        let nodes = [node(0, &[0, 100]), node(1, &[5000, 3 << 20]), node(2, &[])];
        let (fs, sent) = exported(&nodes);
        assert_eq!((sent.records, sent.blobs, sent.bytes), (3, 4, 100 + 5000 + (3 << 20)));
        let (there, cache, report) = import(&read_file(&fs, Path::new(BUNDLE)).unwrap());
        let report = report.unwrap();
        assert_eq!((report.records, report.blobs, report.bytes), (3, 4, sent.bytes));
        assert_eq!(report.attachments["receipts/a"], b"receipt");
        cache.finish();
        assert!(nodes.iter().all(|node| is_whole(&open(&there), &there, node)));
        assert_eq!(there.files_in("/cache/tmp"), [] as [PathBuf; 0]);
    }

    #[test]
    fn a_cut_or_flipped_bundle_is_refused_and_leaves_nothing() {
        let (fs, _) = exported(&[node(0, &[10]), node(1, &[4100])]);
        let whole = read_file(&fs, Path::new(BUNDLE)).unwrap();
        let refused = |bytes: &[u8], what: String| {
            let (there, _cache, report) = import(bytes);
            assert!(matches!(report, Err(CacheError::BadBundle { .. })), "{what}: {report:?}");
            assert_eq!(there.files_in("/cache"), [] as [PathBuf; 0], "{what}");
        };
        for at in (0..whole.len()).filter(|at| *at < 400 || at % 13 == 0 || *at > whole.len() - 400) {
            refused(&whole[..at], format!("cut at {at}"));
            let mut bytes = whole.clone();
            bytes[at] ^= 2;
            refused(&bytes, format!("flip at {at}"));
        }
        refused(&[&whole[..], b"more"].concat(), "longer".to_owned());
    }

    #[test]
    fn a_record_under_a_key_that_is_not_its_own_is_refused() {
        let mut bytes = FORMAT.header().to_vec();
        let (honest, other) = (node(0, &[]), node(1, &[]));
        assert!(push_frame(&mut bytes, RECORD, &[other.action.as_bytes(), &honest.payload]));
        assert!(push_frame(&mut bytes, END, &[&[0_u64, 0, 1].map(u64::to_le_bytes).concat()]));
        let (there, _cache, report) = import(&bytes);
        assert!(report.unwrap_err().to_string().contains("not its own"));
        assert_eq!(there.files_in("/cache"), [] as [PathBuf; 0]);
    }

    #[test]
    fn a_bundle_with_a_wrong_attachment_is_refused_as_a_whole() {
        let fs = SimFs::new();
        let cache = open(&fs);
        let node = node(0, &[5000]);
        assert!(store(&cache, &node));
        let attachments = BTreeMap::from([("forged".to_owned(), Vec::new())]);
        let what = Export { actions: &[node.action], blobs_of: &blobs_of, attachments: &attachments };
        cache.export(&what, Path::new(BUNDLE)).unwrap();
        let (there, _cache, report) = import(&read_file(&fs, Path::new(BUNDLE)).unwrap());
        assert!(report.unwrap_err().to_string().contains("it is forged"));
        assert_eq!(there.files_in("/cache"), [] as [PathBuf; 0]);
    }

    #[test]
    fn a_blob_that_is_not_its_digest_is_refused() {
        let mut bytes = FORMAT.header().to_vec();
        let digest = BlobDigest::of(b"promised");
        assert!(push_frame(&mut bytes, BLOB, &[digest.as_bytes(), &8_u64.to_le_bytes()]));
        assert!(push_frame(&mut bytes, PART, &[b"received"]));
        assert!(push_frame(&mut bytes, END, &[&[0_u64, 1, 0].map(u64::to_le_bytes).concat()]));
        assert!(import(&bytes).2.unwrap_err().to_string().contains("digest"));
    }

    #[test]
    fn what_is_not_held_cannot_be_exported() {
        let fs = SimFs::new();
        let cache = open(&fs);
        let node = node(0, &[5000]);
        let attachments = BTreeMap::new();
        let what = Export { actions: &[node.action], blobs_of: &blobs_of, attachments: &attachments };
        assert!(matches!(cache.export(&what, Path::new(BUNDLE)), Err(CacheError::NotHeld { .. })));
        assert!(store(&cache, &node));
        fs.damage(&fs.files_in("/cache/blobs")[0], |bytes| bytes[0] ^= 1);
        assert!(matches!(cache.export(&what, Path::new(BUNDLE)), Err(CacheError::NotHeld { .. })));
        assert_eq!(fs.files_in("/project"), [] as [PathBuf; 0]);
    }

    #[test]
    fn a_full_disk_during_import_leaves_no_record_without_its_blobs() {
        let nodes = [node(0, &[10, 5000]), node(1, &[4100])];
        let (from, _) = exported(&nodes);
        let bytes = read_file(&from, Path::new(BUNDLE)).unwrap();
        for n in 0.. {
            let fs = SimFs::new();
            let cache = open(&fs);
            fs.create_new(Path::new(BUNDLE), 0o600).unwrap().write_at(&bytes, 0).unwrap();
            fs.fail_from(n, 28);
            let report = cache.import(Path::new(BUNDLE), &CHECKS);
            fs.kill();
            let after = open(&fs);
            for node in &nodes {
                assert!(after.get_record(&node.action).is_none() || is_whole(&after, &fs, node), "call {n}");
            }
            if report.is_ok() {
                assert!(n > 6);
                return;
            }
        }
    }
}
