//! `run`: the lock, the signals, the workers, the state, the exit code.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::base::clock::format_utc;
use crate::base::code;
use crate::base::id::NodeId;
use crate::cli::args::{HowArgs, OutputForm, RunArgs};
use crate::cli::ending::{Ending, write_trace};
use crate::cli::exit::{Exit, Stop};
use crate::cli::lock::{self, Interrupts};
use crate::cli::preflight;
use crate::cli::process::Process;
use crate::cli::record::Before;
use crate::cli::selection::{self, Selection};
use crate::cli::sink;
use crate::cli::trace::TraceFile;
use crate::cli::unknown_tags;
use crate::cli::workspace::{self, Mode, OpenRequest, Opened, Workspace};
use crate::engine::outcome::{RunOptions, RunOutcome};
use crate::engine::session::Options;
use crate::event::account::Accounting;
use crate::event::{Counts, Event, EventSink};
use crate::exec::api::World;
use crate::exec::outputs::remove_any;
use crate::exec::printed::{Following, PRINTED};
use crate::exec::registries::Registries;
use crate::exec::worker::LOGS;
use crate::graph::build::does_work;
use crate::graph::node::{Kind, Node};
use crate::outside::github::TOKEN;
use crate::outside::process::redact::Redactor;
use crate::outside::process::runner::{LocalRunner, Patience};
use crate::outside::process::watcher::{Finished, WatcherHandle, WatcherSpec};
use crate::project::lock::FILE as LOCK;
use crate::project::params::Sets;
use crate::sched::machine::End;
use crate::store::look::Looker;

/// What a run was asked for.
pub(in crate::cli) struct RunRequest<'a> {
    /// What.
    pub(in crate::cli) selection: Selection,
    /// How.
    pub(in crate::cli) how: &'a HowArgs,
    /// Arguments for the one target.
    pub(in crate::cli) extra_args: &'a [String],
    /// What of it is kept.
    pub(in crate::cli) mode: Mode,
}

/// What a run did, for commands that say more about it.
pub(in crate::cli) struct RunReport {
    /// How to end.
    pub(in crate::cli) exit: Exit,
    /// The workspace, unless nothing had changed.
    pub(in crate::cli) workspace: Option<Box<Workspace>>,
    /// How nodes ended, unless nothing had changed.
    pub(in crate::cli) outcome: Option<RunOutcome>,
    /// What the last run that did something would have shown, if nothing had changed.
    pub(in crate::cli) summary: String,
}

/// `run`.
///
/// # Errors
/// If it could not begin.
pub(in crate::cli) fn run(process: &Process, args: &RunArgs) -> Result<Exit, Stop> {
    let selection = selection::select(process, &args.select)?;
    let request = RunRequest { selection, how: &args.how, extra_args: &args.args, mode: Mode::Write };
    run_selection(process, request).map(|report| report.exit)
}

