//! The one loop of a run.
//!
//! Look at every node that is ready; start all that may start; if nothing moved, wait for one message. Workers own what
//! they work on and send exactly one completion each; nothing is shared but the store. Inside the loop nothing is passed
//! up with `?`: a failing node is data.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::action::result::ActionResult;
use crate::action::verdict::{Decision, Reason, Verdict};
use crate::base::digest::ActionDigest;
use crate::base::id::NodeId;
use crate::engine::evaluate::Evaluation;
use crate::engine::job::command_line;
use crate::engine::lock_key::lock_folder;
use crate::engine::outcome::{MAX_LOST, RunOptions, RunOutcome, lost_again};
use crate::engine::session::{Known, Session};
use crate::engine::workers::{Message, Workers};
use crate::event::{Counts, Ended, Event, EventSink, Failure};
use crate::exec::api::{Job, WorkError, World};
use crate::exec::worker::{self, Completion, Work};
use crate::graph::build::does_work;
use crate::graph::node::{Class, Kind};
use crate::sched::cost;
use crate::sched::machine::{End, Machine};

/// The state of one run.
struct Run<'a> {
    session: &'a mut Session,
    sink: &'a mut dyn EventSink,
    options: RunOptions,
    machine: Machine,
    world: Arc<World>,
    works: BTreeMap<NodeId, Work>,
    /// How often the stored result of a node was found lost: it runs then, whatever the record says.
    lost: Vec<u8>,
    outcome: RunOutcome,
    stopping: bool,
}

impl Session {
    /// Runs the wanted nodes. `prepare` has succeeded.
    pub fn run(
        &mut self,
        wanted: &[bool],
        world: Arc<World>,
        options: RunOptions,
        sink: &mut dyn EventSink,
    ) -> RunOutcome {
        let memory = &self.memory;
        let costs =
            cost::downstream(&self.graph, |id| memory[id.index()].result.as_ref().map(|result| result.duration_ms));
        let machine = Machine::new(&self.graph, wanted, costs, options.jobs);
        let count = self.graph.nodes.len();
        self.known.fill(None);
        let mut run = Run {
            session: self,
            sink,
            options,
            machine,
            world: Arc::clone(&world),
            works: BTreeMap::new(),
            lost: vec![0; count],
            outcome: RunOutcome {
                counts: Counts::default(),
                ends: vec![None; count],
                worked_ms: BTreeMap::new(),
                interrupted: false,
                environment: false,
                prepared: BTreeMap::new(),
                pins: BTreeMap::new(),
                go: None,
                settled: true,
            },
            stopping: false,
        };
        let mut workers = Workers::new(world);
        run.drive(&mut workers);
        workers.dismiss();
        run.outcome
    }
}

