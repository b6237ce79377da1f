//! Times as people read them: China Standard Time (UTC+8), and how long ago.

use std::time::{SystemTime, UNIX_EPOCH};

use certmesh_ledger::id::ChinaTime;

/// Now, in milliseconds since 1970-01-01 UTC; 0 on a clock before that.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// `2026-03-04 10:11:12 CST`.
pub(crate) fn china_time(ms: u64) -> String {
    ChinaTime(ms).to_string()
}

/// `2026-03-04 10:11:12 CST (3 days ago)`.
pub(crate) fn china_time_and_age(ms: u64, now_ms: u64) -> String {
    format!("{} ({})", china_time(ms), age(ms, now_ms))
}

/// `3 days ago`, `just now`, `in 5 minutes`: in the largest unit that fits at least once.
pub(crate) fn age(ms: u64, now_ms: u64) -> String {
    let seconds = ms.abs_diff(now_ms) / 1000;
    let (count, unit) = match seconds {
        0 => return "just now".to_owned(),
        1..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        86_400..31_557_600 => (seconds / 86_400, "day"),
        _ => (seconds / 31_557_600, "year"),
    };
    let plural = if count == 1 { "" } else { "s" };
    if ms > now_ms {
        format!("in {count} {unit}{plural}")
    } else {
        format!("{count} {unit}{plural} ago")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_china_standard_time() {
        assert_eq!(china_time(0), "1970-01-01 08:00:00 CST");
        assert_eq!(china_time(1_790_000_000_000), "2026-09-21 22:13:20 CST");
        assert!(china_time(u64::MAX).contains("after 1970"));
    }

    #[test]
    fn an_age_is_in_the_largest_unit_that_fits() {
        let now = 1_790_000_000_000;
        for (ms, expected) in [
            (now, "just now"),
            (now - 1_000, "1 second ago"),
            (now - 119_000, "1 minute ago"),
            (now - 7_200_000, "2 hours ago"),
            (now - 3 * 86_400_000, "3 days ago"),
            (now - 800 * 86_400_000, "2 years ago"),
            (now + 300_000, "in 5 minutes"),
        ] {
            assert_eq!(age(ms, now), expected);
        }
    }
}
