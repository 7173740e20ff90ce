//! Progress on a terminal: the same lines as elsewhere, above one line per running node and a total.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::base::clock::Clock;
use crate::event::{Event, EventSink};
use crate::report::lines::{Closing, LineSink};

/// Draws with indicatif.
pub struct ProgressSink {
    lines: LineSink,
    bars: MultiProgress,
    total: Option<ProgressBar>,
    running: BTreeMap<String, ProgressBar>,
    verbose: bool,
}

impl ProgressSink {
    /// On standard error.
    pub fn new(color: bool, verbose: bool, clock: Clock) -> Self {
        Self {
            lines: LineSink::new(color, verbose, clock).with_closing(Closing::Linked),
            bars: MultiProgress::new(),
            total: None,
            running: BTreeMap::new(),
            verbose,
        }
    }

    fn start(&mut self, node: &str) {
        let style = ProgressStyle::with_template("  {spinner} {prefix} {elapsed} {wide_msg:.dim}");
        let bar = self.bars.add(ProgressBar::new_spinner().with_prefix(node.to_owned()));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(120));
        self.running.insert(node.to_owned(), bar);
    }
}

impl EventSink for ProgressSink {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Started { nodes, .. } => {
                let style = ProgressStyle::with_template("  [{bar:30}] {pos}/{len} {elapsed}");
                let bar = self.bars.add(ProgressBar::new(*nodes as u64));
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
                self.total = Some(bar);
            }
            Event::Working { node, attempt: 1, .. } => self.start(node),
            Event::Output { node, line } if !self.verbose => {
                if let Some(bar) = self.running.get(node) {
                    bar.set_message(line.clone());
                }
                return;
            }
            Event::Ended { node, .. } => {
                if let Some(bar) = self.running.remove(node) {
                    bar.finish_and_clear();
                    self.bars.remove(&bar);
                }
                if let Some(total) = &self.total {
                    total.inc(1);
                }
            }
            Event::Finished(_) => {
                if let Some(total) = self.total.take() {
                    total.finish_and_clear();
                }
            }
            _ => {}
        }
        if let Some(text) = self.lines.text(event) {
            // A terminal that went away wants no more lines.
            self.bars.suspend(|| std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes())).ok();
        }
    }
}
