//! Raw deflate on several threads, with bytes that depend on the input and the recipe alone.
//!
//! The input is cut into blocks of a fixed size. Each is compressed by itself, with the 32 KiB before it as
//! dictionary, and ends at a byte boundary (a sync flush), so the results can be joined: how many threads took part
//! cannot show. The encoder is `zlib-rs`, used directly and pinned exactly: its output is part of a layer's identity.
//! Its vector code only compares and shifts, so every processor gets the same bytes.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use zlib_rs::crc32::{crc32, crc32_combine};
use zlib_rs::{Deflate, DeflateError, DeflateFlush, Inflate, InflateFlush, Status, compress_bound};

/// How a zip is compressed. A recipe never changes: another crate version, level or block size is a new number, because
/// the bytes of every layer change with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    /// The number that `ocelot.lock` records.
    pub number: u32,
    /// The encoder and its exact version.
    pub encoder: &'static str,
    /// The zlib level.
    pub level: i32,
    /// Bytes of input per block.
    pub block_size: usize,
}

impl Recipe {
    /// The recipe that new locks get. On a 37 MB collector, level 9 is 2.6 % smaller than level 6 and 0.9 % smaller
    /// than Info-ZIP's default; with two threads it still takes half of Info-ZIP's time.
    pub const CURRENT: Self = Self { number: 1, encoder: "zlib-rs 0.6.8", level: 9, block_size: 1 << 20 };

    /// The recipe with this number; `None` if this build of Ocelot does not have it.
    pub fn by_number(number: u32) -> Option<Self> {
        (number == Self::CURRENT.number).then_some(Self::CURRENT)
    }
}

const WINDOW_BITS: u8 = 15;
const WINDOW: usize = 1 << WINDOW_BITS;
/// Room for the empty block that a sync flush adds, on top of zlib's own bound.
const FLUSH_ROOM: usize = 64;

/// A compressed input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deflated {
    pub(crate) bytes: Vec<u8>,
    /// Of the input.
    pub(crate) crc32: u32,
}

struct Block {
    index: usize,
    bytes: Vec<u8>,
    crc32: u32,
    length: usize,
}

/// Compresses `input`. The error is the encoder's own word; with a valid recipe only lack of memory can cause it.
pub(crate) fn deflate(input: &[u8], recipe: Recipe, threads: NonZeroUsize) -> Result<Deflated, &'static str> {
    let count = input.len().div_ceil(recipe.block_size).max(1);
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<Block>, &'static str> {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return Ok(done);
            }
            done.push(deflate_block(input, index, index + 1 == count, recipe).map_err(DeflateError::as_str)?);
        }
    };
    let mut blocks = thread::scope(|scope| {
        // A thread that the system refuses to start only makes it slower.
        let others: Vec<_> = (1..threads.get().min(count))
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        let mut blocks = work()?;
        for other in others {
            blocks.extend(other.join().unwrap_or(Err("a compression thread panicked"))?);
        }
        Ok::<_, &'static str>(blocks)
    })?;
    blocks.sort_unstable_by_key(|block| block.index);
    let mut joined =
        Deflated { bytes: Vec::with_capacity(blocks.iter().map(|block| block.bytes.len()).sum()), crc32: 0 };
    for block in blocks {
        joined.bytes.extend_from_slice(&block.bytes);
        joined.crc32 = crc32_combine(joined.crc32, block.crc32, block.length as u64);
    }
    Ok(joined)
}

