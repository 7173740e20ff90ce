//! `plan`: what a run would do, and why.

mod grouped;

use std::fmt::Write as _;

use serde::Serialize;

use self::grouped::{Grouped, Row};
use crate::action::verdict::{Decision, Reason, Verdict};
use crate::base::shell::quote;
use crate::cli::args::{Common, OutputForm, PlanArgs};
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::live::{Line, ask, asked, told};
use crate::cli::process::Process;
use crate::cli::record_file::RecordFile;
use crate::cli::selection;
use crate::cli::unknown_tags;
use crate::cli::workspace::{self, Mode, OpenRequest, Opened, Workspace};
use crate::engine::plan::Plan;
use crate::engine::session::Options;
use crate::exec::registries::Registries;
use crate::graph::build::does_work;
use crate::graph::node::Node;
use crate::report::lines::{Paint, duration};

/// One node of a plan, for machines.
#[derive(Serialize)]
struct Planned<'a> {
    node: &'a str,
    kind: &'static str,
    verdict: Verdict,
    row: &'static str,
    why: String,
    #[serde(flatten)]
    reason: &'a Reason,
}

/// `plan`.
///
/// # Errors
/// If the project or the targets are wrong.
pub(in crate::cli) fn plan(process: &Process, args: &PlanArgs) -> Result<Exit, Stop> {
    let selection = selection::select(process, &args.select)?;
    let options = Options { no_cache: args.no_cache, offline: process.common.offline, ..Options::default() };
    let null_allowed = args.force.is_empty()
        && args.as_is.is_empty()
        && !args.no_cache
        && !args.live
        && args.record.is_none()
        && !process.common.verbose
        && process.common.output == OutputForm::Human;
    let (force, as_is) = (&args.force[..], &args.as_is[..]);
    let request =
        OpenRequest { selection, mode: Mode::Read, null_allowed, asks_of: None, now_ns: 0, force, as_is, options };
    let mut workspace = match workspace::open(process, request)? {
        Opened::Null(settled) => {
            print(&format!("nothing to do: {} nodes are up to date\n", settled.fresh));
            return Ok(Exit::Ok);
        }
        Opened::Session(workspace) => workspace,
    };
    let plan = verdicts(process, &mut workspace)?;
    unknown_tags::refuse(process, &workspace)?;
    if let Some(file) = &args.record {
        RecordFile::write(&mut workspace, &process.dir.join(file))?;
    }
    let mut out = match process.common.output {
        OutputForm::Json => each(&workspace, &plan, json_line),
        OutputForm::Auto | OutputForm::Human => grouped(process, &workspace, &plan, &command(&process.common, args)),
        OutputForm::Plain | OutputForm::Github => plain(&workspace, &plan),
    };
    if args.live {
        live(process, &workspace, &mut out);
    }
    print(&process.safe(&out));
    Ok(if args.exit_code && !plan.is_fresh(&workspace.session) { Exit::Dirty } else { Exit::Ok })
}

/// The nodes that do work, with what would be done about them.
fn decided<'a>(
    workspace: &'a Workspace,
    plan: &'a Plan,
) -> impl Iterator<Item = (&'a Node, &'a Decision, Option<u64>)> + 'a {
    let session = &workspace.session;
    session.graph.ids().filter_map(move |id| {
        let node: &Node = session.graph.node(id);
        let decision = plan.decisions[id.index()].as_ref().filter(|_| does_work(node))?;
        let last_ms = session.memory[id.index()].result.as_ref().map(|result| result.duration_ms);
        Some((node, decision, last_ms))
    })
}

/// How many nodes have each verdict.
fn counted(workspace: &Workspace, plan: &Plan) -> [usize; 6] {
    let mut counts = [0; 6];
    decided(workspace, plan).for_each(|(_, decision, _)| counts[decision.verdict as usize] += 1);
    counts
}

/// One line for each node.
fn each(workspace: &Workspace, plan: &Plan, line: impl Fn(&Node, &Decision) -> String) -> String {
    decided(workspace, plan).map(|(node, decision, _)| line(node, decision)).collect()
}

