//! Ends the commands of a run that died.
//!
//! A run starts one watcher process and tells it, over a pipe, of every process group it starts and ends. When the
//! pipe closes, for whatever reason, the watcher ends the groups that remain. It also holds the open file description
//! of the workspace lock, so that no command of a dead run writes beside the next run.
//!
//! Protocol, on the watcher's standard input: one line per message, `+GROUP` or `-GROUP` in decimal.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io;
use std::io::PipeWriter;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use std::time::Instant;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::poll;
use rustix::io::Errno;
use rustix::io::ioctl_fionbio;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::getpgrp;
use signal_hook::consts::SIGHUP;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGQUIT;
use signal_hook::consts::SIGTERM;

use crate::outside::process::cancel::poll_timeout;
use crate::outside::process::group;

/// Between SIGTERM and SIGKILL for the commands of a dead run.
const GRACE: Duration = Duration::from_secs(2);
/// How long messages may gather after one was read: a wake-up per command would cost more than the command's share.
const GATHER: Duration = Duration::from_millis(50);
/// Between two looks at groups that are ending.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How to start the watcher.
#[derive(Debug)]
pub struct WatcherSpec {
    /// The absolute path of this program.
    pub program: PathBuf,
    /// The arguments that make it call [`main`].
    pub args: Vec<OsString>,
    /// The workspace lock's file, see `WorkspaceLock::file`.
    pub lock: Option<File>,
}

/// The run's end of the watcher.
pub struct WatcherHandle {
    state: Mutex<State>,
}

enum State {
    NotStarted(WatcherSpec),
    Running(Link),
    Broken(String),
    Finished,
}

struct Link {
    process: Child,
    pipe: PipeWriter,
    groups: BTreeSet<i32>,
}

/// What was left for the watcher to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// No group was left; the watcher, if there was one, has ended.
    NothingLeft,
    /// The watcher now ends this many groups and holds the workspace lock until they are gone.
    StillEnding(usize),
}

impl WatcherHandle {
    /// A handle whose process is started by the first command.
    pub fn new(spec: WatcherSpec) -> Self {
        Self { state: Mutex::new(State::NotStarted(spec)) }
    }

    /// Starts the process unless that was done. A failure does not hinder the run; see [`Self::problem`].
    pub fn start(&self) {
        let mut state = self.lock();
        if let State::NotStarted(spec) = &*state {
            *state = match Link::start(spec) {
                Ok(link) => State::Running(link),
                Err(error) => State::Broken(format!(
                    "cannot start the watcher process {}: {error}; should this run be killed, its commands will go on",
                    spec.program.display()
                )),
            };
        }
    }

    /// Why commands would outlive a killed run, in words; `None` while the watcher does its work.
    pub fn problem(&self) -> Option<String> {
        match &*self.lock() {
            State::Broken(problem) => Some(problem.clone()),
            _ => None,
        }
    }

    /// Tells of a group that was started.
    pub fn register(&self, group: Pid) {
        if let State::Running(link) = &mut *self.lock() {
            link.groups.insert(group.as_raw_pid());
            link.tell('+', group);
        }
    }

    /// Tells of a group that is gone.
    pub fn unregister(&self, group: Pid) {
        if let State::Running(link) = &mut *self.lock() {
            link.groups.remove(&group.as_raw_pid());
            link.tell('-', group);
        }
    }

    /// Closes the pipe at the end of the run. If nothing is left to end, waits for the watcher, which is a matter of
    /// a millisecond; else leaves it to its work.
    pub fn finish(&self) -> Finished {
        let state = std::mem::replace(&mut *self.lock(), State::Finished);
        let State::Running(Link { mut process, pipe, groups }) = state else { return Finished::NothingLeft };
        drop(pipe);
        if !groups.is_empty() {
            return Finished::StillEnding(groups.len());
        }
        // Fails only where exit statuses are not kept, and then the process is gone.
        let _ = process.wait();
        Finished::NothingLeft
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for WatcherHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*self.lock() {
            State::NotStarted(_) => "not started",
            State::Running(_) => "running",
            State::Broken(_) => "broken",
            State::Finished => "finished",
        };
        f.debug_tuple("WatcherHandle").field(&state).finish()
    }
}

