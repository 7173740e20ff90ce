//! Runs commands as local processes.
//!
//! The calling thread does everything: it starts the command in a process group of its own, then polls one pipe for
//! its output, one descriptor for its end and one for a cancellation. No thread per command, no `fork` of our own:
//! `std` starts it by `posix_spawn`, whose cost does not grow with the memory of the run.

use std::fs::File;
use std::io;
use std::io::PipeReader;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::poll;
use rustix::io::Errno;
use rustix::io::ioctl_fionread;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::WaitId;
use rustix::process::WaitIdOptions;
use rustix::process::waitid;

use crate::outside::process::cancel::Cancel;
use crate::outside::process::cancel::Level;
use crate::outside::process::cancel::poll_timeout;
use crate::outside::process::command::CommandRunner;
use crate::outside::process::command::CommandSpec;
use crate::outside::process::command::End;
use crate::outside::process::command::LeftRunning;
use crate::outside::process::command::Outcome;
use crate::outside::process::command::OutputSink;
use crate::outside::process::group;
use crate::outside::process::pause::Pause;
use crate::outside::process::start::Start;
use crate::outside::process::start::spawn;
use crate::outside::process::start_error::StartError;
use crate::outside::process::watcher::WatcherHandle;

/// How long things may take around the end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// For processes still there when the command's own process has ended: the tail of a shell pipeline may take a
    /// moment. What outlasts this is reported as left running.
    pub linger: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { grace: Duration::from_secs(5), linger: Duration::from_millis(100) }
    }
}

/// The runner of local processes.
#[derive(Debug, Default)]
pub struct LocalRunner {
    patience: Patience,
    watcher: Option<Arc<WatcherHandle>>,
}

impl LocalRunner {
    /// A runner whose commands are ended by `watcher` should this process die.
    pub fn new(patience: Patience, watcher: Option<Arc<WatcherHandle>>) -> Self {
        Self { patience, watcher }
    }
}

impl CommandRunner for LocalRunner {
    fn run(&self, spec: &CommandSpec, cancel: &Cancel, sink: &mut dyn OutputSink) -> Outcome {
        let started = Instant::now();
        let (end, left_running) = if cancel.is_raised() {
            (End::Cancelled, LeftRunning::default())
        } else {
            self.run_to_end(spec, cancel, sink)
        };
        Outcome { end, duration: started.elapsed(), left_running }
    }
}

impl LocalRunner {
    fn run_to_end(&self, spec: &CommandSpec, cancel: &Cancel, sink: &mut dyn OutputSink) -> (End, LeftRunning) {
        if let Some(watcher) = &self.watcher {
            watcher.start();
        }
        let deadline = spec.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut running = match Running::start(spec, cancel, sink) {
            Ok(running) => running,
            Err(error) => return (End::NotStarted(error), LeftRunning::default()),
        };
        let group = running.group;
        if let Some(watcher) = &self.watcher {
            watcher.register(group);
        }
        let end = match running.watch(deadline) {
            Stop::Ended => {
                let status = running.reap();
                running.settle(Some(Instant::now() + self.patience.linger), Level::None, Until::GroupAndOutputEnd);
                if !running.was_alone && running.is_gone() {
                    running.settle(Some(Instant::now() + COPY_PATIENCE), Level::None, Until::GroupAndOutputEnd);
                }
                status.map_or_else(|error| End::NotStarted(StartError::status_lost(spec, &error)), end_of)
            }
            Stop::TimedOut => {
                running.put_down(self.patience.grace);
                End::TimedOut
            }
            Stop::Cancelled => {
                running.put_down(self.patience.grace);
                End::Cancelled
            }
        };
        let left = running.left_running();
        if let Some(watcher) = &self.watcher
            && !left.in_group
        {
            watcher.unregister(group);
        }
        (end, left)
    }
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or(0)),
    }
}

/// Why we stopped watching a command.
enum Stop {
    Ended,
    TimedOut,
    Cancelled,
}

