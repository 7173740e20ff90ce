//! The one loop of a run.
//!
//! Look at every node that is ready; start all that may start; if nothing moved, wait for one message. Workers own what
//! they work on and send exactly one completion each; nothing is shared but the store. Inside the loop nothing is passed
//! up with `?`: a failing node is data.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;

use crate::action::result::ActionResult;
use crate::action::verdict::{Decision, Reason, Verdict};
use crate::base::code;
use crate::base::id::NodeId;
use crate::engine::evaluate::Evaluation;
use crate::engine::lock_key::lock_folder;
use crate::engine::outcome::{RunOptions, RunOutcome};
use crate::engine::session::{Known, Session};
use crate::engine::snapshot::LastWork;
use crate::engine::workers::{Message, Workers};
use crate::event::{Counts, Event, EventSink, Failure};
use crate::exec::api::{Job, World};
use crate::exec::worker::Work;
use crate::graph::build::does_work;
use crate::sched::cost;
use crate::sched::machine::{End, Lane, Machine};

mod completion;
mod progress;

/// Works up to this are mostly the way to them and back.
const SHORT_MS: u64 = 20;

/// The state of one run.
struct Run<'a> {
    session: &'a mut Session,
    sink: &'a mut dyn EventSink,
    options: RunOptions,
    machine: Machine,
    world: Arc<World>,
    works: BTreeMap<NodeId, Arc<Work>>,
    /// What a forecast needs, if somebody shows one.
    watch: Option<progress::Watch>,
    /// How many works in a row took [`SHORT_MS`] at most.
    short: u32,
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
        let past_ms = |id: NodeId| memory[id.index()].result.as_ref().map(|result| result.duration_ms);
        let costs = cost::downstream(&self.graph, past_ms);
        let watch = sink.shows_progress().then(|| progress::Watch::new(self.graph.ids().map(past_ms).collect()));
        let machine = Machine::new(&self.graph, wanted, costs, options.jobs);
        let count = self.graph.nodes.len();
        self.forget_known(wanted);
        let mut run = Run {
            session: self,
            sink,
            options,
            machine,
            world: Arc::clone(&world),
            works: BTreeMap::new(),
            watch,
            short: 0,
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
            self.start(workers);
            self.tell_progress();
            if self.machine.running() == 0 {
                // Skipping may have made others ready.
                if self.machine.left() > 0 && self.machine.is_stuck() {
                    break;
                }
                continue;
            }
            let received = match self.until_progress() {
                Some(wait) => workers.receiver.recv_timeout(wait),
                None => workers.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match received {
                Ok(Message::Line(id, line)) => {
                    let node = self.name(id);
                    self.sink.event(&Event::Output { node, line });
                }
                Ok(Message::Attempt(worker, id, attempt)) => self.working(id, attempt, worker),
                Ok(Message::Done(worker, completion, next)) => {
                    match next {
                        Some(next) => self.working(next, 1, worker),
                        None => workers.idle.push(worker),
                    }
                    self.machine.vacate(completion.id);
                    self.note_done(completion.id);
                    self.allow_ahead(completion.duration_ms);
                    if completion.outcome.is_ok() {
                        // Others are at work while this result is looked at.
                        self.start(workers);
                    }
                    self.complete(*completion);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    }

    /// Starts all that may start, and lets some wait ahead where that is allowed.
    fn start(&mut self, workers: &mut Workers) {
        let is_due = |run: &Self, ahead: usize| run.stopping || ahead > run.machine.surplus() as usize;
        while is_due(self, workers.ahead().len()) {
            // Its turn has come and nobody took it, unless somebody does just now.
            let Some(id) = workers.ahead().take() else { break };
            self.hand_over(id, workers);
        }
        while let Some(id) = self.machine.start_next() {
            self.hand_over(id, workers);
        }
    }

    /// Gives a started node to a worker, or to the first that is done; unless the run is stopping.
    fn hand_over(&mut self, id: NodeId, workers: &mut Workers) {
        if self.stopping {
            return self.end_skipped(id, Reason::NotStarted);
        }
        let Some(work) = self.works.get_mut(&id) else { return };
        Arc::make_mut(work).job_mut().set_aside = self.session.edits_at_outputs(id);
        let work = Arc::clone(work);
        if Lane::of(&work.job().node.kind) == Lane::Here && self.machine.surplus() as usize > workers.ahead().len() {
            return workers.ahead().push(work);
        }
        let worker = workers.start(work);
        self.working(id, 1, worker);
    }

    /// Where all works are short, workers need not wait for this loop to have the next one. Elsewhere that would only
    /// keep a more urgent one waiting.
    fn allow_ahead(&mut self, duration_ms: u64) {
        self.short = if duration_ms <= SHORT_MS { self.short.saturating_add(1) } else { 0 };
        let jobs = self.options.jobs;
        self.machine.allow_ahead(if self.short > jobs { jobs } else { 0 });
    }

    fn working(&mut self, id: NodeId, attempt: u32, worker: usize) {
        if attempt == 1 {
            self.note_start(id);
        }
        let (node, kind) = (self.name(id), self.session.graph.node(id).kind.name());
        let worker = u32::try_from(worker).unwrap_or(u32::MAX);
        self.sink.event(&Event::Working { node, kind, attempt, worker });
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
                let failure = Failure::new(code::INPUT_UNREADABLE, problem.to_string());
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
            Verdict::Skip if evaluation.decision.reason.failure().is_some() => {
                let message = evaluation.decision.reason.failure().unwrap_or_default().to_owned();
                self.end_failed(id, Failure::new(code::NOT_AS_IS, message), 0);
            }
            Verdict::Skip => {
                let why = evaluation.decision.reason.to_string();
                self.end(id, Known::Failed(why), End::Skipped, 0, false, None);
            }
            Verdict::Restore => {
                let result = evaluation.result.clone().unwrap_or_default();
                self.keep(id, &evaluation, &result);
                let job = self.new_job(id, &evaluation);
                self.works.insert(id, Arc::new(Work::Restore(job, result)));
                self.machine.queue(id);
            }
            Verdict::Run | Verdict::Ask | Verdict::MayRun => {
                if !does_work(self.session.graph.node(id)) {
                    return self.end(id, Known::Done(Arc::default()), End::Fresh, 0, true, None);
                }
                let job = self.new_job(id, &evaluation);
                self.session.rows[id.index()] = evaluation.rows;
                self.works.insert(id, Arc::new(Work::Run(job)));
                self.machine.queue(id);
            }
        }
    }

    fn decided(&mut self, id: NodeId, decision: &Decision) {
        if does_work(self.session.graph.node(id)) {
            if !matches!(decision.verdict, Verdict::Fresh | Verdict::Skip) {
                let (run, verdict) = (self.world.run.clone(), decision.verdict.word().to_owned());
                let last = LastWork { run, verdict, why: decision.reason.lines() };
                self.session.memory[id.index()].last_work = Some(last);
            }
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
}
