//! Which nodes a change concerns: those that rest on what moved, and all that depend on them. A run works on these
//! alone; of the nodes that they border on, the last results stand.

use serde::{Deserialize, Serialize};

use crate::base::id::{NodeId, PathId};
use crate::base::lists::Lists;
use crate::graph::build::does_work;
use crate::graph::declared::Declared;
use crate::graph::node::{Graph, Kind, Node, Pool};

/// What tells the affected nodes of a graph without the graph.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Index {
    /// The pipeline's name.
    pub name: String,
    /// Its pools.
    pub pools: Vec<Pool>,
    /// By node: whether the targets need it.
    pub wanted: Vec<bool>,
    /// By node: whether it does work.
    pub works: Vec<bool>,
    /// Whether every wanted node needs no more of its dependencies than their results and the files they left in the
    /// project. Other kinds take blobs from the store, and may send for a node again that a part does not have.
    pub is_divisible: bool,
    /// By node: rows of the path table that its being up to date rests on.
    pub rows: Lists,
    /// Outputs and dependencies.
    pub declared: Declared,
    /// Where each node ends among the stored nodes.
    pub node_ends: Vec<u32>,
    /// Where each node's memory ends among the stored memories.
    pub memory_ends: Vec<u32>,
}

impl Index {
    /// An index of a graph of which these nodes are wanted; where things are stored is not known yet.
    pub fn new(graph: &Graph, wanted: Vec<bool>, rows: Lists) -> Self {
        let divides = |node: &Node| matches!(&node.kind, Kind::Exec(_) | Kind::Group);
        Self {
            name: graph.name.clone(),
            pools: graph.pools.clone(),
            is_divisible: graph.ids().all(|id| !wanted[id.index()] || divides(graph.node(id))),
            wanted,
            works: graph.nodes.iter().map(|node| does_work(node)).collect(),
            rows,
            declared: Declared::of(graph),
            node_ends: Vec::new(),
            memory_ends: Vec::new(),
        }
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// The wanted nodes that these changes concern: `open` ones, those with a row for which `has_moved` holds, and
    /// what depends on them. `rows` gives a node's rows, if it has others than the index says.
    pub fn affected<'a>(
        &'a self,
        open: impl IntoIterator<Item = NodeId>,
        rows: impl Fn(NodeId) -> Option<&'a [PathId]>,
        has_moved: impl Fn(PathId) -> bool,
    ) -> Vec<bool> {
        let mut affected = vec![false; self.len()];
        for id in open {
            affected[id.index()] = true;
        }
        // Dependencies have lower numbers.
        for id in (0..self.len()).map(NodeId::from_index) {
            let rests_on_moved = || match rows(id) {
                Some(rows) => rows.iter().any(|row| has_moved(*row)),
                None => self.rows.get(id.index()).iter().any(|row| has_moved(PathId(*row))),
            };
            affected[id.index()] = self.wanted[id.index()]
                && (affected[id.index()]
                    || self.declared.deps(id).any(|dep| affected[dep.index()])
                    || rests_on_moved());
        }
        affected
    }

    /// The nodes outside a part that nodes of it depend on.
    pub fn border(&self, part: &[bool]) -> Vec<bool> {
        let mut border = vec![false; self.len()];
        for id in (0..self.len()).map(NodeId::from_index).filter(|id| part[id.index()]) {
            for dep in self.declared.deps(id).filter(|dep| !part[dep.index()]) {
                border[dep.index()] = true;
            }
        }
        border
    }

    /// Wanted nodes that do work and are not affected.
    pub fn untouched(&self, affected: &[bool]) -> u64 {
        let counts = |at: &usize| self.wanted[*at] && self.works[*at] && !affected[*at];
        (0..self.len()).filter(counts).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::graph::node::{Class, Edge, Role};

    /// 0 ← 1 ← 2, 0 ← 3, 4 alone; 5 needs 2 and is not wanted. Each rests on the row of its number.
    fn index() -> Index {
        let node = |name: &str, deps: &[u32]| {
            Arc::new(Node {
                name: name.to_owned(),
                base: name.to_owned(),
                values: Vec::new(),
                kind: Kind::Group,
                class: Class::Pure,
                edges: deps.iter().map(|dep| Edge { to: NodeId(*dep), role: Role::After }).collect(),
                pool: None,
                timeout_ms: None,
                retries: 0,
                description: None,
            })
        };
        let nodes =
            vec![node("a", &[]), node("b", &[0]), node("c", &[1]), node("d", &[0]), node("e", &[]), node("f", &[2])];
        let graph = Graph { nodes, axes: BTreeMap::new(), ..Graph::default() };
        let mut rows = Lists::default();
        (0..6).for_each(|row| rows.push([row]));
        Index::new(&graph, vec![true, true, true, true, true, false], rows)
    }

    fn numbers(flags: &[bool]) -> Vec<usize> {
        (0..flags.len()).filter(|at| flags[*at]).collect()
    }

    #[test]
    fn what_rests_on_a_moved_row_and_all_above_it_is_affected() {
        let index = index();
        let affected = |open: &[u32], moved: &[u32]| {
            let open = open.iter().map(|id| NodeId(*id));
            numbers(&index.affected(open, |_| None, |row| moved.contains(&row.0)))
        };
        assert_eq!(affected(&[], &[]), [0; 0]);
        assert_eq!(affected(&[], &[0]), [0, 1, 2, 3]);
        assert_eq!(affected(&[], &[1]), [1, 2]);
        assert_eq!(affected(&[3], &[4]), [3, 4]);
        assert_eq!(affected(&[5], &[5]), [0; 0], "what is not wanted is not affected");
        let others = [PathId(9)];
        let rows = |id: NodeId| (id.0 == 4).then_some(&others[..]);
        assert_eq!(numbers(&index.affected([], rows, |row| row.0 == 9)), [4]);
        assert_eq!(numbers(&index.affected([], rows, |row| row.0 == 4)), [0; 0]);
    }

    #[test]
    fn a_part_borders_on_what_it_needs() {
        let index = index();
        let part = [false, true, true, false, false, false];
        assert_eq!(numbers(&index.border(&part)), [0]);
        assert_eq!(index.untouched(&part), 0, "groups do no work");
    }
}
