//! The page that a job of GitHub Actions shows: what ran and why, and what was cached.

use std::fmt::Write as _;

use crate::event::{Counts, Ended};
use crate::report::lines::duration;

/// How one node ended, for the page.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its instance name.
    pub node: String,
    /// How.
    pub end: Ended,
    /// How long its work took.
    pub duration_ms: u64,
    /// Why it was worked on, or what went wrong.
    pub why: String,
}

/// The page in Markdown: failures first, then what ran, in the order in which it ended.
pub fn page(pipeline: &str, rows: &[Row], counts: &Counts) -> String {
    let Counts { ran, fresh, restored, failed, skipped } = counts;
    // A run with nothing to do reads no pipeline, and does not know its name.
    let pipeline = if pipeline.is_empty() { "ocelot" } else { pipeline };
    let mut text = format!(
        "### {}\n\n{ran} ran, {restored} restored, {fresh} fresh (cached), {failed} failed, {skipped} skipped\n\n",
        cell(pipeline)
    );
    let order = |end: Ended| match end {
        Ended::Failed => 0,
        Ended::Skipped => 1,
        Ended::Ran => 2,
        Ended::Restored => 3,
        Ended::Fresh => 4,
    };
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by_key(|row| order(row.end));
    if rows.is_empty() {
        return text;
    }
    text.push_str("| node | result | time | why |\n|---|---|---:|---|\n");
    for row in rows {
        let (word, time) = match row.end {
            Ended::Failed => ("**failed**", duration(row.duration_ms)),
            Ended::Skipped => ("skipped", String::new()),
            Ended::Ran => ("ran", duration(row.duration_ms)),
            Ended::Restored => ("restored", String::new()),
            Ended::Fresh => ("fresh (cached)", String::new()),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {} | {word} | {time} | {} |", cell(&row.node), cell(&row.why));
    }
    text.push('\n');
    text
}

/// Text for one cell: it can be neither Markdown nor HTML, and never leaves the cell.
fn cell(text: &str) -> String {
    const LONGEST: usize = 400;
    let mut out = String::with_capacity(text.len());
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            out.push('…');
            break;
        }
        match c {
            c if c.is_control() => out.push(' '),
            // Entities are text in every place of Markdown; a backslash is not within code spans.
            c if c.is_ascii_punctuation() && !matches!(c, '.' | ',' | '-' | '/' | '(' | ')' | ';') => {
                let _ = write!(out, "&#{};", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_come_first_and_cells_hold_whatever_they_are_given() {
        let row = |node: &str, end, why: &str| Row { node: node.into(), end, duration_ms: 1_200, why: why.into() };
        let rows = [
            row("a[b|c]", Ended::Ran, "x\n| forged | row |"),
            row("d", Ended::Failed, "<img src=x> `code` [l](http://x) @all"),
            row("e", Ended::Fresh, ""),
        ];
        let text = page("p", &rows, &Counts { ran: 1, fresh: 1, failed: 1, ..Counts::default() });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], "1 ran, 0 restored, 1 fresh (cached), 1 failed, 0 skipped");
        assert!(lines[6].starts_with("| d | **failed** | 1.2 s | &#60;img src"), "{text}");
        assert!(lines[7].starts_with("| a&#91;b&#124;c&#93; | ran | 1.2 s | x &#124; forged"), "{text}");
        assert!(lines[8].starts_with("| e | fresh (cached) |"), "{text}");
        assert!(lines[6..9].iter().all(|line| line.matches('|').count() == 5), "{text}");
        assert!(!text.contains(['<', '`', '@']), "{text}");
    }
}
