//! The workspace's path table: what every known path held when it was last looked at.
//!
//! One table per workspace, shared by all graph snapshots. Rows are never renumbered, so a snapshot may keep
//! [`PathId`]s, each with the [`Entry::mark`] of what it held. The table is disposable: one that is missing, damaged or of another version costs a
//! full scan and nothing else. Statting and hashing are in `store::look`.

use std::hash::{BuildHasher, BuildHasherDefault};

use hashbrown::HashTable;
use rustc_hash::FxHasher;

use crate::base::digest::BlobDigest;
use crate::base::id::PathId;

mod file;

/// What kind of thing stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FileKind {
    /// Nothing.
    Absent = 0,
    /// A regular file; its digest is that of its bytes.
    File = 1,
    /// A directory; its digest is that of the sorted names in it, with their kinds.
    Dir = 2,
    /// A symbolic link; its digest is that of the target's text.
    Symlink = 3,
    /// A device, socket or pipe; never an input.
    Other = 4,
    /// Something that could not be read.
    Unreadable = 5,
}

impl FileKind {
    fn from_u8(byte: u8) -> Option<Self> {
        [Self::Absent, Self::File, Self::Dir, Self::Symlink, Self::Other, Self::Unreadable]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// The fields of a stat that tell whether a path may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Length in bytes.
    pub size: u64,
    /// Modification time in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Status change time: catches an edit that keeps size and modification time.
    pub ctime_ns: i64,
    /// Inode number.
    pub inode: u64,
    /// Device number.
    pub device: u64,
    /// What stands there.
    pub kind: FileKind,
    /// The owner's execute bit.
    pub executable: bool,
}

impl Stamp {
    /// The stamp of a path with nothing at it.
    pub const ABSENT: Self =
        Self { size: 0, mtime_ns: 0, ctime_ns: 0, inode: 0, device: 0, kind: FileKind::Absent, executable: false };
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As last seen.
    pub stamp: Stamp,
    /// The content's digest; all zero where the kind has none.
    pub digest: BlobDigest,
    /// 0 for a row that was never looked at; grows with every change of kind, execute bit or digest.
    pub version: u32,
    /// The stamp proves the content: it was hashed well after its newest stamp. Otherwise it is hashed again.
    pub settled: bool,
    /// The content was written by a node of ours, so removing it loses no edit.
    pub ours: bool,
}

impl Entry {
    /// 64 bits of what the path holds: kind, execute bit and content. A snapshot keeps them to tell whether a path still
    /// holds what it held. They depend on nothing but content, so they stay right if a power cut takes the table back to
    /// an older state than the snapshot.
    pub fn mark(&self) -> u64 {
        let content = self.digest.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        content.rotate_left(8) ^ (self.stamp.kind as u64) << 1 ^ u64::from(self.stamp.executable)
    }
}

const NEVER_SEEN: Entry =
    Entry { stamp: Stamp::ABSENT, digest: BlobDigest::from_bytes([0; 32]), version: 0, settled: false, ours: false };

/// The table: rows by [`PathId`], and an index by path that is built when first needed.
#[derive(Default)]
pub struct PathTable {
    names: String,
    /// Where each name ends in `names`.
    ends: Vec<u32>,
    rows: file::Rows,
    index: HashTable<u32>,
    indexed: usize,
    generation: u64,
    /// Rows that differ from the file, some of them more than once.
    dirty: Vec<PathId>,
    /// What is on disk; `None` for a table that was not read from a file.
    disk: Option<file::Disk>,
}

impl PathTable {
    /// An empty table; `generation` should not repeat, since snapshots of another generation are void.
    pub fn new(generation: u64) -> Self {
        Self { generation, ..Self::default() }
    }

    /// Tells tables apart whose rows have different numbers.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether it differs from the file that it was read from.
    pub fn is_changed(&self) -> bool {
        self.disk.is_none() || !self.dirty.is_empty()
    }

    /// The path of a row.
    pub fn path(&self, id: PathId) -> &str {
        let end = self.ends[id.index()] as usize;
        let start = if id.0 == 0 { 0 } else { self.ends[id.index() - 1] as usize };
        &self.names[start..end]
    }

    /// A row as last seen.
    pub fn entry(&self, id: PathId) -> Entry {
        self.rows.get(id.index())
    }

    /// Whether the row has ever been looked at.
    pub fn is_known(&self, id: PathId) -> bool {
        self.entry(id).version > 0
    }

    /// The row of `path`, made if there is none.
    pub fn intern(&mut self, path: &str) -> PathId {
        self.build_index();
        let hash = hash(path);
        let found = self.index.find(hash, |&row| {
            let (start, end) = span(&self.ends, row);
            &self.names[start..end] == path
        });
        if let Some(&row) = found {
            return PathId(row);
        }
        let id = PathId::from_index(self.ends.len());
        self.names.push_str(path);
        self.ends.push(u32::try_from(self.names.len()).expect("BUG: more than 4 GiB of path names"));
        self.rows.push(&NEVER_SEEN);
        let (names, ends) = (&self.names, &self.ends);
        self.index.insert_unique(hash, id.0, |&row| {
            let (start, end) = span(ends, row);
            self::hash(&names[start..end])
        });
        self.indexed = self.ends.len();
        self.dirty.push(id);
        id
    }

