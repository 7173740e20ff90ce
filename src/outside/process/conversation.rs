//! A program that is spoken to: what we write is its input, what it prints is read, until one side hangs up.
//!
//! It is given no terminal, and it cannot outlive us by much: when this process goes, both of its pipes close.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use crate::outside::process::cancel::Cancel;
use crate::outside::process::command::CommandSpec;
use crate::outside::process::group;
use crate::outside::process::start::{Start, spawn};
use crate::outside::process::start_error::StartError;

/// How often a silent program makes us ask whether we still want it.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// How much of what the program complains about is kept: the end, where the reason is.
const COMPLAINT: usize = 4096;

/// A running program, both ends of whose talk are ours. Dropping it ends the program and all of its group.
pub struct Conversation {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    complaint: Option<JoinHandle<Vec<u8>>>,
    status: Option<ExitStatus>,
    wanted: Box<dyn Fn() -> bool + Send>,
}

impl Conversation {
    /// Starts `spec`, whose `timeout` and `stdout_file` do not count here. `wanted` is asked at every sign of life and
    /// while there is none; once it says no, reading and writing fail.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn start(spec: &CommandSpec, wanted: impl Fn() -> bool + Send + 'static) -> Result<Self, StartError> {
        if !spec.program.is_absolute() {
            return Err(StartError::not_absolute(spec));
        }
        let mut command = Command::new(&spec.program);
        command.args(&spec.args).env_clear().envs(&spec.env).current_dir(&spec.dir).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let never = Cancel::new().map_err(|error| StartError::diagnose(spec, &error))?;
        let start = Start::begin();
        let child = spawn(&mut command, &never);
        start.end();
        let mut child = child.map_err(|error| StartError::diagnose(spec, &error))?;
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let output = output.ok_or_else(|| StartError::diagnose(spec, &io::ErrorKind::BrokenPipe.into()))?;
        let complaint = errors
            .and_then(|errors| thread::Builder::new().name("complaint".to_owned()).spawn(move || tail(errors)).ok());
        Ok(Self { child, input, output, complaint, status: None, wanted: Box::new(wanted) })
    }

    /// Hangs up and gives what the program complained about, and its exit status where it had ended by itself. To be
    /// called once it has closed its output: a program that then still runs is ended.
    pub fn end(&mut self) -> (Option<i32>, Vec<u8>) {
        self.input = None;
        // Its output is closed, so it is about to end; a moment is granted so that its status is its own.
        let mut patience = 20;
        let mut ended = self.child.try_wait().ok().flatten();
        while ended.is_none() && patience > 0 && (self.wanted)() {
            let _ = poll(&mut [], Some(&TICK));
            ended = self.child.try_wait().ok().flatten();
            patience -= 1;
        }
        self.status = ended;
        self.put_down();
        let complaint = self.complaint.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        (ended.and_then(|status| status.code()), complaint)
    }

    /// Ends the whole group: what a proxy command or a shell leaves behind would keep the pipes open.
    fn put_down(&mut self) {
        group::send(Pid::from_child(&self.child), Signal::KILL);
        if self.status.is_none() {
            self.status = self.child.wait().ok();
        }
    }

    /// Waits until the descriptor is ready.
    fn ready(wanted: &dyn Fn() -> bool, descriptor: BorrowedFd<'_>, flags: PollFlags) -> io::Result<()> {
        loop {
            match poll(&mut [PollFd::from_borrowed_fd(descriptor, flags)], Some(&TICK)) {
                Ok(0) | Err(Errno::INTR) if wanted() => {}
                Ok(0) | Err(Errno::INTR) => return Err(io::Error::other("nobody waits for it any more")),
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Read for Conversation {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Self::ready(&self.wanted, self.output.as_fd(), PollFlags::IN)?;
        self.output.read(buffer)
    }
}

impl Write for Conversation {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let input = self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        Self::ready(&self.wanted, input.as_fd(), PollFlags::OUT)?;
        // A pipe that polls as writable takes this much without blocking (pipe(7)).
        input.write(&buffer[..buffer.len().min(512)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.input = None;
        if self.status.is_none() {
            self.put_down();
        }
        if let Some(thread) = self.complaint.take() {
            let _ = thread.join();
        }
    }
}

fn tail(mut errors: ChildStderr) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
    while let Ok(count @ 1..) = errors.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..count]);
        let excess = kept.len().saturating_sub(COMPLAINT);
        kept.drain(..excess);
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn shell(script: &str, wanted: impl Fn() -> bool + Send + 'static) -> Conversation {
        let spec = CommandSpec {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: [("PATH".into(), "/usr/bin:/bin".into())].into(),
            dir: "/".into(),
            timeout: None,
            stdout_file: None,
        };
        Conversation::start(&spec, wanted).unwrap()
    }

    #[test]
    fn what_is_written_is_its_input_and_what_it_prints_is_read() {
        let mut talk = shell("read line; echo \"got $line\"; echo reason >&2; exit 7", || true);
        talk.write_all(b"words\n").unwrap();
        let mut text = String::new();
        talk.read_to_string(&mut text).unwrap();
        assert_eq!(text, "got words\n");
        assert_eq!(talk.end(), (Some(7), b"reason\n".to_vec()));
    }

    #[test]
    fn only_the_end_of_a_long_complaint_is_kept() {
        let mut talk = shell("head -c 100000 /dev/zero >&2; echo reason >&2", || true);
        talk.read_to_end(&mut Vec::new()).unwrap();
        let (status, complaint) = talk.end();
        assert_eq!((status, complaint.len()), (Some(0), COMPLAINT));
        assert!(complaint.ends_with(b"reason\n"));
    }

    #[test]
    fn a_silent_program_that_is_not_wanted_is_ended_with_all_of_its_group() {
        let wanted = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&wanted);
        let mut talk = shell("sleep 1000 & echo $!; sleep 1000", move || asked.load(Ordering::Relaxed));
        let mut line = [0; 32];
        let count = talk.read(&mut line).unwrap();
        let other = std::str::from_utf8(&line[..count]).unwrap().trim().to_owned();
        wanted.store(false, Ordering::Relaxed);
        assert!(talk.read(&mut line).is_err());
        let group = Pid::from_child(&talk.child);
        drop(talk);
        while group::is_alive(group) {
            thread::yield_now();
        }
        assert!(!Path::new(&format!("/proc/{other}/exe")).exists(), "its own child is gone too");
    }
}