impl Link {
    fn start(spec: &WatcherSpec) -> io::Result<Self> {
        // Both ends are close-on-exec: a command that inherited the write end would hide our death from the watcher.
        let (reader, pipe) = io::pipe()?;
        // A watcher that is stopped must not stop us; a lost message costs at most what it would have told.
        ioctl_fionbio(&pipe, true)?;
        let stdout = match &spec.lock {
            // A duplicate shares the open file description, to which `flock` belongs.
            Some(file) => Stdio::from(file.try_clone()?),
            None => Stdio::null(),
        };
        let process = Command::new(&spec.program)
            .args(&spec.args)
            .env_clear()
            // It must hold neither a folder of the user's nor, after our end, a pipe that someone reads to its end.
            .current_dir(Path::new("/"))
            .stdin(reader)
            .stdout(stdout)
            .stderr(Stdio::null())
            // A terminal sends its signals to our group.
            .process_group(0)
            .spawn()?;
        Ok(Self { process, pipe, groups: BTreeSet::new() })
    }

    fn tell(&mut self, sign: char, group: Pid) {
        // Shorter than PIPE_BUF, so it is written whole or not at all.
        let _ = self.pipe.write_all(format!("{sign}{}\n", group.as_raw_pid()).as_bytes());
    }
}

/// The watcher process: reads messages from `input` until it ends, then ends the groups that remain and returns the
/// exit code. Its standard output is the lock it holds and must not be written to.
pub fn main(input: impl AsFd) -> i32 {
    // A handler that does nothing in place of the default, which would end us. A stop asked of the run reaches the
    // groups through the run.
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
    watch(input.as_fd(), GRACE);
    0
}

fn watch(input: BorrowedFd<'_>, grace: Duration) {
    let mut groups = Groups::default();
    let mut buffer = [0; 4096];
    loop {
        match rustix::io::read(input, &mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                groups.take(&buffer[..count]);
                if count < buffer.len() {
                    groups.identify();
                    pause(Some(input), GATHER);
                }
            }
            Err(Errno::INTR) => {}
            // A pipe that cannot be read tells nothing more: the same as its end.
            Err(_) => break,
        }
    }
    groups.end(grace);
}

/// Waits for `duration`, or until the last writer of `input` is gone.
fn pause(input: Option<BorrowedFd<'_>>, duration: Duration) {
    let mut fds: Vec<PollFd<'_>> =
        input.into_iter().map(|input| PollFd::from_borrowed_fd(input, PollFlags::empty())).collect();
    let _ = poll(&mut fds, Some(&poll_timeout(duration)));
}

/// The groups of the run.
#[derive(Default)]
struct Groups {
    known: Vec<(Pid, Leader)>,
    /// The start of a message whose end has not come yet.
    partial: Vec<u8>,
}

/// What is known of the process whose number the group bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leader {
    /// Nobody looked yet.
    Unknown,
    /// When it started; `None` if it had ended when we looked.
    Started(Option<u64>),
}

