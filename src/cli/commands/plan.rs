//! `plan`: what a run would do, and why.

use std::fmt::Write as _;

use serde::Serialize;

use crate::action::verdict::{Reason, Verdict};
use crate::cli::args::{OutputForm, PlanArgs};
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
        && process.common.output == OutputForm::Human;
    let (force, as_is) = (&args.force[..], &args.as_is[..]);
    let request = OpenRequest { selection, mode: Mode::Read, null_allowed, now_ns: 0, force, as_is, options };
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
    let session = &workspace.session;
    let mut out = String::new();
    let mut counts = [0usize; 6];
    let paint = Paint(process.colors() && process.common.output == OutputForm::Human);
    let mut estimate = 0;
    for id in session.graph.ids() {
        let node = session.graph.node(id);
        let Some(decision) = plan.decisions[id.index()].as_ref().filter(|_| does_work(node)) else { continue };
        let why = decision.reason.to_string();
        counts[decision.verdict as usize] += 1;
        if process.common.output == OutputForm::Json {
            let line = Planned {
                node: &node.name,
                kind: node.kind.name(),
                verdict: decision.verdict,
                row: decision.row,
                why,
                reason: &decision.reason,
            };
            out.push_str(&serde_json::to_string(&line).unwrap_or_default());
            out.push('\n');
            continue;
        }
        if matches!(decision.verdict, Verdict::Run | Verdict::Ask) {
            estimate += session.memory[id.index()].result.as_ref().map_or(0, |result| result.duration_ms);
        }
        let word = format!("{:>8}", decision.verdict.word());
        let word = match decision.verdict {
            Verdict::Fresh => paint.dim(&word),
            Verdict::Restore => paint.green(&word),
            Verdict::Skip => paint.yellow(&word),
            Verdict::Run | Verdict::Ask | Verdict::MayRun => paint.yellow(&word),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{word}  {}  {}", node.name, paint.dim(&why));
    }
    let [fresh, restore, may_run, ask, to_run, _] = counts;
    if process.common.output != OutputForm::Json {
        let time = if estimate > 0 { format!(" (about {} of work)", duration(estimate)) } else { String::new() };
        let _ = writeln!(
            out,
            "plan: {to_run} to run, {may_run} may run, {ask} to ask, {restore} to restore, {fresh} fresh{time}"
        );
    }
    if args.live {
        live(process, &workspace, &mut out);
    }
    print(&process.safe(&out));
    Ok(if args.exit_code && !plan.is_fresh(&workspace.session) { Exit::Dirty } else { Exit::Ok })
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
