//! Plain lines for people: one per node that did something, failures in full, a summary.

use std::collections::BTreeMap;
use std::io::Write;

use crate::base::clock::Clock;
use crate::base::shell::quote;
use crate::event::summary::Summary;
use crate::event::{Counts, Ended, Event, EventSink, Failure};
use crate::report::closing;

/// Prints lines to standard error.
pub struct LineSink {
    color: bool,
    verbose: bool,
    clock: Clock,
    /// Whether the end of a run is told in sum, and whether files in it are links.
    closing: Option<Closing>,
    summary: Option<Box<Summary>>,
    /// Why each node is being worked on, until it ends.
    why: BTreeMap<String, String>,
}

/// How the end of a run is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// In text alone.
    Plain,
    /// With links to files, which only a terminal understands.
    Linked,
}

impl LineSink {
    /// With or without colours; `verbose` shows fresh nodes and what commands print.
    pub fn new(color: bool, verbose: bool, clock: Clock) -> Self {
        Self { color, verbose, clock, closing: None, summary: None, why: BTreeMap::new() }
    }

    /// Tells the end of a run in sum too.
    #[must_use]
    pub fn with_closing(self, closing: Closing) -> Self {
        Self { closing: Some(closing), ..self }
    }

    /// The text for an event, if it has one.
    pub fn text(&mut self, event: &Event) -> Option<String> {
        let paint = Paint(self.color);
        match event {
            Event::Started { pipeline, nodes, .. } => {
                Some(format!("{} {pipeline}, {nodes} nodes\n", paint.bold("ocelot:")))
            }
            Event::Decided { node, why, .. } => {
                self.why.insert(node.clone(), why.clone());
                None
            }
            Event::Working { node, attempt, .. } if *attempt > 1 => {
                Some(format!("{} {node}: attempt {attempt}\n", paint.yellow("  retry")))
            }
            Event::Working { node, .. } => self.verbose.then(|| format!("{} {node}\n", paint.dim("  start"))),
            Event::Output { node, line } => Some(format!("{} {line}\n", paint.dim(&format!("{node} |")))),
            Event::Ended { node, end, duration_ms, unchanged, failure } => {
                let why = self.why.remove(node).unwrap_or_default();
                self.ended(node, *end, *duration_ms, *unchanged, failure.as_ref(), &why)
            }
            Event::Warning { code, node, message } => {
                let about = node.as_ref().map(|node| format!("`{node}`: ")).unwrap_or_default();
                Some(format!("{} {about}{message}\n", paint.yellow(&format!("warning[{code}]:"))))
            }
            Event::Note { message } => Some(format!("{} {message}\n", paint.dim("   note"))),
            Event::Summary(summary) => {
                self.summary = Some(summary.clone());
                None
            }
            Event::Finished(counts) => {
                let elapsed_ms = self.clock.elapsed_ms();
                let mut text = finished(counts, elapsed_ms, paint);
                if let (Some(closing), Some(summary)) = (self.closing, self.summary.take()) {
                    text.push_str(&closing::text(&summary, elapsed_ms, paint, closing == Closing::Linked));
                }
                Some(text)
            }
        }
    }

    fn ended(
        &self,
        node: &str,
        end: Ended,
        duration_ms: u64,
        unchanged: bool,
        failure: Option<&Failure>,
        why: &str,
    ) -> Option<String> {
        let paint = Paint(self.color);
        let time = duration(duration_ms);
        let why = if self.verbose { why.to_owned() } else { brief(why) };
        match end {
            Ended::Fresh if self.verbose => Some(format!("{} {node}\n", paint.dim("  fresh"))),
            Ended::Fresh => None,
            Ended::Ran => {
                let same = if unchanged { "; outputs unchanged" } else { "" };
                Some(format!("{} {node} {}\n", paint.green("    ran"), paint.dim(&format!("({time}) {why}{same}"))))
            }
            Ended::Restored => Some(format!("{} {node} {}\n", paint.green("restore"), paint.dim(&why))),
            Ended::Skipped => Some(format!("{} {node} {}\n", paint.yellow("   skip"), paint.dim(&why))),
            Ended::Failed => {
                let failure = failure?;
                let mut text = format!("{} {node} {}\n", paint.red("   FAIL"), paint.dim(&format!("({time})")));
                for (i, line) in failure.message.lines().enumerate() {
                    text.push_str(&format!(
                        "{} {line}\n",
                        if i == 0 { paint.red(&format!("error[{}]:", failure.code)) } else { "      ".to_owned() }
                    ));
                }
                text.push_str(&how_to_look(failure));
                Some(text)
            }
        }
    }
}

impl EventSink for LineSink {
    fn event(&mut self, event: &Event) {
        if let Some(text) = self.text(event) {
            std::io::stderr().lock().write_all(text.as_bytes()).ok();
        }
    }
}

