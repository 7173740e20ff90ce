//! One command's view of a workspace: the graph, what is remembered, and what stands in the project now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::action::manifest::Manifest;
use crate::action::result::{ActionResult, Alternative, Content, Discovered, Listing, Record};
use crate::action::verdict::OutputState;
use crate::base::digest::BlobDigest;
use crate::base::id::{NodeId, PathId};
use crate::engine::lock_key;
use crate::engine::observe::Observer;
use crate::engine::snapshot::NodeMemory;
use crate::engine::sources::Sources;
use crate::engine::state::Proof;
use crate::engine::tools::Tools;
use crate::exec::api::Prepared;
use crate::exec::receipt::{self, Effect};
use crate::graph::build::does_work;
use crate::graph::declared::Declared;
use crate::graph::node::{Class, Graph, Kind, Pin};
use crate::store::cache::Cache;

/// What does not belong to the graph but decides what a run does.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Instances named by `--force`.
    pub forced: BTreeSet<NodeId>,
    /// Instances named by `--as-is`: never run, their receipts stand unasked.
    pub as_is: BTreeSet<NodeId>,
    /// `--no-cache`: pure nodes run; records are still written.
    pub no_cache: bool,
    /// Outputs count as in place wherever they are: for a machine that only decides what others do.
    pub assume_outputs: bool,
    /// `--offline`.
    pub offline: bool,
    /// `--sandbox`.
    pub sandbox: bool,
    /// Whether this run may add prepared trees to the lock.
    pub writes_lock: bool,
    /// Arguments after `--`, for one `exec`.
    pub extra_args: Option<(NodeId, Vec<String>)>,
}

/// Looks outside the project on behalf of the engine; implemented where effects may happen.
pub trait Outside {
    /// The commit that a ref of a local repository names now, and the files whose stat proves it.
    ///
    /// # Errors
    /// An unknown ref or a broken repository, in words.
    fn local_revision(&self, repo: &str, reference: &str) -> Result<(String, Vec<PathBuf>), String>;

