//! The graph as text: an indented tree, Graphviz, Mermaid, JSON. Written as it is made: the tree of a deep graph is far
//! larger than the graph.

use std::io::{self, Write};

use serde::Serialize;

use crate::base::id::NodeId;
use crate::graph::node::{Class, Graph, Role};

/// An indented tree from the targets down; a subtree that was shown is not shown again.
///
/// # Errors
/// Those of `out`.
pub fn tree(graph: &Graph, roots: &[NodeId], wanted: &[bool], out: &mut dyn Write) -> io::Result<()> {
    let mut shown = vec![false; graph.nodes.len()];
    let mut is_dep = vec![false; graph.nodes.len()];
    for id in graph.ids().filter(|id| wanted[id.index()]) {
        graph.node(id).deps().for_each(|dep| is_dep[dep.index()] = true);
    }
    let tops = roots.iter().rev().filter(|id| !is_dep[id.index()]).copied();
    let mut stack: Vec<(NodeId, usize)> = tops.map(|id| (id, 0)).collect();
    while let Some((id, depth)) = stack.pop() {
        let node = graph.node(id);
        let again = std::mem::replace(&mut shown[id.index()], true) && !node.edges.is_empty();
        let more = if again { " …" } else { "" };
        writeln!(out, "{:indent$}{} ({}){more}", "", node.name, node.kind.name(), indent = depth * 2)?;
        if !again {
            let mut deps: Vec<NodeId> = node.deps().collect();
            deps.sort_unstable();
            deps.dedup();
            stack.extend(deps.into_iter().rev().map(|dep| (dep, depth + 1)));
        }
    }
    Ok(())
}

/// For Graphviz.
///
/// # Errors
/// Those of `out`.
pub fn dot(graph: &Graph, wanted: &[bool], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "digraph {} {{\n  rankdir=LR;\n  node [shape=box];", quoted(&graph.name))?;
    for id in graph.ids().filter(|id| wanted[id.index()]) {
        let node = graph.node(id);
        let shape = match node.class {
            Class::Pure => "",
            Class::Volatile => ", style=dashed",
            Class::Effect => ", style=bold",
            Class::Sink => ", shape=note",
        };
        writeln!(out, "  n{} [label={}{shape}];", id.0, quoted(&node.name))?;
        for edge in &node.edges {
            let style = match &edge.role {
                Role::After => " [style=dotted]",
                Role::Tolerant(_) => " [style=dashed]",
                Role::Strict(_) | Role::Path(_) => "",
            };
            writeln!(out, "  n{} -> n{}{style};", edge.to.0, id.0)?;
        }
    }
    writeln!(out, "}}")
}

/// For Markdown pages.
///
/// # Errors
/// Those of `out`.
pub fn mermaid(graph: &Graph, wanted: &[bool], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "flowchart LR")?;
    for id in graph.ids().filter(|id| wanted[id.index()]) {
        let node = graph.node(id);
        writeln!(out, "  n{}[{}]", id.0, quoted(&node.name).replace("\\\"", "#quot;"))?;
        for edge in &node.edges {
            let arrow = match &edge.role {
                Role::After | Role::Tolerant(_) => "-.->",
                Role::Strict(_) | Role::Path(_) => "-->",
            };
            writeln!(out, "  n{} {arrow} n{}", edge.to.0, id.0)?;
        }
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[derive(Serialize)]
struct JsonGraph<'a> {
    name: &'a str,
    nodes: Vec<JsonNode<'a>>,
}

#[derive(Serialize)]
struct JsonNode<'a> {
    name: &'a str,
    kind: &'static str,
    class: Class,
    needs: Vec<JsonEdge<'a>>,
    outputs: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonEdge<'a> {
    node: &'a str,
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

/// For machines.
///
/// # Errors
/// Those of `out`.
pub fn json(graph: &Graph, wanted: &[bool], out: &mut dyn Write) -> io::Result<()> {
    let nodes = graph.ids().filter(|id| wanted[id.index()]).map(|id| {
        let node = graph.node(id);
        let needs = node.edges.iter().map(|edge| {
            let (role, field) = match &edge.role {
                Role::Strict(field) => ("strict", Some(field.as_str())),
                Role::Tolerant(field) => ("tolerant", Some(field.as_str())),
                Role::After => ("after", None),
                Role::Path(path) => ("path", Some(path.as_str())),
            };
            JsonEdge { node: &graph.node(edge.to).name, role, field }
        });
        JsonNode {
            name: &node.name,
            kind: node.kind.name(),
            class: node.class,
            needs: needs.collect(),
            outputs: node.outputs(),
            description: node.description.as_deref(),
        }
    });
    let graph = JsonGraph { name: &graph.name, nodes: nodes.collect() };
    serde_json::to_writer_pretty(&mut *out, &graph)?;
    writeln!(out)
}
