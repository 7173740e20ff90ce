//! The picture of diagnostics: the offending lines with marks under them, as compilers show them.
//!
//! The renderer is given only the lines that matter, so the cost does not depend on the size of a source.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::base::diag::{Diagnostic, Label, LineCol, Severity, Source, SourceMap};

/// Labels of one source that are further apart than this many lines get pictures of their own.
const NEAR_LINES: usize = 12;
/// So do labels of one line that are further apart than this many bytes.
const NEAR_BYTES: u32 = 100;
/// Longest mark, and how much of a line is kept after it, in bytes; the renderer shortens what is before it.
const LONGEST_MARK: usize = 80;
/// Labels that stand further from the start of their line, in bytes, are only named: the renderer reads all before them.
const FARTHEST: usize = 1 << 20;

/// Draws diagnostics in the order given, each followed by an empty line. `color` adds ANSI colours.
pub fn render(sources: &SourceMap, diagnostics: &[Diagnostic], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for diagnostic in diagnostics {
        let pictures = pictures(sources, diagnostic);
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let code = diagnostic.code.to_string();
        let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str()).id(code.as_str()));
        for picture in &pictures {
            group = picture.add_to(group);
        }
        for note in &diagnostic.notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        for help in &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let _ = writeln!(out, "{}\n", renderer.render(&[group]));
    }
    // The renderer replaces the control characters of ASCII; those behind it are as good as an escape to some terminals.
    if out.contains(is_c1) { out.replace(is_c1, "\u{fffd}") } else { out }
}

const fn is_c1(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9f}')
}

/// Consecutive lines of one source with marks.
struct Picture<'m> {
    path: &'m str,
    /// What the header names if there is no text to show.
    place: LineCol,
    /// Number of the first line of `text`.
    first_line: usize,
    text: String,
    marks: Vec<(Range<usize>, &'m Label)>,
}

impl<'m> Picture<'m> {
    fn add_to<'p>(&'p self, group: Group<'p>) -> Group<'p> {
        if self.marks.is_empty() {
            let origin = Origin::path(self.path).line(self.place.line).char_column(self.place.column);
            return group.element(origin);
        }
        let marks = self.marks.iter().map(|(range, label)| {
            let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            kind.span(range.clone()).label((!label.text.is_empty()).then_some(label.text.as_str()))
        });
        let snippet = Snippet::source(self.text.as_str()).path(self.path).line_start(self.first_line);
        group.element(snippet.annotations(marks))
    }

    /// Draws the lines of `labels`, which are near each other and in the order of their places.
    fn new(sources: &SourceMap, source: &'m Source, labels: &[&'m Label]) -> Option<Self> {
        let named = labels.iter().find(|label| label.primary).or(labels.first())?;
        let first = source.line_of(labels.first()?.span.start);
        let last = source.line_of(labels.last()?.span.start);
        let mut picture = Self {
            path: &source.name,
            place: sources.line_col(named.span)?,
            first_line: first + 1,
            text: String::new(),
            marks: Vec::new(),
        };
        for line in first..=last {
            let here = labels.iter().copied().filter(|label| source.line_of(label.span.start) == line);
            picture.add_line(&source.text, source.line_range(line), here);
        }
        Some(picture)
    }

    fn add_line(&mut self, text: &str, line: Range<usize>, labels: impl Iterator<Item = &'m Label>) {
        let base = self.text.len();
        let mut shown = line.start;
        for label in labels {
            let start = label.span.start as usize;
            if start - line.start > FARTHEST {
                continue;
            }
            // A mark over several lines is drawn on its first one: the rest of a long list says nothing more.
            let start = boundary(text, start.min(line.end));
            let end = boundary(text, (label.span.end as usize).min(line.end).min(start + LONGEST_MARK)).max(start);
            shown = shown.max(end);
            self.marks.push((base + start - line.start..base + end - line.start, label));
        }
        let until = boundary(text, line.end.min(shown.saturating_add(2 * LONGEST_MARK)));
        self.text.push_str(text.get(line.start..until).unwrap_or(""));
        self.text.push('\n');
    }
}