/// What to wait for when a command is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    GroupEnd,
    GroupAndOutputEnd,
}

/// The longest wait for the kernel to carry out a SIGKILL, which a process stuck in a device or network file
/// system can delay without end.
const KILL_PATIENCE: Duration = Duration::from_secs(1);
/// The longest wait for another command to let go of a copy of the pipe that it got by mistake.
const COPY_PATIENCE: Duration = Duration::from_secs(2);
/// Bytes taken from the pipe at once: all that a pipe holds by default on Linux.
const READ_SIZE: usize = 64 * 1024;

/// A started command.
struct Running<'a> {
    child: Child,
    /// The command's process is its leader, so they share the number.
    group: Pid,
    /// Readable when the command's process has ended; absent where the system has no such thing.
    end_bell: Option<OwnedFd>,
    /// The command's process was waited for: its number may now be used anew, unless its group lives on.
    reaped: bool,
    /// Nothing of the group is left: its number may be used anew, and is not asked about again.
    gone: bool,
    /// `None` once every writer is gone.
    output: Option<PipeReader>,
    /// No other command was being started when this one was: nobody can have a copy of the write end by mistake.
    was_alone: bool,
    buffer: Vec<u8>,
    cancel: &'a Cancel,
    sink: &'a mut dyn OutputSink,
}

impl<'a> Running<'a> {
    fn start(spec: &CommandSpec, cancel: &'a Cancel, sink: &'a mut dyn OutputSink) -> Result<Self, StartError> {
        if !spec.program.is_absolute() {
            return Err(StartError::not_absolute(spec));
        }
        let start = Start::begin();
        let result = Self::start_alone(spec, cancel, sink);
        let was_alone = start.end();
        result.map(|running| Self { was_alone, ..running })
    }

    fn start_alone(spec: &CommandSpec, cancel: &'a Cancel, sink: &'a mut dyn OutputSink) -> Result<Self, StartError> {
        let diagnose = |error: io::Error| StartError::diagnose(spec, &error);
        let (output, writer) = io::pipe().map_err(diagnose)?;
        let stdout = match &spec.stdout_file {
            Some(path) => Stdio::from(File::create(path).map_err(|error| StartError::stdout_file(spec, path, &error))?),
            None => Stdio::from(writer.try_clone().map_err(diagnose)?),
        };
        let mut command = Command::new(&spec.program);
        command.args(&spec.args).env_clear().envs(&spec.env).current_dir(&spec.dir).process_group(0);
        command.stdin(Stdio::null()).stdout(stdout).stderr(writer);
        let child = spawn(&mut command, cancel).map_err(diagnose)?;
        // `command` holds our copies of the pipe's write end, without whose closing the output never ends.
        drop(command);
        let group = Pid::from_child(&child);
        let end_bell = end_bell(group);
        Ok(Self {
            child,
            group,
            end_bell,
            reaped: false,
            gone: false,
            output: Some(output),
            was_alone: true,
            buffer: Vec::new(),
            cancel,
            sink,
        })
    }

    /// Passes output on until the command's process ends, `deadline` passes or the run is cancelled.
    fn watch(&mut self, deadline: Option<Instant>) -> Stop {
        let mut pause = Pause::default();
        loop {
            // A missing bell, or one we are done waiting for, is replaced by short waits.
            let wake = if self.end_bell.is_some() { deadline } else { earlier(deadline, pause.next_end()) };
            if self.poll_once(wake, Level::None) {
                pause = Pause::default();
            }
            if self.has_ended() {
                return Stop::Ended;
            }
            if self.cancel.is_raised() {
                return Stop::Cancelled;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Stop::TimedOut;
            }
        }
    }

