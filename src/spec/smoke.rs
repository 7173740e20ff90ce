//! `smoke:` of a distribution: what its layer is given when `check` starts it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::code;
use crate::base::diag::{Diagnostic, Span};
use crate::spec::config::config_path;
use crate::spec::value::{Text, Texts};

/// What a layer is given when `check` starts it. The values are for the check alone: they are no secrets of anybody.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SmokeFile {
    /// Variables of its environment; what the check itself sets comes before them.
    pub env: BTreeMap<String, Text>,
    /// What AWS would answer: the values of Secrets Manager by name or ARN, and of S3 by `s3://BUCKET/KEY`.
    pub secrets: BTreeMap<String, Text>,
    /// Further collector configs with which the layer has to start: files of `config/examples/`, or paths that have a `/`.
    pub examples: Texts,
}

/// The same without places.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmokeValues {
    /// Variables of its environment.
    pub env: BTreeMap<String, String>,
    /// What AWS would answer, by the name of a secret or by `s3://BUCKET/KEY`.
    pub secrets: BTreeMap<String, String>,
    /// Project paths of further configurations with which it has to start, sorted.
    pub examples: Vec<String>,
}

impl SmokeFile {
    /// The values alone.
    pub fn values(&self) -> SmokeValues {
        let plain = |texts: &BTreeMap<String, Text>| {
            texts.iter().map(|(name, text)| (name.clone(), text.value.clone())).collect()
        };
        let mut examples: Vec<String> = self.examples().map(|(path, _)| path).collect();
        examples.sort_unstable();
        examples.dedup();
        SmokeValues { env: plain(&self.env), secrets: plain(&self.secrets), examples }
    }

    /// Project paths of the further configurations, with the places where they are named.
    pub fn examples(&self) -> impl Iterator<Item = (String, Span)> {
        self.examples.items.iter().map(|text| (config_path(text), text.span))
    }

    /// Names that no variable of an environment can have, and values that none can hold.
    pub fn problems(&self) -> Vec<Diagnostic> {
        let is_name = |name: &str| {
            !name.starts_with(|first: char| first.is_ascii_digit())
                && !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let wrong = self.env.iter().filter(|(name, text)| !is_name(name) || text.value.contains('\0'));
        wrong
            .map(|(name, text)| {
                Diagnostic::error(code::VARIABLE_NAME, format!("`{name}` of `smoke: env` cannot be set"))
                    .label(text.span, "for this variable")
                    .help("a name has letters, digits and `_` and begins with no digit; a value has no NUL")
            })
            .collect()
    }
}
