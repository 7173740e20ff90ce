//! `graph --format html`: what is known of every node, gathered for the page.

use std::collections::BTreeMap;

use crate::action::result::ActionResult;
use crate::action::verdict::Verdict;
use crate::base::clock::format_utc;
use crate::base::digest::BlobDigest;
use crate::base::id::NodeId;
use crate::cli::commands::{plan, print};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::selection::Selection;
use crate::cli::workspace::{self, Workspace};
use crate::engine::job::pasteable;
use crate::engine::plan::Plan;
use crate::exec::budget::{self, Measured};
use crate::graph::build::does_work;
use crate::graph::check::Check;
use crate::graph::node::{Kind, Node};
use crate::outside::process::terminal::{Colours, sanitize_for_terminal};
use crate::report::page::{self, Page, PageLayer, PageNode};

/// Lines of a log that the page has.
const TAIL_LINES: usize = 40;
/// Above this many nodes, only failed ones have their log on the page, so that it opens at once.
const MOST_LOGS: usize = 2_000;

/// Prints the page of a selection.
///
/// # Errors
/// If the project or the targets are wrong.
pub(in crate::cli) fn page(process: &Process, selection: Selection) -> Result<Exit, Stop> {
    let mut workspace = workspace::open_to_read(process, selection)?;
    // A graph is worth a look even if the verdicts cannot be had; the page says why.
    let (plan, note) = match plan::verdicts(process, &mut workspace) {
        Ok(plan) => (Some(plan), None),
        Err(stop) => {
            let text = sanitize_for_terminal(stop.text.as_bytes(), Colours::Drop);
            (None, Some(format!("What a run would do is not known:\n{}", text.trim_end())))
        }
    };
    print(&page::html(&gather(&workspace, plan.as_ref(), note)));
    Ok(Exit::Ok)
}

fn gather(workspace: &Workspace, plan: Option<&Plan>, note: Option<String>) -> Page {
    let session = &workspace.session;
    let shown: Vec<NodeId> = session.graph.ids().filter(|id| workspace.wanted[id.index()]).collect();
    let index: BTreeMap<NodeId, usize> = shown.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let mut page = Page { name: session.graph.name.clone(), note, ..Page::default() };
    for id in &shown {
        let node = session.graph.node(*id);
        let memory = &session.memory[id.index()];
        let decision = plan.and_then(|plan| plan.decisions[id.index()].as_ref());
        let failed = memory.failed_log.is_some();
        let mut deps: Vec<usize> = node.deps().filter_map(|dep| index.get(&dep).copied()).collect();
        deps.sort_unstable();
        deps.dedup();
        let log = memory.failed_log.or(memory.result.as_ref().and_then(|result| result.log));
        let result = memory.result.as_ref();
        let ended = result.filter(|result| result.ended_at > 0);
        page.nodes.push(PageNode {
            name: node.name.clone(),
            base: node.base.clone(),
            kind: node.kind.name().to_owned(),
            state: match decision {
                Some(decision) if failed && decision.verdict != Verdict::Fresh => "failed".to_owned(),
                Some(decision) => decision.verdict.word().to_owned(),
                None => "unknown".to_owned(),
            },
            why: decision.map(|decision| decision.reason.lines().join("\n")).unwrap_or_default(),
            command: command(node),
            inputs: inputs(node),
            outputs: node.outputs().into_iter().map(str::to_owned).collect(),
            description: node.description.clone().unwrap_or_default(),
            log: log
                .filter(|_| failed || shown.len() <= MOST_LOGS)
                .map(|log| tail(workspace, &log))
                .unwrap_or_default(),
            duration_ms: result.filter(|_| does_work(node)).map(|result| result.duration_ms),
            ended: ended.map(|r| format!("{} UTC, run {}", format_utc(r.ended_at), r.run)).unwrap_or_default(),
            deps,
        });
        if let (Kind::Package(package), Some(result)) = (&node.kind, result) {
            let fact = |name: &str| result.fact(name).unwrap_or_default().to_owned();
            page.layers.push(PageLayer {
                node: index[id],
                distribution: fact("distribution"),
                arch: fact("arch"),
                file: package.output.clone().unwrap_or_default(),
                size: result.output("layer").map_or(0, |output| output.content.size()),
                ..PageLayer::default()
            });
        }
    }
    for id in &shown {
        if let (Kind::Check(check), Some(result)) = (&session.graph.node(*id).kind, &session.memory[id.index()].result)
        {
            add_measured(&mut page.layers, check, result);
        }
    }
    page
}

/// What a check knows of a layer that was packaged.
fn add_measured(layers: &mut [PageLayer], check: &Check, result: &ActionResult) {
    let is_it = |layer: &&mut PageLayer| {
        result.fact("distribution") == Some(&layer.distribution) && result.fact("arch") == Some(&layer.arch)
    };
    for layer in layers.iter_mut().filter(is_it) {
        let last = check.budgets.last.get(&layer.arch);
        let Measured { init_ms, memory, code } = budget::measured(result);
        layer.released = last.and_then(|last| Some((last.zip?, last.collector_version.clone())));
        (layer.init_ms, layer.memory, layer.code) = (init_ms, memory, code);
    }
}

/// The command of an `exec`, ready to paste; its variables are left out, for they may hold what is not for everybody.
fn command(node: &Node) -> String {
    match &node.kind {
        Kind::Exec(exec) => pasteable(exec, &[]),
        _ => String::new(),
    }
}

fn inputs(node: &Node) -> Vec<String> {
    match &node.kind {
        Kind::Exec(exec) => exec.inputs.clone(),
        Kind::Clone(clone) => vec![format!("{} at {}", clone.repo, clone.reference)],
        Kind::Resolve(resolve) => resolve.tags.clone(),
        _ => Vec::new(),
    }
}

/// The last lines of a stored log, without what only a terminal understands.
fn tail(workspace: &Workspace, log: &BlobDigest) -> String {
    let bytes = workspace.session.cache.read_blob(log, u64::MAX).unwrap_or_default();
    let text = sanitize_for_terminal(&bytes, Colours::Drop);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
