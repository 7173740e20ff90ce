//! How long GitHub asks to wait, from the answer to a call that came too soon.

use std::time::Duration;

/// The least wait that GitHub asks for where its answer says none.
const UNSAID: u64 = 60;

/// The wait that an answer asks for; `None` if it is no answer of that kind. `header` gives values by their lower-case
/// names, `now` is the time in seconds since 1970, `before` the number of such answers before this one.
///
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>
pub(super) fn asked_for<'h>(
    status: u16,
    header: impl Fn(&str) -> Option<&'h str>,
    text: &str,
    now: u64,
    before: u32,
) -> Option<Duration> {
    if status != 403 && status != 429 {
        return None;
    }
    let number = |name: &str| header(name)?.trim().parse::<u64>().ok();
    let seconds = if let Some(seconds) = number("retry-after") {
        seconds
    } else if number("x-ratelimit-remaining") == Some(0) {
        // A second more: the clocks need not agree.
        number("x-ratelimit-reset").map_or(UNSAID, |reset| reset.saturating_sub(now) + 1)
    } else if status == 429 || text.to_ascii_lowercase().contains("rate limit") {
        UNSAID << before.min(6)
    } else {
        return None;
    };
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(status: u16, headers: &[(&str, &'static str)], text: &str, before: u32) -> Option<u64> {
        let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        asked_for(status, header, text, 1_000, before).map(|wait| wait.as_secs())
    }

    #[test]
    fn what_is_said_is_obeyed_and_what_is_not_said_grows() {
        assert_eq!(wait(429, &[("retry-after", "7"), ("x-ratelimit-remaining", "0")], "", 0), Some(7));
        assert_eq!(wait(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1030")], "", 0), Some(31));
        assert_eq!(wait(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "900")], "", 0), Some(1));
        let secondary = "You have exceeded a secondary rate limit";
        assert_eq!((wait(403, &[], secondary, 0), wait(403, &[], secondary, 2)), (Some(60), Some(240)));
        assert_eq!(wait(429, &[("retry-after", "soon")], "", 0), Some(60));
    }

    #[test]
    fn a_plain_refusal_is_none_of_these() {
        assert_eq!(wait(403, &[("x-ratelimit-remaining", "4999")], "Resource not accessible by integration", 0), None);
        assert_eq!(wait(500, &[("retry-after", "7")], "", 0), None);
    }
}
