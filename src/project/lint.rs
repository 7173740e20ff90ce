//! What is legal in a pipeline and mostly a mistake. Pure: looks at what was loaded.

mod secrets;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::code;
use crate::base::diag::{self, Diagnostic, SourceId, Span};
use crate::graph::kinds::references;
use crate::graph::node::{Kind, Source};
pub use crate::project::lint::secrets::without_their_lines;
use crate::project::load::Loaded;
use crate::spec::config::DistributionsFile;
use crate::spec::pipeline::{ExecClass, PipelineFile};
use crate::spec::yaml::{Limits, Tree, parse};

/// Everything that a lint finds in a pipeline, in the order of its places. Distributions are those of all pipelines:
/// [`unreached_distributions`].
pub fn lint(loaded: &Loaded) -> Vec<Diagnostic> {
    let mut found = unused_params(loaded);
    found.extend(unused_nodes(loaded));
    found.extend(unpinned(loaded));
    found.extend(unproven(loaded));
    found.extend(secrets::in_env(loaded));
    diag::sort(&mut found);
    found
}

/// The files that the pipeline is written in.
fn pipeline_sources(loaded: &Loaded) -> BTreeSet<SourceId> {
    let params = loaded.file.params.values().flat_map(|param| param.default.items.iter().map(|text| text.span.source));
    loaded.node_spans.values().map(|span| span.source).chain(params).collect()
}