/// As much of a reason as fits a line with its node; `why` has the rest.
fn brief(why: &str) -> String {
    const LONGEST: usize = 100;
    let line = why.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        None => line,
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
    }
}

/// What was different from a success, how to repeat a failed command, and what it printed.
fn how_to_look(failure: &Failure) -> String {
    const MOST_CHANGES: usize = 5;
    let mut text = String::new();
    for change in failure.changed.iter().take(MOST_CHANGES) {
        text.push_str(&format!("  changed since its last success: {change}\n"));
    }
    if failure.changed.len() > MOST_CHANGES {
        text.push_str(&format!("  and {} more changes\n", failure.changed.len() - MOST_CHANGES));
    }
    if let Some(command) = &failure.command {
        let line = match &failure.folder {
            Some(folder) => format!("(cd {} && {command})", quote(folder)),
            None => command.clone(),
        };
        text.push_str(&format!("  command: {line}\n"));
    }
    for line in &failure.tail {
        text.push_str(&format!("  | {line}\n"));
    }
    if let Some(log) = &failure.log {
        text.push_str(&format!("  all it printed: {log}\n"));
    }
    text
}

/// `1.2 s`, `340 ms`, `2 min 5 s`.
pub fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

fn finished(counts: &Counts, elapsed_ms: u64, paint: Paint) -> String {
    let time = duration(elapsed_ms);
    let Counts { ran, fresh, restored, failed, skipped } = counts;
    if counts.is_null() {
        return format!("{} nothing to do: {fresh} nodes are up to date ({time})\n", paint.green("fresh:"));
    }
    let word = match (*failed, *skipped) {
        (0, 0) => paint.green("done:"),
        (0, _) => paint.yellow("stopped:"),
        _ => paint.red("failed:"),
    };
    let failures = if failed + skipped > 0 { format!(", {failed} failed, {skipped} skipped") } else { String::new() };
    format!("{word} {ran} ran, {restored} restored, {fresh} fresh{failures} ({time})\n")
}

/// Wraps text in colours, or not.
#[derive(Clone, Copy)]
pub struct Paint(pub bool);

impl Paint {
    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
    /// Bold.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }
    /// For what is less important.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }
    /// For success.
    pub fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }
    /// For care.
    pub fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }
    /// For failure.
    pub fn red(self, text: &str) -> String {
        self.wrap("1;31", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::manifest::FieldChange;
    use crate::base::code;

    #[test]
    fn a_reason_is_one_line_of_the_terminal_and_whole_if_wanted() {
        let long = format!("of a: `{}`\n- b", "x".repeat(200));
        let said = |verbose| {
            let mut lines = LineSink::new(false, verbose, Clock::start());
            lines.why.insert("n".into(), long.clone());
            let end =
                Event::Ended { node: "n".into(), end: Ended::Ran, duration_ms: 1, unchanged: false, failure: None };
            lines.text(&end).unwrap()
        };
        let short = said(false);
        assert!(short.lines().count() == 1 && short.chars().count() < 130 && short.ends_with("x…\n"), "{short}");
        assert!(said(true).contains("- b"));
        assert_eq!(brief("a → b;\n  c"), "a → b; c");
    }

    #[test]
    fn durations_are_short() {
        for (ms, text) in [(0, "0 ms"), (999, "999 ms"), (1_250, "1.2 s"), (125_000, "2 min 5 s")] {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn a_null_run_says_so_and_a_failure_is_told_in_full() {
        let mut sink = LineSink::new(false, false, Clock::start());
        let null = sink.text(&Event::Finished(Counts { fresh: 3, ..Counts::default() })).unwrap();
        assert!(null.starts_with("fresh: nothing to do: 3 nodes are up to date ("), "{null}");
        let failure = Failure {
            command: Some("cc a.c".into()),
            folder: Some("/my project".into()),
            tail: vec!["a.c:1: oh".into()],
            log: Some(".ocelot/log/a.0.log".into()),
            changed: vec![FieldChange { field: "input a.c".into(), old: None, new: Some("x".into()) }],
            ..Failure::new(code::COMMAND_FAILED, "`cc` exited with status 1")
        };
        let ended = Event::Ended {
            node: "a".into(),
            end: Ended::Failed,
            duration_ms: 5,
            unchanged: false,
            failure: Some(failure),
        };
        assert_eq!(
            sink.text(&ended).unwrap(),
            "   FAIL a (5 ms)\n\
             error[OC0701]: `cc` exited with status 1\n\
             \u{20} changed since its last success: input a.c: added, `x`\n\
             \u{20} command: (cd '/my project' && cc a.c)\n\
             \u{20} | a.c:1: oh\n\
             \u{20} all it printed: .ocelot/log/a.0.log\n"
        );
    }
}
