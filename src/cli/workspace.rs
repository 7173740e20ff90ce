//! Opens a workspace for a command: which pipeline, whether anything changed, and if so the session to work in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::base::digest::BlobDigest;
use crate::base::id::{NodeId, PathId};
use crate::cli::exit::{Exit, Stop};
use crate::cli::outside::RealOutside;
use crate::cli::process::Process;
use crate::cli::selection::{LastRun, Selection};
use crate::engine::observe::Observer;
use crate::engine::session::{Options, Parts, Session};
use crate::engine::state::{NodeMemory, NullSection, Proof, Row, Settled, Snapshot, StateDir, env_holds, rows_hold};
use crate::graph::node::Kind;
use crate::graph::select::{self, SelectError};
use crate::project::load::{self, Loaded, Request};
use crate::project::lock::Lock;
use crate::store::atomic;
use crate::store::cache_options::Access;
use crate::store::look::Looker;
use crate::store::path_table::PathTable;

/// Whether a command may write in the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Mode {
    /// `run` and its like: state is saved.
    Write,
    /// `plan` and its like: nothing is written.
    Read,
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
}

/// What to open, and how.
pub(in crate::cli) struct OpenRequest<'a> {
    /// What.
    pub(in crate::cli) selection: Selection,
    /// Whether state is saved.
    pub(in crate::cli) mode: Mode,
    /// Whether "nothing changed" may be answered without a session.
    pub(in crate::cli) null_allowed: bool,
    /// The file system's clock, if something was written just now.
    pub(in crate::cli) now_ns: i64,
    /// Names of `--force`.
    pub(in crate::cli) force: &'a [String],
    /// What decides beside the graph.
    pub(in crate::cli) options: Options,
}

/// Opens a workspace.
///
/// # Errors
/// Anything wrong with the project's files or targets.
pub(in crate::cli) fn open(process: &Process, request: OpenRequest<'_>) -> Result<Opened, Stop> {
    let OpenRequest { selection, mode, null_allowed, now_ns, force, options } = request;
    let root = selection.pipeline.root.clone();
    let state = StateDir::new(&root);
    let key = snapshot_key(process, &selection);
    let looker = Looker::new(&root, now_ns)
        .map_err(|error| Stop::environment(format!("cannot open the project {}: {error}", root.display())))?;
    let table = state.read_table();
    let fast = process.env.get("OCELOT_FAST_PATH").is_none_or(|value| value != "0");
    let snapshot = table.is_some().then(|| Snapshot::read_null(&state.snapshot(&key), &key)).flatten();
    let generation = process.clock.unix_seconds() << 20 ^ u64::from(std::process::id());
    let mut observer = Observer::new(looker, table.unwrap_or_else(|| PathTable::new(generation)));
    let env = |name: &str| process.env.get(name).cloned();
    let mut old = None;
    if let Some((sections, null)) = snapshot {
        let current = null.proof.holds(&mut observer, &with_program(&env));
        if let Some(settled) =
            null.settled.filter(|s| fast && current && null_allowed && s.targets == selection.targets)
            && env_holds(&settled.env, &env)
            && rows_hold(&settled.rows, &mut observer)
        {
            if mode == Mode::Write && observer.table.is_changed() {
                save_table(&state, &observer)?;
            }
            return Ok(Opened::Null(settled));
        }
        old = Snapshot::read_rest(&sections, null.proof).map(|snapshot| (snapshot, current && fast));
    }
    let (snapshot, lock) = match old {
        Some((snapshot, true)) => {
            let mut sources = crate::base::diag::SourceMap::default();
            let lock = Lock::read(&root, process.common.lock.as_deref(), &mut sources).map_err(|diagnostics| Stop {
                exit: Exit::Usage,
                text: crate::base::diag::render(&sources, &diagnostics, false),
            })?;
            (snapshot, lock)
        }
        old => {
            let loaded = load_project(process, &selection)?;
            let proof = make_proof(&loaded, &mut observer, &with_program(&env), now_ns);
            let memory = carry_memory(old.map(|(snapshot, _)| snapshot), &loaded);
            (Snapshot { graph: loaded.graph, nodes: memory, proof }, loaded.lock)
        }
    };
    let access = if mode == Mode::Write { Access::ReadWrite } else { Access::ReadOnly };
    let cache = Arc::new(process.open_cache(access, (mode == Mode::Write).then(|| state.scratch()))?);
    let parts = Parts {
        graph: snapshot.graph,
        memory: snapshot.nodes,
        proof: snapshot.proof,
        observer,
        cache,
        env: process.env.clone(),
        outside: Box::new(RealOutside::new(&root)),
        prepared: lock.prepared.clone(),
        go_toolchain: lock.file.go.clone(),
    };
    let mut session = Session::new(parts, options);
    let targets = select::select(&session.graph, &selection.targets).map_err(select_stop)?;
    let wanted = select::closure(&session.graph, &targets);
    session.options.forced = forced(&session, force, &wanted)?;
    Ok(Opened::Session(Box::new(Workspace { session, targets, wanted, selection, state, key, lock })))
}

/// Opens a workspace for a command that only looks.
///
/// # Errors
/// As [`open`].
pub(in crate::cli) fn open_to_read(process: &Process, selection: Selection) -> Result<Box<Workspace>, Stop> {
    let options = Options { offline: process.common.offline, ..Options::default() };
    let request = OpenRequest { selection, mode: Mode::Read, null_allowed: false, now_ns: 0, force: &[], options };
    match open(process, request)? {
        Opened::Session(workspace) => Ok(workspace),
        Opened::Null(_) => Err(Stop::new(Exit::Internal, "BUG: a null answer where none was allowed")),
    }
}

