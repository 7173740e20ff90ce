//! The checksummed frames of every append-only file.
//!
//! ```text
//! file  = header frame*
//! header= "ocelot" purpose[4] version:u16 check[4]                  16 bytes
//! frame = len:u32 kind:u8 body[len] check[16]                       numbers little-endian
//! ```
//! `check` is the start of the BLAKE3 hash of all bytes of its frame (header) before it. What `kind` and `body` mean
//! is the business of the file's owner. A frame is either whole or ignored: a reader keeps the good prefix of a file
//! and stops at the first frame that is cut or damaged, so what a crash leaves behind needs no repair.

use std::io;

use crate::store::fs::FsFile;

/// Length of a file's header in bytes.
pub const HEADER_LEN: usize = 16;
/// Bytes of a frame before its body.
pub const PREFIX_LEN: usize = 5;
/// Bytes of a frame around its body.
pub const OVERHEAD: usize = PREFIX_LEN + CHECK_LEN;
/// The longest body a frame may have; a longer one is refused when written and taken for damage when read.
pub const MAX_BODY: usize = 64 << 20;

const MAGIC: &[u8; 6] = b"ocelot";
const CHECK_LEN: usize = 16;

/// What a file is for, and the version of its frames' meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Four letters.
    pub purpose: [u8; 4],
    /// Raised with every change that an older reader would misread.
    pub version: u16,
}

/// Why a file's header was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The file ends before its header does; a writer that was killed leaves this.
    #[error("the file is cut short")]
    Short,
    /// Other magic or purpose, or a damaged header.
    #[error("it is not a file of this kind, or its header is damaged")]
    Foreign,
    /// Written by a version with other rules.
    #[error("it has format version {0}, which this version of ocelot does not read")]
    Version(u16),
}

impl Format {
    /// The bytes a file of this format starts with.
    pub fn header(&self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        header[..6].copy_from_slice(MAGIC);
        header[6..10].copy_from_slice(&self.purpose);
        header[10..12].copy_from_slice(&self.version.to_le_bytes());
        let check = blake3::hash(&header[..12]);
        header[12..].copy_from_slice(&check.as_bytes()[..4]);
        header
    }

    /// Checks the first bytes of a file.
    pub fn accept(&self, start: &[u8]) -> Result<(), HeaderError> {
        let header = start.get(..HEADER_LEN).ok_or(HeaderError::Short)?;
        let version = u16::from_le_bytes([header[10], header[11]]);
        let claimed = Format { purpose: self.purpose, version };
        match header == claimed.header() {
            false => Err(HeaderError::Foreign),
            true if version != self.version => Err(HeaderError::Version(version)),
            true => Ok(()),
        }
    }
}

/// Bytes that a frame with a body of `body_len` bytes takes in its file.
pub const fn frame_len(body_len: u32) -> u64 {
    body_len as u64 + OVERHEAD as u64
}

/// Appends one frame, whose body is `parts` joined, to `out`. False, and nothing appended, if it would be too long.
#[must_use]
pub fn push_frame(out: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) -> bool {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let Some(len) = u32::try_from(len).ok().filter(|&len| len as usize <= MAX_BODY) else { return false };
    let start = out.len();
    out.extend_from_slice(&len.to_le_bytes());
    out.push(kind);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    let check = blake3::hash(&out[start..]);
    out.extend_from_slice(&check.as_bytes()[..CHECK_LEN]);
    true
}

/// Kind and body of the frame that `bytes` are exactly; `None` if it is cut or damaged.
pub fn parse_frame(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let len = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    if bytes.len() as u64 != frame_len(len) {
        return None;
    }
    let (checked, check) = bytes.split_at(bytes.len() - CHECK_LEN);
    (blake3::hash(checked).as_bytes()[..CHECK_LEN] == *check).then(|| (checked[4], &checked[PREFIX_LEN..]))
}

/// A frame found by a [`FrameReader`].
#[derive(Debug)]
pub struct Frame<'a> {
    /// Where the frame starts in its file.
    pub offset: u64,
    /// The owner's kind.
    pub kind: u8,
    /// The checked body.
    pub body: &'a [u8],
}

/// Reads the frames of a file in order, with memory bounded by the longest frame.
pub struct FrameReader<'f> {
    file: &'f dyn FsFile,
    /// Where the file ended when the reader was made: a writer may be appending.
    end: u64,
    /// Offset in the file of the next frame.
    next: u64,
    window: Vec<u8>,
    /// Offset in the file of `window`.
    window_at: u64,
}

impl<'f> FrameReader<'f> {
    const CHUNK: usize = 256 << 10;

    /// Checks the header; frames are then read by [`FrameReader::next_frame`].
    pub fn new(file: &'f dyn FsFile, format: &Format) -> io::Result<Result<Self, HeaderError>> {
        let end = file.meta()?.len;
        let mut header = [0; HEADER_LEN];
        let read = file.read_at(&mut header, 0)?;
        Ok(format.accept(&header[..read]).map(|()| Self {
            file,
            end,
            next: HEADER_LEN as u64,
            window: Vec::new(),
            window_at: 0,
        }))
    }

