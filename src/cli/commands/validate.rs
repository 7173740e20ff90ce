//! `validate`: every problem of a pipeline and the files it uses, at its place.

use crate::base::code;
use crate::base::diag::{self, Diagnostic};
use crate::cli::args::SelectArgs;
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::selection::{self, Selection};
use crate::cli::unknown_tags;
use crate::cli::workspace;
use crate::engine::observe::ObserveError;
use crate::engine::sources::{InputProblem, PrepareError};
use crate::project::texts::find_text;

/// `validate`.
///
/// # Errors
/// All problems found.
pub(in crate::cli) fn validate(process: &Process, args: &SelectArgs) -> Result<Exit, Stop> {
    let selection = selection::select(process, args)?;
    let file = selection.pipeline.file.clone();
    let loaded = workspace::load_everything(process, &selection)?;
    let mut workspace = workspace::open_to_read(process, selection)?;
    let tags = unknown_tags::of_everything(process, &workspace, &loaded);
    let inputs = super::run::prepare(process, &mut workspace);
    if let Some(tags) = tags {
        return Err(match inputs {
            Err(inputs) => Stop { exit: Exit::Usage, ..inputs.and(tags) },
            Ok(()) => tags,
        });
    }
    inputs?;
    let count = workspace.wanted.iter().filter(|wanted| **wanted).count();
    print(&format!("{file}: {count} nodes, no problems\n"));
    Ok(Exit::Ok)
}

/// Shows problems with inputs in the pipeline: at the text that names the path, or at the node.
pub(in crate::cli) fn show_input_errors(process: &Process, selection: &Selection, errors: &[PrepareError]) -> Stop {
    let environment = errors.iter().all(|error| matches!(error.problem, InputProblem::Tool(_)));
    let exit = if environment { Exit::Environment } else { Exit::Usage };
    let Ok(loaded) = workspace::load_project(process, selection) else {
        let code = if environment { code::MISSING_TOOL } else { code::MISSING_INPUT };
        return Stop::several(code, exit, errors);
    };
    let mut diagnostics: Vec<Diagnostic> = errors
        .iter()
        .map(|error| {
            let base = error.node.split('[').next().unwrap_or_default();
            let node = loaded.node_spans.get(base).copied().unwrap_or_default();
            // The fields in which it may stand, the likeliest first.
            let (text, fields): (Option<&str>, &[&str]) = match &error.problem {
                InputProblem::Path(ObserveError::Missing { path } | ObserveError::Unreadable { path }) => {
                    (Some(path), &["inputs", "components", "config-file", "examples", "paths", "repo", "command"])
                }
                InputProblem::Tool(problem) => (Some(problem.tool()), &["tools", "command"]),
                InputProblem::LinkOut { path, .. } | InputProblem::LinkLoop { path, .. } => {
                    (Some(path), &["inputs", "components", "config-file", "examples", "paths"])
                }
                _ => (None, &[]),
            };
            let span = text.and_then(|text| find_text(&loaded.sources, node, base, fields, text)).unwrap_or(node);
            let label = if span == node { "of this node".to_owned() } else { format!("needed by `{}`", error.node) };
            let code =
                if matches!(error.problem, InputProblem::Tool(_)) { code::MISSING_TOOL } else { code::MISSING_INPUT };
            let shown = Diagnostic::error(code, error.problem.to_string()).label(span, label);
            match &error.problem {
                InputProblem::Path(ObserveError::Missing { .. }) => shown
                    .help("create the file, correct the path, or declare it under `outputs` of the node that makes it"),
                InputProblem::LinkOut { path, .. } => {
                    let help = "nobody would see a change of what stands there: have the file itself in the project";
                    shown.help(format!("{help}, or leave the link out by `!{path}`"))
                }
                InputProblem::LinkLoop { path, .. } => {
                    shown.help(format!("mend the link, or leave it out by `!{path}`"))
                }
                _ => shown,
            }
        })
        .collect();
    diag::sort(&mut diagnostics);
    diagnostics.dedup();
    Stop::shown(process, &selection.pipeline.root, exit, &loaded.sources, &diagnostics)
}
