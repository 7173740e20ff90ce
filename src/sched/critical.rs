//! The nodes that decided how long a run took: the longest chain of work, each node waiting for the one before.

use std::collections::BTreeMap;

use crate::base::id::NodeId;
use crate::graph::node::Graph;

/// The chain of nodes whose work took longest in sum, in the order of their work. Nodes that did none are passed through
/// and left out.
pub fn path(graph: &Graph, worked_ms: &BTreeMap<NodeId, u64>) -> Vec<NodeId> {
    let own = |id: NodeId| worked_ms.get(&id).copied().unwrap_or(0);
    let mut longest = vec![0u64; graph.nodes.len()];
    let mut before: Vec<Option<NodeId>> = vec![None; graph.nodes.len()];
    let mut last: Option<NodeId> = None;
    // An edge points to a lower id: what a node waits for is complete before it.
    for id in graph.ids() {
        let slowest = graph.node(id).deps().max_by_key(|dep| (longest[dep.index()], std::cmp::Reverse(*dep)));
        longest[id.index()] = own(id) + slowest.map_or(0, |dep| longest[dep.index()]);
        before[id.index()] = slowest;
        if last.is_none_or(|last| longest[id.index()] > longest[last.index()]) {
            last = Some(id);
        }
    }
    let mut chain: Vec<NodeId> = std::iter::successors(last, |id| before[id.index()]).collect();
    chain.retain(|id| worked_ms.contains_key(id));
    chain.reverse();
    chain
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::node::{Class, Edge, Kind, Node, Role};

    fn graph(deps: &[&[u32]]) -> Graph {
        let node = |(at, deps): (usize, &&[u32])| {
            Arc::new(Node {
                name: format!("n{at}"),
                base: format!("n{at}"),
                values: Vec::new(),
                kind: Kind::Exec(Box::default()),
                class: Class::Pure,
                edges: deps.iter().map(|to| Edge { to: NodeId(*to), role: Role::After }).collect(),
                pool: None,
                timeout_ms: None,
                retries: 0,
                description: None,
            })
        };
        Graph { nodes: deps.iter().enumerate().map(node).collect(), ..Graph::default() }
    }

    fn chain(deps: &[&[u32]], worked: &[(u32, u64)]) -> Vec<u32> {
        let worked = worked.iter().map(|(id, ms)| (NodeId(*id), *ms)).collect();
        path(&graph(deps), &worked).into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn the_longest_chain_counts_and_not_the_slowest_node() {
        let diamond: &[&[u32]] = &[&[], &[0], &[0], &[1, 2]];
        assert_eq!(chain(diamond, &[(0, 5), (1, 40), (2, 30), (3, 1)]), [0, 1, 3]);
        assert_eq!(chain(diamond, &[(0, 5), (1, 40), (2, 60), (3, 1)]), [0, 2, 3]);
        assert_eq!(chain(&[&[], &[], &[1], &[2]], &[(0, 50), (1, 20), (2, 20), (3, 20)]), [1, 2, 3]);
    }

    #[test]
    fn nodes_that_did_nothing_are_passed_through() {
        assert_eq!(chain(&[&[], &[0], &[1]], &[(0, 5), (2, 5)]), [0, 2]);
        assert!(chain(&[&[], &[0]], &[]).is_empty());
        assert!(chain(&[], &[]).is_empty());
    }
}
