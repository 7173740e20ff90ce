//! The state machine of a run.
//!
//! A wanted node waits until all its dependencies have ended, is then *ready to be checked* (a function of the graph
//! alone, never of the disk), and either ends at once or is queued for work. Every transition goes through
//! `Machine::set`, which keeps the counters and queues consistent.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::base::id::{NodeId, PoolId};
use crate::graph::node::{Graph, Kind};

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not needed by any target.
    Unwanted,
    /// Some dependency has not ended.
    Waiting,
    /// All dependencies have ended; nobody has looked at it yet.
    Ready,
    /// Looked at, and being decided.
    Checking,
    /// Needs work and waits for a slot.
    Queued,
    /// At work.
    Running,
    /// Its work is done and its slots are free; nobody has looked at the result yet.
    Done,
    /// Ended.
    Ended(End),
}

/// How a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    /// Up to date.
    Fresh,
    /// Outputs laid out from the store.
    Restored,
    /// Work done.
    Ran,
    /// Work done without success.
    Failed,
    /// Never started.
    Skipped,
}

impl End {
    /// Whether dependents can build on it.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Fresh | Self::Restored | Self::Ran)
    }
}

/// The scheduler of one run.
pub struct Machine {
    states: Vec<State>,
    /// Dependencies that have not ended, per node.
    open: Vec<u32>,
    dependents: Vec<Vec<NodeId>>,
    pool_of: Vec<Option<PoolId>>,
    cost: Vec<u64>,
    ready: BinaryHeap<(u64, Reverse<NodeId>)>,
    lane_of: Vec<Lane>,
    /// Waiting for a slot of their lane, costliest first.
    queued: [BinaryHeap<(u64, Reverse<NodeId>)>; 2],
    /// Waiting for a slot of their pool; indexed by pool.
    held: Vec<BinaryHeap<(u64, Reverse<NodeId>)>>,
    pools: Vec<Slots>,
    lanes: [Slots; 2],
    /// Nodes that may be started beyond the slots of [`Lane::Here`], to wait for one of them.
    ahead: u32,
    left: usize,
}

/// What a node keeps busy while it is at work. The two do not wait for each other: a processor has nothing to do with
/// an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A processor.
    Here = 0,
    /// The network, and somebody else's machine.
    Elsewhere = 1,
}

impl Lane {
    const ALL: [Self; 2] = [Self::Here, Self::Elsewhere];

    /// Where a node of this kind does its work.
    pub fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Publish(_) | Kind::Release(_) => Self::Elsewhere,
            _ => Self::Here,
        }
    }
}

/// Uploads at once. Each has its bytes in memory, and the whole of a slow line is used by fewer.
pub const UPLOADS: u32 = 4;

#[derive(Clone, Copy, Debug)]
struct Slots {
    used: u32,
    depth: u32,
}

impl Machine {
    /// A machine over the wanted nodes, which wait for each other only; `jobs` slots, at least 1, and [`UPLOADS`] beside
    /// them for nodes whose work is done elsewhere. `cost` orders what could go next.
    pub fn new(graph: &Graph, wanted: &[bool], cost: Vec<u64>, jobs: u32) -> Self {
        let count = graph.nodes.len();
        let mut machine = Self {
            states: vec![State::Unwanted; count],
            open: vec![0; count],
            dependents: vec![Vec::new(); count],
            pool_of: graph.nodes.iter().map(|node| node.pool).collect(),
            cost,
            ready: BinaryHeap::new(),
            lane_of: graph.nodes.iter().map(|node| Lane::of(&node.kind)).collect(),
            queued: [BinaryHeap::new(), BinaryHeap::new()],
            held: graph.pools.iter().map(|_| BinaryHeap::new()).collect(),
            pools: graph.pools.iter().map(|pool| Slots { used: 0, depth: pool.depth.max(1) }).collect(),
            lanes: [jobs.max(1), UPLOADS].map(|depth| Slots { used: 0, depth }),
            ahead: 0,
            left: 0,
        };
        for id in graph.ids().filter(|id| wanted[id.index()]) {
            // What is not wanted has ended before.
            let mut deps: Vec<NodeId> = graph.node(id).deps().filter(|dep| wanted[dep.index()]).collect();
            deps.sort_unstable();
            deps.dedup();
            for dep in &deps {
                machine.dependents[dep.index()].push(id);
            }
            machine.open[id.index()] = u32::try_from(deps.len()).unwrap_or(u32::MAX);
            machine.left += 1;
            machine.set(id, if deps.is_empty() { State::Ready } else { State::Waiting });
        }
        machine
    }

