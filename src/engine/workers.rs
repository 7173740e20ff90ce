//! The worker threads of a run: each has an inbox of its own and sends exactly one completion per piece of work.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::base::id::NodeId;
use crate::exec::api::{WorkError, World};
use crate::exec::worker::{self, Completion, Progress, Work};

pub(in crate::engine) enum Message {
    Line(NodeId, String),
    Attempt(usize, NodeId, u32),
    Done(usize, Box<Completion>),
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

/// Worker threads, each with its own inbox; threads are made when first needed.
pub(in crate::engine) struct Workers {
    world: Arc<World>,
    inboxes: Vec<SyncSender<Work>>,
    pub(in crate::engine) idle: Vec<usize>,
    threads: Vec<JoinHandle<()>>,
    sender: SyncSender<Message>,
    pub(in crate::engine) receiver: Receiver<Message>,
}

impl Workers {
    pub(in crate::engine) fn new(world: Arc<World>) -> Self {
        let (sender, receiver) = sync_channel(MESSAGES);
        Self { world, inboxes: Vec::new(), idle: Vec::new(), threads: Vec::new(), sender, receiver }
    }

    /// Gives work to a worker that has none, and says which.
    pub(in crate::engine) fn start(&mut self, work: Work) -> usize {
        let worker = self.idle.pop().unwrap_or_else(|| self.hire());
        // The thread lives as long as its inbox.
        self.inboxes[worker].send(work).ok();
        worker
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
        let (inbox, work) = sync_channel::<Work>(1);
        let (world, sender, number) = (Arc::clone(&self.world), self.sender.clone(), self.inboxes.len());
        self.threads.push(std::thread::spawn(move || {
            while let Ok(work) = work.recv() {
                let completion = one(&world, &work, Channel { sender: sender.clone(), worker: number });
                if sender.send(Message::Done(number, Box::new(completion))).is_err() {
                    return;
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
