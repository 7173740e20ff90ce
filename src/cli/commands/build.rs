//! `build`: the local workflow in one call, and its summary.

use std::collections::BTreeMap;

use crate::action::result::ActionResult;
use crate::base::id::NodeId;
use crate::cli::args::{BuildArgs, OutputForm, SelectArgs};
use crate::cli::commands::print;
use crate::cli::commands::run::{RunRequest, run_selection};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::selection;
use crate::cli::workspace::{Mode, Workspace};
use crate::exec::receipt::PASSED_OVER;
use crate::graph::node::Kind;
use crate::report::lines::duration;
use crate::report::table::table;

/// `build`.
///
/// # Errors
/// If it could not begin.
pub(in crate::cli) fn build(process: &Process, args: &BuildArgs) -> Result<Exit, Stop> {
    let select = SelectArgs { words: Vec::new(), pipeline: Some(args.pipeline.clone()), set: args.sets() };
    let selection = selection::select(process, &select)?;
    let report = run_selection(process, RunRequest { selection, how: &args.how, extra_args: &[], mode: Mode::Write })?;
    if process.common.output != OutputForm::Json {
        let worked = report.outcome.map(|outcome| outcome.worked_ms).unwrap_or_default();
        print(&report.workspace.map_or(report.summary, |workspace| summary(&workspace, &worked)));
    }
    Ok(report.exit)
}

/// A table with a line per layer and per published version; empty without any.
pub(in crate::cli) fn summary(workspace: &Workspace, worked: &BTreeMap<NodeId, u64>) -> String {
    let session = &workspace.session;
    let mut rows = vec![["distribution", "arch", "file", "size", "duration", "ARN"].map(str::to_owned)];
    for id in session.graph.ids().filter(|id| workspace.wanted[id.index()]) {
        let node = session.graph.node(id);
        let Some(result) = session.result(id) else {
            if let Kind::Publish(publish) = &node.kind {
                let axes = session.graph.axes.get(&node.base).map_or(&[][..], Vec::as_slice);
                let axis = |name: &str| node.value(axes, name).unwrap_or("-");
                let told = format!("{}: not published; the next run does only what is left", publish.region);
                rows.push([axis("distribution"), axis("arch"), "-", "-", "-", &told].map(str::to_owned));
            }
            continue;
        };
        let time = worked.get(&id).map_or_else(|| "-".to_owned(), |ms| duration(*ms));
        let fact = |name: &str| result.fact(name).unwrap_or("-").to_owned();
        match &node.kind {
            Kind::Package(package) => {
                let file = package.output.clone().unwrap_or_else(|| "-".to_owned());
                rows.push([fact("distribution"), fact("arch"), file, size(result), time, "-".to_owned()]);
            }
            Kind::Publish(_) => {
                let told = match result.fact(PASSED_OVER) {
                    Some(why) => format!("{}: {why}; asked again by the next run", fact("region")),
                    None => fact("arn"),
                };
                rows.push([fact("distribution"), fact("arch"), "-".into(), "-".into(), time, told]);
            }
            _ => {}
        }
    }
    if rows.len() == 1 {
        return String::new();
    }
    table(&rows, &[0, 1, 2, 3, 4, 5])
}

fn size(result: &ActionResult) -> String {
    let bytes = result.output("layer").map_or(0, |output| output.content.size());
    #[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let mib = bytes as f64 / f64::from(1 << 20);
    format!("{mib:.1} MiB")
}
