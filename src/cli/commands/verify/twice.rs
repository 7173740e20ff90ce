//! `verify --twice`: does the work of nodes once more, in a fresh copy of the project, and compares what came out.

use std::collections::BTreeMap;

use crate::action::result::{ActionResult, Content};
use crate::base::code;
use crate::base::id::NodeId;
use crate::cli::args::{HowArgs, SelectArgs, VerifyArgs};
use crate::cli::commands::run::{RunRequest, run_selection};
use crate::cli::commands::verify::fresh_copy;
use crate::cli::exit::{Exit, Stop};
use crate::cli::lock::lock_workspace;
use crate::cli::process::Process;
use crate::cli::selection::{self, Selection};
use crate::cli::sink;
use crate::cli::workspace::{self, Mode, Workspace};
use crate::event::Event;
use crate::exec::outputs::remove_any;
use crate::graph::node::Class;

/// `verify --twice`.
///
/// # Errors
/// If the project or the targets are wrong, or the copy cannot be made.
pub(super) fn verify(process: &Process, args: &VerifyArgs) -> Result<Exit, Stop> {
    let select = SelectArgs { words: Vec::new(), pipeline: args.pipeline.clone(), set: args.set.clone() };
    let mut selection = selection::select(process, &select)?;
    selection.targets.clone_from(&args.twice);
    let as_found = workspace::open_to_read(process, selection.clone())?;
    refuse(&as_found)?;
    let how = HowArgs::default();
    let request = RunRequest { selection: selection.clone(), how: &how, extra_args: &[], mode: Mode::Write };
    let exit = run_selection(process, request)?.exit;
    if exit != Exit::Ok {
        return Ok(exit);
    }
    let root = selection.pipeline.root.clone();
    let _held = lock_workspace(process, &root)?;
    let first = workspace::open_to_read(process, selection.clone())?;
    fresh_copy::with(process, &root, |there| again(process, &first, selection, there))
}

/// Only what makes the same of the same can be held to it, and nothing is done twice that has an effect.
fn refuse(workspace: &Workspace) -> Result<(), Stop> {
    let graph = &workspace.session.graph;
    for id in graph.ids().filter(|id| workspace.wanted[id.index()]) {
        let node = graph.node(id);
        let is_target = workspace.targets.contains(&id);
        if node.class == Class::Effect {
            return Err(Stop::usage(
                code::UNSUITABLE_TARGET,
                format!("`{}` has an effect, which is not done twice", node.name),
            )
            .hint("name nodes that are pure and need no node with an effect"));
        }
        if is_target && node.class != Class::Pure {
            return Err(Stop::usage(
                code::UNSUITABLE_TARGET,
                format!("`{}` is not pure: it may give something else each time", node.name),
            ));
        }
    }
    Ok(())
}

/// Runs the targets in the copy, where no output of theirs stands and the cache is not written.
fn again(process: &Process, first: &Workspace, mut selection: Selection, there: &Process) -> Result<Exit, Stop> {
    let copy = &there.dir;
    let graph = &first.session.graph;
    for id in graph.ids().filter(|id| first.wanted[id.index()]) {
        for output in graph.node(id).outputs() {
            remove_any(&copy.join(output.trim_end_matches('/'))).map_err(|error| {
                Stop::environment(code::CANNOT_WRITE, format!("cannot remove the copy of `{output}`: {error}"))
            })?;
        }
    }
    selection.pipeline.root.clone_from(copy);
    let how = HowArgs { force: selection.targets.clone(), ..HowArgs::default() };
    let report = run_selection(there, RunRequest { selection, how: &how, extra_args: &[], mode: Mode::Discard })?;
    let Some(second) = report.workspace.filter(|_| report.exit == Exit::Ok) else { return Ok(report.exit) };
    let mut sink = sink::of(process);
    let mut exit = Exit::Ok;
    for &target in &first.targets {
        let node = graph.node(target).name.clone();
        match difference(first, &second, target) {
            None => sink.event(&Event::Note { message: format!("`{node}` made the same twice") }),
            Some(message) => {
                sink.event(&Event::Warning { code: code::NOT_REPRODUCIBLE, node: Some(node), message });
                exit = Exit::Failure;
            }
        }
    }
    Ok(exit)
}

/// The first thing in which two results of a node differ, in words.
fn difference(first: &Workspace, second: &Workspace, target: NodeId) -> Option<String> {
    let name = &first.session.graph.node(target).name;
    let memory = |workspace: &Workspace| {
        let memory = &workspace.session.memory[workspace.session.graph.find(name)?.index()];
        Some((memory.action?, memory.result.clone()?))
    };
    let (Some((action, one)), Some((same, two))) = (memory(first), memory(second)) else {
        return Some("has no result to compare".to_owned());
    };
    if action != same {
        return Some("cannot be compared: what it reads is something else in a copy of the project".to_owned());
    }
    let (made, made_again) = (contents(first, &one), contents(second, &two));
    let paths = made.keys().chain(made_again.keys());
    let differing = paths.min_by_key(|path| (made.get(*path) == made_again.get(*path), *path));
    if let Some(path) = differing.filter(|path| made.get(*path) != made_again.get(*path)) {
        let said = |content: Option<&Content>| content.map_or_else(|| "nothing".to_owned(), Content::value);
        let (one, two) = (said(made.get(path)), said(made_again.get(path)));
        return Some(format!("made another `{path}` the second time: {one}, then {two}"));
    }
    let fact = one.facts.iter().find(|(fact, value)| two.fact(fact) != Some(value))?;
    Some(format!("said something else of `{}` the second time: {}", fact.0, fact.1))
}

/// Every file of a result by path.
fn contents(workspace: &Workspace, result: &ActionResult) -> BTreeMap<String, Content> {
    let mut found = BTreeMap::new();
    for output in &result.outputs {
        let name = output.name.trim_end_matches('/');
        let listing = match &output.content {
            Content::Tree { listing, .. } => workspace.session.listing(listing),
            Content::File(_) | Content::Symlink(_) => None,
        };
        match listing {
            Some(listing) => {
                found.extend(listing.0.into_iter().map(|(path, content)| (format!("{name}/{path}"), content)));
            }
            None => drop(found.insert(name.to_owned(), output.content.clone())),
        }
    }
    found
}
