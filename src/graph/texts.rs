//! The texts of a file behind the paths of a node: for errors that point at what a person wrote.

use indexmap::IndexMap;

use crate::base::diag::Span;
use crate::base::rel_path;
use crate::graph::kinds::CHECKSUM_SUFFIX;
use crate::graph::node::Node;
use crate::graph::scope::{Params, Scope};
use crate::spec::pipeline::NodeFile;
use crate::spec::value::Text;

/// A text that names an output.
pub(in crate::graph) struct OutputText<'a> {
    pub(in crate::graph) text: &'a Text,
    pub(in crate::graph) is_folder: bool,
    /// A second output, whose path is the first with this at its end.
    pub(in crate::graph) with_suffix: Option<&'static str>,
}

/// The texts behind [`Node::outputs`](crate::graph::node::Node::outputs).
pub(in crate::graph) fn output_texts(file: &NodeFile) -> Vec<OutputText<'_>> {
    let plain = |text| OutputText { text, is_folder: false, with_suffix: None };
    let folder = |text| OutputText { is_folder: true, ..plain(text) };
    let mut texts = Vec::new();
    if let Some(k) = &file.exec {
        texts.extend(k.outputs.items.iter().chain(&k.stdout).map(plain));
    }
    if let Some(k) = &file.clone {
        texts.extend(k.output.iter().map(folder));
    }
    if let Some(k) = &file.resolve {
        texts.extend(k.output.iter().map(plain));
    }
    if let Some(k) = &file.overlay {
        texts.extend(k.output.iter().map(folder));
    }
    if let Some(k) = &file.build {
        texts.extend(k.output.iter().map(plain));
    }
    if let Some(k) = &file.package {
        texts.extend(k.output.iter().map(|text| OutputText { with_suffix: Some(CHECKSUM_SUFFIX), ..plain(text) }));
    }
    if let Some(k) = &file.report {
        texts.push(folder(&k.output));
    }
    texts
}

/// Finds the places of paths.
#[derive(Clone, Copy)]
pub(in crate::graph) struct Places<'a> {
    pub(in crate::graph) nodes: &'a IndexMap<String, NodeFile>,
    pub(in crate::graph) params: &'a Params,
}

impl Places<'_> {
    /// Where a node declares this output.
    pub(in crate::graph) fn output(&self, node: &Node, path: &str) -> Option<Span> {
        let file = self.nodes.get(&node.base)?;
        let texts = output_texts(file);
        let found = texts.iter().find(|output| {
            let path = output.with_suffix.and_then(|suffix| path.strip_suffix(suffix)).unwrap_or(path);
            self.gives(file, node, output.text, path)
        });
        found.map(|output| output.text.span)
    }

    /// Where an `exec` names this input, as a path or a glob, or this program.
    pub(in crate::graph) fn input(&self, node: &Node, path: &str) -> Option<Span> {
        let file = self.nodes.get(&node.base)?;
        let exec = file.exec.as_ref()?;
        let texts = exec.inputs.items.iter().chain(exec.command.first());
        texts.into_iter().find(|text| self.gives(file, node, text, path)).map(|text| text.span)
    }

    /// Whether a text is this path in the instance.
    fn gives(&self, file: &NodeFile, node: &Node, text: &Text, path: &str) -> bool {
        let axes = file.axes.items.iter().map(|axis| axis.value.as_str()).zip(node.values.iter().map(String::as_str));
        let scope = Scope { params: self.params, axes: axes.collect() };
        let bare = |path: &str| path.trim_end_matches('/').to_owned();
        let is_it = |value: &String| {
            let value = value.strip_prefix('!').unwrap_or(value);
            value == path || rel_path::normalise(value).is_ok_and(|value| bare(&value) == bare(path))
        };
        scope.elements(text).is_ok_and(|values| values.iter().any(is_it))
    }
}
