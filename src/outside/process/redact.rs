//! Removes secret values from a stream of bytes, also when they are encoded or split across chunks.

use std::fmt;

use crate::outside::process::command::OutputSink;

/// What stands in place of a secret.
pub const REDACTED: &[u8] = b"[redacted]";
/// Shorter values are not looked for: they would turn up everywhere.
pub const SHORTEST_SECRET: usize = 4;
/// Lines of a secret of several lines are looked for by themselves from this length on.
const SHORTEST_LINE: usize = 8;

/// Knows the secrets of a run in the forms they are looked for: as they are, each line of several, in base64 (both
/// alphabets, and wherever they stand in a longer encoded text) and percent-encoded. Base64 broken into lines within
/// the secret is not recognised.
#[derive(Clone, Default)]
pub struct Redactor {
    patterns: Vec<Vec<u8>>,
    longest: usize,
    /// By first byte, the range of `patterns`, which are sorted.
    by_first: Vec<(usize, usize)>,
    too_short: usize,
}

impl Redactor {
    /// A redactor of these values.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut patterns = Vec::new();
        let mut too_short = 0;
        for secret in secrets {
            let secret = secret.trim_ascii();
            if secret.len() < SHORTEST_SECRET {
                too_short += 1;
                continue;
            }
            add_forms(secret, &mut patterns);
            let lines = secret.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            lines.filter(|line| line.len() >= SHORTEST_LINE).for_each(|line| add_forms(line, &mut patterns));
        }
        patterns.sort_unstable();
        patterns.dedup();
        let range = |first: u8| {
            let start = patterns.partition_point(|pattern| pattern[0] < first);
            (start, start + patterns[start..].partition_point(|pattern| pattern[0] == first))
        };
        let by_first = if patterns.is_empty() { Vec::new() } else { (0..=u8::MAX).map(range).collect() };
        let longest = patterns.iter().map(Vec::len).max().unwrap_or(0);
        Self { patterns, longest, by_first, too_short }
    }

    /// How many values were too short to be looked for.
    pub fn too_short(&self) -> usize {
        self.too_short
    }

    /// `bytes`, complete, without the secrets.
    pub fn redact(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut sink = RedactingSink::new(self, &mut out);
        sink.write(bytes);
        sink.finish();
        out
    }

    /// The length of the longest secret that starts at `bytes[0]`, and whether a longer one may when more bytes come.
    fn look(&self, bytes: &[u8]) -> (usize, bool) {
        let (start, end) = self.by_first[usize::from(bytes[0])];
        let mut found = 0;
        let mut undecided = false;
        for pattern in &self.patterns[start..end] {
            if bytes.starts_with(pattern) {
                found = found.max(pattern.len());
            } else if bytes.len() < pattern.len() && pattern.starts_with(bytes) {
                undecided = true;
            }
        }
        (found, undecided)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("patterns", &self.patterns.len()).finish_non_exhaustive()
    }
}

/// A sink that passes on what it gets without the secrets. It holds back only bytes that may be the start of one;
/// call [`Self::finish`] at the end.
pub struct RedactingSink<'a> {
    redactor: &'a Redactor,
    inner: &'a mut dyn OutputSink,
    /// Bytes that cannot be judged yet.
    held: Vec<u8>,
    /// How many bytes from the start of `held` belong to a secret that was already replaced.
    covered: usize,
}

impl<'a> RedactingSink<'a> {
    /// A sink in front of `inner`.
    pub fn new(redactor: &'a Redactor, inner: &'a mut dyn OutputSink) -> Self {
        Self { redactor, inner, held: Vec::new(), covered: 0 }
    }

    /// Passes on what was held back.
    pub fn finish(mut self) {
        self.pass(true);
    }

    /// Passes on what can be judged. Secrets that overlap are replaced as one, so that no remainder of either shows.
    fn pass(&mut self, complete: bool) {
        let bytes = std::mem::take(&mut self.held);
        let mut covered = self.covered;
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            let (found, undecided) = self.redactor.look(&bytes[at..]);
            if undecided && !complete {
                break;
            }
            if found > 0 {
                if covered <= at {
                    out.extend_from_slice(REDACTED);
                }
                covered = covered.max(at + found);
            }
            if covered <= at {
                out.push(bytes[at]);
            }
            at += 1;
        }
        self.held.extend_from_slice(&bytes[at..]);
        self.covered = covered.saturating_sub(at);
        debug_assert!(self.held.len() < self.redactor.longest.max(1));
        if !out.is_empty() {
            self.inner.write(&out);
        }
    }
}

impl OutputSink for RedactingSink<'_> {
    fn write(&mut self, chunk: &[u8]) {
        if self.redactor.patterns.is_empty() {
            self.inner.write(chunk);
            return;
        }
        self.held.extend_from_slice(chunk);
        self.pass(false);
    }
}

impl fmt::Debug for RedactingSink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedactingSink").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

fn add_forms(secret: &[u8], patterns: &mut Vec<Vec<u8>>) {
    patterns.push(secret.to_vec());
    for alphabet in [b"+/", b"-_"] {
        patterns.extend((0..3).map(|before| base64_core(secret, before, *alphabet)));
    }
    for (hex, space) in [
        (b"0123456789ABCDEF", "+"),
        (b"0123456789ABCDEF", "%20"),
        (b"0123456789abcdef", "+"),
        (b"0123456789abcdef", "%20"),
    ] {
        patterns.push(percent_encoded(secret, hex, space));
    }
}

