//! Takes the workspace lock, and handles the signals that ask a run to end.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use crate::base::code;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::sink;
use crate::event::{Event, EventSink};
use crate::outside::process::cancel::{Cancel, Level};
use crate::outside::signals::StopSignals;
use crate::store::lock::{Holder, LockError, Mode, Waiting, WorkspaceLock};

/// Signals that end a run in order, as long as this value lives.
pub(in crate::cli) struct Interrupts {
    cancel: Cancel,
    signals: StopSignals,
}

impl Interrupts {
    /// Handles signals from now on.
    ///
    /// # Errors
    /// If descriptors or threads have run out.
    pub(in crate::cli) fn install() -> Result<Self, Stop> {
        let cancel = new_cancel()?;
        let signals = StopSignals::install(cancel.clone())
            .map_err(|error| Stop::environment(code::SYSTEM, format!("cannot handle signals: {error}")))?;
        Ok(Self { cancel, signals })
    }

    /// Raised by a signal.
    pub(in crate::cli) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// The exit status of a run that a signal has ended.
    pub(in crate::cli) fn exit_status(&self) -> u8 {
        self.signals.exit_status().unwrap_or(130)
    }
}

fn new_cancel() -> Result<Cancel, Stop> {
    Cancel::new().map_err(|error| Stop::environment(code::SYSTEM, format!("no file descriptors left: {error}")))
}

/// Takes the workspace lock if it is free; `None` if somebody holds it and may be waited for.
///
/// # Errors
/// If it cannot be taken, or `--no-wait` was given.
pub(in crate::cli) fn try_lock(
    process: &Process,
    root: &Path,
    sink: &mut dyn EventSink,
) -> Result<Option<WorkspaceLock>, Stop> {
    match acquire(process, root, Mode::NoWait, &mut |_| ControlFlow::Break(())) {
        Ok(held) => Ok(Some(told(held, sink))),
        Err(LockError::Held { .. }) if !process.common.no_wait => Ok(None),
        Err(error) => Err(Stop::environment(code::LOCKED, error)),
    }
}

/// Waits for the workspace lock.
///
/// # Errors
/// If it cannot be taken, or `cancel` was raised meanwhile.
pub(in crate::cli) fn wait(
    process: &Process,
    root: &Path,
    cancel: &Cancel,
    sink: &mut dyn EventSink,
) -> Result<WorkspaceLock, Stop> {
    let mut is_told = false;
    let mut on_wait = |waiting: &Waiting| {
        if !std::mem::replace(&mut is_told, true) {
            sink.event(&Event::Warning { code: code::LOCKED, node: None, message: format!("waiting: {waiting}") });
        }
        if cancel.pause_at(Level::None, Duration::from_millis(50)) > Level::None {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    match acquire(process, root, Mode::Wait, &mut on_wait) {
        Ok(held) => Ok(told(held, sink)),
        Err(error @ LockError::GaveUp { .. }) => Err(Stop::new(code::INTERRUPTED, Exit::Signal(130), error)),
        Err(error) => Err(Stop::environment(code::LOCKED, error)),
    }
}

/// Takes the workspace lock for a command that is not a run.
///
/// # Errors
/// If another command holds it and `--no-wait` was given, or it cannot be taken.
pub(in crate::cli) fn lock_workspace(process: &Process, root: &Path) -> Result<WorkspaceLock, Stop> {
    let mut sink = sink::of(process);
    match try_lock(process, root, sink.as_mut())? {
        Some(held) => Ok(held),
        None => wait(process, root, &new_cancel()?, sink.as_mut()),
    }
}

fn acquire(
    process: &Process,
    root: &Path,
    mode: Mode,
    on_wait: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
) -> Result<WorkspaceLock, LockError> {
    let folder = root.join(".ocelot");
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        // A workspace that cannot be written is told about by the lock.
        std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&ignore, "*\n")).ok();
    }
    let command = without_values(std::env::args()).join(" ");
    let me = Holder { pid: std::process::id(), started_ms: process.clock.unix_seconds() * 1_000, command };
    WorkspaceLock::acquire(&folder.join("lock"), mode, &me, on_wait)
}

/// Says why a run is not protected, if it is not.
fn told(held: WorkspaceLock, sink: &mut dyn EventSink) -> WorkspaceLock {
    if let Some(warning) = held.warning() {
        sink.event(&Event::Warning { code: code::WEAK_LOCK, node: None, message: warning.to_string() });
    }
    held
}

/// A command line to be kept in a file: values of parameters and arguments for commands may be secret.
pub(in crate::cli) fn without_values(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for argument in arguments {
        let is_value = kept.last().is_some_and(|last| last == "--set");
        let value = if is_value { Some(argument.as_str()) } else { argument.strip_prefix("--set=") };
        match value.and_then(|value| value.split_once('=')) {
            Some((name, _)) if is_value => kept.push(format!("{name}=…")),
            Some((name, _)) => kept.push(format!("--set={name}=…")),
            None if argument == "--" => {
                kept.push("-- …".to_owned());
                break;
            }
            None => kept.push(argument),
        }
    }
    kept
}
