//! What is to be seen of a run while it goes on, as text: nodes at work with their last line, and the total.

use crate::event::{Counts, Event, Progress};
use crate::report::lines::{Paint, duration};

/// A node that is at work for less is not worth a line: it would be gone before it is read.
const MOMENT_MS: u64 = 300;

/// What is to be seen.
#[derive(Debug, Default)]
pub(in crate::report) struct View {
    /// How far the run is, as last told, and how many nodes had ended then.
    progress: Option<(Progress, u64)>,
    running: Vec<Running>,
    counts: Counts,
    /// When the run began, in milliseconds since the program's start.
    began_ms: u64,
}

#[derive(Debug)]
struct Running {
    node: String,
    since_ms: u64,
    attempt: u32,
    line: String,
}

impl View {
    /// Takes an event into account.
    pub(in crate::report) fn take(&mut self, event: &Event, now_ms: u64) {
        match event {
            Event::Started { .. } => self.began_ms = now_ms,
            Event::Working { node, attempt, .. } => match self.find(node) {
                Some(running) => running.attempt = *attempt,
                None => {
                    let (node, attempt) = (node.clone(), *attempt);
                    self.running.push(Running { node, since_ms: now_ms, attempt, line: String::new() });
                }
            },
            Event::Output { node, line } => {
                if let Some(running) = self.find(node) {
                    running.line.clone_from(line);
                }
            }
            Event::Ended { node, end, .. } => {
                self.running.retain(|running| running.node != *node);
                self.counts.add(*end);
            }
            _ => {}
        }
    }

    /// Takes how far the run is.
    pub(in crate::report) fn tell(&mut self, progress: &Progress) {
        self.progress = Some((progress.clone(), self.counts.total()));
    }

    fn find(&mut self, node: &str) -> Option<&mut Running> {
        self.running.iter_mut().find(|running| running.node == node)
    }

    /// Nodes at work, the longest first: name with time, and the last line printed. At most `most` lines, of which the last
    /// then says how many there are beside.
    pub(in crate::report) fn at_work(&self, now_ms: u64, most: usize, paint: Paint) -> Vec<String> {
        let long: Vec<&Running> =
            self.running.iter().filter(|running| now_ms.saturating_sub(running.since_ms) >= MOMENT_MS).collect();
        let shown = if long.len() > most { most.saturating_sub(1) } else { long.len() };
        let line = |running: &&Running| {
            let time = seconds(now_ms.saturating_sub(running.since_ms));
            let attempt = match running.attempt {
                0 | 1 => String::new(),
                attempt => format!(", attempt {attempt}"),
            };
            format!("  {} ({time}{attempt}) {}", running.node, paint.dim(&running.line))
        };
        let mut lines: Vec<String> = long.iter().take(shown).map(line).collect();
        if shown < long.len() {
            lines.push(format!("  … and {} more", long.len() - shown));
        }
        lines
    }

    /// How far the run is, as a bar and in words.
    pub(in crate::report) fn total(&self, now_ms: u64) -> String {
        let Counts { ran, fresh, restored, failed, skipped } = self.counts;
        let some = |count: u64, word: &str| (count > 0).then(|| format!("{count} {word}"));
        let mut parts = vec![format!("{ran} ran")];
        parts.extend(some(fresh + restored, "cached"));
        parts.extend(some(failed, "failed"));
        parts.extend(some(skipped, "skipped"));
        let Some((progress, ended)) = &self.progress else { return format!("{} {}", bar(0, 1), parts.join(", ")) };
        let forecast = &progress.forecast;
        let since = self.counts.total().saturating_sub(*ended);
        parts.push(format!("{} left", (forecast.open as u64).saturating_sub(since)));
        let elapsed = seconds(now_ms.saturating_sub(self.began_ms));
        let mut text = format!("{} {}; {elapsed}", bar(forecast.done, forecast.all), parts.join(", "));
        if let Some(left) = time_left(progress, now_ms) {
            text.push_str(&format!(", {left}"));
        }
        if let Some(held) = &progress.held {
            text.push_str(&format!("; {} held by pool {}", held.waiting, held.pool));
        }
        text
    }
}

/// The part of a whole, as a bar.
fn bar(done: u64, all: u64) -> String {
    const WIDTH: u64 = 16;
    let full = (done * WIDTH).checked_div(all).unwrap_or(0).min(WIDTH);
    let head = if full < WIDTH { ">" } else { "" };
    format!("[{}{head:<rest$}]", "=".repeat(full as usize), rest = (WIDTH - full) as usize)
}