/// The characters of base64 that depend on `secret` alone when it stands `before` bytes (mod 3) into the encoded
/// text; RFC 4648 §4 with the last two characters of the alphabet given. Characters shared with a neighbour byte
/// are left: they tell at most four bits.
fn base64_core(secret: &[u8], before: usize, last_two: [u8; 2]) -> Vec<u8> {
    let bit = |n: usize| secret[n / 8] >> (7 - n % 8) & 1;
    // The first group of six bits that starts within the secret.
    let first = (6 - before * 8 % 6) % 6;
    let groups = (first..).step_by(6).take_while(|start| start + 6 <= secret.len() * 8);
    let character = |start: usize| {
        let value = (start..start + 6).fold(0, |value, n| value << 1 | bit(n));
        match value {
            0..=25 => b'A' + value,
            26..=51 => b'a' + value - 26,
            52..=61 => b'0' + value - 52,
            _ => last_two[usize::from(value - 62)],
        }
    };
    groups.map(character).collect()
}

/// RFC 3986: all but unreserved characters as `%XX`.
fn percent_encoded(secret: &[u8], hex: &[u8; 16], space: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(secret.len());
    for byte in secret {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(*byte),
            b' ' => out.extend_from_slice(space.as_bytes()),
            _ => out.extend([b'%', hex[usize::from(byte >> 4)], hex[usize::from(byte & 15)]]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redact(secrets: &[&str], text: &str) -> String {
        let redactor = Redactor::new(secrets.iter().map(|secret| secret.as_bytes()));
        let whole = redactor.redact(text.as_bytes());
        for size in 1..=text.len() {
            let mut out = Vec::new();
            let mut sink = RedactingSink::new(&redactor, &mut out);
            text.as_bytes().chunks(size).for_each(|chunk| sink.write(chunk));
            sink.finish();
            assert_eq!(out, whole, "in chunks of {size}");
        }
        String::from_utf8(whole).unwrap()
    }

    #[test]
    fn row_39_plain_values_vanish_wherever_they_are_cut() {
        assert_eq!(redact(&["hunter22"], "a hunter22 b hunter2 hunter22"), "a [redacted] b hunter2 [redacted]");
        assert_eq!(redact(&["hunter22"], "hunterhunter22"), "hunter[redacted]");
        assert_eq!(redact(&["aaaa"], "xaaaaaay"), "x[redacted]y");
        assert_eq!(redact(&[], "text"), "text");
        assert_eq!(redact(&["abc"], "abc"), "abc");
    }

    #[test]
    fn overlapping_and_nested_values_leave_no_remainder() {
        assert_eq!(redact(&["abcd", "abcdef"], "-abcdef-abcde-"), "-[redacted]-[redacted]e-");
        assert_eq!(redact(&["abcd", "cdefg"], "-abcdefg-"), "-[redacted]-");
        assert_eq!(redact(&["abcdefgh", "cdef"], "-abcdefx-"), "-ab[redacted]x-");
    }

    #[test]
    fn base64_forms_vanish_at_every_alignment() {
        // base64 of the value after 0, 1 and 2 bytes of `:`, by coreutils.
        assert_eq!(redact(&["s3cr?t>~"], "czNjcj90Pn4="), "[redacted]4=");
        assert_eq!(redact(&["s3cr?t>~"], "OnMzY3I/dD5+"), "On[redacted]");
        assert_eq!(redact(&["s3cr?t>~"], "OnMzY3I_dD5-"), "On[redacted]");
        assert_eq!(redact(&["s3cr?t>~"], "OjpzM2NyP3Q+fg=="), "Ojp[redacted]g==");
    }

    #[test]
    fn percent_encoded_forms_vanish() {
        let secret = "p/ss w=rd";
        for encoded in ["p%2Fss%20w%3Drd", "p%2fss%20w%3drd", "p%2Fss+w%3Drd"] {
            assert_eq!(redact(&[secret], &format!("?t={encoded}&x")), "?t=[redacted]&x");
        }
    }

    #[test]
    fn the_lines_of_a_long_secret_vanish_one_by_one() {
        let key = "-----BEGIN KEY-----\nMIIEabcdefgh\nshort\n-----END KEY-----\n";
        assert_eq!(redact(&[key], "> MIIEabcdefgh <\n> short <"), "> [redacted] <\n> short <");
        assert_eq!(redact(&["value-from-file\n"], "value-from-file."), "[redacted].");
    }

    #[test]
    fn only_a_possible_start_is_held_back() {
        let redactor = Redactor::new([b"hunter22".as_slice()]);
        let mut out = Vec::new();
        let mut sink = RedactingSink::new(&redactor, &mut out);
        sink.write(b"progress 10%");
        sink.write(b" hunt");
        assert_eq!(sink.held, b"hunt");
        drop(sink);
        assert_eq!(out, b"progress 10% ");
    }

    #[test]
    fn nothing_shows_a_value_by_debug() {
        let redactor = Redactor::new([b"hunter22".as_slice(), b"x"]);
        assert!(!format!("{redactor:?}").contains("hunter"));
        assert_eq!(redactor.too_short(), 1);
    }
}