/// Calls `visit` with each of those files.
fn each_tree(loaded: &Loaded, mut visit: impl FnMut(&Tree<'_>)) {
    for id in pipeline_sources(loaded) {
        let Some(source) = loaded.sources.get(id) else { continue };
        if let Some(tree) = parse(id, &source.text, &Limits::default(), &mut Vec::new()) {
            visit(&tree);
        }
    }
}

/// Every scalar at or below a value.
fn scalars(tree: &Tree<'_>, visit: &mut impl FnMut(&str)) {
    visit(tree.as_str().unwrap_or_default());
    tree.items().iter().for_each(|item| scalars(item, visit));
    tree.entries().iter().for_each(|entry| scalars(&entry.value, visit));
}

/// Parameters that nothing reads.
fn unused_params(loaded: &Loaded) -> Vec<Diagnostic> {
    let mut used: BTreeSet<String> = BTreeSet::new();
    for node in loaded.file.nodes.values() {
        used.extend(node.axes.items.iter().chain(&node.when).map(|text| text.value.clone()));
    }
    let mut places: BTreeMap<String, Span> = BTreeMap::new();
    each_tree(loaded, |tree| {
        for entry in tree.get("params").map(Tree::entries).unwrap_or_default() {
            places.insert(entry.key.as_str().to_owned(), entry.key.span());
        }
        scalars(tree, &mut |text| {
            let names = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
            used.extend(names.map(|(name, _)| name.to_owned()));
        });
    });
    let unused = loaded.file.params.keys().filter(|name| !used.contains(*name));
    let warn = |name: &String| {
        let warning = Diagnostic::warning(code::UNUSED_PARAM, format!("nothing reads the parameter `{name}`"));
        let warning = places.get(name).map_or(warning.clone(), |at| warning.label(*at, "setting it changes nothing"));
        warning.help(format!("write `${{{name}}}` where it belongs, or take it away"))
    };
    unused.map(warn).collect()
}

/// Nodes that no run makes unless it names them, and that say nothing of what they would be named for.
fn unused_nodes(loaded: &Loaded) -> Vec<Diagnostic> {
    let PipelineFile { nodes, default, .. } = &loaded.file;
    if default.items.is_empty() {
        return Vec::new();
    }
    // Node names: a target may name one instance of several.
    let base = |name: &str| name.split('[').next().unwrap_or_default().to_owned();
    let mut below: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in &loaded.graph.nodes {
        let needed = node.deps().map(|dep| loaded.graph.node(dep).base.clone());
        below.entry(node.base.clone()).or_default().extend(needed);
    }
    // What is switched off in this graph is a reference all the same.
    for (name, node) in nodes {
        let fields = references(node);
        let named = fields.iter().flat_map(|field| field.references).map(|reference| base(&reference.node.value));
        below.entry(name.clone()).or_default().extend(named);
    }
    let mut open: Vec<String> = default.items.iter().map(|text| base(&text.value)).collect();
    let mut reached = BTreeSet::new();
    while let Some(name) = open.pop() {
        if reached.insert(name.clone()) {
            open.extend(below.get(&name).into_iter().flatten().cloned());
        }
    }
    let exists: BTreeSet<&str> = loaded.graph.nodes.iter().map(|node| node.base.as_str()).collect();
    let is_unused = |name: &str| !reached.contains(name) && exists.contains(name);
    nodes
        .iter()
        .filter(|(name, node)| is_unused(name) && node.description.is_none())
        .map(|(name, _)| {
            let at = loaded.node_spans.get(name).copied().unwrap_or_default();
            Diagnostic::warning(code::UNUSED_NODE, format!("no run makes `{name}` unless it is named"))
                .label(at, "no target of `default:` needs it")
                .help("add it to `default:`, or say with `description:` what it is named for")
        })
        .collect()
}

/// Sources that may be others at any time.
fn unpinned(loaded: &Loaded) -> Vec<Diagnostic> {
    let mut told = BTreeSet::new();
    let is_unpinned = |kind: &Kind| match kind {
        Kind::Clone(clone) => matches!(clone.source, Source::Remote { pin: None, .. }),
        _ => false,
    };
    let nodes = loaded.graph.nodes.iter().filter(|node| is_unpinned(&node.kind) && told.insert(node.base.clone()));
    nodes
        .map(|node| {
            let at = loaded.node_spans.get(&node.base).copied().unwrap_or_default();
            Diagnostic::warning(code::UNPINNED_SOURCE, format!("`ocelot.lock` has no pin for `{}`", node.base))
                .label(at, "every machine asks for itself which commit this is")
                .help("`ocelot update` writes the pin; commit `ocelot.lock`")
        })
        .collect()
}

/// Commands whose inputs nobody has seen to be all of them, in one warning: there may be thousands.
fn unproven(loaded: &Loaded) -> Vec<Diagnostic> {
    let mut names = loaded.file.nodes.iter().filter_map(|(name, node)| {
        let exec = node.exec.as_ref()?;
        let is_unproven = exec.class == ExecClass::Pure && !exec.sandbox && exec.depfile.is_none();
        is_unproven.then_some(name)
    });
    let Some(first) = names.next() else { return Vec::new() };
    let rest: Vec<&str> = names.map(String::as_str).collect();
    let at = loaded.node_spans.get(first).copied().unwrap_or_default();
    let mut warning = Diagnostic::warning(code::UNPROVEN_INPUTS, format!("`{first}` runs without `sandbox: true`"))
        .label(at, "a file that it reads and does not declare is not noticed when it changes")
        .help("`ocelot run --sandbox` runs all of them so; then write `sandbox: true`");
    if !rest.is_empty() {
        let shown = rest.iter().take(10).copied().collect::<Vec<_>>().join(", ");
        let more = if rest.len() > 10 { ", …" } else { "" };
        warning = warning.note(format!("so do {} more: {shown}{more}", rest.len()));
    }
    vec![warning]
}

/// The distributions that a pipeline may build; `None` for all of them.
pub fn distributions_of(file: &PipelineFile) -> Option<BTreeSet<String>> {
    let is_any =
        |text: &&crate::spec::value::Texts| !text.is_list && text.items.iter().any(|t| t.value == "distributions");
    if file.params.values().map(|param| &param.choices).any(|choices| is_any(&choices)) {
        return None;
    }
    let texts = file.params.values().flat_map(|param| param.default.items.iter().chain(&param.choices.items));
    let named = file.nodes.values().filter_map(|node| Some(&node.resolve.as_ref()?.distribution));
    Some(texts.chain(named).map(|text| text.value.clone()).collect())
}

/// Distributions that no pipeline builds and no other one is based on; `named` is what all pipelines name.
pub fn unreached_distributions(loaded: &Loaded, named: &BTreeSet<String>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (path, file) in &loaded.distributions {
        let reached = with_bases(file, named);
        for (name, one) in file.0.iter().filter(|(name, _)| !reached.contains(name.as_str())) {
            let text = one.buildtags.items.first().or(one.description.as_ref()).or(one.base.as_ref());
            let warning = Diagnostic::warning(
                code::UNUSED_DISTRIBUTION,
                format!("no pipeline builds the distribution `{name}` of {path}"),
            );
            let place = text.and_then(|text| key_in(loaded, text.span.source, name));
            let warning = place.map_or(warning.clone(), |at| warning.label(at, "named by no pipeline and no base"));
            found.push(warning.help("add it to the choices of a parameter, or take it away"));
        }
    }
    found
}

fn with_bases<'a>(file: &'a DistributionsFile, named: &'a BTreeSet<String>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = named.iter().map(String::as_str).collect();
    while let Some(name) = open.pop() {
        if reached.insert(name) {
            open.extend(file.0.get(name).and_then(|one| one.base.as_ref()).map(|base| base.value.as_str()));
        }
    }
    reached
}

fn key_in(loaded: &Loaded, id: SourceId, key: &str) -> Option<Span> {
    let source = loaded.sources.get(id)?;
    parse(id, &source.text, &Limits::default(), &mut Vec::new())?.key_span(key)
}
