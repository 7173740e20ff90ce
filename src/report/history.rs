//! The history of a workspace as text: a line per run, and what made the last ones slow.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::base::clock::format_utc;
use crate::event::Ended;
use crate::event::record::RunRecord;
use crate::report::lines::duration;
use crate::report::table::table;

/// Nodes that `slow` names.
const MOST_NODES: usize = 10;

/// A line per run, oldest first, under a head.
pub fn runs(runs: &[(u64, &RunRecord)]) -> String {
    let head = ["run", "began (UTC)", "took", "ran", "cached", "failed", "hits", "saved", "command"];
    let mut rows = vec![head.map(str::to_owned)];
    for (number, run) in runs {
        let counts = &run.counts;
        rows.push([
            number.to_string(),
            format_utc(run.started_at),
            duration(run.took_ms),
            counts.ran.to_string(),
            (counts.fresh + counts.restored).to_string(),
            failed(run),
            run.hit_rate().map_or_else(|| "-".to_owned(), |rate| format!("{rate} %")),
            if run.saved_ms == 0 { "-".to_owned() } else { duration(run.saved_ms) },
            run.command.clone(),
        ]);
    }
    table(&rows, &[1, 8])
}

/// How many nodes failed; of a run that was cut short, what ended it.
fn failed(run: &RunRecord) -> String {
    match run.exit {
        129.. => format!("signal {}", run.exit - 128),
        _ if run.counts.failed == 0 => "-".to_owned(),
        _ => run.counts.failed.to_string(),
    }
}

/// What made some runs slow.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Slow {
    /// How many runs.
    pub runs: usize,
    /// How long they took in all, in milliseconds.
    pub took_ms: u64,
    /// The work of all nodes in them, in milliseconds; side by side it takes less time.
    pub work_ms: u64,
    /// By node, most work first.
    pub nodes: Vec<Share>,
    /// By reason, most work first.
    pub reasons: Vec<Share>,
}

/// A part of the work of some runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The node, or the reason.
    pub what: String,
    /// Its work, in milliseconds.
    pub work_ms: u64,
    /// How often.
    pub times: u64,
    /// For a node: why, most work first. For a reason: the nodes.
    pub of: Vec<String>,
}

impl Slow {
    /// Adds up runs.
    pub fn of(runs: &[(u64, &RunRecord)]) -> Self {
        let worked = runs.iter().flat_map(|(_, run)| &run.nodes);
        let worked: Vec<_> = worked.filter(|node| matches!(node.end, Ended::Ran | Ended::Failed)).collect();
        let pairs: Vec<(&str, &str, u64)> =
            worked.iter().map(|node| (node.node.as_str(), node.topic.words(), node.duration_ms)).collect();
        Self {
            runs: runs.len(),
            took_ms: runs.iter().map(|(_, run)| run.took_ms).sum(),
            work_ms: pairs.iter().map(|(_, _, ms)| ms).sum(),
            nodes: shares(pairs.iter().copied()),
            reasons: shares(pairs.iter().map(|(node, reason, ms)| (*reason, *node, *ms))),
        }
    }

    /// As text.
    pub fn text(&self) -> String {
        let mut out = format!(
            "the last {} runs took {}; their nodes were at work for {}\n",
            self.runs,
            duration(self.took_ms),
            duration(self.work_ms)
        );
        for (head, shares) in [("node", &self.nodes), ("reason", &self.reasons)] {
            let mut rows = vec![["work", "share", "times", head, ""].map(str::to_owned)];
            for share in shares.iter().take(MOST_NODES) {
                let percent = (share.work_ms * 100).checked_div(self.work_ms).unwrap_or(0);
                rows.push([
                    duration(share.work_ms),
                    format!("{percent} %"),
                    share.times.to_string(),
                    share.what.clone(),
                    shown(&share.of),
                ]);
            }
            out.push('\n');
            out.push_str(&table(&rows, &[3, 4]));
            if shares.len() > MOST_NODES {
                // Writing to a String cannot fail.
                let _ = writeln!(out, "… and {} more", shares.len() - MOST_NODES);
            }
        }
        out
    }
}

