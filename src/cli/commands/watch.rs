//! `watch`: a run again whenever something changes that it depends on.
//!
//! Each run is a process of its own, the same that a person would start: it takes the lock, handles signals and keeps its
//! promises by itself. A change that comes while it works ends it as Ctrl-C does.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::GlobMatcher;

use crate::base::code;
use crate::base::rel_path::is_glob;
use crate::cli::args::{Common, WatchArgs, named};
use crate::cli::exit::{Exit, Stop};
use crate::cli::lock::Interrupts;
use crate::cli::process::Process;
use crate::cli::selection::{self, Selection};
use crate::cli::workspace;
use crate::engine::observe::Excluded;
use crate::graph::node::{Class, Graph, Kind, Node, Source};
use crate::graph::paths::compile_glob;
use crate::graph::select;
use crate::outside::files::{FileWatch, News};
use crate::outside::process::again::Again;

/// Where nobody looks: our own state, and git's.
const PASSED_OVER: &[&str] = &[".ocelot", ".git"];
/// How soon Ctrl-C is seen.
const LOOK: Duration = Duration::from_millis(200);

/// `watch`.
///
/// # Errors
/// If nothing can be watched, or all that is wanted are effects.
pub(in crate::cli) fn watch(process: &Process, args: &WatchArgs) -> Result<Exit, Stop> {
    let selection = selection::select(process, &args.select)?;
    let root = selection.pipeline.root.clone();
    let interrupts = Interrupts::install()?;
    let mut files = FileWatch::new(&root, PASSED_OVER).map_err(refused)?;
    say(&format!("watching {} folders of {}; Ctrl-C ends", files.folders(), root.display()));
    let mut shown = String::new();
    loop {
        let mut is_due = false;
        let now = match Scope::of(process, &selection, args.effects) {
            Ok(now) if now.has_nothing_left => {
                let stop =
                    Stop::usage(code::UNSUITABLE_TARGET, "all that is wanted are effects, which `watch` leaves out");
                return Err(stop.hint("give `--effects` to run them at each change"));
            }
            Ok(now) => {
                let mut run = start(process, &selection, args, &now)?;
                let ended = follow(&mut run, &mut files, &now, args.effects, &interrupts)?;
                is_due = ended == Ended::Outdated;
                shown.clear();
                now
            }
            // Which files have a say is not known until they can be read: each change is a reason to try.
            Err(stop) => {
                if stop.text != shown {
                    process.show(&stop);
                    shown = stop.text;
                }
                Scope { is_unknown: true, ..Scope::default() }
            }
        };
        while !is_due {
            if interrupts.cancel().is_raised() {
                return Ok(Exit::Ok);
            }
            if let News::Changed(paths) = files.next(LOOK).map_err(refused)? {
                is_due = paths.iter().any(|path| now.matters(path));
            }
        }
        if interrupts.cancel().is_raised() {
            return Ok(Exit::Ok);
        }
    }
}

/// How a run ended.
#[derive(PartialEq, Eq)]
enum Ended {
    /// What it worked on is as it was.
    Current,
    /// Something changed meanwhile.
    Outdated,
}

/// Waits for the end of a run, and ends it when a change makes it worthless.
fn follow(
    run: &mut Again,
    files: &mut FileWatch,
    scope: &Scope,
    effects: bool,
    interrupts: &Interrupts,
) -> Result<Ended, Stop> {
    let bell = files.bell();
    let worker = run.interrupter();
    let mut ended = Ended::Current;
    std::thread::scope(|threads| {
        threads.spawn(move || {
            run.wait();
            drop(bell);
        });
        let mut asked_to_end = false;
        loop {
            if interrupts.cancel().is_raised() && !asked_to_end {
                asked_to_end = true;
                worker.interrupt();
            }
            match files.next(LOOK).map_err(refused)? {
                News::Ended => return Ok(()),
                News::Changed(paths) if paths.iter().any(|path| scope.matters(path)) => {
                    ended = Ended::Outdated;
                    if !effects && !asked_to_end {
                        asked_to_end = true;
                        say("changed meanwhile: begun anew");
                        worker.interrupt();
                    }
                }
                News::Changed(_) | News::Nothing => {}
            }
        }
    })?;
    Ok(ended)
}

fn start(process: &Process, selection: &Selection, args: &WatchArgs, scope: &Scope) -> Result<Again, Stop> {
    let words = words(&process.common, selection, args.jobs, &scope.targets);
    Again::start(&words, &selection.pipeline.root, &process.env).map_err(refused)
}

