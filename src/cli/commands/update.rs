//! `update`: asks remotes again and moves the lock; and what a run adds to the lock.

use crate::base::code;
use crate::cli::args::UpdateArgs;
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::selection;
use crate::cli::workspace::{self, Workspace};
use crate::engine::outcome::RunOutcome;
use crate::event::{Event, EventSink};
use crate::graph::node::{CloneKind, Graph, Kind, Source};
use crate::layer::deflate::Recipe;
use crate::project::lock::Lock;
use crate::spec::lock::{LockFile, LockedSource, VERSION};

/// `update`.
///
/// # Errors
/// If a remote cannot be asked, or the lock cannot be written.
pub(in crate::cli) fn update(process: &Process, args: &UpdateArgs) -> Result<Exit, Stop> {
    if process.common.offline {
        return Err(Stop::usage(code::UNUSABLE_OPTION, "`update` asks remotes, and `--offline` forbids it"));
    }
    let selection = selection::select(process, &args.select)?;
    let root = selection.pipeline.root.clone();
    let _held = crate::cli::lock::lock_workspace(process, &root)?;
    let loaded = workspace::load_project(process, &selection)?;
    let mut lock = loaded.lock;
    let mut text = String::new();
    for clone in remote_clones(&loaded.graph) {
        let Source::Remote { url, pin } = &clone.source else { continue };
        let found = crate::exec::sources::ask(&process.user_cache(), &process.env, url, clone)
            .map_err(|error| Stop::environment(code::REMOTE, format!("{}: {error}", clone.repo)))?;
        let moved = match pin {
            None => {
                format!("{} {}: pinned at {} of {}\n", clone.repo, clone.reference, &found.commit[..12], found.date)
            }
            Some(old) if old.commit == found.commit => {
                format!("{} {}: unchanged at {}\n", clone.repo, clone.reference, &found.commit[..12])
            }
            Some(old) if old.tree == found.tree => {
                text.push_str(&format!(
                    "{} {}: {} is newer, but changes nothing in {}; {} stays\n",
                    clone.repo,
                    clone.reference,
                    &found.commit[..12],
                    clone.paths.join(", "),
                    &old.commit[..12]
                ));
                continue;
            }
            Some(old) => format!(
                "{} {}: {} of {} -> {} of {}\n",
                clone.repo,
                clone.reference,
                &old.commit[..12],
                old.date,
                &found.commit[..12],
                found.date
            ),
        };
        text.push_str(&moved);
        let source = locked(clone, &found);
        lock.local.sources.retain(|known| known.repo != source.repo || known.reference != source.reference);
        lock.file.pin(source);
    }
    fill(&mut lock.file, None);
    if lock.file.zip != Recipe::CURRENT.number {
        text.push_str(&format!("zip recipe: {} -> {}\n", lock.file.zip, Recipe::CURRENT.number));
        lock.file.zip = Recipe::CURRENT.number;
    }
    let out = args.out.as_deref().or(process.common.lock.as_deref());
    lock.write(&root, out).map_err(|(file, error)| {
        Stop::environment(code::CANNOT_WRITE, format!("cannot write {}: {error}", file.display()))
    })?;
    lock.write_local(&root).ok();
    print(&text);
    Ok(Exit::Ok)
}

fn remote_clones(graph: &Graph) -> impl Iterator<Item = &CloneKind> {
    graph.nodes.iter().filter_map(|node| match &node.kind {
        Kind::Clone(clone) if matches!(clone.source, Source::Remote { .. }) => Some(clone.as_ref()),
        _ => None,
    })
}

fn locked(clone: &CloneKind, pin: &crate::graph::node::Pin) -> LockedSource {
    LockedSource {
        repo: clone.repo.clone(),
        reference: clone.reference.clone(),
        paths: clone.paths.clone(),
        commit: pin.commit.clone(),
        tree: pin.tree.clone(),
        date: pin.date.clone(),
        branch: pin.branch,
    }
}

