//! A plan for people: what is to be done, by kind, with what is fresh as a count and how long it took the last time.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::action::verdict::Verdict;
use crate::graph::fold::folded;
use crate::graph::node::Node;
use crate::report::lines::{Paint, duration};

/// Names are padded to at most this many columns, so that one long name moves no other line's reason out of sight.
const WIDEST: usize = 40;

/// One node with its verdict.
pub(super) struct Row<'a> {
    /// The node.
    pub(super) node: &'a Node,
    /// What would be done.
    pub(super) verdict: Verdict,
    /// Why; not asked of a fresh node that is only counted.
    pub(super) why: String,
    /// How long its work took the last time, in milliseconds; `None` if it never ran here.
    pub(super) last_ms: Option<u64>,
}

/// The instances of one node that share verdict and reason.
struct Entry<'a> {
    rows: Vec<Row<'a>>,
}

/// All nodes of one kind.
#[derive(Default)]
struct Group<'a> {
    entries: Vec<Entry<'a>>,
}

/// A plan, as it is collected node by node.
#[derive(Default)]
pub(super) struct Grouped<'a> {
    groups: Vec<(&'static str, Group<'a>)>,
    /// Where the instances of a node with a verdict and a reason are, by group and entry.
    places: HashMap<(&'a str, &'static str, String), (usize, usize)>,
    work: Work,
}

/// What the work is expected to take, from what it took the last time.
#[derive(Default)]
struct Work {
    /// Milliseconds of the nodes that surely work.
    sure_ms: u64,
    /// Milliseconds of those that may.
    perhaps_ms: u64,
    /// How many of both never ran here.
    unknown: usize,
}

impl Work {
    fn add(&mut self, row: &Row<'_>) {
        match (row.verdict, row.last_ms) {
            (Verdict::Run | Verdict::Ask, Some(ms)) => self.sure_ms += ms,
            (Verdict::MayRun, Some(ms)) => self.perhaps_ms += ms,
            (Verdict::Run | Verdict::Ask | Verdict::MayRun, None) => self.unknown += 1,
            (Verdict::Fresh | Verdict::Restore | Verdict::Skip, _) => {}
        }
    }

    /// In words; empty if nothing would work. Never a sum that something unknown is left out of without saying so.
    fn text(&self) -> String {
        let Self { sure_ms, perhaps_ms, unknown } = *self;
        match (sure_ms, perhaps_ms, unknown) {
            (0, 0, 0) => String::new(),
            (0, 0, _) => "work: unknown, never run here".to_owned(),
            (_, 0, 0) => format!("work: about {}", duration(sure_ms)),
            (_, _, 0) => format!("work: {} to {}", duration(sure_ms), duration(sure_ms + perhaps_ms)),
            _ => format!("work: ≥ {}, and {unknown} never run here", duration(sure_ms)),
        }
    }
}

impl<'a> Grouped<'a> {
    /// Adds a node that is shown.
    pub(super) fn add(&mut self, row: Row<'a>) {
        self.work.add(&row);
        let at = self.group(row.node.kind.name());
        let entries = &mut self.groups[at].1.entries;
        let key = (row.node.base.as_str(), row.verdict.word(), row.why.clone());
        let (group, entry) = *self.places.entry(key).or_insert_with(|| {
            entries.push(Entry { rows: Vec::new() });
            (at, entries.len() - 1)
        });
        self.groups[group].1.entries[entry].rows.push(row);
    }

    /// The place of a kind's group; kinds come in the order in which they are met, which is that of the work.
    fn group(&mut self, kind: &'static str) -> usize {
        self.groups.iter().position(|(name, _)| *name == kind).unwrap_or_else(|| {
            self.groups.push((kind, Group::default()));
            self.groups.len() - 1
        })
    }

