//! One command's view of a workspace: the graph, what is remembered, and what stands in the project now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::action::manifest::Manifest;
use crate::action::result::{ActionResult, Alternative, Content, Discovered, Listing, Record};
use crate::action::verdict::OutputState;
use crate::base::digest::BlobDigest;
use crate::base::id::{NodeId, PathId};
use crate::base::rel_path;
use crate::engine::lock_key;
use crate::engine::observe::{ObserveError, Observer};
use crate::engine::state::{NodeMemory, Proof};
use crate::engine::tools::{ToolError, Tools};
use crate::exec::api::Prepared;
use crate::graph::node::{Graph, Kind, Node, Pin, Source};
use crate::store::cache::Cache;

/// What does not belong to the graph but decides what a run does.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Instances named by `--force`.
    pub forced: BTreeSet<NodeId>,
    /// `--no-cache`: pure nodes run; records are still written.
    pub no_cache: bool,
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
    fn receipt(&self, query: &ReceiptQuery<'_>) -> ReceiptAnswer;
}

/// A question about a receipt.
#[derive(Clone, Copy, Debug)]
pub struct ReceiptQuery<'a> {
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// The effect.
    pub node: &'a Node,
    /// The action digest, as hexadecimal digits.
    pub action: &'a str,
    /// The layer that a `publish` ships.
    pub layer: Option<&'a ActionResult>,
}

/// What receipts say.
#[derive(Clone, Debug)]
pub struct ReceiptAnswer {
    /// For the verdict.
    pub state: crate::action::verdict::ReceiptState,
    /// What the effect left, if the receipt is valid.
    pub result: Option<ActionResult>,
    /// Files whose stat proves the answer.
    pub watch: Vec<PathBuf>,
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
    declared: Declared,
}

/// The files of a node that no node makes.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Sources {
    pub(in crate::engine) files: Vec<(String, Content)>,
    pub(in crate::engine) rows: Vec<PathId>,
}

/// Declared outputs of the whole graph.
#[derive(Default)]
struct Declared {
    files: BTreeSet<String>,
    folders: bool,
}

impl Declared {
    fn claims(&self, path: &str) -> bool {
        let bare = path.trim_end_matches('/');
        self.files.contains(bare)
            || (self.folders
                && (self.files.contains(&format!("{bare}/"))
                    || rel_path::parents(bare).any(|parent| self.files.contains(parent))))
    }
}

/// A node whose inputs cannot be established.
#[derive(Debug, thiserror::Error)]
#[error("`{node}`: {problem}")]
pub struct PrepareError {
    /// The node.
    pub node: String,
    /// What is wrong.
    pub problem: InputProblem,
}

/// The programs that a node takes from `PATH`, or names by absolute path.
pub(in crate::engine) fn tools_of(node: &Node) -> Vec<&str> {
    match &node.kind {
        Kind::Exec(exec) => {
            let program = exec.command[0].as_str();
            let is_tool = !program.contains('/') || program.starts_with('/');
            exec.tools.iter().map(String::as_str).chain(is_tool.then_some(program)).collect()
        }
        Kind::Overlay(_) | Kind::Build(_) => vec!["go"],
        _ => Vec::new(),
    }
}

/// What is wrong with a node's inputs.
#[derive(Debug, thiserror::Error)]
pub enum InputProblem {
    /// A path.
    #[error(transparent)]
    Path(#[from] ObserveError),
    /// A program.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A repository.
    #[error("{0}")]
    Source(String),
}

/// What a session is made of.
pub struct Parts {
    /// The compiled graph.
    pub graph: Graph,
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
        let Parts { graph, mut memory, proof, observer, cache, env, outside, prepared, go_toolchain } = parts;
        let count = graph.nodes.len();
        memory.resize_with(count, NodeMemory::default);
        let mut declared = Declared::default();
        for node in &graph.nodes {
            for output in node.outputs() {
                declared.folders |= output.ends_with('/');
                declared.files.insert(output.to_owned());
            }
        }
        Self {
            graph: Arc::new(graph),
            observer,
            cache,
            memory,
            proof,
            known: vec![None; count],
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
            declared,
        }
    }

