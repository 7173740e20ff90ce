//! What a worker is given, and what it gives back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::action::manifest::Manifest;
use crate::action::result::{ActionResult, Content, Discovered, Output};
use crate::base::clock::Clock;
use crate::base::code::{self, Code};
use crate::base::id::NodeId;
use crate::exec::printed::Following;
use crate::exec::registries::Registries;
use crate::exec::smoke::Mode;
use crate::graph::declared::Declared;
use crate::graph::node::{Node, Pin};
use crate::outside::process::cancel::Cancel;
use crate::outside::process::command::CommandRunner;
use crate::outside::process::redact::Redactor;
use crate::store::cache::Cache;
use crate::store::look::Looker;
use crate::store::path_table::Stamp;

/// What all workers of a run share.
pub struct World {
    /// The project root, absolute.
    pub root: PathBuf,
    /// Folder for things shared by all workspaces of this user: git mirrors, Go caches.
    pub user_cache: PathBuf,
    /// The content store and action cache.
    pub cache: Arc<Cache>,
    /// Runs commands.
    pub runner: Box<dyn CommandRunner + Send + Sync>,
    /// Says when to stop.
    pub cancel: Cancel,
    /// The lock that this run works by; it need not exist.
    pub lock: PathBuf,
    /// The caller's environment.
    pub env: BTreeMap<String, String>,
    /// The layer stores that nodes publish in.
    pub registries: Registries,
    /// Whether the regions are those of a list, so that one which the account has not enabled is passed over.
    pub pass_over_disabled: bool,
    /// Whether the network is off.
    pub offline: bool,
    /// Whether intermediate files are kept.
    pub keep_temp: bool,
    /// Where other processes can follow what nodes print.
    pub following: Following,
    /// Whether lines are reported as they are printed.
    pub live_output: bool,
    /// This run's name, for example `20261123-104512-7f3a`.
    pub run: String,
    /// The only clock of a worker.
    pub clock: Clock,
    /// Looks at paths of the project.
    pub looker: Looker,
    /// Hides secret values wherever output goes.
    pub redactor: Redactor,
}

/// One node to be worked on.
#[derive(Clone)]
pub struct Job {
    /// The node.
    pub id: NodeId,
    /// What it is.
    pub node: Arc<Node>,
    /// The pipeline's name, for receipts.
    pub pipeline: String,
    /// The action's manifest and digests.
    pub manifest: Arc<Manifest>,
    /// Results of the nodes it refers to, in edge order.
    pub deps: Vec<Dep>,
    /// Files that it reads in the project, by path, with the stamps under which they were hashed.
    pub files: Vec<InputFile>,
    /// Files it reads where other nodes have put them, with what those left there.
    pub generated: Vec<InputFile>,
    /// What all nodes declare: what a depfile names may be another node's.
    pub declared: Arc<Declared>,
    /// The number of this node in `declared`.
    pub place: NodeId,
    /// A folder of its own for intermediate files; it does not exist yet.
    pub work: PathBuf,
    /// Programs by name, resolved.
    pub tools: BTreeMap<String, Tool>,
    /// What the lock says of this node, if anything.
    pub prepared: Option<Prepared>,
    /// For a `clone`: the commit, if it is known already.
    pub revision: Option<String>,
    /// Files at output paths that no node made.
    pub set_aside: Vec<String>,
    /// Arguments after `--`.
    pub extra_args: Vec<String>,
    /// Run in a fresh directory with only the declared inputs.
    pub sandbox: bool,
    /// For a `check`: how the layer can be started here.
    pub smoke: Mode,
}

/// A program that a node uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Absolute path.
    pub program: PathBuf,
    /// What the digest says of it: a content digest, or a version such as `go1.26.8`.
    pub identity: String,
}

/// `go.mod` and `go.sum` of a prepared tree, from the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The text of `go.mod`.
    pub go_mod: String,
    /// The text of `go.sum`.
    pub go_sum: String,
}

/// A file that a node reads.
#[derive(Clone, Debug)]
pub struct InputFile {
    /// Relative to the project root, or absolute.
    pub path: String,
    /// What it held when the action digest was made.
    pub content: Content,
    /// Its stamp then.
    pub stamp: Stamp,
}

/// A dependency as a worker sees it.
#[derive(Clone, Debug)]
pub struct Dep {
    /// The node.
    pub id: NodeId,
    /// The field that names it (`tree`, `of`, …); for an `exec` input path, `path`.
    pub field: String,
    /// Its instance name.
    pub name: String,
    /// Its key in the file.
    pub base: String,
    /// Its kind's key.
    pub kind: &'static str,
    /// Axis values by axis.
    pub axes: BTreeMap<String, String>,
    /// What it is.
    pub node: Arc<Node>,
    /// What it left, if it succeeded.
    pub result: Option<Arc<ActionResult>>,
    /// Why it has no result.
    pub failure: Option<String>,
}

