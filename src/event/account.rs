//! What a run did, node by node, gathered from its events. The end of a run, its trace and its place in the history are
//! drawn from this one account.

use std::collections::BTreeMap;

use crate::action::verdict::{Reason, Verdict};
use crate::base::clock::Clock;
use crate::event::{Ended, Event, EventSink, Progress};

/// One node at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The node's instance name.
    pub node: String,
    /// What it does.
    pub kind: &'static str,
    /// The worker that was at it, from 0.
    pub worker: u32,
    /// When its work began, in microseconds since the program's start.
    pub start_us: u64,
    /// When its work ended.
    pub end_us: u64,
    /// How.
    pub end: Ended,
    /// How long its work took by the worker's own count, in milliseconds.
    pub duration_ms: u64,
    /// How many attempts there were.
    pub attempts: u32,
    /// Whether its outputs were those of the last time.
    pub unchanged: bool,
    /// Why it was worked on.
    pub reason: Reason,
}

/// A node that failed, and what was said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Its instance name.
    pub node: String,
    /// In one sentence.
    pub message: String,
    /// Whether there is a log of it.
    pub is_logged: bool,
}

/// An account that is being kept.
pub struct Account {
    clock: Clock,
    /// The run's name; empty before it began.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// When the loop began, in microseconds since the program's start.
    pub began_us: u64,
    /// Nodes at work, in the order in which they began.
    pub spans: Vec<Span>,
    /// Nodes that failed, in the order in which they did.
    pub failed: Vec<Failed>,
    open: BTreeMap<String, usize>,
    /// By worker: the span it was last at.
    at: Vec<Option<usize>>,
    reasons: BTreeMap<String, Reason>,
}

/// The end of a span that has none yet.
const OPEN: u64 = u64::MAX;

impl Account {
    /// An account of nothing.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            run: String::new(),
            pipeline: String::new(),
            began_us: 0,
            spans: Vec::new(),
            failed: Vec::new(),
            open: BTreeMap::new(),
            at: Vec::new(),
            reasons: BTreeMap::new(),
        }
    }

    /// Takes one event into account.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Started { pipeline, run, .. } => {
                self.pipeline.clone_from(pipeline);
                self.run.clone_from(run);
                self.began_us = self.clock.elapsed_us();
            }
            Event::Decided { node, verdict, reason, .. } if !matches!(verdict, Verdict::Fresh | Verdict::Skip) => {
                self.reasons.insert(node.clone(), reason.clone());
            }
            Event::Working { node, kind, attempt: 1, worker } => self.begin(node, kind, *worker),
            Event::Working { node, attempt, .. } => {
                if let Some(at) = self.open.get(node) {
                    self.spans[*at].attempts = *attempt;
                }
            }
            Event::Ended { node, end, duration_ms, unchanged, failure } => {
                if let Some(at) = self.open.remove(node) {
                    let now = self.clock.elapsed_us();
                    let span = &mut self.spans[at];
                    (span.end, span.duration_ms, span.unchanged) = (*end, *duration_ms, *unchanged);
                    span.end_us = span.end_us.min(now);
                }
                if let Some(failure) = failure {
                    let message = failure.message.lines().next().unwrap_or_default().to_owned();
                    self.failed.push(Failed { node: node.clone(), message, is_logged: failure.log.is_some() });
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, node: &str, kind: &'static str, worker: u32) {
        let now = self.clock.elapsed_us();
        let lane = worker as usize;
        if self.at.len() <= lane {
            self.at.resize(lane + 1, None);
        }
        if let Some(before) = self.at[lane].replace(self.spans.len()) {
            // A worker goes on before what it left has been looked at.
            self.spans[before].end_us = self.spans[before].end_us.min(now);
        }
        self.open.insert(node.to_owned(), self.spans.len());
        self.spans.push(Span {
            node: node.to_owned(),
            kind,
            worker,
            start_us: now,
            end_us: OPEN,
            end: Ended::Skipped,
            duration_ms: 0,
            attempts: 1,
            unchanged: false,
            reason: self.reasons.remove(node).unwrap_or(Reason::Unchanged),
        });
    }

    /// Ends what is still open: a run that was cut short has nodes of which no end was told.
    pub fn close(&mut self) {
        let now = self.clock.elapsed_us();
        self.spans.iter_mut().for_each(|span| span.end_us = span.end_us.min(now));
        self.open.clear();
    }

    /// Microseconds since the program's start.
    pub fn elapsed_us(&self) -> u64 {
        self.clock.elapsed_us()
    }
}

/// A sink that keeps an account of what it passes on.
pub struct Accounting {
    /// The account.
    pub account: Account,
    inner: Box<dyn EventSink>,
}

impl Accounting {
    /// Passes everything on to `inner`.
    pub fn new(inner: Box<dyn EventSink>, clock: Clock) -> Self {
        Self { account: Account::new(clock), inner }
    }
}

impl EventSink for Accounting {
    fn event(&mut self, event: &Event) {
        self.account.take(event);
        self.inner.event(event);
    }

    fn shows_progress(&self) -> bool {
        self.inner.shows_progress()
    }

    fn progress(&mut self, progress: &Progress) {
        self.inner.progress(progress);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::code;
    use crate::event::Failure;

    fn working(node: &str, attempt: u32, worker: u32) -> Event {
        Event::Working { node: node.into(), kind: "exec", attempt, worker }
    }

    fn ended(node: &str, end: Ended, failure: Option<Failure>) -> Event {
        Event::Ended { node: node.into(), end, duration_ms: 7, unchanged: false, failure }
    }

    fn account(events: &[Event]) -> Account {
        let mut account = Account::new(Clock::start());
        events.iter().for_each(|event| account.take(event));
        account
    }

    #[test]
    fn spans_of_one_worker_never_overlap() {
        // Worker 0 goes on with `b` before the end of `a` is told.
        let account = account(&[
            working("a", 1, 0),
            working("b", 1, 0),
            working("c", 1, 1),
            ended("a", Ended::Ran, None),
            ended("b", Ended::Ran, None),
            ended("c", Ended::Failed, Some(Failure::new(code::NODE_INVALID, "no\nmore"))),
        ]);
        let [a, b, c] = &account.spans[..] else { panic!("{:?}", account.spans) };
        assert!(a.end_us <= b.start_us && b.start_us <= b.end_us, "{a:?} {b:?}");
        assert_eq!((a.end, a.duration_ms, c.worker), (Ended::Ran, 7, 1));
        assert_eq!(account.failed, [Failed { node: "c".into(), message: "no".into(), is_logged: false }]);
    }

    #[test]
    fn reasons_and_attempts_go_to_their_span_and_a_second_life_is_a_second_span() {
        let decided =
            |reason| Event::Decided { node: "a".into(), verdict: Verdict::Run, row: "3", why: String::new(), reason };
        let mut account = account(&[
            decided(Reason::NeverRun),
            working("a", 1, 0),
            working("a", 2, 0),
            ended("a", Ended::Ran, None),
            decided(Reason::StoredDamaged),
            working("a", 1, 0),
        ]);
        account.close();
        let told: Vec<_> = account.spans.iter().map(|span| (span.attempts, span.reason.clone(), span.end)).collect();
        assert_eq!(told, [(2, Reason::NeverRun, Ended::Ran), (1, Reason::StoredDamaged, Ended::Skipped)]);
        assert!(account.spans[1].end_us < OPEN, "closed");
    }
}
