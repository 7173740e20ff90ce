//! State files that grow: a base, written whole and put in place by a rename, and behind it the changes since, each one
//! checksummed frame.
//!
//! A reader takes the base and every whole frame behind it, and stops at the first that is cut or damaged. A writer
//! appends only to a file that ended well and is still as long as it was when it was read; otherwise, and when the
//! changes have become many, it writes a new base.

use std::io;
use std::path::Path;

use crate::store::atomic;
use crate::store::frame::{OVERHEAD, frame_len, parse_frame, push_frame};
use crate::store::fs::{Fs, RealFs};

/// Changes are folded into the base when they exceed this, or a quarter of the base.
const LEAST_TAIL: u64 = 16 << 10;

/// Where a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Length of the base in bytes.
    pub base: u64,
    /// Length up to the end of the last whole frame.
    pub good: u64,
    /// Whether there is nothing behind that.
    pub is_clean: bool,
}

impl Extent {
    /// Whether a change of `more` bytes may be appended, rather than written into a new base.
    pub fn takes(&self, more: usize) -> bool {
        let tail = self.good - self.base + (more + OVERHEAD) as u64;
        self.is_clean && tail <= LEAST_TAIL.max(self.base / 4)
    }
}

/// The bodies of the whole frames at the start of `bytes`, which begin at `base` in their file.
pub fn read(bytes: &[u8], base: u64) -> (Vec<&[u8]>, Extent) {
    let mut bodies = Vec::new();
    let mut at = 0;
    while let Some((len, _)) = bytes[at..].split_first_chunk::<4>().map(|(len, rest)| (u32::from_le_bytes(*len), rest))
    {
        let end = usize::try_from(frame_len(len)).ok().and_then(|len| at.checked_add(len));
        let frame = end.and_then(|end| bytes.get(at..end));
        let Some((_, body)) = frame.and_then(parse_frame) else { break };
        bodies.push(body);
        at += body.len() + OVERHEAD;
    }
    (bodies, Extent { base, good: base + at as u64, is_clean: at == bytes.len() })
}

/// Brings a file up to date: by appending `change` where it was read to end, if that pays and the file is still the one
/// that was read; else by a new base. With `sync`, it survives a power cut once this returns.
///
/// # Errors
/// As the file system says.
pub fn save(
    path: &Path,
    change: Option<(Extent, Vec<u8>)>,
    whole: impl FnOnce() -> Vec<u8>,
    sync: bool,
) -> io::Result<()> {
    save_on(&RealFs, path, change, whole, sync)
}

/// As [`save`], on any file system.
///
/// # Errors
/// As [`save`].
pub fn save_on(
    fs: &dyn Fs,
    path: &Path,
    change: Option<(Extent, Vec<u8>)>,
    whole: impl FnOnce() -> Vec<u8>,
    sync: bool,
) -> io::Result<()> {
    let appended = change.filter(|(extent, change)| extent.takes(change.len()));
    match appended.map(|(extent, change)| append_on(fs, path, &extent, &change, sync)) {
        Some(Ok(())) => Ok(()),
        _ => atomic::write_on(fs, path, &whole(), sync),
    }
}

/// Appends one change to a file that ends at `extent`. A change that could not be written whole is taken back.
///
/// # Errors
/// As the file system says, or if the file is no longer the one that was read.
pub fn append(path: &Path, extent: &Extent, body: &[u8], sync: bool) -> io::Result<()> {
    append_on(&RealFs, path, extent, body, sync)
}

fn append_on(fs: &dyn Fs, path: &Path, extent: &Extent, body: &[u8], sync: bool) -> io::Result<()> {
    let mut frame = Vec::with_capacity(body.len() + OVERHEAD);
    if !push_frame(&mut frame, 0, &[body]) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a change is too long for one frame"));
    }
    // Opening for writing would make a file that is gone.
    fs.metadata(path)?;
    let file = fs.open_write(path)?;
    if file.meta()?.len != extent.good {
        return Err(io::Error::other("the file has changed meanwhile"));
    }
    let written = file.write_at(&frame, extent.good).and_then(|()| if sync { file.sync_data() } else { Ok(()) });
    written.inspect_err(|_| {
        // If this fails too, readers stop at the broken frame.
        file.set_len(extent.good).ok();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(bodies: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        assert!(bodies.iter().all(|body| push_frame(&mut bytes, 0, &[body])));
        bytes
    }

    #[test]
    fn whole_frames_are_read_and_the_first_broken_one_ends_them() {
        let bytes = frames(&[b"one", b"", b"three"]);
        let (bodies, extent) = read(&bytes, 100);
        assert_eq!(bodies, [&b"one"[..], b"", b"three"]);
        assert_eq!(extent, Extent { base: 100, good: 100 + bytes.len() as u64, is_clean: true });
        let ends = [frames(&[b"one"]).len(), frames(&[b"one", b""]).len()];
        for cut in 0..bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let (bodies, extent) = read(&bytes[..cut], 0);
            assert_eq!(bodies.len(), whole, "cut at {cut}");
            assert_eq!(extent.is_clean, cut == 0 || ends.contains(&cut));
            let mut damaged = bytes.clone();
            damaged[cut] ^= 1;
            assert!(read(&damaged, 0).0.len() <= whole, "flip at {cut}");
        }
    }

    #[test]
    fn only_the_file_that_was_read_is_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        std::fs::write(&path, b"base").unwrap();
        let extent = Extent { base: 4, good: 4, is_clean: true };
        append(&path, &extent, b"one", true).unwrap();
        assert!(append(&path, &extent, b"two", false).is_err());
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(read(&bytes[4..], 4).0, [b"one"]);
        assert!(append(&dir.path().join("none"), &extent, b"one", false).is_err());
    }

    #[test]
    fn many_changes_make_a_new_base() {
        let extent = |good: u64, is_clean| Extent { base: 1 << 20, good: (1 << 20) + good, is_clean };
        assert!(extent(0, true).takes(1000));
        assert!(!extent(0, false).takes(1000));
        assert!(!extent(1 << 18, true).takes(1000));
        assert!(Extent { base: 100, good: 100, is_clean: true }.takes(1000));
    }
}
