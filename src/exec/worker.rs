//! One node's work from start to completion: attempts, log, capture, record. Never returns an error: what went wrong is
//! part of the [`Completion`].

use std::sync::Arc;
use std::time::Duration;

use crate::action::result::{ActionResult, Alternative, Content, Discovered, Record};
use crate::base::digest::BlobDigest;
use crate::base::id::NodeId;
use crate::exec::api::{Job, Log, Produced, WorkError, World};
use crate::exec::kinds;
use crate::exec::outputs::{self, LayOutError, Written};
use crate::exec::receipt;
use crate::graph::node::{Class, Pin};
use crate::outside::process::cancel::Level;
use crate::outside::process::command::OutputSink;
use crate::outside::process::output::{LogCapture, LogLimits};
use crate::outside::process::terminal::{Colours, sanitize_for_terminal};
use crate::store::atomic;

/// What a worker is to do.
#[derive(Clone)]
pub enum Work {
    /// The node's own work.
    Run(Job),
    /// Lay out a stored result.
    Restore(Job, Arc<ActionResult>),
}

impl Work {
    /// The node it is about.
    pub fn job(&self) -> &Job {
        match self {
            Self::Run(job) | Self::Restore(job, _) => job,
        }
    }

    /// The node it is about, to be completed before it starts.
    pub fn job_mut(&mut self) -> &mut Job {
        match self {
            Self::Run(job) | Self::Restore(job, _) => job,
        }
    }
}

/// What became of a node's work.
pub struct Completion {
    /// The node.
    pub id: NodeId,
    /// The result, or what went wrong.
    pub outcome: Result<Success, WorkError>,
    /// Files written into the project.
    pub written: Vec<Written>,
    /// Things a person should know.
    pub warnings: Vec<String>,
    /// The last lines printed.
    pub tail: Vec<String>,
    /// The whole log, if anything was printed.
    pub log: Option<BlobDigest>,
    /// The file that has the log of a failure, relative to the project root.
    pub log_file: Option<String>,
    /// How long all attempts took, in milliseconds.
    pub duration_ms: u64,
    /// How many attempts there were.
    pub attempts: u32,
    /// Whether edits were out of the way, so that what stands at the output paths now is this node's.
    pub began: bool,
}

/// A node's work that succeeded.
pub struct Success {
    /// What it left.
    pub result: Arc<ActionResult>,
    /// Inputs that changed while it worked: the result is not recorded.
    pub changed_inputs: Vec<String>,
    /// Discovered inputs.
    pub discovered: Vec<Discovered>,
    /// For the lock.
    pub pin: Option<Pin>,
}

/// Tells the run what a node prints.
pub trait Progress {
    /// One line, safe for a terminal.
    fn line(&mut self, id: NodeId, line: String);
    /// A further attempt begins.
    fn attempt(&mut self, id: NodeId, number: u32);
}

/// Logs of the nodes that failed in the last run that did something, relative to the project root.
pub const LOGS: &str = ".ocelot/log";

/// How many lines a failure shows.
const TAIL_LINES: usize = 40;

/// Splits a log into the lines a failure shows and its bytes, redacted as a whole.
fn close_log(world: &World, capture: LogCapture<'_>) -> (Vec<String>, Vec<u8>) {
    let bytes = world.redactor.redact(&capture.finish());
    let text = sanitize_for_terminal(&bytes, Colours::Drop);
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| (*line).to_owned()).collect();
    (tail, bytes)
}

/// A text of ours without the values of secrets.
fn hide(world: &World, text: &str) -> String {
    String::from_utf8_lossy(&world.redactor.redact(text.as_bytes())).into_owned()
}

struct NodeLog<'a, 'b>(&'a mut LogCapture<'b>);

impl Log for NodeLog<'_, '_> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
}

/// Does the work.
pub fn work(world: &World, work: &Work, progress: &mut dyn Progress) -> Completion {
    let started = world.clock.elapsed_ms();
    let job = work.job();
    let mut worker = Worker { world, job, written: Vec::new(), warnings: Vec::new(), attempts: 0, began: false };
    let mut finished = None;
    let outcome = match work {
        Work::Restore(_, result) => worker.restore(result),
        Work::Run(_) => worker.attempts(progress, &mut finished).and_then(|produced| {
            let log = finished.as_ref().map(|(_, bytes): &(Vec<String>, Vec<u8>)| bytes.as_slice());
            worker.finish(produced, log.unwrap_or_default(), started)
        }),
    };
    let Worker { written, warnings, attempts, began, .. } = worker;
    // A command can name a file after a secret, or name one in a depfile.
    let warnings = warnings.iter().map(|text| hide(world, text)).collect();
    let outcome = outcome.map_err(|error| error.map_text(|text| hide(world, text)));
    world.following.ended(&job.node.name);
    let (tail, bytes) = finished.unwrap_or_default();
    let log = (!bytes.is_empty()).then(|| world.cache.put_bytes(&bytes).digest);
    let duration_ms = world.clock.elapsed_ms().saturating_sub(started);
    let failed = matches!(&outcome, Err(error) if !matches!(error, WorkError::Cancelled | WorkError::NeedsProducer(_)));
    let log_file = if failed { write_log(world, job, &bytes) } else { None };
    Completion { id: job.id, outcome, written, warnings, tail, log, log_file, duration_ms, attempts, began }
}

