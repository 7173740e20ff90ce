//! `--record`: what every node was made from, in a file that another machine can compare with its own.
//!
//! A manifest names no absolute path and no host, so that equal nodes have equal fields on any machine.

use std::collections::BTreeMap;
use std::path::Path;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::action::compare::NodeState;
use crate::action::manifest::read_fields;
use crate::action::result::ActionResult;
use crate::base::code;
use crate::base::id::NodeId;
use crate::cli::exit::Stop;
use crate::cli::workspace::Workspace;
use crate::engine::session::Known;
use crate::graph::build::does_work;
use crate::store::atomic;

/// Raised with every change that an older reader would misread.
const FORMAT: u32 = 1;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::cli) struct RecordFile {
    /// [`FORMAT`].
    format: u32,
    /// The version of the program that wrote it.
    ocelot: String,
    /// The pipeline's name.
    pipeline: String,
    /// In topological order.
    nodes: Vec<RecordedNode>,
}

/// One node.
#[derive(Debug, Serialize, Deserialize)]
struct RecordedNode {
    /// Its instance name.
    node: String,
    /// What it does.
    kind: String,
    /// What a run would do now, in one word.
    verdict: String,
    /// The digest of `fields`, in hexadecimal.
    action: String,
    /// Whether other nodes have not made yet what they give to it.
    open: bool,
    /// The manifest; without what other nodes give, if it is open.
    fields: IndexMap<String, String>,
    /// Outputs and facts, by name, if there is a result.
    outputs: BTreeMap<String, String>,
}

impl RecordFile {
    /// Writes what the wanted nodes are made from now: after a plan or a run over them.
    ///
    /// # Errors
    /// If an input cannot be read, or the file cannot be written.
    pub(in crate::cli) fn write(workspace: &mut Workspace, file: &Path) -> Result<(), Stop> {
        let ids: Vec<NodeId> = workspace.session.graph.ids().filter(|id| workspace.wanted[id.index()]).collect();
        let mut nodes = Vec::new();
        for id in ids {
            let node = std::sync::Arc::clone(workspace.session.graph.node(id));
            if !does_work(&node) {
                continue;
            }
            let session = &workspace.session;
            let is_open = |dep: &NodeId| session.known[dep.index()].is_none() && does_work(session.graph.node(*dep));
            let enters = node.edges.iter().filter(|edge| edge.role.enters_digest());
            let open = enters.map(|edge| edge.to).find(is_open);
            let evaluation = workspace.session.evaluate(id, open, false).map_err(|problem| {
                Stop::environment(code::RECORD_FILE, format!("`{}` cannot be recorded: {problem}", node.name))
            })?;
            let result = match &workspace.session.known[id.index()] {
                Some(Known::Done(result)) => Some(result.as_ref()),
                _ => None,
            };
            nodes.push(RecordedNode {
                node: node.name.clone(),
                kind: node.kind.name().to_owned(),
                verdict: evaluation.decision.verdict.word().to_owned(),
                open: open.is_some(),
                action: evaluation.manifest.action.to_hex(),
                fields: read_fields(&evaluation.manifest.bytes).unwrap_or_default().into_iter().collect(),
                outputs: result.map(outputs).unwrap_or_default(),
            });
        }
        let pipeline = workspace.session.graph.name.clone();
        let whole = Self { format: FORMAT, ocelot: env!("CARGO_PKG_VERSION").to_owned(), pipeline, nodes };
        let failed = |error: &dyn std::fmt::Display| {
            Stop::environment(code::RECORD_FILE, format!("cannot write the record {}: {error}", file.display()))
        };
        let text = serde_json::to_string_pretty(&whole).map_err(|error| failed(&error))?;
        atomic::write(file, (text + "\n").as_bytes(), false).map_err(|error| failed(&error))
    }

    /// Reads such a file.
    ///
    /// # Errors
    /// If it is none.
    pub(in crate::cli) fn read(file: &Path) -> Result<Self, Stop> {
        let shown = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| Stop::usage(code::RECORD_FILE, format!("cannot read {shown}: {error}")))?;
        let whole: Self = serde_json::from_str(&text).map_err(|error| {
            Stop::usage(code::RECORD_FILE, format!("{shown} is no record of a run: {error}"))
                .hint("`ocelot plan --record FILE` and `ocelot run --record FILE` write one")
        })?;
        if whole.format != FORMAT {
            let format = whole.format;
            return Err(Stop::usage(
                code::RECORD_FILE,
                format!("{shown} has format {format}, which this version does not read"),
            )
            .hint(format!("write it with the same version of ocelot; it was written by {}", whole.ocelot)));
        }
        Ok(whole)
    }

    /// What a run would do about each node, in one word.
    pub(in crate::cli) fn verdicts(&self) -> BTreeMap<String, String> {
        self.nodes.iter().map(|node| (node.node.clone(), node.verdict.clone())).collect()
    }

    /// The nodes, to be compared.
    pub(in crate::cli) fn states(&self) -> Vec<NodeState> {
        let state = |node: &RecordedNode| NodeState {
            node: node.node.clone(),
            fields: Some(node.fields.clone().into_iter().collect()),
            is_open: node.open,
            outputs: node.outputs.clone().into_iter().collect(),
        };
        self.nodes.iter().map(state).collect()
    }
}

/// Outputs and facts by name. A fact of the same name as an output stands beside it.
fn outputs(result: &ActionResult) -> BTreeMap<String, String> {
    let contents = result.outputs.iter().map(|output| (output.name.clone(), output.content.value()));
    let facts = result.facts.iter().map(|(name, value)| (format!("fact {name}"), value.clone()));
    contents.chain(facts).collect()
}
