//! How fast requests may follow one another: Lambda allows 15 control-plane requests a second for an account in a
//! region, over everything that the account does there, and does not raise it. A third of that is ours.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// Requests a second in one region.
const RATE: u32 = 5;
/// Requests that may come at once after a pause.
const BURST: u32 = 5;

/// A token bucket for each region. Times are given as the time since any fixed instant.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the bucket of a region would be full again, if nothing were taken from it.
    full_at: Mutex<BTreeMap<String, Duration>>,
}

impl Pace {
    /// Takes a token for a request in `region` at `now`; how long to wait before it is sent.
    pub(super) fn take(&self, region: &str, now: Duration) -> Duration {
        let each = Duration::from_secs(1) / RATE;
        let mut regions = self.full_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let full_at = regions.entry(region.to_owned()).or_default();
        *full_at = (*full_at).max(now) + each;
        // A bucket that is full again after BURST tokens' time is empty now.
        full_at.saturating_sub(now).saturating_sub(each * BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_burst_requests_are_spread_and_regions_do_not_wait_for_each_other() {
        let (pace, now) = (Pace::default(), Duration::from_secs(100));
        let waits: Vec<u128> = (0..8).map(|_| pace.take("eu-west-1", now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 200, 400, 600]);
        assert_eq!(pace.take("eu-west-2", now), Duration::ZERO);
        // Two seconds later all that was owed is paid, and a second more fills it.
        assert_eq!(pace.take("eu-west-1", now + Duration::from_secs(2)), Duration::ZERO);
        let later = now + Duration::from_secs(60);
        let waits: Vec<u128> = (0..6).map(|_| pace.take("eu-west-1", later).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 200]);
    }
}
