//! Opens a workspace for a command: which pipeline, whether anything changed, and if so the session to work in.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::code;
use crate::base::digest::BlobDigest;
use crate::base::id::NodeId;
use crate::cli::exit::{Exit, Stop};
use crate::cli::outside::RealOutside;
use crate::cli::process::Process;
use crate::cli::selection::Selection;
use crate::engine::observe::Observer;
use crate::engine::session::{Options, Parts, Session};
use crate::engine::snapshot::{NodeMemory, Part, Settled, Snapshot, Stored};
use crate::engine::state::StateDir;
use crate::graph::declared::Declared;
use crate::graph::node::Graph;
use crate::graph::outline::Outline;
use crate::graph::select::{self, SelectError};
use crate::project::load::{self, Loaded, Request};
use crate::project::lock::Lock;
use crate::store::cache_options::Access;
use crate::store::look::Looker;
use crate::store::path_table::PathTable;

mod moved;
mod named;
mod proof;
mod save;

use moved::{Moved, what_moved};
use proof::{make_proof, snapshot_key, with_program};
use save::save_table;

/// Whether a command may write in the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Mode {
    /// `run` and its like: state is saved.
    Write,
    /// `plan` and its like: nothing is written.
    Read,
    /// A run in a copy of the project: written there, and nowhere else.
    Discard,
}

/// What opening found.
pub(in crate::cli) enum Opened {
    /// Nothing changed since a run over the same targets: there is nothing to do.
    Null(Settled),
    /// A session.
    Session(Box<Workspace>),
}

/// An opened workspace.
pub(in crate::cli) struct Workspace {
    /// The session.
    pub(in crate::cli) session: Session,
    /// Targets, expanded.
    pub(in crate::cli) targets: Vec<NodeId>,
    /// The nodes that the targets need.
    pub(in crate::cli) wanted: Vec<bool>,
    /// The pipeline.
    pub(in crate::cli) selection: Selection,
    /// Where state is.
    pub(in crate::cli) state: StateDir,
    /// Names the snapshot.
    pub(in crate::cli) key: BlobDigest,
    /// The lock.
    pub(in crate::cli) lock: Lock,
    /// Where the session's graph comes from, if it is only a part.
    partial: Option<Partial>,
}

/// A part of a graph that a change concerns, and the whole that it is taken from.
struct Partial {
    stored: Stored,
    /// Number of nodes that the targets need.
    wanted: usize,
    /// Those of them that do work and are not in the part.
    untouched: u64,
}

/// What to open, and how.
pub(in crate::cli) struct OpenRequest<'a> {
    /// What.
    pub(in crate::cli) selection: Selection,
    /// Whether state is saved.
    pub(in crate::cli) mode: Mode,
    /// Whether "nothing changed" may be answered without a session.
    pub(in crate::cli) null_allowed: bool,
    /// The only node that the answer is about, by its whole name: where that can be told from the affected part of the graph
    /// and this node, no more is read.
    pub(in crate::cli) asks_of: Option<&'a str>,
    /// The file system's clock, if something was written just now.
    pub(in crate::cli) now_ns: i64,
    /// Names of `--force`.
    pub(in crate::cli) force: &'a [String],
    /// Names of `--as-is`.
    pub(in crate::cli) as_is: &'a [String],
    /// What decides beside the graph.
    pub(in crate::cli) options: Options,
}