/// What every lock has.
fn fill(file: &mut LockFile, go: Option<&str>) {
    file.version = VERSION;
    if file.zip == 0 {
        file.zip = Recipe::CURRENT.number;
    }
    if file.go.is_none() {
        file.go = go.map(str::to_owned);
    }
}

/// Whether the sources were named by a flag: then their pins are this workspace's own.
fn from_flags(selection: &crate::cli::selection::Selection) -> bool {
    ["upstream-repo", "upstream-ref"].iter().any(|name| selection.sets.contains_key(*name))
}

/// Whether a run of this workspace may write the lock that is committed.
pub(in crate::cli) fn writes_lock(process: &Process, workspace: &Workspace) -> bool {
    let remote = remote_clones(&workspace.session.graph).next().is_some();
    remote && !from_flags(&workspace.selection) && !process.common.locked
}

/// Says which branches stand still: nobody should have to wonder why a push upstream changes nothing.
pub(in crate::cli) fn note_pinned_branches(workspace: &Workspace, sink: &mut dyn EventSink) {
    for clone in remote_clones(&workspace.session.graph) {
        if let Source::Remote { pin: Some(pin), .. } = &clone.source
            && pin.branch
        {
            let commit = &pin.commit[..7.min(pin.commit.len())];
            let message = format!("`{}` pinned at {commit} of {}; `ocelot update` moves it", clone.reference, pin.date);
            sink.event(&Event::Note { message });
        }
    }
}

/// With `--locked`, a source or module file that the lock does not have is refused.
///
/// # Errors
/// Every source that is not pinned.
pub(in crate::cli) fn check_locked(process: &Process, workspace: &Workspace) -> Result<(), Stop> {
    let unpinned: Vec<String> = remote_clones(&workspace.session.graph)
        .filter(|clone| matches!(&clone.source, Source::Remote { pin: None, .. }))
        .map(|clone| format!("`{}` at `{}`", clone.repo, clone.reference))
        .collect();
    if !process.common.locked || unpinned.is_empty() {
        return Ok(());
    }
    Err(Stop::environment(code::UNPINNED, format!("`--locked`, but ocelot.lock does not pin {}", unpinned.join(", ")))
        .hint("run `ocelot update`, and commit ocelot.lock"))
}

/// Adds to the lock what a run pinned or prepared. Refs given by a flag, local repositories and plain directories are
/// never in the lock that is committed.
pub(in crate::cli) fn save_after_run(
    process: &Process,
    workspace: &mut Workspace,
    outcome: &RunOutcome,
    sink: &mut dyn EventSink,
) {
    if outcome.pins.is_empty() && outcome.prepared.is_empty() {
        return;
    }
    let root = workspace.selection.pipeline.root.clone();
    let from_flags = from_flags(&workspace.selection);
    let graph = workspace.session.graph.clone();
    let lock: &mut Lock = &mut workspace.lock;
    for (id, pin) in &outcome.pins {
        if let Kind::Clone(clone) = &graph.node(*id).kind {
            let into = if from_flags { &mut lock.local } else { &mut lock.file };
            fill(into, None);
            into.pin(locked(clone, pin));
        }
    }
    let write_file = workspace.session.options.writes_lock;
    if write_file {
        for (key, (name, prepared)) in &outcome.prepared {
            lock.add_prepared(key, name, prepared);
        }
        fill(&mut lock.file, outcome.go.as_deref());
    }
    let pinned_here = from_flags && !outcome.pins.is_empty();
    let written = if pinned_here { lock.write_local(&root) } else { Ok(()) };
    let written =
        written.and_then(|()| if write_file { lock.write(&root, process.common.lock.as_deref()) } else { Ok(()) });
    if let Err((file, error)) = written {
        let message = format!("cannot write {}: {error}; the next run asks again", file.display());
        sink.event(&Event::Warning { code: code::CANNOT_WRITE, node: None, message });
    }
}
