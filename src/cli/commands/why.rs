//! `why`: what a run would do about a node of the pipeline last run here, down to what really changed.

use std::fmt::Write as _;

use crate::action::verdict::Verdict;
use crate::base::clock::format_utc;
use crate::base::id::NodeId;
use crate::cli::args::{OfArgs, SelectArgs, WhyArgs};
use crate::cli::commands::{compare, plan, print};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::selection::{self, LastRun};
use crate::cli::workspace::{self, Workspace};

/// Opens the pipeline last run here, with the parameters it was run under unless others are given.
pub(super) fn open(process: &Process, node: &str, args: &OfArgs) -> Result<Box<Workspace>, Stop> {
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
    selection.targets = vec![node.to_owned()];
    workspace::open_node(process, selection, node)
}

/// `why`.
///
/// # Errors
/// If the project, the node or a run is wrong.
pub(in crate::cli) fn why(process: &Process, args: &WhyArgs) -> Result<Exit, Stop> {
    let node = match &args.words[..] {
        [] => return compare::last(process),
        [node] => node,
        [first, second, ..] => return compare::two(process, first, second),
    };
    let mut workspace = open(process, node, &args.of)?;
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
        let _ = writeln!(out, "{pad}{}: {} (row {})", node.name, would(decision.verdict), decision.row);
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

/// What a verdict comes to: whether the cache would be hit, or the work done.
fn would(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fresh => "fresh, would hit",
        Verdict::Restore => "would hit, and be laid out",
        Verdict::MayRun => "may run",
        Verdict::Ask => "would ask",
        Verdict::Run => "would run",
        Verdict::Skip => "would be skipped",
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
