//! A strict zip reader for layers: it lists and extracts only what every reader would understand in the same way.
//!
//! Refused: names that leave the folder or occur twice, a file where another entry needs a folder, links and devices,
//! encryption, zip64, several disks, data before, between or after the entries, local headers that contradict the
//! directory, overlapping data, and sizes beyond the limits. The archives of Info-ZIP (extra fields, data descriptors)
//! pass.

use std::collections::{BTreeMap, BTreeSet};

use zlib_rs::crc32::crc32;

use crate::layer::deflate::inflate;
use crate::layer::error::LayerError;
use crate::layer::limits::UNZIPPED_LIMIT;

const END_LENGTH: usize = 22;
const DIRECTORY_ENTRY_LENGTH: usize = 46;
const LOCAL_LENGTH: usize = 30;
const ENCRYPTED: u16 = 1 << 0 | 1 << 6 | 1 << 13;
const HAS_DESCRIPTOR: u16 = 1 << 3;
/// A data descriptor: optional signature, checksum, two sizes.
const DESCRIPTOR_LENGTHS: [usize; 2] = [12, 16];
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Hosts whose external attributes hold Unix modes: Unix and macOS.
const UNIX_HOSTS: [u8; 2] = [3, 19];
const FILE_TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;

/// What a zip may at most contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZipLimits {
    /// Number of entries.
    pub entries: usize,
    /// Bytes of all entries together, unpacked.
    pub unzipped: u64,
    /// Unpacked size of an entry over its packed size. Deflate can reach 1032; executables stay under 10.
    pub ratio: u64,
}

impl Default for ZipLimits {
    fn default() -> Self {
        Self { entries: 10_000, unzipped: UNZIPPED_LIMIT, ratio: 200 }
    }
}

/// The facts of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZipFact {
    /// The name as stored; a folder's ends in `/`.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// File type and permissions; `None` if the zip was not made on Unix, which Lambda reads as no execute bit.
    pub unix_mode: Option<u32>,
    /// Whether it is deflated (else stored).
    pub is_deflated: bool,
    /// The checksum of the content.
    pub crc32: u32,
    /// Packed size in bytes.
    pub packed: u64,
    /// Unpacked size in bytes.
    pub size: u64,
    /// Where its local header starts.
    pub offset: usize,
    /// Date and time as MS-DOS stores them, date in the high half; 1980-01-01 00:00:00 is `0x0021_0000`.
    pub dos_time: u32,
    data: (usize, usize),
}

/// A zip in memory whose structure has been checked.
#[derive(Debug)]
pub struct ZipReader<'b> {
    file: &'b str,
    bytes: &'b [u8],
    entries: Vec<ZipFact>,
}

impl<'b> ZipReader<'b> {
    /// Checks the whole structure. `file` is only used in messages. Contents are checked by [`ZipReader::extract`].
    pub fn open(file: &'b str, bytes: &'b [u8], limits: ZipLimits) -> Result<Self, LayerError> {
        let end = End::find(bytes).map_err(|problem| LayerError::zip(file, problem))?;
        if end.entries > limits.entries {
            let problem = format!("it has {} entries; at most {} are read", end.entries, limits.entries);
            return Err(LayerError::zip(file, problem));
        }
        let mut entries = Vec::new();
        let mut at = end.start;
        for _ in 0..end.entries {
            let (entry, next) = directory_entry(file, &bytes[..end.at], at)?;
            entries.push(
                entry.checked(bytes, limits).map_err(|problem| LayerError::zip_entry(file, &entry.name, problem))?,
            );
            at = next;
        }
        if at != end.at {
            return Err(LayerError::zip(file, "its directory is longer than its entries"));
        }
        check_names(file, &entries)?;
        check_layout(file, &entries, end.start)?;
        let total = entries.iter().map(|entry| entry.size).sum::<u64>();
        if total > limits.unzipped {
            let problem = format!("it unpacks to {total} bytes; at most {} are read", limits.unzipped);
            return Err(LayerError::zip(file, problem));
        }
        Ok(Self { file, bytes, entries })
    }

    /// The entries in the order of the directory.
    pub fn entries(&self) -> &[ZipFact] {
        &self.entries
    }

