//! What a run did in sum: what its last lines say, and what machines read in the event `summary`.

use std::path::PathBuf;

use serde::Serialize;

/// What a run did, in sum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The run's name.
    pub run: String,
    /// Why nodes were worked on: most frequent first.
    pub reasons: Vec<Reasons>,
    /// Nodes that were up to date or laid out from the store.
    pub cached: u64,
    /// How long their work took when it was done, in milliseconds; those that were not looked at are not in it.
    pub saved_ms: u64,
    /// Whether some of the cached nodes are not in `saved_ms`.
    pub saved_more: bool,
    /// What was made or laid out for people: layers, publications, reports, and what no other node reads.
    pub artifacts: Vec<Artifact>,
    /// The nodes whose work took longest, first the slowest.
    pub slowest: Vec<Timed>,
    /// The nodes whose work, one after the other, took longest.
    pub critical: Vec<Timed>,
    /// Nodes that failed, in the order in which they did.
    pub failed: Vec<FailedNode>,
    /// What to type next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
    /// The project root, for links.
    #[serde(skip)]
    pub root: PathBuf,
}

/// How many nodes were worked on for one kind of reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reasons {
    /// In words.
    pub what: String,
    /// How many.
    pub count: u64,
}

/// Something that a node made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Artifact {
    /// The node.
    pub node: String,
    /// Its path in the project, or what names it elsewhere: an ARN, a URL.
    pub place: String,
    /// Bytes, if it is a file or folder of the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// A node and how long it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timed {
    /// The node.
    pub node: String,
    /// In milliseconds.
    pub duration_ms: u64,
}

/// A node that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedNode {
    /// The node.
    pub node: String,
    /// The first line of what was said of it.
    pub message: String,
}

/// What to type next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Next {
    /// The command.
    pub command: String,
    /// What it does.
    pub what: String,
}
