//! Writes zips whose bytes follow from their entries alone.
//!
//! Entries in bytewise order of their names, no clock (every entry is of 1980-01-01 00:00:00, the zero of the
//! format), no user ids, no extra fields, no comments, sizes in the local headers (no data descriptors), no zip64.
//! Modes are stored the Unix way, which is where Lambda reads them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use crate::layer::deflate::{Recipe, deflate};
use crate::layer::error::LayerError;

/// Unix (3) in the high byte, zip specification 2.0 in the low one: the first with folders and deflate.
const MADE_BY: u16 = 3 << 8 | VERSION;
const VERSION: u16 = 20;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Deflate's general purpose bits 1 and 2 for "best compression" stay 0 like all others: they are only informative.
const FLAGS: u16 = 0;
const DOS_TIME: u16 = 0;
/// Year 1980 (0), month 1, day 1.
const DOS_DATE: u16 = 1 << 5 | 1;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
/// The MS-DOS attribute of folders, in the low byte that Unix tools leave alone.
const DOS_FOLDER: u32 = 0x10;

/// One entry to write.
#[derive(Debug, Clone, Copy)]
pub struct ZipEntry<'d> {
    /// The path inside the zip, relative, with `/`; a folder's name ends in `/`.
    pub name: &'d str,
    /// The Unix permission bits, for example `0o755`.
    pub mode: u32,
    /// The content of a file; `None` for a folder.
    pub data: Option<&'d [u8]>,
}

/// Writes a zip of these entries, in bytewise order of their names whatever order they come in. The bytes depend on
/// the entries and the recipe, not on `threads`. Refused: names that a reader would refuse, repeated names, sizes
/// over 4 GiB.
pub fn write_zip(entries: &[ZipEntry<'_>], recipe: Recipe, threads: NonZeroUsize) -> Result<Vec<u8>, LayerError> {
    let mut sorted = BTreeMap::new();
    for entry in entries {
        check(entry).map_err(|problem| refuse(entry.name, problem))?;
        if sorted.insert(entry.name, entry).is_some() {
            return Err(refuse(entry.name, "it is there twice"));
        }
    }
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for entry in sorted.values() {
        let refuse = |problem| refuse(entry.name, problem);
        let content = Content::of(entry, recipe, threads).map_err(refuse)?;
        let offset = u32::try_from(zip.len()).map_err(|_| refuse("the zip would be over 4 GiB"))?;
        let common =
            content.common_fields(entry.name).ok_or_else(|| refuse("it is over 4 GiB, or its name too long"))?;
        zip.extend(b"PK\x03\x04");
        zip.extend(&common);
        zip.extend(entry.name.as_bytes());
        zip.extend(&*content.bytes);
        directory.extend(b"PK\x01\x02");
        directory.extend(MADE_BY.to_le_bytes());
        directory.extend(&common);
        // Comment length, disk number, internal attributes: none.
        directory.extend([0; 6]);
        directory.extend(external_attributes(entry).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(entry.name.as_bytes());
    }
    let refuse = || LayerError::zip("zip", "it would be over 4 GiB or 65,534 entries");
    let count = u16::try_from(sorted.len()).ok().filter(|count| *count < u16::MAX).ok_or_else(refuse)?;
    let start = u32::try_from(zip.len()).map_err(|_| refuse())?;
    let length = u32::try_from(directory.len()).map_err(|_| refuse())?;
    zip.extend(directory);
    zip.extend(b"PK\x05\x06\0\0\0\0");
    zip.extend(count.to_le_bytes());
    zip.extend(count.to_le_bytes());
    zip.extend(length.to_le_bytes());
    zip.extend(start.to_le_bytes());
    zip.extend([0; 2]);
    Ok(zip)
}

/// The four entries of a collector layer: Lambda unpacks them to `/opt`, starts every executable of `extensions/`,
/// and the collector reads its configuration where `collector-config/` lands. Folders need their execute bits.
pub fn collector_layer<'d>(binary: &'d [u8], config: &'d [u8]) -> [ZipEntry<'d>; 4] {
    [
        ZipEntry { name: "collector-config/", mode: 0o755, data: None },
        ZipEntry { name: "collector-config/config.yaml", mode: 0o644, data: Some(config) },
        ZipEntry { name: "extensions/", mode: 0o755, data: None },
        ZipEntry { name: "extensions/collector", mode: 0o755, data: Some(binary) },
    ]
}

struct Content<'d> {
    method: u16,
    crc32: u32,
    length: usize,
    bytes: Cow<'d, [u8]>,
}

