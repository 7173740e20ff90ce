//! What a node instance is: its kind with every value expanded, its class, and its edges.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::id::{NodeId, PoolId};
pub use crate::graph::check::Check;
use crate::spec::budget::Budgets;
use crate::spec::smoke::SmokeValues;

/// The whole graph of one pipeline under one set of parameters; nodes are in topological order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// The pipeline's `name:`.
    pub name: String,
    /// Every instance of this run; an edge always points to a lower id.
    pub nodes: Vec<Arc<Node>>,
    /// Named pools; [`Node::pool`] indexes them.
    pub pools: Vec<Pool>,
    /// Targets of a run that names none; empty means every node.
    pub default_targets: Vec<String>,
    /// Nodes of the file without an instance in this run, with the parameter that switched them off.
    pub absent: BTreeMap<String, String>,
    /// The axes of each node of the file, in `for` order: what a target pattern is matched against.
    pub axes: BTreeMap<String, Vec<String>>,
    /// Outputs that the file declares only under other parameters: an earlier run may have left them, and they are never
    /// sources.
    pub unmade: BTreeSet<String>,
}

impl Graph {
    /// The instance with this id.
    pub fn node(&self, id: NodeId) -> &Arc<Node> {
        &self.nodes[id.index()]
    }

    /// All ids, dependencies before dependents.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId::from_index)
    }

    /// The instance of this exact name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.name == name).map(NodeId::from_index)
    }
}

/// A named limit on how many nodes of a set run at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its key under `pools:`.
    pub name: String,
    /// How many of its nodes may run at once; at least 1.
    pub depth: u32,
}

/// One instance: a node of the file under one combination of its axes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// `collector[minimal,arm64]`, or the bare name of a node without axes.
    pub name: String,
    /// The node's key in the file.
    pub base: String,
    /// Axis values in `for` order.
    pub values: Vec<String>,
    /// What it does.
    pub kind: Kind,
    /// Decides how it is cached.
    pub class: Class,
    /// What it depends on, in the order of the fields that name them.
    pub edges: Vec<Edge>,
    /// The pool that limits it.
    pub pool: Option<PoolId>,
    /// Limit on each attempt, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Further attempts after a failure.
    pub retries: u32,
    /// Free text for people.
    pub description: Option<String>,
}

impl Node {
    /// The value of `axis`, given this node's axes in `for` order.
    pub fn value<'a>(&'a self, axes: &[String], axis: &str) -> Option<&'a str> {
        axes.iter().position(|a| a == axis).and_then(|i| self.values.get(i)).map(String::as_str)
    }

    /// The ids this node waits for.
    pub fn deps(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.edges.iter().map(|edge| edge.to)
    }

    /// The ids behind a field, in axis order.
    pub fn field<'a>(&'a self, field: &'a str) -> impl Iterator<Item = NodeId> + 'a {
        self.edges
            .iter()
            .filter(move |edge| matches!(&edge.role, Role::Strict(f) | Role::Tolerant(f) if f == field))
            .map(|edge| edge.to)
    }

    /// Paths this node promises to write, relative to the project root; directories end in `/`.
    pub fn outputs(&self) -> Vec<&str> {
        match &self.kind {
            Kind::Exec(exec) => exec.all_outputs(),
            Kind::Clone(k) => k.output.as_deref().into_iter().collect(),
            Kind::Overlay(k) => k.output.as_deref().into_iter().collect(),
            Kind::Build(k) => k.output.as_deref().into_iter().collect(),
            Kind::Resolve(k) => k.output.as_deref().into_iter().collect(),
            Kind::Package(k) => {
                k.output.iter().flat_map(|path| [path.as_str(), k.checksum.as_deref().unwrap_or_default()]).collect()
            }
            Kind::Report(k) => vec![k.output.as_str()],
            Kind::Check(_) | Kind::Publish(_) | Kind::Release(_) | Kind::Group => Vec::new(),
        }
    }
}

/// How a node is cached (`docs/architecture.md`, "Node classes").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A function of its inputs: served from the action cache.
    Pure,
    /// Looks at something outside the digest; always asks, cheaply, and relies on early cutoff.
    Volatile,
    /// Changes the world: acts only if a receipt does not say that it has been done.
    Effect,
    /// Shows results: rewritten when what it shows changes.
    Sink,
}

/// A dependency and what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The node depended on; a lower id than the node that has the edge.
    pub to: NodeId,
    /// Why.
    pub role: Role,
}

/// What an edge is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Named by this field; its success is needed and its results enter the digest.
    Strict(String),
    /// Named by this field; runs whatever its end, and gets a failure as data.
    Tolerant(String),
    /// Order only: its success is needed, nothing of it enters the digest.
    After,
    /// An `exec` input path that the other node declares as output.
    Path(String),
}

impl Role {
    /// Whether the other node has to succeed.
    pub fn is_strict(&self) -> bool {
        !matches!(self, Self::Tolerant(_))
    }

    /// Whether the other node's results enter this node's digest.
    pub fn enters_digest(&self) -> bool {
        !matches!(self, Self::After)
    }
}

/// A node's kind with all values expanded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// Any command.
    Exec(Box<Exec>),
    /// Sources at one commit.
    Clone(Box<CloneKind>),
    /// A distribution to build tags and versions.
    Resolve(Box<Resolve>),
    /// Component files laid over a source tree.
    Overlay(Box<Overlay>),
    /// One Go build.
    Build(Box<Build>),
    /// A layer zip.
    Package(Box<Package>),
    /// Checks a layer and passes it on.
    Check(Box<Check>),
    /// One layer in one region.
    Publish(Box<Publish>),
    /// Files that show results.
    Report(Box<Report>),
    /// A GitHub Release.
    Release(Box<Release>),
    /// A named set of targets.
    Group,
}

