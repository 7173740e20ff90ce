//! What a compiled graph is kept under, and what proves that it is current.

use crate::base::digest::BlobDigest;
use crate::cli::process::Process;
use crate::cli::selection::Selection;
use crate::engine::observe::Observer;
use crate::engine::state::{Proof, Row};
use crate::project::load::Loaded;

/// Names the program itself, so that a graph compiled by another build of it is not taken.
pub(super) fn with_program<'a>(env: &'a dyn Fn(&str) -> Option<String>) -> impl Fn(&str) -> Option<String> + 'a {
    |name| if name == PROGRAM { program_stamp() } else { env(name) }
}

/// Stands for the running program among the variables of a proof.
const PROGRAM: &str = "(ocelot)";

fn program_stamp() -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata("/proc/self/exe").ok()?;
    Some(format!("{} {} {} {}", env!("CARGO_PKG_VERSION"), meta.size(), meta.mtime_nsec(), meta.mtime()))
}

/// What was given selects the snapshot: the pipeline, the parameters, the lock.
pub(super) fn snapshot_key(process: &Process, selection: &Selection) -> BlobDigest {
    let lock = process.common.lock.as_deref().unwrap_or_default();
    let bytes = postcard::to_stdvec(&(&selection.pipeline.file, lock, &selection.sets));
    BlobDigest::of(&bytes.expect("BUG: texts always encode"))
}

/// The proof of a graph that was loaded after `began_ns`, by the file system's clock (0: unknown).
pub(super) fn make_proof(
    loaded: &Loaded,
    observer: &mut Observer,
    env: &dyn Fn(&str) -> Option<String>,
    began_ns: i64,
) -> Proof {
    let mut files: Vec<&String> = loaded.read.iter().collect();
    files.sort();
    files.dedup();
    let rows: Vec<Row> = files
        .into_iter()
        .map(|file| {
            let id = observer.look(file);
            Row { id, mark: observer.table.entry(id).mark() }
        })
        .collect();
    // Edited since: the graph may be of the text before, so nothing proves it.
    let edited = |row: &Row| observer.table.entry(row.id).stamp.ctime_ns > began_ns;
    let is_certain = began_ns == 0 || !rows.iter().any(edited);
    let generation = if is_certain { observer.table.generation() } else { 0 };
    let names = loaded.env.iter().copied().chain([PROGRAM]);
    let digest = |name: &str| env(name).map(|value| BlobDigest::of(value.as_bytes()));
    let env = names.map(|name| (name.to_owned(), digest(name))).collect();
    Proof { generation, rows, env }
}
