//! The parser's syntax errors in words that say what to do.

use granit_parser::{ErrorKind, ScanError};

use crate::base::diag::{Diagnostic, Span};

const QUOTE_COLON: &str = "put a text with `: ` in quotes";
const QUOTE_BRACKETS: &str = "put a text with one of `{}[],` in quotes";
const QUOTE_SPECIAL: &str = "put a text that starts with a special character in quotes";

/// What to do about brackets inside a text; `${name}` is the usual one.
fn quote_brackets(text: &str, at: usize) -> &'static str {
    let line = text.get(..at).and_then(|before| before.lines().last()).unwrap_or_default();
    let name = line.rfind("${").map(|start| &line[start..]);
    if line.ends_with('$') || name.is_some_and(|name| name.matches('}').count() <= 1) {
        return "put `${...}` inside `[]` or `{}` in quotes: `\"${name}\"`";
    }
    QUOTE_BRACKETS
}

/// What git begins a conflict with.
const CONFLICT: &str = "<<<<<<<";

/// Where the first conflict that git left begins.
fn conflict(text: &str) -> Option<usize> {
    let mut starts = text.match_indices(CONFLICT).map(|(at, _)| at);
    starts.find(|at| *at == 0 || text.as_bytes()[at - 1] == b'\n')
}

/// Explains an error of the parser. `open` is the bracket that it is in; `span` makes a span of byte offsets.
pub(super) fn explain(
    error: &ScanError,
    text: &str,
    open: Option<Span>,
    span: impl Fn(usize, usize) -> Span,
) -> Diagnostic {
    if let Some(marker) = conflict(text) {
        return Diagnostic::error("a merge conflict is not resolved")
            .label(span(marker, marker + CONFLICT.len()), "one side begins here")
            .help("keep what is right of both sides, and remove the lines with `<<<<<<<`, `=======` and `>>>>>>>`");
    }
    let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    // At the end of the file the last thing written says more than an empty line.
    let at = if text.get(at..).is_some_and(|rest| rest.trim().is_empty()) { text.trim_end().len() } else { at };
    let mark = span(at, at + usize::from(at < text.len()));
    let problem = |message: &str| Diagnostic::error(message);
    let explained = match error.kind() {
        ErrorKind::UnclosedFlowCollection { open } => problem(&format!("`{open}` is never closed")).label(mark, ""),
        ErrorKind::UnexpectedEofFlowSequence | ErrorKind::ExpectedFlowSequenceSeparator => {
            problem("expected `,` or `]`").label(mark, "").help(quote_brackets(text, at))
        }
        ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping
        | ErrorKind::ExpectedFlowMappingSeparator => {
            problem("expected `,` or `}`").label(mark, "").help(quote_brackets(text, at))
        }
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            problem(&format!("`{open}` is closed by `{close}`")).label(mark, "")
        }
        ErrorKind::MisplacedFlowCollectionEnd => problem("nothing is open that this could close").label(mark, ""),
        ErrorKind::UnclosedQuotedScalar => problem("a quote is never closed").label(mark, ""),
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            problem("text after a closing quote").label(mark, "").help("put the whole text in quotes")
        }
        ErrorKind::UnknownQuotedScalarEscape => problem("unknown escape in a text in double quotes")
            .label(mark, "")
            .help("write `\\\\` for a backslash, or use single quotes"),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => {
            problem("a tab is not allowed here").label(mark, "").help("indent with spaces")
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
            problem("`:` is not allowed here").label(mark, "").help(QUOTE_COLON).help("check the indentation")
        }
        ErrorKind::InvalidIndentation
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::InvalidFlowScalarIndent
        | ErrorKind::InvalidBlockScalarIndent => problem("wrong indentation").label(mark, ""),
        ErrorKind::ExpectedBlockMappingKey => problem("expected a key")
            .label(mark, "this does not line up with the keys above, or is no key")
            .help("check the indentation, and the `:` after the key"),
        ErrorKind::ExpectedBlockSequenceEntry => problem("expected `- `").label(mark, "").help("check the indentation"),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            problem("expected `:` after a key").label(mark, "").help("a key is one line of at most 1024 characters")
        }
        ErrorKind::UnknownAnchor => problem("an alias to an anchor that is not there")
            .label(mark, "")
            .help("put a text that starts with `*` in quotes"),
        ErrorKind::MissingAnchorOrAliasName
        | ErrorKind::UnexpectedCharacter { .. }
        | ErrorKind::UndeclaredTagHandle => {
            problem("a text cannot start with this character").label(mark, "").help(QUOTE_SPECIAL)
        }
        ErrorKind::RecursionLimitExceeded => {
            problem("too many lists and maps within each other").label(mark, "this one is too deep")
        }
        ErrorKind::DirectiveDisallowed => {
            problem("directives are not supported").label(mark, "").help("remove the line")
        }
        ErrorKind::BomInsideDocument => problem("a byte-order mark inside the file").label(mark, "").help("remove it"),
        kind => problem("the file is not valid YAML").label(mark, kind.to_string()),
    };
    match (error.kind(), open) {
        (
            ErrorKind::UnexpectedEofFlowSequence
            | ErrorKind::ExpectedFlowSequenceSeparator
            | ErrorKind::UnexpectedEofFlowMapping
            | ErrorKind::UnexpectedEofImplicitFlowMapping
            | ErrorKind::ExpectedFlowMappingSeparator
            | ErrorKind::InvalidColonPlacement
            | ErrorKind::MappingValueNotAllowed,
            Some(open),
        ) => explained.secondary(open, "still open"),
        _ => explained,
    }
}
