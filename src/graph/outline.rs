//! A graph's names and edges by themselves: all that a drawing shows, in a few flat vectors, so that a hundred thousand
//! nodes are drawn without any of them being read.

use serde::{Deserialize, Serialize};

use crate::base::id::NodeId;
use crate::base::lists::Lists;
use crate::graph::node::{Class, Graph, Role};

/// What an edge is drawn as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Its success is needed, and its results count.
    Strict,
    /// Runs whatever its end.
    Tolerant,
    /// Order only.
    After,
}

/// Names, classes and edges of a graph, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// The pipeline's `name:`.
    pub name: String,
    /// Whether a run that names no target wants every node.
    pub wants_all: bool,
    /// All names, one behind the other, and where each ends.
    names: String,
    name_ends: Vec<u32>,
    classes: Vec<Class>,
    /// By node: three times the number of the other end, plus the sort of line.
    edges: Lists,
}

impl Outline {
    /// That of a graph.
    ///
    /// # Panics
    /// With names of more than 4 GiB, or a third of `u32::MAX` nodes.
    pub fn of(graph: &Graph) -> Self {
        let mut outline =
            Self { name: graph.name.clone(), wants_all: graph.default_targets.is_empty(), ..Self::default() };
        for node in &graph.nodes {
            outline.names.push_str(&node.name);
            outline.name_ends.push(u32::try_from(outline.names.len()).expect("BUG: more than 4 GiB of names"));
            outline.classes.push(node.class);
            outline.edges.push(node.edges.iter().map(|edge| {
                let line = match edge.role {
                    Role::Strict(_) | Role::Path(_) => 0,
                    Role::Tolerant(_) => 1,
                    Role::After => 2,
                };
                edge.to.0.checked_mul(3).and_then(|to| to.checked_add(line)).expect("BUG: too many nodes to draw")
            }));
        }
        outline
    }

    /// The node of this name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.ids().find(|id| self.node_name(*id) == name)
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// All ids, dependencies before dependents.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.len()).map(NodeId::from_index)
    }

    /// A node's name; empty for one that is not there.
    pub fn node_name(&self, id: NodeId) -> &str {
        let at = id.index();
        let start = at.checked_sub(1).and_then(|before| self.name_ends.get(before)).map_or(0, |end| *end as usize);
        let end = self.name_ends.get(at).map_or(start, |end| *end as usize);
        self.names.get(start..end).unwrap_or_default()
    }

    /// A node's class.
    pub fn class(&self, id: NodeId) -> Class {
        self.classes[id.index()]
    }

    /// What a node depends on, in the order of its fields.
    pub fn edges(&self, id: NodeId) -> impl Iterator<Item = (NodeId, Line)> {
        self.edges.get(id.index()).iter().map(|edge| {
            let line = match edge % 3 {
                0 => Line::Strict,
                1 => Line::Tolerant,
                _ => Line::After,
            };
            (NodeId(edge / 3), line)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_has_no_name_and_no_edges() {
        let outline = Outline::of(&Graph::default());
        assert!(outline.is_empty() && outline.wants_all);
        assert_eq!((outline.node_name(NodeId(0)), outline.edges(NodeId(3)).count()), ("", 0));
    }
}
