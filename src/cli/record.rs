//! What a run leaves in the history of its workspace, and who reads it.

use std::collections::BTreeMap;

use crate::action::topic::Topic;
use crate::base::digest::ActionDigest;
use crate::base::id::NodeId;
use crate::cli::ending::Ending;
use crate::cli::lock::without_values;
use crate::cli::workspace::Workspace;
use crate::event::Ended;
use crate::event::account::{Account, Span};
use crate::event::record::{NodeRecord, RunRecord};
use crate::sched::machine::End;
use crate::store::history::History;

/// By node: the action whose result stood before a run.
pub(in crate::cli) struct Before(Vec<Option<ActionDigest>>);

impl Before {
    /// As it stands now.
    pub(in crate::cli) fn of(workspace: &Workspace) -> Self {
        Self(workspace.session.memory.iter().map(|memory| memory.explained).collect())
    }
}

/// What is kept of a run; `saved_ms` is the work that the cache saved.
pub(in crate::cli) fn record(
    workspace: &Workspace,
    ending: &Ending<'_>,
    account: &Account,
    saved_ms: u64,
) -> RunRecord {
    // Of a node that was done twice, the last time counts.
    let spans: BTreeMap<&str, &Span> = account.spans.iter().map(|span| (span.node.as_str(), span)).collect();
    let graph = &workspace.session.graph;
    let wanted = graph.ids().filter(|id| workspace.wanted[id.index()]);
    let nodes = wanted.filter_map(|id| {
        let span = spans.get(graph.node(id).name.as_str()).copied();
        let end = ending.outcome.ends[id.index()]?;
        let mut node = node_record(workspace, end, span, ending.before.0[id.index()], id)?;
        let lines = if spans.len() <= RunRecord::MOST_EXPLAINED { RunRecord::MOST_LINES } else { 0 };
        node.why.truncate(lines);
        Some(node)
    });
    let clock = &ending.process.clock;
    let took_ms = clock.elapsed_ms();
    RunRecord {
        run: account.run.clone(),
        pipeline: workspace.selection.pipeline.file.clone(),
        key: workspace.key.to_hex(),
        command: without_values(std::env::args().skip(1)).join(" "),
        started_at: clock.unix_seconds().saturating_sub(took_ms / 1_000),
        took_ms,
        exit: ending.exit.code(),
        counts: ending.outcome.counts,
        saved_ms,
        nodes: nodes.take(RunRecord::MOST_NODES).collect(),
    }
}

/// What is kept of a node; nothing of one that is what it was.
fn node_record(
    workspace: &Workspace,
    end: End,
    span: Option<&Span>,
    before: Option<ActionDigest>,
    id: NodeId,
) -> Option<NodeRecord> {
    let (node, memory) = (workspace.session.graph.node(id), &workspace.session.memory[id.index()]);
    let is_same = memory.action == before || memory.action.is_none();
    if span.is_none() && end != End::Failed && (is_same || end == End::Skipped) {
        return None;
    }
    let log = memory.failed_log.or(memory.result.as_ref().and_then(|result| result.log));
    Some(NodeRecord {
        node: node.name.clone(),
        kind: node.kind.name().to_owned(),
        end: Ended::from(end),
        duration_ms: span.map_or(0, |span| span.duration_ms),
        topic: span.map_or(Topic::Other, |span| Topic::of(&span.reason)),
        why: span.map(|span| span.reason.lines()).unwrap_or_default(),
        before,
        after: memory.action.filter(|_| end.is_success()),
        log: log.filter(|_| span.is_some()),
    })
}

/// Adds a run to the history of its workspace, if it did something.
///
/// # Errors
/// In words, if it cannot be written.
pub(in crate::cli) fn keep(workspace: &Workspace, record: &RunRecord) -> Result<(), String> {
    if record.nodes.is_empty() && record.counts.skipped == 0 {
        return Ok(());
    }
    let history = History::new(workspace.state.path());
    let failed = |error| format!("the history {} cannot be written: {error}", history.path().display());
    history.append(&record.encode()).map(drop).map_err(failed)
}

/// One run of the history, with its number.
pub(in crate::cli) struct Numbered {
    /// Counts the runs of the workspace.
    pub(in crate::cli) number: u64,
    /// The run.
    pub(in crate::cli) record: RunRecord,
}

/// Every run that the history has, oldest first; what cannot be read is left out.
pub(in crate::cli) fn read(history: &History) -> Vec<Numbered> {
    let entries = history.read().into_iter();
    entries
        .filter_map(|entry| Some(Numbered { number: entry.number, record: RunRecord::decode(&entry.record)? }))
        .collect()
}