impl Kind {
    /// The key that names the kind in a pipeline file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exec(_) => "exec",
            Self::Clone(_) => "clone",
            Self::Resolve(_) => "resolve",
            Self::Overlay(_) => "overlay",
            Self::Build(_) => "build",
            Self::Package(_) => "package",
            Self::Check(_) => "check",
            Self::Publish(_) => "publish",
            Self::Report(_) => "report",
            Self::Release(_) => "release",
            Self::Group => "group",
        }
    }
}

/// `exec`: a command, run in the project or in a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exec {
    /// Program and arguments; never empty.
    pub command: Vec<String>,
    /// Literal paths and globs, `!` excludes; relative to the project root.
    pub inputs: Vec<String>,
    /// Declared outputs; directories end in `/`.
    pub outputs: Vec<String>,
    /// The output that receives standard output.
    pub stdout: Option<String>,
    /// Variables with their values; in the digest.
    pub env: BTreeMap<String, String>,
    /// Variables passed through from the caller; in the digest by value.
    pub pass_env: Vec<String>,
    /// Variables passed through and kept out of every sink; in the digest by name.
    pub secret_env: Vec<String>,
    /// Further programs keyed by content.
    pub tools: Vec<String>,
    /// Working directory, relative to the project root.
    pub dir: Option<String>,
    /// Make-style dependency file that the command writes.
    pub depfile: Option<String>,
    /// Run in a fresh directory with only the declared inputs.
    pub sandbox: bool,
}

impl Exec {
    /// `outputs` with `stdout`, each once.
    pub fn all_outputs(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.outputs.iter().map(String::as_str).collect();
        if let Some(stdout) = self.stdout.as_deref().filter(|path| !all.contains(path)) {
            all.push(stdout);
        }
        all
    }
}

/// Where a `clone` takes its sources from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A repository reached by URL.
    Remote {
        /// The URL that git is given.
        url: String,
        /// Commit and tree id from the lock, if there is one.
        pin: Option<Pin>,
    },
    /// A repository on this machine, by absolute or project-relative path.
    Local(String),
    /// A plain directory on this machine.
    Plain(String),
}

/// What a lock says of a (repository, ref).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// 40 hexadecimal digits.
    pub commit: String,
    /// Identifies the wanted paths at that commit.
    pub tree: String,
    /// Commit date, `YYYY-MM-DD`.
    pub date: String,
    /// Whether the ref is a branch: it moves, and the pin does not.
    pub branch: bool,
}

/// `clone`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneKind {
    /// As written, for people and for the lock.
    pub repo: String,
    /// As written.
    pub reference: String,
    /// Wanted paths, sorted; empty means everything.
    pub paths: Vec<String>,
    /// Where from.
    pub source: Source,
    /// Kept in the project, if given.
    pub output: Option<String>,
}

/// `resolve`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolve {
    /// The distribution's name.
    pub distribution: String,
    /// Its description, inherited if it has none.
    pub description: String,
    /// Full, sorted build tags over all its bases.
    pub tags: Vec<String>,
    /// Project path of the collector config, if not the tree's own.
    pub config_file: Option<String>,
    /// What its layer is given when it is started.
    pub smoke: SmokeValues,
    /// What its layer may take.
    pub budgets: Budgets,
    /// Folder of component files whose tags are valid beside the tree's.
    pub components: Option<String>,
    /// Kept in the project, if given.
    pub output: Option<String>,
}

/// `overlay`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Folder of component files, in the tree's own layout.
    pub components: Option<String>,
    /// Modules per component tag, from the dependency map.
    pub dependencies: BTreeMap<String, Vec<String>>,
    /// Kept in the project, if given.
    pub output: Option<String>,
}

/// `build`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// `amd64` or `arm64`.
    pub arch: String,
    /// Kept in the project, if given.
    pub output: Option<String>,
}

/// `package`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Kept in the project, if given.
    pub output: Option<String>,
    /// `<output>.sha256`, if there is an output.
    pub checksum: Option<String>,
    /// Where the sources come from, unless they are of this machine.
    pub origin: Option<Origin>,
}

/// What a person calls the sources of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The URL.
    pub repository: String,
    /// Branch, tag or commit, as written.
    pub reference: String,
}

/// `publish`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// The region to publish in.
    pub region: String,
    /// Base of the layer name.
    pub name: String,
    /// Release group.
    pub group: String,
    /// Version in the layer name; empty means the collector's.
    pub version: String,
    /// Compatible runtimes, sorted.
    pub runtimes: Vec<String>,
    /// Whether everybody may use the layer.
    pub public: bool,
    /// Accounts that may use it, sorted.
    pub accounts: Vec<String>,
    /// Organisations whose accounts may use it, sorted.
    pub organizations: Vec<String>,
    /// `aws`, or `directory:PATH`.
    pub registry: String,
    /// SPDX licence expression.
    pub license: String,
    /// The metadata table, as `NAME@REGION`; empty for none.
    pub table: String,
}

/// `report`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// `markdown`, `json`, …
    pub formats: Vec<String>,
    /// Folder, ends in `/`.
    pub output: String,
}

/// `release`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// `owner/name`; empty means the repository that runs.
    pub repo: String,
}