    /// Where a node stands.
    pub fn state(&self, id: NodeId) -> State {
        self.states[id.index()]
    }

    /// How a node ended, if it has.
    pub fn end(&self, id: NodeId) -> Option<End> {
        match self.state(id) {
            State::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// Wanted nodes that have not ended.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Nodes at work.
    pub fn running(&self) -> u32 {
        self.lanes.iter().map(|lane| lane.used).sum()
    }

    /// Whether every node that is left waits for another: cannot happen in an acyclic graph, and must not hang if it
    /// does.
    pub fn is_stuck(&self) -> bool {
        self.states.iter().all(|state| matches!(state, State::Waiting | State::Unwanted | State::Ended(_)))
    }

    /// What a node holds up, as it was given.
    pub fn cost(&self, id: NodeId) -> u64 {
        self.cost[id.index()]
    }

    /// Pools that hold nodes back, with how many.
    pub fn held(&self) -> impl Iterator<Item = (PoolId, usize)> {
        let waiting = self.held.iter().map(BinaryHeap::len).enumerate().filter(|(_, waiting)| *waiting > 0);
        waiting.map(|(pool, waiting)| (PoolId(u32::try_from(pool).unwrap_or(u32::MAX)), waiting))
    }

    /// The next node to look at.
    pub fn next_ready(&mut self) -> Option<NodeId> {
        let (_, Reverse(id)) = self.ready.pop()?;
        self.set(id, State::Checking);
        Some(id)
    }

    /// A node that was looked at needs work.
    pub fn queue(&mut self, id: NodeId) {
        self.set(id, State::Queued);
    }

    /// So many nodes may start beyond the slots for processors: they are handed out, and wait for whoever is done.
    pub fn allow_ahead(&mut self, nodes: u32) {
        self.ahead = nodes;
    }

    /// Started nodes that no slot for a processor is free for.
    pub fn surplus(&self) -> u32 {
        let here = self.lanes[Lane::Here as usize];
        here.used.saturating_sub(here.depth)
    }

    /// The next node that may start now; its slots are taken.
    pub fn start_next(&mut self) -> Option<NodeId> {
        Lane::ALL.into_iter().find_map(|lane| self.start_in(lane))
    }

    fn start_in(&mut self, lane: Lane) -> Option<NodeId> {
        let Slots { used, depth } = self.lanes[lane as usize];
        let beyond = if lane == Lane::Here { self.ahead } else { 0 };
        if used >= depth.saturating_add(beyond) {
            return None;
        }
        while let Some((cost, Reverse(id))) = self.queued[lane as usize].pop() {
            if let Some(pool) = self.pool_of[id.index()]
                && self.pools[pool.index()].used >= self.pools[pool.index()].depth
            {
                self.held[pool.index()].push((cost, Reverse(id)));
                continue;
            }
            self.set(id, State::Running);
            return Some(id);
        }
        None
    }

    /// The work of a node is done: its slots are free, so that the next can start before the result is looked at.
    pub fn vacate(&mut self, id: NodeId) {
        self.set(id, State::Done);
    }

    /// A node that was looked at or at work has ended.
    pub fn finish(&mut self, id: NodeId, end: End) {
        self.set(id, State::Ended(end));
    }

    /// An ended node must be done again before `waiting`, which goes back to waiting for it.
    ///
    /// Used when a stored result turns out to be gone at the moment it is needed. Other dependents that have ended
    /// stay ended: they were decided on the same result.
    pub fn reopen(&mut self, id: NodeId, waiting: NodeId) {
        if let State::Ended(_) = self.state(id) {
            self.left += 1;
            self.states[id.index()] = State::Checking;
            self.set(id, State::Queued);
            for dependent in self.dependents[id.index()].clone() {
                if dependent != waiting && matches!(self.state(dependent), State::Waiting) {
                    self.open[dependent.index()] += 1;
                }
            }
        }
        if self.state(waiting) == State::Running {
            self.release(waiting);
        }
        self.open[waiting.index()] += 1;
        self.states[waiting.index()] = State::Waiting;
    }

    /// A node at work could not use what it was decided on: it is looked at again.
    pub fn check_again(&mut self, id: NodeId) {
        self.set(id, State::Ready);
    }

    /// The one place where states change.
    fn set(&mut self, id: NodeId, to: State) {
        let from = self.state(id);
        let legal = matches!(
            (from, to),
            (State::Unwanted, State::Waiting | State::Ready)
                | (State::Waiting, State::Ready)
                | (State::Ready, State::Checking)
                | (State::Checking, State::Queued | State::Ended(_))
                | (State::Queued, State::Running | State::Ended(End::Skipped))
                | (State::Running, State::Done | State::Ended(_) | State::Ready)
                | (State::Done, State::Ended(_) | State::Ready)
        );
        assert!(legal, "BUG: node {id:?} cannot go from {from:?} to {to:?}");
        if from == State::Running {
            self.release(id);
        }
        self.states[id.index()] = to;
        let entry = (self.cost[id.index()], Reverse(id));
        match to {
            State::Ready => self.ready.push(entry),
            State::Queued => self.queued[self.lane_of[id.index()] as usize].push(entry),
            State::Running => {
                self.lanes[self.lane_of[id.index()] as usize].used += 1;
                if let Some(pool) = self.pool_of[id.index()] {
                    self.pools[pool.index()].used += 1;
                }
            }
            State::Ended(_) => {
                self.left -= 1;
                for dependent in self.dependents[id.index()].clone() {
                    if self.state(dependent) != State::Waiting {
                        continue;
                    }
                    self.open[dependent.index()] -= 1;
                    if self.open[dependent.index()] == 0 {
                        self.set(dependent, State::Ready);
                    }
                }
            }
            State::Unwanted | State::Waiting | State::Checking | State::Done => {}
        }
    }

    fn release(&mut self, id: NodeId) {
        self.lanes[self.lane_of[id.index()] as usize].used -= 1;
        if let Some(pool) = self.pool_of[id.index()] {
            self.pools[pool.index()].used -= 1;
            if let Some(next) = self.held[pool.index()].pop() {
                let (_, Reverse(waiting)) = next;
                self.queued[self.lane_of[waiting.index()] as usize].push(next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::node::{Class, Edge, Node, Pool, Release, Role};

    fn graph(edges: &[&[u32]], pool: &[u32]) -> Graph {
        let nodes = edges.iter().enumerate().map(|(i, deps)| {
            std::sync::Arc::new(Node {
                name: i.to_string(),
                base: i.to_string(),
                values: vec![],
                kind: Kind::Group,
                class: Class::Pure,
                edges: deps.iter().map(|to| Edge { to: NodeId(*to), role: Role::After }).collect(),
                pool: pool.contains(&u32::try_from(i).unwrap()).then_some(PoolId(0)),
                timeout_ms: None,
                retries: 0,
                description: None,
            })
        });
        Graph { nodes: nodes.collect(), pools: vec![Pool { name: "p".into(), depth: 1 }], ..Graph::default() }
    }

    /// Runs everything one by one, and notes the order of starts.
    fn order(graph: &Graph, cost: Vec<u64>) -> Vec<u32> {
        let mut machine = Machine::new(graph, &vec![true; graph.nodes.len()], cost, 1);
        let mut started = Vec::new();
        while machine.left() > 0 {
            while let Some(id) = machine.next_ready() {
                machine.queue(id);
            }
            let id = machine.start_next().unwrap();
            started.push(id.0);
            machine.finish(id, End::Ran);
        }
        started
    }

    #[test]
    fn the_costliest_goes_first_and_ties_go_by_number() {
        let graph = graph(&[&[], &[], &[], &[0, 1]], &[]);
        assert_eq!(order(&graph, vec![1, 5, 1, 1]), [1, 0, 2, 3]);
    }

    #[test]
    fn a_full_pool_holds_its_own_nodes_only() {
        let graph = graph(&[&[], &[], &[]], &[0, 1]);
        let mut machine = Machine::new(&graph, &[true; 3], vec![3, 2, 1], 8);
        while let Some(id) = machine.next_ready() {
            machine.queue(id);
        }
        assert_eq!(machine.start_next(), Some(NodeId(0)));
        assert_eq!(machine.start_next(), Some(NodeId(2)));
        assert_eq!(machine.start_next(), None);
        machine.finish(NodeId(0), End::Failed);
        assert_eq!(machine.start_next(), Some(NodeId(1)));
    }

    #[test]
    fn uploads_and_builds_do_not_wait_for_each_other() {
        let mut graph = graph(&[&[], &[], &[], &[], &[], &[], &[]], &[]);
        for node in &mut graph.nodes[2..] {
            std::sync::Arc::make_mut(node).kind = Kind::Release(Box::new(Release { repo: String::new() }));
        }
        let mut machine = Machine::new(&graph, &[true; 7], vec![1; 7], 1);
        while let Some(id) = machine.next_ready() {
            machine.queue(id);
        }
        let started: Vec<u32> = std::iter::from_fn(|| machine.start_next()).map(|id| id.0).collect();
        assert_eq!(started, [0, 2, 3, 4, 5], "one build, and {UPLOADS} uploads beside it");
        machine.vacate(NodeId(3));
        assert_eq!((machine.start_next(), machine.start_next()), (Some(NodeId(6)), None));
        machine.vacate(NodeId(0));
        assert_eq!((machine.start_next(), machine.running()), (Some(NodeId(1)), 5));
    }

    #[test]
    fn what_starts_ahead_has_no_slot_until_one_is_done() {
        let mut graph = graph(&[&[], &[], &[], &[]], &[]);
        std::sync::Arc::make_mut(&mut graph.nodes[3]).kind = Kind::Release(Box::new(Release { repo: String::new() }));
        let mut machine = Machine::new(&graph, &[true; 4], vec![1; 4], 1);
        while let Some(id) = machine.next_ready() {
            machine.queue(id);
        }
        machine.allow_ahead(1);
        let started: Vec<u32> = std::iter::from_fn(|| machine.start_next()).map(|id| id.0).collect();
        assert_eq!(
            (started, machine.surplus()),
            (vec![0, 1, 3], 1),
            "an upload is never ahead, and counts for nothing"
        );
        machine.vacate(NodeId(3));
        assert_eq!(machine.surplus(), 1);
        machine.vacate(NodeId(0));
        assert_eq!((machine.surplus(), machine.running()), (0, 1), "the slot is now that of the one that waited");
        machine.allow_ahead(0);
        assert_eq!(machine.start_next(), None);
    }

    #[test]
    fn a_slot_is_free_as_soon_as_the_work_is_done() {
        let graph = graph(&[&[], &[], &[0]], &[0, 1]);
        let mut machine = Machine::new(&graph, &[true; 3], vec![1; 3], 1);
        while let Some(id) = machine.next_ready() {
            machine.queue(id);
        }
        assert_eq!((machine.start_next(), machine.start_next()), (Some(NodeId(0)), None));
        machine.vacate(NodeId(0));
        assert_eq!((machine.start_next(), machine.running()), (Some(NodeId(1)), 1));
        machine.finish(NodeId(0), End::Ran);
        assert_eq!((machine.running(), machine.left(), machine.next_ready()), (1, 2, Some(NodeId(2))));
    }

    #[test]
    fn a_reopened_node_runs_again_before_the_one_that_needs_it() {
        let graph = graph(&[&[], &[0], &[0, 1]], &[]);
        let mut machine = Machine::new(&graph, &[true; 3], vec![1; 3], 2);
        assert_eq!(machine.next_ready(), Some(NodeId(0)));
        machine.finish(NodeId(0), End::Fresh);
        assert_eq!(machine.next_ready(), Some(NodeId(1)));
        machine.queue(NodeId(1));
        assert_eq!(machine.start_next(), Some(NodeId(1)));
        machine.reopen(NodeId(0), NodeId(1));
        assert_eq!(machine.start_next(), Some(NodeId(0)));
        assert_eq!(machine.next_ready(), None);
        machine.finish(NodeId(0), End::Ran);
        assert_eq!(machine.next_ready(), Some(NodeId(1)));
        machine.finish(NodeId(1), End::Ran);
        assert_eq!(machine.next_ready(), Some(NodeId(2)));
        machine.finish(NodeId(2), End::Fresh);
        assert_eq!(machine.left(), 0);
    }

    #[test]
    #[should_panic(expected = "BUG: node NodeId(0) cannot go")]
    fn an_illegal_transition_is_a_bug() {
        let graph = graph(&[&[]], &[]);
        Machine::new(&graph, &[true], vec![1], 1).finish(NodeId(0), End::Ran);
    }
}
