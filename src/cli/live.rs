//! Asking what is there of the layers that a pipeline publishes: for `status`, `plan --live` and `verify`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::action::result::ActionResult;
use crate::cli::workspace::Workspace;
use crate::exec::live::{Live, live};
use crate::exec::registries::Registries;
use crate::graph::node::{Kind, Publish, Role};
use crate::outside::registry::RegistryError;

/// One `publish` node and the layer it ships.
pub(in crate::cli) struct Asked<'a> {
    /// The node's name.
    pub(in crate::cli) node: &'a str,
    /// What it declares.
    pub(in crate::cli) publish: &'a Publish,
    /// What it ships, once that is built.
    pub(in crate::cli) layer: Option<&'a ActionResult>,
}

/// What is there; `None` for a layer that is not built.
pub(in crate::cli) type Answer = Result<Option<Live>, RegistryError>;

/// The wanted `publish` nodes of a workspace whose verdicts are known.
pub(in crate::cli) fn asked(workspace: &Workspace) -> Vec<Asked<'_>> {
    let session = &workspace.session;
    let wanted = session.graph.ids().filter(|id| workspace.wanted[id.index()]);
    wanted
        .filter_map(|id| {
            let node = session.graph.node(id);
            let Kind::Publish(publish) = &node.kind else { return None };
            let is_layer = |role: &Role| matches!(role, Role::Strict(field) if field == "layer");
            let layer = node.edges.iter().find(|edge| is_layer(&edge.role));
            let layer = layer.and_then(|edge| session.result(edge.to)).map(AsRef::as_ref);
            Some(Asked { node: &node.name, publish, layer })
        })
        .collect()
}

/// Asks region by region at once; within a region, one after the other.
pub(in crate::cli) fn ask(registries: &Registries, asked: &[Asked<'_>]) -> Vec<Answer> {
    each_region(
        asked,
        |one| &one.publish.region,
        |one| match one.layer {
            Some(layer) => live(registries, one.publish, layer).map(Some),
            None => Ok(None),
        },
    )
}

/// Answers in the order of `asked`: regions side by side, and within each, since it limits requests, one by one.
pub(in crate::cli) fn each_region<A: Sync, T: Send>(
    asked: &[A],
    region: impl Fn(&A) -> &str,
    answer: impl Fn(&A) -> T + Sync,
) -> Vec<T> {
    let mut regions: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, one) in asked.iter().enumerate() {
        regions.entry(region(one)).or_default().push(at);
    }
    let answer = &answer;
    let mut answers: Vec<(usize, T)> = std::thread::scope(|scope| {
        let threads: Vec<_> = regions
            .values()
            .map(|places| scope.spawn(|| places.iter().map(|at| (*at, answer(&asked[*at]))).collect::<Vec<_>>()))
            .collect();
        // A panic here is one there.
        threads.into_iter().flat_map(|thread| thread.join().expect("BUG: a thread of ours panicked")).collect()
    });
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Whether a run would do something about it.
pub(in crate::cli) fn is_due(answer: &Answer) -> bool {
    matches!(answer, Ok(None)) || matches!(answer, Ok(Some(live)) if live.is_due())
}

/// A word, and what there is to say beside it.
pub(in crate::cli) fn told(answer: &Answer) -> (&'static str, String) {
    match answer {
        Ok(None) => ("not built", "`plan` says what is to be built first".to_owned()),
        Err(error) => ("unknown", error.to_string()),
        Ok(Some(live)) => match live {
            Live::Absent => ("absent", String::new()),
            Live::Differs { versions } => {
                ("differs", format!("{versions} versions of this name, none with these bytes"))
            }
            Live::Equal { arn } => ("equal", arn.clone()),
            Live::NotShared { arn, lacking } => ("not shared", format!("{arn}: not with {}", lacking.join(", "))),
            Live::Wider { arn, with, .. } => ("wider", format!("{arn}: also with {}", with.join(", "))),
            Live::Duplicate { arn, others } => ("duplicate", format!("{arn}; the same again: {}", others.join(", "))),
            Live::RowMissing { arn } => ("no row", format!("{arn}: the metadata table has no row of it")),
            Live::NotEnabled => ("not enabled", "the account has not enabled the region".to_owned()),
        },
    }
}

/// What is known of one `publish` node, for machines.
#[derive(Serialize)]
pub(in crate::cli) struct Line<'a> {
    node: &'a str,
    region: &'a str,
    #[serde(flatten)]
    live: Option<&'a Live>,
    problem: Option<String>,
}

impl<'a> Line<'a> {
    /// Of an answer.
    pub(in crate::cli) fn new(one: &'a Asked<'_>, answer: &'a Answer) -> Self {
        let problem = match answer {
            Ok(Some(_)) => None,
            Ok(None) => Some("the layer is not built".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        Self {
            node: one.node,
            region: &one.publish.region,
            live: answer.as_ref().ok().and_then(Option::as_ref),
            problem,
        }
    }
}
