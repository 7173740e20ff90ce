//! Outputs that no instance of this run declares, and that the same file declares under other parameters: those of
//! nodes that `when:` switches off, and those of instances for other choices of an axis. An earlier run may have left
//! them in the project. They are never sources, so that no result depends on what was built before.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use crate::base::rel_path;
use crate::graph::kinds::CHECKSUM_SUFFIX;
use crate::graph::scope::{ParamValue, Params, Scope, names};
use crate::spec::pipeline::NodeFile;
use crate::spec::value::Text;

/// What each parameter with choices could be.
pub type Choices = BTreeMap<String, Vec<String>>;

/// The nodes of a file, and the values under which they can be looked at.
pub(in crate::graph) struct Elsewhere<'a> {
    nodes: &'a IndexMap<String, NodeFile>,
    params: &'a Params,
    choices: &'a Choices,
}

impl<'a> Elsewhere<'a> {
    pub(in crate::graph) fn new(
        nodes: &'a IndexMap<String, NodeFile>,
        params: &'a Params,
        choices: &'a Choices,
    ) -> Self {
        Self { nodes, params, choices }
    }

    /// The outputs of a node under every choice. What cannot be expanded is left out: the node itself says why.
    fn outputs(&self, node: &NodeFile) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for output in output_texts(node) {
            let values = |name: &str| self.choices.get(name).cloned().unwrap_or_else(|| current(self.params, name));
            for path in self.expansions(output.text, &values) {
                let path = if output.is_folder && !path.ends_with('/') { format!("{path}/") } else { path };
                if let Some(suffix) = output.with_suffix {
                    found.insert(format!("{path}{suffix}"));
                }
                found.insert(path);
            }
        }
        found
    }

    /// A path under every combination of the values of the names that it reads.
    fn expansions(&self, text: &Text, values: &dyn Fn(&str) -> Vec<String>) -> Vec<String> {
        let mut combinations: Vec<Vec<(&str, String)>> = vec![Vec::new()];
        for name in names(&text.value) {
            let values = values(name);
            combinations = combinations
                .iter()
                .flat_map(|head| values.iter().map(move |value| [&head[..], &[(name, value.clone())]].concat()))
                .collect();
        }
        let expand = |combination: &Vec<(&str, String)>| {
            let axes = combination.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let path = Scope { params: self.params, axes }.text(text).ok()?;
            rel_path::normalise(&path).ok()
        };
        combinations.iter().filter_map(expand).collect()
    }

    /// Outputs that are made only under other parameters, with the node that makes them. `is_made` says what this run
    /// makes.
    pub(in crate::graph) fn unmade(
        &self,
        absent: &BTreeMap<String, String>,
        is_made: impl Fn(&str) -> bool,
    ) -> BTreeMap<String, String> {
        let mut unmade = BTreeMap::new();
        for (name, node) in self.nodes {
            // The instances of this run are all there is of a node whose paths have no names in them.
            let varies = || output_texts(node).iter().any(|output| output.text.value.contains("${"));
            if absent.contains_key(name) || varies() {
                let outputs = self.outputs(node).into_iter().filter(|path| !is_made(path));
                unmade.extend(outputs.map(|path| (path, name.clone())));
            }
        }
        unmade
    }

    /// Who reads whose outputs by their paths.
    pub(in crate::graph) fn readers(&self) -> Readers<'a> {
        let mut makers: BTreeMap<String, Vec<&'a str>> = BTreeMap::new();
        for (name, node) in self.nodes {
            for output in self.outputs(node) {
                makers.entry(output.trim_end_matches('/').to_owned()).or_default().push(name);
            }
        }
        let current = |name: &str| current(self.params, name);
        let mut readers = Readers::default();
        for (name, node) in self.nodes {
            let Some(exec) = &node.exec else { continue };
            let inputs = exec.inputs.items.iter().filter(|text| !text.value.starts_with('!'));
            let program = exec.command.first().filter(|word| word.value.contains('/'));
            for text in inputs.filter(|text| !rel_path::is_glob(&text.value)).chain(program) {
                let made_by = |path: &String| -> Vec<&'a str> {
                    let bare = path.trim_end_matches('/');
                    let around = rel_path::parents(bare).map(|parent| parent.trim_end_matches('/'));
                    around.chain([bare]).filter_map(|path| makers.get(path)).flatten().copied().collect()
                };
                let paths: Vec<_> = self.expansions(text, &current).iter().map(made_by).collect();
                if paths.is_empty() || paths.iter().any(Vec::is_empty) {
                    continue;
                }
                for maker in paths.iter().flatten().filter(|maker| *maker != name) {
                    readers.of.entry(maker).or_default().insert(name);
                }
                readers.needs.entry(name).or_default().push(paths);
            }
        }
        readers
    }
}

/// `exec` nodes and the nodes that could make what they name by path. Globs are no reference: they just match less.
#[derive(Default)]
pub(in crate::graph) struct Readers<'a> {
    of: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// For each literal input, for each instance of the reader, who could make it.
    needs: BTreeMap<&'a str, Vec<Vec<Vec<&'a str>>>>,
}

impl<'a> Readers<'a> {
    /// The readers of what `gone` makes that have no other maker left: a path is a strict reference, so they vanish
    /// too.
    pub(in crate::graph) fn orphans(&self, gone: &str, is_absent: impl Fn(&str) -> bool) -> Vec<&'a str> {
        let is_lost = |input: &Vec<Vec<&str>>| input.iter().all(|makers| makers.iter().all(|maker| is_absent(maker)));
        let mut orphans: Vec<&str> = self.of.get(gone).into_iter().flatten().copied().collect();
        orphans.retain(|reader| self.needs.get(reader).is_some_and(|inputs| inputs.iter().any(is_lost)));
        orphans
    }
}

/// A text that names an output.
struct OutputText<'a> {
    text: &'a Text,
    is_folder: bool,
    /// A second output, whose path is the first with this at its end.
    with_suffix: Option<&'static str>,
}

/// The texts behind [`Node::outputs`](crate::graph::node::Node::outputs).
fn output_texts(file: &NodeFile) -> Vec<OutputText<'_>> {
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

fn current(params: &Params, name: &str) -> Vec<String> {
    match params.get(name) {
        Some(ParamValue::Text(text)) => vec![text.clone()],
        Some(ParamValue::List(list)) => list.clone(),
        Some(ParamValue::Unknown { .. }) | None => Vec::new(),
    }
}
