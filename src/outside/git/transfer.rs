//! One talk with a remote at a time, which can be given up: silence, cancellation and progress are the caller's.
//!
//! Looking up a name cannot be interrupted, and a blocked `connect` asks no callback. So the talk runs on a thread of
//! its own; the caller's thread watches, and on silence or cancellation it leaves. A thread
//! that was left ends at its next callback and has touched nothing but the mirror's object store, where a half-received
//! pack is not yet visible.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::outside::git::error::GitError;

/// How patiently and with which rights the network is used.
#[derive(Clone, Debug)]
pub struct NetworkSettings {
    /// Silence allowed until the server has listed its refs.
    pub connect_timeout: Duration,
    /// Silence allowed later: no byte, no object, no progress message.
    pub stall_timeout: Duration,
    /// Tries in all; only failures of the network are tried again.
    pub attempts: u32,
    /// The pause before the second try; doubled before each further one.
    pub retry_pause: Duration,
    /// The proxy's URL for https and http; the caller applies `NO_PROXY`.
    pub proxy: Option<String>,
    /// What may be offered to a server that asks for a login.
    pub login: Login,
    /// The environment of `ssh`: where it finds itself, its configuration and the agent.
    pub env: BTreeMap<String, String>,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(60),
            attempts: 3,
            retry_pause: Duration::from_millis(500),
            proxy: None,
            login: Login::AgentAndHelper,
            env: BTreeMap::new(),
        }
    }
}

/// What may be offered to a server that asks for a login. Nothing ever prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Nothing: public repositories only.
    Nothing,
    /// Whatever `ssh` can do without asking; for https the helper that the user's git configuration names.
    AgentAndHelper,
}

/// How far a transfer is; counts only grow within one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// Bytes received.
    pub bytes: u64,
    /// Objects received.
    pub objects: u64,
    /// Objects in all, 0 until the server said so.
    pub total_objects: u64,
}

/// The caller's side of a transfer.
pub struct Hooks<'a> {
    /// Told about progress a few times a second, on the caller's thread.
    pub progress: &'a mut dyn FnMut(Transferred),
    /// Raised by anyone to give up; noticed within a tenth of a second.
    pub cancel: &'a AtomicBool,
}

/// What the talking and the watching thread share.
#[derive(Debug, Default)]
pub(super) struct Line {
    bytes: AtomicU64,
    objects: AtomicU64,
    total_objects: AtomicU64,
    /// Counts signs of life; the watcher compares.
    beats: AtomicU64,
    connected: AtomicBool,
    left: AtomicBool,
}

impl Line {
    /// Notes a sign of life; `false` means that the caller has gone and the talk must end.
    pub(super) fn beat(&self) -> bool {
        self.beats.fetch_add(1, Ordering::Relaxed);
        !self.left.load(Ordering::Relaxed)
    }

    /// Whether the caller has gone; unlike [`Line::beat`] no sign of life.
    pub(super) fn is_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    /// Notes that the server has listed its refs.
    pub(super) fn connected(&self) {
        self.connected.store(true, Ordering::Relaxed);
        self.beat();
    }

    /// Notes received data; the answer is that of [`Line::beat`].
    pub(super) fn received(&self, progress: &git2::Progress<'_>) -> bool {
        self.bytes.store(progress.received_bytes() as u64, Ordering::Relaxed);
        self.objects.store(progress.received_objects() as u64, Ordering::Relaxed);
        self.total_objects.store(progress.total_objects() as u64, Ordering::Relaxed);
        self.beat()
    }

    fn transferred(&self) -> Transferred {
        Transferred {
            bytes: self.bytes.load(Ordering::Relaxed),
            objects: self.objects.load(Ordering::Relaxed),
            total_objects: self.total_objects.load(Ordering::Relaxed),
        }
    }
}

const TICK: Duration = Duration::from_millis(100);

/// Runs `talk` until it ends, falls silent or is cancelled; failures of the network are tried again.
pub(super) fn talk<T: Send + 'static>(
    repository: &str,
    settings: &NetworkSettings,
    hooks: &mut Hooks<'_>,
    talk: impl Fn(&Arc<Line>) -> Result<T, GitError> + Clone + Send + 'static,
) -> Result<T, GitError> {
    let mut pause = settings.retry_pause;
    let mut attempt = 1;
    loop {
        match once(repository, settings, hooks, talk.clone()) {
            Err(GitError::Unreachable { .. } | GitError::TimedOut { .. }) if attempt < settings.attempts => {
                wait(repository, pause, hooks)?;
                attempt += 1;
                pause *= 2;
            }
            outcome => return outcome,
        }
    }
}

