//! How far a run is, for sinks that draw it. Others cost nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Run;
use crate::base::id::NodeId;
use crate::event::{Held, Progress};
use crate::graph::build::does_work;
use crate::sched::forecast::{Outlook, Standing, forecast};
use crate::sched::machine::State;

/// No oftener than this: for people.
const EVERY_MS: u64 = 200;

/// What a forecast rests on.
pub(super) struct Watch {
    /// Past durations before the run, by node.
    past_ms: Vec<Option<u64>>,
    /// When works began that have not ended, in milliseconds since the program's start.
    since_ms: BTreeMap<NodeId, u64>,
    /// When the next is due.
    due_ms: u64,
    /// Whether something has happened since the last.
    is_stale: bool,
}

impl Watch {
    /// With the past durations of all nodes.
    pub(super) fn new(past_ms: Vec<Option<u64>>) -> Self {
        Self { past_ms, since_ms: BTreeMap::new(), due_ms: 0, is_stale: true }
    }
}

impl Run<'_> {
    /// Notes that a work begins.
    pub(super) fn note_start(&mut self, id: NodeId) {
        if let Some(watch) = &mut self.watch {
            watch.since_ms.insert(id, self.world.clock.elapsed_ms());
            watch.is_stale = true;
        }
    }

    /// Notes that a work is done.
    pub(super) fn note_done(&mut self, id: NodeId) {
        if let Some(watch) = &mut self.watch {
            watch.since_ms.remove(&id);
            watch.is_stale = true;
        }
    }

    /// How long to wait for something else to happen, if there is something to tell that was not due yet.
    pub(super) fn until_progress(&self) -> Option<Duration> {
        let watch = self.watch.as_ref().filter(|watch| watch.is_stale)?;
        Some(Duration::from_millis(watch.due_ms.saturating_sub(self.world.clock.elapsed_ms()).max(1)))
    }

    /// Tells how far the run is, if somebody wants to know and has not been told just now.
    pub(super) fn tell_progress(&mut self) {
        let now = self.world.clock.elapsed_ms();
        let Some(watch) = self.watch.as_mut().filter(|watch| watch.due_ms <= now) else { return };
        (watch.due_ms, watch.is_stale) = (now + EVERY_MS, false);
        let graph = &self.session.graph;
        let outlook = |id: NodeId| {
            let standing = match self.machine.state(id) {
                State::Unwanted => return None,
                State::Waiting | State::Ready | State::Checking => Standing::Undecided,
                State::Queued | State::Running | State::Done => Standing::Decided,
                State::Ended(_) => Standing::Ended,
            };
            Some(Outlook {
                standing,
                past_ms: watch.past_ms[id.index()],
                worked_ms: watch.since_ms.get(&id).map_or(0, |since| now.saturating_sub(*since)),
                way_ms: self.machine.cost(id),
            })
        };
        let nodes: Vec<Outlook> = graph.ids().filter(|id| does_work(graph.node(*id))).filter_map(outlook).collect();
        let held = self
            .machine
            .held()
            .max_by_key(|(_, waiting)| *waiting)
            .map(|(pool, waiting)| Held { pool: graph.pools[pool.index()].name.clone(), waiting });
        self.sink.progress(&Progress { forecast: forecast(&nodes, self.options.jobs), held, at_ms: now });
    }
}