/// The command line of a run. The folder and the profile reach it by its working folder and its environment.
fn words(common: &Common, selection: &Selection, jobs: Option<u32>, targets: &[String]) -> Vec<String> {
    let mut words: Vec<String> = ["run", "--pipeline", &selection.pipeline.file].map(str::to_owned).into();
    words.extend(targets.iter().cloned());
    for (name, values) in &selection.sets {
        words.extend(values.iter().flat_map(|value| ["--set".to_owned(), format!("{name}={value}")]));
    }
    words.extend(["--output".to_owned(), named(common.output), "--color".to_owned(), named(common.color)]);
    let flags = [
        (common.verbose, "--verbose"),
        (common.offline, "--offline"),
        (common.locked, "--locked"),
        (common.no_wait, "--no-wait"),
    ];
    words.extend(flags.iter().filter(|(is_given, _)| *is_given).map(|(_, flag)| (*flag).to_owned()));
    let jobs = jobs.map(|jobs| jobs.to_string());
    for (option, value) in [("--lock", &common.lock), ("--jobs", &jobs)] {
        words.extend(value.iter().flat_map(|value| [option.to_owned(), value.clone()]));
    }
    words
}

/// What is run, and what it depends on.
#[derive(Debug, Default)]
struct Scope {
    /// Empty: what the pipeline does by default.
    targets: Vec<String>,
    /// The project's own files, relative to the root.
    paths: Vec<PathBuf>,
    /// What each node reads.
    reads: Vec<Reads>,
    /// What runs write, which is no change.
    outputs: Vec<PathBuf>,
    /// All that is wanted are effects, which are left out.
    has_nothing_left: bool,
    /// The project cannot be read: everything may be what is wrong with it.
    is_unknown: bool,
}

/// What a node reads of the project.
#[derive(Debug, Default)]
struct Reads {
    /// Files, and folders with all below them.
    paths: Vec<PathBuf>,
    globs: Vec<GlobMatcher>,
    left_out: Excluded,
}

impl Reads {
    /// A pattern that is none was refused when the project was read.
    fn of(inputs: &[String]) -> Self {
        let read = || inputs.iter().filter(|input| !input.starts_with('!'));
        Self {
            paths: read().map(|input| PathBuf::from(input.trim_end_matches('/'))).collect(),
            globs: read().filter(|input| is_glob(input)).filter_map(|input| compile_glob(input).ok()).collect(),
            left_out: Excluded::new(inputs).unwrap_or_default(),
        }
    }

    fn has(&self, path: &Path) -> bool {
        let is_read =
            self.paths.iter().any(|own| is_near(own, path)) || self.globs.iter().any(|glob| glob.is_match(path));
        is_read && !path.to_str().is_some_and(|path| self.left_out.matches(path))
    }
}

/// Whether a change of `path` may be one of `own`: a folder that moves takes what is below it along.
fn is_near(own: &Path, path: &Path) -> bool {
    path.starts_with(own) || own.starts_with(path)
}

impl Scope {
    fn of(process: &Process, selection: &Selection, effects: bool) -> Result<Self, Stop> {
        let loaded = workspace::load_project(process, selection)?;
        let graph = &loaded.graph;
        let targets = select::select(graph, &selection.targets).map_err(workspace::select_stop)?;
        let wanted = select::closure(graph, &targets);
        let effect: Vec<bool> = behind_effects(graph);
        let left_out = |at: usize| wanted[at] && effect[at];
        let mut scope = Self { targets: selection.targets.clone(), ..Self::default() };
        let mut kept = wanted.clone();
        if !effects && (0..kept.len()).any(left_out) {
            kept.iter_mut().zip(&effect).for_each(|(kept, effect)| *kept &= !effect);
            scope.targets = tops(graph, &kept);
            scope.has_nothing_left = scope.targets.is_empty();
        }
        scope.paths.extend(loaded.read.iter().map(PathBuf::from));
        for node in graph.nodes.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(node, _)| node) {
            scope.outputs.extend(node.outputs().into_iter().map(|path| PathBuf::from(path.trim_end_matches('/'))));
            scope.reads.push(Reads::of(&inputs(node)));
        }
        Ok(scope)
    }

    /// Whether a change of this path makes a run due.
    fn matters(&self, path: &Path) -> bool {
        // Nobody knows, or events were lost.
        if self.is_unknown || path.as_os_str().is_empty() {
            return true;
        }
        let is_output = self.outputs.iter().any(|output| path.starts_with(output));
        let is_own = self.paths.iter().any(|own| is_near(own, path));
        !is_output && (is_own || self.reads.iter().any(|reads| reads.has(path)))
    }
}

