//! Problems found in files that people write: where they are, what is wrong, what would help.
//!
//! A [`Diagnostic`] names places by [`Span`]; the [`SourceMap`] turns those into lines and columns, and [`render()`] into
//! the picture that is shown. Nothing here prints.

mod render;

use std::sync::{Arc, OnceLock};

use crate::base::code::{self, Code};

pub use render::render;

/// Names a source of a [`SourceMap`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

impl SourceId {
    /// The id as a number, to pass it through a format.
    pub(crate) const fn to_u32(self) -> u32 {
        self.0
    }

    /// The id that was that number.
    pub(crate) const fn from_u32(number: u32) -> Self {
        Self(number)
    }
}

/// A range of bytes of one source. Ordered by source, then by position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The source.
    pub source: SourceId,
    /// The first byte.
    pub start: u32,
    /// The byte after the last; equal to `start` for a place between two characters.
    pub end: u32,
}

impl Span {
    /// The span from byte `start` to before byte `end`.
    pub const fn new(source: SourceId, start: u32, end: u32) -> Self {
        Self { source, start, end }
    }

    /// From the start of `self` to the end of `last`, which is in the same source.
    pub const fn to(self, last: Self) -> Self {
        Self { source: self.source, start: self.start, end: last.end }
    }
}

/// A text that spans point into.
#[derive(Debug)]
pub struct Source {
    /// How people know it, usually a path relative to the project root.
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
    /// Byte offset of the start of each line; only made when a line is asked for.
    lines: OnceLock<Box<[u32]>>,
}

impl Source {
    /// Byte offsets of the starts of all lines.
    fn lines(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let breaks = self.text.bytes().zip(1_u32..).filter(|(byte, _)| *byte == b'\n');
            std::iter::once(0).chain(breaks.map(|(_, next)| next)).collect()
        })
    }

    /// Index of the line that byte `at` is in.
    fn line_of(&self, at: u32) -> usize {
        self.lines().partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// The byte range of a line without its line break.
    fn line_range(&self, line: usize) -> std::ops::Range<usize> {
        let start = self.lines().get(line).map_or(self.text.len(), |start| *start as usize);
        let end = self.lines().get(line + 1).map_or(self.text.len(), |next| *next as usize - 1);
        let line = self.text.get(start..end).unwrap_or("");
        start..start + line.strip_suffix('\r').unwrap_or(line).len()
    }
}

/// Where a span starts, as editors count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineCol {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// All texts that were read.
#[derive(Debug, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
}

impl SourceMap {
    /// Adds a text under the name that messages use.
    ///
    /// # Panics
    /// If there are more than `u32::MAX` sources, which no loader admits.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> SourceId {
        let id = SourceId(u32::try_from(self.sources.len()).expect("BUG: more than u32::MAX sources"));
        self.sources.push(Source { name: name.into(), text: text.into(), lines: OnceLock::new() });
        id
    }

    /// Adds the content of a file.
    ///
    /// # Errors
    /// The bytes are not UTF-8. The source is in the map all the same, with U+FFFD for what could not be read, so that
    /// the diagnostic can be shown.
    pub fn add_bytes(&mut self, name: impl Into<String>, bytes: Vec<u8>) -> Result<SourceId, Diagnostic> {
        let error = match String::from_utf8(bytes) {
            Ok(text) => return Ok(self.add(name, text)),
            Err(error) => error,
        };
        let at = error.utf8_error().valid_up_to();
        let byte = error.as_bytes()[at];
        // Up to the bad byte both texts are the same, so its offset is right in the readable one too.
        let source = self.add(name, String::from_utf8_lossy(error.as_bytes()));
        let start = u32::try_from(at).unwrap_or(u32::MAX);
        let end = start.saturating_add(u32::try_from(char::REPLACEMENT_CHARACTER.len_utf8()).unwrap_or(0));
        Err(Diagnostic::error(code::NOT_UTF8, "the file is not UTF-8")
            .label(Span::new(source, start, end), format!("byte 0x{byte:02x} does not belong here"))
            .help("save the file in UTF-8"))
    }

    /// A source that was added.
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(id.0 as usize)
    }

    /// The text that a span covers; `None` if it is not within its source.
    pub fn slice(&self, span: Span) -> Option<&str> {
        self.get(span.source)?.text.get(span.start as usize..span.end as usize)
    }

    /// Line and column of a span's start; `None` for a source that is not of this map.
    pub fn line_col(&self, span: Span) -> Option<LineCol> {
        let source = self.get(span.source)?;
        let line = source.line_of(span.start);
        let start = source.line_range(line).start;
        let before = source.text.get(start..span.start as usize).unwrap_or("");
        Some(LineCol { line: line + 1, column: before.chars().count() + 1 })
    }

    /// `file:line:column` of a span's start, for messages on one line.
    pub fn place(&self, span: Span) -> String {
        match (self.get(span.source), self.line_col(span)) {
            (Some(source), Some(at)) => format!("{}:{}:{}", source.name, at.line, at.column),
            _ => "?".to_owned(),
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The run stops.
    Error,
    /// The run goes on.
    Warning,
}

/// A place that belongs to a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is to be said about it; may be empty.
    pub text: String,
    /// Whether this is where the problem is; the others explain it.
    pub primary: bool,
}