impl<'d> Content<'d> {
    fn of(entry: &ZipEntry<'d>, recipe: Recipe, threads: NonZeroUsize) -> Result<Self, &'static str> {
        let Some(data) = entry.data else {
            return Ok(Self { method: STORED, crc32: 0, length: 0, bytes: Cow::Borrowed(&[]) });
        };
        let deflated = deflate(data, recipe, threads)?;
        let (method, bytes) = if deflated.bytes.len() < data.len() {
            (DEFLATED, Cow::Owned(deflated.bytes))
        } else {
            (STORED, Cow::Borrowed(data))
        };
        Ok(Self { method, crc32: deflated.crc32, length: data.len(), bytes })
    }

    /// What the local header and the directory both hold, from "version needed" to "extra field length".
    fn common_fields(&self, name: &str) -> Option<Vec<u8>> {
        let mut fields = Vec::with_capacity(26);
        for value in [VERSION, FLAGS, self.method, DOS_TIME, DOS_DATE] {
            fields.extend(value.to_le_bytes());
        }
        fields.extend(self.crc32.to_le_bytes());
        for value in [self.bytes.len(), self.length] {
            // The highest value announces zip64.
            fields.extend(u32::try_from(value).ok().filter(|value| *value < u32::MAX)?.to_le_bytes());
        }
        fields.extend(u16::try_from(name.len()).ok()?.to_le_bytes());
        fields.extend([0; 2]);
        Some(fields)
    }
}

fn external_attributes(entry: &ZipEntry<'_>) -> u32 {
    match entry.data {
        Some(_) => (REGULAR | entry.mode) << 16,
        None => (FOLDER | entry.mode) << 16 | DOS_FOLDER,
    }
}

fn check(entry: &ZipEntry<'_>) -> Result<(), &'static str> {
    let path = match (entry.data, entry.name.strip_suffix('/')) {
        (None, Some(path)) => path,
        (Some(_), None) => entry.name,
        _ => return Err("the name of a folder ends in /, that of a file does not"),
    };
    if entry.mode > 0o777 {
        return Err("only permission bits (up to 0777) are stored");
    }
    crate::layer::zip_read::check_path(path)
}

fn refuse(name: &str, problem: impl Into<String>) -> LayerError {
    LayerError::zip_entry("zip", name, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::hashes::Sha256Sum;
    use crate::layer::zip_read::{ZipLimits, ZipReader};

    fn threads(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    /// Three blocks of text that compresses, then bytes that hardly do.
    fn binary() -> Vec<u8> {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state
        };
        let mut bytes = Vec::new();
        while bytes.len() < 3 << 20 {
            bytes.extend(format!("function {:x} at {}\n", next() >> 20, bytes.len()).bytes());
        }
        bytes.extend((0..100_000).map(|_| (next() >> 24) as u8));
        bytes
    }

    #[test]
    fn the_bytes_of_recipe_1_are_fixed() {
        let binary = binary();
        let entries = collector_layer(&binary, b"receivers:\n  otlp:\nexporters:\n  otlphttp:\n");
        let zip = write_zip(&entries, Recipe::CURRENT, threads(2)).unwrap();
        assert_eq!(zip, write_zip(&entries, Recipe::CURRENT, threads(1)).unwrap());
        // If this changes, every layer gets a new CodeSha256: that needs a new recipe number.
        assert_eq!(Recipe::CURRENT.number, 1);
        assert_eq!(Sha256Sum::of(&zip).to_code_sha256(), "UaA/IyYKFK0rQKulshFloH9pdAUOXy0RAIh5EVTAANY=");
    }

    #[test]
    fn order_of_entries_does_not_show() {
        let mut entries = collector_layer(b"binary", b"config");
        let zip = write_zip(&entries, Recipe::CURRENT, threads(1)).unwrap();
        entries.reverse();
        assert_eq!(zip, write_zip(&entries, Recipe::CURRENT, threads(1)).unwrap());
    }

    #[test]
    fn reads_back_with_modes() {
        let binary = binary();
        let zip = write_zip(&collector_layer(&binary, b"a: b"), Recipe::CURRENT, threads(2)).unwrap();
        let reader = ZipReader::open("layer.zip", &zip, ZipLimits::default()).unwrap();
        let facts: Vec<_> =
            reader.entries().iter().map(|e| (e.name.as_str(), e.unix_mode, e.is_folder, e.size)).collect();
        assert_eq!(
            facts,
            [
                ("collector-config/", Some(0o040_755), true, 0),
                ("collector-config/config.yaml", Some(0o100_644), false, 4),
                ("extensions/", Some(0o040_755), true, 0),
                ("extensions/collector", Some(0o100_755), false, binary.len() as u64),
            ]
        );
        assert_eq!(reader.extract("extensions/collector", 1 << 30).unwrap(), binary);
    }

    #[test]
    fn what_readers_would_refuse_is_not_written() {
        let error = |name, mode, data| {
            write_zip(&[ZipEntry { name, mode, data }], Recipe::CURRENT, threads(1)).unwrap_err().to_string()
        };
        for name in ["", "/a", "a/../b", "a//b", "a\\b", "a\0"] {
            assert!(error(name, 0o644, Some(b"".as_slice())).starts_with("zip: entry "), "{name:?}");
        }
        assert!(error("a", 0o755, None).contains("folder ends in /"));
        assert!(error("a/", 0o755, Some(b"")).contains("folder ends in /"));
        assert!(error("a", 0o4755, Some(b"")).contains("permission bits"));
        let entry = ZipEntry { name: "a", mode: 0o644, data: Some(b"") };
        assert!(write_zip(&[entry, entry], Recipe::CURRENT, threads(1)).unwrap_err().to_string().contains("twice"));
    }
}
