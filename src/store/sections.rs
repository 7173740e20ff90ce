//! A state file of independently checksummed sections, so that a null run reads and verifies only what it needs.
//!
//! Layout: magic, key of 32 bytes, section count, then per section its length and BLAKE3, a BLAKE3 of all that, then the
//! sections' bytes, then changes (see [`tail`]). A file of another version or key, or with any
//! damage before the changes, reads as absent.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::store::tail::{self, Extent};

const MAGIC: &[u8; 16] = b"ocelot-state 02\n";
/// Far above what is written; bounds what a damaged header can make us allocate.
const MAX_SECTIONS: usize = 64;

/// Encodes sections under a key.
pub fn encode(key: &[u8; 32], sections: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + sections.iter().map(|section| section.len() + 40).sum::<usize>());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(key);
    out.extend_from_slice(&(sections.len() as u64).to_le_bytes());
    for section in sections {
        out.extend_from_slice(&(section.len() as u64).to_le_bytes());
        out.extend_from_slice(blake3::hash(section).as_bytes());
    }
    let sum = blake3::hash(&out);
    out.extend_from_slice(sum.as_bytes());
    for section in sections {
        out.extend_from_slice(section);
    }
    out
}

/// An opened state file with a verified header.
#[derive(Debug)]
pub struct Sections {
    file: File,
    /// Offset, length and checksum of each section.
    table: Vec<(u64, usize, [u8; 32])>,
    /// Where the sections end, and where the file does.
    end: u64,
    len: u64,
}

impl Sections {
    /// Opens a file; `None` if it is absent, damaged, or under another key.
    pub fn open(path: &Path, key: &[u8; 32]) -> Option<Self> {
        let file = File::open(path).ok()?;
        let len = file.metadata().ok()?.len();
        let mut head = [0; 56];
        file.read_exact_at(&mut head, 0).ok()?;
        let rest = head.strip_prefix(MAGIC)?.strip_prefix(key)?;
        let count = usize::try_from(u64::from_le_bytes(*rest.first_chunk()?)).ok().filter(|n| *n <= MAX_SECTIONS)?;
        let mut header = vec![0; 56 + count * 40 + 32];
        file.read_exact_at(&mut header, 0).ok()?;
        let (body, sum) = header.split_last_chunk::<32>()?;
        if blake3::hash(body).as_bytes() != sum {
            return None;
        }
        let mut offset = header.len() as u64;
        let mut table = Vec::with_capacity(count);
        for row in body[56..].as_chunks::<40>().0 {
            let size = u64::from_le_bytes(*row.first_chunk()?);
            table.push((offset, usize::try_from(size).ok()?, *row.last_chunk()?));
            offset = offset.checked_add(size)?;
        }
        (offset <= len).then_some(Self { file, table, end: offset, len })
    }

    /// The bytes of a section; `None` if there is no such section or its bytes are damaged.
    pub fn read(&self, section: usize) -> Option<Vec<u8>> {
        let (offset, len, sum) = self.table.get(section)?;
        let mut bytes = vec![0; *len];
        self.file.read_exact_at(&mut bytes, *offset).ok()?;
        (blake3::hash(&bytes).as_bytes() == sum).then_some(bytes)
    }

    /// Some bytes of a section, not checked; `None` if it does not have them.
    pub fn read_unchecked(&self, section: usize, span: Range<usize>) -> Option<Vec<u8>> {
        let (offset, len, _) = self.table.get(section)?;
        let mut bytes = vec![0; span.end.checked_sub(span.start).filter(|_| span.end <= *len)?];
        self.file.read_exact_at(&mut bytes, offset + span.start as u64).ok()?;
        Some(bytes)
    }

    /// The whole changes behind the sections, and where the last of them ends.
    pub fn changes(&self) -> Option<(Vec<Vec<u8>>, Extent)> {
        let mut bytes = vec![0; usize::try_from(self.len - self.end).ok()?];
        self.file.read_exact_at(&mut bytes, self.end).ok()?;
        let (changes, extent) = tail::read(&bytes, self.end);
        Some((changes.into_iter().map(<[u8]>::to_vec).collect(), extent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read_one_by_one_and_damage_is_absence() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let key = [7; 32];
        let bytes = encode(&key, &[b"first", b"", b"third section"]);
        std::fs::write(&path, &bytes).unwrap();
        let sections = Sections::open(&path, &key).unwrap();
        assert_eq!(sections.read(0).as_deref(), Some(&b"first"[..]));
        assert_eq!(sections.read(1).as_deref(), Some(&b""[..]));
        assert_eq!(sections.read(2).as_deref(), Some(&b"third section"[..]));
        assert_eq!(sections.read(3), None);
        assert!(Sections::open(&path, &[8; 32]).is_none());
        let whole = |path: &Path| {
            let sections = Sections::open(path, &key)?;
            Some((sections.read(0)?, sections.read(1)?, sections.read(2)?))
        };
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            std::fs::write(&path, &damaged).unwrap();
            assert_eq!(whole(&path), None, "flip at {at}");
            std::fs::write(&path, &bytes[..at]).unwrap();
            assert_eq!(whole(&path), None, "cut at {at}");
        }
    }
}
