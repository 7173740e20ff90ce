//! Build tags that no source knows, shown in the distributions file: before a run if the sources can be read then.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::code;
use crate::base::diag::{self, Diagnostic};
use crate::base::id::NodeId;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::workspace::{self, Workspace};
use crate::exec::known_tags::known_tags;
use crate::graph::node::{CloneKind, Kind, Pin, Resolve};
use crate::layer::component::parse_component_tag;
use crate::layer::tags::{TAG_PREFIX, TagSet};
use crate::project::load::Loaded;
use crate::spec::config::DistributionsFile;

/// Looks at the `resolve` nodes of a run whose tags are not those that were resolved the last time.
///
/// # Errors
/// Tags that the sources do not know, as far as that can be told before anything runs.
pub(in crate::cli) fn refuse(process: &Process, workspace: &Workspace) -> Result<(), Stop> {
    let session = &workspace.session;
    let is_new = |id: &NodeId| {
        let Kind::Resolve(k) = &session.graph.node(*id).kind else { return false };
        let result = session.memory[id.index()].result.as_ref();
        let resolved = result.and_then(|result| result.fact("tags"));
        resolved != Some(tag_set(&k.tags).to_string().as_str())
    };
    let ids: Vec<NodeId> = nodes(workspace, true).filter(is_new).collect();
    shown(process, workspace, &ids, &BTreeMap::new()).map_or(Ok(()), Err)
}

/// The picture of every unknown tag of these `resolve` nodes, if there is one.
pub(in crate::cli) fn shown(
    process: &Process,
    workspace: &Workspace,
    ids: &[NodeId],
    pins: &BTreeMap<NodeId, Pin>,
) -> Option<Stop> {
    let mut check = Check::new(process, workspace, pins);
    if !ids.iter().any(|id| check.is_wrong(*id)) {
        return None;
    }
    // Places are read from the files only now: no record and no digest depends on them.
    let loaded = workspace::load_project(process, &workspace.selection).ok()?;
    let problems: Vec<Diagnostic> = ids.iter().flat_map(|id| check.problems(*id, &loaded)).collect();
    stop(process, workspace, &loaded, problems)
}

/// The picture of every unknown tag of any node of the pipeline, a target or not, if there is one.
pub(in crate::cli) fn of_everything(process: &Process, workspace: &Workspace, loaded: &Loaded) -> Option<Stop> {
    let pins = BTreeMap::new();
    let mut check = Check::new(process, workspace, &pins);
    let mut problems = Vec::new();
    for id in nodes(workspace, false) {
        problems.extend(check.problems(id, loaded));
    }
    stop(process, workspace, loaded, problems)
}

fn stop(process: &Process, workspace: &Workspace, loaded: &Loaded, mut problems: Vec<Diagnostic>) -> Option<Stop> {
    diag::sort(&mut problems);
    problems.dedup();
    let root = &workspace.selection.pipeline.root;
    (!problems.is_empty()).then(|| Stop::shown(process, root, Exit::Usage, &loaded.sources, &problems))
}

/// The `resolve` nodes, wanted or all, whose sources no other node may be making.
fn nodes(workspace: &Workspace, wanted: bool) -> impl Iterator<Item = NodeId> {
    let graph = &workspace.session.graph;
    graph.ids().filter(move |id| {
        let node = graph.node(*id);
        let mut deps = node.deps();
        let source = deps.next().filter(|_| deps.next().is_none());
        matches!(node.kind, Kind::Resolve(_))
            && (!wanted || workspace.wanted[id.index()])
            && source.is_some_and(|source| graph.node(source).edges.is_empty())
    })
}

fn tag_set(tags: &[String]) -> TagSet {
    TagSet::new(tags.iter().map(String::as_str))
}

/// Where the file of a component of the project would be that has this tag.
fn own_file(k: &Resolve, tag: &str) -> Option<String> {
    let (category, name) = parse_component_tag(tag)?;
    let components = k.components.as_ref()?.trim_end_matches('/');
    Some(format!("{components}/collector/lambdacomponents/{category}/{name}.go"))
}

/// Remembers what sources know.
struct Check<'a> {
    process: &'a Process,
    workspace: &'a Workspace,
    pins: &'a BTreeMap<NodeId, Pin>,
    known: BTreeMap<(NodeId, Option<String>), Option<BTreeSet<String>>>,
}

