//! What is remembered of a pipeline between runs: the compiled graph, each node's last result, and the proof that
//! nothing has changed.
//!
//! One file per (pipeline, parameters) under `.ocelot/state/graphs/`, in three sections: the *null* section holds all
//! that a run needs to say "nothing changed" (rows of the path table with their marks, variables, counts); the
//! *graph* section holds the compiled graph, so that a run with work to do parses no YAML; the *nodes* section holds the
//! last result of every node.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::action::result::ActionResult;
use crate::base::digest::{ActionDigest, BlobDigest};
use crate::base::id::PathId;
use crate::engine::observe::Observer;
use crate::graph::node::Graph;
use crate::store::path_table::PathTable;
use crate::store::sections::{self, Sections};

/// How many (pipeline, parameters) are kept per workspace.
const KEPT_SNAPSHOTS: usize = 16;

/// A row of the path table with the mark of what it held when something was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Row {
    /// The row.
    pub id: PathId,
    /// Its [`Entry::mark`](crate::store::path_table::Entry::mark) then.
    pub mark: u64,
}

/// What proves that the compiled graph is the one that loading would give.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The path table that the rows number.
    pub generation: u64,
    /// Files and folders read at load.
    pub rows: Vec<Row>,
    /// Variables consulted, with the digest of their value; `None` is unset.
    pub env: BTreeMap<String, Option<BlobDigest>>,
}

/// What a run over these targets found when everything was up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Targets as given.
    pub targets: Vec<String>,
    /// Rows of every node in the closure of the targets.
    pub rows: Vec<Row>,
    /// Variables that those nodes depend on, with the digest of their value; `None` is unset.
    pub env: BTreeMap<String, Option<BlobDigest>>,
    /// Nodes that count as fresh.
    pub fresh: u64,
    /// What `build` shows at the end: so that a run with nothing to do can show it too.
    pub summary: String,
}

/// The first section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NullSection {
    /// Of the compiled graph.
    pub proof: Proof,
    /// Present if nothing was left to do.
    pub settled: Option<Settled>,
}

/// What is remembered of one node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeMemory {
    /// The action whose result stands.
    pub action: Option<ActionDigest>,
    /// That result.
    pub result: Option<ActionResult>,
    /// The action of the last success, kept for `why` when `action` is void.
    pub explained: Option<ActionDigest>,
    /// What the last attempt printed, if it failed.
    pub failed_log: Option<BlobDigest>,
}

/// A loaded snapshot.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The graph.
    pub graph: Graph,
    /// By node, in the graph's order.
    pub nodes: Vec<NodeMemory>,
    /// Of the graph.
    pub proof: Proof,
}

/// Where a workspace's state is.
#[derive(Clone, Debug)]
pub struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// `.ocelot/` of this project.
    pub fn new(project: &Path) -> Self {
        Self { root: project.join(".ocelot") }
    }

    /// `.ocelot/`.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The path table's file.
    pub fn table(&self) -> PathBuf {
        self.root.join("state/paths")
    }

    /// The folder of snapshots.
    pub fn graphs(&self) -> PathBuf {
        self.root.join("state/graphs")
    }

    /// The file of one snapshot.
    pub fn snapshot(&self, key: &BlobDigest) -> PathBuf {
        self.graphs().join(&key.to_hex()[..32])
    }

    /// The workspace lock's file.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Unfinished restores: on the project's file system, and where no glob looks.
    pub fn scratch(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Reads the path table; an unreadable one is absent.
    pub fn read_table(&self) -> Option<PathTable> {
        PathTable::decode(&std::fs::read(self.table()).ok()?)
    }

    /// Snapshots beyond the newest 16, oldest first.
    pub fn surplus_snapshots(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = std::fs::read_dir(self.graphs())
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let entry = entry.ok()?;
                Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
            })
            .collect();
        files.sort();
        let surplus = files.len().saturating_sub(KEPT_SNAPSHOTS);
        files.into_iter().take(surplus).map(|(_, path)| path).collect()
    }
}

impl Snapshot {
    /// Bytes of the file.
    pub fn encode(key: &BlobDigest, null: &NullSection, graph: &Graph, nodes: &[NodeMemory]) -> Vec<u8> {
        let parts = [
            postcard::to_stdvec(null).expect("BUG: the null section always encodes"),
            postcard::to_stdvec(graph).expect("BUG: a graph always encodes"),
            postcard::to_stdvec(nodes).expect("BUG: node memories always encode"),
        ];
        sections::encode(key.as_bytes(), &[&parts[0], &parts[1], &parts[2]])
    }

    /// Reads only what a null run needs.
    pub fn read_null(file: &Path, key: &BlobDigest) -> Option<(Sections, NullSection)> {
        let sections = Sections::open(file, key.as_bytes())?;
        let null = postcard::from_bytes(&sections.read(0)?).ok()?;
        Some((sections, null))
    }

    /// Reads the rest.
    pub fn read_rest(sections: &Sections, proof: Proof) -> Option<Self> {
        let graph: Graph = postcard::from_bytes(&sections.read(1)?).ok()?;
        let nodes: Vec<NodeMemory> = postcard::from_bytes(&sections.read(2)?).ok()?;
        (graph.nodes.len() == nodes.len()).then_some(Self { graph, nodes, proof })
    }
}

/// Whether every variable has the value that it had.
pub fn env_holds(known: &BTreeMap<String, Option<BlobDigest>>, env: &dyn Fn(&str) -> Option<String>) -> bool {
    known.iter().all(|(name, digest)| env(name).map(|value| BlobDigest::of(value.as_bytes())) == *digest)
}

impl Proof {
    /// Whether every row and variable is as it was.
    pub fn holds(&self, observer: &mut Observer, env: &dyn Fn(&str) -> Option<String>) -> bool {
        self.generation == observer.table.generation() && env_holds(&self.env, env) && rows_hold(&self.rows, observer)
    }
}

/// Whether every row still holds what it held: by stamp, and by content where the stamp does not prove it.
pub fn rows_hold(rows: &[Row], observer: &mut Observer) -> bool {
    if !rows.iter().all(|row| row.id.index() < observer.table.len()) {
        return false;
    }
    let ids: Vec<PathId> = rows.iter().map(|row| row.id).collect();
    observer.look_all(&ids);
    rows.iter().all(|row| observer.table.entry(row.id).mark() == row.mark)
}