/// The first few names.
fn shown(names: &[String]) -> String {
    const MOST: usize = 3;
    let mut text = names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        text.push_str(", …");
    }
    text
}

/// Adds up work under its first name, most first, with the second names that it has, most first.
fn shares<'a>(work: impl Iterator<Item = (&'a str, &'a str, u64)>) -> Vec<Share> {
    let mut sums: BTreeMap<&str, (u64, u64, BTreeMap<&str, u64>)> = BTreeMap::new();
    for (what, of, ms) in work {
        let (work_ms, times, by) = sums.entry(what).or_default();
        *work_ms += ms;
        *times += 1;
        *by.entry(of).or_default() += ms;
    }
    let mut shares: Vec<Share> = sums
        .into_iter()
        .map(|(what, (work_ms, times, by))| {
            let mut of: Vec<(&str, u64)> = by.into_iter().collect();
            of.sort_by_key(|(_, ms)| std::cmp::Reverse(*ms));
            let of = of.into_iter().map(|(name, _)| name.to_owned()).collect();
            Share { what: what.to_owned(), work_ms, times, of }
        })
        .collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.work_ms));
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::topic::Topic;
    use crate::event::Counts;
    use crate::event::record::NodeRecord;

    fn node(name: &str, end: Ended, duration_ms: u64, topic: Topic) -> NodeRecord {
        NodeRecord {
            node: name.into(),
            kind: "exec".into(),
            end,
            duration_ms,
            topic,
            why: Vec::new(),
            before: None,
            after: None,
            log: None,
        }
    }

    fn run(counts: Counts, nodes: Vec<NodeRecord>) -> RunRecord {
        RunRecord { took_ms: 1_500, counts, nodes, command: "run p".into(), ..RunRecord::default() }
    }

    #[test]
    fn a_line_per_run() {
        let good = RunRecord { saved_ms: 61_000, ..run(Counts { ran: 1, fresh: 3, ..Counts::default() }, Vec::new()) };
        let bad = RunRecord { exit: 1, ..run(Counts { failed: 2, ..Counts::default() }, Vec::new()) };
        let cut = RunRecord { exit: 130, ..run(Counts::default(), Vec::new()) };
        assert_eq!(
            runs(&[(9, &good), (10, &bad), (11, &cut)]),
            "run  began (UTC)           took  ran  cached    failed  hits      saved  command\n  \
               9  1970-01-01 00:00:00  1.5 s    1       3         -  75 %  1 min 1 s  run p\n \
              10  1970-01-01 00:00:00  1.5 s    0       0         2   0 %          -  run p\n \
              11  1970-01-01 00:00:00  1.5 s    0       0  signal 2     -          -  run p\n"
        );
    }

    #[test]
    fn work_is_added_up_by_node_and_by_reason() {
        let first = run(
            Counts::default(),
            vec![node("a", Ended::Ran, 900, Topic::NeverRun), node("b", Ended::Failed, 300, Topic::NeverRun)],
        );
        let second = run(
            Counts::default(),
            vec![node("a", Ended::Ran, 100, Topic::Input), node("c", Ended::Restored, 50, Topic::Output)],
        );
        let slow = Slow::of(&[(1, &first), (2, &second)]);
        assert_eq!((slow.runs, slow.took_ms, slow.work_ms), (2, 3_000, 1_300), "what was laid out is no work");
        let told: Vec<_> = slow.nodes.iter().map(|share| (share.what.as_str(), share.work_ms, share.times)).collect();
        assert_eq!(told, [("a", 1_000, 2), ("b", 300, 1)]);
        assert_eq!(slow.nodes[0].of, ["never run", "input changed"]);
        assert_eq!(slow.reasons[0].of, ["a", "b"]);
        assert_eq!(
            slow.text(),
            "the last 2 runs took 3.0 s; their nodes were at work for 1.3 s\n\n  \
             work  share  times  node\n \
             1.0 s   76 %      2  a     never run, input changed\n\
             300 ms   23 %      1  b     never run\n\n  \
             work  share  times  reason\n \
             1.2 s   92 %      2  never run      a, b\n\
             100 ms    7 %      1  input changed  a\n"
        );
    }
}
