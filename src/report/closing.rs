//! The last lines of a run that did something: what ran and why, what the cache saved, what was made and where it is, what
//! took so long, and what to type next. A dozen lines at most, and none that says nothing.

use std::fmt::Write as _;
use std::path::Path;

use crate::event::summary::{Artifact, FailedNode, Summary, Timed};
use crate::report::lines::{Paint, duration};

/// Kinds of reasons that are named.
const MOST_REASONS: usize = 5;
/// Artifacts that are named, and beside failures.
const MOST_ARTIFACTS: [usize; 2] = [4, 2];
/// Failures that are named.
const MOST_FAILED: usize = 3;
/// Slow nodes that are named.
const MOST_SLOW: usize = 3;
/// Nodes of the critical path that are named; of a longer one those in the middle are counted.
const MOST_ON_PATH: usize = 5;
/// Nobody waits for less: no word about what took how long.
const WORTH_A_LOOK_MS: u64 = 100;

/// The lines, with colours and links or without.
pub fn text(summary: &Summary, elapsed_ms: u64, paint: Paint, links: bool) -> String {
    let mut out = String::new();
    let mut line = |label: &str, text: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{} {text}", paint.dim(&format!("{label:>7}")));
    };
    for (at, text) in failed(&summary.failed).iter().enumerate() {
        line(if at == 0 { "failed" } else { "" }, text);
    }
    if let Some(text) = reasons(summary) {
        line("why", &text);
    }
    if let Some(text) = saved(summary) {
        line("cached", &text);
    }
    for (at, text) in artifacts(summary, links).iter().enumerate() {
        line(if at == 0 { "made" } else { "" }, text);
    }
    if summary.slowest.first().is_some_and(|slowest| slowest.duration_ms >= WORTH_A_LOOK_MS) {
        if summary.slowest.len() >= MOST_SLOW {
            line("slowest", &slowest(&summary.slowest));
        }
        if summary.critical.len() > 1 {
            line("path", &critical(&summary.critical, elapsed_ms));
        }
    }
    if let Some(next) = &summary.next {
        line("next", &format!("{} {}", paint.bold(&next.command), paint.dim(&format!("({})", next.what))));
    }
    out
}

fn failed(failed: &[FailedNode]) -> Vec<String> {
    // A single failure was told just above.
    if failed.len() < 2 {
        return Vec::new();
    }
    let mut lines: Vec<String> =
        failed.iter().take(MOST_FAILED).map(|one| format!("{}: {}", one.node, one.message)).collect();
    lines.extend(more(failed.len(), MOST_FAILED));
    lines
}

/// Only where there is something to fold: the line of a single node has its reason.
fn reasons(summary: &Summary) -> Option<String> {
    let nodes: u64 = summary.reasons.iter().map(|reasons| reasons.count).sum();
    let named = summary.reasons.iter().take(MOST_REASONS).map(|one| format!("{} ({})", one.what, one.count));
    let mut named: Vec<String> = named.collect();
    let rest: u64 = summary.reasons.iter().skip(MOST_REASONS).map(|reasons| reasons.count).sum();
    if rest > 0 {
        named.push(format!("other ({rest})"));
    }
    (nodes > 1).then(|| named.join(", "))
}

fn saved(summary: &Summary) -> Option<String> {
    let at_least = if summary.saved_more { "at least " } else { "" };
    let nodes = if summary.cached == 1 { "node" } else { "nodes" };
    (summary.saved_ms > 0)
        .then(|| format!("{} {nodes}, {at_least}{} of work saved", summary.cached, duration(summary.saved_ms)))
}

fn artifacts(summary: &Summary, links: bool) -> Vec<String> {
    let most = MOST_ARTIFACTS[usize::from(!summary.failed.is_empty())];
    let shown = summary.artifacts.iter().take(most);
    let mut lines: Vec<String> = shown.map(|artifact| shown_artifact(artifact, &summary.root, links)).collect();
    lines.extend(more(summary.artifacts.len(), most));
    lines
}

fn shown_artifact(artifact: &Artifact, root: &Path, links: bool) -> String {
    // A path may have any character; a terminal is to see none that it would obey.
    let place: String = artifact.place.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let Some(bytes) = artifact.size else { return place };
    let shown = if links { link(&root.join(&artifact.place), &place) } else { place };
    format!("{shown} ({})", size(bytes))
}

/// The text as a link to a file, as terminals understand it (OSC 8).
fn link(path: &Path, text: &str) -> String {
    let mut url = String::from("file://");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => url.push(char::from(*byte)),
            // Writing to a String cannot fail.
            byte => drop(write!(url, "%{byte:02X}")),
        }
    }
    format!("\u{1b}]8;;{url}\u{1b}\\{text}\u{1b}]8;;\u{1b}\\")
}

fn slowest(slowest: &[Timed]) -> String {
    let shown = slowest.iter().take(MOST_SLOW).map(|one| format!("{} {}", one.node, duration(one.duration_ms)));
    shown.collect::<Vec<_>>().join(", ")
}