    /// Resolves the source files of every wanted node, looking at all of them in one sweep.
    ///
    /// # Errors
    /// Every node that has an input that cannot be one, before anything is run.
    pub fn prepare(&mut self, wanted: &[bool]) -> Result<(), Vec<PrepareError>> {
        let mut ids = Vec::new();
        let graph = Arc::clone(&self.graph);
        for node in graph.ids().filter(|id| wanted[id.index()]).map(|id| graph.node(id)) {
            if let Kind::Exec(exec) = &node.kind {
                let literal = |path: &&String| !path.starts_with('!') && !rel_path::is_glob(path);
                for path in exec.inputs.iter().filter(literal) {
                    ids.push(self.observer.table.intern(path.trim_end_matches('/')));
                }
            }
            for output in node.outputs() {
                ids.push(self.observer.table.intern(output.trim_end_matches('/')));
            }
        }
        self.observer.look_all(&ids);
        let mut errors = self.missing_tools(wanted);
        for id in graph.ids().filter(|id| wanted[id.index()]) {
            match self.resolve_sources(id) {
                Ok(sources) => self.sources[id.index()] = Some(sources),
                Err(problem) => {
                    errors.push(PrepareError { node: graph.node(id).name.clone(), problem });
                }
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Every program that a wanted node needs and that is not there, each told once.
    fn missing_tools(&mut self, wanted: &[bool]) -> Vec<PrepareError> {
        let path = self.env.get("PATH").cloned().unwrap_or_default();
        let graph = Arc::clone(&self.graph);
        let mut seen = BTreeSet::new();
        let mut errors = Vec::new();
        for id in graph.ids().filter(|id| wanted[id.index()]) {
            for name in tools_of(graph.node(id)) {
                if !seen.insert(name) {
                    continue;
                }
                if let Err(problem) = self.tools.find(name, &path, &mut self.observer) {
                    errors.push(PrepareError { node: graph.node(id).name.clone(), problem: problem.into() });
                }
            }
        }
        errors
    }

    fn resolve_sources(&mut self, id: NodeId) -> Result<Sources, InputProblem> {
        let node = Arc::clone(self.graph.node(id));
        let mut sources = Sources::default();
        match &node.kind {
            Kind::Exec(exec) => {
                let declared = &self.declared;
                let mut inputs =
                    self.observer.inputs(&exec.inputs, &|path| declared.claims(path), &mut sources.rows)?;
                // A program inside the project is an input like any other.
                let program = &exec.command[0];
                if program.contains('/') && !program.starts_with('/') {
                    let path = rel_path::normalise(program).unwrap_or_else(|_| program.clone());
                    if !self.declared.claims(&path) && !inputs.iter().any(|(known, _)| *known == path) {
                        let content = self.observer.content(&path, &mut sources.rows)?;
                        inputs.push((path.clone(), content.ok_or(ObserveError::Missing { path })?));
                    }
                }
                sources.files = inputs;
            }
            Kind::Resolve(k) => {
                for path in k.config_file.iter().chain(&k.components) {
                    self.add_source(path, &mut sources)?;
                }
            }
            Kind::Overlay(k) => {
                for path in k.components.iter() {
                    self.add_source(path, &mut sources)?;
                }
            }
            Kind::Clone(k) => {
                if let Source::Plain(path) = &k.source {
                    let wanted: Vec<String> = match k.paths.as_slice() {
                        [] => vec![path.clone()],
                        paths => {
                            paths.iter().map(|wanted| format!("{}/{wanted}", path.trim_end_matches('/'))).collect()
                        }
                    };
                    for path in wanted {
                        self.add_source(&path, &mut sources)?;
                    }
                }
            }
            Kind::Build(_) | Kind::Package(_) | Kind::Check(_) | Kind::Publish(_) => {}
            Kind::Report(_) | Kind::Release(_) | Kind::Group => {}
        }
        sources.files.sort();
        Ok(sources)
    }

    /// A file, or every file of a folder.
    fn add_source(&mut self, path: &str, sources: &mut Sources) -> Result<(), ObserveError> {
        let missing = || ObserveError::Missing { path: path.to_owned() };
        match self.observer.content(path, &mut sources.rows)?.ok_or_else(missing)? {
            Content::Tree { .. } => {
                let bare = path.trim_end_matches('/');
                let listing = self.observer.tree(bare, &mut sources.rows)?;
                let prefix = if bare == "." { String::new() } else { format!("{bare}/") };
                sources.files.extend(listing.0.into_iter().map(|(name, content)| (format!("{prefix}{name}"), content)));
            }
            content => sources.files.push((path.to_owned(), content)),
        }
        Ok(())
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
        Listing::decode(&self.cache.read_blob(digest, u64::MAX)?)
    }

    /// Marks whatever stands at an output path as made by a node.
    pub fn claim(&mut self, output: &str) {
        let mut rows = Vec::new();
        let bare = output.trim_end_matches('/');
        if let Some(id) = self.observer.table.lookup(bare) {
            self.observer.forget(id);
        }
        self.observer.content(bare, &mut rows).ok();
        for id in rows {
            self.observer.table.mark_ours(id);
        }
    }

    /// A discovered input that another node makes and that no dependency of this node, direct or not, declares.
    pub fn undeclared_generated(&self, id: NodeId, discovered: &[Discovered]) -> Option<String> {
        let claimed: Vec<&Discovered> = discovered.iter().filter(|found| self.declared.claims(&found.path)).collect();
        if claimed.is_empty() {
            return None;
        }
        let mut wanted = crate::graph::select::closure(&self.graph, &[id]);
        wanted[id.index()] = false;
        let made = |path: &str| {
            self.graph.ids().filter(|id| wanted[id.index()]).any(|id| {
                self.graph
                    .node(id)
                    .outputs()
                    .iter()
                    .any(|output| *output == path || (output.ends_with('/') && path.starts_with(output)))
            })
        };
        claimed.into_iter().map(|found| found.path.clone()).find(|path| !made(path))
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
        let source = self.result(node.field("source").next()?)?;
        let resolution = self.result(node.field("resolution").next()?)?;
        lock_key::overlay_key(source, resolution.fact("tags")?, files)
    }

    /// Rows that a node's being up to date rests on, its outputs among them; `None` if an output is not what its
    /// result says, or the node's kind cannot be proven by files.
    pub fn rows_of(&mut self, id: NodeId) -> Option<Vec<PathId>> {
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