/// In whole seconds: what is smaller would only jump about.
fn seconds(ms: u64) -> String {
    if ms < 60_000 { format!("{} s", ms / 1_000) } else { duration(ms) }
}

/// What is left, with no more certainty than there is; nothing if nothing is known.
fn time_left(progress: &Progress, now_ms: u64) -> Option<String> {
    let forecast = &progress.forecast;
    let left_ms = forecast.left_ms.saturating_sub(now_ms.saturating_sub(progress.at_ms));
    if left_ms == 0 {
        return None;
    }
    let left = seconds(left_ms.next_multiple_of(1_000));
    Some(match (forecast.unknown, forecast.undecided) {
        (0, 0) => format!("about {left} left"),
        (0, _) => format!("at most {left} left"),
        // Something may need no work, something may take for ever.
        (_, 0) => format!("at least {left} left"),
        (unknown, _) => format!("{left} left and {unknown} never run here"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Ended, Held};
    use crate::sched::forecast::Forecast;

    fn working(node: &str, attempt: u32) -> Event {
        Event::Working { node: node.into(), kind: "exec", attempt, worker: 0 }
    }

    fn ended(node: &str, end: Ended) -> Event {
        Event::Ended { node: node.into(), end, duration_ms: 1, unchanged: false, failure: None }
    }

    #[test]
    fn a_line_each_for_what_takes_longer_than_a_moment() {
        let mut view = View::default();
        for (at, node) in ["a", "b", "c", "d"].iter().enumerate() {
            view.take(&working(node, 1), at as u64 * 100);
        }
        view.take(&working("b", 2), 350);
        view.take(&Event::Output { node: "a".into(), line: "half".into() }, 350);
        view.take(&Event::Output { node: "nobody".into(), line: "lost".into() }, 350);
        let lines = |view: &View, now, most| -> Vec<String> {
            let lines = view.at_work(now, most, Paint(false));
            lines.iter().map(|line| line.trim().to_owned()).collect()
        };
        assert_eq!(lines(&view, 299, 9), [""; 0]);
        assert_eq!(lines(&view, 400, 9), ["a (0 s) half", "b (0 s, attempt 2)"]);
        assert_eq!(lines(&view, 2_000, 3), ["a (2 s) half", "b (1 s, attempt 2)", "… and 2 more"]);
        view.take(&ended("a", Ended::Ran), 2_000);
        assert_eq!(lines(&view, 2_000, 3).len(), 3, "all that are left have room");
        assert_eq!(lines(&view, 2_000, 1), ["… and 3 more"]);
    }

    #[test]
    fn the_total_counts_and_is_weighted_by_past_durations() {
        let mut view = View::default();
        assert_eq!(view.total(0), "[>               ] 0 ran");
        for end in [Ended::Ran, Ended::Fresh, Ended::Restored, Ended::Failed, Ended::Skipped] {
            view.take(&ended("n", end), 0);
        }
        let forecast = Forecast { done: 30, all: 40, open: 2, left_ms: 90_000, ..Forecast::default() };
        let held = Some(Held { pool: "net".into(), waiting: 7 });
        view.tell(&Progress { forecast, held, at_ms: 1_000 });
        let text = "[============>   ] 1 ran, 2 cached, 1 failed, 1 skipped, 2 left; 3 s, about 1 min 28 s left; 7 held by pool net";
        assert_eq!(view.total(3_000), text);
        view.take(&ended("n", Ended::Ran), 3_000);
        assert!(view.total(3_000).contains("2 ran, 2 cached, 1 failed, 1 skipped, 1 left"), "{}", view.total(3_000));
        assert_eq!(bar(4, 4), format!("[{}]", "=".repeat(16)));
    }

    #[test]
    fn an_estimate_is_as_sure_as_what_it_rests_on() {
        let left = |unknown, undecided, left_ms, now_ms| {
            let forecast = Forecast { unknown, undecided, left_ms, ..Forecast::default() };
            time_left(&Progress { forecast, held: None, at_ms: 0 }, now_ms)
        };
        assert_eq!(left(0, 0, 10_000, 400).as_deref(), Some("about 10 s left"));
        assert_eq!(left(0, 3, 10_000, 0).as_deref(), Some("at most 10 s left"));
        assert_eq!(left(2, 0, 10_000, 0).as_deref(), Some("at least 10 s left"));
        assert_eq!(left(2, 3, 10_000, 0).as_deref(), Some("10 s left and 2 never run here"));
        assert_eq!(left(5, 0, 0, 0), None, "nothing is known");
        assert_eq!(left(0, 0, 1_000, 2_000), None, "it should have ended; nobody knows when");
    }
}