/// Names the program itself, so that a graph compiled by another build of it is not taken.
fn with_program<'a>(env: &'a dyn Fn(&str) -> Option<String>) -> impl Fn(&str) -> Option<String> + 'a {
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
fn snapshot_key(process: &Process, selection: &Selection) -> BlobDigest {
    let lock = process.common.lock.as_deref().unwrap_or_default();
    let bytes = postcard::to_stdvec(&(&selection.pipeline.file, lock, &selection.sets));
    BlobDigest::of(&bytes.expect("BUG: texts always encode"))
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
    load::load(&request).map_err(|error| Stop { exit: Exit::Usage, text: error.render(process.colors()) })
}

/// The proof of a graph that was loaded after `began_ns`, by the file system's clock (0: unknown).
fn make_proof(loaded: &Loaded, observer: &mut Observer, env: &dyn Fn(&str) -> Option<String>, began_ns: i64) -> Proof {
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

/// What was remembered under another shape of the graph stays with the instances of the same name.
fn carry_memory(old: Option<Snapshot>, loaded: &Loaded) -> Vec<NodeMemory> {
    let Some(old) = old else { return Vec::new() };
    let mut by_name: BTreeMap<String, NodeMemory> =
        old.graph.nodes.iter().map(|node| node.name.clone()).zip(old.nodes).collect();
    loaded.graph.nodes.iter().map(|node| by_name.remove(&node.name).unwrap_or_default()).collect()
}

fn forced(session: &Session, names: &[String], wanted: &[bool]) -> Result<BTreeSet<NodeId>, Stop> {
    let mut forced = BTreeSet::new();
    for name in names {
        let named = select::select_one(&session.graph, name).map_err(select_stop)?;
        if !named.iter().any(|id| wanted[id.index()]) {
            return Err(Stop::usage(format!("`--force {name}`: the targets do not need this node"))
                .hint("name it as a target too, or leave the targets out"));
        }
        forced.extend(named);
    }
    Ok(forced)
}

/// A target that names nothing is a mistake on the command line.
pub(in crate::cli) fn select_stop(error: SelectError) -> Stop {
    Stop::usage(error)
}

fn save_table(state: &StateDir, observer: &Observer) -> Result<(), Stop> {
    let file = state.table();
    atomic::write(&file, &observer.table.encode(), false)
        .map_err(|error| Stop::environment(format!("cannot write {}: {error}", file.display())))
}

impl Workspace {
    /// Saves what this run knows, so that the next one can be quick.
    ///
    /// # Errors
    /// If the state cannot be written; then the next run looks at everything again, and is right.
    pub(in crate::cli) fn save(&mut self, settled: bool, fresh: u64, summary: String) -> Result<(), Stop> {
        let settled = if settled { self.settled_rows() } else { None };
        let settled = settled.map(|rows| Settled {
            targets: self.selection.targets.clone(),
            rows,
            env: self.variables(),
            fresh,
            summary,
        });
        let null = NullSection { proof: self.session.proof.clone(), settled };
        let bytes = Snapshot::encode(&self.key, &null, &self.session.graph, &self.session.memory);
        save_table(&self.state, &self.session.observer)?;
        let file = self.state.snapshot(&self.key);
        let failed =
            |file: &Path, error: std::io::Error| Stop::environment(format!("cannot write {}: {error}", file.display()));
        atomic::write(&file, &bytes, false).map_err(|error| failed(&file, error))?;
        let nodes: BTreeSet<&String> = self.session.graph.nodes.iter().map(|node| &node.base).collect();
        let last = LastRun {
            pipeline: self.selection.pipeline.file.clone(),
            sets: self.selection.sets.clone(),
            nodes: nodes.into_iter().take(1_000).cloned().collect(),
        };
        let text = serde_json::to_vec(&last).unwrap_or_default();
        let file = LastRun::file(&self.selection.pipeline.root);
        atomic::write(&file, &text, false).map_err(|error| failed(&file, error))?;
        for surplus in self.state.surplus_snapshots() {
            // One that stays costs a little room, no more.
            std::fs::remove_file(surplus).ok();
        }
        Ok(())
    }

    /// Variables that the wanted nodes depend on.
    fn variables(&self) -> BTreeMap<String, Option<BlobDigest>> {
        let graph = &self.session.graph;
        let mut names = BTreeSet::from(["PATH"]);
        for id in graph.ids().filter(|id| self.wanted[id.index()]) {
            if let Kind::Exec(exec) = &graph.node(id).kind {
                names.extend(exec.pass_env.iter().map(String::as_str));
            }
        }
        let digest = |name: &str| self.session.env.get(name).map(|value| BlobDigest::of(value.as_bytes()));
        names.into_iter().map(|name| (name.to_owned(), digest(name))).collect()
    }

    /// Rows on which "everything is up to date" rests; `None` if some output is not what its result says.
    fn settled_rows(&mut self) -> Option<Vec<Row>> {
        let mut ids: Vec<PathId> = Vec::new();
        for id in self.session.graph.clone().ids().filter(|id| self.wanted[id.index()]) {
            ids.extend(self.session.rows_of(id)?);
        }
        ids.sort_unstable();
        ids.dedup();
        let table = &self.session.observer.table;
        Some(ids.into_iter().map(|id| Row { id, mark: table.entry(id).mark() }).collect())
    }
}
