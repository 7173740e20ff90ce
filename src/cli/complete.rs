//! Completion in a shell, of values that only the project knows: pipelines, nodes, distributions, regions, parameters.
//!
//! The script that `completions` prints asks this program at each press of the key, by a variable of the environment. Whatever
//! is wrong with the project completes nothing and prints nothing: the prompt is no place for errors.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Command, CommandFactory};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use crate::base::clock::Clock;
use crate::base::code::Code;
use crate::cli::args::{Cli, Common};
use crate::cli::commands::list::read_file;
use crate::cli::process::Process;
use crate::cli::selection::{LastRun, Selection};
use crate::cli::workspace;
use crate::layer::arch::Arch;
use crate::project::around::{DISTRIBUTIONS, REGIONS};
use crate::project::find;
use crate::project::load::Loaded;
use crate::spec::config::{DistributionsFile, RegionsFile};

/// The variable by which a shell asks; its value is the name of the shell.
pub(in crate::cli) const VARIABLE: &str = "OCELOT_COMPLETE";
const NAME: &str = "ocelot";

/// The script that teaches a shell to ask; `None` for a shell that is not known.
pub(in crate::cli) fn script(shell: &str) -> Option<String> {
    let shells = Shells::builtins();
    let mut script = Vec::new();
    shells.completer(shell)?.write_registration(VARIABLE, NAME, NAME, NAME, &mut script).ok()?;
    String::from_utf8(script).ok()
}

/// Answers a shell, if the environment says that one asks.
pub(in crate::cli) fn answer(arguments: &[OsString], environment: &[(OsString, OsString)]) -> bool {
    if !environment.iter().any(|(name, value)| name == VARIABLE && !value.is_empty()) {
        return false;
    }
    let asked = Arc::new(Asked::new(arguments, environment));
    let command = || completing(Cli::command(), &asked);
    // An answer that fails is none.
    CompleteEnv::with_factory(command).var(VARIABLE).try_complete(arguments.iter().cloned(), None).ok();
    true
}

/// The command line with values of the project, by the names that its arguments have in the help.
fn completing(command: Command, asked: &Arc<Asked>) -> Command {
    let command = command.mut_args(|arg| {
        let names = arg.get_value_names().unwrap_or_default().join("|");
        let values: fn(&Asked) -> Vec<String> = match (names.as_str(), arg.get_id().as_str()) {
            ("PIPELINE|TARGET", _) => |asked| [asked.pipelines(), asked.nodes()].concat(),
            ("PIPELINE", _) => Asked::pipelines,
            ("NODE" | "NODE|RUN|FILE", _) | (_, "node") => Asked::nodes,
            ("DIST", _) | (_, "distribution") => Asked::distributions,
            ("ARCH", _) => |_| Arch::ALL.iter().map(|arch| arch.goarch().to_owned()).collect(),
            ("REGION", _) => Asked::regions,
            ("CODE", _) => |_| Code::all().flat_map(|code| [code.to_string(), code.name().to_owned()]).collect(),
            ("NAME=VALUE", _) => Asked::settings,
            _ => return arg,
        };
        let asked = Arc::clone(asked);
        arg.add(ArgValueCompleter::new(move |typed: &OsStr| candidates(typed, &values(&asked))))
    });
    command.mut_subcommands(|command| completing(command, asked))
}

fn candidates(typed: &OsStr, values: &[String]) -> Vec<CompletionCandidate> {
    let typed = typed.to_str().unwrap_or_default();
    values.iter().filter(|value| value.starts_with(typed)).map(CompletionCandidate::new).collect()
}

/// The command line so far, and where it is typed.
struct Asked {
    words: Vec<String>,
    process: Process,
}

impl Asked {
    fn new(arguments: &[OsString], environment: &[(OsString, OsString)]) -> Self {
        let text = |text: &OsString| text.to_str().map(str::to_owned);
        // What the shell itself says stands before the `--`.
        let words: Vec<String> = arguments.iter().skip_while(|word| *word != "--").skip(1).filter_map(text).collect();
        let env: BTreeMap<String, String> =
            environment.iter().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
        let dir = value_of(&words, &["-C", "--directory"]).map_or_else(|| PathBuf::from("."), PathBuf::from);
        let dir = std::fs::canonicalize(&dir).unwrap_or(dir);
        Self { words, process: Process { dir, env, clock: Clock::start(), common: Common::default() } }
    }

    fn dir(&self) -> &Path {
        &self.process.dir
    }

    fn pipelines(&self) -> Vec<String> {
        find::names(self.dir())
    }

    /// The pipeline that the command line names, or the one that a command would take.
    fn pipeline(&self) -> Option<find::Located> {
        let named = value_of(&self.words, &["-p", "--pipeline"]).and_then(|name| find::as_pipeline(self.dir(), name));
        let is_build = self.words.get(1).is_some_and(|word| word == "build");
        let of_build = || is_build.then(|| find::as_pipeline(self.dir(), "layers")).flatten();
        let spoken = || self.words.iter().skip(2).find_map(|word| find::as_pipeline(self.dir(), word));
        let last = LastRun::read(self.dir());
        let default = || find::default(self.dir(), last.as_ref().map(|last| last.pipeline.as_str())).ok();
        find::locate(&named.or_else(of_build).or_else(spoken).or_else(default)?).ok()
    }

    fn loaded(&self) -> Option<Loaded> {
        let selection = Selection { pipeline: self.pipeline()?, targets: Vec::new(), sets: Default::default() };
        workspace::load_project(&self.process, &selection).ok()
    }

    /// Nodes with all their instances; those of the last run if the pipeline cannot be read as it is.
    fn nodes(&self) -> Vec<String> {
        let Some(loaded) = self.loaded() else {
            return LastRun::read(self.dir()).map(|last| last.nodes).unwrap_or_default();
        };
        let instances = loaded.graph.nodes.iter().map(|node| node.name.clone());
        let mut names: Vec<String> = loaded.file.nodes.keys().cloned().chain(instances).collect();
        names.sort();
        names.dedup();
        names
    }

    fn distributions(&self) -> Vec<String> {
        read_file(&self.process, DISTRIBUTIONS)
            .map(|(file, _): (DistributionsFile, _)| file.0.keys().cloned().collect())
            .unwrap_or_default()
    }

    fn regions(&self) -> Vec<String> {
        read_file(&self.process, REGIONS)
            .map(|(file, _): (RegionsFile, _)| file.regions.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// `NAME=` of each parameter, and `NAME=VALUE` where the values are known.
    fn settings(&self) -> Vec<String> {
        let Some(loaded) = self.loaded() else { return Vec::new() };
        let mut settings = Vec::new();
        for name in loaded.file.params.keys() {
            let values = match name.as_str() {
                "distribution" => self.distributions(),
                "arch" => Arch::ALL.iter().map(|arch| arch.goarch().to_owned()).collect(),
                "region" => self.regions(),
                _ => vec![String::new()],
            };
            settings.extend(values.iter().map(|value| format!("{name}={value}")));
        }
        settings
    }
}

/// The word behind the last of these options.
fn value_of<'w>(words: &'w [String], options: &[&str]) -> Option<&'w str> {
    let at = words.iter().rposition(|word| options.contains(&word.as_str()))?;
    words.get(at + 1).map(String::as_str)
}
