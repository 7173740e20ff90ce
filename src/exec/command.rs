//! Runs one command for a node: its environment, its log, and its end in words.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::exec::api::{Log, WorkError, World};
use crate::outside::process::command::{CommandSpec, End, OutputSink};
use crate::outside::process::describe::{describe_end, describe_left_running};

/// A command to be run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The program as a person would name it.
    pub name: String,
    /// Its absolute path.
    pub program: PathBuf,
    /// Arguments.
    pub args: Vec<OsString>,
    /// The whole environment.
    pub env: BTreeMap<OsString, OsString>,
    /// Working directory.
    pub dir: PathBuf,
    /// Limit.
    pub timeout: Option<Duration>,
    /// Where standard output goes, if not into the log.
    pub stdout: Option<PathBuf>,
}

/// A command that succeeded.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// Things a person should know.
    pub warnings: Vec<String>,
}

struct Sink<'a>(&'a mut dyn Log);

impl OutputSink for Sink<'_> {
    fn write(&mut self, chunk: &[u8]) {
        self.0.write(chunk);
    }
}

/// What every command gets of the caller's environment, outside every digest.
pub fn base_env(world: &World) -> BTreeMap<OsString, OsString> {
    ["PATH", "HOME", "TMPDIR"]
        .into_iter()
        .filter_map(|name| Some((OsString::from(name), OsString::from(world.env.get(name)?))))
        .collect()
}

/// Runs a command to its end.
///
/// # Errors
/// If it could not start, failed, was ended, or the run is over.
pub fn run(world: &World, run: &Run, log: &mut dyn Log) -> Result<Ran, WorkError> {
    let spec = CommandSpec {
        program: run.program.clone(),
        args: run.args.clone(),
        env: run.env.clone(),
        dir: run.dir.clone(),
        timeout: run.timeout,
        stdout_file: run.stdout.clone(),
    };
    let outcome = world.runner.run(&spec, &world.cancel, &mut Sink(log));
    match outcome.end {
        End::Exited(0) => {
            let left = describe_left_running(outcome.left_running);
            Ok(Ran { warnings: left.map(|left| format!("`{}` {left}", run.name)).into_iter().collect() })
        }
        End::Cancelled => Err(WorkError::Cancelled),
        End::TimedOut => Err(WorkError::TimedOut),
        End::NotStarted(ref error) => Err(WorkError::Environment(error.to_string())),
        End::Exited(_) | End::Signalled(_) => {
            Err(WorkError::Command { program: format!("`{}`", run.name), end: describe_end(&outcome) })
        }
    }
}
