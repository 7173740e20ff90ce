//! The parser's syntax errors in words that say what to do.

use granit_parser::{ErrorKind, ScanError};

use crate::base::code::{self, Code};
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
        return Diagnostic::error(code::MERGE_CONFLICT, "a merge conflict is not resolved")
            .label(span(marker, marker + CONFLICT.len()), "one side begins here")
            .help("keep what is right of both sides, and remove the lines with `<<<<<<<`, `=======` and `>>>>>>>`");
    }
    let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    // At the end of the file the last thing written says more than an empty line.
    let at = if text.get(at..).is_some_and(|rest| rest.trim().is_empty()) { text.trim_end().len() } else { at };
    let mark = span(at, at + usize::from(at < text.len()));
    let problem = |code: Code, message: &str| Diagnostic::error(code, message);
    let explained = match error.kind() {
        ErrorKind::UnclosedFlowCollection { open } => {
            problem(code::UNCLOSED, &format!("`{open}` is never closed")).label(mark, "")
        }
        ErrorKind::UnexpectedEofFlowSequence | ErrorKind::ExpectedFlowSequenceSeparator => {
            problem(code::UNCLOSED, "expected `,` or `]`").label(mark, "").help(quote_brackets(text, at))
        }
        ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping
        | ErrorKind::ExpectedFlowMappingSeparator => {
            problem(code::UNCLOSED, "expected `,` or `}`").label(mark, "").help(quote_brackets(text, at))
        }
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            problem(code::UNCLOSED, &format!("`{open}` is closed by `{close}`")).label(mark, "")
        }
        ErrorKind::MisplacedFlowCollectionEnd => {
            problem(code::UNCLOSED, "nothing is open that this could close").label(mark, "")
        }
        ErrorKind::UnclosedQuotedScalar => problem(code::UNCLOSED, "a quote is never closed").label(mark, ""),
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            problem(code::QUOTES_NEEDED, "text after a closing quote")
                .label(mark, "")
                .help("put the whole text in quotes")
        }
        ErrorKind::UnknownQuotedScalarEscape => {
            problem(code::QUOTES_NEEDED, "unknown escape in a text in double quotes")
                .label(mark, "")
                .help("write `\\\\` for a backslash, or use single quotes")
        }
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => {
            problem(code::INDENTATION, "a tab is not allowed here").label(mark, "").help("indent with spaces")
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
            problem(code::QUOTES_NEEDED, "`:` is not allowed here")
                .label(mark, "")
                .help(QUOTE_COLON)
                .help("check the indentation")
        }
        ErrorKind::InvalidIndentation
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::InvalidFlowScalarIndent
        | ErrorKind::InvalidBlockScalarIndent => problem(code::INDENTATION, "wrong indentation").label(mark, ""),
        ErrorKind::ExpectedBlockMappingKey => problem(code::INDENTATION, "expected a key")
            .label(mark, "this does not line up with the keys above, or is no key")
            .help("check the indentation, and the `:` after the key"),
        ErrorKind::ExpectedBlockSequenceEntry => {
            problem(code::INDENTATION, "expected `- `").label(mark, "").help("check the indentation")
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            problem(code::BAD_KEY, "expected `:` after a key")
                .label(mark, "")
                .help("a key is one line of at most 1024 characters")
        }
        ErrorKind::UnknownAnchor => problem(code::ALIAS, "an alias to an anchor that is not there")
            .label(mark, "")
            .help("put a text that starts with `*` in quotes"),
        ErrorKind::MissingAnchorOrAliasName
        | ErrorKind::UnexpectedCharacter { .. }
        | ErrorKind::UndeclaredTagHandle => {
            problem(code::QUOTES_NEEDED, "a text cannot start with this character").label(mark, "").help(QUOTE_SPECIAL)
        }
        ErrorKind::RecursionLimitExceeded => {
            problem(code::TOO_DEEP, "too many lists and maps within each other").label(mark, "this one is too deep")
        }
        ErrorKind::DirectiveDisallowed => {
            problem(code::UNSUPPORTED_YAML, "directives are not supported").label(mark, "").help("remove the line")
        }
        ErrorKind::BomInsideDocument => {
            problem(code::UNSUPPORTED_YAML, "a byte-order mark inside the file").label(mark, "").help("remove it")
        }
        kind => problem(code::INVALID_YAML, "the file is not valid YAML").label(mark, kind.to_string()),
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