/// Puts what a failed node printed where any program can read it. The cache has it too: a file that cannot be written is
/// only not named.
fn write_log(world: &World, job: &Job, bytes: &[u8]) -> Option<String> {
    let name = job.work.file_name()?.to_str()?;
    let path = format!("{LOGS}/{name}.log");
    let text = sanitize_for_terminal(bytes, Colours::Drop);
    let is_kept = !bytes.is_empty() && atomic::write(&world.root.join(&path), text.as_bytes(), false).is_ok();
    is_kept.then_some(path)
}

struct Worker<'a> {
    world: &'a World,
    job: &'a Job,
    written: Vec<Written>,
    warnings: Vec<String>,
    attempts: u32,
    began: bool,
}

impl Worker<'_> {
    fn set_aside(&mut self) -> Result<(), WorkError> {
        if !self.job.set_aside.is_empty() {
            // Making room asks this too, but moving comes first.
            self.job
                .node
                .outputs()
                .into_iter()
                .try_for_each(|output| outputs::stay_inside(&self.world.root, output).map(drop))?;
        }
        self.warnings.extend(outputs::set_aside(self.world, &self.job.set_aside)?);
        self.began = true;
        Ok(())
    }

    fn restore(&mut self, result: &Arc<ActionResult>) -> Result<Success, WorkError> {
        let declared = self.job.node.outputs();
        if result.outputs.iter().filter_map(|output| output.path.as_deref()).any(|path| !declared.contains(&path)) {
            // No record of ours says so: as good as lost.
            return Err(WorkError::NeedsProducer(self.job.id));
        }
        self.set_aside()?;
        match outputs::lay_out(self.world, result) {
            Ok(written) => {
                self.written = written;
                Ok(success(Arc::clone(result)))
            }
            Err(LayOutError::Lost) => Err(WorkError::NeedsProducer(self.job.id)),
            Err(LayOutError::Work(error)) => Err(error),
        }
    }

    /// Works until an attempt succeeds or there is no further one; `finished` receives the log of all of them.
    fn attempts(
        &mut self,
        progress: &mut dyn Progress,
        finished: &mut Option<(Vec<String>, Vec<u8>)>,
    ) -> Result<Produced, WorkError> {
        let (world, job) = (self.world, self.job);
        self.set_aside()?;
        let lines = std::cell::RefCell::new(progress);
        let mut capture = LogCapture::with_lines(LogLimits::default(), |line| {
            if !world.live_output && !world.following.is_open() {
                return;
            }
            let line = sanitize_for_terminal(&world.redactor.redact(line), Colours::Drop);
            world.following.line(&job.node.name, &line);
            if world.live_output {
                lines.borrow_mut().line(job.id, line);
            }
        });
        let outcome = loop {
            self.attempts += 1;
            if self.attempts > 1 {
                lines.borrow_mut().attempt(job.id, self.attempts);
            }
            match kinds::run(world, job, &mut NodeLog(&mut capture)) {
                Err(error) if self.attempts <= job.node.retries && may_pass_later(&error) => {
                    NodeLog(&mut capture).line(&format!("attempt {} failed: {error}", self.attempts));
                    // 1 s, 2 s, 4 s, … at most a minute; an interrupt ends the pause.
                    let pause = Duration::from_secs(1 << (self.attempts - 1).min(6)).min(Duration::from_secs(60));
                    if world.cancel.pause_at(Level::None, pause) > Level::None {
                        break Err(WorkError::Cancelled);
                    }
                }
                outcome => break outcome,
            }
        };
        *finished = Some(close_log(world, capture));
        outcome
    }

    /// Turns what was made into a result, and records it.
    fn finish(&mut self, produced: Produced, log: &[u8], started: u64) -> Result<Success, WorkError> {
        let node = &self.job.node;
        let Produced { outputs, facts, measurements, mut discovered, changed_inputs, warnings, pin, left_undone } =
            produced;
        let changed_inputs: Vec<String> = self.changed_inputs().into_iter().chain(changed_inputs).collect();
        self.warnings.extend(warnings);
        for output in &outputs {
            if let Some(path) = &output.path {
                outputs::note_written(self.world, path, &output.content, &mut self.written)
                    .map_err(|_| WorkError::Environment("the cache lost a blob that was just stored".to_owned()))?;
            }
        }
        let log = (!log.is_empty()).then(|| self.world.cache.put_bytes(log).digest);
        let result = ActionResult {
            outputs,
            facts,
            measurements,
            log,
            duration_ms: self.world.clock.elapsed_ms().saturating_sub(started),
            ended_at: self.world.clock.unix_seconds(),
            run: self.world.run.clone(),
        };
        discovered.sort_by(|a, b| a.path.cmp(&b.path));
        let result = Arc::new(result);
        if changed_inputs.is_empty() {
            match node.class {
                Class::Effect if left_undone => {}
                Class::Effect => {
                    receipt::complete(self.world, self.job, &result)?;
                    // For the explanation of a later change; the receipt alone says whether it is done.
                    self.world.cache.put_bytes(&self.job.manifest.bytes);
                }
                Class::Pure | Class::Volatile | Class::Sink => self.record(&result, &discovered),
            }
        }
        Ok(Success { result, changed_inputs, discovered, pin })
    }

    /// Input paths whose content is no longer what the digest was made from.
    fn changed_inputs(&self) -> Vec<String> {
        // In a sandbox, what other nodes made came from the store.
        let generated = if self.job.sandbox { &[] } else { self.job.generated.as_slice() };
        let changed = self.job.files.iter().chain(generated).filter(|file| {
            let stamp = self.world.looker.stat(&file.path);
            stamp != file.stamp && {
                let found = self.world.looker.hash(&file.path, stamp);
                match &file.content {
                    Content::File(content) => {
                        found.digest != content.digest || found.stamp.executable != content.executable
                    }
                    Content::Symlink(target) => found.digest != BlobDigest::of(target.as_bytes()),
                    Content::Tree { .. } => false,
                }
            }
        });
        changed.map(|file| file.path.clone()).collect()
    }

    /// Stores the result under its action. A store that refuses costs a later run, not this one.
    fn record(&self, result: &ActionResult, discovered: &[Discovered]) {
        let manifest = &self.job.manifest;
        let known = self.world.cache.get_record(&manifest.action);
        let mut record = known
            .filter(|_| !discovered.is_empty())
            .and_then(|bytes| Record::decode(&bytes, &manifest.action))
            .unwrap_or(Record { action: manifest.action, own: manifest.own, alternatives: Vec::new() });
        record.push(Alternative { discovered: discovered.to_vec(), result: result.clone() });
        // What the store could not keep it says by its own warnings.
        self.world.cache.put_bytes(&manifest.bytes);
        self.world.cache.put_record(&manifest.action, &manifest.own, &record.encode());
    }
}

