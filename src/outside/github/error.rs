//! Why a call to GitHub did not succeed.

use serde::Deserialize;
use thiserror::Error;

/// What can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// No answer, or one that says nothing: whether it was done is not known.
    Unclear,
    /// Something else is there than was seen: another run is at work, or an earlier answer was lost.
    Conflict,
    /// The tag was that of a release which could not be changed, and is never free again.
    TagSpent,
    /// The token is not accepted, or not for this.
    Denied,
    /// There were too many calls, and the wait is longer than a run should take.
    Limited,
    /// GitHub will never do this.
    Invalid,
    /// The run is ending.
    Cancelled,
}

/// A call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("cannot {action}: {problem}")]
pub struct GithubError {
    /// What can be done about it.
    pub kind: ErrorKind,
    /// What was tried, for example ``upload `a.zip` ``.
    pub action: String,
    /// What is wrong, and where it is known how to mend it.
    pub problem: String,
}

impl GithubError {
    /// An error.
    pub fn new(kind: ErrorKind, action: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { kind, action: action.into(), problem: problem.into() }
    }

    /// What an answer with a status of 400 or more means. `text` is its body.
    pub(super) fn of_answer(action: &str, status: u16, text: &str) -> Self {
        let said = Said::of(text);
        let (kind, help) = match status {
            401 => (ErrorKind::Denied, "; GITHUB_TOKEN is not valid (any more)"),
            403 => (ErrorKind::Denied, "; the token needs `contents: write` for this repository"),
            404 | 409 | 412 => (ErrorKind::Conflict, ""),
            422 if said.text.contains("was used by an immutable release") => (ErrorKind::TagSpent, ""),
            // Another run published it meanwhile.
            422 if said.is_taken || said.text.contains("immutable release") => (ErrorKind::Conflict, ""),
            408 | 425 | 429 | 500.. => (ErrorKind::Unclear, ""),
            _ => (ErrorKind::Invalid, ""),
        };
        Self::new(kind, action, format!("GitHub answers {status} ({}){help}", said.text))
    }
}

/// The body of an answer that is no success.
struct Said {
    text: String,
    is_taken: bool,
}

impl Said {
    fn of(text: &str) -> Self {
        #[derive(Deserialize, Default)]
        struct Body {
            #[serde(default)]
            message: String,
            #[serde(default)]
            errors: Vec<serde_json::Value>,
        }
        let body: Body = serde_json::from_str(text).unwrap_or_default();
        let field = |error: &serde_json::Value, name: &str| error[name].as_str().unwrap_or_default().to_owned();
        let is_taken = body.errors.iter().any(|error| field(error, "code") == "already_exists");
        let mut parts = vec![body.message];
        for error in &body.errors {
            parts.push(match error.as_str() {
                Some(text) => text.to_owned(),
                None => [field(error, "field"), field(error, "code"), field(error, "message")].join(" "),
            });
        }
        let words: Vec<&str> = parts.iter().flat_map(|part| part.split_whitespace()).collect();
        let text: String = words.join(" ").chars().filter(|c| !c.is_control()).take(300).collect();
        Self { text: if text.is_empty() { "without a reason".to_owned() } else { text }, is_taken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, text: &str) -> ErrorKind {
        GithubError::of_answer("upload `a`", status, text).kind
    }

    #[test]
    fn an_answer_is_told_by_status_and_code() {
        let taken = r#"{"message":"Validation Failed","errors":[{"resource":"ReleaseAsset","code":"already_exists","field":"name"}]}"#;
        assert_eq!(kind(422, taken), ErrorKind::Conflict);
        let spent = r#"{"message":"Validation Failed","errors":[{"code":"custom","message":"tag_name was used by an immutable release"}]}"#;
        assert_eq!(kind(422, spent), ErrorKind::TagSpent);
        let frozen = r#"{"message":"Cannot upload assets to an immutable release."}"#;
        assert_eq!(kind(422, frozen), ErrorKind::Conflict);
        assert_eq!(kind(422, r#"{"message":"body is too long"}"#), ErrorKind::Invalid);
        assert_eq!((kind(404, ""), kind(503, "<html>")), (ErrorKind::Conflict, ErrorKind::Unclear));
        let denied = GithubError::of_answer("make a release", 401, r#"{"message":"Bad credentials"}"#).to_string();
        assert_eq!(
            denied,
            "cannot make a release: GitHub answers 401 (Bad credentials); GITHUB_TOKEN is not valid (any more)"
        );
    }
}
