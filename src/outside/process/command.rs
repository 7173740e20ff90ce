//! What a command is, where its output goes and how it ended: the contract between the engine and any runner.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::outside::process::cancel::Cancel;
use crate::outside::process::start_error::StartError;

/// One command, complete: nothing is added from the environment of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSpec {
    /// The absolute path of the program; no search is made.
    pub program: PathBuf,
    /// The arguments after the program's own name.
    pub args: Vec<OsString>,
    /// The whole environment.
    pub env: BTreeMap<OsString, OsString>,
    /// The working directory.
    pub dir: PathBuf,
    /// The longest it may run before its group is ended.
    pub timeout: Option<Duration>,
    /// Where standard output goes, created or emptied first; `None` sends it to the sink with standard error.
    pub stdout_file: Option<PathBuf>,
}

/// Receives what a command prints, in order.
pub trait OutputSink {
    /// Takes the next bytes. Chunks end anywhere, also within a line or a character.
    fn write(&mut self, chunk: &[u8]);
}

impl OutputSink for Vec<u8> {
    fn write(&mut self, chunk: &[u8]) {
        self.extend_from_slice(chunk);
    }
}

/// Runs one command at a time per calling thread.
pub trait CommandRunner: Sync {
    /// Runs `spec` to its end, blocking the calling thread. Standard output and standard error go to `sink` as one
    /// stream. Once `cancel` is raised the command is ended, and none is started.
    fn run(&self, spec: &CommandSpec, cancel: &Cancel, sink: &mut dyn OutputSink) -> Outcome;
}

/// How a command went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// From the call of [`CommandRunner::run`] until the command was over.
    pub duration: Duration,
    /// What it left behind.
    pub left_running: LeftRunning,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal, which we did not send.
    Signalled(i32),
    /// We ended its group because it reached its timeout.
    TimedOut,
    /// We ended its group, or never started it, because the run was cancelled.
    Cancelled,
    /// It never ran.
    NotStarted(StartError),
}

/// What is still there after a command's own process is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftRunning {
    /// Processes of its group still run. They are ended with the run, by the watcher.
    pub in_group: bool,
    /// Some process, if not of the group then one that left it by `setsid`, still holds the output open; what it
    /// prints from now on is lost.
    pub holds_output: bool,
}

impl LeftRunning {
    /// Whether anything was left.
    pub fn any(self) -> bool {
        self.in_group || self.holds_output
    }
}

impl Outcome {
    /// Whether the command ended by itself with status 0.
    pub fn is_success(&self) -> bool {
        self.end == End::Exited(0)
    }
}