fn deflate_block(input: &[u8], index: usize, is_last: bool, recipe: Recipe) -> Result<Block, DeflateError> {
    let start = index * recipe.block_size;
    let block = &input[start..input.len().min(start + recipe.block_size)];
    let mut encoder = Deflate::new(recipe.level, false, WINDOW_BITS);
    if start > 0 {
        encoder.set_dictionary(&input[start.saturating_sub(WINDOW)..start])?;
    }
    let flush = if is_last { DeflateFlush::Finish } else { DeflateFlush::SyncFlush };
    let mut bytes = vec![0; compress_bound(block.len()) + FLUSH_ROOM];
    loop {
        let (read, written) = (encoder.total_in() as usize, encoder.total_out() as usize);
        let status = encoder.compress(&block[read..], &mut bytes[written..], flush)?;
        let written = encoder.total_out() as usize;
        // Output space that is left over means that the flush is complete.
        if status == Status::StreamEnd || (!is_last && written < bytes.len()) {
            bytes.truncate(written);
            return Ok(Block { index, bytes, crc32: crc32(0, block), length: block.len() });
        }
        bytes.resize(bytes.len() + recipe.block_size, 0);
    }
}

/// Decompresses a raw deflate stream that must give exactly `length` bytes and use all of `input`; `None` otherwise.
/// Memory grows with what really comes out, not with what `length` claims.
pub(crate) fn inflate(input: &[u8], length: usize) -> Option<Vec<u8>> {
    const STEP: usize = 1 << 20;
    let mut decoder = Inflate::new(false, WINDOW_BITS);
    let mut bytes = Vec::new();
    loop {
        let (read, written) = (decoder.total_in() as usize, decoder.total_out() as usize);
        // One byte more than expected shows a stream that goes on.
        bytes.resize(length.saturating_add(1).min(written + STEP), 0);
        let status = decoder.decompress(&input[read..], &mut bytes[written..], InflateFlush::NoFlush).ok()?;
        let (read_now, written_now) = (decoder.total_in() as usize, decoder.total_out() as usize);
        if status == Status::StreamEnd {
            bytes.truncate(written_now);
            return (written_now == length && read_now == input.len()).then_some(bytes);
        }
        if written_now > length || (read, written) == (read_now, written_now) {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that compress somewhat, from a fixed linear congruential sequence.
    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(|at| if at % 7 < 4 { b"ocel"[at % 7] } else { next() & 0x3f }).collect()
    }

    fn threads(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    #[test]
    fn threads_do_not_show_and_the_input_comes_back() {
        let recipe = Recipe { block_size: 10_000, ..Recipe::CURRENT };
        for length in [0, 1, 9_999, 10_000, 10_001, 150_000] {
            let input = sample(length);
            let one = deflate(&input, recipe, threads(1)).unwrap();
            assert_eq!(deflate(&input, recipe, threads(5)).unwrap(), one);
            assert_eq!(inflate(&one.bytes, length).as_deref(), Some(&input[..]), "{length}");
            assert_eq!(one.crc32, crc32(0, &input));
        }
    }

    #[test]
    fn blocks_use_what_came_before() {
        let noise: Vec<u8> = sample(200_000).into_iter().filter(|byte| *byte < 0x40).take(20_000).collect();
        let twice = [&noise[..], &noise[..]].concat();
        let recipe = Recipe { block_size: 20_000, ..Recipe::CURRENT };
        let length = |input: &[u8]| deflate(input, recipe, threads(1)).unwrap().bytes.len();
        assert!(length(&twice) < length(&noise) + 1000);
    }

    #[test]
    fn inflate_takes_exactly_what_was_promised() {
        let input = sample(3_000_000);
        let bytes = deflate(&input, Recipe::CURRENT, threads(2)).unwrap().bytes;
        assert_eq!(inflate(&bytes, input.len()).as_deref(), Some(&input[..]));
        assert_eq!(inflate(&bytes, input.len() - 1), None);
        assert_eq!(inflate(&bytes, input.len() + 1), None);
        assert_eq!(inflate(&bytes[..bytes.len() - 1], input.len()), None);
        assert_eq!(inflate(&[&bytes[..], b"x"].concat(), input.len()), None);
        assert_eq!(inflate(b"", 0), None);
    }

    #[test]
    fn only_known_recipes() {
        assert_eq!(Recipe::by_number(1), Some(Recipe::CURRENT));
        assert_eq!(Recipe::by_number(2), None);
    }
}