fn once<T: Send + 'static>(
    repository: &str,
    settings: &NetworkSettings,
    hooks: &mut Hooks<'_>,
    talk: impl Fn(&Arc<Line>) -> Result<T, GitError> + Send + 'static,
) -> Result<T, GitError> {
    check(repository, hooks)?;
    let line = Arc::new(Line::default());
    let (sender, answer) = mpsc::sync_channel(1);
    let theirs = Arc::clone(&line);
    thread::Builder::new()
        .name("git".to_owned())
        .spawn(move || {
            // If the caller has gone there is nobody to tell.
            let _ = sender.send(talk(&theirs));
        })
        .map_err(GitError::io("cannot start a thread to read", repository))?;
    let mut seen = (0, Instant::now());
    let mut told = Transferred::default();
    loop {
        let outcome = answer.recv_timeout(TICK);
        let now = line.transferred();
        if now != told {
            told = now;
            (hooks.progress)(now);
        }
        match outcome {
            Ok(outcome) => return outcome,
            Err(RecvTimeoutError::Disconnected) => {
                let why = "the transfer broke off on malformed data from the server".to_owned();
                return Err(GitError::Unreachable { repository: repository.to_owned(), why });
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let (phase, limit) = match line.connected.load(Ordering::Relaxed) {
            true => ("sending files", settings.stall_timeout),
            false => ("connecting", settings.connect_timeout),
        };
        let beats = line.beats.load(Ordering::Relaxed);
        if beats != seen.0 {
            seen = (beats, Instant::now());
        }
        let silent = seen.1.elapsed() >= limit;
        if silent || hooks.cancel.load(Ordering::Relaxed) {
            line.left.store(true, Ordering::Relaxed);
            // A talk that can be ended from here, as through `ssh`, ends what it started before we go on.
            let _ = answer.recv_timeout(2 * TICK);
            check(repository, hooks)?;
            return Err(GitError::TimedOut { repository: repository.to_owned(), phase, seconds: limit.as_secs() });
        }
    }
}

/// Waits, watching the cancel flag.
pub(super) fn wait(repository: &str, pause: Duration, hooks: &Hooks<'_>) -> Result<(), GitError> {
    let mut left = pause;
    while !left.is_zero() {
        check(repository, hooks)?;
        let step = left.min(TICK);
        thread::sleep(step);
        left -= step;
    }
    check(repository, hooks)
}

fn check(repository: &str, hooks: &Hooks<'_>) -> Result<(), GitError> {
    match hooks.cancel.load(Ordering::Relaxed) {
        true => Err(GitError::Cancelled { repository: repository.to_owned() }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    fn settings() -> NetworkSettings {
        NetworkSettings {
            connect_timeout: Duration::ZERO,
            stall_timeout: Duration::ZERO,
            retry_pause: Duration::ZERO,
            ..NetworkSettings::default()
        }
    }

    fn run<T: Send + 'static>(
        cancel: &AtomicBool,
        body: impl Fn(&Arc<Line>) -> Result<T, GitError> + Clone + Send + 'static,
    ) -> Result<T, GitError> {
        talk("r", &settings(), &mut Hooks { progress: &mut |_| {}, cancel }, body)
    }

    fn unreachable() -> GitError {
        GitError::Unreachable { repository: "r".to_owned(), why: String::new() }
    }

    #[test]
    fn row_35_network_failures_are_tried_again_and_answers_are_not() {
        let tries = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&tries);
        let outcome = run(&AtomicBool::new(false), move |_| match counter.fetch_add(1, Ordering::Relaxed) {
            2 => Ok(7),
            _ => Err(unreachable()),
        });
        assert_eq!((outcome.unwrap(), tries.load(Ordering::Relaxed)), (7, 3));

        let counter = Arc::clone(&tries);
        let outcome = run::<()>(&AtomicBool::new(false), move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Err(GitError::Denied { repository: "r".to_owned(), why: String::new(), login: "" })
        });
        assert!(matches!(outcome, Err(GitError::Denied { .. })));
        assert_eq!(tries.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn a_silent_talk_is_left_and_told_so() {
        let (ended, end) = mpsc::channel();
        let outcome = run::<()>(&AtomicBool::new(false), move |line| {
            while line.connected.load(Ordering::Relaxed) || !line.left.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            assert!(!line.beat(), "a thread that was left is told at its next sign of life");
            let _ = ended.send(());
            Err(unreachable())
        });
        assert!(matches!(outcome, Err(GitError::TimedOut { phase: "connecting", .. })));
        end.recv().unwrap();
    }

    #[test]
    fn a_raised_flag_ends_it_before_it_starts() {
        let outcome = run::<()>(&AtomicBool::new(true), |_| panic!("must not run"));
        assert!(matches!(outcome, Err(GitError::Cancelled { .. })));
    }
}