fn critical(path: &[Timed], elapsed_ms: u64) -> String {
    let total: u64 = path.iter().map(|one| one.duration_ms).sum();
    let name = |one: &Timed| one.node.clone();
    let names: Vec<String> = if path.len() <= MOST_ON_PATH {
        path.iter().map(name).collect()
    } else {
        let (head, tail) = (&path[..2], &path[path.len() - 2..]);
        let middle = format!("… {} more …", path.len() - 4);
        head.iter().map(name).chain([middle]).chain(tail.iter().map(name)).collect()
    };
    // What nodes wait for beside each other's work is in the run's time only.
    let elapsed_ms = elapsed_ms.max(total);
    format!("{}: {} of {}", names.join(" → "), duration(total), duration(elapsed_ms))
}

fn more(count: usize, shown: usize) -> Option<String> {
    (count > shown).then(|| format!("… and {} more", count - shown))
}

/// Bytes for people: `312 B`, `14.1 KiB`, `2.7 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::summary::{Next, Reasons};

    fn timed(node: &str, duration_ms: u64) -> Timed {
        Timed { node: node.to_owned(), duration_ms }
    }

    fn reasons(what: &str, count: u64) -> Reasons {
        Reasons { what: what.to_owned(), count }
    }

    fn artifact(place: &str, size: Option<u64>) -> Artifact {
        Artifact { node: "n".to_owned(), place: place.to_owned(), size }
    }

    fn whole() -> Summary {
        Summary {
            run: "r".into(),
            reasons: vec![reasons("input changed", 9), reasons("never run", 3)],
            cached: 17,
            saved_ms: 41_200,
            saved_more: true,
            artifacts: vec![artifact("build/a.zip", Some(2_831_155)), artifact("layer:eu:a:1", None)],
            slowest: vec![timed("a", 900), timed("b", 300), timed("c", 20), timed("d", 1)],
            critical: vec![timed("a", 900), timed("c", 20)],
            failed: Vec::new(),
            next: Some(Next { command: "ocelot why --last".into(), what: "what changed".into() }),
            root: "/p".into(),
        }
    }

    #[test]
    fn every_line_that_has_something_to_say() {
        assert_eq!(
            text(&whole(), 1_250, Paint(false), false),
            "    why input changed (9), never run (3)\n \
             cached 17 nodes, at least 41.2 s of work saved\n   \
             made build/a.zip (2.6 MiB)\n        \
             layer:eu:a:1\n\
             slowest a 900 ms, b 300 ms, c 20 ms\n   \
             path a → c: 920 ms of 1.2 s\n   \
             next ocelot why --last (what changed)\n"
        );
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        assert_eq!(text(&Summary::default(), 5, Paint(false), false), "");
        let one = Summary {
            reasons: vec![reasons("never run", 1)],
            slowest: vec![timed("a", 20_000)],
            next: None,
            ..whole()
        };
        let told =
            text(&Summary { critical: vec![timed("a", 20_000)], saved_ms: 0, ..one }, 20_000, Paint(false), false);
        for label in ["why", "cached", "slowest", "path"] {
            assert!(!told.contains(label), "{label}: {told}");
        }
        let quick = Summary { slowest: vec![timed("a", 9), timed("b", 8), timed("c", 1)], ..whole() };
        assert!(!text(&quick, 20, Paint(false), false).contains("slowest"));
    }

    #[test]
    fn much_is_counted_and_the_whole_has_a_dozen_lines() {
        let failed = |at: usize| FailedNode { node: format!("f{at}"), message: "`cc` exited with status 1".into() };
        let much = Summary {
            reasons: (1..9).map(|count| reasons("x", count)).collect(),
            artifacts: (0..9).map(|at| artifact(&format!("out/{at}"), Some(at))).collect(),
            critical: (0..9).map(|at| timed(&format!("n{at}"), 100)).collect(),
            ..whole()
        };
        let told = text(&much, 900, Paint(false), false);
        assert!(told.contains("x (5), other (21)"), "{told}");
        assert!(told.contains("out/3 (3 B)\n        … and 5 more\n"), "{told}");
        assert!(told.contains("n0 → n1 → … 5 more … → n7 → n8: 900 ms of 900 ms"), "{told}");
        let told = text(&Summary { failed: (0..9).map(failed).collect(), ..much }, 900, Paint(false), false);
        assert!(told.contains(" failed f0: `cc` exited with status 1\n"), "{told}");
        assert!(told.contains("f2: `cc` exited with status 1\n        … and 6 more\n"), "{told}");
        assert!(told.lines().count() <= 12, "{told}");
    }

    #[test]
    fn links_are_for_files_and_hold_whatever_a_path_has() {
        let summary =
            Summary { artifacts: vec![artifact("a b\u{1b}]8;;x\u{7}", Some(1)), artifact("arn:1", None)], ..whole() };
        let told = text(&summary, 1, Paint(false), true);
        let expected = "\u{1b}]8;;file:///p/a%20b%1B%5D8%3B%3Bx%07\u{1b}\\a b?]8;;x?\u{1b}]8;;\u{1b}\\ (1 B)\n";
        assert!(told.contains(expected), "{told:?}");
        assert!(told.contains(" arn:1\n"), "{told:?}");
        assert!(!text(&summary, 1, Paint(false), false).contains('\u{1b}'), "no links but on a terminal");
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, told) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (2_831_155, "2.6 MiB"), (1 << 40, "1.0 TiB")]
        {
            assert_eq!(size(bytes), told);
        }
    }
}
