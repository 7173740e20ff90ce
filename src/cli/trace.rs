//! `--trace`: where the trace of a run goes.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use crate::base::code;
use crate::cli::exit::Stop;
use crate::cli::process::Process;
use crate::event::account::Account;
use crate::graph::node::Graph;
use crate::report::trace::{TracePool, trace};

/// A file that a trace will be written to.
pub(in crate::cli) struct TraceFile {
    file: File,
    path: PathBuf,
}

impl TraceFile {
    /// Makes the file now: a run whose trace has no place is not begun.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(in crate::cli) fn create(process: &Process, name: &str) -> Result<Self, Stop> {
        let path = process.dir.join(name);
        let file = File::create(&path).map_err(|error| {
            Stop::environment(code::CANNOT_WRITE, format!("cannot write the trace to {}: {error}", path.display()))
        })?;
        Ok(Self { file, path })
    }

    /// Writes the trace of a run; `graph` is none if the run had nothing to do.
    ///
    /// # Errors
    /// In words, if the disk does not take it.
    pub(in crate::cli) fn write(mut self, account: &Account, graph: Option<&Graph>) -> Result<(), String> {
        let pools = graph.map(|graph| graph.pools.as_slice()).unwrap_or_default();
        let pools: Vec<TracePool> =
            pools.iter().map(|pool| TracePool { name: pool.name.clone(), depth: pool.depth }).collect();
        let nodes = graph.map(|graph| graph.nodes.as_slice()).unwrap_or_default();
        let by_name: std::collections::BTreeMap<&str, usize> =
            nodes.iter().filter_map(|node| Some((node.name.as_str(), node.pool?.index()))).collect();
        let text = trace(account, &pools, &|node| by_name.get(node).copied());
        let failed = |error| format!("the trace was not written to {}: {error}", self.path.display());
        self.file.write_all(text.as_bytes()).map_err(failed)
    }
}
