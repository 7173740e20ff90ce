//! Hashing, and copying while hashing, of files of any length in bounded memory.
//!
//! Long files are cut into blocks of 1 MiB, which are subtrees of the BLAKE3 tree; threads read, hash and write
//! blocks independently, and the subtrees are merged at the end. On two cores this halves the time, and costs no
//! dependency on a thread pool. Short files stay on the caller's thread, since starting one costs tens of µs.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use crate::base::digest::BlobDigest;
use crate::store::fs::FsFile;

/// Block of a parallel pass. A power of two of BLAKE3's 1 KiB chunks, as the tree needs.
const BLOCK: u64 = 1 << 20;
/// From this length on, threads pay.
const PARALLEL_FROM: u64 = 4 * BLOCK;
/// Buffer of a serial pass: small enough to stay in the core's own cache between reading, hashing and writing.
const SERIAL_BUFFER: usize = 128 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One pass over the bytes of a file.
pub(crate) struct Pass<'a> {
    /// What is read.
    pub(crate) source: &'a dyn FsFile,
    /// How many bytes; fewer in the file is an error.
    pub(crate) len: u64,
    /// Where the bytes that were hashed are written to, if anywhere.
    pub(crate) target: Option<&'a dyn FsFile>,
    /// Threads to use at most.
    pub(crate) threads: usize,
}

impl Pass<'_> {
    /// Digest of the bytes.
    pub(crate) fn run(&self) -> io::Result<BlobDigest> {
        if self.threads > 1 && self.len >= PARALLEL_FROM { self.parallel() } else { self.serial() }
    }

    fn serial(&self) -> io::Result<BlobDigest> {
        with_buffer(SERIAL_BUFFER, |buffer| {
            let mut hasher = Hasher::new();
            let mut offset = 0;
            while offset < self.len {
                let block = self.transfer(buffer, offset)?;
                hasher.update(block);
                offset += block.len() as u64;
            }
            Ok(BlobDigest::from_bytes(*hasher.finalize().as_bytes()))
        })
    }

    fn parallel(&self) -> io::Result<BlobDigest> {
        let blocks = self.len.div_ceil(BLOCK);
        let next = AtomicU64::new(0);
        let worker = || -> io::Result<Vec<(u64, ChainingValue)>> {
            let mut buffer = vec![0; BLOCK as usize];
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= blocks {
                    return Ok(done);
                }
                let offset = index * BLOCK;
                let block = self.transfer(&mut buffer, offset).inspect_err(|_| {
                    next.store(blocks, Ordering::Relaxed);
                })?;
                let value = Hasher::new().set_input_offset(offset).update(block).finalize_non_root();
                done.push((index, value));
            }
        };
        let mut values = std::thread::scope(|scope| -> io::Result<Vec<(u64, ChainingValue)>> {
            let others: Vec<_> = (1..self.threads)
                .filter_map(|_| std::thread::Builder::new().name("hash".into()).spawn_scoped(scope, worker).ok())
                .collect();
            let mut all = worker();
            for other in others {
                let part = other.join().unwrap_or_else(|_| Err(io::Error::other("a hashing thread panicked")));
                all = all.and_then(|mut all| {
                    all.extend(part?);
                    Ok(all)
                });
            }
            all
        })?;
        values.sort_unstable_by_key(|&(index, _)| index);
        let values: Vec<ChainingValue> = values.into_iter().map(|(_, value)| value).collect();
        let (left, right) = values.split_at(left_len(values.len()));
        let root = merge_subtrees_root(&merge(left), &merge(right), Mode::Hash);
        Ok(BlobDigest::from_bytes(*root.as_bytes()))
    }

    /// Reads the block at `offset`, and writes it to the target.
    fn transfer<'b>(&self, buffer: &'b mut [u8], offset: u64) -> io::Result<&'b [u8]> {
        let want = (self.len - offset).min(buffer.len() as u64) as usize;
        let block = &mut buffer[..want];
        if self.source.read_at(block, offset)? < want {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(target) = self.target {
            target.write_at(block, offset)?;
        }
        Ok(block)
    }
}

/// Blocks in the left half of a tree of `blocks` (at least two): the largest power of two below.
fn left_len(blocks: usize) -> usize {
    1 << (blocks - 1).ilog2()
}

fn merge(values: &[ChainingValue]) -> ChainingValue {
    match values {
        [one] => *one,
        _ => {
            let (left, right) = values.split_at(left_len(values.len()));
            merge_subtrees_non_root(&merge(left), &merge(right), Mode::Hash)
        }
    }
}

/// Lends this thread's buffer, at least `len` bytes long, so that small files do not pay for fresh pages.
pub(crate) fn with_buffer<T>(len: usize, work: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with(|buffer| match buffer.try_borrow_mut() {
        Ok(mut buffer) => {
            if buffer.len() < len {
                buffer.resize(len, 0);
            }
            work(&mut buffer[..len])
        }
        Err(_) => work(&mut vec![0; len]),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::fs::Fs;
    use crate::store::sim_fs::SimFs;

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[7]).collect()
    }

    #[test]
    fn serial_and_parallel_passes_agree_with_blake3_at_every_block_boundary() {
        let block = BLOCK as usize;
        for len in [0, 1, 1024, SERIAL_BUFFER + 1, 4 * block, 4 * block + 1, 5 * block - 1, 7 * block + 1025] {
            let fs = SimFs::new();
            let source = fs.create_new(Path::new("/source"), 0o600).unwrap();
            let bytes = pattern(len);
            source.write_at(&bytes, 0).unwrap();
            for threads in [1, 2, 3] {
                let name = format!("/target-{threads}");
                let target = fs.create_new(Path::new(&name), 0o600).unwrap();
                let pass = Pass { source: &*source, len: len as u64, target: Some(&*target), threads };
                assert_eq!(pass.run().unwrap(), BlobDigest::of(&bytes), "{len} bytes, {threads} threads");
                assert!(crate::store::fs::read_file(&fs, Path::new(&name)).unwrap() == bytes);
            }
        }
    }

    #[test]
    fn a_file_that_shrank_is_an_error() {
        for (len, threads) in [(100, 1), (6 * BLOCK, 2)] {
            let fs = SimFs::new();
            let source = fs.create_new(Path::new("/source"), 0o600).unwrap();
            source.write_at(&vec![1; len as usize - 1], 0).unwrap();
            let pass = Pass { source: &*source, len, target: None, threads };
            assert_eq!(pass.run().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