/// Opens a workspace.
///
/// # Errors
/// Anything wrong with the project's files or targets.
pub(in crate::cli) fn open(process: &Process, request: OpenRequest<'_>) -> Result<Opened, Stop> {
    let OpenRequest { selection, mode, null_allowed, asks_of, now_ns, force, as_is, options } = request;
    let root = selection.pipeline.root.clone();
    let state = StateDir::new(&root);
    let key = snapshot_key(process, &selection);
    let looker = Looker::new(&root, now_ns).map_err(|error| {
        Stop::environment(code::SYSTEM, format!("cannot open the project {}: {error}", root.display()))
    })?;
    let table = state.read_table();
    let fast = uses_fast_path(process);
    let stored = table.is_some().then(|| Stored::open(&state.snapshot(&key), &key)).flatten();
    let generation = process.clock.unix_seconds() << 20 ^ u64::from(std::process::id());
    let mut observer = Observer::new(looker, table.unwrap_or_else(|| PathTable::new(generation)));
    let env = |name: &str| process.env.get(name).cloned();
    let mut graph = None;
    if let Some(stored) = stored {
        let current = fast && stored.null.proof.holds(&mut observer, &with_program(&env));
        let asked = asks_of.filter(|_| current).and_then(|name| stored.outline()?.find(name));
        let moved = match current && (null_allowed || asked.is_some()) {
            true => what_moved(&stored, &selection.targets, asked, &mut observer, &env),
            false => Moved::Unknown,
        };
        graph = match moved {
            Moved::Nothing(settled) => {
                if mode == Mode::Write && observer.table.is_changed() {
                    // What is not saved is hashed again by the next run; the lock has told of a read-only workspace.
                    save_table(&state, &observer).ok();
                }
                return Ok(Opened::Null(settled));
            }
            Moved::Some { part, index, untouched } => Some(Compiled::Part(Box::new(Found {
                wanted: index.wanted.iter().filter(|wanted| **wanted).count(),
                untouched,
                declared: index.declared,
                stored,
                part: *part,
            }))),
            Moved::Unknown => stored.whole().map(|snapshot| Compiled::Whole { snapshot: Box::new(snapshot), current }),
        };
    }
    let mut sources = crate::base::diag::SourceMap::default();
    let mut read_lock = || {
        Lock::read(&root, process.common.lock.as_deref(), &mut sources)
            .map_err(|diagnostics| Stop::shown(process, &root, Exit::Usage, &sources, &diagnostics))
    };
    let mut partial = None;
    let (mut places, mut known) = (Vec::new(), Vec::new());
    let (snapshot, declared, lock) = match graph {
        Some(Compiled::Part(found)) => {
            let Found { stored, part, declared, wanted, untouched } = *found;
            (places, known) = (part.places, part.known);
            let snapshot = Snapshot { graph: part.graph, nodes: part.nodes, proof: stored.null.proof.clone() };
            partial = Some(Partial { stored, wanted, untouched });
            (snapshot, declared, read_lock()?)
        }
        Some(Compiled::Whole { snapshot, current: true }) => {
            let declared = Declared::of(&snapshot.graph);
            (*snapshot, declared, read_lock()?)
        }
        old => {
            let loaded = load_project(process, &selection)?;
            let proof = make_proof(&loaded, &mut observer, &with_program(&env), now_ns);
            let memory = carry_memory(old, &loaded);
            let declared = Declared::of(&loaded.graph);
            (Snapshot { graph: loaded.graph, nodes: memory, proof }, declared, loaded.lock)
        }
    };
    let access = if mode == Mode::Write { Access::ReadWrite } else { Access::ReadOnly };
    let scratch = (mode != Mode::Read).then(|| state.scratch());
    let cache = Arc::new(process.open_cache(access, scratch)?);
    let parts = Parts {
        graph: snapshot.graph,
        declared,
        places,
        known,
        memory: snapshot.nodes,
        proof: snapshot.proof,
        observer,
        cache,
        env: process.env.clone(),
        outside: Box::new(RealOutside::new(&root, &process.env)),
        prepared: lock.prepared.clone(),
        go_toolchain: lock.file.go.clone(),
    };
    let mut session = Session::new(parts, options);
    let (targets, wanted) = if partial.is_some() {
        let asked = asks_of.and_then(|name| session.graph.find(name));
        (asked.into_iter().collect(), session.known.iter().map(Option::is_none).collect())
    } else {
        let targets = select::select(&session.graph, &selection.targets).map_err(select_stop)?;
        let wanted = select::closure(&session.graph, &targets);
        named::take(&mut session, force, as_is, &wanted)?;
        (targets, wanted)
    };
    Ok(Opened::Session(Box::new(Workspace { session, targets, wanted, selection, state, key, lock, partial })))
}

/// What a snapshot gives to work on.
enum Compiled {
    /// The affected part.
    Part(Box<Found>),
    /// All of it, and whether loading the project would give the same graph.
    Whole { snapshot: Box<Snapshot>, current: bool },
}

/// The affected part of a graph.
struct Found {
    stored: Stored,
    part: Part,
    /// What the whole graph declares.
    declared: Declared,
    wanted: usize,
    untouched: u64,
}

/// Opens a workspace for a command that only looks.
///
/// # Errors
/// As [`open`].
pub(in crate::cli) fn open_to_read(process: &Process, selection: Selection) -> Result<Box<Workspace>, Stop> {
    read(process, selection, None)
}

/// Opens as much of a workspace as it takes to tell about one node, the selection's only target.
///
/// # Errors
/// As [`open`].
pub(in crate::cli) fn open_node(process: &Process, selection: Selection, node: &str) -> Result<Box<Workspace>, Stop> {
    read(process, selection, Some(node))
}

fn read(process: &Process, selection: Selection, asks_of: Option<&str>) -> Result<Box<Workspace>, Stop> {
    let options = Options { offline: process.common.offline, ..Options::default() };
    let (mode, null_allowed, now_ns) = (Mode::Read, false, 0);
    let request = OpenRequest { selection, mode, null_allowed, asks_of, now_ns, force: &[], as_is: &[], options };
    match open(process, request)? {
        Opened::Session(workspace) => Ok(workspace),
        Opened::Null(_) => Err(Stop::new(code::INTERNAL, Exit::Internal, "BUG: a null answer where none was allowed")),
    }
}

