//! The file of a path table: the rows, and behind them the changes of later runs.
//!
//! ```text
//! base   = magic[16] generation:u64 rows:u64 names:u64 row* end:u32* name* check[32]
//! change = rows:u32 (number:u32 row)* names:u32 (len:u32 name)*       numbers little-endian
//! ```
//! New rows come with their names, in the order of their numbers.

use std::io;
use std::path::Path;

use super::{Entry, FileKind, PathTable, Stamp};
use crate::base::digest::BlobDigest;
use crate::base::id::PathId;
use crate::store::tail::{self, Extent};

/// Bytes of a row.
const ROW: usize = 80;
const MAGIC: &[u8; 16] = b"ocelot-paths 02\n";
const HEADER: usize = MAGIC.len() + 3 * 8;

/// What the file of a table has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk {
    rows: usize,
    extent: Extent,
}

impl PathTable {
    /// Brings the file up to date, by appending to it if it is the one that was read. New rows are forced to the disk:
    /// a snapshot names rows by number, and after a power cut a number must not stand for another path.
    ///
    /// # Errors
    /// As the file system says.
    pub fn save(&self, file: &Path) -> io::Result<()> {
        let change = self.disk.as_ref().map(|disk| (disk.extent, self.change(disk.rows)));
        let has_new_rows = self.disk.as_ref().is_none_or(|disk| disk.rows < self.ends.len());
        tail::save(file, change, || self.encode(), has_new_rows)
    }

    /// Bytes of a file without changes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.rows.0.len() + self.ends.len() * 4 + self.names.len() + 32);
        out.extend_from_slice(MAGIC);
        for number in [self.generation, self.ends.len() as u64, self.names.len() as u64] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(self.rows.bytes());
        for end in &self.ends {
            out.extend_from_slice(&end.to_le_bytes());
        }
        out.extend_from_slice(self.names.as_bytes());
        let sum = blake3::hash(&out);
        out.extend_from_slice(sum.as_bytes());
        out
    }

    /// The rows that differ from a file of `rows` rows.
    fn change(&self, rows: usize) -> Vec<u8> {
        let mut dirty = self.dirty.clone();
        dirty.sort_unstable();
        dirty.dedup();
        let mut out = Vec::with_capacity(8 + dirty.len() * (ROW + 4));
        out.extend_from_slice(&length(dirty.len()));
        for id in dirty {
            out.extend_from_slice(&id.0.to_le_bytes());
            out.extend_from_slice(self.rows.row(id.index()));
        }
        out.extend_from_slice(&length(self.ends.len() - rows));
        for id in (rows..self.ends.len()).map(PathId::from_index) {
            let name = self.path(id);
            out.extend_from_slice(&length(name.len()));
            out.extend_from_slice(name.as_bytes());
        }
        out
    }

    /// Reads the file's bytes; `None` for another version or a damaged base. Of changes, those up to the first damaged
    /// one count.
    pub fn decode(bytes: Vec<u8>) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let number = |at: usize| {
            let bytes = rest.get(at * 8..)?.first_chunk::<8>()?;
            Some(u64::from_le_bytes(*bytes))
        };
        let (generation, count, names_len) = (number(0)?, number(1)?, number(2)?);
        let (count, names_len) = (usize::try_from(count).ok()?, usize::try_from(names_len).ok()?);
        let rows_end = count.checked_mul(ROW)?.checked_add(HEADER)?;
        let body_len = rows_end.checked_add(count * 4)?.checked_add(names_len)?;
        let (body, rest) = bytes.split_at_checked(body_len)?;
        let (sum, changes) = rest.split_first_chunk::<32>()?;
        if blake3::hash(body).as_bytes() != sum {
            return None;
        }
        let (ends, names) = body[rows_end..].split_at(count * 4);
        let names = str::from_utf8(names).ok()?.to_owned();
        let ends: Vec<u32> = ends.as_chunks::<4>().0.iter().map(|end| u32::from_le_bytes(*end)).collect();
        let ordered = ends.is_sorted() && ends.iter().all(|end| names.is_char_boundary(*end as usize));
        if !ordered || ends.last().map_or(0, |end| *end as usize) != names.len() {
            return None;
        }
        let (changes, extent) = tail::read(changes, (body_len + sum.len()) as u64);
        let changes: Vec<Vec<u8>> = changes.into_iter().map(<[u8]>::to_vec).collect();
        // The rows stay where they were read to: of ten thousand nodes they are megabytes.
        let mut rows = bytes;
        rows.truncate(rows_end);
        rows.shrink_to_fit();
        let mut table = Self { names, ends, rows: Rows(rows), generation, ..Self::default() };
        for change in changes {
            table.apply(&change)?;
        }
        table.disk = Some(Disk { rows: table.ends.len(), extent });
        Some(table)
    }

    /// Applies a change; `None` if it makes no sense, which a checksum that fits rules out.
    fn apply(&mut self, change: &[u8]) -> Option<()> {
        let mut rest = change;
        let count = take_number(&mut rest)? as usize;
        let mut rows = Vec::with_capacity(count.min(change.len() / ROW));
        for _ in 0..count {
            let id = take_number(&mut rest)?;
            let (row, after) = rest.split_first_chunk::<ROW>()?;
            rows.push((id as usize, row));
            rest = after;
        }
        for _ in 0..take_number(&mut rest)? {
            let len = take_number(&mut rest)? as usize;
            let (name, after) = rest.split_at_checked(len)?;
            self.names.push_str(str::from_utf8(name).ok()?);
            self.ends.push(u32::try_from(self.names.len()).ok()?);
            self.rows.push(&super::NEVER_SEEN);
            rest = after;
        }
        for (id, row) in rows {
            *self.rows.row_mut(id)? = *row;
        }
        rest.is_empty().then_some(())
    }
}

