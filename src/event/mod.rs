//! What happened, as data. Sinks in `report` turn it into lines; `--output json` prints it as it is.

pub mod account;
pub mod record;
pub mod summary;

use serde::{Deserialize, Serialize};

use crate::action::manifest::FieldChange;
use crate::action::verdict::{Reason, Verdict};
use crate::base::code::Code;
use crate::event::summary::Summary;
use crate::sched::forecast::Forecast;
use crate::sched::machine::End;

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A run begins.
    Started {
        /// The pipeline's name.
        pipeline: String,
        /// This run's name.
        run: String,
        /// Nodes that the targets need.
        nodes: usize,
    },
    /// A node was decided.
    Decided {
        /// Its instance name.
        node: String,
        /// What is done.
        verdict: Verdict,
        /// Row of the verdict table.
        row: &'static str,
        /// Why.
        why: String,
        /// Why, as data.
        #[serde(flatten)]
        reason: Reason,
    },
    /// A node's work begins.
    Working {
        /// Its instance name.
        node: String,
        /// What it does.
        kind: &'static str,
        /// 1 for the first attempt.
        attempt: u32,
        /// The number of the worker that is at it, from 0.
        worker: u32,
    },
    /// A node printed something.
    Output {
        /// Its instance name.
        node: String,
        /// One line, safe for a terminal, secrets redacted.
        line: String,
    },
    /// A node ended.
    Ended {
        /// Its instance name.
        node: String,
        /// How.
        end: Ended,
        /// How long its work took.
        duration_ms: u64,
        /// Whether its outputs equal those of the last time (early cutoff).
        unchanged: bool,
        /// For a failure: what went wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
    /// Something a person should know.
    Warning {
        /// What kind of problem it is.
        code: Code,
        /// The node it is about, if any.
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<String>,
        /// In words.
        message: String,
    },
    /// Something good to know.
    Note {
        /// In words.
        message: String,
    },
    /// What a run did, in sum; not of a run that had nothing to do.
    Summary(Box<Summary>),
    /// The run is over.
    Finished(Counts),
}

/// How a node ended, for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Up to date.
    Fresh,
    /// Laid out from the store.
    Restored,
    /// Work done.
    Ran,
    /// Without success.
    Failed,
    /// Never started.
    Skipped,
}

impl From<End> for Ended {
    fn from(end: End) -> Self {
        match end {
            End::Fresh => Self::Fresh,
            End::Restored => Self::Restored,
            End::Ran => Self::Ran,
            End::Failed => Self::Failed,
            End::Skipped => Self::Skipped,
        }
    }
}

/// What went wrong with a node.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// What kind of problem it is.
    pub code: Code,
    /// In one sentence.
    pub message: String,
    /// The command, ready to paste in a shell that is in `folder`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The folder in which the command ran, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The last lines it printed.
    pub tail: Vec<String>,
    /// The file that has all it printed, relative to the project root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// What differs from its last success.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<FieldChange>,
    /// Whether the world rather than the node is to blame: a missing tool, a network.
    pub environment: bool,
}

impl Failure {
    /// With a code and one sentence, and nothing more to say.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            command: None,
            folder: None,
            tail: Vec::new(),
            log: None,
            changed: Vec::new(),
            environment: false,
        }
    }
}

/// The counters of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Did their work.
    pub ran: u64,
    /// Were up to date.
    pub fresh: u64,
    /// Laid out from the store.
    pub restored: u64,
    /// Without success.
    pub failed: u64,
    /// Never started.
    pub skipped: u64,
}

impl Counts {
    /// Counts a node's end.
    pub fn add(&mut self, end: impl Into<Ended>) {
        *self.of(end.into()) += 1;
    }

    /// Whether nothing was done and nothing failed.
    pub fn is_null(&self) -> bool {
        self.ran + self.restored + self.failed + self.skipped == 0
    }

    /// Takes back a count: the node is done again.
    pub fn remove(&mut self, end: End) {
        let count = self.of(end.into());
        *count = count.saturating_sub(1);
    }

    /// All that have ended.
    pub fn total(&self) -> u64 {
        self.ran + self.fresh + self.restored + self.failed + self.skipped
    }

    fn of(&mut self, end: Ended) -> &mut u64 {
        match end {
            Ended::Ran => &mut self.ran,
            Ended::Fresh => &mut self.fresh,
            Ended::Restored => &mut self.restored,
            Ended::Failed => &mut self.failed,
            Ended::Skipped => &mut self.skipped,
        }
    }
}

/// Receives events, in order.
pub trait EventSink {
    /// Takes one event.
    fn event(&mut self, event: &Event);

    /// Whether it shows how far a run is; others are not told.
    fn shows_progress(&self) -> bool {
        false
    }

    /// Takes how far a run is, a few times a second at most.
    fn progress(&mut self, _: &Progress) {}
}

/// How far a run is. No event: nothing happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is done, and what may be left.
    pub forecast: Forecast,
    /// The pool that holds most nodes back.
    pub held: Option<Held>,
    /// When this was so, in milliseconds since the program's start.
    pub at_ms: u64,
}

/// A pool that holds nodes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its name.
    pub pool: String,
    /// How many wait for that.
    pub waiting: usize,
}

/// Keeps every event; for tests.
#[derive(Debug, Default)]
pub struct Memory(pub Vec<Event>);

impl EventSink for Memory {
    fn event(&mut self, event: &Event) {
        self.0.push(event.clone());
    }
}
