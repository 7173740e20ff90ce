//! The worker threads of a run: each has an inbox of its own and sends exactly one completion per piece of work.
//!
//! Where works are short, the way over the loop and back takes as long as they do. So some may wait *ahead*: whoever has
//! done one takes the next of them by itself, and says so together with the completion.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::base::id::NodeId;
use crate::exec::api::{WorkError, World};
use crate::exec::worker::{self, Completion, Progress, Work};
use crate::sched::machine::Lane;

pub(in crate::engine) enum Message {
    Line(NodeId, String),
    Attempt(usize, NodeId, u32),
    /// A worker has done its work, and is at the node named last, which waited ahead.
    Done(usize, Box<Completion>, Option<NodeId>),
}

/// Messages beyond this make workers wait, so that a flood of output has bounded memory.
const MESSAGES: usize = 1024;

struct Channel {
    sender: SyncSender<Message>,
    worker: usize,
}

impl Progress for Channel {
    fn line(&mut self, id: NodeId, line: String) {
        // The run has ended if nobody receives; then nobody wants the line.
        self.sender.send(Message::Line(id, line)).ok();
    }
    fn attempt(&mut self, id: NodeId, number: u32) {
        self.sender.send(Message::Attempt(self.worker, id, number)).ok();
    }
}

/// Works that are decided and wait for a processor, oldest first.
#[derive(Default)]
pub(in crate::engine) struct Ahead(Mutex<VecDeque<(Instant, Arc<Work>)>>);

impl Ahead {
    /// One that has waited longer is looked at again by the loop: somebody may have edited its outputs meanwhile.
    const FRESH: Duration = Duration::from_millis(50);

    /// Adds one.
    pub(in crate::engine) fn push(&self, work: Arc<Work>) {
        self.works().push_back((Instant::now(), work));
    }

    /// How many wait.
    pub(in crate::engine) fn len(&self) -> usize {
        self.works().len()
    }

    /// Takes back the one that has waited longest.
    pub(in crate::engine) fn take(&self) -> Option<NodeId> {
        self.works().pop_front().map(|(_, work)| work.job().id)
    }

    /// The work to go on with for who has done `work`. Only one that kept a processor busy can be followed so.
    fn next_after(&self, work: &Work) -> Option<Arc<Work>> {
        if Lane::of(&work.job().node.kind) != Lane::Here {
            return None;
        }
        let mut works = self.works();
        let is_fresh = works.front().is_some_and(|(since, _)| since.elapsed() < Self::FRESH);
        if is_fresh { works.pop_front().map(|(_, work)| work) } else { None }
    }

    fn works(&self) -> MutexGuard<'_, VecDeque<(Instant, Arc<Work>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Worker threads, each with its own inbox; threads are made when first needed.
pub(in crate::engine) struct Workers {
    world: Arc<World>,
    inboxes: Vec<SyncSender<Arc<Work>>>,
    ahead: Arc<Ahead>,
    pub(in crate::engine) idle: Vec<usize>,
    threads: Vec<JoinHandle<()>>,
    sender: SyncSender<Message>,
    pub(in crate::engine) receiver: Receiver<Message>,
}

impl Workers {
    pub(in crate::engine) fn new(world: Arc<World>) -> Self {
        let (sender, receiver) = sync_channel(MESSAGES);
        let ahead = Arc::default();
        Self { world, inboxes: Vec::new(), ahead, idle: Vec::new(), threads: Vec::new(), sender, receiver }
    }

    /// Gives work to a worker that has none, and says which.
    pub(in crate::engine) fn start(&mut self, work: Arc<Work>) -> usize {
        let worker = self.idle.pop().unwrap_or_else(|| self.hire());
        // The thread lives as long as its inbox.
        self.inboxes[worker].send(work).ok();
        worker
    }

    /// Works that wait for whoever is done first; all of them are for a processor of this machine.
    pub(in crate::engine) fn ahead(&self) -> &Ahead {
        &self.ahead
    }

    /// Lets the threads go, and waits for what they are at.
    pub(in crate::engine) fn dismiss(self) {
        let Self { inboxes, threads, receiver, sender, .. } = self;
        drop((inboxes, sender, receiver));
        for thread in threads {
            // A panic of a worker has become a completion; there is nothing more to learn from the thread.
            thread.join().ok();
        }
    }

    fn hire(&mut self) -> usize {
        let (inbox, works) = sync_channel::<Arc<Work>>(1);
        let (world, sender, number) = (Arc::clone(&self.world), self.sender.clone(), self.inboxes.len());
        let ahead = Arc::clone(&self.ahead);
        self.threads.push(std::thread::spawn(move || {
            while let Ok(work) = works.recv() {
                let mut next = Some(work);
                while let Some(work) = next {
                    let completion = one(&world, &work, Channel { sender: sender.clone(), worker: number });
                    let may_go_on = completion.outcome.is_ok() && !world.cancel.is_raised();
                    next = if may_go_on { ahead.next_after(&work) } else { None };
                    let at = next.as_ref().map(|work| work.job().id);
                    if sender.send(Message::Done(number, Box::new(completion), at)).is_err() {
                        return;
                    }
                }
            }
        }));
        self.inboxes.push(inbox);
        number
    }
}

/// Does one node's work; a panic becomes a failure of that node.
fn one(world: &World, work: &Work, mut progress: Channel) -> Completion {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| worker::work(world, work, &mut progress)));
    result.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a worker panicked".to_owned());
        Completion {
            id: work.job().id,
            outcome: Err(WorkError::Internal(text)),
            written: Vec::new(),
            warnings: Vec::new(),
            tail: Vec::new(),
            log: None,
            log_file: None,
            duration_ms: 0,
            attempts: 1,
            began: false,
        }
    })
}
