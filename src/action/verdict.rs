//! The verdict of a node: one pure function, an implementation of the verdict table of `docs/architecture.md`.
//!
//! `plan`, `run`, `why`, the counters and the fast path of a null run all call it or are tested to equal it. It sees
//! only a [`Situation`], so the tests can enumerate every one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::action::manifest::FieldChange;
use crate::graph::node::Class;

/// What will be done about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing: it is up to date.
    Fresh,
    /// Its outputs are laid out from the store.
    Restore,
    /// Not decided before a dependency has ended.
    MayRun,
    /// The outside world is asked first.
    Ask,
    /// The work is done.
    Run,
    /// Nothing: a strict dependency failed, the run ended first, or there is nothing of a node that is taken as it is.
    Skip,
}

impl Verdict {
    /// The word that `plan` prints.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Restore => "restore",
            Self::MayRun => "may-run",
            Self::Ask => "ask",
            Self::Run => "run",
            Self::Skip => "skip",
        }
    }

    /// Whether dependents cannot know this node's results yet (row 4).
    pub fn is_open(self) -> bool {
        matches!(self, Self::Run | Self::MayRun | Self::Ask)
    }
}

/// What is known about a record for the action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// No record has these own inputs, configuration, tools and environment.
    OwnUnknown,
    /// Own inputs are known, but not with these dependency outputs.
    CombinationUnknown,
    /// A record, and what stands in the project.
    Found {
        /// What is at the output paths.
        outputs: OutputState,
        /// Whether every blob of it can be had.
        blobs: bool,
    },
}

/// What stands at a node's output paths, against its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputState {
    /// The recorded content; or there are only intermediate outputs.
    InPlace,
    /// This path has nothing.
    Missing(String),
    /// This path has content that the store does not know.
    Edited(String),
    /// This path has other recorded content, as after a revert.
    OtherRecorded(String),
}

/// How a volatile node looks at its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Volatile {
    /// Pinned by the lock, or on this machine and already looked at: as pure.
    Known,
    /// A remote ref without a pin.
    Unpinned,
    /// A command that runs every time.
    Command,
}

/// What receipts say of an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptState {
    /// Done under this digest, by this account, at this endpoint; the date.
    Valid(String),
    /// A receipt for something else.
    Other,
    /// An attempt began and no end is known.
    OpenIntent,
    /// None.
    Missing,
}

/// Everything the verdict depends on.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// The node's class.
    pub class: Class,
    /// Whether it is an `exec` (effects that are commands cannot probe).
    pub is_exec: bool,
    /// A strict dependency that failed or was skipped.
    pub failed_dep: Option<&'a str>,
    /// `--force NODE`, or a pure node under `--no-cache`.
    pub forced: bool,
    /// For a node named by `--as-is`: what is said of it if there is nothing that stands, for example `not published`.
    pub as_is: Option<&'a str>,
    /// The first digest-entering dependency whose results are not known yet.
    pub open_dep: Option<&'a str>,
    /// The action cache's answer; computed with what is known of dependencies.
    pub lookup: Lookup,
    /// Whether a dependent that will run, or an output here, needs the blobs.
    pub needed: bool,
    /// Volatile nodes only.
    pub volatile: Volatile,
    /// Effects only.
    pub receipt: ReceiptState,
    /// Checks only: what is over budget in the recorded result.
    pub over: Option<&'a str>,
}

/// A verdict with the row of the table that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is done.
    pub verdict: Verdict,
    /// The row, for example `6` or `2a`.
    pub row: &'static str,
    /// Why, without the field-level detail that only a comparison of manifests gives.
    pub reason: Reason,
}

