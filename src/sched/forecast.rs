//! How far a run is, and how long the rest may take: from how long works took the last time, and no better than that.

/// Where a node stands, as far as the rest of the run is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has looked at it: it may turn out to need no work.
    Undecided,
    /// It waits for a slot, or is at work.
    Decided,
    /// It has ended.
    Ended,
}

/// What is known of one node that does work.
#[derive(Clone, Copy, Debug)]
pub struct Outlook {
    /// Where it stands.
    pub standing: Standing,
    /// How long its work took the last time, in milliseconds; `None` if it never ran here.
    pub past_ms: Option<u64>,
    /// How long it has been at work, in milliseconds.
    pub worked_ms: u64,
    /// Its own work and the longest way through what waits for it, in milliseconds.
    pub way_ms: u64,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// The part of [`Self::all`] that has ended.
    pub done: u64,
    /// Past durations of all nodes, in milliseconds; one that never ran here counts as much as the others on average.
    pub all: u64,
    /// Nodes that have not ended.
    pub open: usize,
    /// Those of them that nobody has looked at.
    pub undecided: usize,
    /// Those of them that never ran here.
    pub unknown: usize,
    /// What the rest takes if all of it works, in milliseconds; without what is unknown.
    pub left_ms: u64,
}

/// Sums up how far a run is, that has `jobs` slots.
pub fn forecast(nodes: &[Outlook], jobs: u32) -> Forecast {
    let known: Vec<u64> = nodes.iter().filter_map(|node| node.past_ms).collect();
    let average = known.iter().sum::<u64>().checked_div(known.len() as u64).unwrap_or(1).max(1);
    let mut sum = Forecast::default();
    let (mut way_ms, mut work_ms) = (0, 0);
    for node in nodes {
        let weight = node.past_ms.unwrap_or(average).max(1);
        sum.all += weight;
        if node.standing == Standing::Ended {
            sum.done += weight;
            continue;
        }
        sum.open += 1;
        sum.undecided += usize::from(node.standing == Standing::Undecided);
        sum.unknown += usize::from(node.past_ms.is_none());
        way_ms = way_ms.max(node.way_ms.saturating_sub(node.worked_ms));
        work_ms += node.past_ms.unwrap_or(0).saturating_sub(node.worked_ms);
    }
    // The longest way has guesses in it where something never ran.
    let way_ms = if sum.unknown == 0 { way_ms } else { 0 };
    sum.left_ms = way_ms.max(work_ms / u64::from(jobs.max(1)));
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(standing: Standing, past_ms: impl Into<Option<u64>>, worked_ms: u64, way_ms: u64) -> Outlook {
        Outlook { standing, past_ms: past_ms.into(), worked_ms, way_ms }
    }

    #[test]
    fn the_rest_is_the_longest_way_or_the_work_shared_out() {
        use Standing::{Decided, Ended, Undecided};
        // A chain of two beside one that is at work.
        let chain = [
            node(Ended, 400, 0, 1_000),
            node(Decided, 500, 100, 600),
            node(Undecided, 100, 0, 100),
            node(Decided, 40, 0, 40),
        ];
        let sum = forecast(&chain, 2);
        assert_eq!((sum.done, sum.all, sum.open, sum.undecided, sum.unknown), (400, 1_040, 3, 1, 0));
        assert_eq!(sum.left_ms, 500, "the way: what is left of the second, and the third");
        let wide: Vec<Outlook> = (0..10).map(|_| node(Decided, 100, 0, 100)).collect();
        assert_eq!(forecast(&wide, 2).left_ms, 500, "the work, two at a time");
    }

    #[test]
    fn what_never_ran_counts_as_the_average_and_makes_no_promise() {
        use Standing::{Decided, Ended};
        let nodes = [node(Ended, 100, 0, 0), node(Decided, None, 0, 90_000), node(Decided, 300, 0, 300)];
        let sum = forecast(&nodes, 1);
        assert_eq!((sum.done, sum.all, sum.unknown, sum.left_ms), (100, 600, 1, 300));
        let first = forecast(&[node(Decided, None, 0, 1_000); 4], 2);
        assert_eq!((first.done, first.all, first.left_ms), (0, 4, 0));
        assert_eq!(forecast(&[], 1), Forecast::default());
    }

    #[test]
    fn a_work_that_takes_longer_than_it_did_is_about_to_end() {
        assert_eq!(forecast(&[node(Standing::Decided, 100, 5_000, 100)], 1).left_ms, 0);
    }
}
