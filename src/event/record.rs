//! What the history keeps of a run.

use serde::{Deserialize, Serialize};

use crate::action::topic::Topic;
use crate::base::digest::{ActionDigest, BlobDigest};
use crate::event::{Counts, Ended};

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its name.
    pub run: String,
    /// The pipeline's file.
    pub pipeline: String,
    /// Names the pipeline with its parameters: only under equal ones are nodes of two runs the same nodes.
    pub key: String,
    /// The command line, without values that may be secret.
    pub command: String,
    /// When it began, in seconds since 1970.
    pub started_at: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How it ended, as the shell saw it.
    pub exit: u8,
    /// Counters.
    pub counts: Counts,
    /// How long the work of cached nodes took when it was done, in milliseconds.
    pub saved_ms: u64,
    /// The nodes that did something, or whose action changed.
    pub nodes: Vec<NodeRecord>,
}

/// What a run did about one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its instance name.
    pub node: String,
    /// What it does.
    pub kind: String,
    /// How it ended.
    pub end: Ended,
    /// How long its work took, in milliseconds.
    pub duration_ms: u64,
    /// Why it was worked on, in sum.
    pub topic: Topic,
    /// Why, a line for each field that changed.
    pub why: Vec<String>,
    /// The action whose result stood before the run.
    pub before: Option<ActionDigest>,
    /// The action whose result stood after it; none if it failed.
    pub after: Option<ActionDigest>,
    /// What it printed.
    pub log: Option<BlobDigest>,
}

impl RunRecord {
    /// Nodes of a run whose reasons are kept line by line; of more nodes only what they are about.
    pub const MOST_EXPLAINED: usize = 1_000;
    /// Lines that are kept of one node.
    pub const MOST_LINES: usize = 16;
    /// Nodes that are kept of a run.
    pub const MOST_NODES: usize = 50_000;

    /// Bytes for the history.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("BUG: a record of a run always encodes")
    }

    /// Reads [`Self::encode`]d bytes; `None` if they are none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    /// The share of nodes that were up to date or laid out from the store, of those that ended, in percent.
    pub fn hit_rate(&self) -> Option<u64> {
        let Counts { ran, fresh, restored, failed, .. } = self.counts;
        ((fresh + restored) * 100).checked_div(ran + fresh + restored + failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_and_a_cut_one_is_none() {
        let node = NodeRecord {
            node: "a[b]".into(),
            kind: "exec".into(),
            end: Ended::Failed,
            duration_ms: 12,
            topic: Topic::Input,
            why: vec!["input a.c: 1 → 2".into()],
            before: Some(ActionDigest::of(b"a")),
            after: None,
            log: Some(BlobDigest::of(b"l")),
        };
        let record = RunRecord { run: "r".into(), exit: 1, nodes: vec![node], ..RunRecord::default() };
        let bytes = record.encode();
        assert_eq!(RunRecord::decode(&bytes), Some(record));
        for len in 0..bytes.len() {
            assert_eq!(RunRecord::decode(&bytes[..len]), None, "cut at {len}");
        }
    }

    #[test]
    fn the_hit_rate_leaves_out_what_never_started() {
        let counts = Counts { ran: 1, fresh: 5, restored: 1, failed: 1, skipped: 9 };
        assert_eq!(RunRecord { counts, ..RunRecord::default() }.hit_rate(), Some(75));
        assert_eq!(RunRecord::default().hit_rate(), None);
    }
}
