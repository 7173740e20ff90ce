//! `history`: the runs of a workspace that did something.

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::args::{HistoryArgs, OutputForm, SelectArgs};
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::record::{self, Numbered};
use crate::cli::selection;
use crate::engine::state::StateDir;
use crate::event::record::RunRecord;
use crate::report::history::{Slow, runs};
use crate::store::history::History;

/// One run, for machines.
#[derive(Serialize)]
struct Line<'a> {
    number: u64,
    hit_rate: Option<u64>,
    #[serde(flatten)]
    record: &'a RunRecord,
}

/// `history`.
///
/// # Errors
/// If this is no project.
pub(in crate::cli) fn history(process: &Process, args: &HistoryArgs) -> Result<Exit, Stop> {
    let all = of(process)?;
    let last = &all[all.len().saturating_sub(args.last)..];
    let pairs: Vec<(u64, &RunRecord)> = last.iter().map(|run| (run.number, &run.record)).collect();
    let is_json = process.common.output == OutputForm::Json;
    let text = match (args.slow, is_json) {
        (true, true) => json(&Slow::of(&pairs)),
        (false, true) => pairs
            .iter()
            .map(|(number, record)| json(&Line { number: *number, hit_rate: record.hit_rate(), record }))
            .collect(),
        _ if all.is_empty() => "no run has done anything here yet\n".to_owned(),
        (true, false) => Slow::of(&pairs).text(),
        (false, false) => shown(&pairs, all.len()),
    };
    print(&process.safe(&text));
    Ok(Exit::Ok)
}

fn shown(pairs: &[(u64, &RunRecord)], all: usize) -> String {
    let mut text = runs(pairs);
    if pairs.len() < all {
        text.push_str(&format!("{} of {all} runs that did something; `--last {all}` shows all\n", pairs.len()));
    }
    text
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).map_or_else(|_| String::new(), |line| line + "\n")
}

/// The runs that the history of the project here has, oldest first.
///
/// # Errors
/// If this is no project.
pub(in crate::cli) fn of(process: &Process) -> Result<Vec<Numbered>, Stop> {
    Ok(record::read(&History::new(StateDir::new(&root(process)?).path())))
}

/// The project's root: where the state is, also while its pipeline cannot be read.
///
/// # Errors
/// If this is no project.
pub(in crate::cli) fn root(process: &Process) -> Result<PathBuf, Stop> {
    if process.dir.join(".ocelot").is_dir() {
        return Ok(process.dir.clone());
    }
    Ok(selection::select(process, &SelectArgs::default())?.pipeline.root)
}