    /// The entry with this name.
    pub fn entry(&self, name: &str) -> Option<&ZipFact> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Unpacks one file of at most `cap` bytes and checks its checksum.
    pub fn extract(&self, name: &str, cap: u64) -> Result<Vec<u8>, LayerError> {
        let refuse = |problem: &str| LayerError::zip_entry(self.file, name, problem);
        let entry = self.entry(name).ok_or_else(|| refuse("there is no such entry"))?;
        if entry.size > cap {
            return Err(refuse(&format!("it unpacks to {} bytes; at most {cap} are read", entry.size)));
        }
        let damaged = || refuse("its content is damaged");
        let packed = self.bytes.get(entry.data.0..entry.data.1).ok_or_else(damaged)?;
        let content = if entry.is_deflated {
            inflate(packed, usize::try_from(entry.size).map_err(|_| damaged())?).ok_or_else(damaged)?
        } else {
            packed.to_vec()
        };
        if crc32(0, &content) == entry.crc32 { Ok(content) } else { Err(refuse("its checksum is wrong")) }
    }
}

/// Whether a path (without the `/` of a folder) stays inside the folder it is unpacked to, on every system.
pub(crate) fn check_path(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("it has no name");
    }
    if path.bytes().any(|byte| byte == b'\\' || byte < b' ' || byte == 0x7f) {
        return Err("its name has a backslash or a control character");
    }
    if path.starts_with('/') || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("its path is absolute or has an empty, `.` or `..` part");
    }
    Ok(())
}

/// The end-of-directory record.
struct End {
    at: usize,
    start: usize,
    entries: usize,
}

impl End {
    fn find(bytes: &[u8]) -> Result<Self, &'static str> {
        let not_a_zip = "not a zip, or cut off: the end of its directory is missing";
        let at = bytes.len().checked_sub(END_LENGTH).ok_or(not_a_zip)?;
        let record =
            Record::at(bytes, at).filter(|record| record.starts(b"PK\x05\x06")).ok_or(if bytes.starts_with(b"PK") {
                "it has a comment, something follows it, or it is cut off"
            } else {
                not_a_zip
            })?;
        let (here, total) = (record.u16(8), record.u16(10));
        let (length, start) = (record.u32(12), record.u32(16));
        if total == u16::MAX || length == u32::MAX || start == u32::MAX {
            return Err("it is a zip64 archive; a layer never needs one");
        }
        if record.u32(4) != 0 || here != total || record.u16(20) != 0 {
            return Err("it is a part of a split archive, or its end is damaged");
        }
        let start = start as usize;
        if start.checked_add(length as usize) != Some(at) {
            return Err("there is something between its directory and its end, or before its first entry");
        }
        Ok(Self { at, start, entries: usize::from(total) })
    }
}

struct Listed {
    name: String,
    host: u8,
    flags: u16,
    method: u16,
    dos_time: u32,
    crc32: u32,
    packed: u32,
    size: u32,
    attributes: u32,
    offset: u32,
}

fn directory_entry(file: &str, bytes: &[u8], at: usize) -> Result<(Listed, usize), LayerError> {
    let damaged = || LayerError::zip(file, "its directory is damaged");
    let record = Record::at(bytes, at).filter(|record| record.0.len() >= DIRECTORY_ENTRY_LENGTH).ok_or_else(damaged)?;
    if !record.starts(b"PK\x01\x02") {
        return Err(damaged());
    }
    let name_end = at + DIRECTORY_ENTRY_LENGTH + usize::from(record.u16(28));
    let end = name_end + usize::from(record.u16(30)) + usize::from(record.u16(32));
    let name = bytes.get(at + DIRECTORY_ENTRY_LENGTH..name_end).filter(|_| end <= bytes.len()).ok_or_else(damaged)?;
    let name = str::from_utf8(name)
        .map_err(|_| LayerError::zip_entry(file, &String::from_utf8_lossy(name), "its name is not UTF-8"))?;
    if record.u16(34) != 0 {
        return Err(LayerError::zip_entry(file, name, "it is on another disk of a split archive"));
    }
    let listed = Listed {
        name: name.to_owned(),
        host: record.0[5],
        flags: record.u16(8),
        method: record.u16(10),
        dos_time: record.u32(12),
        crc32: record.u32(16),
        packed: record.u32(20),
        size: record.u32(24),
        attributes: record.u32(38),
        offset: record.u32(42),
    };
    Ok((listed, end))
}

