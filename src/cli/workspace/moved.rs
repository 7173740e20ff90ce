//! What has changed since a snapshot was saved, as far as the snapshot can tell.

use crate::base::id::NodeId;
use crate::engine::affected::Index;
use crate::engine::observe::Observer;
use crate::engine::snapshot::{Part, Settled, Stored};
use crate::engine::state::{self, env_holds};

/// What has changed since a snapshot was saved.
pub(super) enum Moved {
    /// Nothing that concerns a node.
    Nothing(Settled),
    /// Something that concerns some nodes, which can be taken alone.
    Some { part: Box<Part>, index: Box<Index>, untouched: u64 },
    /// It does not say, or so much that all nodes are better looked at.
    Unknown,
}

/// Asks a snapshot of a current graph what has changed.
pub(super) fn what_moved(
    stored: &Stored,
    targets: &[String],
    asked: Option<NodeId>,
    observer: &mut Observer,
    env: &dyn Fn(&str) -> Option<String>,
) -> Moved {
    // What one node needs does not depend on what else was wanted.
    let is_same = |settled: &&Settled| asked.is_some() || settled.targets == targets;
    let Some(settled) = stored.null.settled.as_ref().filter(is_same) else {
        return Moved::Unknown;
    };
    if !env_holds(&settled.env, env) {
        return Moved::Unknown;
    }
    let Some(moved) = state::moved(&settled.rows, observer) else { return Moved::Unknown };
    if moved.is_empty() && settled.is_complete && asked.is_none() {
        return Moved::Nothing(settled.clone());
    }
    let Some(index) = stored.index().filter(|index| index.is_divisible) else { return Moved::Unknown };
    let mut has_moved = vec![false; observer.table.len()];
    moved.iter().for_each(|row| has_moved[row.index()] = true);
    let open = settled.open.iter().copied();
    let mut affected = index.affected(open, |id| stored.changed_rows(id), |row| has_moved[row.index()]);
    let count = affected.iter().filter(|affected| **affected).count();
    if count == 0 && !settled.is_complete {
        return Moved::Unknown;
    }
    match asked {
        Some(id) if index.wanted[id.index()] => affected[id.index()] = true,
        Some(_) => return Moved::Unknown,
        None if count == 0 => return Moved::Nothing(settled.clone()),
        None => {}
    }
    // Finding out about nearly all one by one would cost more than it saves.
    if count > index.len() / 2 {
        return Moved::Unknown;
    }
    match stored.part(&index, &affected) {
        Some(part) => {
            Moved::Some { untouched: index.untouched(&affected), part: Box::new(part), index: Box::new(index) }
        }
        None => Moved::Unknown,
    }
}
