//! `list`: what there is to choose from.

use std::fmt::Write as _;
use std::path::Path;

use crate::base::code;
use crate::base::diag::SourceMap;
use crate::cli::args::{ListArgs, ListWhat, SelectArgs};
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::selection;
use crate::cli::workspace::{self, Workspace};
use crate::graph::build::does_work;
use crate::graph::node::Kind;
use crate::project::around::{DISTRIBUTIONS, REGIONS};
use crate::project::find;
use crate::spec::config::{DistributionsFile, RegionsFile};
use crate::spec::yaml::{Limits, read};

/// `list`.
///
/// # Errors
/// If a file that is read is wrong.
pub(in crate::cli) fn list(process: &Process, args: &ListArgs) -> Result<Exit, Stop> {
    if args.since.is_some() && args.what != ListWhat::Nodes {
        return Err(Stop::usage(code::UNUSABLE_OPTION, "`--since` goes with `list nodes`"));
    }
    let text = match args.what {
        ListWhat::Distributions => distributions(process)?,
        ListWhat::Components => components(&process.dir),
        ListWhat::Nodes => nodes(process, args)?,
        ListWhat::Regions => regions(process)?,
        ListWhat::Pipelines => find::names(&process.dir).iter().map(|name| format!("{name}\n")).collect(),
    };
    print(&text);
    Ok(Exit::Ok)
}

/// Reads a file of the project strictly.
pub(in crate::cli) fn read_file<T: serde::de::DeserializeOwned>(
    process: &Process,
    name: &str,
) -> Result<(T, SourceMap), Stop> {
    let bytes = std::fs::read(process.dir.join(name)).map_err(|error| {
        Stop::usage(code::UNREADABLE_ARGUMENT, format!("cannot read `{name}`: {error}"))
            .hint("run this in a project's root")
    })?;
    let mut sources = SourceMap::default();
    let mut problems = Vec::new();
    let value = match sources.add_bytes(name, bytes) {
        Ok(source) => {
            let text = sources.get(source).map(|source| source.text.clone()).unwrap_or_default();
            read(source, &text, &Limits::default(), &mut problems)
        }
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    match value {
        Some(value) => Ok((value, sources)),
        None => Err(Stop::shown(process, &process.dir, Exit::Usage, &sources, &problems)),
    }
}

fn distributions(process: &Process) -> Result<String, Stop> {
    let (file, sources): (DistributionsFile, _) = read_file(process, DISTRIBUTIONS)?;
    let problems = file.problems();
    if !problems.is_empty() {
        return Err(Stop::shown(process, &process.dir, Exit::Usage, &sources, &problems));
    }
    let mut out = String::new();
    for name in file.0.keys() {
        let folded = file
            .resolve(name, crate::base::diag::Span::default())
            .map_err(|problem| Stop::usage(problem.code, problem.message))?;
        let description = folded.description.lines().next().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name}: {description}");
        let _ = writeln!(out, "  config: {}", folded.config_file.as_deref().unwrap_or("upstream's own"));
        for tag in &folded.tags {
            let _ = writeln!(out, "  {}", tag.strip_prefix("lambdacomponents.").unwrap_or(tag));
        }
    }
    Ok(out)
}

/// Custom component files: `exporter.awss3`.
fn components(dir: &Path) -> String {
    let base = dir.join("config/components/collector/lambdacomponents");
    let mut found = Vec::new();
    for category in std::fs::read_dir(&base).into_iter().flatten().flatten() {
        for file in std::fs::read_dir(category.path()).into_iter().flatten().flatten() {
            let path = file.path();
            if path.extension().is_some_and(|ext| ext == "go")
                && let Some(stem) = path.file_stem()
            {
                found.push(format!("{}.{}\n", category.file_name().to_string_lossy(), stem.to_string_lossy()));
            }
        }
    }
    found.sort();
    found.concat()
}

fn regions(process: &Process) -> Result<String, Stop> {
    let (file, _): (RegionsFile, _) = read_file(process, REGIONS)?;
    let mut out = String::new();
    for (name, region) in &file.regions {
        let listed = if file.publish.iter().any(|p| p.value == *name) { " *" } else { "" };
        let _ = writeln!(out, "{name}: {}, {} ({}){listed}", region.name, region.geography, file.partition(name));
    }
    out.push_str("* published to by `--region all`\n");
    Ok(out)
}

fn nodes(process: &Process, args: &ListArgs) -> Result<String, Stop> {
    let select = SelectArgs { words: Vec::new(), pipeline: args.pipeline.clone(), set: args.set.clone() };
    let selection = selection::select(process, &select)?;
    let mut workspace = workspace::open_to_read(process, selection)?;
    let reached = match &args.since {
        Some(since) => Some(reached_since(process, &mut workspace, since)?),
        None => None,
    };
    let graph = &workspace.session.graph;
    let listed = graph.ids().filter(|id| reached.as_ref().is_none_or(|reached| reached[id.index()]));
    Ok(listed.map(|id| format!("{}\n", graph.node(id).name)).collect())
}

/// The nodes that files changed since a commit reach.
fn reached_since(process: &Process, workspace: &mut Workspace, since: &str) -> Result<Vec<bool>, Stop> {
    let root = workspace.selection.pipeline.root.clone();
    let changed = crate::outside::git::changes::changed_since(&root, since)
        .map_err(|error| Stop::usage(code::UNREADABLE_GIT, error))?;
    super::run::prepare(process, workspace)?;
    let session = &workspace.session;
    let global = [workspace.selection.pipeline.file.as_str(), "ocelot.lock"];
    let everything = changed.iter().any(|path| global.contains(&path.as_str()));
    let mut reached = vec![everything; session.graph.nodes.len()];
    for id in session.graph.ids() {
        let node = session.graph.node(id);
        let own = does_work(node) && session.reads_any(id, &changed);
        let config = matches!(node.kind, Kind::Resolve(_)) && changed.iter().any(|path| path == DISTRIBUTIONS);
        let below = node.deps().any(|dep| reached[dep.index()]);
        reached[id.index()] |= own || config || below;
    }
    Ok(reached)
}