/// Rows as they are in the file, behind its header.
pub(super) struct Rows(Vec<u8>);

impl Default for Rows {
    fn default() -> Self {
        Self(vec![0; HEADER])
    }
}

impl Rows {
    fn bytes(&self) -> &[u8] {
        &self.0[HEADER..]
    }

    fn row(&self, at: usize) -> &[u8; ROW] {
        &self.bytes().as_chunks().0[at]
    }

    fn row_mut(&mut self, at: usize) -> Option<&mut [u8; ROW]> {
        self.0[HEADER..].as_chunks_mut().0.get_mut(at)
    }

    pub(super) fn get(&self, at: usize) -> Entry {
        decode_row(self.row(at))
    }

    pub(super) fn set(&mut self, at: usize, entry: &Entry) {
        if let Some(row) = self.row_mut(at) {
            *row = encode_row(entry);
        }
    }

    pub(super) fn push(&mut self, entry: &Entry) {
        self.0.extend_from_slice(&encode_row(entry));
    }
}

fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("BUG: more than 4 GiB of path names").to_le_bytes()
}

fn take_number(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_le_bytes(*number))
}

fn encode_row(entry: &Entry) -> [u8; ROW] {
    let stamp = &entry.stamp;
    let flags = u8::from(stamp.executable) | u8::from(entry.settled) << 1 | u8::from(entry.ours) << 2;
    let mut row = [0; ROW];
    row[..8].copy_from_slice(&stamp.size.to_le_bytes());
    row[8..16].copy_from_slice(&stamp.mtime_ns.to_le_bytes());
    row[16..24].copy_from_slice(&stamp.ctime_ns.to_le_bytes());
    row[24..32].copy_from_slice(&stamp.inode.to_le_bytes());
    row[32..40].copy_from_slice(&stamp.device.to_le_bytes());
    row[40..72].copy_from_slice(entry.digest.as_bytes());
    row[72..76].copy_from_slice(&entry.version.to_le_bytes());
    row[76] = stamp.kind as u8;
    row[77] = flags;
    row
}

fn decode_row(row: &[u8; ROW]) -> Entry {
    let word = |at: usize| row[at..].first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    Entry {
        stamp: Stamp {
            size: word(0),
            mtime_ns: word(8).cast_signed(),
            ctime_ns: word(16).cast_signed(),
            inode: word(24),
            device: word(32),
            // A checksum has said that this is what was written.
            kind: FileKind::from_u8(row[76]).unwrap_or(FileKind::Unreadable),
            executable: row[77] & 1 != 0,
        },
        digest: BlobDigest::from_bytes(row[40..].first_chunk::<32>().copied().unwrap_or_default()),
        version: row[72..].first_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes)),
        settled: row[77] & 2 != 0,
        ours: row[77] & 4 != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(size: u64) -> Stamp {
        Stamp { size, kind: FileKind::File, ..Stamp::ABSENT }
    }

    /// Saves over these bytes: the new bytes.
    fn saved(bytes: &[u8], table: &PathTable) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("paths");
        std::fs::write(&file, bytes).unwrap();
        table.save(&file).unwrap();
        std::fs::read(file).unwrap()
    }

    #[test]
    fn changes_are_appended_and_read_back_and_a_cut_takes_back_the_last() {
        let mut table = PathTable::new(7);
        let a = table.intern("a");
        table.set(a, stamp(1), BlobDigest::of(b"1"), true);
        let file = table.encode();
        let base = file.len();

        let mut table = PathTable::decode(file.clone()).unwrap();
        assert!(!table.is_changed());
        table.set(a, stamp(2), BlobDigest::of(b"2"), true);
        let b = table.intern("bé");
        table.set(b, stamp(3), BlobDigest::of(b"3"), false);
        table.mark_ours(b);
        let file = saved(&file, &table);
        assert!(file.len() > base, "appended");
        let one = file.len();

        let mut again = PathTable::decode(file.clone()).unwrap();
        assert_eq!((again.len(), again.is_changed(), again.generation()), (2, false, 7));
        assert_eq!((again.entry(a), again.entry(b)), (table.entry(a), table.entry(b)));
        assert_eq!(again.lookup("bé"), Some(b));
        again.set(a, stamp(4), BlobDigest::of(b"4"), true);
        let file = saved(&file, &again);
        assert_eq!(PathTable::decode(file.clone()).unwrap().entry(a), again.entry(a));

        for cut in base..file.len() {
            let read = PathTable::decode(file[..cut].to_vec()).unwrap();
            let expected = if cut < one { 1 } else { 2 };
            assert_eq!(read.entry(a).stamp.size, expected, "cut at {cut}");
            let mut after = PathTable::decode(file[..cut].to_vec()).unwrap();
            after.set(a, stamp(5), BlobDigest::of(b"5"), true);
            let saved = saved(&file[..cut], &after);
            assert_eq!(PathTable::decode(saved.clone()).unwrap().entry(a), after.entry(a), "cut at {cut}");
            let is_new = saved == after.encode();
            assert_eq!(is_new, cut != base && cut != one, "only a broken end is written anew");
        }
    }

    #[test]
    fn a_table_that_was_not_read_and_one_whose_file_has_changed_are_written_whole() {
        assert!(PathTable::new(1).is_changed());
        let mut table = PathTable::new(1);
        table.intern("a");
        assert_eq!(saved(b"what was there", &table), table.encode());
        let mut read = PathTable::decode(table.encode()).unwrap();
        read.intern("b");
        assert_eq!(saved(b"what another run left", &read), read.encode());
    }
}
