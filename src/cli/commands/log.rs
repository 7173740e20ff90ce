//! `log`: what a node printed, in its last run or an earlier one.

use std::fmt::Write as _;

use crate::base::code;
use crate::base::digest::BlobDigest;
use crate::base::id::NodeId;
use crate::cli::args::LogArgs;
use crate::cli::commands::{compare, follow, history, print, why};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::record::Numbered;
use crate::event::record::NodeRecord;
use crate::outside::process::terminal::{Colours, sanitize_for_terminal};
use crate::store::cache::Cache;
use crate::store::cache_options::Access;

/// `log`.
///
/// # Errors
/// If there is no such node or run, or nothing was printed.
pub(in crate::cli) fn log(process: &Process, args: &LogArgs) -> Result<Exit, Stop> {
    let text = match &args.run {
        Some(run) => of_run(process, &args.node.node, run)?,
        None if args.follow => of_now(process, args)?,
        None => of_last(process, args)?,
    };
    print(&process.safe(&text));
    Ok(Exit::Ok)
}

/// Follows a run that is at work; what is printed otherwise: of one that is not, what the last one printed.
fn of_now(process: &Process, args: &LogArgs) -> Result<String, Stop> {
    let (root, nodes) = {
        let workspace = why::open(process, &args.node.node, &args.node.of)?;
        let name = |id: &NodeId| workspace.session.graph.node(*id).name.clone();
        (workspace.selection.pipeline.root.clone(), workspace.targets.iter().map(name).collect::<Vec<_>>())
    };
    match follow::follow(process, &root, &nodes) {
        true => Ok(String::new()),
        false => of_last(process, args),
    }
}

/// What nodes printed when they last ran.
fn of_last(process: &Process, args: &LogArgs) -> Result<String, Stop> {
    let workspace = why::open(process, &args.node.node, &args.node.of)?;
    let mut logs = Vec::new();
    for target in &workspace.targets {
        let name = workspace.session.graph.node(*target).name.as_str();
        let memory = &workspace.session.memory[target.index()];
        let log = memory.failed_log.or(memory.result.as_ref().and_then(|result| result.log));
        if log.is_none() && memory.result.is_none() {
            return Err(Stop::usage(code::NEVER_RAN, format!("`{name}` has not run here")));
        }
        logs.push((name, log));
    }
    shown(&workspace.session.cache, &logs)
}

/// What the instances of a node printed in one run.
fn of_run(process: &Process, node: &str, run: &str) -> Result<String, Stop> {
    let runs = history::of(process)?;
    let at = compare::find(&runs, run)?;
    let instance = format!("{node}[");
    let is_meant = |done: &&NodeRecord| done.node == node || done.node.starts_with(&instance);
    let logs: Vec<_> =
        runs[at].record.nodes.iter().filter(is_meant).map(|done| (done.node.as_str(), done.log)).collect();
    if logs.is_empty() {
        return Err(did_nothing(&runs, at, node, &is_meant));
    }
    shown(&process.open_cache(Access::ReadOnly, None)?, &logs)
}

/// Says in which run a node did something, if in any.
fn did_nothing(runs: &[Numbered], at: usize, node: &str, is_meant: &dyn Fn(&&NodeRecord) -> bool) -> Stop {
    let number = runs[at].number;
    let stop = Stop::usage(code::NEVER_RAN, format!("run {number} did nothing about `{node}`"));
    let worked = |run: &&Numbered| run.record.nodes.iter().any(|done| is_meant(&done));
    let (before, after) = (runs[..at].iter().rev().find(worked), runs[at..].iter().find(worked));
    match before.or(after) {
        Some(other) => stop.hint(format!("run {} did: `ocelot log {node} --run {}`", other.number, other.number)),
        None => stop.hint("no run in the history did; `ocelot list nodes` lists the nodes that there are"),
    }
}

/// The logs one after the other, under their names if there are several.
fn shown(cache: &Cache, logs: &[(&str, Option<BlobDigest>)]) -> Result<String, Stop> {
    let mut out = String::new();
    for (name, log) in logs {
        if logs.len() > 1 {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "==> {name} <==");
        }
        let Some(digest) = log else { continue };
        match cache.read_blob(digest, u64::MAX) {
            Some(bytes) => out.push_str(&sanitize_for_terminal(&bytes, Colours::Keep)),
            None => {
                return Err(Stop::new(
                    code::LOG_GONE,
                    Exit::Failure,
                    format!("the log of `{name}` is no longer in the cache"),
                ));
            }
        }
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
    }
    Ok(out)
}