/// Runs a selection.
///
/// # Errors
/// If it could not begin.
pub(in crate::cli) fn run_selection(process: &Process, request: RunRequest<'_>) -> Result<RunReport, Stop> {
    let RunRequest { selection, how, extra_args, mode } = request;
    let root = selection.pipeline.root.clone();
    let run = run_name(process);
    let mut sink = Accounting::new(sink::of(process), process.clock);
    // Until there is something to end in order, a signal just ends the process: a run with nothing to do needs no more.
    let mut interrupts = None;
    let held = match lock::try_lock(process, &root, &mut sink)? {
        Some(held) => held,
        None => lock::wait(process, &root, interrupts.insert(Interrupts::install()?).cancel(), &mut sink)?,
    };
    let trace = how.trace.as_ref().map(|name| TraceFile::create(process, name)).transpose()?;
    let now_ns = file_clock(&root);
    let options =
        Options { no_cache: how.no_cache, offline: process.common.offline, sandbox: how.sandbox, ..Options::default() };
    let is_plain = how.force.is_empty() && how.as_is.is_empty() && !how.no_cache && !how.sandbox;
    let null_allowed = is_plain && how.record.is_none() && extra_args.is_empty();
    let open = OpenRequest {
        selection,
        mode,
        null_allowed,
        asks_of: None,
        now_ns,
        force: &how.force,
        as_is: &how.as_is,
        options,
    };
    let mut workspace = match workspace::open(process, open)? {
        Opened::Null(settled) => {
            sink.event(&Event::Finished(Counts { fresh: settled.fresh, ..Counts::default() }));
            write_trace(trace, &mut sink, None);
            held.release();
            return Ok(RunReport { exit: Exit::Ok, workspace: None, outcome: None, summary: settled.summary });
        }
        Opened::Session(workspace) => workspace,
    };
    let interrupts = match interrupts {
        Some(interrupts) => interrupts,
        None => Interrupts::install()?,
    };
    // What a killed run left half-done; a run with nothing to do lays nothing out.
    let scratch = workspace.state.scratch();
    remove_any(&scratch).and_then(|()| std::fs::create_dir(&scratch)).ok();
    for left in [LOGS, PRINTED] {
        remove_any(&root.join(left)).ok();
    }
    refuse_unsupported(&workspace)?;
    if !extra_args.is_empty() {
        let [target] = workspace.targets[..] else {
            return Err(Stop::usage(
                code::UNSUITABLE_TARGET,
                "arguments after `--` go to one `exec`; name it as the only target",
            ));
        };
        if !matches!(workspace.session.graph.node(target).kind, Kind::Exec(_)) {
            return Err(Stop::usage(
                code::UNSUITABLE_TARGET,
                "arguments after `--` go to an `exec`, and the target is none",
            ));
        }
        workspace.session.options.extra_args = Some((target, extra_args.to_vec()));
    }
    super::update::check_locked(process, &workspace)?;
    workspace.session.options.writes_lock = super::update::writes_lock(process, &workspace);
    prepare(process, &mut workspace)?;
    unknown_tags::refuse(process, &workspace)?;
    let registries = Registries::new(&root, &process.env, process.common.offline);
    preflight::check(process, &mut workspace, &registries)?;

    let watcher = Arc::new(WatcherHandle::new(WatcherSpec {
        program: std::env::current_exe().unwrap_or_else(|_| "ocelot".into()),
        args: vec!["__watch".into()],
        lock: held.file().and_then(|file| file.try_clone().ok()),
    }));
    let secrets = secrets(process, &workspace);
    sink::mask(process, &secrets);
    let redactor = || Redactor::new(secrets.iter().map(String::as_bytes));
    let looker = Looker::new(&root, now_ns).map_err(|error| Stop::environment(code::SYSTEM, error))?;
    let world = Arc::new(World {
        root: root.clone(),
        user_cache: process.user_cache(),
        cache: Arc::clone(&workspace.session.cache),
        runner: Box::new(LocalRunner::new(Patience::default(), Some(Arc::clone(&watcher)))),
        cancel: interrupts.cancel().clone(),
        lock: root.join(process.common.lock.as_deref().unwrap_or(LOCK)),
        env: process.env.clone(),
        registries,
        pass_over_disabled: asks_for_all(&workspace.selection.sets),
        offline: process.common.offline,
        keep_temp: how.keep_temp,
        following: Following::new(&root),
        live_output: process.common.verbose
            || sink.shows_progress()
            || matches!(process.common.output, OutputForm::Json | OutputForm::Github),
        run: run.clone(),
        clock: process.clock,
        looker,
        redactor: redactor(),
    });
    let nodes = workspace.wanted_count();
    sink.event(&Event::Started { pipeline: workspace.session.graph.name.clone(), run: run.clone(), nodes });
    super::update::note_pinned_branches(&workspace, &mut sink);
    let jobs = how
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1)));
    let run_options = RunOptions { jobs, fail_fast: how.fail_fast };
    let before = Before::of(&workspace);
    let wanted = workspace.wanted.clone();
    let mut outcome = workspace.session.run(&wanted, Arc::clone(&world), run_options, &mut sink);

    workspace.session.cache.finish();
    for warning in workspace.session.cache.take_warnings() {
        sink.event(&Event::Warning { code: code::CACHE_TROUBLE, node: None, message: warning.to_string() });
    }
    if let Some(message) = watcher.problem() {
        sink.event(&Event::Warning { code: code::SYSTEM, node: None, message });
    }
    super::update::save_after_run(process, &mut workspace, &outcome, &mut sink);
    let summary = super::build::summary(&workspace, &BTreeMap::new());
    let untouched = workspace.untouched();
    // A repeat is asked something else: other arguments, or receipts that have to be of these credentials.
    let lasting = extra_args.is_empty() && how.as_is.is_empty();
    let saved = workspace.save(&outcome, lasting, summary);
    if let Err(stop) = &saved {
        sink.event(&Event::Warning { code: code::STATE_NOT_KEPT, node: None, message: stop.told().to_owned() });
    }
    if mode == Mode::Write {
        super::cache::gc_daily(process, &root, &workspace.session.cache, &mut sink);
    }
    remove_work(&root, &run, how.keep_temp, &mut sink);
    if mode == Mode::Write {
        // What the cache could not take was held there for this run; what stays is removed by the next one.
        remove_any(&scratch).ok();
    }
    // Who follows sees by this that the run has ended.
    remove_any(&root.join(PRINTED)).ok();
    let exit = exit_of(&workspace, &outcome, &interrupts);
    outcome.counts.fresh += untouched;
    let ending = Ending {
        process,
        how,
        outcome: &outcome,
        before: &before,
        exit,
        is_partial: untouched > 0,
        is_kept: mode == Mode::Write,
        is_saved: saved.is_ok(),
    };
    ending.tell(&mut workspace, trace, &mut sink);
    sink.event(&Event::Finished(outcome.counts));
    show_unknown_tags(process, &workspace, &outcome);
    match watcher.finish() {
        Finished::NothingLeft => held.release(),
        // The watcher holds the lock until the last command of this run is gone.
        Finished::StillEnding(_) => drop(held),
    }
    Ok(RunReport { exit, workspace: Some(workspace), outcome: Some(outcome), summary: String::new() })
}

