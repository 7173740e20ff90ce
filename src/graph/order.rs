//! Orders drafts so that dependencies come first, or shows the cycle that prevents it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::base::code;
use crate::base::diag::Diagnostic;
use crate::graph::build::{Draft, finish};
use crate::graph::node::Node;
use crate::graph::places;

/// How many references of a cycle are shown.
const MOST_SHOWN: usize = 8;

/// Topological order; among the nodes that could come next, the one that stands first in the file.
///
/// # Errors
/// One diagnostic per cycle, which it names in order.
pub(in crate::graph) fn topological(drafts: Vec<Draft<'_>>) -> Result<Vec<Arc<Node>>, Vec<Diagnostic>> {
    let edges = drafts.iter().map(|draft| draft.edges.len()).sum();
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(drafts.len(), edges);
    for _ in &drafts {
        graph.add_node(());
    }
    for (from, draft) in drafts.iter().enumerate() {
        for (to, _) in &draft.edges {
            graph.add_edge(NodeIndex::new(*to), NodeIndex::new(from), ());
        }
    }
    let mut waits: Vec<usize> =
        graph.node_indices().map(|node| graph.edges_directed(node, Direction::Incoming).count()).collect();
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..drafts.len()).filter(|node| waits[*node] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(drafts.len());
    while let Some(Reverse(node)) = ready.pop() {
        order.push(node);
        for next in graph.neighbors(NodeIndex::new(node)) {
            waits[next.index()] -= 1;
            if waits[next.index()] == 0 {
                ready.push(Reverse(next.index()));
            }
        }
    }
    if order.len() == drafts.len() { Ok(finish(drafts, &order)) } else { Err(cycles(&graph, &drafts)) }
}

/// Every strongly connected component with more than one node, or with an edge to itself.
fn cycles(graph: &DiGraph<(), ()>, drafts: &[Draft<'_>]) -> Vec<Diagnostic> {
    let mut found: Vec<Vec<usize>> = tarjan_scc(graph)
        .into_iter()
        .map(|component| component.into_iter().map(NodeIndex::index).collect::<Vec<_>>())
        .filter(|component| component.len() > 1 || drafts[component[0]].edges.iter().any(|(to, _)| *to == component[0]))
        .map(|component| shortest_cycle(&component, drafts))
        .collect();
    found.sort();
    found
        .into_iter()
        .map(|cycle| {
            let names: Vec<&str> =
                cycle.iter().chain(cycle.first()).map(|node| drafts[*node].node.name.as_str()).collect();
            let error =
                Diagnostic::error(code::CYCLE, format!("the nodes depend on each other: {}", names.join(" -> ")));
            let ways = cycle.iter().zip(cycle.iter().cycle().skip(1)).map(|(from, to)| (&drafts[*from], *to));
            let error = ways.take(MOST_SHOWN).enumerate().fold(error, |error, (position, (from, to))| {
                let role = from.edges.iter().find(|(id, _)| *id == to).map(|(_, role)| role);
                let at = role.map_or(from.span, |role| places::of_edge(from, &drafts[to], role));
                let label = format!("`{}` needs `{}`", from.node.name, drafts[to].node.name);
                if position == 0 { error.label(at, label) } else { error.secondary(at, label) }
            });
            error.help("remove one of these references")
        })
        .collect()
}

/// A shortest way from the component's first node along its dependencies back to itself.
fn shortest_cycle(component: &[usize], drafts: &[Draft<'_>]) -> Vec<usize> {
    let start = component.iter().copied().min().unwrap_or(0);
    let mut came_from = std::collections::BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for (to, _) in &drafts[node].edges {
            if *to == start {
                let mut way = vec![node];
                let mut at = node;
                while let Some(&before) = came_from.get(&at) {
                    way.push(before);
                    at = before;
                }
                way.reverse();
                return way;
            }
            if component.contains(to) && !came_from.contains_key(to) {
                came_from.insert(*to, node);
                queue.push_back(*to);
            }
        }
    }
    vec![start]
}
