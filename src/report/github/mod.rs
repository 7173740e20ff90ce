//! What a run shows under GitHub Actions: a group per node, annotations, step outputs, a page for the job.

pub mod command;
pub mod files;
pub mod summary;

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::path::PathBuf;

use crate::base::clock::Clock;
use crate::base::diag::Severity;
use crate::event::{Counts, Ended, Event, EventSink, Failure};
use crate::report::lines::LineSink;
use command::{Annotation, MOST_ANNOTATIONS, data, neutral};
use summary::Row;

/// The last lines that a node printed are shown, up to this many; `ocelot log` has all of them.
const MOST_LINES: usize = 2_000;

/// Where a step hands on results; each may be absent.
#[derive(Clone, Debug, Default)]
pub struct StepFiles {
    /// `GITHUB_OUTPUT`.
    pub output: Option<PathBuf>,
    /// `GITHUB_STEP_SUMMARY`.
    pub summary: Option<PathBuf>,
}

/// Prints as the runner of GitHub Actions reads it.
pub struct GithubSink<W> {
    out: W,
    files: StepFiles,
    lines: LineSink,
    pipeline: String,
    /// What running nodes have printed: groups do not nest, and nodes run side by side.
    printed: BTreeMap<String, Printed>,
    why: BTreeMap<String, String>,
    rows: Vec<Row>,
    errors: usize,
    warnings: usize,
}

#[derive(Default)]
struct Printed {
    last: VecDeque<String>,
    left_out: usize,
}

impl<W: Write> GithubSink<W> {
    /// Writes lines to `out`, and results to the files of the step.
    pub fn new(out: W, files: StepFiles, clock: Clock) -> Self {
        Self {
            out,
            files,
            lines: LineSink::new(false, false, clock),
            pipeline: String::new(),
            printed: BTreeMap::new(),
            why: BTreeMap::new(),
            rows: Vec::new(),
            errors: 0,
            warnings: 0,
        }
    }

    fn print(&mut self, text: &str) {
        // A reader that went away wants no more lines.
        self.out.write_all(text.as_bytes()).ok();
    }

    fn annotate(&mut self, severity: Severity, title: &str, message: &str) {
        let count = if severity == Severity::Error { &mut self.errors } else { &mut self.warnings };
        *count += 1;
        if *count <= MOST_ANNOTATIONS {
            let (title, message) = (title.to_owned(), message.to_owned());
            let command = Annotation { severity, place: None, title, message }.command();
            self.print(&(command + "\n"));
        }
    }

    fn ended(&mut self, event: &Event, node: &str, end: Ended, failure: Option<&Failure>) {
        let printed = self.printed.remove(node).unwrap_or_default();
        let mut event = event.clone();
        if let Event::Ended { failure: Some(failure), .. } = &mut event
            && !printed.last.is_empty()
        {
            // What it printed follows as a whole.
            failure.tail.clear();
        }
        let Some(head) = self.lines.text(&event) else { return };
        let mut body = String::new();
        if printed.left_out > 0 {
            body.push_str(&format!("  | ({} lines before; `ocelot log {node}` has them)\n", printed.left_out));
        }
        printed.last.iter().for_each(|line| body.push_str(&format!("  | {line}\n")));
        match end {
            Ended::Failed => {
                self.print(&neutral(&(head + &body)));
                let message = failure.map_or("", |failure| failure.message.as_str());
                let code = failure.map(|failure| format!(" ({})", failure.code)).unwrap_or_default();
                self.annotate(Severity::Error, &format!("{node} failed{code}"), message);
            }
            _ if body.is_empty() => self.print(&neutral(&head)),
            _ => {
                let group = format!("::group::{}\n{}::endgroup::\n", data(head.trim()), neutral(&body));
                self.print(&group);
            }
        }
    }

    fn finish(&mut self, counts: &Counts) {
        let Counts { ran, fresh, restored, failed, skipped } = counts;
        if let Some(file) = &self.files.summary {
            let page = summary::page(&self.pipeline, &self.rows, counts);
            if let Err(error) = files::write_summary(file, &page) {
                let message = format!("the job summary was not written: {error}");
                self.annotate(Severity::Warning, "", &message);
            }
        }
        if let Some(file) = &self.files.output {
            let all =
                [("ran", ran), ("fresh", fresh), ("restored", restored), ("failed", failed), ("skipped", skipped)];
            if let Err(error) = files::write_outputs(file, &all.map(|(name, count)| (name, count.to_string()))) {
                let message = format!("the step's outputs were not written: {error}");
                self.annotate(Severity::Error, "", &message);
            }
        }
        self.rows.clear();
    }
}

