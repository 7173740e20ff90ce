//! The graph as text: Graphviz, Mermaid, JSON.

use std::io::{self, Write};

use serde::Serialize;

use crate::base::id::NodeId;
use crate::graph::node::{Class, Graph, Role};
use crate::graph::outline::{Line, Outline};

/// For Graphviz.
///
/// # Errors
/// Those of `out`.
pub fn dot(outline: &Outline, wanted: &[bool], out: &mut dyn Write) -> io::Result<()> {
    let mut text = Text::new(out);
    text.push("digraph ").push_quoted(&outline.name).push(" {\n  rankdir=LR;\n  node [shape=box];\n");
    for id in outline.ids().filter(|id| wanted[id.index()]) {
        let shape = match outline.class(id) {
            Class::Pure => "];\n",
            Class::Volatile => ", style=dashed];\n",
            Class::Effect => ", style=bold];\n",
            Class::Sink => ", shape=note];\n",
        };
        text.push("  ").push_id(id).push(" [label=").push_quoted(outline.node_name(id)).push(shape);
        for (dep, line) in outline.edges(id) {
            let style = match line {
                Line::After => " [style=dotted];\n",
                Line::Tolerant => " [style=dashed];\n",
                Line::Strict => ";\n",
            };
            text.push("  ").push_id(dep).push(" -> ").push_id(id).push(style);
        }
        text.pass_on()?;
    }
    text.push("}\n");
    text.finish()
}

/// For Markdown pages.
///
/// # Errors
/// Those of `out`.
pub fn mermaid(outline: &Outline, wanted: &[bool], out: &mut dyn Write) -> io::Result<()> {
    let mut text = Text::new(out);
    text.push("flowchart LR\n");
    for id in outline.ids().filter(|id| wanted[id.index()]) {
        // A backslash escapes nothing there.
        let label = outline.node_name(id).replace('"', "#quot;");
        text.push("  ").push_id(id).push("[\"").push(&label).push("\"]\n");
        for (dep, line) in outline.edges(id) {
            let arrow = match line {
                Line::After | Line::Tolerant => " -.-> ",
                Line::Strict => " --> ",
            };
            text.push("  ").push_id(dep).push(arrow).push_id(id).push("\n");
        }
        text.pass_on()?;
    }
    text.finish()
}

/// Text on its way out. A large graph has half a million lines, and formatting each would cost more than all else.
struct Text<'a> {
    text: String,
    out: &'a mut dyn Write,
}

impl<'a> Text<'a> {
    /// How much is passed on at a time.
    const CHUNK: usize = 1 << 16;

    fn new(out: &'a mut dyn Write) -> Self {
        Self { text: String::with_capacity(2 * Self::CHUNK), out }
    }

    fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    fn push_quoted(&mut self, text: &str) -> &mut Self {
        match text.contains(['"', '\\']) {
            true => self.push(&quoted(text)),
            false => self.push("\"").push(text).push("\""),
        }
    }

    /// `n` and the number.
    fn push_id(&mut self, id: NodeId) -> &mut Self {
        let (mut digits, mut start, mut rest) = ([0; 10], 10, id.0);
        loop {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.text.push('n');
        self.text.extend(digits[start..].iter().map(|digit| char::from(*digit)));
        self
    }

    fn pass_on(&mut self) -> io::Result<()> {
        match self.text.len() < Self::CHUNK {
            true => Ok(()),
            false => self.finish(),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.write_all(self.text.as_bytes())?;
        self.text.clear();
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::node::{Edge, Kind, Node};

    fn node(name: &str, class: Class, edges: Vec<(u32, Role)>) -> Arc<Node> {
        let edges = edges.into_iter().map(|(to, role)| Edge { to: NodeId(to), role }).collect();
        Arc::new(Node {
            name: name.to_owned(),
            base: name.to_owned(),
            values: Vec::new(),
            kind: Kind::Group,
            class,
            edges,
            pool: None,
            timeout_ms: None,
            retries: 0,
            description: None,
        })
    }

    fn shown(draw: impl Fn(&Outline, &[bool], &mut dyn Write) -> io::Result<()>) -> String {
        let nodes = vec![
            node("a\"b\\", Class::Pure, vec![]),
            node("c", Class::Volatile, vec![(0, Role::Path("x".to_owned())), (0, Role::After)]),
            node("d", Class::Sink, vec![(1, Role::Tolerant("of".to_owned())), (0, Role::Strict("in".to_owned()))]),
            node("unwanted", Class::Effect, vec![(2, Role::After)]),
        ];
        let graph = Graph { name: "g".to_owned(), nodes, ..Graph::default() };
        let mut out = Vec::new();
        draw(&Outline::of(&graph), &[true, true, true, false], &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_drawing_has_every_wanted_node_and_edge() {
        let expected = r#"digraph "g" {
  rankdir=LR;
  node [shape=box];
  n0 [label="a\"b\\"];
  n1 [label="c", style=dashed];
  n0 -> n1;
  n0 -> n1 [style=dotted];
  n2 [label="d", shape=note];
  n1 -> n2 [style=dashed];
  n0 -> n2;
}
"#;
        assert_eq!(shown(dot), expected);
        let expected = "flowchart LR\n  n0[\"a#quot;b\\\"]\n  n1[\"c\"]\n  n0 --> n1\n  n0 -.-> n1\n  n2[\"d\"]\n  n1 -.-> n2\n  n0 --> n2\n";
        assert_eq!(shown(mermaid), expected);
    }

    #[test]
    fn a_drawing_larger_than_a_chunk_is_whole() {
        let nodes: Vec<_> = (0..12_345).map(|number| node(&format!("node{number}"), Class::Pure, vec![])).collect();
        let graph = Graph { name: "g".to_owned(), nodes, ..Graph::default() };
        let mut out = Vec::new();
        dot(&Outline::of(&graph), &vec![true; 12_345], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 12_345 + 4);
        for number in [0, 9, 10, 99, 12_344] {
            assert!(text.contains(&format!("\n  n{number} [label=\"node{number}\"];\n")), "{number}");
        }
    }
}