impl Job {
    /// The one dependency behind a field.
    ///
    /// # Errors
    /// If it is missing, which the graph's checks exclude.
    pub fn dep(&self, field: &str) -> Result<(&Dep, &ActionResult), WorkError> {
        self.deps
            .iter()
            .find(|dep| dep.field == field)
            .and_then(|dep| Some((dep, dep.result.as_deref()?)))
            .ok_or_else(|| WorkError::Internal(format!("`{}` has no result for `{field}`", self.node.name)))
    }

    /// A fact of the one dependency behind a field.
    ///
    /// # Errors
    /// If it is missing: the record is of another version.
    pub fn fact(&self, field: &str, name: &str) -> Result<&str, WorkError> {
        let (dep, result) = self.dep(field)?;
        let missing = || WorkError::Internal(format!("`{}` has no fact `{name}`", dep.name));
        result.fact(name).ok_or_else(missing)
    }
}

/// What the work of a node made.
#[derive(Clone, Debug, Default)]
pub struct Produced {
    /// Outputs, already in the store.
    pub outputs: Vec<Output>,
    /// Content facts.
    pub facts: BTreeMap<String, String>,
    /// Measurements.
    pub measurements: BTreeMap<String, u64>,
    /// Discovered inputs, for an `exec` with a depfile.
    pub discovered: Vec<Discovered>,
    /// Discovered inputs that changed after the command had started.
    pub changed_inputs: Vec<String>,
    /// Things a person should know although the node succeeded.
    pub warnings: Vec<String>,
    /// What the lock should say of a source from now on.
    pub pin: Option<Pin>,
    /// For an effect: nothing was done, and that is in order for now; the next run asks again.
    pub left_undone: bool,
}

/// Why the work of a node did not succeed.
#[derive(Debug, Error)]
pub enum WorkError {
    /// A command failed.
    #[error("{program} {end}")]
    Command {
        /// The program, as a person would name it.
        program: String,
        /// How it ended, in words.
        end: String,
    },
    /// What the node was given is wrong; the text says what and how to mend it.
    #[error("{0}")]
    Invalid(String),
    /// Something outside is missing or not allowed: a tool, a network, credentials.
    #[error("{0}")]
    Environment(String),
    /// A stored result of a dependency is gone or damaged: that node has to run again.
    #[error("the stored result of a dependency is gone or damaged")]
    NeedsProducer(NodeId),
    /// The run is ending.
    #[error("cancelled")]
    Cancelled,
    /// The time limit passed.
    #[error("timed out")]
    TimedOut,
    /// A file could not be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// Our own mistake.
    #[error("BUG: {0}")]
    Internal(String),
}

impl WorkError {
    /// What kind of problem it is, for a node of the kind with this key.
    pub fn code(&self, kind: &str) -> Code {
        match (self, kind) {
            (Self::Internal(_), _) => code::INTERNAL,
            (Self::Cancelled, _) => code::INTERRUPTED,
            (Self::TimedOut, _) => code::TIMED_OUT,
            (Self::NeedsProducer(_), _) => code::RESULT_LOST,
            (Self::Io { .. }, _) => code::NODE_IO,
            (Self::Invalid(_) | Self::Environment(_), "publish") => code::PUBLISH_FAILED,
            (Self::Invalid(_) | Self::Environment(_), "release") => code::RELEASE_FAILED,
            (Self::Environment(_), _) => code::NODE_ENVIRONMENT,
            (Self::Command { .. } | Self::Invalid(_), "overlay" | "build" | "package") => code::BUILD_FAILED,
            (Self::Command { .. } | Self::Invalid(_), "check") => code::LAYER_BROKEN,
            (Self::Invalid(_), "clone" | "resolve") => code::SOURCE_FAILED,
            (Self::Command { .. }, _) => code::COMMAND_FAILED,
            (Self::Invalid(_), _) => code::NODE_INVALID,
        }
    }

    /// The same error with its texts changed.
    pub fn map_text(self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Command { program, end } => Self::Command { program: change(&program), end: change(&end) },
            Self::Invalid(text) => Self::Invalid(change(&text)),
            Self::Environment(text) => Self::Environment(change(&text)),
            Self::Internal(text) => Self::Internal(change(&text)),
            // What the system says of a call names nothing.
            Self::Io { path, error } => Self::Io { path: change(&path), error },
            Self::NeedsProducer(_) | Self::Cancelled | Self::TimedOut => self,
        }
    }

    /// An I/O error that names its path.
    pub fn io(path: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { path, error }
    }
}

/// Receives what a node prints.
pub trait Log {
    /// Bytes as the command wrote them.
    fn write(&mut self, bytes: &[u8]);

    /// A line of our own.
    fn line(&mut self, line: &str) {
        self.write(line.as_bytes());
        self.write(b"\n");
    }
}