impl<W: Write> EventSink for GithubSink<W> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Output { node, line } => {
                let printed = self.printed.entry(node.clone()).or_default();
                if printed.last.len() == MOST_LINES {
                    printed.last.pop_front();
                    printed.left_out += 1;
                }
                printed.last.push_back(line.clone());
                return;
            }
            Event::Ended { node, end, duration_ms, failure, .. } => {
                let reason = self.why.remove(node).unwrap_or_default();
                let why = failure.as_ref().map_or(reason, |failure| failure.message.clone());
                self.rows.push(Row { node: node.clone(), end: *end, duration_ms: *duration_ms, why });
                return self.ended(event, node, *end, failure.as_ref());
            }
            Event::Warning { code, node, message } => {
                let title = node.as_ref().map_or_else(|| code.to_string(), |node| format!("{node} ({code})"));
                self.annotate(Severity::Warning, &title, message);
                if self.warnings <= MOST_ANNOTATIONS {
                    // The annotation is also a line of the log.
                    return;
                }
            }
            Event::Started { pipeline, .. } => self.pipeline.clone_from(pipeline),
            Event::Decided { node, why, .. } => {
                self.why.insert(node.clone(), why.clone());
            }
            Event::Working { node, attempt, .. } if *attempt > 1 => {
                // What an earlier attempt printed stays, told apart.
                let printed = self.printed.entry(node.clone()).or_default();
                printed.last.push_back(format!("(attempt {attempt})"));
            }
            Event::Finished(counts) => self.finish(counts),
            _ => {}
        }
        if let Some(text) = self.lines.text(event) {
            self.print(&neutral(&text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::code;

    fn shown(events: &[Event], files: StepFiles) -> String {
        let mut sink = GithubSink::new(Vec::new(), files, Clock::start());
        events.iter().for_each(|event| sink.event(event));
        String::from_utf8(sink.out).unwrap()
    }

    fn ended(node: &str, end: Ended, failure: Option<Failure>) -> Event {
        Event::Ended { node: node.into(), end, duration_ms: 5, unchanged: false, failure }
    }

    fn output(node: &str, line: &str) -> Event {
        Event::Output { node: node.into(), line: line.into() }
    }

    fn failure(message: &str) -> Option<Failure> {
        Some(Failure { tail: vec!["the tail".into()], ..Failure::new(code::COMMAND_FAILED, message) })
    }

    #[test]
    fn nodes_side_by_side_have_groups_of_their_own_and_failures_are_open() {
        let events = [
            output("a", "one"),
            output("b", "two"),
            output("a", "::endgroup::"),
            ended("a", Ended::Ran, None),
            ended("b", Ended::Failed, failure("`cc` exited with status 1")),
            ended("c", Ended::Ran, None),
        ];
        assert_eq!(
            shown(&events, StepFiles::default()),
            "::group::ran a (5 ms)\n  | one\n  | ::endgroup::\n::endgroup::\n\
             \u{20}  FAIL b (5 ms)\nerror[OC0701]: `cc` exited with status 1\n  | two\n\
             ::error title=b failed (OC0701)::`cc` exited with status 1\n\
             \u{20}   ran c (5 ms) \n"
        );
    }

    #[test]
    fn hostile_names_messages_and_lines_print_no_command_but_ours() {
        let hostile = "x\n::add-mask::a\r::error::b ##[error]c";
        let events = [
            Event::Started { pipeline: hostile.into(), run: String::new(), nodes: 1 },
            output(hostile, hostile),
            ended(hostile, Ended::Ran, None),
            output("n", hostile),
            ended("n", Ended::Failed, failure(hostile)),
            Event::Warning { code: code::NODE_WARNING, node: Some(hostile.into()), message: hostile.into() },
            Event::Note { message: hostile.into() },
        ];
        let text = shown(&events, StepFiles::default());
        let commands: Vec<&str> = text.split(['\n', '\r']).filter(|line| line.trim_start().starts_with("::")).collect();
        let words: Vec<&str> = commands.iter().map(|line| line[2..].split([':', ' ']).next().unwrap()).collect();
        assert_eq!(words, ["group", "endgroup", "error", "warning"], "{text}");
        let log: Vec<&str> = text.lines().filter(|line| !line.starts_with("::")).collect();
        assert!(log.iter().all(|line| !line.contains("##[")), "{text}");
    }

    #[test]
    fn annotations_end_at_ten_and_what_a_node_printed_is_bounded() {
        let mut events: Vec<Event> = (0..12)
            .map(|i| Event::Warning { code: code::NODE_WARNING, node: None, message: format!("w{i}") })
            .collect();
        events.extend((0..MOST_LINES + 5).map(|i| output("a", &format!("line {i}"))));
        events.push(ended("a", Ended::Ran, None));
        let text = shown(&events, StepFiles::default());
        assert_eq!(text.matches("::warning ").count(), MOST_ANNOTATIONS);
        assert!(text.contains("warning[OC0714]: w11\n"), "{text}");
        assert!(text.contains("(5 lines before; `ocelot log a` has them)\n  | line 5\n"), "bounded");
    }

    #[test]
    fn results_are_handed_on_in_files() {
        let dir = tempfile::tempdir().unwrap();
        let files = StepFiles { output: Some(dir.path().join("o")), summary: Some(dir.path().join("s")) };
        let counts = Counts { ran: 1, failed: 1, fresh: 3, ..Counts::default() };
        let events = [
            Event::Started { pipeline: "layers".into(), run: String::new(), nodes: 5 },
            ended("a", Ended::Ran, None),
            ended("b", Ended::Failed, failure("no")),
            Event::Finished(counts),
        ];
        let _ = shown(&events, files.clone());
        let output = std::fs::read_to_string(files.output.unwrap()).unwrap();
        assert!(output.starts_with("ran<<ocelot-") && output.contains("\n3\n"), "{output}");
        let page = std::fs::read_to_string(files.summary.unwrap()).unwrap();
        assert!(page.contains("| b | **failed** |") && page.contains("3 fresh (cached)"), "{page}");
    }
}
