//! `why` and `log`: one node of the pipeline last run here.

use std::fmt::Write as _;

use crate::action::verdict::Verdict;
use crate::base::clock::format_utc;
use crate::base::digest::BlobDigest;
use crate::base::id::NodeId;
use crate::cli::args::{NodeArgs, SelectArgs};
use crate::cli::commands::{plan, print};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::selection::{self, LastRun};
use crate::cli::workspace::{self, Workspace};
use crate::outside::process::terminal::{Colours, sanitize_for_terminal};

/// Opens the pipeline last run here, with the parameters it was run under unless others are given.
fn open(process: &Process, args: &NodeArgs) -> Result<Box<Workspace>, Stop> {
    let mut set = args.set.clone();
    if set.is_empty()
        && args.pipeline.is_none()
        && let Some(last) = LastRun::read(&process.dir)
    {
        let pairs = last.sets.iter().flat_map(|(name, values)| values.iter().map(move |v| format!("{name}={v}")));
        set.extend(pairs);
    }
    let select = SelectArgs { words: Vec::new(), pipeline: args.pipeline.clone(), set };
    let mut selection = selection::select(process, &select)?;
    selection.targets = vec![args.node.clone()];
    workspace::open_to_read(process, selection)
}

/// `why`.
///
/// # Errors
/// If the project or the node is wrong.
pub(in crate::cli) fn why(process: &Process, args: &NodeArgs) -> Result<Exit, Stop> {
    let mut workspace = open(process, args)?;
    let plan = plan::verdicts(process, &mut workspace)?;
    let mut out = String::new();
    for target in workspace.targets.clone() {
        explain(&workspace, &plan, target, &mut out);
    }
    print(&process.safe(&out));
    Ok(Exit::Ok)
}

fn explain(workspace: &Workspace, plan: &crate::engine::plan::Plan, target: NodeId, out: &mut String) {
    let session = &workspace.session;
    let mut id = target;
    let mut indent = 0;
    // From the node down to what it waits for: the chain ends at the first thing that really changed.
    while let Some(decision) = &plan.decisions[id.index()] {
        let node = session.graph.node(id);
        let pad = " ".repeat(indent);
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{pad}{}: {} (row {})", node.name, decision.verdict.word(), decision.row);
        for line in decision.reason.lines() {
            let _ = writeln!(out, "{pad}  {line}");
        }
        if decision.verdict == Verdict::Fresh {
            last_run(workspace, id, &pad, out);
        }
        let crate::action::verdict::Reason::Waits { dependency: next } = &decision.reason else { break };
        let Some(next) = session.graph.find(next) else { break };
        id = next;
        indent += 2;
    }
}

/// When the standing result was made, and why something was last done here.
fn last_run(workspace: &Workspace, id: NodeId, pad: &str, out: &mut String) {
    let memory = &workspace.session.memory[id.index()];
    if let Some(result) = memory.result.as_ref().filter(|result| result.ended_at > 0) {
        let _ = writeln!(out, "{pad}  made by run {} on {} UTC", result.run, format_utc(result.ended_at));
    }
    if let Some(last) = &memory.last_work {
        let _ = writeln!(out, "{pad}  last `{}` in run {}:", last.verdict, last.run);
        for line in &last.why {
            let _ = writeln!(out, "{pad}    {line}");
        }
    }
}

/// `log`.
///
/// # Errors
/// If there is no such node, or nothing was printed.
pub(in crate::cli) fn log(process: &Process, args: &NodeArgs) -> Result<Exit, Stop> {
    let workspace = open(process, args)?;
    let mut out = String::new();
    for target in &workspace.targets {
        let node = workspace.session.graph.node(*target);
        let memory = &workspace.session.memory[target.index()];
        let digest: Option<BlobDigest> = memory.failed_log.or(memory.result.as_ref().and_then(|result| result.log));
        let bytes = digest.and_then(|digest| workspace.session.cache.read_blob(&digest, u64::MAX));
        if workspace.targets.len() > 1 {
            let _ = writeln!(out, "==> {} <==", node.name);
        }
        match (digest, bytes) {
            (_, Some(bytes)) => out.push_str(&sanitize_for_terminal(&bytes, Colours::Keep)),
            (None, _) if memory.result.is_some() => {}
            (None, _) => return Err(Stop::usage(format!("`{}` has not run here", node.name))),
            (Some(_), None) => {
                return Err(Stop::new(Exit::Failure, format!("the log of `{}` is no longer in the cache", node.name)));
            }
        }
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    print(&process.safe(&out));
    Ok(Exit::Ok)
}