/// Inputs as declared, with those that are left out.
fn inputs(node: &Node) -> Vec<String> {
    match &node.kind {
        Kind::Exec(exec) => exec.inputs.clone(),
        Kind::Clone(clone) => match &clone.source {
            Source::Plain(path) | Source::Local(path) => vec![path.clone()],
            Source::Remote { .. } => Vec::new(),
        },
        Kind::Resolve(resolve) => resolve.config_file.iter().chain(&resolve.components).cloned().collect(),
        Kind::Overlay(overlay) => overlay.components.iter().cloned().collect(),
        _ => Vec::new(),
    }
}

/// Effects, and all that depends on one.
fn behind_effects(graph: &Graph) -> Vec<bool> {
    let mut behind: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        // Nodes stand behind those they depend on.
        let is_behind = node.class == Class::Effect || node.deps().any(|dep| behind[dep.index()]);
        behind.push(is_behind);
    }
    behind
}

/// Those of the nodes that none of the others needs.
fn tops(graph: &Graph, kept: &[bool]) -> Vec<String> {
    let mut is_needed = vec![false; kept.len()];
    for (node, _) in graph.nodes.iter().zip(kept).filter(|(_, kept)| **kept) {
        node.deps().for_each(|dep| is_needed[dep.index()] = true);
    }
    let tops = graph.nodes.iter().enumerate().filter(|(at, _)| kept[*at] && !is_needed[*at]);
    tops.map(|(_, node)| node.name.clone()).collect()
}

/// The system gives no watch, no process.
fn refused(why: String) -> Stop {
    Stop::environment(code::SYSTEM, why)
}

/// A line of its own, beside those of the runs.
fn say(line: &str) {
    // A reader that went away wants no more of it.
    writeln!(std::io::stderr().lock(), "ocelot: {line}").ok();
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::Cli;
    use crate::project::find::Located;

    #[test]
    fn every_common_option_reaches_the_run() {
        let given = ["ocelot", "run", "--verbose", "--offline", "--locked", "--no-wait", "--lock", "l"];
        let given = Cli::parse_from([&given[..], &["--output", "plain", "--color", "never"]].concat()).common;
        let pipeline = Located { root: "/p".into(), file: "pipelines/a.yaml".into() };
        let selection = Selection { pipeline, targets: Vec::new(), sets: [("b".into(), vec!["c".into()])].into() };
        let words = words(&given, &selection, Some(3), &["t[x]".to_owned()]);
        let run = Cli::parse_from([vec!["ocelot".to_owned()], words].concat());
        assert_eq!(format!("{:?}", run.common), format!("{given:?}"));
        let crate::cli::args::Command::Run(run) = run.command else { panic!("{run:?}") };
        assert_eq!((run.select.pipeline.as_deref(), run.how.jobs), (Some("pipelines/a.yaml"), Some(3)));
        assert_eq!((run.select.words, run.select.set), (vec!["t[x]".to_owned()], vec!["b=c".to_owned()]));
    }

    #[test]
    fn what_nobody_reads_and_what_runs_write_is_no_change() {
        let inputs = ["src/*.txt", "gen/**", "!gen/tmp/**", "!gen/cache", "!gen/*"].map(str::to_owned);
        let scope = Scope {
            paths: ["pipeline.yaml", "config/components"].map(PathBuf::from).into(),
            reads: vec![Reads::of(&inputs)],
            outputs: ["build", "src/made.txt"].map(PathBuf::from).into(),
            ..Scope::default()
        };
        for (path, matters) in [
            ("pipeline.yaml", true),
            ("src/a.txt", true),
            ("config/components/exporter/mine.go", true),
            // Moved away or back, with all that is in it.
            ("config", true),
            ("", true),
            ("src/made.txt", false),
            ("src/below/a.txt", false),
            ("src/.a.txt.swp", false),
            ("build/x.zip", false),
            // Below what is left out by one star, as a run sees it.
            ("gen/a/b.txt", true),
            ("gen/a.txt", false),
            ("gen/tmp/a.txt", false),
            ("gen/cache/a.txt", false),
            ("notes.txt", false),
            ("pipeline.yaml~", false),
        ] {
            assert_eq!(scope.matters(Path::new(path)), matters, "{path}");
        }
        assert!(Scope { is_unknown: true, ..Scope::default() }.matters(Path::new("notes.txt")));
    }
}
