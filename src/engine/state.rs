//! Where a workspace keeps its state, and what proves that nothing has changed: rows of the path table with marks of
//! what they held, and variables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::digest::BlobDigest;
use crate::base::id::PathId;
use crate::engine::observe::Observer;
use crate::store::path_table::PathTable;

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
        PathTable::decode(std::fs::read(self.table()).ok()?)
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

/// Whether every row still holds what it held.
pub fn rows_hold(rows: &[Row], observer: &mut Observer) -> bool {
    moved(rows, observer).is_some_and(|moved| moved.is_empty())
}

/// The rows that no longer hold what they held: by stamp, and by content where the stamp does not prove it. `None` if
/// the table does not have them all.
pub fn moved(rows: &[Row], observer: &mut Observer) -> Option<Vec<PathId>> {
    if !rows.iter().all(|row| row.id.index() < observer.table.len()) {
        return None;
    }
    let ids: Vec<PathId> = rows.iter().map(|row| row.id).collect();
    observer.look_all(&ids);
    let table = &observer.table;
    Some(rows.iter().filter(|row| table.entry(row.id).mark() != row.mark).map(|row| row.id).collect())
}
