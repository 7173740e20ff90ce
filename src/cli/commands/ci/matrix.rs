//! `ci matrix`: which machines have something to do.

use std::collections::BTreeSet;

use crate::action::verdict::{Reason, Verdict};
use crate::base::code;
use crate::base::id::NodeId;
use crate::ci::matrix::{AllJobs, Entry, waves};
use crate::cli::args::MatrixArgs;
use crate::cli::commands::plan::verdicts;
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::workspace::{self, Mode, OpenRequest, Opened, Workspace, select_stop};
use crate::cli::{selection, sink};
use crate::engine::plan::Plan;
use crate::engine::session::Options;
use crate::event::Event;
use crate::exec::registries::{AWS, Registries};
use crate::graph::build::does_work;
use crate::graph::node::Kind;
use crate::graph::select;
use crate::report::github::files::write_outputs;

/// `ci matrix`.
///
/// # Errors
/// If the project or the targets are wrong, or the step outputs cannot be written.
pub(in crate::cli) fn matrix(process: &Process, args: &MatrixArgs) -> Result<Exit, Stop> {
    if !is_output_name(&args.name) {
        return Err(Stop::usage(code::BAD_ARGUMENT, format!("`--name {}` is no name of a step output", args.name))
            .hint("write letters, digits, `-` and `_`, a letter first"));
    }
    let mut selection = selection::select(process, &args.select)?;
    let named = std::mem::take(&mut selection.targets);
    // A runner begins with the files of the repository: what earlier jobs made is elsewhere, and in order there.
    let options = Options { offline: process.common.offline, assume_outputs: true, ..Options::default() };
    let request = OpenRequest {
        selection,
        mode: Mode::Read,
        null_allowed: false,
        asks_of: None,
        now_ns: 0,
        force: &[],
        as_is: &[],
        options,
    };
    let Opened::Session(mut workspace) = workspace::open(process, request)? else {
        return Err(Stop::new(code::INTERNAL, Exit::Internal, "BUG: a null answer where none was allowed"));
    };
    let listed = match named.is_empty() {
        true => with_most_axes(&workspace),
        false => select::select(&workspace.session.graph, &named).map_err(select_stop)?,
    };
    // All that the pipeline does by default is planned with them: whether a layer is made again also depends on who needs
    // its bytes.
    for (wanted, also) in workspace.wanted.iter_mut().zip(select::closure(&workspace.session.graph, &listed)) {
        *wanted |= also;
    }
    if args.all {
        let wanted = workspace.session.graph.ids().filter(|id| workspace.wanted[id.index()]);
        let entries: Vec<Entry> = wanted.map(|id| entry(&workspace, id)).collect();
        let jobs = AllJobs::of(&entries);
        hand_on(process, &[("build_jobs", json(&jobs.build_jobs)), ("release_jobs", json(&jobs.release_jobs))])?;
        print(&format!("{}\n", json(&jobs)));
        return Ok(Exit::Ok);
    }
    let mut plan = verdicts(process, &mut workspace)?;
    if asks_aws(&workspace, &plan) && knows_account(process, &workspace) {
        plan = verdicts(process, &mut workspace)?;
    }
    let dirty = |id: &NodeId| {
        let decided = plan.decisions[id.index()].as_ref();
        // What is over budget runs nothing, but has a job: there the workflow has to end red.
        let acts = decided.is_some_and(|decision| {
            matches!(decision.verdict, Verdict::Run | Verdict::MayRun | Verdict::Ask)
                || matches!(decision.reason, Reason::OverBudget { .. })
        });
        acts && does_work(workspace.session.graph.node(*id))
    };
    let entries: BTreeSet<Entry> = listed.iter().filter(|id| dirty(id)).map(|id| entry(&workspace, *id)).collect();
    let is_empty = entries.is_empty();
    let waves = waves(entries);
    let mut outputs = vec![(format!("{}-empty", args.name), is_empty.to_string())];
    for (number, wave) in waves.iter().enumerate() {
        let name = if number == 0 { args.name.clone() } else { format!("{}-{}", args.name, number + 1) };
        outputs.push((name, json(wave)));
    }
    let outputs: Vec<(&str, String)> = outputs.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    hand_on(process, &outputs)?;
    let text = if let [wave] = &waves[..] { json(wave) } else { json(&waves) };
    print(&format!("{text}\n"));
    Ok(Exit::Ok)
}

fn is_output_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

/// The entry of an instance: the values of its axes `arch` and `region`.
fn entry(workspace: &Workspace, id: NodeId) -> Entry {
    let axes = workspace.session.axes(id);
    let value = |name: &str| axes.get(name).map(String::as_str);
    Entry::new(value("arch"), value("region"))
}

/// The wanted instances that have as many of the two axes as any.
fn with_most_axes(workspace: &Workspace) -> Vec<NodeId> {
    let graph = &workspace.session.graph;
    let wanted = || graph.ids().filter(|id| workspace.wanted[id.index()]);
    let axes = |id: NodeId| entry(workspace, id).axes();
    let most = wanted().map(axes).max().unwrap_or_default();
    wanted().filter(|id| axes(*id) == most).collect()
}

/// Whether a layer of AWS waits for an answer that the account may give: of another account there are other receipts.
fn asks_aws(workspace: &Workspace, plan: &Plan) -> bool {
    let graph = &workspace.session.graph;
    graph.ids().any(|id| {
        let of_aws = matches!(&graph.node(id).kind, Kind::Publish(publish) if publish.registry == AWS);
        of_aws && plan.decisions[id.index()].as_ref().is_some_and(|decision| decision.verdict == Verdict::Ask)
    })
}

/// Asks whose the credentials are, if there are any. Without an answer every layer is listed, and whoever publishes it
/// looks for it first: slower, and right.
fn knows_account(process: &Process, workspace: &Workspace) -> bool {
    let root = &workspace.selection.pipeline.root;
    let regions = workspace.session.graph.nodes.iter().find_map(|node| match &node.kind {
        Kind::Publish(publish) if publish.registry == AWS => Some(publish.region.clone()),
        _ => None,
    });
    let registries = Registries::new(root, &process.env, process.common.offline);
    match registries.account(&process.env, &regions.unwrap_or_default()) {
        Ok(_) => true,
        Err(error) => {
            let message = format!("every layer is listed, as it is not known whose the credentials are: {error}");
            sink::of(process).event(&Event::Warning { code: code::CREDENTIALS, node: None, message });
            false
        }
    }
}

/// Sets step outputs, where there is a step.
fn hand_on(process: &Process, outputs: &[(&str, String)]) -> Result<(), Stop> {
    let Some(file) = sink::step_files(process).output else { return Ok(()) };
    write_outputs(&file, outputs).map_err(|error| {
        Stop::environment(code::CANNOT_WRITE, format!("cannot write the step outputs to {}: {error}", file.display()))
    })
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("BUG: a matrix always encodes")
}
