//! The numbers on the pages for people, held against the constants they are of.
//!
//! The test of a number stands beside its constant. Those of the ledger and of the configuration are here.

use std::fs;
use std::path::Path;

/// Checks that a page states this, however its lines are broken. The text is made from a constant, so this fails when one of
/// the two is changed without the other.
#[track_caller]
pub(crate) fn states(page: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let content = fs::read_to_string(&path).unwrap();
    let words: Vec<&str> = content.split_whitespace().collect();
    assert!(
        words.join(" ").contains(text),
        "{page} does not state `{text}`: correct the page, or the constant"
    );
}

/// A number as pages write small ones.
pub(crate) fn in_words(number: u64) -> &'static str {
    const WORDS: [&str; 11] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    ];
    WORDS[usize::try_from(number).unwrap()]
}

/// A number with its digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1000), number % 1000),
    }
}

mod tests {
    use certmesh_ledger::catalogue::{DEFINITION_LAG_MS, FreshnessLimits};
    use certmesh_ledger::clocks::{MAX_OFF_MS, MAX_PAUSE_MS};
    use certmesh_ledger::log::{
        MAX_GRANT_BYTES, MAX_MATTER_BYTES, MAX_TYPE_BYTES, SEGMENT_RECORDS,
    };
    use certmesh_ledger::record::MAX_AHEAD_MS;

    use super::*;

    const LIMITS: &str = "docs/limits.md";
    const MINUTE_MS: u64 = 60 * 1000;
    const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
    const MIB: usize = 1 << 20;

    #[test]
    fn numbers_are_written_as_on_the_pages() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(20_000), "20,000");
        assert_eq!(grouped(5_000_016), "5,000,016");
        assert_eq!((in_words(1), in_words(10)), ("one", "ten"));
    }

    #[test]
    fn the_pages_state_the_times_after_which_nothing_is_valid_by_a_copy() {
        let limits = FreshnessLimits::default();
        let (behind_s, silent_s) = (limits.behind_ms / 1000, limits.silent_ms / 1000);
        states(
            LIMITS,
            &format!("`behind_s = {behind_s}`, `silent_s = {silent_s}`"),
        );
        states(
            LIMITS,
            &format!("has lacked signed records for more than {behind_s} seconds"),
        );
        let silent = limits.silent_ms / MINUTE_MS;
        states(
            LIMITS,
            &format!("confirmed to be the newest for {silent} minutes"),
        );
        states(
            "docs/operator.md",
            &format!("| `freshness.behind_s` | {behind_s} |"),
        );
        states(
            "docs/operator.md",
            &format!("| `freshness.silent_s` | {silent_s} |"),
        );
    }

    #[test]
    fn the_pages_state_how_far_a_clock_may_be_off() {
        let (off, pause) = (MAX_OFF_MS / MINUTE_MS, MAX_PAUSE_MS / DAY_MS);
        for page in [LIMITS, "docs/operator.md"] {
            states(page, &format!("is more than {off} minutes off the median"));
            states(
                page,
                &format!("or {pause} days past what the logs have come to"),
            );
        }
        let ahead = MAX_AHEAD_MS / MINUTE_MS;
        for page in [LIMITS, "docs/clerk.md"] {
            states(
                page,
                &format!("dated more than {ahead} minutes ahead of the reader's clock"),
            );
        }
    }

    #[test]
    fn the_pages_state_how_much_a_log_may_define_and_how_long_a_definition_stays_good() {
        let [types, matters, grants] =
            [MAX_TYPE_BYTES, MAX_MATTER_BYTES, MAX_GRANT_BYTES].map(|bytes| bytes / MIB);
        let room =
            format!("{types} MiB of types, {matters} MiB of matters and {grants} MiB of grants");
        states(LIMITS, &room);
        let all = types + matters + grants;
        states(
            "SECURITY.md",
            &format!("Each is charged bytes, {all} MiB a log at most"),
        );
        let lag = in_words(DEFINITION_LAG_MS / DAY_MS);
        assert_eq!(lag, "one");
        states(LIMITS, "less than a day before the certificate was issued");
        // A part of an index is written when a quarter of a segment has come.
        let records = SEGMENT_RECORDS / 4;
        let power = records.ilog2();
        states(LIMITS, &format!("for each of 2^{power} records"));
        let unsaved = format!(
            "{},{:03} records of each log",
            records / 1000,
            records % 1000
        );
        states(LIMITS, &unsaved);
    }
}