    /// The groups, and last the totals and the command that does it.
    pub(super) fn text(&self, paint: Paint, counts: [usize; 6], next: &str) -> String {
        let mut out = String::new();
        for (kind, group) in &self.groups {
            out.push_str(&group.text(kind, paint));
        }
        if !out.is_empty() {
            out.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = writeln!(out, "plan: {}", totals(counts));
        let work = self.work.text();
        if !work.is_empty() {
            let _ = writeln!(out, "{work}");
        }
        let [fresh, .., skipped] = counts;
        if counts.iter().sum::<usize>() > fresh + skipped {
            let _ = writeln!(out, "next: {}", paint.bold(next));
        }
        out
    }
}

impl Group<'_> {
    fn text(&self, kind: &str, paint: Paint) -> String {
        let shown: usize = self.entries.iter().map(|entry| entry.rows.len()).sum();
        let mut out = format!("{} {}\n", paint.bold(kind), paint.dim(&format!("({shown})")));
        let lines: Vec<(String, &[Row<'_>])> = self.entries.iter().flat_map(Entry::lines).collect();
        let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(WIDEST);
        for (name, rows) in lines {
            let Some(first) = rows.first() else { continue };
            let verdict = first.verdict;
            let word = format!("{} {:<7}", sign(verdict), verdict.word());
            let word = match verdict {
                Verdict::Fresh => paint.dim(&word),
                Verdict::Restore => paint.green(&word),
                _ => paint.yellow(&word),
            };
            let detail = paint.dim(&format!("{}{}", first.why, time(verdict, rows)));
            // Writing to a String cannot fail.
            let _ = writeln!(out, "  {word}  {name:<width$}  {detail}");
        }
        out
    }
}

impl<'a> Entry<'a> {
    /// One line if the instances are all combinations of their values, else one for each.
    fn lines(&self) -> Vec<(String, &[Row<'a>])> {
        let values: Vec<&[String]> = self.rows.iter().map(|row| row.node.values.as_slice()).collect();
        match self.rows.first().and_then(|row| folded(&row.node.base, &values)) {
            Some(name) => vec![(name, &self.rows[..])],
            None => self.rows.chunks(1).map(|row| (row[0].node.name.clone(), row)).collect(),
        }
    }
}

/// The sign of a verdict, as on the page of `graph --format html`.
fn sign(verdict: Verdict) -> char {
    match verdict {
        Verdict::Fresh => '✓',
        Verdict::Restore => '↺',
        Verdict::MayRun => '◐',
        Verdict::Ask => '?',
        Verdict::Run => '●',
        Verdict::Skip => '–',
    }
}

/// What these nodes took the last time, if they would work; those that never ran are not counted as nothing.
fn time(verdict: Verdict, rows: &[Row<'_>]) -> String {
    if !verdict.is_open() {
        return String::new();
    }
    let known: Vec<u64> = rows.iter().filter_map(|row| row.last_ms).collect();
    match known.len() {
        0 => " (time unknown)".to_owned(),
        all if all == rows.len() => format!(" (last {})", duration(known.iter().sum())),
        _ => format!(" (≥ {})", duration(known.iter().sum())),
    }
}

/// `2 to run, 14 fresh`: what there is none of is left out.
fn totals([fresh, restore, may_run, ask, to_run, skip]: [usize; 6]) -> String {
    let all = [
        (to_run, "to run"),
        (may_run, "may run"),
        (ask, "to ask"),
        (restore, "to restore"),
        (skip, "to skip"),
        (fresh, "fresh"),
    ];
    let some: Vec<String> =
        all.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if some.is_empty() { "nothing to do".to_owned() } else { some.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_says_what_it_does_not_know() {
        let text = |sure_ms, perhaps_ms, unknown| Work { sure_ms, perhaps_ms, unknown }.text();
        assert_eq!(text(0, 0, 0), "");
        assert_eq!(text(0, 0, 3), "work: unknown, never run here");
        assert_eq!(text(1_500, 0, 0), "work: about 1.5 s");
        assert_eq!(text(1_000, 2_000, 0), "work: 1.0 s to 3.0 s");
        assert_eq!(text(1_000, 2_000, 1), "work: ≥ 1.0 s, and 1 never run here");
    }

    #[test]
    fn totals_leave_out_what_there_is_none_of() {
        assert_eq!(totals([3, 0, 1, 0, 2, 0]), "2 to run, 1 may run, 3 fresh");
        assert_eq!(totals([0; 6]), "nothing to do");
    }
}