impl Listed {
    fn checked(&self, bytes: &[u8], limits: ZipLimits) -> Result<ZipFact, String> {
        let path = self.name.strip_suffix('/');
        check_path(path.unwrap_or(&self.name))?;
        if self.flags & ENCRYPTED != 0 {
            return Err("it is encrypted".to_owned());
        }
        if !matches!(self.method, STORED | DEFLATED) {
            return Err(format!("it is packed with method {}; Lambda reads stored and deflated", self.method));
        }
        if self.packed == u32::MAX || self.size == u32::MAX || self.offset == u32::MAX {
            return Err("it uses zip64".to_owned());
        }
        let unix_mode = UNIX_HOSTS.contains(&self.host).then_some(self.attributes >> 16).filter(|mode| *mode != 0);
        let is_folder = path.is_some();
        let expected = if is_folder { FOLDER } else { REGULAR };
        if unix_mode.is_some_and(|mode| mode & FILE_TYPE != 0 && mode & FILE_TYPE != expected) {
            return Err("it is neither a plain file nor a folder, or its name and its type disagree".to_owned());
        }
        if is_folder && self.size != 0 {
            return Err("a folder with content".to_owned());
        }
        if self.method == STORED && self.packed != self.size {
            return Err("it is stored, but its two sizes differ".to_owned());
        }
        if u64::from(self.size) > u64::from(self.packed).saturating_mul(limits.ratio) {
            return Err(format!("it unpacks to more than {} times its packed size", limits.ratio));
        }
        Ok(ZipFact {
            name: self.name.clone(),
            is_folder,
            unix_mode,
            is_deflated: self.method == DEFLATED,
            crc32: self.crc32,
            packed: u64::from(self.packed),
            size: u64::from(self.size),
            offset: self.offset as usize,
            dos_time: self.dos_time,
            data: self.data_range(bytes).ok_or("its local header contradicts the directory, or is cut off")?,
        })
    }

    fn data_range(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let at = self.offset as usize;
        let local = Record::at(bytes, at).filter(|local| local.0.len() >= LOCAL_LENGTH)?;
        let name_end = at + LOCAL_LENGTH + usize::from(local.u16(26));
        let start = name_end + usize::from(local.u16(28));
        let same = local.starts(b"PK\x03\x04")
            && local.u16(6) == self.flags
            && local.u16(8) == self.method
            && bytes.get(at + LOCAL_LENGTH..name_end)? == self.name.as_bytes();
        let sums = [local.u32(14), local.u32(18), local.u32(22)];
        let in_descriptor = self.flags & HAS_DESCRIPTOR != 0;
        let sums_agree = in_descriptor || sums == [self.crc32, self.packed, self.size];
        let end = start.checked_add(self.packed as usize)?;
        let descriptor_end = if in_descriptor { self.descriptor_end(bytes, end)? } else { end };
        (same && sums_agree && descriptor_end <= bytes.len()).then_some((start, end))
    }

    /// The end of the data descriptor after the data.
    fn descriptor_end(&self, bytes: &[u8], end: usize) -> Option<usize> {
        let rest = bytes.get(end..)?;
        let signature = usize::from(rest.starts_with(b"PK\x07\x08"));
        let sums = Record(rest.get(signature * 4..signature * 4 + DESCRIPTOR_LENGTHS[0])?);
        let agree = [sums.u32(0), sums.u32(4), sums.u32(8)] == [self.crc32, self.packed, self.size];
        agree.then_some(end + DESCRIPTOR_LENGTHS[signature])
    }
}

fn check_names(file: &str, entries: &[ZipFact]) -> Result<(), LayerError> {
    let mut files = BTreeSet::new();
    let mut folders = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for entry in entries {
        let path = entry.name.trim_end_matches('/');
        if !seen.insert(path) {
            return Err(LayerError::zip_entry(file, &entry.name, "it is there twice"));
        }
        if entry.is_folder {
            folders.insert(path)
        } else {
            files.insert(path)
        };
        folders.extend(path.match_indices('/').map(|(at, _)| &path[..at]));
    }
    match files.intersection(&folders).next() {
        Some(both) => Err(LayerError::zip_entry(file, both, "it is a file and a folder at once")),
        None => Ok(()),
    }
}

/// The entries must lie one after the other from the first byte to the directory, with nothing but their own data
/// descriptors between.
fn check_layout(file: &str, entries: &[ZipFact], directory: usize) -> Result<(), LayerError> {
    let by_offset: BTreeMap<usize, &ZipFact> = entries.iter().map(|entry| (entry.offset, entry)).collect();
    let mut free = vec![0];
    for (offset, entry) in by_offset {
        if !free.contains(&offset) {
            return Err(LayerError::zip_entry(
                file,
                &entry.name,
                "it overlaps another entry, or hidden bytes precede it",
            ));
        }
        let end = entry.data.1;
        free = vec![end, end + DESCRIPTOR_LENGTHS[0], end + DESCRIPTOR_LENGTHS[1]];
    }
    if free.contains(&directory) {
        Ok(())
    } else {
        Err(LayerError::zip(file, "entries overlap, or there are hidden bytes before its directory"))
    }
}

