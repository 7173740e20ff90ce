//! Reasons folded into a few words: what a person asks of a hundred nodes that ran is how many for what.

use serde::{Deserialize, Serialize};

use crate::action::manifest::FieldChange;
use crate::action::verdict::Reason;

/// What a reason is about. The order is that of importance: of several changed fields the first of these counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// A file that it reads.
    Input,
    /// The commit or folder that its sources come from, or what the lock says of them.
    Source,
    /// What another node made.
    Dependency,
    /// A program.
    Tool,
    /// A variable.
    Variable,
    /// What the pipeline says of it: its command, its outputs, where it publishes.
    Config,
    /// No record of anything like it.
    NeverRun,
    /// No receipt of it.
    NeverDone,
    /// An output that was deleted or edited.
    Output,
    /// Another recorded result stood in its place.
    OtherResult,
    /// The stored result was gone or damaged.
    Damaged,
    /// `--force` or `--no-cache`.
    Forced,
    /// It runs every time, or its ref has to be asked.
    Volatile,
    /// An attempt that did not end.
    Interrupted,
    /// Anything else.
    Other,
}

impl Topic {
    /// What a reason is about.
    pub fn of(reason: &Reason) -> Self {
        match reason {
            Reason::Changed { fields } => fields.iter().map(Self::of_field).min().unwrap_or(Self::Dependency),
            Reason::NeverRun => Self::NeverRun,
            Reason::NeverDone => Self::NeverDone,
            Reason::OutputDeleted { .. } | Reason::OutputEdited { .. } => Self::Output,
            Reason::OtherResult { .. } => Self::OtherResult,
            Reason::StoredDamaged => Self::Damaged,
            Reason::Forced => Self::Forced,
            Reason::Volatile | Reason::RefUnpinned => Self::Volatile,
            Reason::Interrupted | Reason::Cancelled => Self::Interrupted,
            Reason::Unchanged
            | Reason::Below { .. }
            | Reason::NotStarted
            | Reason::Waits { .. }
            | Reason::Receipt { .. }
            | Reason::Absent { .. }
            | Reason::OverBudget { .. } => Self::Other,
        }
    }

    /// What a field of a manifest is about, by its name (`docs/cache-key.md`).
    fn of_field(change: &FieldChange) -> Self {
        let word = change.field.split(['.', ' ', '[']).next().unwrap_or_default();
        match word {
            "input" => Self::Input,
            "revision" | "lock" => Self::Source,
            "tool" | "ocelot" | "recipe" => Self::Tool,
            "env" | "smoke-env" | "smoke-secret" => Self::Variable,
            "source" | "resolution" | "tree" | "binary" | "config" | "layer" | "of" | "notes" | "assets" => {
                Self::Dependency
            }
            _ => Self::Config,
        }
    }

    /// In words, to be followed by a count.
    pub fn words(self) -> &'static str {
        match self {
            Self::Input => "input changed",
            Self::Source => "source changed",
            Self::Dependency => "dependency changed",
            Self::Tool => "tool changed",
            Self::Variable => "variable changed",
            Self::Config => "config changed",
            Self::NeverRun => "never run",
            Self::NeverDone => "never done here",
            Self::Output => "output deleted or edited",
            Self::OtherResult => "back to an earlier result",
            Self::Damaged => "stored result gone",
            Self::Forced => "forced",
            Self::Volatile => "runs every time",
            Self::Interrupted => "interrupted before",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(fields: &[&str]) -> Reason {
        let field = |name: &&str| FieldChange { field: (*name).to_owned(), old: None, new: None };
        Reason::Changed { fields: fields.iter().map(field).collect() }
    }

    #[test]
    fn the_most_important_of_several_fields_counts() {
        assert_eq!(Topic::of(&changed(&["command[2]", "input src/a.c", "tool cc"])), Topic::Input);
        assert_eq!(Topic::of(&changed(&["output[0]", "tool cc"])), Topic::Tool);
        assert_eq!(Topic::of(&changed(&["env CC", "command[0]"])), Topic::Variable);
        assert_eq!(Topic::of(&changed(&["region"])), Topic::Config);
    }

    #[test]
    fn fields_of_other_nodes_are_dependencies() {
        for field in ["tree", "tree.commit", "of published[a].arn", "layer.code-sha256", "config", "binary.go-sum"] {
            assert_eq!(Topic::of(&changed(&[field])), Topic::Dependency, "{field}");
        }
        assert_eq!(Topic::of(&changed(&["config-file"])), Topic::Config, "a field that only begins like one");
        assert_eq!(Topic::of(&changed(&[])), Topic::Dependency, "only another node can have changed what is not named");
    }
}