    /// The next whole frame; `None` at the end of the good prefix.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        let offset = self.next;
        self.fill(offset, PREFIX_LEN)?;
        let at = (offset - self.window_at) as usize;
        let len = u32::from_le_bytes(self.window[at..at + 4].try_into().ok()?);
        if len as usize > MAX_BODY {
            return None;
        }
        let total = frame_len(len);
        self.fill(offset, total as usize)?;
        let at = (offset - self.window_at) as usize;
        let (kind, body) = parse_frame(&self.window[at..at + total as usize])?;
        self.next = offset + total;
        Some(Frame { offset, kind, body })
    }

    /// Where the good prefix ends, as far as it was read.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Makes `want` bytes from `offset` available in the window.
    fn fill(&mut self, offset: u64, want: usize) -> Option<()> {
        if offset + want as u64 > self.end {
            return None;
        }
        let held = self.window_at + self.window.len() as u64;
        if offset + want as u64 <= held {
            return Some(());
        }
        let keep = held.saturating_sub(offset) as usize;
        self.window.drain(..self.window.len() - keep);
        self.window_at = offset;
        let target = want.max(Self::CHUNK).min((self.end - offset) as usize);
        self.window.resize(target, 0);
        let read = self.file.read_at(&mut self.window[keep..], offset + keep as u64).unwrap_or(0);
        self.window.truncate(keep + read);
        (self.window.len() >= want).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::fs::Fs;
    use crate::store::sim_fs::SimFs;

    const FORMAT: Format = Format { purpose: *b"TEST", version: 3 };

    fn sample() -> (Vec<u8>, Vec<usize>) {
        let mut bytes = FORMAT.header().to_vec();
        let mut ends = vec![];
        for body in [&b"first"[..], b"", &[7; 300], b"last"] {
            assert!(push_frame(&mut bytes, body.len() as u8, &[body]));
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<(u8, Vec<u8>)>, HeaderError> {
        let fs = SimFs::new();
        let file = fs.create_new(Path::new("/f"), 0o600).unwrap();
        file.write_at(bytes, 0).unwrap();
        let mut reader = FrameReader::new(&*file, &FORMAT).unwrap()?;
        let mut found = vec![];
        while let Some(frame) = reader.next_frame() {
            found.push((frame.kind, frame.body.to_vec()));
        }
        Ok(found)
    }

    #[test]
    fn row_15_every_cut_keeps_exactly_the_whole_frames_before_it() {
        let (bytes, ends) = sample();
        let all = read_all(&bytes).unwrap();
        assert_eq!(all.len(), 4);
        for cut in 0..bytes.len() {
            match read_all(&bytes[..cut]) {
                Err(error) => assert!(cut < HEADER_LEN && error == HeaderError::Short, "cut at {cut}: {error}"),
                Ok(found) => assert_eq!(found, all[..ends.iter().filter(|&&end| end <= cut).count()], "cut at {cut}"),
            }
        }
    }

    #[test]
    fn every_flipped_bit_ends_the_good_prefix_before_its_frame() {
        let (bytes, ends) = sample();
        let all = read_all(&bytes).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                match read_all(&damaged) {
                    Err(_) => assert!(at < HEADER_LEN, "flip at {at}"),
                    Ok(found) => {
                        assert_eq!(found, all[..ends.iter().filter(|&&end| end <= at).count()], "flip at {at}")
                    }
                }
            }
        }
    }

    #[test]
    fn other_versions_and_other_files_are_told_apart() {
        let newer = Format { version: 4, ..FORMAT };
        assert_eq!(FORMAT.accept(&newer.header()), Err(HeaderError::Version(4)));
        let other = Format { purpose: *b"ELSE", ..FORMAT };
        assert_eq!(FORMAT.accept(&other.header()), Err(HeaderError::Foreign));
        assert_eq!(FORMAT.accept(b"PK\x03\x04 some zip file"), Err(HeaderError::Foreign));
    }

    #[test]
    fn frames_larger_than_the_window_are_read_and_absurd_lengths_are_not_allocated() {
        let mut bytes = FORMAT.header().to_vec();
        let big = vec![9; FrameReader::CHUNK * 2 + 5];
        assert!(push_frame(&mut bytes, 1, &[b"small"]));
        assert!(push_frame(&mut bytes, 2, &[&big]));
        assert_eq!(read_all(&bytes).unwrap()[1], (2, big));
        bytes.extend_from_slice(&[0xff; 40]);
        assert_eq!(read_all(&bytes).unwrap().len(), 2);
        assert!(!push_frame(&mut Vec::new(), 1, &[&vec![0; MAX_BODY + 1]]));
    }
}
