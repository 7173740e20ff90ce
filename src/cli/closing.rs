//! Sums up what a run did: for its last lines, and for the event `summary`.

use std::collections::BTreeMap;

use crate::action::topic::Topic;
use crate::base::id::NodeId;
use crate::base::shell::quote;
use crate::cli::ending::Ending;
use crate::cli::workspace::Workspace;
use crate::engine::outcome::RunOutcome;
use crate::event::Ended;
use crate::event::account::Account;
use crate::event::summary::{Artifact, FailedNode, Next, Reasons, Summary, Timed};
use crate::graph::build::does_work;
use crate::graph::node::{Kind, Node};
use crate::sched::critical;
use crate::sched::machine::End;

/// Slow nodes that a summary names.
const MOST_SLOW: usize = 10;
/// Artifacts that a summary names.
const MOST_ARTIFACTS: usize = 1_000;

/// What a run did, in sum.
pub(in crate::cli) fn summary(workspace: &Workspace, ending: &Ending<'_>, account: &Account) -> Summary {
    let outcome = ending.outcome;
    let graph = &workspace.session.graph;
    let timed = |id: &NodeId| Timed { node: graph.node(*id).name.clone(), duration_ms: outcome.worked_ms[id] };
    let mut slowest: Vec<Timed> = outcome.worked_ms.keys().map(timed).collect();
    slowest.sort_by_key(|timed| std::cmp::Reverse(timed.duration_ms));
    slowest.truncate(MOST_SLOW);
    Summary {
        run: account.run.clone(),
        reasons: reasons(account),
        cached: outcome.counts.fresh + outcome.counts.restored,
        saved_ms: saved_ms(workspace, outcome),
        saved_more: ending.is_partial,
        artifacts: artifacts(workspace, outcome),
        slowest,
        critical: critical::path(graph, &outcome.worked_ms).iter().map(timed).collect(),
        failed: account
            .failed
            .iter()
            .map(|failed| FailedNode { node: failed.node.clone(), message: failed.message.clone() })
            .collect(),
        next: next(workspace, outcome, account),
        root: workspace.selection.pipeline.root.clone(),
    }
}

fn reasons(account: &Account) -> Vec<Reasons> {
    let mut counts: BTreeMap<Topic, u64> = BTreeMap::new();
    for span in account.spans.iter().filter(|span| span.end != Ended::Fresh) {
        *counts.entry(Topic::of(&span.reason)).or_default() += 1;
    }
    let mut counts: Vec<(Topic, u64)> = counts.into_iter().collect();
    // Equally frequent ones stay in the order of their importance.
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().map(|(topic, count)| Reasons { what: topic.words().to_owned(), count }).collect()
}

/// How long the work took, when it was done, of nodes that needed none now.
fn saved_ms(workspace: &Workspace, outcome: &RunOutcome) -> u64 {
    let session = &workspace.session;
    let is_cached = |id: &NodeId| matches!(outcome.ends[id.index()], Some(End::Fresh | End::Restored));
    let nodes = session.graph.ids().filter(|id| is_cached(id) && does_work(session.graph.node(*id)));
    nodes.filter_map(|id| session.result(id)).map(|result| result.duration_ms).sum()
}

/// What was made or laid out for people, in the order of the graph.
fn artifacts(workspace: &Workspace, outcome: &RunOutcome) -> Vec<Artifact> {
    let session = &workspace.session;
    let mut is_read = vec![false; session.graph.nodes.len()];
    for id in session.graph.ids().filter(|id| workspace.wanted[id.index()]) {
        session.graph.node(id).deps().for_each(|dep| is_read[dep.index()] = true);
    }
    let was_made = |id: &NodeId| matches!(outcome.ends[id.index()], Some(End::Ran | End::Restored));
    let made = session.graph.ids().filter(was_made);
    made.flat_map(|id| of_node(workspace, id, is_read[id.index()])).take(MOST_ARTIFACTS).collect()
}

fn of_node(workspace: &Workspace, id: NodeId, is_read: bool) -> Vec<Artifact> {
    let session = &workspace.session;
    let node: &Node = session.graph.node(id);
    let Some(result) = session.result(id) else { return Vec::new() };
    let artifact = |place: &str, size| Artifact { node: node.name.clone(), place: place.to_owned(), size };
    match &node.kind {
        Kind::Publish(_) => result.fact("arn").map(|arn| artifact(arn, None)).into_iter().collect(),
        Kind::Release(_) => result.fact("url").map(|url| artifact(url, None)).into_iter().collect(),
        // A layer is what all is about, though checks and publications read it; its checksum stands beside it.
        Kind::Package(package) => {
            let zip = package.output.as_deref().zip(result.output("layer"));
            zip.map(|(path, output)| artifact(path, Some(output.content.size()))).into_iter().collect()
        }
        Kind::Report(_) => outputs(result, &artifact),
        _ if is_read => Vec::new(),
        _ => outputs(result, &artifact),
    }
}

fn outputs(
    result: &crate::action::result::ActionResult,
    artifact: &dyn Fn(&str, Option<u64>) -> Artifact,
) -> Vec<Artifact> {
    let kept = result.outputs.iter().filter_map(|output| Some((output.path.as_deref()?, &output.content)));
    kept.map(|(path, content)| artifact(path, Some(content.size()))).collect()
}

/// What a person most likely wants to know or do now.
fn next(workspace: &Workspace, outcome: &RunOutcome, account: &Account) -> Option<Next> {
    let say = |command: String, what: &str| Some(Next { command, what: what.to_owned() });
    if let Some(failed) = account.failed.iter().find(|failed| failed.is_logged) {
        return say(format!("ocelot log {}", quote(&failed.node)), "all that it printed");
    }
    if outcome.interrupted || !account.failed.is_empty() {
        return say("ocelot plan".to_owned(), "what is left to do");
    }
    let worked: Vec<_> = account.spans.iter().filter(|span| span.end == Ended::Ran).collect();
    if worked.iter().any(|span| span.kind == "publish") {
        return say("ocelot status".to_owned(), "what is there of it, in every region");
    }
    let is_new = |topic| matches!(topic, Topic::NeverRun | Topic::NeverDone);
    let is_first = worked.iter().all(|span| is_new(Topic::of(&span.reason)));
    match worked.len() {
        0 | 1 => None,
        _ if is_first => say("ocelot graph".to_owned(), "what waits for what"),
        _ => say("ocelot why --last".to_owned(), "what changed, with old and new values"),
    }
    .filter(|_| workspace.wanted_count() > 1)
}