/// The last character boundary at or before `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The pictures of a diagnostic, that of its main place first.
fn pictures<'m>(sources: &'m SourceMap, diagnostic: &'m Diagnostic) -> Vec<Picture<'m>> {
    let mut labels: Vec<&Label> = diagnostic.labels.iter().collect();
    labels.sort_by_key(|label| label.span);
    let clusters = labels.chunk_by(|a, b| {
        let Some(source) = sources.get(a.span.source).filter(|_| a.span.source == b.span.source) else { return false };
        let lines = source.line_of(b.span.start) - source.line_of(a.span.start);
        lines <= NEAR_LINES && (lines > 0 || b.span.start - a.span.start <= NEAR_BYTES)
    });
    let mut clusters: Vec<&[&Label]> = clusters.collect();
    clusters.sort_by_key(|labels| !labels.iter().any(|label| label.primary));
    let draw = |labels: &&[&'m Label]| Picture::new(sources, sources.get(labels.first()?.span.source)?, labels);
    clusters.iter().filter_map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::code;
    use crate::base::diag::{SourceId, Span};

    fn drawn(text: &str, diagnostic: impl FnOnce(SourceId) -> Diagnostic) -> String {
        let mut sources = SourceMap::default();
        let id = sources.add("p.yaml", text);
        render(&sources, &[diagnostic(id)], false)
    }

    #[test]
    fn two_places_far_apart_are_two_short_pictures() {
        let text = format!("first: 1\n{}first: 2\n", "x: y\n".repeat(1_000_000));
        let second = u32::try_from(text.rfind("first").unwrap()).unwrap();
        let picture = drawn(&text, |id| {
            Diagnostic::error(code::DUPLICATE_KEY, "duplicate key `first`")
                .label(Span::new(id, second, second + 5), "again here")
                .secondary(Span::new(id, 0, 5), "first here")
                .note("a note")
                .help("some help")
        });
        assert_eq!(
            picture,
            "\
error[OC0108]: duplicate key `first`
       --> p.yaml:1000002:1
        |
1000002 | first: 2
        | ^^^^^ again here
        |
       ::: p.yaml:1:1
        |
      1 | first: 1
        | ----- first here
        |
        = note: a note
        = help: some help

"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let text = format!("a: [{}b{}]\n", "x, ".repeat(50_000), ", é".repeat(50_000));
        let at = u32::try_from(text.find('b').unwrap()).unwrap();
        let picture =
            drawn(&text, |id| Diagnostic::warning(code::INTERNAL, "odd").label(Span::new(id, at, at + 1), "this"));
        assert!(picture.starts_with("warning[OC9901]: odd\n --> p.yaml:1:150005\n"), "{picture}");
        assert!(picture.contains(" x, b, é") && picture.ends_with("^ this\n\n") && picture.len() < 600, "{picture}");
    }

    #[test]
    fn places_of_two_files_and_of_none_are_drawn() {
        let mut sources = SourceMap::default();
        let (a, b) = (sources.add("a.yaml", "\n\nx: 1\n"), sources.add("b.yaml", "x: 2"));
        let both = Diagnostic::error(code::INTERNAL, "twice")
            .label(Span::new(b, 0, 1), "")
            .secondary(Span::new(a, 2, 3), "before");
        let picture = render(&sources, &[both, Diagnostic::warning(code::INTERNAL, "nowhere").help("look")], false);
        assert!(picture.contains("--> b.yaml:1:1\n") && picture.contains("::: a.yaml:3:1\n"), "{picture}");
        assert!(picture.ends_with("warning[OC9901]: nowhere\n |\n = help: look\n\n"), "{picture}");
    }

    #[test]
    fn a_mark_over_several_lines_or_at_the_end_is_drawn_once() {
        let picture = drawn("a:\n  b: 1\n  c: 2\n", |id| {
            Diagnostic::error(code::INTERNAL, "missing")
                .label(Span::new(id, 5, 16), "here")
                .secondary(Span::new(id, 17, 17), "end")
        });
        assert_eq!(
            picture,
            "\
error[OC9901]: missing
 --> p.yaml:2:3
  |
2 |   b: 1
  |   ^^^^ here
3 |   c: 2
4 |
  | - end

"
        );
    }
}
