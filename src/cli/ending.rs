//! What a run leaves when it has ended: its place in the history, its sum, and the files that were asked for.

use crate::base::code::{self, Code};
use crate::cli::args::HowArgs;
use crate::cli::closing;
use crate::cli::exit::Exit;
use crate::cli::process::Process;
use crate::cli::record::{self, Before};
use crate::cli::record_file::RecordFile;
use crate::cli::trace::TraceFile;
use crate::cli::workspace::Workspace;
use crate::engine::outcome::RunOutcome;
use crate::event::account::Accounting;
use crate::event::{Event, EventSink};
use crate::graph::node::Graph;

/// A run that has ended, and whose state is saved. Its counters have the nodes that nobody looked at.
pub(in crate::cli) struct Ending<'a> {
    /// The process.
    pub(in crate::cli) process: &'a Process,
    /// How it was to go.
    pub(in crate::cli) how: &'a HowArgs,
    /// What it did.
    pub(in crate::cli) outcome: &'a RunOutcome,
    /// The actions before it.
    pub(in crate::cli) before: &'a Before,
    /// How it ends.
    pub(in crate::cli) exit: Exit,
    /// Whether it looked at a part of the graph only.
    pub(in crate::cli) is_partial: bool,
    /// Whether it is one of a project, with a history, rather than one in a copy that is thrown away.
    pub(in crate::cli) is_kept: bool,
    /// Whether the state could be saved; where it could not, no more is said of the history.
    pub(in crate::cli) is_saved: bool,
}

impl Ending<'_> {
    /// Tells and keeps all that there is.
    pub(in crate::cli) fn tell(&self, workspace: &mut Workspace, trace: Option<TraceFile>, sink: &mut Accounting) {
        sink.account.close();
        if let Some(file) = &self.how.record {
            let written = RecordFile::write(workspace, &self.process.dir.join(file));
            warn(sink, code::RECORD_FILE, written.map_err(|stop| stop.told().to_owned()));
        }
        if self.is_kept {
            let summary = closing::summary(workspace, self, &sink.account);
            let kept = record::keep(workspace, &record::record(workspace, self, &sink.account, summary.saved_ms));
            warn(sink, code::STATE_NOT_KEPT, kept.or_else(|message| if self.is_saved { Err(message) } else { Ok(()) }));
            if !self.outcome.counts.is_null() {
                sink.event(&Event::Summary(Box::new(summary)));
            }
        }
        write_trace(trace, sink, Some(&workspace.session.graph));
    }
}

/// Writes the trace, if one was asked for; there is no graph if nothing had changed.
pub(in crate::cli) fn write_trace(trace: Option<TraceFile>, sink: &mut Accounting, graph: Option<&Graph>) {
    if let Some(trace) = trace {
        let written = trace.write(&sink.account, graph);
        warn(sink, code::CANNOT_WRITE, written);
    }
}

fn warn(sink: &mut Accounting, code: Code, done: Result<(), String>) {
    if let Err(message) = done {
        sink.event(&Event::Warning { code, node: None, message });
    }
}