fn success(result: Arc<ActionResult>) -> Success {
    Success { result, changed_inputs: Vec::new(), discovered: Vec::new(), pin: None }
}

/// A wrong input stays wrong; a command or a network may do better next time.
fn may_pass_later(error: &WorkError) -> bool {
    matches!(error, WorkError::Command { .. } | WorkError::TimedOut | WorkError::Environment(_) | WorkError::Io { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::result::Output;
    use crate::exec::testing::{file, job, node, world};
    use crate::graph::node::{Exec, Kind};

    struct Quiet;
    impl Progress for Quiet {
        fn line(&mut self, _: NodeId, _: String) {}
        fn attempt(&mut self, _: NodeId, _: u32) {}
    }

    #[test]
    fn row_36_a_record_with_other_paths_than_the_node_declares_is_as_good_as_lost() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        std::fs::write(dir.path().join("precious"), "mine").unwrap();
        let exec = Exec { command: vec!["/bin/true".into()], outputs: vec!["out".into()], ..Exec::default() };
        let job = job(&world, node("n", Kind::Exec(Box::new(exec)), Class::Pure), Vec::new());
        let restored = |path: &str| {
            let output = Output { path: Some(path.to_owned()), ..file(&world, "out", b"planted") };
            let result = ActionResult { outputs: vec![output], ..ActionResult::default() };
            work(&world, &Work::Restore(job.clone(), Arc::new(result)), &mut Quiet).outcome
        };
        assert!(restored("out").is_ok());
        for path in ["../precious", "other", "pipeline.yaml"] {
            assert!(matches!(restored(path), Err(WorkError::NeedsProducer(_))), "{path}");
        }
        for path in ["../precious", "/precious", "a/../../precious", "."] {
            assert!(outputs::stay_inside(&world.root, path).is_err(), "{path}");
        }
        assert_eq!(std::fs::read_to_string(dir.path().join("precious")).unwrap(), "mine");
        assert_eq!(std::fs::read_dir(&world.root).unwrap().count(), 1);
    }
}
