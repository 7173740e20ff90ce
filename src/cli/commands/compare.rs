//! `why --last`: what the last run did and why. `why A B`: what differs between two runs, or between two machines.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};
use std::path::Path;

use serde::Serialize;

use crate::action::compare::{Difference, NodeState, differences};
use crate::action::manifest::{FieldChange, read_fields};
use crate::base::clock::format_utc;
use crate::base::code;
use crate::base::digest::{ActionDigest, BlobDigest};
use crate::cli::args::OutputForm;
use crate::cli::commands::{history, print};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::record::Numbered;
use crate::cli::record_file::RecordFile;
use crate::event::Ended;
use crate::event::record::NodeRecord;
use crate::report::lines::duration;
use crate::store::cache::Cache;
use crate::store::cache_options::Access;

/// `why --last`.
///
/// # Errors
/// If this is no project, or no run has done anything in it.
pub(in crate::cli) fn last(process: &Process) -> Result<Exit, Stop> {
    let runs = history::of(process)?;
    let Some(run) = runs.last() else { return Err(no_history()) };
    let mut out = String::new();
    if process.common.output == OutputForm::Json {
        for node in &run.record.nodes {
            line(&mut out, serde_json::to_string(node).unwrap_or_default());
        }
        print(&out);
        return Ok(Exit::Ok);
    }
    let record = &run.record;
    let took = duration(record.took_ms);
    let began = format_utc(record.started_at);
    line(&mut out, format!("run {} ({}) on {began} UTC took {took}: {}", run.number, record.run, record.command));
    for node in &record.nodes {
        let word = match node.end {
            Ended::Fresh => "fresh, from other inputs",
            Ended::Restored => "restored",
            Ended::Ran => "ran",
            Ended::Failed => "failed",
            Ended::Skipped => "interrupted",
        };
        line(&mut out, format!("{}: {word}", node.node));
        few(&mut out, node.why.iter());
        if node.why.is_empty() && node.end != Ended::Fresh {
            line(&mut out, format!("  {}", node.topic.words()));
        }
    }
    print(&process.safe(&out));
    Ok(Exit::Ok)
}

/// `why A B`.
///
/// # Errors
/// If one of them is neither a run nor a file that `--record` wrote.
pub(in crate::cli) fn two(process: &Process, first: &str, second: &str) -> Result<Exit, Stop> {
    let files = [first, second].map(|word| process.dir.join(word)).map(|file| file.is_file().then_some(file));
    let Sides { states, rest, verdicts } = match &files {
        [Some(a), Some(b)] => of_files(a, b)?,
        [None, None] => of_runs(process, first, second)?,
        _ => {
            return Err(Stop::usage(
                code::UNUSABLE_OPTION,
                "two runs can be compared, or two files, but not a run with a file",
            )
            .hint("`ocelot plan --record FILE` writes what every node is made from now"));
        }
    };
    let found = differences(&states[0], &states[1]);
    let mut out = String::new();
    if process.common.output == OutputForm::Json {
        found.iter().for_each(|(node, difference)| line(&mut out, json(node, difference)));
    } else {
        for (node, difference) in &found {
            let told = verdicts.as_ref().and_then(|verdicts| would(verdicts, node, [first, second]));
            show(&mut out, node, difference, [first, second], &told.unwrap_or_default());
        }
        let nodes = if found.len() == 1 { "node differs" } else { "nodes differ" };
        line(&mut out, format!("{} {nodes} between {first} and {second}; {rest}", found.len()));
    }
    print(&process.safe(&out));
    Ok(Exit::Ok)
}

/// What is compared.
struct Sides {
    states: [Vec<NodeState>; 2],
    /// What is said of all that does not differ.
    rest: String,
    /// What each of two machines would do, by node.
    verdicts: Option<[BTreeMap<String, String>; 2]>,
}

fn of_files(first: &Path, second: &Path) -> Result<Sides, Stop> {
    let files = [RecordFile::read(first)?, RecordFile::read(second)?];
    let states = files.each_ref().map(RecordFile::states);
    let verdicts = files.each_ref().map(RecordFile::verdicts);
    let common = verdicts[1].keys().filter(|node| verdicts[0].contains_key(*node)).count();
    Ok(Sides { states, rest: format!("{common} are in both"), verdicts: Some(verdicts) })
}

/// What each machine would do about a node.
fn would(verdicts: &[BTreeMap<String, String>; 2], node: &str, [first, second]: [&str; 2]) -> Option<String> {
    let [a, b] = verdicts.each_ref().map(|verdicts| verdicts.get(node).map(|verdict| hit_or_run(verdict)));
    Some(format!(" {} with {first}, {} with {second}", a?, b?))
}

/// What a verdict means for the cache.
fn hit_or_run(verdict: &str) -> &'static str {
    match verdict {
        "fresh" | "restore" => "would hit",
        "may-run" => "may run",
        "ask" => "would ask",
        "skip" => "would be skipped",
        _ => "would run",
    }
}

