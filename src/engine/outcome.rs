//! What a run is asked for, and what it did.

use std::collections::BTreeMap;

use crate::base::code;
use crate::base::id::NodeId;
use crate::event::{Counts, Failure};
use crate::exec::api::Prepared;
use crate::graph::node::Pin;
use crate::sched::machine::End;

/// After how many losses of one node's result a run stops making it again.
pub(in crate::engine) const MAX_LOST: u8 = 3;

/// How a run is to go.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Slots in all.
    pub jobs: u32,
    /// Stop starting nodes after the first failure.
    pub fail_fast: bool,
}

/// What a run did.
pub struct RunOutcome {
    /// Counters.
    pub counts: Counts,
    /// How each node ended; `None` for one that was not wanted.
    pub ends: Vec<Option<End>>,
    /// Duration of the work of each node that did some, in milliseconds.
    pub worked_ms: BTreeMap<NodeId, u64>,
    /// Whether the run was cut short by a signal.
    pub interrupted: bool,
    /// Whether some failure is the environment's rather than the node's.
    pub environment: bool,
    /// Prepared trees for the lock: by key, with a name for people.
    pub prepared: BTreeMap<String, (String, Prepared)>,
    /// Pins for the lock.
    pub pins: BTreeMap<NodeId, Pin>,
    /// The Go toolchain that was used, if any was.
    pub go: Option<String>,
    /// Whether every wanted node ended well and a repeat would have nothing to do.
    pub settled: bool,
}

/// What is said of a node that waits for a result which nothing can hold.
pub(in crate::engine) fn lost_again(name: &str) -> Failure {
    let message = format!(
        "what `{name}` made was lost again and again: neither the cache folder nor `.ocelot/tmp` can hold it; \
         make room on the disk, or set XDG_CACHE_HOME to a folder that can be written"
    );
    Failure { environment: true, ..Failure::new(code::RESULT_LOST, message) }
}