/// Shows where the tags stand for which a `resolve` failed.
fn show_unknown_tags(process: &Process, workspace: &Workspace, outcome: &RunOutcome) {
    let graph = &workspace.session.graph;
    let failed = |id: &NodeId| outcome.ends[id.index()] == Some(End::Failed);
    let is_resolve = |id: &NodeId| matches!(graph.node(*id).kind, Kind::Resolve(_));
    let ids: Vec<NodeId> = graph.ids().filter(failed).filter(is_resolve).collect();
    if let Some(stop) = unknown_tags::shown(process, workspace, &ids, &outcome.pins) {
        process.show(&stop);
    }
}

/// `20261123-104512-1f3a`: sorts by time, and does not repeat on one machine.
fn run_name(process: &Process) -> String {
    let seconds = process.clock.unix_seconds();
    let digits: String = format_utc(seconds).chars().filter(char::is_ascii_digit).collect();
    format!("{}-{}-{:04x}", &digits[..8], &digits[8..], std::process::id() & 0xffff)
}

/// The file system's own clock: the lock file was written just now.
fn file_clock(root: &Path) -> i64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(root.join(".ocelot/lock")).map_or(0, |meta| meta.mtime() * 1_000_000_000 + meta.mtime_nsec())
}

/// Whether the regions are all that the project publishes in, rather than ones that a person named.
fn asks_for_all(sets: &Sets) -> bool {
    sets.get("region")
        .is_some_and(|given| given.iter().flat_map(|text| text.split(',')).any(|text| text.trim() == "all"))
}

/// Work of this run that this version cannot do is refused before anything starts.
fn refuse_unsupported(workspace: &Workspace) -> Result<(), Stop> {
    let graph = &workspace.session.graph;
    for id in graph.ids().filter(|id| workspace.wanted[id.index()]) {
        let node = graph.node(id);
        let problem = match &node.kind {
            Kind::Report(report) if report.formats.iter().any(|format| format == "html") => {
                Some(("this version writes no reports as `html`", "take it out of `formats:`"))
            }
            _ => None,
        };
        if let Some((problem, help)) = problem {
            return Err(Stop::usage(code::UNSUITABLE_TARGET, format!("`{}`: {problem}", node.name)).hint(help));
        }
    }
    Ok(())
}

/// Establishes the inputs of every wanted node; a mistake there is shown in the pipeline.
///
/// # Errors
/// Every node whose inputs cannot be established.
pub(in crate::cli) fn prepare(process: &Process, workspace: &mut Workspace) -> Result<(), Stop> {
    let wanted = workspace.wanted.clone();
    workspace
        .session
        .prepare(&wanted)
        .map_err(|errors| crate::cli::commands::validate::show_input_errors(process, &workspace.selection, &errors))
}

fn secrets(process: &Process, workspace: &Workspace) -> Vec<String> {
    let names = workspace.session.graph.nodes.iter().flat_map(|node| match &node.kind {
        Kind::Exec(exec) => exec.secret_env.iter().map(String::as_str).collect(),
        Kind::Release(_) => vec![TOKEN],
        _ => Vec::new(),
    });
    names.filter_map(|name| process.env.get(name)).cloned().collect()
}

fn remove_work(root: &Path, run: &str, keep: bool, sink: &mut dyn EventSink) {
    let above = root.join(".ocelot/work");
    let folder = above.join(run);
    if !folder.exists() {
        return;
    }
    if keep {
        sink.event(&Event::Note { message: format!("intermediate files are kept in {}", folder.display()) });
        return;
    }
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        sink.event(&Event::Warning {
            code: code::CANNOT_WRITE,
            node: None,
            message: format!("cannot remove {}: {error}", folder.display()),
        });
    }
    // Stays if `--keep-temp` kept something there.
    std::fs::remove_dir(above).ok();
}

fn exit_of(workspace: &Workspace, outcome: &RunOutcome, interrupts: &Interrupts) -> Exit {
    if outcome.interrupted {
        return Exit::Signal(interrupts.exit_status());
    }
    let graph = &workspace.session.graph;
    let ends = |wanted: &dyn Fn(&Node) -> bool, fits: &dyn Fn(End) -> bool| {
        graph.ids().any(|id| {
            let node = graph.node(id);
            does_work(node) && wanted(node) && outcome.ends[id.index()].is_some_and(fits)
        })
    };
    let ships = |node: &Node| matches!(node.kind, Kind::Publish(_) | Kind::Release(_));
    if outcome.counts.failed == 0 {
        return Exit::Ok;
    }
    if ends(&ships, &|end| end == End::Failed) && ends(&|node| matches!(node.kind, Kind::Publish(_)), &End::is_success)
    {
        return Exit::Partial;
    }
    if outcome.environment { Exit::Environment } else { Exit::Failure }
}