impl<'a> Check<'a> {
    fn new(process: &'a Process, workspace: &'a Workspace, pins: &'a BTreeMap<NodeId, Pin>) -> Self {
        Self { process, workspace, pins, known: BTreeMap::new() }
    }

    fn node(&self, id: NodeId) -> Option<(&'a Resolve, NodeId, &'a CloneKind)> {
        let graph = &self.workspace.session.graph;
        let Kind::Resolve(k) = &graph.node(id).kind else { return None };
        let source = graph.node(id).field("source").next()?;
        let Kind::Clone(clone) = &graph.node(source).kind else { return None };
        Some((k, source, clone))
    }

    /// Tags of a distribution that the sources of a node do not know, each with what was probably meant: the nearest,
    /// or all of its category.
    fn strangers(&mut self, id: NodeId, tags: &[String]) -> Vec<(String, Vec<String>)> {
        let Some((k, source, clone)) = self.node(id) else { return Vec::new() };
        let (process, workspace, pins) = (self.process, self.workspace, self.pins);
        let known = self.known.entry((source, k.components.clone())).or_insert_with(|| {
            let root = &workspace.selection.pipeline.root;
            known_tags(root, &process.user_cache(), clone, pins.get(&source), k.components.as_deref())
        });
        let Some(known) = known else { return Vec::new() };
        let tags = tag_set(tags);
        let unknown = tags.unknown(known).into_iter();
        let category = |tag: &str| tag.rsplit_once('.').map(|(category, _)| category.to_owned());
        let is_like = |tag: &str, other: &str| category(other) == category(tag) && !other.ends_with(".all");
        let like = |tag: &str| known.iter().filter(|other| is_like(tag, other)).cloned().collect();
        unknown
            .map(|unknown| {
                let near = unknown.suggestion.map_or_else(|| like(unknown.tag), |near| vec![near.to_owned()]);
                (unknown.tag.to_owned(), near)
            })
            .collect()
    }

    fn is_wrong(&mut self, id: NodeId) -> bool {
        self.node(id).is_some_and(|(k, ..)| !self.strangers(id, &k.tags).is_empty())
    }

    fn problems(&mut self, id: NodeId, loaded: &Loaded) -> Vec<Diagnostic> {
        let Some((k, _, clone)) = self.node(id) else { return Vec::new() };
        let node = self.workspace.session.graph.node(id);
        let at_node = loaded.node_spans.get(&node.base).copied().unwrap_or_default();
        // Several files may have a distribution of this name.
        let is_same = |file: &&DistributionsFile| {
            file.resolve(&k.distribution, at_node).is_ok_and(|folded| folded.tags == k.tags)
        };
        let file = loaded.distributions.values().find(is_same);
        let span = |tag: &str| file.and_then(|file| file.tag_span(&k.distribution, tag));
        let mut problems = Vec::new();
        for (tag, near) in self.strangers(id, &k.tags) {
            // A tag that is only implied has no place of its own.
            let at = span(&tag).unwrap_or(at_node);
            let is_short = loaded.sources.slice(at).is_some_and(|text| !text.contains(TAG_PREFIX));
            let short = |tag: &String| match tag.strip_prefix(TAG_PREFIX) {
                Some(rest) if is_short => rest.to_owned(),
                _ => tag.clone(),
            };
            let near: Vec<String> = near.iter().map(short).collect();
            let own = k.components.as_ref().map(|folder| format!(" and the files of `{folder}`"));
            let problem = Diagnostic::error(code::UNKNOWN_BUILD_TAG, format!("unknown build tag `{tag}`"))
                .label(at, "no `//go:build` line has this tag")
                .note(format!("looked for in the sources `{}`{}", clone.repo, own.unwrap_or_default()));
            let problem = match near.as_slice() {
                [] => problem,
                [near] => problem.did_you_mean(Some(near)),
                several => problem.help(format!("there are: {}", several.join(", "))),
            };
            problems.push(match (near.as_slice(), own_file(k, &tag)) {
                ([] | [_, _, ..], Some(file)) => problem.help(format!(
                    "a component of your own has its file: `{file}`, with this tag in its `//go:build` line"
                )),
                _ => problem,
            });
        }
        problems
    }
}