impl Groups {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => {
                    let line = std::mem::take(&mut self.partial);
                    self.obey(&line);
                }
                // No message is this long; the rest of the line makes it invalid.
                _ if self.partial.len() < 16 => self.partial.push(*byte),
                _ => self.partial[0] = b'?',
            }
        }
    }

    fn obey(&mut self, line: &[u8]) {
        let Some((sign, number)) = line.split_first() else { return };
        let number = std::str::from_utf8(number).ok().and_then(|number| number.parse::<i32>().ok());
        // 1 would mean every process there is, and our own group would end us before our work is done.
        let group = number.filter(|number| *number > 1).and_then(Pid::from_raw).filter(|group| *group != getpgrp());
        match (sign, group) {
            (b'+', Some(group)) => {
                self.known.push((group, Leader::Unknown));
            }
            (b'-', Some(group)) => {
                self.known.retain(|(known, _)| *known != group);
            }
            _ => {}
        }
    }

    /// Notes the start times of new groups' leaders. Most commands are over before their messages are read, which
    /// spares them the look.
    fn identify(&mut self) {
        for (group, leader) in &mut self.known {
            if *leader == Leader::Unknown {
                *leader = Leader::Started(group::start_time(*group));
            }
        }
    }

    /// Forgets groups that are gone, among them those whose number now belongs to a stranger: a process with the
    /// group's number is either the leader we know or a later one, for no number is given anew while a group bears it.
    fn forget_gone(&mut self) {
        self.known.retain(|(group, leader)| {
            let now = group::start_time(*group);
            let is_ours = match leader {
                Leader::Unknown => true,
                Leader::Started(then) => now.is_none() || now == *then,
            };
            is_ours && group::is_alive(*group)
        });
    }

    fn end(mut self, grace: Duration) {
        self.forget_gone();
        for (group, _) in &self.known {
            group::ask_to_end(*group);
        }
        let deadline = Instant::now() + grace;
        while !self.known.is_empty() && Instant::now() < deadline {
            pause(None, LOOK_AGAIN);
            self.forget_gone();
        }
        // The lock must stay held for as long as anything can still write, however long the kernel takes to end it.
        while !self.known.is_empty() {
            for (group, _) in &self.known {
                group::send(*group, Signal::KILL);
            }
            pause(None, LOOK_AGAIN);
            self.forget_gone();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::PipeReader;

    use super::*;

    fn child(script: &str) -> (Child, PipeReader, Pid) {
        let (reader, writer) = io::pipe().unwrap();
        let mut command = Command::new("/bin/sh");
        let child = command.args(["-c", script]).stdout(writer).process_group(0).spawn().unwrap();
        let group = Pid::from_child(&child);
        (child, reader, group)
    }

    fn wait_for_output(reader: &PipeReader) {
        assert_eq!(rustix::io::read(reader, &mut [0; 1]), Ok(1));
    }

    #[test]
    fn when_the_pipe_closes_the_groups_that_remain_are_ended() {
        let (mut stubborn, out, group) = child("trap '' TERM; sleep 1000 & echo x; wait; sleep 1000");
        wait_for_output(&out);
        let (mut spared, _out, spared_group) = child("exec sleep 1000");
        let (input, mut pipe) = io::pipe().unwrap();
        write!(
            pipe,
            "+{group}\n+{spared_group}\n-{spared_group}\n",
            group = group.as_raw_pid(),
            spared_group = spared_group.as_raw_pid()
        )
        .unwrap();
        drop(pipe);
        watch(input.as_fd(), Duration::from_millis(20));
        assert!(!group::is_alive(group));
        assert!(group::is_alive(spared_group));
        group::send(spared_group, Signal::KILL);
        spared.wait().unwrap();
        stubborn.wait().unwrap();
    }

    #[test]
    fn a_group_whose_number_was_given_anew_is_spared() {
        let (mut stranger, _out, group) = child("exec sleep 1000");
        let started = group::start_time(group).unwrap();
        for leader in [Leader::Started(None), Leader::Started(Some(started - 1))] {
            let mut groups = Groups { known: vec![(group, leader)], partial: Vec::new() };
            groups.forget_gone();
            assert!(groups.known.is_empty(), "{leader:?}");
        }
        let mut groups = Groups { known: vec![(group, Leader::Unknown)], partial: Vec::new() };
        groups.identify();
        assert_eq!(groups.known, [(group, Leader::Started(Some(started)))]);
        groups.forget_gone();
        assert_eq!(groups.known.len(), 1);
        groups.end(Duration::from_secs(3600));
        assert!(!stranger.wait().unwrap().success());
    }

    #[test]
    fn only_well_formed_messages_count() {
        let mut groups = Groups::default();
        let own = getpgrp().as_raw_pid();
        let text = format!("+1\n+0\n+-5\n+{own}\nx7\n+\n\n+99999999999999999999999\n+7\n+8\n-8\n+9");
        for byte in text.as_bytes() {
            groups.take(&[*byte]);
        }
        assert_eq!(groups.known, [(Pid::from_raw(7).unwrap(), Leader::Unknown)]);
    }

    #[test]
    fn a_watcher_that_cannot_start_is_a_problem_told_once_and_no_failure() {
        let spec = WatcherSpec { program: "/no/such/program".into(), args: Vec::new(), lock: None };
        let handle = WatcherHandle::new(spec);
        assert_eq!(handle.problem(), None);
        handle.start();
        handle.register(getpgrp());
        assert!(handle.problem().unwrap().contains("/no/such/program"));
        assert_eq!(handle.finish(), Finished::NothingLeft);
    }

    #[test]
    fn a_watcher_that_died_or_does_not_read_hinders_nobody() {
        for program in ["/bin/true", "/bin/sleep"] {
            let handle =
                WatcherHandle::new(WatcherSpec { program: program.into(), args: vec!["1000".into()], lock: None });
            handle.start();
            for number in 2..20_000 {
                handle.register(Pid::from_raw(number).unwrap());
            }
            let State::Running(link) = &mut *handle.lock() else { panic!() };
            link.process.kill().unwrap();
            link.process.wait().unwrap();
        }
    }

    #[test]
    fn what_is_left_is_counted() {
        let handle = WatcherHandle::new(WatcherSpec { program: "/bin/cat".into(), args: Vec::new(), lock: None });
        assert_eq!(handle.finish(), Finished::NothingLeft);
        let handle = WatcherHandle::new(WatcherSpec { program: "/bin/cat".into(), args: Vec::new(), lock: None });
        handle.start();
        let (one, two) = (Pid::from_raw(1 << 22).unwrap(), Pid::from_raw(1 << 23).unwrap());
        handle.register(one);
        handle.register(two);
        handle.unregister(one);
        assert_eq!(handle.finish(), Finished::StillEnding(1));
    }
}
