//! `graph`: the DAG, in several forms.

use std::io::{BufWriter, Write};

use crate::cli::args::{GraphArgs, GraphFormat};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::selection;
use crate::cli::workspace;
use crate::graph::{render, tree};

/// `graph`.
///
/// # Errors
/// If the project or the targets are wrong.
pub(in crate::cli) fn graph(process: &Process, args: &GraphArgs) -> Result<Exit, Stop> {
    let selection = selection::select(process, &args.select)?;
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let shown = match args.format {
        GraphFormat::Tree | GraphFormat::Json => {
            let (graph, targets, wanted) = workspace::graph_of(process, &selection)?;
            let shown = match args.format {
                GraphFormat::Tree => tree::tree(&graph, &targets, &wanted, args.full, &mut out),
                _ => render::json(&graph, &wanted, &mut out),
            };
            // The process ends now; freeing a hundred thousand nodes one by one would take a quarter of its time.
            std::mem::forget(graph);
            shown
        }
        GraphFormat::Dot | GraphFormat::Mermaid => {
            let (outline, wanted) = workspace::outline_of(process, &selection)?;
            match args.format {
                GraphFormat::Dot => render::dot(&outline, &wanted, &mut out),
                _ => render::mermaid(&outline, &wanted, &mut out),
            }
        }
        GraphFormat::Html => return super::page::page(process, selection),
    };
    // A reader that went away wants no more output.
    shown.and_then(|()| out.flush()).ok();
    Ok(Exit::Ok)
}