/// The graph alone, with the targets and the nodes that they need: for a command that shows no verdicts.
///
/// # Errors
/// As [`open`].
pub(in crate::cli) fn graph_of(
    process: &Process,
    selection: &Selection,
) -> Result<(Graph, Vec<NodeId>, Vec<bool>), Stop> {
    let graph = match current(process, selection).and_then(|stored| stored.graph()) {
        Some(graph) => graph,
        None => load_project(process, selection)?.graph,
    };
    let targets = select::select(&graph, &selection.targets).map_err(select_stop)?;
    let wanted = select::closure(&graph, &targets);
    Ok((graph, targets, wanted))
}

/// What a drawing of the selected nodes shows, and which of them are selected. From the snapshot without reading a node,
/// if everything is selected.
///
/// # Errors
/// As [`open`].
pub(in crate::cli) fn outline_of(process: &Process, selection: &Selection) -> Result<(Outline, Vec<bool>), Stop> {
    let stored = || current(process, selection)?.outline().filter(|outline| outline.wants_all);
    if selection.targets.is_empty()
        && let Some(outline) = stored()
    {
        let wanted = vec![true; outline.len()];
        return Ok((outline, wanted));
    }
    let (graph, _, wanted) = graph_of(process, selection)?;
    let outline = Outline::of(&graph);
    // As in `graph`: the process ends soon.
    std::mem::forget(graph);
    Ok((outline, wanted))
}

/// The snapshot, if its graph is the one that loading would give.
fn current(process: &Process, selection: &Selection) -> Option<Stored> {
    if !uses_fast_path(process) {
        return None;
    }
    let root = &selection.pipeline.root;
    let state = StateDir::new(root);
    let key = snapshot_key(process, selection);
    let mut observer = Observer::new(Looker::new(root, 0).ok()?, state.read_table()?);
    let stored = Stored::open(&state.snapshot(&key), &key)?;
    let env = |name: &str| process.env.get(name).cloned();
    stored.null.proof.holds(&mut observer, &with_program(&env)).then_some(stored)
}

fn uses_fast_path(process: &Process) -> bool {
    process.env.get("OCELOT_FAST_PATH").is_none_or(|value| value != "0")
}

/// Loads the project's files.
///
/// # Errors
/// All problems, rendered.
pub(in crate::cli) fn load_project(process: &Process, selection: &Selection) -> Result<Loaded, Stop> {
    load(process, selection, false)
}

/// Loads the project's files, and checks those too that the pipeline does not use.
///
/// # Errors
/// All problems of all files, rendered.
pub(in crate::cli) fn load_everything(process: &Process, selection: &Selection) -> Result<Loaded, Stop> {
    load(process, selection, true)
}

fn load(process: &Process, selection: &Selection, everything: bool) -> Result<Loaded, Stop> {
    let env = |name: &str| process.env.get(name).cloned();
    let request = Request {
        root: &selection.pipeline.root,
        file: &selection.pipeline.file,
        sets: &selection.sets,
        lock: process.common.lock.as_deref(),
        env: &env,
        everything,
    };
    load::load(&request).map_err(|error| {
        Stop::shown(process, &selection.pipeline.root, Exit::Usage, &error.sources, &error.diagnostics)
    })
}

/// What was remembered under another shape of the graph stays with the instances of the same name.
fn carry_memory(old: Option<Compiled>, loaded: &Loaded) -> Vec<NodeMemory> {
    let Some(Compiled::Whole { snapshot: old, .. }) = old else { return Vec::new() };
    let mut by_name: BTreeMap<String, NodeMemory> =
        old.graph.nodes.iter().map(|node| node.name.clone()).zip(old.nodes).collect();
    loaded.graph.nodes.iter().map(|node| by_name.remove(&node.name).unwrap_or_default()).collect()
}

/// A target that names nothing is a mistake on the command line.
pub(in crate::cli) fn select_stop(error: SelectError) -> Stop {
    Stop::usage(code::NO_TARGET, error)
}

impl Workspace {
    /// Number of nodes that the targets need.
    pub(in crate::cli) fn wanted_count(&self) -> usize {
        let count = || self.wanted.iter().filter(|wanted| **wanted).count();
        self.partial.as_ref().map_or_else(count, |partial| partial.wanted)
    }

    /// Nodes that do work and that no change concerns: they are up to date, and nobody looks at them.
    pub(in crate::cli) fn untouched(&self) -> u64 {
        self.partial.as_ref().map_or(0, |partial| partial.untouched)
    }
}
