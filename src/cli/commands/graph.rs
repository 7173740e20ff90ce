//! `graph`: the DAG, in several forms.

use crate::cli::args::{GraphArgs, GraphFormat};
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::selection;
use crate::cli::workspace;
use crate::graph::render;

/// `graph`.
///
/// # Errors
/// If the project or the targets are wrong.
pub(in crate::cli) fn graph(process: &Process, args: &GraphArgs) -> Result<Exit, Stop> {
    let selection = selection::select(process, &args.select)?;
    let workspace = workspace::open_to_read(process, selection)?;
    let (graph, wanted) = (&workspace.session.graph, &workspace.wanted);
    print(&match args.format {
        GraphFormat::Tree => render::tree(graph, &workspace.targets, wanted),
        GraphFormat::Dot => render::dot(graph, wanted),
        GraphFormat::Mermaid => render::mermaid(graph, wanted),
        GraphFormat::Json => render::json(graph, wanted),
        GraphFormat::Html => {
            return Err(Stop::usage("`--format html` is not available in this version")
                .hint("use `--format dot` with Graphviz, or `--format mermaid`"));
        }
    });
    Ok(Exit::Ok)
}