/// One problem.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of problem it is; `ocelot explain` has more.
    pub code: Code,
    /// What is wrong, on one line, without a final stop.
    pub message: String,
    /// Places, the primary one first.
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Vec<String>,
    /// What else is good to know.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message.into())
    }

    /// A warning without a place.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    const fn new(severity: Severity, code: Code, message: String) -> Self {
        Self { severity, code, message, labels: Vec::new(), help: Vec::new(), notes: Vec::new() }
    }

    /// Adds where the problem is.
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), primary: true });
        self
    }

    /// Adds a place that explains it.
    pub fn secondary(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), primary: false });
        self
    }

    /// Adds what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds `did you mean ...?` if there is a suggestion.
    pub fn did_you_mean(self, suggestion: Option<&str>) -> Self {
        match suggestion {
            Some(suggestion) => self.help(format!("did you mean {}?", quoted(suggestion))),
            None => self,
        }
    }

    /// Adds a remark.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Where it is: the first primary label, else the first.
    pub fn span(&self) -> Option<Span> {
        self.labels.iter().find(|label| label.primary).or(self.labels.first()).map(|label| label.span)
    }
}

/// Puts diagnostics in the order of their places; those without a place come first, equal ones keep their order.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(Diagnostic::span);
}

/// Text of a file between backquotes, fit for one line of a message: shortened, control characters escaped.
pub fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut out = String::with_capacity(text.len().min(LONGEST) + 2);
    out.push('`');
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('`');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_end_at_crlf() {
        let mut map = SourceMap::default();
        let id = map.add("f", "äé: x\r\nb: y\n");
        assert_eq!(map.line_col(Span::new(id, 6, 7)), Some(LineCol { line: 1, column: 5 }));
        assert_eq!(map.line_col(Span::new(id, 12, 13)), Some(LineCol { line: 2, column: 4 }));
        assert_eq!(map.place(Span::new(id, 14, 14)), "f:3:1");
        assert_eq!(map.slice(Span::new(id, 0, 4)), Some("äé"));
        assert_eq!(map.slice(Span::new(id, 1, 4)), None);
        assert_eq!(map.line_col(Span::new(SourceId(7), 0, 0)), None);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_placed() {
        let mut map = SourceMap::default();
        let problem = map.add_bytes("f", b"a: x\nb: \xfft\n".to_vec()).unwrap_err();
        assert_eq!(problem.span().map(|span| map.place(span)).as_deref(), Some("f:2:4"));
        assert!(problem.labels[0].text.contains("0xff"));
        assert!(map.add_bytes("g", b"a: x".to_vec()).is_ok());
    }

    #[test]
    fn order_is_that_of_places() {
        let at = |start| {
            Diagnostic::error(code::INTERNAL, format!("{start}")).label(Span::new(SourceId(0), start, start), "")
        };
        let mut all = vec![at(5), Diagnostic::error(code::INTERNAL, "none"), at(2)];
        sort(&mut all);
        assert_eq!(all.iter().map(|d| d.message.as_str()).collect::<Vec<_>>(), ["none", "2", "5"]);
    }

    #[test]
    fn quoted_text_stays_short_and_on_one_line() {
        assert_eq!(quoted("a\nb"), "`a\\nb`");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), 63);
    }
}
