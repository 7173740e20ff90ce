//! A request to stop, shared by every thread of a run, that also wakes a thread blocked in `poll`.

use std::fmt;
use std::io;
use std::io::PipeReader;
use std::io::PipeWriter;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;

/// How urgently a run should stop. Levels only rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Go on.
    None,
    /// Start nothing new; ask commands to end and give them their grace.
    Graceful,
    /// End commands without grace.
    Now,
}

/// A cloneable stop request. All clones share one level.
#[derive(Clone)]
pub struct Cancel {
    shared: Arc<Shared>,
}

struct Shared {
    level: AtomicU8,
    /// One bell per step: a thread that has answered the first must still be woken by the second, and a bell that
    /// has rung stays readable for ever.
    graceful: Bell,
    now: Bell,
}

struct Bell {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Bell {
    fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self { reader, writer })
    }

    fn ring(&self) {
        // One byte into an empty pipe whose reader we hold: it neither blocks nor fails in practice, and the level,
        // which is set first, is what counts.
        let _ = (&self.writer).write_all(&[1]);
    }
}

impl Cancel {
    /// Makes a request at [`Level::None`].
    ///
    /// # Errors
    /// When no descriptors are left for the two pipes.
    pub fn new() -> io::Result<Self> {
        let shared = Shared { level: AtomicU8::new(Level::None as u8), graceful: Bell::new()?, now: Bell::new()? };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The present level.
    pub fn level(&self) -> Level {
        level_of(self.shared.level.load(Ordering::SeqCst))
    }

    /// Whether anything at all was requested.
    pub fn is_raised(&self) -> bool {
        self.level() > Level::None
    }

    /// Raises the level to at least `level`.
    pub fn raise(&self, level: Level) {
        let before = level_of(self.shared.level.fetch_max(level as u8, Ordering::SeqCst));
        if before < Level::Graceful && level >= Level::Graceful {
            self.shared.graceful.ring();
        }
        if before < Level::Now && level >= Level::Now {
            self.shared.now.ring();
        }
    }

    /// The descriptor that becomes readable once the level exceeds `level`, and stays so. Only poll it; never read
    /// from it. `None` for [`Level::Now`], above which there is nothing.
    pub fn bell_above(&self, level: Level) -> Option<BorrowedFd<'_>> {
        match level {
            Level::None => Some(self.shared.graceful.reader.as_fd()),
            Level::Graceful => Some(self.shared.now.reader.as_fd()),
            Level::Now => None,
        }
    }

    /// Waits until the level exceeds `level`, or `timeout` has passed; returns the level then. Pass the level that was
    /// last acted on, so that a rise just before the call is not missed.
    pub fn pause_at(&self, level: Level, timeout: Duration) -> Level {
        let mut fds: Vec<PollFd<'_>> =
            self.bell_above(level).map(|bell| PollFd::from_borrowed_fd(bell, PollFlags::IN)).into_iter().collect();
        // A wait cut short by a signal is as good as any other end of it: callers look at the level and come back.
        let _ = poll(&mut fds, Some(&poll_timeout(timeout)));
        self.level()
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.level()).finish()
    }
}

/// A duration as `poll` takes it; longer than it can say means "very long".
pub(super) fn poll_timeout(duration: Duration) -> Timespec {
    Timespec::try_from(duration).unwrap_or(Timespec { tv_sec: i32::MAX.into(), tv_nsec: 0 })
}

fn level_of(value: u8) -> Level {
    match value {
        0 => Level::None,
        1 => Level::Graceful,
        _ => Level::Now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_readable(fd: BorrowedFd<'_>) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        poll(&mut fds, Some(&poll_timeout(Duration::ZERO))).unwrap() == 1
    }

    #[test]
    fn each_level_has_its_own_bell() {
        let cancel = Cancel::new().unwrap();
        let other = cancel.clone();
        assert!(!is_readable(cancel.bell_above(Level::None).unwrap()));
        other.raise(Level::Graceful);
        assert_eq!(cancel.level(), Level::Graceful);
        assert!(is_readable(cancel.bell_above(Level::None).unwrap()));
        assert!(!is_readable(cancel.bell_above(Level::Graceful).unwrap()));
        other.raise(Level::Now);
        assert!(is_readable(cancel.bell_above(Level::Graceful).unwrap()));
        assert!(cancel.bell_above(Level::Now).is_none());
    }

    #[test]
    fn a_jump_to_now_rings_both_and_levels_never_fall() {
        let cancel = Cancel::new().unwrap();
        cancel.raise(Level::Now);
        cancel.raise(Level::Graceful);
        assert_eq!(cancel.level(), Level::Now);
        assert!(is_readable(cancel.bell_above(Level::None).unwrap()));
        assert!(is_readable(cancel.bell_above(Level::Graceful).unwrap()));
    }

    #[test]
    fn a_pause_ends_when_the_level_rises() {
        let cancel = Cancel::new().unwrap();
        let other = cancel.clone();
        let waiter = std::thread::spawn(move || other.pause_at(Level::None, Duration::from_secs(3600)));
        cancel.raise(Level::Graceful);
        assert_eq!(waiter.join().unwrap(), Level::Graceful);
    }
}
