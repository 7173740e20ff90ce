//! What `config/ocelot.yaml` says of GitHub Actions: environments of release groups, and the actions that generated
//! workflows use.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::base::code;
use crate::base::diag::Diagnostic;
use crate::base::suggest;
use crate::spec::value::Text;

/// The actions that generated workflows use, each at one commit.
pub const ACTIONS: [(&str, &str, &str); 6] = [
    ("actions/checkout", "3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    ("actions/upload-artifact", "043fb46d1a93c77aae656e7c1c64a875d1fc6a0a", "v7.0.1"),
    ("actions/download-artifact", "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    ("actions/setup-go", "b7ad1dad31e06c5925ef5d2fc7ad053ef454303e", "v7.0.0"),
    ("actions/cache", "55cc8345863c7cc4c66a329aec7e433d2d1c52a9", "v6.1.0"),
    ("actions/attest", "59d89421af93a897026c735860bf21b6eb4f7b26", "v4.1.0"),
];

/// An action at one commit.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionFile {
    /// The full commit id.
    pub commit: Text,
    /// The version that this commit is, for people and for tools that move it.
    pub version: Text,
}

/// Actions by `owner/name`, where another commit is wanted than the usual one.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Actions(pub IndexMap<String, ActionFile>);

impl Actions {
    /// What is wrong with them.
    pub fn problems(&self) -> Vec<Diagnostic> {
        let known = || ACTIONS.iter().map(|(name, _, _)| *name);
        let mut problems = Vec::new();
        for (name, action) in &self.0 {
            if !known().any(|action| action == name) {
                problems.push(
                    Diagnostic::error(
                        code::WORKFLOW_ACTION,
                        format!("generated workflows do not use the action `{name}`"),
                    )
                    .label(action.commit.span, "this is never used")
                    .did_you_mean(suggest::closest(name, known())),
                );
            }
            let is_commit = |text: &str| text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_commit(&action.commit.value) {
                problems.push(
                    Diagnostic::error(code::WORKFLOW_ACTION, format!("`{}` is no full commit id", action.commit.value))
                        .label(action.commit.span, "expected 40 hexadecimal digits")
                        .help("a tag can be moved to other code; a commit cannot"),
                );
            }
            let is_version = |c: char| c.is_ascii_alphanumeric() || ".-+".contains(c);
            if action.version.value.is_empty() || !action.version.value.chars().all(is_version) {
                problems.push(
                    Diagnostic::error(code::WORKFLOW_ACTION, format!("`{}` is no version", action.version.value))
                        .label(action.version.span, "expected letters, digits, `.`, `-` and `+`"),
                );
            }
        }
        problems
    }
}

/// The environment of GitHub for each release group.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Environments(pub IndexMap<String, Text>);

impl Environments {
    /// What is wrong with them.
    pub fn problems(&self) -> Vec<Diagnostic> {
        let is_name = |text: &str| {
            (1..=100).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
        };
        let wrong = |text: &Text, what: &str| {
            Diagnostic::error(code::ENVIRONMENT_NAME, format!("{what} is no name")).label(text.span, "for this environment").help(
                "letters, digits, `.`, `-` and `_`, at most 100: it stands in trust policies and in expressions of GitHub",
            )
        };
        let mut problems = Vec::new();
        for (group, environment) in &self.0 {
            if !is_name(group) {
                problems.push(wrong(environment, &format!("the release group {group:?}")));
            }
            if !is_name(&environment.value) {
                problems.push(wrong(environment, &format!("the environment {:?}", environment.value)));
            }
        }
        problems
    }
}
