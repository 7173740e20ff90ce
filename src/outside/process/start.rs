//! Starting commands, several at once.

use std::io;
use std::process::Child;
use std::process::Command;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::outside::process::cancel::Cancel;
use crate::outside::process::cancel::Level;
use crate::outside::process::pause::Pause;

/// Commands whose start has begun, and whose start is over.
static BEGUN: AtomicU64 = AtomicU64::new(0);
static OVER: AtomicU64 = AtomicU64::new(0);

/// A start, from before a command's pipe is made until only the command has its write end. A command that another thread
/// starts meanwhile gets a copy of it, and keeps that a moment longer than its start lasts: the kernel lets the starting
/// thread go on before it closes what is not to be inherited. On a busy machine that moment can be long.
pub(super) struct Start {
    number: u64,
    was_alone: bool,
}

impl Start {
    pub(super) fn begin() -> Self {
        let over = OVER.load(Ordering::SeqCst);
        let number = BEGUN.fetch_add(1, Ordering::SeqCst);
        Self { number, was_alone: number == over }
    }

    /// Whether no other start was under way at any time of this one.
    pub(super) fn end(self) -> bool {
        let others = BEGUN.load(Ordering::SeqCst) != self.number + 1;
        OVER.fetch_add(1, Ordering::SeqCst);
        self.was_alone && !others
    }
}

/// Starts the command. A program that was just written may be held open for writing for an instant by the not yet
/// executed child of another thread (ETXTBSY), so that is tried again for a while.
pub(super) fn spawn(command: &mut Command, cancel: &Cancel) -> io::Result<Child> {
    let mut pause = Pause::default();
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && !pause.is_longest() => {
                if cancel.pause_at(Level::None, pause.next()) > Level::None {
                    return Err(error);
                }
            }
            result => return result,
        }
    }
}
