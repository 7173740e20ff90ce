//! `cache export` and `cache import`: results and receipts from one machine to another, in one file.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::result::Record;
use crate::base::code;
use crate::base::digest::{ActionDigest, BlobDigest, OwnDigest};
use crate::cli::args::SelectArgs;
use crate::cli::commands::cache::blobs_of;
use crate::cli::commands::plan::verdicts;
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::lock::lock_workspace;
use crate::cli::process::Process;
use crate::cli::selection;
use crate::cli::workspace::{self, Workspace};
use crate::exec::standing::is_in_force;
use crate::graph::node::Kind;
use crate::store::bundle::{Checks, Export};
use crate::store::cache::Cache;
use crate::store::cache_options::Access;
use crate::store::receipt_bundle::{attachments, check, take_over};
use crate::store::receipts::Receipts;

/// Blobs above this size, in bytes, stay at home unless they are a layer's.
const LARGE_BLOB: u64 = 1 << 20;

/// `cache export`: the results of the targets as they stand. With `state`, the receipts too, and of the blobs only what
/// the next job needs to know and to hand on: small ones, and the layers.
///
/// # Errors
/// If the project is wrong, or the file cannot be written.
pub(in crate::cli) fn export(process: &Process, select: &SelectArgs, state: bool, out: &str) -> Result<Exit, Stop> {
    let selection = selection::select(process, select)?;
    let mut workspace = workspace::open_to_read(process, selection)?;
    let results = results(process, &mut workspace)?;
    let cache = &workspace.session.cache;
    let actions: Vec<ActionDigest> = results.iter().map(|(action, _)| *action).collect();
    let layers: BTreeSet<ActionDigest> = results.iter().filter(|(_, is_layer)| *is_layer).map(|(a, _)| *a).collect();
    let carried = |payload: &[u8]| match state {
        true => known_by(cache, payload, &layers),
        false => blobs_of(cache, payload),
    };
    let receipts = if state { receipts(process, &workspace)? } else { BTreeMap::new() };
    let what = Export { actions: &actions, blobs_of: &carried, attachments: &receipts };
    let report = cache.export(&what, &process.dir.join(out)).map_err(|error| Stop::environment(code::BUNDLE, error))?;
    print(&told(out, report.records, report.blobs, report.bytes, state.then_some(receipts.len() as u64)));
    Ok(Exit::Ok)
}

/// The records of the wanted nodes, and which of them are layers. A node without one that stands now, as one that runs
/// every time, gives that of its last run.
fn results(process: &Process, workspace: &mut Workspace) -> Result<Vec<(ActionDigest, bool)>, Stop> {
    let plan = verdicts(process, workspace)?;
    let session = &workspace.session;
    let wanted = session.graph.ids().filter(|id| workspace.wanted[id.index()]);
    let found = wanted.filter_map(|id| {
        let action = plan.actions[id.index()].or(session.memory[id.index()].action)?;
        let is_layer = matches!(session.graph.node(id).kind, Kind::Package(_) | Kind::Check(_));
        session.cache.get_record(&action).is_some().then_some((action, is_layer))
    });
    Ok(found.collect())
}

/// The blobs of a record that are held and that others need: all of a layer, else what is not large. A compiled binary
/// stays at home, and sources travel.
fn known_by(cache: &Cache, payload: &[u8], layers: &BTreeSet<ActionDigest>) -> Vec<BlobDigest> {
    let is_layer = Record::decode_any(payload).is_some_and(|record| layers.contains(&record.action));
    let limit = if is_layer { u64::MAX } else { LARGE_BLOB };
    let mut blobs = blobs_of(cache, payload);
    blobs.retain(|digest| cache.read_blob(digest, limit).is_some());
    blobs
}

fn receipts(process: &Process, workspace: &Workspace) -> Result<BTreeMap<String, Vec<u8>>, Stop> {
    let root = &workspace.selection.pipeline.root;
    let problem = |error| {
        Stop::environment(code::RECEIPTS, format!("cannot read {}: {error}", root.join(".ocelot/receipts").display()))
    };
    let all = Receipts::of_project(root).all().map_err(problem)?;
    Ok(attachments(all.iter().filter(|(_, receipt)| is_in_force(root, &process.env, &receipt.identity))))
}

/// `cache import`: takes a bundle over, after all of it was checked.
///
/// # Errors
/// If the file is wrong in any part, or what is in it cannot be kept.
pub(in crate::cli) fn import(process: &Process, file: &str) -> Result<Exit, Stop> {
    let cache = process.open_cache(Access::ReadWrite, None)?;
    let checks = Checks { keys_of: &keys_of, attachment: &check };
    let report =
        cache.import(&process.dir.join(file), &checks).map_err(|error| Stop::environment(code::BUNDLE, error))?;
    let mut taken = None;
    if !report.attachments.is_empty() {
        let _held = lock_workspace(process, &process.dir)?;
        let receipts = Receipts::of_project(&process.dir);
        let problem = |error| Stop::environment(code::RECEIPTS, format!("cannot keep the receipts of {file}: {error}"));
        taken = Some(take_over(&receipts, &report.attachments).map_err(problem)?);
    }
    print(&told(file, report.records, report.blobs, report.bytes, taken));
    Ok(Exit::Ok)
}

/// The keys of a record that comes from elsewhere, as its own bytes give them.
fn keys_of(payload: &[u8]) -> Option<(ActionDigest, OwnDigest)> {
    Record::decode_any(payload).map(|record| (record.action, record.own))
}

fn told(file: &str, records: u64, blobs: u64, bytes: u64, receipts: Option<u64>) -> String {
    let receipts = receipts.map_or_else(String::new, |count| format!(", {count} receipts"));
    format!("{file}: {records} records, {blobs} blobs, {bytes} bytes{receipts}\n")
}
