//! Keeps a command's log within bounded memory: its head and its tail, whatever it prints.

use std::collections::VecDeque;
use std::fmt;

use crate::outside::process::command::OutputSink;

/// How much of a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Bytes kept from the start.
    pub head: usize,
    /// Bytes kept from the end.
    pub tail: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { head: 256 * 1024, tail: 256 * 1024 }
    }
}

/// A line longer than this reaches the line callback in pieces.
const LONGEST_LINE: usize = 64 * 1024;

type LineCallback<'a> = Box<dyn FnMut(&[u8]) + 'a>;

/// A sink that keeps a bounded log and passes on every line as it comes.
pub struct LogCapture<'a> {
    limits: LogLimits,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
    line: Vec<u8>,
    on_line: Option<LineCallback<'a>>,
}

impl<'a> LogCapture<'a> {
    /// A capture that keeps what `limits` allows.
    pub fn new(limits: LogLimits) -> Self {
        Self { limits, head: Vec::new(), tail: VecDeque::new(), total: 0, line: Vec::new(), on_line: None }
    }

    /// Also calls `on_line` with every line, without its line end.
    pub fn with_lines(limits: LogLimits, on_line: impl FnMut(&[u8]) + 'a) -> Self {
        Self { on_line: Some(Box::new(on_line)), ..Self::new(limits) }
    }

    /// How many bytes came.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Hands a last line without a line end to the callback, and returns the log. Between head and tail, where
    /// anything was left out, it says how much.
    pub fn finish(mut self) -> Vec<u8> {
        if !self.line.is_empty() {
            self.end_line();
        }
        let left_out = self.total - (self.head.len() + self.tail.len()) as u64;
        let mut log = self.head;
        if left_out > 0 {
            log.extend_from_slice(format!("\n… {left_out} bytes left out …\n").as_bytes());
        }
        let (front, back) = self.tail.as_slices();
        log.extend_from_slice(front);
        log.extend_from_slice(back);
        log
    }

    fn keep(&mut self, chunk: &[u8]) {
        let (head, rest) = chunk.split_at(chunk.len().min(self.limits.head - self.head.len()));
        self.head.extend_from_slice(head);
        let rest = &rest[rest.len().saturating_sub(self.limits.tail)..];
        let excess = (self.tail.len() + rest.len()).saturating_sub(self.limits.tail);
        self.tail.drain(..excess);
        self.tail.extend(rest);
    }

    fn split_lines(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            let room = LONGEST_LINE - self.line.len();
            let window = &chunk[..chunk.len().min(room)];
            match window.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    self.line.extend_from_slice(&window[..end]);
                    self.end_line();
                    chunk = &chunk[end + 1..];
                }
                None => {
                    self.line.extend_from_slice(window);
                    chunk = &chunk[window.len()..];
                    if self.line.len() == LONGEST_LINE {
                        self.end_line();
                    }
                }
            }
        }
    }

    fn end_line(&mut self) {
        if let Some(on_line) = &mut self.on_line {
            on_line(self.line.strip_suffix(b"\r").unwrap_or(&self.line));
        }
        self.line.clear();
    }
}

impl OutputSink for LogCapture<'_> {
    fn write(&mut self, chunk: &[u8]) {
        self.total += chunk.len() as u64;
        self.keep(chunk);
        if self.on_line.is_some() {
            self.split_lines(chunk);
        }
    }
}

impl fmt::Debug for LogCapture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogCapture").field("limits", &self.limits).field("total", &self.total).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(head: usize, tail: usize, chunks: &[&[u8]]) -> String {
        let mut capture = LogCapture::new(LogLimits { head, tail });
        for chunk in chunks {
            capture.write(chunk);
        }
        String::from_utf8(capture.finish()).unwrap()
    }

    #[test]
    fn keeps_all_that_fits_and_says_what_it_left_out() {
        assert_eq!(log_of(4, 4, &[b"abcd", b"efgh"]), "abcdefgh");
        assert_eq!(log_of(4, 4, &[b"abcdefghi"]), "abcd\n… 1 bytes left out …\nfghi");
        assert_eq!(log_of(4, 4, &[b"ab", b"cdef", b"ghijkl", b"mn"]), "abcd\n… 6 bytes left out …\nklmn");
        assert_eq!(log_of(0, 2, &[b"abc"]), "\n… 1 bytes left out …\nbc");
        assert_eq!(log_of(2, 0, &[b"abc"]), "ab\n… 1 bytes left out …\n");
        assert_eq!(log_of(0, 0, &[]), "");
    }

    #[test]
    fn the_way_the_bytes_are_cut_changes_nothing() {
        let bytes: Vec<u8> = (0..1000).map(|n| b'a' + (n % 26) as u8).collect();
        let whole = log_of(100, 70, &[&bytes]);
        for size in [1, 3, 69, 70, 71, 99, 100, 101, 500] {
            assert_eq!(log_of(100, 70, &bytes.chunks(size).collect::<Vec<_>>()), whole, "{size}");
        }
    }

    #[test]
    fn row_29_a_flood_needs_no_more_memory_than_the_limits() {
        let mut longest = 0;
        let mut capture = LogCapture::with_lines(LogLimits::default(), |line| longest = longest.max(line.len()));
        for _ in 0..400 {
            capture.write(&[0; 65_000]);
            assert!(capture.head.capacity() + capture.tail.capacity() + capture.line.capacity() < 2 << 20);
        }
        assert_eq!(capture.total(), 26_000_000);
        assert!(capture.finish().len() < 513 * 1024);
        assert_eq!(longest, LONGEST_LINE);
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        for size in 1..12 {
            let mut lines = Vec::new();
            let mut capture = LogCapture::with_lines(LogLimits::default(), |line| lines.push(line.to_vec()));
            b"one\r\n\ntwo\nthree".chunks(size).for_each(|chunk| capture.write(chunk));
            drop(capture.finish());
            assert_eq!(lines, [b"one".to_vec(), b"".to_vec(), b"two".to_vec(), b"three".to_vec()]);
        }
    }
}