/// Little-endian fields of a part of the file; what is out of it reads as 0, callers check lengths first.
struct Record<'b>(&'b [u8]);

impl<'b> Record<'b> {
    fn at(bytes: &'b [u8], at: usize) -> Option<Self> {
        bytes.get(at..).map(Self)
    }

    fn starts(&self, signature: &[u8; 4]) -> bool {
        self.0.starts_with(signature)
    }

    fn u16(&self, at: usize) -> u16 {
        self.0.get(at..at + 2).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from(self.u16(at)) | u32::from(self.u16(at + 2)) << 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::deflate::Recipe;
    use crate::layer::zip_write::{ZipEntry, write_zip};
    use std::num::NonZeroUsize;

    fn zip(entries: &[(&str, Option<&[u8]>)]) -> Vec<u8> {
        let entries: Vec<_> = entries.iter().map(|(name, data)| ZipEntry { name, mode: 0o755, data: *data }).collect();
        write_zip(&entries, Recipe::CURRENT, NonZeroUsize::MIN).unwrap()
    }

    fn error(bytes: &[u8]) -> String {
        ZipReader::open("layer.zip", bytes, ZipLimits::default()).unwrap_err().to_string()
    }

    /// Puts `bytes` at `offset` after the start of the `index`-th occurrence of `signature`.
    fn patch(zip: &mut [u8], signature: &[u8; 4], index: usize, (offset, bytes): (usize, &[u8])) {
        let found = (0..zip.len() - 3).filter(|at| zip[*at..].starts_with(signature)).nth(index).unwrap();
        zip[found + offset..found + offset + bytes.len()].copy_from_slice(bytes);
    }

    fn patched(signature: &[u8; 4], offset: usize, bytes: &[u8]) -> Vec<u8> {
        let mut zip = zip(&[("aa", Some(&[b'x'; 100])), ("bb", Some(b"two"))]);
        patch(&mut zip, signature, 0, (offset, bytes));
        zip
    }

    const LOCAL: &[u8; 4] = b"PK\x03\x04";
    const LISTED: &[u8; 4] = b"PK\x01\x02";
    const END: &[u8; 4] = b"PK\x05\x06";

    #[test]
    fn row_36_hostile_zips_are_refused_with_their_reason() {
        let mut both_names = patched(LISTED, 46, b"..");
        patch(&mut both_names, LOCAL, 0, (30, b".."));
        let mut twice = patched(LISTED, 46, b"bb");
        patch(&mut twice, LOCAL, 0, (30, b"bb"));
        for (bytes, reason) in [
            (b"hello".to_vec(), "not a zip"),
            (both_names, "`..` part"),
            (twice, "entry \"bb\": it is there twice"),
            (zip(&[("a", Some(b"")), ("a/b", Some(b""))]), "a file and a folder at once"),
            (patched(LISTED, 46, b"cc"), "contradicts the directory"),
            (patched(LISTED, 8, &[1]), "encrypted"),
            (patched(LISTED, 10, &[12]), "method 12"),
            (patched(LISTED, 24, &[0xff; 4]), "zip64"),
            (patched(LISTED, 24, &[0, 0, 1, 0]), "times its packed size"),
            (patched(LISTED, 16, &[1]), "contradicts the directory"),
            (patched(LISTED, 40, &(0o120_777u16.to_le_bytes())), "neither a plain file nor a folder"),
            (patched(LISTED, 42, &[200]), "contradicts the directory"),
            (patched(LISTED, 34, &[1]), "another disk"),
            (patched(LISTED, 28, &[0xff, 0xff]), "directory is damaged"),
            (patched(END, 4, &[1]), "split archive"),
            (patched(END, 8, &[1, 0, 1, 0]), "longer than its entries"),
            (patched(END, 8, &[0xff, 0xff, 0xff, 0xff]), "zip64"),
            ([b"#!".to_vec(), zip(&[("a", Some(b""))])].concat(), "before its first entry"),
        ] {
            let error = error(&bytes);
            assert!(error.starts_with("layer.zip: ") && error.contains(reason), "{reason}: {error}");
        }
        let good = zip(&[("aa", Some(b"x"))]);
        assert!(error(&good[..good.len() - 1]).contains("cut off"));
        assert!(error(&[&good[..], b"x"].concat()).contains("something follows it"));
    }

    #[test]
    fn overlapping_and_hidden_data_are_refused() {
        // Two directory entries for the same bytes.
        let mut same = zip(&[("aa", Some(b"x")), ("ab", Some(b"x"))]);
        let offset = 0u32.to_le_bytes();
        patch(&mut same, LISTED, 1, (42, &offset));
        patch(&mut same, LISTED, 1, (46, b"aa"));
        assert!(error(&same).contains("twice") || error(&same).contains("overlap"), "{}", error(&same));
        // A stored file that swallows the next entry.
        let mut swallow = zip(&[("aa", Some(b"x")), ("bb", Some(b"y"))]);
        let longer = 34u32.to_le_bytes();
        for (signature, at) in [(LISTED, 20), (LOCAL, 18)] {
            patch(&mut swallow, signature, 0, (at, &longer));
            patch(&mut swallow, signature, 0, (at + 4, &longer));
        }
        assert!(error(&swallow).contains("overlaps another entry"), "{}", error(&swallow));
    }

    #[test]
    fn row_36_limits_hold_before_anything_is_unpacked() {
        let bytes = zip(&[("aa", Some(&[0; 5000])), ("bb", Some(b"y"))]);
        let open = |limits| ZipReader::open("z", &bytes, limits).map(|_| ()).map_err(|error| error.to_string());
        let wide = ZipLimits { entries: 2, unzipped: 5001, ratio: 1000 };
        assert_eq!(open(wide), Ok(()));
        assert!(open(ZipLimits { entries: 1, ..wide }).unwrap_err().contains("2 entries"));
        assert!(open(ZipLimits { unzipped: 5000, ..wide }).unwrap_err().contains("5001 bytes"));
        assert!(open(ZipLimits { ratio: 100, ..wide }).unwrap_err().contains("100 times"));
        let reader = ZipReader::open("z", &bytes, wide).unwrap();
        assert!(reader.extract("aa", 4999).unwrap_err().to_string().contains("at most 4999"));
        assert_eq!(reader.extract("aa", 5000).unwrap(), [0; 5000]);
        assert!(reader.extract("cc", 1).unwrap_err().to_string().contains("no such entry"));
    }

    #[test]
    fn damaged_content_is_found() {
        let mut bytes = zip(&[("aa", Some(b"xyz"))]);
        let at = bytes.windows(3).position(|window| window == b"xyz").unwrap();
        bytes[at] = b'X';
        let reader = ZipReader::open("z", &bytes, ZipLimits::default()).unwrap();
        assert!(reader.extract("aa", 10).unwrap_err().to_string().contains("checksum is wrong"));
    }

    #[test]
    fn data_descriptors_and_extra_fields_are_understood() {
        // "a" = "hi", stored, with a data descriptor and an extra field in both headers; then the directory.
        let crc = crc32(0, b"hi").to_le_bytes();
        let sizes = [2, 0, 0, 0, 2, 0, 0, 0];
        let extra = b"UT\x01\0\0";
        let head = |sums: &[u8]| [b"\x14\0\x08\0\0\0\0\0\x21\0", sums, &[1, 0, 5, 0]].concat();
        let sums = [&crc[..], &sizes].concat();
        let local = [&LOCAL[..], &head(&[0; 12]), b"a", extra, b"hi", b"PK\x07\x08", &sums].concat();
        let attributes = (0o100_644u32 << 16).to_le_bytes();
        let listed = [LISTED, &b"\x14\x03"[..], &head(&sums), &[0; 6], &attributes, &[0; 4], b"a", extra].concat();
        let counts = [1, 0, 1, 0, listed.len() as u8, 0, 0, 0, local.len() as u8, 0, 0, 0, 0, 0];
        let zip = [&local[..], &listed, END, &[0; 4], &counts].concat();
        let reader = ZipReader::open("z", &zip, ZipLimits::default()).unwrap();
        assert_eq!(reader.extract("a", 10).unwrap(), b"hi");
        assert_eq!(reader.entries()[0].unix_mode, Some(0o100_644));
    }

    proptest::proptest! {
        #[test]
        fn damage_never_panics(changes in proptest::collection::vec((0usize..600, 0u8..=255), 0..5), cut in 0usize..600) {
            let mut bytes = zip(&[("a/", None), ("a/b", Some(&[b'x'; 300])), ("c", Some(b"y"))]);
            let length = bytes.len();
            for (at, byte) in changes {
                bytes[at % length] = byte;
            }
            bytes.truncate(length.saturating_sub(cut / 4 * (cut % 4)));
            if let Ok(reader) = ZipReader::open("z", &bytes, ZipLimits::default()) {
                for entry in reader.entries() {
                    let _ = reader.extract(&entry.name, 1 << 20);
                }
            }
        }
    }
}
