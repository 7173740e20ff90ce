//! How long to wait between two looks at something that has no descriptor to poll.

use std::time::Duration;
use std::time::Instant;

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(32);

/// Pauses that double up to a limit.
pub(super) struct Pause {
    next: Duration,
}

impl Default for Pause {
    fn default() -> Self {
        Self { next: SHORTEST }
    }
}

impl Pause {
    /// This pause; the one after is longer.
    pub(super) fn next(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(LONGEST);
        now
    }

    /// When a pause that starts now is over.
    pub(super) fn next_end(&mut self) -> Instant {
        Instant::now() + self.next()
    }

    /// Whether they have grown to their limit.
    pub(super) fn is_longest(&self) -> bool {
        self.next == LONGEST
    }
}
