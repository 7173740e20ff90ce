//! Build tags of distributions, checked against the sources before anything runs, wherever the sources are at hand. Go
//! ignores a tag that no file asks for, so a misspelt one would silently leave its component out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::base::diag::{self, Diagnostic, SourceMap};
use crate::base::id::NodeId;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::workspace::Workspace;
use crate::exec::sources::network_settings;
use crate::graph::node::{CloneKind, Kind, Resolve, Source};
use crate::layer::tags::{TagSet, known_tags};
use crate::outside::git::{
    Entry, EntryKind, GitId, GitRef, Limits, LocationContext, Mirrors, SourceLocation, SourceRepository, local,
    walk_plain,
};
use crate::spec::config::DistributionsFile;
use crate::spec::yaml;

/// Go files by path.
type Texts = Vec<(String, String)>;

/// Refuses unknown tags of the wanted `resolve` nodes, at the place that names them. Sources that are not at hand, or
/// broken, are left to the nodes that take them.
///
/// # Errors
/// All unknown tags.
pub(in crate::cli) fn check(process: &Process, workspace: &Workspace) -> Result<(), Stop> {
    let graph = &workspace.session.graph;
    let mut sources = SourceMap::default();
    let mut problems = Vec::new();
    let mut trees: BTreeMap<NodeId, Option<Texts>> = BTreeMap::new();
    let mut files: BTreeMap<&str, Option<DistributionsFile>> = BTreeMap::new();
    let root = &workspace.selection.pipeline.root;
    for id in graph.ids().filter(|id| workspace.wanted[id.index()]) {
        let node = graph.node(id);
        let (Kind::Resolve(resolve), Some(from)) = (&node.kind, node.field("source").next()) else { continue };
        let Kind::Clone(clone) = &graph.node(from).kind else { continue };
        let tree = trees.entry(from).or_insert_with(|| component_files(process, root, clone));
        let Some(known) = tree.as_ref().and_then(|tree| known(root, resolve, tree)) else { continue };
        let tags = TagSet::new(resolve.tags.iter().map(String::as_str));
        let unknown = tags.unknown(&known);
        if unknown.is_empty() {
            continue;
        }
        let file = files.entry(&resolve.file).or_insert_with(|| read(root, &resolve.file, &mut sources));
        for unknown in unknown {
            let place = file.as_ref().and_then(|file| file.place_of(&resolve.distribution, unknown.tag));
            let mut problem = Diagnostic::error(format!("unknown build tag `{}`", unknown.tag));
            if let Some(place) = place {
                problem = problem.label(place, "no `//go:build` line has this tag");
            }
            problems.push(problem.did_you_mean(unknown.suggestion).help(format!(
                "tags are those of the sources `{}` and of `{}`",
                clone.repo,
                resolve.components.as_deref().unwrap_or("config/components")
            )));
        }
    }
    diag::sort(&mut problems);
    problems.dedup();
    if problems.is_empty() {
        return Ok(());
    }
    Err(Stop { exit: Exit::Usage, text: diag::render(&sources, &problems, process.colors()) })
}

fn read(root: &Path, name: &str, sources: &mut SourceMap) -> Option<DistributionsFile> {
    let text = std::fs::read_to_string(root.join(name)).ok()?;
    let source = sources.add(name, text.as_str());
    yaml::read(source, &text, &yaml::Limits::default(), &mut Vec::new())
}

/// Every tag that the sources and the project's component files know.
fn known(root: &Path, resolve: &Resolve, tree: &Texts) -> Option<BTreeSet<String>> {
    let own = match &resolve.components {
        Some(folder) => plain_files(&root.join(folder), &[])?,
        None => Vec::new(),
    };
    let files = tree.iter().chain(&own).map(|(path, text)| (path.as_str(), text.as_str()));
    known_tags(files).ok()
}

/// The Go files of the sources where components register themselves, if they can be had without a network.
fn component_files(process: &Process, root: &Path, clone: &CloneKind) -> Option<Texts> {
    let (repository, commit) = match &clone.source {
        Source::Plain(path) => return plain_files(&root.join(path), &clone.paths),
        Source::Local(path) => {
            let path = root.join(path);
            let reference = GitRef::parse(&clone.reference).ok()?;
            let commit = local::resolve_local(&path, &reference).ok()?.commit;
            (path, commit)
        }
        Source::Remote { pin: None, .. } => return None,
        Source::Remote { url, pin: Some(pin) } => mirrored(process, root, url, pin.commit.parse().ok()?)?,
    };
    let repository = SourceRepository::open(&repository, &clone.repo).ok()?;
    let mut tree = repository.tree(commit, &clone.paths, Limits::default()).ok()?;
    tree.entries.retain(is_component_file);
    let mut texts = Texts::new();
    let read = repository.each_file(&tree, |entry, bytes| {
        texts.push((entry.path.clone(), String::from_utf8_lossy(bytes).into_owned()));
        Ok::<(), crate::outside::git::GitError>(())
    });
    read.ok().map(|()| texts)
}

fn mirrored(process: &Process, root: &Path, url: &str, commit: GitId) -> Option<(PathBuf, GitId)> {
    let context = LocationContext { project_root: root, allow_file_url: true };
    let SourceLocation::Remote(remote) = SourceLocation::parse(url, context).ok()? else { return None };
    let mirrors = Mirrors::new(&process.user_cache(), network_settings(&process.env, &remote));
    mirrors.has(&remote, commit).then(|| (mirrors.path(&remote), commit))
}

fn plain_files(folder: &Path, wanted: &[String]) -> Option<Texts> {
    let tree = walk_plain(folder, wanted, Limits::default()).ok()?;
    let files = tree.entries.iter().filter(|entry| is_component_file(entry));
    files.map(|entry| Some((entry.path.clone(), std::fs::read_to_string(folder.join(&entry.path)).ok()?))).collect()
}

fn is_component_file(entry: &Entry) -> bool {
    let path = &entry.path;
    matches!(entry.kind, EntryKind::File { .. })
        && path.ends_with(".go")
        && !path.ends_with("_test.go")
        && path.split('/').any(|folder| folder == "lambdacomponents")
}
