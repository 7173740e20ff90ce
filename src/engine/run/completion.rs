//! What becomes of a node whose work is done.

use std::sync::Arc;

use super::Run;
use crate::action::manifest::{compare, read_fields};
use crate::action::verdict::{Decision, Reason, Verdict};
use crate::base::code;
use crate::base::digest::ActionDigest;
use crate::base::id::NodeId;
use crate::engine::job::command_line;
use crate::engine::outcome::{MAX_LOST, lost_again};
use crate::engine::session::Known;
use crate::event::{Ended, Event, Failure};
use crate::exec::api::{Job, WorkError};
use crate::exec::budget;
use crate::exec::worker::{self, Completion, Work};
use crate::graph::build::does_work;
use crate::graph::node::{Class, Kind, Node};
use crate::sched::machine::End;

impl Run<'_> {
    pub(super) fn complete(&mut self, completion: Completion) {
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
            self.sink.event(&Event::Warning { code: code::NODE_WARNING, node, message });
        }
        let work = self.works.remove(&id);
        let was_restore = matches!(work.as_deref(), Some(Work::Restore(..)));
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
                let mut failure = Failure {
                    tail: completion.tail,
                    log: completion.log_file,
                    environment: matches!(error, WorkError::Environment(_)),
                    ..Failure::new(error.code(self.session.graph.node(id).kind.name()), error.to_string())
                };
                if let Some(work) = &work {
                    self.tell_of(work.job(), &mut failure);
                }
                // A command that said nothing has an empty log, not none.
                let empty = || self.session.cache.put_bytes(b"").digest;
                self.session.memory[id.index()].failed_log = Some(completion.log.unwrap_or_else(empty));
                self.end_failed(id, failure, completion.duration_ms);
            }
        }
    }

    /// Says how to repeat what failed, and what is different from when it did not fail.
    fn tell_of(&self, job: &Job, failure: &mut Failure) {
        if let Some((command, folder)) = command_line(job, &self.world.root) {
            let command = self.world.redactor.redact(command.as_bytes());
            failure.command = Some(String::from_utf8_lossy(&command).into_owned());
            failure.folder = Some(folder);
        }
        let before = self.session.memory[job.id.index()].explained;
        let before = before.and_then(|action| self.session.stored_manifest(&action));
        if let (Some(before), Some(now)) = (before, read_fields(&job.manifest.bytes)) {
            failure.changed = compare(&before, &now);
        }
    }

    fn succeeded(&mut self, id: NodeId, success: worker::Success, recorded: Option<ActionDigest>, duration_ms: u64) {
        let graph = Arc::clone(&self.session.graph);
        let node = graph.node(id);
        for path in &success.changed_inputs {
            let message = format!("`{path}` changed while the node ran: its result is used, but not recorded");
            self.sink.event(&Event::Warning { code: code::INPUT_CHANGED, node: Some(node.name.clone()), message });
        }
        let before = self.session.memory[id.index()].result.as_ref();
        let unchanged = before.is_some_and(|before| before.same_for_dependents(&success.result));
        let unmoved = success.changed_inputs.is_empty();
        let memory = &mut self.session.memory[id.index()];
        memory.result = Some(success.result.as_ref().clone());
        memory.failed_log = None;
        self.session.known[id.index()] = Some(Known::Done(Arc::clone(&success.result)));
        self.adopt_prepared(id, &success.result);
        if let Some(pin) = success.pin.clone() {
            self.session.pins.insert(id, pin.clone());
            self.outcome.pins.insert(id, pin);
        }
        let action = if unmoved { self.settle(id, node, &success, recorded) } else { None };
        let memory = &mut self.session.memory[id.index()];
        memory.action = action;
        match action {
            Some(_) => memory.explained = action,
            None => self.outcome.settled = false,
        }
        if let Some(message) = budget::over(node, Some(&success.result)) {
            // Its record stands: a larger budget lets it pass.
            self.session.memory[id.index()].failed_log = success.result.log;
            return self.end_failed(id, Failure::new(code::OVER_BUDGET, message), duration_ms);
        }
        let forced = self.session.options.forced.contains(&id);
        let asked = matches!(&node.kind, Kind::Clone(_)) && unchanged && !forced;
        let end = if asked { End::Fresh } else { End::Ran };
        self.end(id, Known::Done(success.result), end, duration_ms, unchanged, None);
    }

    /// Sees to it that the result of a node stands under the digest that the next run will compute: that digest, unless
    /// the inputs can no longer be established.
    fn settle(
        &mut self,
        id: NodeId,
        node: &Node,
        success: &worker::Success,
        recorded: Option<ActionDigest>,
    ) -> Option<ActionDigest> {
        if node.class == Class::Pure && matches!(&node.kind, Kind::Exec(exec) if exec.depfile.is_none()) {
            // Its inputs are what they were, and it cannot have found out about others.
            return recorded;
        }
        // What it read or asked may be known better now: a lock entry, a commit, a depfile.
        let after = self.session.evaluate(id, None, false).ok()?;
        let stands = after.result.as_ref().is_some_and(|found| found.same_for_dependents(&success.result));
        // One that is forced is never told to stand.
        let forced = self.session.options.forced.contains(&id);
        if node.class == Class::Effect && !stands && !forced {
            // No receipt counts, or one for somewhere else: what decides that has changed while it ran.
            return None;
        }
        let action = after.manifest.action;
        if node.class == Class::Pure && recorded != Some(action) {
            self.session.store_record(&after.manifest, &success.result, &success.discovered);
        }
        self.session.rows[id.index()] = after.rows;
        Some(action)
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
            return self.end_failed(waiting, Failure::new(code::RESULT_LOST, message), 0);
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
                self.works.insert(producer, Arc::new(Work::Run(job)));
                self.machine.reopen(producer, waiting);
            }
            Err(problem) => {
                let failure = Failure::new(code::INPUT_UNREADABLE, problem.to_string());
                self.end_failed(waiting, failure, 0);
            }
        }
    }

    pub(super) fn end_failed(&mut self, id: NodeId, failure: Failure, duration_ms: u64) {
        self.session.memory[id.index()].action = None;
        self.outcome.environment |= failure.environment;
        self.stopping |= self.options.fail_fast;
        let known = Known::Failed(failure.message.clone());
        self.end(id, known, End::Failed, duration_ms, false, Some(failure));
    }

    pub(super) fn end_skipped(&mut self, id: NodeId, reason: Reason) {
        self.decided(id, &Decision { verdict: Verdict::Skip, row: "2", reason: reason.clone() });
        self.end(id, Known::Failed(reason.to_string()), End::Skipped, 0, false, None);
    }

    pub(super) fn end(
        &mut self,
        id: NodeId,
        known: Known,
        end: End,
        duration_ms: u64,
        unchanged: bool,
        failure: Option<Failure>,
    ) {
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