/// Why a verdict is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Reason {
    /// Nothing it depends on changed.
    Unchanged,
    /// Named by `--force`, or the cache is off.
    Forced,
    /// A strict dependency failed or was skipped.
    Below {
        /// That dependency.
        dependency: String,
    },
    /// The run ended before it started.
    NotStarted,
    /// The run ended while it worked.
    Cancelled,
    /// Nothing like it was ever run.
    NeverRun,
    /// These fields differ from the last time.
    Changed {
        /// Old and new values.
        fields: Vec<FieldChange>,
    },
    /// A dependency is not known yet.
    Waits {
        /// That dependency.
        dependency: String,
    },
    /// The stored result is gone or damaged.
    StoredDamaged,
    /// An output was deleted.
    OutputDeleted {
        /// Its path.
        path: String,
    },
    /// An output was edited.
    OutputEdited {
        /// Its path.
        path: String,
    },
    /// Another recorded result stands here.
    OtherResult {
        /// One path where it does.
        path: String,
    },
    /// It runs every time.
    Volatile,
    /// The remote has to be asked.
    RefUnpinned,
    /// A receipt stands for it.
    Receipt {
        /// Its date.
        date: String,
    },
    /// There is no receipt.
    NeverDone,
    /// An earlier attempt did not end.
    Interrupted,
    /// It is taken as it is, and there is nothing: it counts as failed.
    Absent {
        /// What was never done, for example `not published`.
        what: String,
    },
    /// Its recorded result is over a budget: it counts as failed.
    OverBudget {
        /// What is over, in one line, and below what to do.
        what: String,
    },
}

impl Reason {
    /// What is said of a node that is not started and counts as failed.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Absent { what } | Self::OverBudget { what } => Some(what),
            _ => None,
        }
    }

    /// The reasons one by one.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Changed { fields } => fields.iter().map(ToString::to_string).collect(),
            reason => vec![reason.to_string()],
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => f.write_str("unchanged"),
            Self::Forced => f.write_str("forced"),
            Self::Below { dependency } => write!(f, "below `{dependency}`, which failed"),
            Self::NotStarted => f.write_str("not started"),
            Self::Cancelled => f.write_str("interrupted"),
            Self::NeverRun => f.write_str("never run with these inputs"),
            Self::Changed { fields } => {
                for (i, field) in fields.iter().take(3).enumerate() {
                    write!(f, "{}{field}", if i > 0 { "; " } else { "" })?;
                }
                if fields.len() > 3 {
                    write!(f, "; and {} more", fields.len() - 3)?;
                }
                Ok(())
            }
            Self::Waits { dependency } => write!(f, "waits for `{dependency}`"),
            Self::StoredDamaged => f.write_str("stored result gone or damaged"),
            Self::OutputDeleted { path } => write!(f, "output deleted: {path}"),
            Self::OutputEdited { path } => write!(f, "output edited: {path}"),
            Self::OtherResult { path } => write!(f, "result of an earlier run: {path}"),
            Self::Volatile => f.write_str("volatile: runs every time"),
            Self::RefUnpinned => f.write_str("ref not pinned: the remote is asked"),
            Self::Receipt { date } => write!(f, "receipt of {date}"),
            Self::NeverDone => f.write_str("never done here"),
            Self::Interrupted => f.write_str("an earlier attempt was interrupted"),
            Self::Absent { what } => f.write_str(what),
            Self::OverBudget { what } => f.write_str(what.lines().next().unwrap_or_default()),
        }
    }
}

/// The first row of the table that fits.
///
/// Row 1 (absent) never reaches this function: such an instance is not in the graph.
pub fn decide(situation: &Situation<'_>) -> Decision {
    let decision = as_asked(situation);
    match situation.as_is {
        // What is decided later is not known to be absent.
        Some(what) if matches!(decision.verdict, Verdict::Run | Verdict::Ask) => {
            Decision { verdict: Verdict::Skip, row: "2b", reason: Reason::Absent { what: what.to_owned() } }
        }
        _ => decision,
    }
}

