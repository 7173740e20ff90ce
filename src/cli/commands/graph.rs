//! `graph`: the DAG, in several forms.

use std::io::{BufWriter, Write};

use crate::cli::args::{GraphArgs, GraphFormat};
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
    if args.format == GraphFormat::Html {
        return super::page::page(process, selection);
    }
    let (graph, targets, wanted) = workspace::graph_of(process, &selection)?;
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let shown = match args.format {
        GraphFormat::Tree => render::tree(&graph, &targets, &wanted, &mut out),
        GraphFormat::Dot => render::dot(&graph, &wanted, &mut out),
        GraphFormat::Mermaid => render::mermaid(&graph, &wanted, &mut out),
        GraphFormat::Json => render::json(&graph, &wanted, &mut out),
        // Told apart above.
        GraphFormat::Html => Ok(()),
    };
    // A reader that went away wants no more output.
    shown.and_then(|()| out.flush()).ok();
    // The process ends now; freeing a hundred thousand nodes one by one would take a quarter of its time.
    std::mem::forget(graph);
    Ok(Exit::Ok)
}
