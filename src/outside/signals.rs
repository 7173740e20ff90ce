//! Turns the signals that ask a program to end into a [`Cancel`]: the first asks for a graceful end, the second for
//! an immediate one. SIGPIPE is left as Rust sets it: ignored, so that a closed pipe is an error of the write. SIGXFSZ
//! (`ulimit -f`) is caught for the same reason, and not ignored: commands would inherit that.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use signal_hook::consts::SIGHUP;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGTERM;
use signal_hook::consts::SIGXFSZ;
use signal_hook::iterator::Handle;
use signal_hook::iterator::Signals;

use crate::outside::process::cancel::Cancel;
use crate::outside::process::cancel::Level;

/// Makes a write beyond the limit of file sizes an error of that write, rather than the end of the process.
pub fn survive_size_limit() {
    // Without a handler a write may end the process, which is no worse than before.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).ok();
}

/// The installed handling. When dropped, its thread ends, and from then on the signals have no effect.
#[derive(Debug)]
pub struct StopSignals {
    first: Arc<AtomicI32>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl StopSignals {
    /// Installs the handling of SIGINT, SIGTERM and SIGHUP for the whole process.
    ///
    /// # Errors
    /// When no descriptor or thread is left.
    pub fn install(cancel: Cancel) -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let handle = signals.handle();
        let first = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&first);
        let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                let is_first = seen.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst).is_ok();
                cancel.raise(if is_first { Level::Graceful } else { Level::Now });
            }
        })?;
        Ok(Self { first, handle, thread: Some(thread) })
    }

    /// The first signal that came, if any did.
    pub fn first(&self) -> Option<i32> {
        match self.first.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal),
        }
    }

    /// The exit status of a run that a signal ended, as shells have it: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
    pub fn exit_status(&self) -> Option<u8> {
        self.first().and_then(|signal| u8::try_from(128 + signal).ok())
    }
}

impl Drop for StopSignals {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and if it did there would be nothing to do here.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::Signal;
    use rustix::process::getpid;
    use rustix::process::kill_process;

    use super::*;

    #[test]
    fn the_first_signal_asks_the_second_insists_and_the_first_gives_the_status() {
        let cancel = Cancel::new().unwrap();
        let signals = StopSignals::install(cancel.clone()).unwrap();
        assert_eq!((signals.first(), signals.exit_status()), (None, None));
        kill_process(getpid(), Signal::TERM).unwrap();
        assert_eq!(cancel.pause_at(Level::None, Duration::from_secs(3600)), Level::Graceful);
        kill_process(getpid(), Signal::INT).unwrap();
        assert_eq!(cancel.pause_at(Level::Graceful, Duration::from_secs(3600)), Level::Now);
        assert_eq!((signals.first(), signals.exit_status()), (Some(SIGTERM), Some(143)));
    }
}
