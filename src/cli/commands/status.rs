//! `status`: what is declared against what is there, in every region. Asks, and changes nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::action::result::ActionResult;
use crate::base::id::NodeId;
use crate::cli::args::{OutputForm, StatusArgs};
use crate::cli::commands::plan::verdicts;
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::selection;
use crate::cli::workspace::{self, Workspace};
use crate::exec::live::{Live, live};
use crate::exec::registries::Registries;
use crate::graph::node::{Kind, Publish, Role};
use crate::outside::registry::RegistryError;

/// What is known of one `publish` node.
#[derive(Serialize)]
struct Line<'a> {
    node: &'a str,
    region: &'a str,
    #[serde(flatten)]
    live: Option<&'a Live>,
    problem: Option<String>,
}

/// One `publish` node and the layer it ships.
struct Asked<'a> {
    id: NodeId,
    publish: &'a Publish,
    layer: Option<&'a ActionResult>,
}

/// `status`.
///
/// # Errors
/// If the project or the targets are wrong.
pub(in crate::cli) fn status(process: &Process, args: &StatusArgs) -> Result<Exit, Stop> {
    let selection = selection::select(process, &args.select)?;
    let mut workspace = workspace::open_to_read(process, selection)?;
    verdicts(process, &mut workspace)?;
    let asked = asked(&workspace);
    if asked.is_empty() {
        return Err(Stop::usage("nothing is published by these targets").hint("name a pipeline with `publish` nodes"));
    }
    let registries = Registries::new(&workspace.selection.pipeline.root, &process.env, process.common.offline);
    let found = ask(&registries, &asked);
    let mut out = String::new();
    let (mut due, mut failed) = (0, 0);
    for (one, answer) in asked.iter().zip(&found) {
        due += usize::from(matches!(answer, Ok(Some(live)) if live.is_due()) || matches!(answer, Ok(None)));
        failed += usize::from(answer.is_err());
        let node = &workspace.session.graph.node(one.id).name;
        // Writing to a String cannot fail.
        let _ = match process.common.output {
            OutputForm::Json => writeln!(out, "{}", json(node, one, answer)),
            _ => writeln!(out, "{}", told(node, answer)),
        };
    }
    if process.common.output != OutputForm::Json {
        let _ = writeln!(out, "status: {} asked, {due} to do, {failed} not known", asked.len());
    }
    print(&process.safe(&out));
    Ok(match (failed, due) {
        (1.., _) => Exit::Failure,
        (_, 1..) if args.exit_code => Exit::Dirty,
        _ => Exit::Ok,
    })
}

fn asked(workspace: &Workspace) -> Vec<Asked<'_>> {
    let session = &workspace.session;
    let wanted = session.graph.ids().filter(|id| workspace.wanted[id.index()]);
    wanted
        .filter_map(|id| {
            let node = session.graph.node(id);
            let Kind::Publish(publish) = &node.kind else { return None };
            let is_layer = |role: &Role| matches!(role, Role::Strict(field) if field == "layer");
            let layer = node.edges.iter().find(|edge| is_layer(&edge.role));
            let layer = layer.and_then(|edge| session.result(edge.to)).map(AsRef::as_ref);
            Some(Asked { id, publish, layer })
        })
        .collect()
}

type Answer = Result<Option<Live>, RegistryError>;

/// Asks region by region at once; within a region, one after the other. `None` for a layer that is not built.
fn ask(registries: &Registries, asked: &[Asked<'_>]) -> Vec<Answer> {
    let mut regions: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, one) in asked.iter().enumerate() {
        regions.entry(&one.publish.region).or_default().push(at);
    }
    let answer = |one: &Asked<'_>| -> Answer {
        let Some(layer) = one.layer else { return Ok(None) };
        live(registries.open(&one.publish.registry)?.as_ref(), one.publish, layer).map(Some)
    };
    let mut answers: Vec<(usize, Answer)> = std::thread::scope(|scope| {
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

fn json(node: &str, one: &Asked<'_>, answer: &Answer) -> String {
    let live = answer.as_ref().ok().and_then(Option::as_ref);
    let problem = match answer {
        Ok(Some(_)) => None,
        Ok(None) => Some("the layer is not built".to_owned()),
        Err(error) => Some(error.to_string()),
    };
    serde_json::to_string(&Line { node, region: &one.publish.region, live, problem }).unwrap_or_default()
}

fn told(node: &str, answer: &Answer) -> String {
    let (word, detail) = match answer {
        Ok(None) => ("not built", "`plan` says what is to be built first".to_owned()),
        Err(error) => ("unknown", error.to_string()),
        Ok(Some(live)) => match live {
            Live::Absent => ("absent", String::new()),
            Live::Differs { versions } => {
                ("differs", format!("{versions} versions of this name, none with these bytes"))
            }
            Live::Equal { arn } => ("equal", arn.clone()),
            Live::NotShared { arn, lacking } => ("not shared", format!("{arn}: not with {}", lacking.join(", "))),
            Live::Wider { arn, with } => ("wider", format!("{arn}: also with {}", with.join(", "))),
            Live::Duplicate { arn, others } => ("duplicate", format!("{arn}; the same again: {}", others.join(", "))),
            Live::NotEnabled => ("not enabled", "the account has not enabled the region".to_owned()),
        },
    };
    format!("{word:>11}  {node}  {detail}").trim_end().to_owned()
}