    /// Ends the whole group: a request, the grace, then force; a second cancellation skips the rest of the grace.
    fn put_down(&mut self, grace: Duration) {
        if self.cancel.level() < Level::Now {
            group::ask_to_end(self.group);
            // Without an end in sight (a grace beyond the clock) only the group's end or a second request counts.
            self.settle(Instant::now().checked_add(grace), Level::Graceful, Until::GroupEnd);
        }
        if !self.is_gone() {
            group::send(self.group, Signal::KILL);
            self.settle(Some(Instant::now() + KILL_PATIENCE), Level::Now, Until::GroupEnd);
        }
        self.drain();
    }

    /// Passes output on until what `until` names has come, `deadline` passes or the cancellation exceeds `level`.
    fn settle(&mut self, deadline: Option<Instant>, level: Level, until: Until) {
        self.drain();
        let mut pause = Pause::default();
        loop {
            let output_ended = self.output.is_none() || until == Until::GroupEnd;
            let gone = self.is_gone();
            let over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if (gone && output_ended) || over || self.cancel.level() > level {
                return;
            }
            let wake = if gone { deadline } else { earlier(deadline, pause.next_end()) };
            self.poll_once(wake, level);
        }
    }

    /// Waits for one event, at the latest until `wake`, and passes on output that came. Says whether any did.
    fn poll_once(&mut self, wake: Option<Instant>, level: Level) -> bool {
        let timeout = wake.map(|wake| poll_timeout(wake.saturating_duration_since(Instant::now())));
        let output_events = {
            let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(3);
            let output = self.output.as_ref().map(AsFd::as_fd);
            let end = if self.reaped { None } else { self.end_bell.as_ref().map(AsFd::as_fd) };
            fds.extend([output, end, self.cancel.bell_above(level)].into_iter().flatten().map(readable));
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) if output.is_some() => fds[0].revents(),
                // EINTR: every condition is looked at again by the callers' loops.
                _ => PollFlags::empty(),
            }
        };
        if output_events.contains(PollFlags::IN) {
            self.read_output(READ_SIZE);
            return true;
        }
        if !output_events.is_empty() {
            self.output = None;
        }
        false
    }

    /// Reads once, what is there and at most `limit` bytes, and passes it on. Blocks if nothing is there.
    fn read_output(&mut self, limit: usize) -> usize {
        let Some(output) = &mut self.output else { return 0 };
        if self.buffer.is_empty() {
            self.buffer.resize(READ_SIZE, 0);
        }
        let limit = limit.min(self.buffer.len());
        match output.read(&mut self.buffer[..limit]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Ok(0) | Err(_) => {
                self.output = None;
                0
            }
            Ok(count) => {
                self.sink.write(&self.buffer[..count]);
                count
            }
        }
    }

    /// Passes on what is in the pipe now and no more, so that a process that never stops printing cannot hold us.
    fn drain(&mut self) {
        let Some(output) = &self.output else { return };
        let mut left = usize::try_from(ioctl_fionread(output).unwrap_or(0)).unwrap_or(0);
        while left > 0 {
            let count = self.read_output(left);
            if count == 0 {
                return;
            }
            left -= count;
        }
    }

    /// Whether the command's process has ended. It is left unreaped, which keeps its number, and so its group's,
    /// from being used anew.
    fn has_ended(&self) -> bool {
        if self.reaped {
            return true;
        }
        if let Some(bell) = &self.end_bell {
            let mut fds = [readable(bell.as_fd())];
            return poll(&mut fds, Some(&poll_timeout(Duration::ZERO))) == Ok(1);
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        match waitid(WaitId::Pid(self.group), options) {
            Ok(status) => status.is_some(),
            // There is no such child any more (SIGCHLD is ignored): it ended, and `reap` tells what that means.
            Err(error) => error != Errno::INTR,
        }
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        self.reaped = true;
        self.child.wait()
    }

    /// Whether nothing of the group can run any more. Reaps the command's process when it has ended.
    fn is_gone(&mut self) -> bool {
        if !self.reaped {
            if !self.has_ended() {
                return false;
            }
            // We ended it: its status says nothing that is not known.
            let _ = self.reap();
        }
        self.gone = self.gone || !group::is_alive(self.group);
        self.gone
    }

    fn left_running(&mut self) -> LeftRunning {
        let in_group = !self.is_gone();
        LeftRunning { in_group, holds_output: self.output.is_some() && !self.output_has_ended() }
    }

    fn output_has_ended(&self) -> bool {
        let Some(output) = &self.output else { return true };
        let mut fds = [readable(output.as_fd())];
        poll(&mut fds, Some(&poll_timeout(Duration::ZERO))).is_ok() && fds[0].revents().contains(PollFlags::HUP)
    }
}

