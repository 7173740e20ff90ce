//! The graph as an indented tree, from the targets down. Written as it is made: the tree of a deep graph is far larger than
//! the graph.

use std::collections::HashSet;
use std::io::{self, Write};

use indexmap::IndexMap;

use crate::base::id::NodeId;
use crate::graph::fold::folded;
use crate::graph::node::Graph;

/// Instances of one node that stand side by side are one line, if they are all combinations of their values; below it is what
/// any of them needs; unless `is_full`, where every node has a line of its own. A subtree that was shown is not shown again.
///
/// # Errors
/// Those of `out`.
pub fn tree(graph: &Graph, roots: &[NodeId], wanted: &[bool], is_full: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut shown: HashSet<Vec<NodeId>> = HashSet::new();
    let mut stack: Vec<(Branch, usize)> = Vec::new();
    let push = |stack: &mut Vec<(Branch, usize)>, ids: Vec<NodeId>, depth| {
        let branches = if is_full { each(graph, ids) } else { folded_branches(graph, ids) };
        stack.extend(branches.into_iter().rev().map(|branch| (branch, depth)));
    };
    push(&mut stack, tops(graph, roots, wanted), 0);
    while let Some((Branch { name, ids }, depth)) = stack.pop() {
        let mut needs: Vec<NodeId> = ids.iter().flat_map(|id| graph.node(*id).deps()).collect();
        needs.sort_unstable();
        needs.dedup();
        let kind = graph.node(ids[0]).kind.name();
        let count = if ids.len() > 1 { format!(" ×{}", ids.len()) } else { String::new() };
        let again = !needs.is_empty() && !shown.insert(ids);
        let more = if again { " …" } else { "" };
        writeln!(out, "{:indent$}{name} ({kind}{count}){more}", "", indent = depth * 2)?;
        if !again {
            push(&mut stack, needs, depth + 1);
        }
    }
    Ok(())
}

/// Instances that are one line.
struct Branch {
    name: String,
    ids: Vec<NodeId>,
}

/// What stands side by side, each for itself.
fn each(graph: &Graph, ids: Vec<NodeId>) -> Vec<Branch> {
    ids.into_iter().map(|id| Branch { name: graph.node(id).name.clone(), ids: vec![id] }).collect()
}

/// What stands side by side, folded, in the order in which its first instance comes.
fn folded_branches(graph: &Graph, ids: Vec<NodeId>) -> Vec<Branch> {
    let mut by_node: IndexMap<&str, Vec<NodeId>> = IndexMap::new();
    for id in ids {
        by_node.entry(&graph.node(id).base).or_default().push(id);
    }
    let mut branches = Vec::new();
    for (base, ids) in by_node {
        let values: Vec<&[String]> = ids.iter().map(|id| graph.node(*id).values.as_slice()).collect();
        match folded(base, &values).filter(|_| ids.len() > 1) {
            Some(name) => branches.push(Branch { name, ids }),
            None => branches.extend(each(graph, ids)),
        }
    }
    branches
}

/// The targets that nothing else of what is wanted needs, in the order in which they were named.
fn tops(graph: &Graph, roots: &[NodeId], wanted: &[bool]) -> Vec<NodeId> {
    let mut is_dep = vec![false; graph.nodes.len()];
    for id in graph.ids().filter(|id| wanted[id.index()]) {
        graph.node(id).deps().for_each(|dep| is_dep[dep.index()] = true);
    }
    roots.iter().filter(|id| !is_dep[id.index()]).copied().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::node::{Class, Edge, Kind, Node, Role};

    /// `name` or `base[values]`, and what it needs by number.
    fn graph(nodes: &[(&str, &[u32])]) -> Graph {
        let nodes = nodes.iter().map(|(name, needs)| {
            let (base, values) = name.trim_end_matches(']').split_once('[').unwrap_or((name, ""));
            Arc::new(Node {
                name: (*name).to_owned(),
                base: base.to_owned(),
                values: values.split(',').filter(|value| !value.is_empty()).map(str::to_owned).collect(),
                kind: Kind::Group,
                class: Class::Pure,
                edges: needs.iter().map(|to| Edge { to: NodeId(*to), role: Role::After }).collect(),
                pool: None,
                timeout_ms: None,
                retries: 0,
                description: None,
            })
        });
        Graph { nodes: nodes.collect(), ..Graph::default() }
    }

    fn drawn(is_full: bool, graph: &Graph, roots: &[u32]) -> String {
        let roots: Vec<NodeId> = roots.iter().copied().map(NodeId).collect();
        let mut out = Vec::new();
        tree(graph, &roots, &vec![true; graph.nodes.len()], is_full, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn instances_side_by_side_are_one_line_and_need_what_any_of_them_needs() {
        let graph = graph(&[
            ("src", &[]),
            ("a[x]", &[0]),
            ("a[y]", &[0]),
            ("b[x,1]", &[1]),
            ("b[y,1]", &[2]),
            ("b[y,2]", &[2, 0]),
        ]);
        let expected = "b[x,1] (group)
  a[x] (group)
    src (group)
b[y,1] (group)
  a[y] (group)
    src (group)
b[y,2] (group)
  src (group)
  a[y] (group) …
";
        assert_eq!(drawn(false, &graph, &[3, 4, 5]), expected, "`b[x,2]` is not one of them");
        let expected = "b[{x,y},1] (group ×2)\n  a[{x,y}] (group ×2)\n    src (group)\n";
        assert_eq!(drawn(false, &graph, &[3, 4]), expected);
        let expected =
            "b[x,1] (group)\n  a[x] (group)\n    src (group)\nb[y,1] (group)\n  a[y] (group)\n    src (group)\n";
        assert_eq!(drawn(true, &graph, &[3, 4]), expected);
    }

    #[test]
    fn what_was_shown_is_not_shown_again() {
        let graph = graph(&[("src", &[]), ("a", &[0]), ("b", &[1]), ("all", &[1, 2])]);
        let expected = "all (group)\n  a (group)\n    src (group)\n  b (group)\n    a (group) …\n";
        assert_eq!(drawn(false, &graph, &[3, 1]), expected);
        assert_eq!(drawn(true, &graph, &[3, 1]), expected);
    }
}
