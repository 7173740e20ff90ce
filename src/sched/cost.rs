//! What a node holds up: the longest way from it to the end, in past durations.

use crate::base::id::NodeId;
use crate::graph::node::Graph;

/// Taken for a node that never ran: long enough to matter, short enough not to hide a known long one.
const UNKNOWN_MS: u64 = 1_000;

/// For each node, its own past duration and the costliest way through its dependents, in milliseconds.
pub fn downstream(graph: &Graph, past_ms: impl Fn(NodeId) -> Option<u64>) -> Vec<u64> {
    let mut cost = vec![0u64; graph.nodes.len()];
    // Dependents have higher ids: from the end, each node's dependents are already complete.
    for id in graph.ids().rev() {
        cost[id.index()] += past_ms(id).unwrap_or(UNKNOWN_MS);
        let through = cost[id.index()];
        for dep in graph.node(id).deps() {
            cost[dep.index()] = cost[dep.index()].max(through);
        }
    }
    cost
}

/// The costliest chain of dependencies among nodes that ran, first to last, with its length in milliseconds.
pub fn critical_path(graph: &Graph, ran_ms: impl Fn(NodeId) -> Option<u64>) -> (Vec<NodeId>, u64) {
    let mut best: Vec<(u64, Option<NodeId>)> = Vec::with_capacity(graph.nodes.len());
    for id in graph.ids() {
        let before = graph.node(id).deps().map(|dep| (best[dep.index()].0, Some(dep))).max_by_key(|(ms, _)| *ms);
        let (ms, from) = before.unwrap_or((0, None));
        best.push((ms + ran_ms(id).unwrap_or(0), from));
    }
    let Some(last) = graph.ids().max_by_key(|id| best[id.index()].0) else { return (Vec::new(), 0) };
    let mut path = vec![last];
    while let Some(from) = best[path[path.len() - 1].index()].1 {
        path.push(from);
    }
    path.reverse();
    path.retain(|id| ran_ms(*id).is_some());
    (path, best[last.index()].0)
}