/// Every row but 2b.
fn as_asked(situation: &Situation<'_>) -> Decision {
    let pick = |verdict, row, reason| Decision { verdict, row, reason };
    if let Some(node) = situation.failed_dep {
        return pick(Verdict::Skip, "2", Reason::Below { dependency: node.to_owned() });
    }
    let waits = situation.open_dep.map(|node| Reason::Waits { dependency: node.to_owned() });
    match situation.class {
        Class::Pure => {
            if situation.forced {
                return pick(Verdict::Run, "2a", Reason::Forced);
            }
            let decision = as_pure(situation, waits);
            match situation.over {
                Some(what) if matches!(decision.verdict, Verdict::Fresh | Verdict::Restore) => {
                    pick(Verdict::Skip, "6a", Reason::OverBudget { what: what.to_owned() })
                }
                _ => decision,
            }
        }
        Class::Volatile => match situation.volatile {
            _ if situation.forced => pick(Verdict::Run, "2a", Reason::Forced),
            Volatile::Command => match waits {
                Some(reason) => pick(Verdict::MayRun, "4", reason),
                None => pick(Verdict::Run, "12", Reason::Volatile),
            },
            Volatile::Unpinned => pick(Verdict::Ask, "10", Reason::RefUnpinned),
            Volatile::Known => as_pure(situation, waits),
        },
        Class::Effect => {
            let act = if situation.is_exec { Verdict::Run } else { Verdict::Ask };
            if situation.forced {
                return pick(act, "2a", Reason::Forced);
            }
            if let Some(reason) = waits {
                return pick(Verdict::MayRun, "4", reason);
            }
            match (&situation.receipt, &situation.lookup) {
                (ReceiptState::Valid(_), Lookup::Found { outputs: OutputState::Missing(path), .. })
                    if situation.is_exec =>
                {
                    pick(act, "14", Reason::OutputDeleted { path: path.clone() })
                }
                (ReceiptState::Valid(date), _) => pick(Verdict::Fresh, "13", Reason::Receipt { date: date.clone() }),
                (ReceiptState::OpenIntent, _) => pick(act, "14", Reason::Interrupted),
                (ReceiptState::Other, _) => pick(act, "14", Reason::Changed { fields: Vec::new() }),
                (ReceiptState::Missing, _) => pick(act, "14", Reason::NeverDone),
            }
        }
        Class::Sink => {
            if situation.forced {
                return pick(Verdict::Run, "2a", Reason::Forced);
            }
            if let Some(reason) = waits {
                return pick(Verdict::MayRun, "4", reason);
            }
            match &situation.lookup {
                Lookup::Found { outputs: OutputState::InPlace, .. } => pick(Verdict::Fresh, "15", Reason::Unchanged),
                Lookup::Found { outputs, .. } => pick(Verdict::Run, "16", output_reason(outputs)),
                Lookup::OwnUnknown | Lookup::CombinationUnknown => {
                    pick(Verdict::Run, "16", Reason::Changed { fields: Vec::new() })
                }
            }
        }
    }
}

/// Rows 3 to 8.
fn as_pure(situation: &Situation<'_>, waits: Option<Reason>) -> Decision {
    let pick = |verdict, row, reason| Decision { verdict, row, reason };
    if situation.lookup == Lookup::OwnUnknown {
        return pick(Verdict::Run, "3", Reason::NeverRun);
    }
    if let Some(reason) = waits {
        return pick(Verdict::MayRun, "4", reason);
    }
    match &situation.lookup {
        Lookup::OwnUnknown | Lookup::CombinationUnknown => {
            pick(Verdict::Run, "5", Reason::Changed { fields: Vec::new() })
        }
        Lookup::Found { outputs, blobs: false } if situation.needed || *outputs != OutputState::InPlace => {
            pick(Verdict::Run, "5", Reason::StoredDamaged)
        }
        Lookup::Found { outputs: OutputState::InPlace, .. } => pick(Verdict::Fresh, "6", Reason::Unchanged),
        Lookup::Found { outputs: outputs @ OutputState::OtherRecorded(_), .. } => {
            pick(Verdict::Restore, "8", output_reason(outputs))
        }
        Lookup::Found { outputs, .. } => pick(Verdict::Restore, "7", output_reason(outputs)),
    }
}

fn output_reason(outputs: &OutputState) -> Reason {
    match outputs {
        OutputState::InPlace => Reason::Unchanged,
        OutputState::Missing(path) => Reason::OutputDeleted { path: path.clone() },
        OutputState::Edited(path) => Reason::OutputEdited { path: path.clone() },
        OutputState::OtherRecorded(path) => Reason::OtherResult { path: path.clone() },
    }
}