fn of_runs(process: &Process, first: &str, second: &str) -> Result<Sides, Stop> {
    let runs = history::of(process)?;
    let at = [find(&runs, first)?, find(&runs, second)?];
    let cache = process.open_cache(Access::ReadOnly, None)?;
    let mut unknown = 0;
    let mut states = [Vec::new(), Vec::new()];
    let standing = at.map(|at| standing(&runs, at));
    for name in touched(&runs, at) {
        let (Some(before), Some(now)) = (standing[0].get(name), standing[1].get(name)) else {
            unknown += 1;
            continue;
        };
        if before == now {
            continue;
        }
        for (side, action) in [before, now].into_iter().enumerate() {
            // A node that had no result in a run is not part of what it made.
            if let Some(action) = action {
                let fields = fields(&cache, action);
                states[side].push(NodeState { node: name.to_owned(), fields, ..NodeState::default() });
            }
        }
    }
    let rest = match unknown {
        0 => "all others are the same".to_owned(),
        unknown => format!("of {unknown} the history does not know enough"),
    };
    Ok(Sides { states, rest, verdicts: None })
}

fn fields(cache: &Cache, action: &ActionDigest) -> Option<Vec<(String, String)>> {
    read_fields(&cache.read_blob(&BlobDigest::from_bytes(*action.as_bytes()), u64::MAX)?)
}

/// The nodes that some run under the parameters of one of these runs did something about, in the order of the newest.
fn touched(runs: &[Numbered], at: [usize; 2]) -> Vec<&str> {
    let keys = at.map(|at| &runs[at].record.key);
    let mut seen = BTreeSet::new();
    let of_either = runs.iter().rev().filter(|run| keys.contains(&&run.record.key));
    of_either
        .flat_map(|run| &run.record.nodes)
        .map(|node| node.node.as_str())
        .filter(|name| seen.insert(*name))
        .collect()
}

/// By node: the action whose result stood after a run, if one did. The last run up to it tells, or else the first one after
/// it by what it found; of a node in neither nothing is known.
fn standing(runs: &[Numbered], at: usize) -> BTreeMap<&str, Option<ActionDigest>> {
    let key = &runs[at].record.key;
    let mut standing = BTreeMap::new();
    for node in nodes_under(&runs[..=at], key) {
        // A failure leaves the result of before in place.
        standing.insert(node.node.as_str(), node.after.or(node.before));
    }
    for node in nodes_under(&runs[at + 1..], key) {
        standing.entry(node.node.as_str()).or_insert(node.before);
    }
    standing
}

/// What runs under the same pipeline and parameters did about nodes, oldest first.
fn nodes_under<'a>(runs: &'a [Numbered], key: &'a str) -> impl Iterator<Item = &'a NodeRecord> {
    runs.iter().filter(move |run| run.record.key == key).flat_map(|run| &run.record.nodes)
}

/// The run of this number or name.
///
/// # Errors
/// If the history does not have it.
pub(in crate::cli) fn find(runs: &[Numbered], word: &str) -> Result<usize, Stop> {
    let number: Option<u64> = word.parse().ok();
    let found = runs.iter().position(|run| number == Some(run.number) || run.record.run == word);
    found.ok_or_else(|| match (runs.first(), runs.last()) {
        (Some(oldest), Some(newest)) => {
            let (oldest, newest) = (oldest.number, newest.number);
            Stop::usage(code::NEVER_RAN, format!("the history has no run `{word}`: it has {oldest} to {newest}"))
                .hint("`ocelot history` lists them")
        }
        _ => no_history(),
    })
}

fn no_history() -> Stop {
    Stop::usage(code::NEVER_RAN, "no run has done anything here yet, so there is none to look at")
}

fn show(out: &mut String, node: &str, difference: &Difference, [first, second]: [&str; 2], told: &str) {
    match difference {
        Difference::OnlyFirst => line(out, format!("{node}: only in {first}")),
        Difference::OnlySecond => line(out, format!("{node}: only in {second}")),
        Difference::Unknown => line(out, format!("{node}: differs; what it was made from is no longer in the cache")),
        Difference::Fields(fields) => {
            line(out, format!("{node}:{told}"));
            few(out, fields.iter());
        }
        Difference::Outputs(outputs) => {
            line(out, format!("{node}: made from the same, and yet other outputs: it is not reproducible"));
            few(out, outputs.iter());
        }
    }
}

/// The first few of many lines: what changed first, all below follows from.
fn few<T: Display>(out: &mut String, mut lines: impl ExactSizeIterator<Item = T>) {
    const MOST: usize = 5;
    lines.by_ref().take(MOST).for_each(|one| line(out, format!("  {one}")));
    if lines.len() > 0 {
        line(out, format!("  … and {} more; `--output json` has them", lines.len()));
    }
}

/// One difference, for machines.
#[derive(Serialize)]
struct Line<'a> {
    node: &'a str,
    difference: &'static str,
    changes: &'a [FieldChange],
}

fn json(node: &str, difference: &Difference) -> String {
    let (difference, changes) = match difference {
        Difference::OnlyFirst => ("only-first", &[][..]),
        Difference::OnlySecond => ("only-second", &[][..]),
        Difference::Unknown => ("unknown", &[][..]),
        Difference::Fields(changes) => ("fields", &changes[..]),
        Difference::Outputs(changes) => ("outputs", &changes[..]),
    };
    serde_json::to_string(&Line { node, difference, changes }).unwrap_or_default()
}

fn line(out: &mut String, text: String) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}
