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