/// A descriptor that tells the end of a process which was not waited for.
#[cfg(target_os = "linux")]
fn end_bell(process: Pid) -> Option<OwnedFd> {
    rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn end_bell(_process: Pid) -> Option<OwnedFd> {
    None
}

fn readable(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(fd, PollFlags::IN)
}

fn earlier(deadline: Option<Instant>, other: Instant) -> Option<Instant> {
    Some(deadline.map_or(other, |deadline| deadline.min(other)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsString;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::outside::process::output::LogCapture;
    use crate::outside::process::output::LogLimits;
    use crate::outside::process::start_error::StartErrorKind;
    use crate::outside::process::watcher::Finished;
    use crate::outside::process::watcher::WatcherSpec;

    /// No test waits this long; a protection that fails would.
    const FOR_EVER: Duration = Duration::from_secs(3600);

    fn spec(program: &str, args: &[&str]) -> CommandSpec {
        CommandSpec {
            program: program.into(),
            args: args.iter().map(OsString::from).collect(),
            env: BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]),
            dir: "/".into(),
            timeout: None,
            stdout_file: None,
        }
    }

    fn sh(script: &str) -> CommandSpec {
        spec("/bin/sh", &["-c", script])
    }

    fn runner(grace: Duration) -> LocalRunner {
        LocalRunner::new(Patience { grace, ..Patience::default() }, None)
    }

    fn run(spec: &CommandSpec) -> (Outcome, String) {
        let mut log = Vec::new();
        let outcome = runner(FOR_EVER).run(spec, &Cancel::new().unwrap(), &mut log);
        (outcome, String::from_utf8(log).unwrap())
    }

    /// Raises the cancellation step by step when the command prints the given words.
    struct CancelOn<'a> {
        cancel: &'a Cancel,
        steps: Vec<(&'static str, Level)>,
        log: String,
    }

    impl OutputSink for CancelOn<'_> {
        fn write(&mut self, chunk: &[u8]) {
            self.log.push_str(std::str::from_utf8(chunk).unwrap());
            for (word, level) in &self.steps {
                if self.log.contains(word) {
                    self.cancel.raise(*level);
                }
            }
        }
    }

    fn run_cancelled(grace: Duration, script: &str, steps: &[(&'static str, Level)]) -> (Outcome, String) {
        let cancel = Cancel::new().unwrap();
        let mut sink = CancelOn { cancel: &cancel, steps: steps.to_vec(), log: String::new() };
        let outcome = runner(grace).run(&sh(script), &cancel, &mut sink);
        (outcome, sink.log)
    }

    fn pid_in(text: &str) -> Pid {
        let number = text.split_ascii_whitespace().find_map(|word| word.parse().ok()).unwrap();
        Pid::from_raw(number).unwrap()
    }

    #[test]
    fn both_outputs_are_one_stream_in_order() {
        let (outcome, log) = run(&sh("echo a; echo b >&2; echo c; printf d >&2"));
        assert_eq!((outcome.end, log.as_str()), (End::Exited(0), "a\nb\nc\nd"));
        assert_eq!(outcome.left_running, LeftRunning::default());
    }

    #[test]
    fn the_environment_and_folder_are_the_given_ones_and_stdin_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let dir = fs::canonicalize(dir.path()).unwrap();
        let mut spec = spec("/usr/bin/env", &[]);
        spec.env = BTreeMap::from([("A".into(), "x y".into()), ("EMPTY".into(), "".into())]);
        assert_eq!(run(&spec).1, "A=x y\nEMPTY=\n");
        let here = CommandSpec { dir: dir.clone(), ..sh("pwd; cat; echo end") };
        assert_eq!(run(&here).1, format!("{}\nend\n", dir.display()));
    }

    #[test]
    fn stdout_may_go_to_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        fs::write(&path, "something longer from before").unwrap();
        let spec = CommandSpec { stdout_file: Some(path.clone()), ..sh("echo out; echo err >&2") };
        assert_eq!(run(&spec).1, "err\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "out\n");
        let absent = CommandSpec { stdout_file: Some(dir.path().join("absent/out")), ..sh("") };
        let End::NotStarted(error) = run(&absent).0.end else { panic!() };
        assert_eq!(error.kind, StartErrorKind::BadStdoutFile);
        assert!(error.to_string().contains("absent/out") && error.to_string().contains("/bin/sh"), "{error}");
    }

    #[test]
    fn statuses_and_signals_are_told_apart() {
        assert_eq!(run(&sh("exit 3")).0.end, End::Exited(3));
        assert_eq!(run(&sh("kill -9 $$")).0.end, End::Signalled(9));
        assert_eq!(run(&sh("exit 137")).0.end, End::Exited(137));
    }

    #[test]
    fn a_command_inherits_no_other_descriptor() {
        // What the test program itself was started with is passed on by everyone.
        let plain = Command::new("/bin/ls").arg("/proc/self/fd").output().unwrap();
        let lock = tempfile::tempfile().unwrap();
        let watcher_spec = WatcherSpec { program: "/bin/cat".into(), args: Vec::new(), lock: Some(lock) };
        let watcher = Arc::new(WatcherHandle::new(watcher_spec));
        let runner = LocalRunner::new(Patience::default(), Some(Arc::clone(&watcher)));
        let mut log = Vec::new();
        let outcome = runner.run(&spec("/bin/ls", &["/proc/self/fd"]), &Cancel::new().unwrap(), &mut log);
        assert_eq!((outcome.end, log), (End::Exited(0), plain.stdout));
        assert_eq!((watcher.problem(), watcher.finish()), (None, Finished::NothingLeft));
    }

    #[test]
    fn row_28_a_timeout_ends_the_whole_group() {
        let limited = |script| CommandSpec { timeout: Some(Duration::from_millis(100)), ..sh(script) };
        let (outcome, log) = run(&limited("sleep 1000 & echo $!; sleep 1000"));
        assert_eq!((outcome.end, outcome.left_running), (End::TimedOut, LeftRunning::default()));
        assert!(!group::is_alive(pid_in(&log)));
        // Also when the output was closed, which leaves nothing but the process itself to wait for.
        assert_eq!(run(&limited("exec >&- 2>&-; sleep 1000")).0.end, End::TimedOut);
    }

    #[test]
    fn a_group_that_ignores_the_request_is_ended_by_force() {
        let script = "trap '' TERM; sh -c 'trap \"\" TERM; sleep 1000; sleep 1000' & echo ready; wait; sleep 1000";
        let (outcome, _) = run_cancelled(Duration::from_millis(50), script, &[("ready", Level::Graceful)]);
        assert_eq!((outcome.end, outcome.left_running), (End::Cancelled, LeftRunning::default()));
    }

    #[test]
    fn a_command_that_obeys_the_request_ends_in_its_own_way() {
        // The background process reports ready only once it has traded the shell's handlers for its own program's: a
        // signal in the instant between `fork` and `exec` of a shell that traps it is lost.
        let script = "trap 'echo bye; exit 0' TERM; sh -c 'echo ready; exec sleep 1000' & wait";
        let (outcome, log) = run_cancelled(FOR_EVER, script, &[("ready", Level::Graceful)]);
        assert_eq!((outcome.end, log.as_str()), (End::Cancelled, "ready\nbye\n"));
    }

    #[test]
    fn commands_started_at_the_same_time_do_not_count_as_left_running() {
        let runner = LocalRunner::new(Patience { grace: FOR_EVER, linger: Duration::ZERO }, None);
        let work = || {
            for _ in 0..60 {
                let outcome = runner.run(&spec("/bin/true", &[]), &Cancel::new().unwrap(), &mut Vec::new());
                assert_eq!(outcome.left_running, LeftRunning::default());
            }
        };
        std::thread::scope(|scope| (0..6).for_each(|_| drop(scope.spawn(work))));
    }

    #[test]
    fn a_second_request_ends_the_grace() {
        let script = "trap 'echo no' TERM; sh -c 'echo ready; exec sleep 1000' & wait; exec sleep 1000";
        let steps = [("ready", Level::Graceful), ("no", Level::Now)];
        let (outcome, log) = run_cancelled(FOR_EVER, script, &steps);
        assert_eq!((outcome.end, log.as_str()), (End::Cancelled, "ready\nno\n"));
        assert_eq!(outcome.left_running, LeftRunning::default());
    }

    #[test]
    fn a_stopped_command_can_be_ended() {
        let script = "echo ready; kill -STOP $$; sleep 1000";
        assert_eq!(run_cancelled(FOR_EVER, script, &[("ready", Level::Graceful)]).0.end, End::Cancelled);
    }

    #[test]
    fn nothing_starts_once_cancelled() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("made");
        let cancel = Cancel::new().unwrap();
        cancel.raise(Level::Graceful);
        let touch = spec("/usr/bin/touch", &[file.to_str().unwrap()]);
        assert_eq!(runner(FOR_EVER).run(&touch, &cancel, &mut Vec::new()).end, End::Cancelled);
        assert!(!file.exists());
    }

    #[test]
    fn row_28_a_daemon_that_holds_the_output_is_reported_and_not_waited_for() {
        let (outcome, log) = run(&sh("setsid sleep 1000 & echo $!"));
        group::send(pid_in(&log), Signal::KILL);
        assert_eq!(outcome.end, End::Exited(0));
        assert_eq!(outcome.left_running, LeftRunning { in_group: false, holds_output: true });
    }

    #[test]
    fn a_background_process_of_the_group_is_reported() {
        let (outcome, log) = run(&sh("sleep 1000 >/dev/null 2>&1 & echo $$"));
        let group = pid_in(&log);
        assert!(group::is_alive(group));
        group::send(group, Signal::KILL);
        assert_eq!(outcome.left_running, LeftRunning { in_group: true, holds_output: false });
    }

    #[test]
    fn a_daemon_that_never_stops_printing_does_not_hold_us() {
        let (outcome, log) = run(&sh("setsid yes & echo $!"));
        group::send(pid_in(&log), Signal::KILL);
        assert_eq!(outcome.end, End::Exited(0));
    }

    #[test]
    fn the_tail_of_a_pipeline_is_heard_after_the_shell_has_ended() {
        // The shell becomes `true` while its background process still has to print.
        let (outcome, log) = run(&sh("(read x < /proc/self/stat; echo late) & exec true"));
        assert_eq!((log.as_str(), outcome.left_running), ("late\n", LeftRunning::default()));
    }

    #[test]
    fn a_flood_with_no_line_end_is_passed_on_in_full() {
        let mut capture = LogCapture::new(LogLimits::default());
        let flood = sh("head -c 50000000 /dev/zero; printf '\\377\\376end'");
        let outcome = runner(FOR_EVER).run(&flood, &Cancel::new().unwrap(), &mut capture);
        assert_eq!((outcome.end, capture.total()), (End::Exited(0), 50_000_005));
        assert!(capture.finish().ends_with(b"\0\xff\xfeend"));
    }

    #[test]
    fn all_that_was_printed_before_the_end_arrives() {
        let mut log = Vec::new();
        let outcome = runner(FOR_EVER).run(
            &sh("setsid sleep 1000 & echo $!; head -c 65000 /dev/zero"),
            &Cancel::new().unwrap(),
            &mut log,
        );
        let end = log.iter().position(|byte| *byte == b'\n').unwrap();
        group::send(pid_in(std::str::from_utf8(&log[..end]).unwrap()), Signal::KILL);
        assert!(outcome.left_running.holds_output);
        assert_eq!(log.len() - end - 1, 65000);
    }

    #[test]
    fn failures_to_start_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str, mode: u32| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let absent = dir.path().join("absent").to_str().unwrap().to_owned();
        std::os::unix::fs::symlink(&absent, dir.path().join("dangling")).unwrap();
        let dangling = dir.path().join("dangling").to_str().unwrap().to_owned();
        let no_interpreter = file("no-interpreter", "#!/no/such/interpreter -x\n", 0o755);
        let text = file("text", "just text\n", 0o755);
        let plain = file("plain", "#!/bin/sh\n", 0o644);
        let long = "x".repeat(3 << 20);
        let in_dir = |dir: &str| CommandSpec { dir: dir.into(), ..sh("") };
        let cases = [
            (spec("sh", &[]), StartErrorKind::NotAbsolute, "absolute path"),
            (spec(&absent, &[]), StartErrorKind::NoProgram, "install"),
            (spec(&dangling, &[]), StartErrorKind::NoProgram, "symbolic link"),
            (spec(&no_interpreter, &[]), StartErrorKind::NoInterpreter, "/no/such/interpreter"),
            (spec(&text, &[]), StartErrorKind::BadFormat, "#!"),
            (spec(&plain, &[]), StartErrorKind::NotExecutable, "chmod +x"),
            (spec(dir.path().to_str().unwrap(), &[]), StartErrorKind::NotExecutable, "is a folder"),
            (spec(&format!("{text}/below"), &[]), StartErrorKind::NoProgram, "install"),
            (sh(&long), StartErrorKind::TooLong, "3145"),
            (spec("/bin/sh", &["a\0b"]), StartErrorKind::BadArgument, "NUL"),
            (in_dir(&absent), StartErrorKind::BadDir, "make the folder"),
            (in_dir(&text), StartErrorKind::BadDir, "make the folder"),
        ];
        for (spec, kind, hint) in cases {
            let End::NotStarted(error) = run(&spec).0.end else { panic!("{spec:?} ran") };
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.hint.contains(hint), "{error}");
            assert!(error.to_string().contains(spec.program.to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn a_program_just_written_by_another_thread_starts() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        fs::copy("/bin/true", &program).unwrap();
        let writer = fs::OpenOptions::new().write(true).open(&program).unwrap();
        let mut command = Command::new(&program);
        let cancel = Cancel::new().unwrap();
        assert!(Command::new(&program).spawn().is_err(), "it is busy now");
        let closer = std::thread::spawn(move || drop(writer));
        let mut child = spawn(&mut command, &cancel).unwrap();
        closer.join().unwrap();
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn without_a_bell_the_end_is_found_by_looking() {
        for script in ["echo x", "exec >&- 2>&-; exit 0"] {
            let (cancel, mut log) = (Cancel::new().unwrap(), Vec::new());
            let mut running = Running::start(&sh(script), &cancel, &mut log).unwrap();
            running.end_bell = None;
            assert!(matches!(running.watch(None), Stop::Ended));
            assert!(running.reap().unwrap().success());
        }
        let (cancel, mut log) = (Cancel::new().unwrap(), Vec::new());
        let mut running = Running::start(&sh("sleep 1000"), &cancel, &mut log).unwrap();
        running.end_bell = None;
        running.put_down(FOR_EVER);
        assert_eq!(running.left_running(), LeftRunning::default());
    }
}
