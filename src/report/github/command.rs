//! Workflow commands of GitHub Actions, and text that can never be taken for one.
//!
//! The runner reads every line of a step, on both streams. It takes a line for a command if `::` is the first thing in
//! it that is not space, or, in the older form, if `##[` stands anywhere in it; and it compares as people do, passing
//! over characters that have no width (`ActionCommand.cs` and `ActionCommandManager.cs` of `actions/runner`).

use std::fmt::Write as _;

use crate::base::diag::{Diagnostic, Severity, SourceMap};

/// GitHub shows this many annotations of each kind per step and drops the others.
pub const MOST_ANNOTATIONS: usize = 10;
/// Shorter values are not masked: they would turn up everywhere.
const SHORTEST_MASK: usize = 4;

/// A problem shown beside the line that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Whether the run stops.
    pub severity: Severity,
    /// File, relative to the repository, and line and column from 1; none for a problem without a place.
    pub place: Option<(String, usize, usize)>,
    /// A short heading; may be empty.
    pub title: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Annotation {
    /// The workflow command, on one line without its end.
    pub fn command(&self) -> String {
        let mut properties = Vec::new();
        if let Some((file, line, column)) = &self.place {
            properties.push(format!("file={},line={line},col={column}", property(file)));
        }
        if !self.title.is_empty() {
            properties.push(format!("title={}", property(&self.title)));
        }
        let space = if properties.is_empty() { "" } else { " " };
        format!("::{}{space}{}::{}", self.word(), properties.join(","), data(&self.message))
    }

    /// `error` or `warning`.
    pub fn word(&self) -> &'static str {
        match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// Diagnostics as annotations; `folder` is where the project stands in the repository, empty or ending in `/`.
pub fn annotations(sources: &SourceMap, diagnostics: &[Diagnostic], folder: &str) -> Vec<Annotation> {
    let one = |diagnostic: &Diagnostic| {
        let place = diagnostic.span().and_then(|span| {
            let at = sources.line_col(span)?;
            Some((format!("{folder}{}", sources.get(span.source)?.name), at.line, at.column))
        });
        let mut message = diagnostic.message.clone();
        let title = diagnostic.code.to_string();
        for help in &diagnostic.help {
            // Writing to a String cannot fail.
            let _ = write!(message, "\nhelp: {help}");
        }
        Annotation { severity: diagnostic.severity, place, title, message }
    };
    diagnostics.iter().map(one).collect()
}

/// The commands for these annotations: the first ten of each kind, since more would only hide others of the step.
pub fn annotate(annotations: &[Annotation]) -> String {
    let mut text = String::new();
    for severity in [Severity::Error, Severity::Warning] {
        let of_kind = annotations.iter().filter(|annotation| annotation.severity == severity);
        of_kind.take(MOST_ANNOTATIONS).for_each(|annotation| text.push_str(&(annotation.command() + "\n")));
    }
    text
}

/// The data of a command: its end and `%` escaped as the runner reads them back.
pub fn data(text: &str) -> String {
    plain(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command.
pub fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text whose lines the runner cannot take for commands. Lines keep what they say; only what would make them a command
/// is broken up.
pub fn neutral(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive('\n') {
        let (line, end) = piece.strip_suffix('\n').map_or((piece, ""), |line| (line, "\n"));
        // To the runner a bare carriage return is the end of a line too.
        let line = plain(line.strip_suffix('\r').unwrap_or(line)).replace('\r', "\\r").replace("##[", "# #[");
        if line.trim_start().starts_with("::") {
            out.push_str("| ");
        }
        out.push_str(&line);
        out.push_str(end);
    }
    out
}

/// The commands that make the runner hide secret values, each line of a value by itself. Account ids and ARNs are never
/// hidden, whoever lists them as secret: a job output that holds a hidden value is dropped whole, and the ARNs are what
/// a release is about.
pub fn masks<'a>(secrets: impl IntoIterator<Item = &'a str>) -> String {
    let mut lines: Vec<&str> = secrets.into_iter().flat_map(|value| value.split(['\n', '\r'])).map(str::trim).collect();
    lines.retain(|line| line.len() >= SHORTEST_MASK && !is_public(line));
    lines.sort_unstable();
    lines.dedup();
    // Not `data`: the value has to be the very one that is to be hidden.
    lines.iter().map(|line| format!("::add-mask::{}\n", line.replace('%', "%25"))).collect()
}

fn is_public(value: &str) -> bool {
    let is_account = value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit());
    is_account || value.starts_with("arn:")
}

/// Controls and characters without width are written out; line ends and tabs stay.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(c),
            c if c.is_control() || is_ignorable(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Characters that a comparison of texts passes over (Unicode's `Default_Ignorable_Code_Point`), and the two that end
/// lines elsewhere.
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The runner's own reading: does it take this line for a command?
    fn is_command(line: &str) -> bool {
        let seen: String = line.chars().filter(|c| !is_ignorable(*c) && !c.is_control()).collect();
        seen.trim_start().starts_with("::") || seen.contains("##[")
    }

    fn has_command(text: &str) -> bool {
        text.split(['\n', '\r']).any(is_command)
    }

    #[test]
    fn the_known_ways_to_forge_a_command_are_closed() {
        for hostile in [
            "::error::x",
            "  \t::set-output name=a::b",
            "\u{a0}::stop-commands::x",
            "a\r::add-mask::a",
            "\u{200b}::error::x",
            ":\u{ad}:error::x",
            "text ##[error]x",
            "#\u{feff}#[group]x",
            "###[warning]",
            "##\u{1}[error]",
            "ok\n::endgroup::\nok",
            "\u{2028}::error::x",
        ] {
            assert!(has_command(hostile), "the test itself must see {hostile:?}");
            let safe = neutral(hostile);
            assert!(!has_command(&safe), "{hostile:?} became {safe:?}");
        }
    }

    #[test]
    fn honest_text_is_left_as_it_is() {
        for honest in ["   ran collector[arm64] (1.2 s)\n", "crate::a::b\n", "# heading\n", "a\tb — ö\n", ""] {
            assert_eq!(neutral(honest), honest);
        }
    }

    #[test]
    fn an_annotation_is_one_line_whatever_it_says() {
        let annotation = Annotation {
            severity: Severity::Error,
            place: Some(("a,b:c%\n::error::.yaml".to_owned(), 3, 5)),
            title: String::new(),
            message: "50% of `x`\r\n::add-mask::y".to_owned(),
        };
        assert_eq!(
            annotation.command(),
            "::error file=a%2Cb%3Ac%25%0A%3A%3Aerror%3A%3A.yaml,line=3,col=5::50%25 of `x`%0D%0A::add-mask::y"
        );
        let bare = Annotation { place: None, severity: Severity::Warning, message: "m".to_owned(), ..annotation };
        assert_eq!(bare.command(), "::warning::m");
    }

    #[test]
    fn ten_of_each_kind_and_no_more() {
        let of = |severity| Annotation { severity, place: None, title: String::new(), message: "m".to_owned() };
        let many: Vec<_> = (0..25).flat_map(|_| [of(Severity::Warning), of(Severity::Error)]).collect();
        let text = annotate(&many);
        assert_eq!(text.matches("::error::").count(), MOST_ANNOTATIONS);
        assert_eq!(text.matches("::warning::").count(), MOST_ANNOTATIONS);
    }

    #[test]
    fn secrets_are_masked_line_by_line_and_accounts_and_arns_never() {
        let secrets = ["first%line\r\nsecond line", "123456789012", "arn:aws:iam::123456789012:role/x", "abc", ""];
        assert_eq!(masks(secrets), "::add-mask::first%25line\n::add-mask::second line\n");
    }

    proptest! {
        #[test]
        fn no_text_becomes_a_command(parts in prop::collection::vec(prop_oneof![
            Just("::".to_owned()), Just(":".to_owned()), Just("#".to_owned()), Just("[".to_owned()),
            Just("\r".to_owned()), Just("\n".to_owned()), Just(" ".to_owned()), Just("\u{200b}".to_owned()),
            Just("error".to_owned()), "\\PC{0,3}", any::<char>().prop_map(String::from),
        ], 0..12)) {
            let text = parts.concat();
            prop_assert!(!has_command(&neutral(&text)), "{:?} became {:?}", text, neutral(&text));
            let lines = format!("::error::{}", data(&text));
            prop_assert!(!lines.contains(['\n', '\r']));
        }
    }
}