impl Run<'_> {
    fn drive(&mut self, workers: &mut Workers) {
        while self.machine.left() > 0 {
            if self.world.cancel.is_raised() && !self.outcome.interrupted {
                self.outcome.interrupted = true;
                self.stopping = true;
            }
            while let Some(id) = self.machine.next_ready() {
                self.check(id);
            }
            while let Some(id) = self.machine.start_next() {
                if self.stopping {
                    self.end_skipped(id, Reason::NotStarted);
                    continue;
                }
                if let Some(mut work) = self.works.get(&id).cloned() {
                    let (node, kind) = (self.name(id), self.session.graph.node(id).kind.name());
                    self.sink.event(&Event::Working { node, kind, attempt: 1 });
                    work.job_mut().set_aside = self.session.edits_at_outputs(id);
                    workers.start(work);
                }
            }
            if self.machine.running() == 0 {
                // Skipping may have made others ready.
                if self.machine.left() > 0 && self.machine.is_stuck() {
                    break;
                }
                continue;
            }
            match workers.receiver.recv() {
                Ok(Message::Line(id, line)) => {
                    let node = self.name(id);
                    self.sink.event(&Event::Output { node, line });
                }
                Ok(Message::Attempt(id, attempt)) => {
                    let (node, kind) = (self.name(id), self.session.graph.node(id).kind.name());
                    self.sink.event(&Event::Working { node, kind, attempt });
                }
                Ok(Message::Done(worker, completion)) => {
                    workers.idle.push(worker);
                    self.complete(*completion);
                }
                Err(_) => break,
            }
        }
    }

    fn name(&self, id: NodeId) -> String {
        self.session.graph.node(id).name.clone()
    }

    /// Decides a node whose dependencies have all ended.
    fn check(&mut self, id: NodeId) {
        if self.stopping {
            return self.end_skipped(id, Reason::NotStarted);
        }
        let mut evaluation = match self.session.evaluate(id, None, false) {
            Ok(evaluation) => evaluation,
            Err(problem) => {
                let failure = Failure { message: problem.to_string(), ..Failure::default() };
                return self.end_failed(id, failure, 0);
            }
        };
        if self.lost[id.index()] > 0 && matches!(evaluation.decision.verdict, Verdict::Fresh | Verdict::Restore) {
            evaluation.decision = Decision { verdict: Verdict::Run, row: "5", reason: Reason::StoredDamaged };
        }
        self.decided(id, &evaluation.decision);
        match evaluation.decision.verdict {
            Verdict::Fresh => {
                let result = evaluation.result.clone().unwrap_or_default();
                self.keep(id, &evaluation, &result);
                self.relock(id, &evaluation, &result);
                self.end(id, Known::Done(result), End::Fresh, 0, true, None);
            }
            Verdict::Skip => {
                let why = evaluation.decision.reason.to_string();
                self.end(id, Known::Failed(why), End::Skipped, 0, false, None);
            }
            Verdict::Restore => {
                let result = evaluation.result.clone().unwrap_or_default();
                self.keep(id, &evaluation, &result);
                let job = self.new_job(id, &evaluation);
                self.works.insert(id, Work::Restore(job, result));
                self.machine.queue(id);
            }
            Verdict::Run | Verdict::Ask | Verdict::MayRun => {
                if !does_work(self.session.graph.node(id)) {
                    return self.end(id, Known::Done(Arc::default()), End::Fresh, 0, true, None);
                }
                let job = self.new_job(id, &evaluation);
                self.works.insert(id, Work::Run(job));
                self.machine.queue(id);
            }
        }
    }

    fn decided(&mut self, id: NodeId, decision: &Decision) {
        if does_work(self.session.graph.node(id)) {
            let event = Event::Decided {
                node: self.name(id),
                verdict: decision.verdict,
                row: decision.row,
                why: decision.reason.to_string(),
                reason: decision.reason.clone(),
            };
            self.sink.event(&event);
        }
    }

    fn new_job(&mut self, id: NodeId, evaluation: &Evaluation) -> Job {
        if let Some((_, tool)) = evaluation.tools.iter().find(|(name, _)| name == "go") {
            self.outcome.go = Some(tool.identity.clone());
        }
        let work = self.world.root.join(".ocelot/work").join(&self.world.run);
        self.session.job(id, evaluation, &work)
    }

    /// Remembers the result that stands.
    fn keep(&mut self, id: NodeId, evaluation: &Evaluation, result: &Arc<ActionResult>) {
        let memory = &mut self.session.memory[id.index()];
        memory.action = Some(evaluation.manifest.action);
        memory.explained = memory.action;
        memory.failed_log = None;
        if memory.result.as_ref() != Some(result.as_ref()) {
            memory.result = Some(result.as_ref().clone());
        }
        self.session.rows[id.index()].clone_from(&evaluation.rows);
    }

    /// Notes module files that the lock should keep; whether there were any that it does not have.
    fn adopt_prepared(&mut self, id: NodeId, result: &ActionResult) -> bool {
        let Some((key, prepared)) = self.session.unlocked_modules(id, result) else { return false };
        let name = lock_folder(&self.session.graph.name, self.session.graph.node(id));
        self.session.prepared.insert(key.clone(), prepared.clone());
        self.outcome.prepared.insert(key, (name, prepared));
        true
    }

    /// A stored result that the lock does not know yet: the next run will have the lock's digest in the manifest.
    fn relock(&mut self, id: NodeId, evaluation: &Evaluation, result: &Arc<ActionResult>) {
        if !self.adopt_prepared(id, result) {
            return;
        }
        if let Ok(after) = self.session.evaluate(id, None, false)
            && after.manifest.action != evaluation.manifest.action
        {
            self.session.store_record(&after.manifest, result, &[]);
            self.keep(id, &after, result);
        }
    }

    fn complete(&mut self, completion: Completion) {
        let id = completion.id;
        let graph = Arc::clone(&self.session.graph);
        for output in graph.node(id).outputs().into_iter().filter(|output| output.ends_with('/')) {
            // Its folders were looked at before they were written.
            self.session.observer.forget_below(output);
        }
        for written in &completion.written {
            self.session.observer.note_written(&written.path, written.stamp, written.digest);
        }
        for message in completion.warnings {
            let node = Some(self.name(id));
            self.sink.event(&Event::Warning { node, message });
        }
        let work = self.works.remove(&id);
        let was_restore = matches!(work, Some(Work::Restore(..)));
        match completion.outcome {
            Ok(success) if was_restore => {
                self.end(id, Known::Done(success.result), End::Restored, completion.duration_ms, true, None);
            }
            Ok(success) => {
                let recorded = work.as_ref().map(|work| work.job().manifest.action);
                self.succeeded(id, success, recorded, completion.duration_ms);
            }
            Err(WorkError::NeedsProducer(producer)) => self.run_again(producer, id),
            Err(WorkError::Cancelled) => {
                // The signal may have come after the last look at it.
                self.outcome.interrupted = true;
                self.stopping = true;
                self.session.memory[id.index()].action = None;
                if completion.began {
                    self.session.claim_outputs(id);
                }
                self.end_skipped(id, Reason::Cancelled);
            }
            Err(error) => {
                // What a failed command left is ours: replacing it later loses no edit. Before it began, what stands
                // there is still somebody's.
                if completion.began {
                    self.session.claim_outputs(id);
                }
                let environment = matches!(error, WorkError::Environment(_));
                let command = work.as_ref().and_then(|work| command_line(work.job()));
                let failure = Failure { message: error.to_string(), command, tail: completion.tail, environment };
                // A command that said nothing has an empty log, not none.
                let empty = || self.session.cache.put_bytes(b"").digest;
                self.session.memory[id.index()].failed_log = Some(completion.log.unwrap_or_else(empty));
                self.end_failed(id, failure, completion.duration_ms);
            }
        }
    }

    fn succeeded(&mut self, id: NodeId, success: worker::Success, recorded: Option<ActionDigest>, duration_ms: u64) {
        let graph = Arc::clone(&self.session.graph);
        let node = graph.node(id);
        for path in &success.changed_inputs {
            let message = format!("`{path}` changed while the node ran: its result is used, but not recorded");
            self.sink.event(&Event::Warning { node: Some(node.name.clone()), message });
        }
        let before = self.session.memory[id.index()].result.as_ref();
        let unchanged = before.is_some_and(|before| before.same_for_dependents(&success.result));
        let unmoved = success.changed_inputs.is_empty();
        let memory = &mut self.session.memory[id.index()];
        memory.result = Some(success.result.as_ref().clone());
        memory.failed_log = None;
        self.session.known[id.index()] = Some(Known::Done(Arc::clone(&success.result)));
        self.adopt_prepared(id, &success.result);
        if let Some(pin) = success.pin {
            self.session.pins.insert(id, pin.clone());
            self.outcome.pins.insert(id, pin);
        }
        // What it read or asked may be known better now (a lock entry, a commit): the record must stand under the
        // digest that the next run will compute.
        match self.session.evaluate(id, None, false) {
            Ok(after) if unmoved => {
                if node.class == Class::Pure && recorded != Some(after.manifest.action) {
                    self.session.store_record(&after.manifest, &success.result, &success.discovered);
                }
                let memory = &mut self.session.memory[id.index()];
                memory.action = Some(after.manifest.action);
                memory.explained = memory.action;
                self.session.rows[id.index()] = after.rows;
            }
            _ => {
                self.session.memory[id.index()].action = None;
                self.outcome.settled = false;
            }
        }
        let forced = self.session.options.forced.contains(&id);
        let asked = matches!(&node.kind, Kind::Clone(_)) && unchanged && !forced;
        let end = if asked { End::Fresh } else { End::Ran };
        self.end(id, Known::Done(success.result), end, duration_ms, unchanged, None);
    }

    /// A stored result is gone: its node runs again, and the one that wanted it waits for that.
    fn run_again(&mut self, producer: NodeId, waiting: NodeId) {
        self.lost[producer.index()] += 1;
        if producer == waiting {
            // A restore found its own blobs gone.
            self.machine.check_again(waiting);
            return;
        }
        let node = self.session.graph.node(producer);
        if self.lost[producer.index()] > MAX_LOST {
            return self.end_failed(waiting, lost_again(&node.name), 0);
        }
        if node.class == Class::Effect {
            let message = format!(
                "what `{0}` left was edited, or is no longer in the cache, and an effect is not repeated for that; \
                 `--force {0}` does it again",
                node.name
            );
            return self.end_failed(waiting, Failure { message, ..Failure::default() }, 0);
        }
        if let Some(end) = self.outcome.ends[producer.index()].take() {
            self.outcome.counts.remove(end);
        }
        let evaluation = self.session.evaluate(producer, None, true);
        match evaluation {
            Ok(mut evaluation) => {
                evaluation.decision = Decision { verdict: Verdict::Run, row: "5", reason: Reason::StoredDamaged };
                self.decided(producer, &evaluation.decision);
                let job = self.new_job(producer, &evaluation);
                self.works.insert(producer, Work::Run(job));
                self.machine.reopen(producer, waiting);
            }
            Err(problem) => {
                let failure = Failure { message: problem.to_string(), ..Failure::default() };
                self.end_failed(waiting, failure, 0);
            }
        }
    }

    fn end_failed(&mut self, id: NodeId, failure: Failure, duration_ms: u64) {
        self.session.memory[id.index()].action = None;
        self.outcome.environment |= failure.environment;
        self.stopping |= self.options.fail_fast;
        let known = Known::Failed(failure.message.clone());
        self.end(id, known, End::Failed, duration_ms, false, Some(failure));
    }

    fn end_skipped(&mut self, id: NodeId, reason: Reason) {
        self.decided(id, &Decision { verdict: Verdict::Skip, row: "2", reason: reason.clone() });
        self.end(id, Known::Failed(reason.to_string()), End::Skipped, 0, false, None);
    }

    fn end(&mut self, id: NodeId, known: Known, end: End, duration_ms: u64, unchanged: bool, failure: Option<Failure>) {
        self.session.known[id.index()] = Some(known);
        self.outcome.ends[id.index()] = Some(end);
        let node = self.session.graph.node(id);
        self.outcome.settled &=
            end.is_success() && !matches!((&node.kind, node.class), (Kind::Exec(_), Class::Volatile));
        if does_work(node) {
            self.outcome.counts.add(end);
            if matches!(end, End::Ran | End::Failed | End::Restored) {
                self.outcome.worked_ms.insert(id, duration_ms);
            }
            let event =
                Event::Ended { node: node.name.clone(), end: Ended::from(end), duration_ms, unchanged, failure };
            self.sink.event(&event);
        }
        self.machine.finish(id, end);
    }
}
