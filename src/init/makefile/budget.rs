//! How much a Makefile may come to: variables of variables and patterns through patterns grow without end otherwise.

use std::cell::Cell;

/// Bytes of all expanded text together.
const MOST_BYTES: usize = 64 << 20;

/// References and tries of patterns together.
const MOST_STEPS: usize = 1_000_000;

/// A Makefile that comes to more than is read.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it comes to more than {} MiB of text or {MOST_STEPS} steps once its variables and patterns are replaced", MOST_BYTES >> 20)]
pub struct TooLarge;

/// What is left. Once it is spent every text is empty, so that whoever reads comes to an end soon.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: Cell<usize>,
    steps: Cell<usize>,
    is_spent: Cell<bool>,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { bytes: Cell::new(MOST_BYTES), steps: Cell::new(MOST_STEPS), is_spent: Cell::new(false) }
    }

    pub(super) fn is_spent(&self) -> bool {
        self.is_spent.get()
    }

    /// Takes bytes; `false` if there were not as many.
    pub(super) fn bytes(&self, count: usize) -> bool {
        self.take(&self.bytes, count)
    }

    /// Takes steps; `false` if there were not as many.
    pub(super) fn steps(&self, count: usize) -> bool {
        self.take(&self.steps, count)
    }

    fn take(&self, of: &Cell<usize>, count: usize) -> bool {
        match of.get().checked_sub(count).filter(|_| !self.is_spent()) {
            Some(left) => of.set(left),
            None => self.is_spent.set(true),
        }
        !self.is_spent()
    }
}