    /// The row of `path`, if there is one.
    pub fn lookup(&mut self, path: &str) -> Option<PathId> {
        self.build_index();
        let found = self.index.find(hash(path), |&row| {
            let (start, end) = span(&self.ends, row);
            &self.names[start..end] == path
        });
        found.map(|&row| PathId(row))
    }

    /// Notes what a path holds now; returns whether its content differs from before.
    pub fn set(&mut self, id: PathId, stamp: Stamp, digest: BlobDigest, settled: bool) -> bool {
        let entry = self.entry(id);
        let same = entry.version > 0
            && entry.stamp.kind == stamp.kind
            && entry.stamp.executable == stamp.executable
            && entry.digest == digest;
        let next = Entry {
            stamp,
            digest,
            version: entry.version.wrapping_add(u32::from(!same)).max(1),
            settled,
            ours: same && entry.ours,
        };
        if entry != next {
            self.dirty.push(id);
            self.rows.set(id.index(), &next);
        }
        !same
    }

    /// Marks the content of a row as written by a node.
    pub fn mark_ours(&mut self, id: PathId) {
        let entry = self.entry(id);
        if !entry.ours {
            self.dirty.push(id);
            self.rows.set(id.index(), &Entry { ours: true, ..entry });
        }
    }

    fn build_index(&mut self) {
        if self.indexed == self.ends.len() {
            return;
        }
        let (names, ends) = (&self.names, &self.ends);
        self.index.reserve(self.ends.len() - self.indexed, |&row| {
            let (start, end) = span(ends, row);
            hash(&names[start..end])
        });
        for row in self.indexed..self.ends.len() {
            let row = PathId::from_index(row).0;
            let (start, end) = span(ends, row);
            self.index.insert_unique(hash(&names[start..end]), row, |&other| {
                let (start, end) = span(ends, other);
                hash(&names[start..end])
            });
        }
        self.indexed = self.ends.len();
    }
}

fn span(ends: &[u32], row: u32) -> (usize, usize) {
    let start = if row == 0 { 0 } else { ends[row as usize - 1] as usize };
    (start, ends[row as usize] as usize)
}

fn hash(path: &str) -> u64 {
    BuildHasherDefault::<FxHasher>::default().hash_one(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(size: u64) -> Stamp {
        Stamp { size, mtime_ns: -5, ctime_ns: 7, inode: 9, device: 3, kind: FileKind::File, executable: true }
    }

    fn sample() -> PathTable {
        let mut table = PathTable::new(42);
        for (i, path) in ["src/a.c", "src/ü.c", "", "out"].into_iter().enumerate() {
            let id = table.intern(path);
            table.set(id, stamp(i as u64), BlobDigest::of(path.as_bytes()), i % 2 == 0);
        }
        table.mark_ours(PathId(3));
        table
    }

    #[test]
    fn rows_survive_the_file_and_keep_their_numbers() {
        let mut table = sample();
        let mut read = PathTable::decode(table.encode()).unwrap();
        assert_eq!((read.generation(), read.len(), read.is_changed()), (42, 4, false));
        for path in ["src/a.c", "src/ü.c", "", "out"] {
            let id = table.lookup(path).unwrap();
            assert_eq!(read.lookup(path), Some(id));
            assert_eq!(read.path(id), path);
            assert_eq!(read.entry(id), table.entry(id));
        }
        assert_eq!(read.lookup("nothing"), None);
        assert_eq!(read.intern("new"), PathId(4));
    }

    #[test]
    fn any_flipped_byte_or_cut_is_refused() {
        let bytes = sample().encode();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(PathTable::decode(damaged).is_none(), "flip at {at}");
            assert!(PathTable::decode(bytes[..at].to_vec()).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn the_version_grows_with_content_only() {
        let mut table = PathTable::new(1);
        let id = table.intern("a");
        assert!(!table.is_known(id));
        assert!(table.set(id, stamp(1), BlobDigest::of(b"1"), false));
        let first = table.entry(id).version;
        assert!(!table.set(id, Stamp { mtime_ns: 99, ..stamp(1) }, BlobDigest::of(b"1"), true));
        assert_eq!(table.entry(id).version, first);
        assert!(table.set(id, stamp(1), BlobDigest::of(b"2"), true));
        let mark = table.entry(id).mark();
        assert!(table.set(id, Stamp { executable: false, ..stamp(1) }, BlobDigest::of(b"2"), true));
        assert_eq!(table.entry(id).version, first + 2);
        assert_ne!(table.entry(id).mark(), mark);
        assert!(table.set(id, stamp(1), BlobDigest::of(b"2"), true));
        assert_eq!(table.entry(id).mark(), mark, "the same content, the same mark");
    }

    #[test]
    fn a_change_of_content_is_no_longer_ours() {
        let mut table = sample();
        assert!(table.entry(PathId(3)).ours);
        table.set(PathId(3), stamp(3), BlobDigest::of(b"edited"), true);
        assert!(!table.entry(PathId(3)).ours);
    }
}