fn json_line(node: &Node, decision: &Decision) -> String {
    let line = Planned {
        node: &node.name,
        kind: node.kind.name(),
        verdict: decision.verdict,
        row: decision.row,
        why: decision.reason.to_string(),
        reason: &decision.reason,
    };
    format!("{}\n", serde_json::to_string(&line).unwrap_or_default())
}

/// A line for each node and the totals: the form that does not change.
fn plain(workspace: &Workspace, plan: &Plan) -> String {
    let mut out = each(workspace, plan, |node, decision| {
        format!("{:>8}  {}  {}\n", decision.verdict.word(), node.name, decision.reason)
    });
    let [fresh, restore, may_run, ask, to_run, _] = counted(workspace, plan);
    let estimate: u64 = decided(workspace, plan)
        .filter(|(_, decision, _)| matches!(decision.verdict, Verdict::Run | Verdict::Ask))
        .filter_map(|(.., last_ms)| last_ms)
        .sum();
    let time = if estimate > 0 { format!(" (about {} of work)", duration(estimate)) } else { String::new() };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "plan: {to_run} to run, {may_run} may run, {ask} to ask, {restore} to restore, {fresh} fresh{time}"
    );
    out
}

/// By kind, with fresh nodes as a count unless they are asked for.
fn grouped(process: &Process, workspace: &Workspace, plan: &Plan, next: &str) -> String {
    let mut grouped = Grouped::default();
    for (node, decision, last_ms) in decided(workspace, plan) {
        if decision.verdict != Verdict::Fresh || process.common.verbose {
            grouped.add(Row { node, verdict: decision.verdict, why: decision.reason.to_string(), last_ms });
        }
    }
    let mut counts = counted(workspace, plan);
    // Only what an edit can have touched was loaded; the rest is known to be fresh.
    counts[Verdict::Fresh as usize] += usize::try_from(workspace.untouched()).unwrap_or_default();
    grouped.text(Paint(process.colors()), counts, next)
}

/// The command that does what was planned.
fn command(common: &Common, args: &PlanArgs) -> String {
    let mut words = vec!["ocelot".to_owned(), "run".to_owned()];
    let mut option = |name: &str, value: &str| words.extend([name.to_owned(), quote(value)]);
    common.dir.iter().for_each(|dir| option("-C", dir));
    common.lock.iter().for_each(|file| option("--lock", file));
    common.profile.iter().for_each(|name| option("--profile", name));
    args.select.pipeline.iter().for_each(|pipeline| option("-p", pipeline));
    args.select.set.iter().for_each(|set| option("--set", set));
    args.force.iter().for_each(|node| option("--force", node));
    args.as_is.iter().for_each(|node| option("--as-is", node));
    let flags = [(args.no_cache, "--no-cache"), (common.offline, "--offline"), (common.locked, "--locked")];
    words.extend(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| (*flag).to_owned()));
    words.extend(args.select.words.iter().map(|word| quote(word)));
    words.join(" ")
}

/// Adds what is there now of what the plan publishes: what is not known is told, and does not fail the plan.
fn live(process: &Process, workspace: &Workspace, out: &mut String) {
    let asked = asked(workspace);
    let registries = Registries::new(&workspace.selection.pipeline.root, &process.env, process.common.offline);
    let found = ask(&registries, &asked);
    for (one, answer) in asked.iter().zip(&found) {
        let (word, detail) = told(answer);
        // Writing to a String cannot fail.
        let _ = match process.common.output {
            OutputForm::Json => {
                writeln!(out, "{}", serde_json::to_string(&Line::new(one, answer)).unwrap_or_default())
            }
            _ => writeln!(out, "{}", format!("{word:>11}  {}  {detail}", one.node).trim_end()),
        };
    }
}

/// The verdict of every node that the targets need; a mistake in their inputs is shown in the pipeline.
///
/// # Errors
/// Every node whose inputs cannot be established.
pub(in crate::cli) fn verdicts(process: &Process, workspace: &mut Workspace) -> Result<Plan, Stop> {
    workspace
        .session
        .plan(&workspace.wanted)
        .map_err(|errors| super::validate::show_input_errors(process, &workspace.selection, &errors))
}