    /// What a receipt says of an effect under this digest; the file is to be watched.
    fn receipt(&self, effect: &Effect<'_>) -> receipt::Answer;

    /// As [`Self::receipt`], wherever it was made: no credentials are asked for.
    fn standing_receipt(&self, effect: &Effect<'_>) -> receipt::Answer;
}

/// How a node stands in this run.
#[derive(Clone, Debug)]
pub enum Known {
    /// It has results.
    Done(Arc<ActionResult>),
    /// It has none, and why.
    Failed(String),
}

/// One command's view of a workspace.
pub struct Session {
    /// The graph.
    pub graph: Arc<Graph>,
    /// What stands in the project.
    pub observer: Observer,
    /// The content store.
    pub cache: Arc<Cache>,
    /// What is remembered, by node.
    pub memory: Vec<NodeMemory>,
    /// Proof that the graph is current.
    pub proof: Proof,
    /// How nodes stand in this run.
    pub known: Vec<Option<Known>>,
    /// The caller's environment.
    pub env: BTreeMap<String, String>,
    /// What decides beside the graph.
    pub options: Options,
    /// Prepared `go.mod` and `go.sum` from the lock, by key.
    pub prepared: BTreeMap<String, Prepared>,
    /// The Go toolchain that the lock names.
    pub go_toolchain: Option<String>,
    /// Pins made in this run.
    pub pins: BTreeMap<NodeId, Pin>,
    /// Programs.
    pub tools: Tools,
    /// The world beyond the project.
    pub outside: Box<dyn Outside>,
    /// Files each node reads in the project, resolved once per run.
    pub(in crate::engine) sources: Vec<Option<Sources>>,
    /// Files in the project that each node's last evaluation took.
    pub(in crate::engine) selected: Vec<Vec<(String, Content)>>,
    /// Rows that each node's last evaluation rests on.
    pub(in crate::engine) rows: Vec<Vec<PathId>>,
    pub(in crate::engine) declared: Arc<Declared>,
    /// Where each node of the graph stands in the whole one; empty if this is the whole.
    places: Vec<NodeId>,
}

/// What a session is made of.
pub struct Parts {
    /// The compiled graph, or a part of it.
    pub graph: Graph,
    /// What the whole graph declares.
    pub declared: Declared,
    /// Where each node of a part stands in the whole graph; empty for the whole.
    pub places: Vec<NodeId>,
    /// How nodes stand that need no look: those that a part borders on.
    pub known: Vec<Option<Known>>,
    /// What is remembered, by node; shorter is filled with nothing.
    pub memory: Vec<NodeMemory>,
    /// Proof that the graph is current.
    pub proof: Proof,
    /// What stands in the project.
    pub observer: Observer,
    /// The content store.
    pub cache: Arc<Cache>,
    /// The caller's environment.
    pub env: BTreeMap<String, String>,
    /// The world beyond.
    pub outside: Box<dyn Outside>,
    /// From the lock.
    pub prepared: BTreeMap<String, Prepared>,
    /// From the lock.
    pub go_toolchain: Option<String>,
}

impl Session {
    /// A session over these parts.
    pub fn new(parts: Parts, options: Options) -> Self {
        let Parts { graph, declared, places, mut known, mut memory, .. } = parts;
        let Parts { proof, observer, cache, env, outside, prepared, go_toolchain, .. } = parts;
        let count = graph.nodes.len();
        memory.resize_with(count, NodeMemory::default);
        known.resize(count, None);
        Self {
            graph: Arc::new(graph),
            observer,
            cache,
            memory,
            proof,
            known,
            env,
            options,
            prepared,
            go_toolchain,
            pins: BTreeMap::new(),
            tools: Tools::default(),
            outside,
            sources: vec![None; count],
            selected: vec![Vec::new(); count],
            rows: vec![Vec::new(); count],
            declared: Arc::new(declared),
            places,
        }
    }

    /// Where a node stands in the whole graph.
    pub fn place(&self, id: NodeId) -> NodeId {
        self.places.get(id.index()).copied().unwrap_or(id)
    }

    /// For a node that is taken as it is: what is said if there is nothing of it.
    pub(in crate::engine) fn as_is(&self, id: NodeId) -> Option<&'static str> {
        let what = match self.graph.node(id).kind {
            Kind::Publish(_) => "not published",
            Kind::Release(_) => "not released",
            _ => "no stored result",
        };
        self.options.as_is.contains(&id).then_some(what)
    }

    /// Forgets how these nodes stand.
    pub(in crate::engine) fn forget_known(&mut self, wanted: &[bool]) {
        for (known, _) in self.known.iter_mut().zip(wanted).filter(|(_, wanted)| **wanted) {
            *known = None;
        }
    }

    /// The result of a node in this run, if it has one.
    pub fn result(&self, id: NodeId) -> Option<&Arc<ActionResult>> {
        match self.known[id.index()].as_ref()? {
            Known::Done(result) => Some(result),
            Known::Failed(_) => None,
        }
    }

    /// Axis values of a node by axis.
    pub fn axes(&self, id: NodeId) -> BTreeMap<String, String> {
        let node = self.graph.node(id);
        let axes = self.graph.axes.get(&node.base).map(Vec::as_slice).unwrap_or_default();
        axes.iter().cloned().zip(node.values.iter().cloned()).collect()
    }

    /// The first strict dependency that has no result in this run.
    pub fn failed_dep(&self, id: NodeId) -> Option<NodeId> {
        let strict = self.graph.node(id).edges.iter().filter(|edge| edge.role.is_strict());
        strict.map(|edge| edge.to).find(|to| matches!(self.known[to.index()], Some(Known::Failed(_))))
    }

    /// What another node's result has at a path that it declares, or that lies in a folder that it declares.
    pub fn generated(&self, path: &str, result: &ActionResult) -> Option<Content> {
        let bare = path.trim_end_matches('/');
        result.outputs.iter().find_map(|output| {
            let declared = output.path.as_deref()?.trim_end_matches('/');
            if declared == bare {
                return Some(output.content.clone());
            }
            let inside = bare.strip_prefix(declared)?.strip_prefix('/')?;
            let Content::Tree { listing, .. } = &output.content else { return None };
            self.listing(listing)?.get(inside).cloned()
        })
    }

    /// A stored directory listing.
    pub fn listing(&self, digest: &BlobDigest) -> Option<Listing> {
        Listing::read(digest, || self.cache.read_blob(digest, u64::MAX))
    }

    /// Marks whatever stands at a node's output paths as made by it: replacing that later loses no edit.
    pub fn claim_outputs(&mut self, id: NodeId) {
        let graph = Arc::clone(&self.graph);
        for output in graph.node(id).outputs() {
            let mut rows = Vec::new();
            let bare = output.trim_end_matches('/');
            if let Some(row) = self.observer.table.lookup(bare) {
                self.observer.forget(row);
            }
            // What cannot be read cannot be claimed; it is then set aside like an edit.
            self.observer.content(bare, &mut rows).ok();
            for row in rows {
                self.observer.table.mark_ours(row);
            }
        }
    }

    /// Stores a result under another manifest of the same action.
    pub fn store_record(&self, manifest: &Manifest, result: &ActionResult, discovered: &[Discovered]) {
        let alternative = Alternative { discovered: discovered.to_vec(), result: result.clone() };
        let record = Record { action: manifest.action, own: manifest.own, alternatives: vec![alternative] };
        self.cache.put_bytes(&manifest.bytes);
        self.cache.put_record(&manifest.action, &manifest.own, &record.encode());
    }

    /// Module files of an overlay that the lock should have and has not.
    pub fn unlocked_modules(&self, id: NodeId, result: &ActionResult) -> Option<(String, Prepared)> {
        if !self.options.writes_lock || !matches!(self.graph.node(id).kind, Kind::Overlay(_)) {
            return None;
        }
        let files = self.selected[id.index()].as_slice();
        let key = self.overlay_key(id, files).filter(|key| !self.prepared.contains_key(key))?;
        let text = |name: &str| {
            let Content::File(file) = &result.output(name)?.content else { return None };
            String::from_utf8(self.cache.read_blob(&file.digest, u64::MAX)?).ok()
        };
        let go_mod = text("go.mod")?;
        Some((key, Prepared { go_mod, go_sum: text("go.sum").unwrap_or_default() }))
    }

    /// The key under which the lock keeps what an overlay prepared.
    pub fn overlay_key(&self, id: NodeId, files: &[(String, Content)]) -> Option<String> {
        let node = self.graph.node(id);
        let Kind::Overlay(overlay) = &node.kind else { return None };
        let source = self.result(node.field("source").next()?)?;
        let resolution = self.result(node.field("resolution").next()?)?;
        lock_key::overlay_key(source, resolution.fact("tags")?, files, &overlay.dependencies)
    }

    /// Rows that it rests on that a node is up to date, its outputs among them. `None` if a repeat has to look at it
    /// whatever they say: an output is not what its result says, its inputs changed while it ran, or it is volatile.
    pub fn rests_on(&mut self, id: NodeId) -> Option<Vec<PathId>> {
        let node = self.graph.node(id);
        let is_volatile = matches!((&node.kind, node.class), (Kind::Exec(_), Class::Volatile));
        if is_volatile || (does_work(node) && self.memory[id.index()].action.is_none()) {
            return None;
        }
        let mut rows = self.rows[id.index()].clone();
        if let Some(sources) = &self.sources[id.index()] {
            rows.extend_from_slice(&sources.rows);
        }
        let result = Arc::clone(self.result(id)?);
        (self.output_state(&result, &mut rows) == OutputState::InPlace).then_some(rows)
    }

    /// Whether a node reads any of these files, itself.
    pub fn reads_any(&self, id: NodeId, paths: &[String]) -> bool {
        let sources = self.sources[id.index()].as_ref();
        sources.is_some_and(|sources| sources.files.iter().any(|(path, _)| paths.contains(path)))
    }
}
