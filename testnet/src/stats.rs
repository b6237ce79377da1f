//! Figures from many measurements.

use std::time::Duration;

/// Measured times.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Adds those of another.
    pub fn append(&mut self, mut other: Times) {
        self.0.append(&mut other.0);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time that so many percent did not exceed (nearest rank); zero when there are none.
    pub fn percentile(&self, percent: u32) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent as usize).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }

    /// 50th percentile in milliseconds.
    pub fn p50_ms(&self) -> f64 {
        ms(self.percentile(50))
    }

    /// 99th percentile in milliseconds.
    pub fn p99_ms(&self) -> f64 {
        ms(self.percentile(99))
    }

    /// The longest in milliseconds.
    pub fn max_ms(&self) -> f64 {
        ms(self.percentile(100))
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Times {
        Times(times.into_iter().collect())
    }
}

/// Milliseconds, to the microsecond.
pub fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// How many a second, to one digit after the point.
pub fn per_second(count: u64, time: Duration) -> f64 {
    round(count as f64 / time.as_secs_f64().max(1e-9), 1)
}

/// Rounded to this many digits after the point.
pub fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

/// A count with separators, such as `12,345`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let times: Times = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(
            (times.p50_ms(), times.p99_ms(), times.max_ms()),
            (100.0, 198.0, 200.0)
        );
        assert_eq!(Times::default().p99_ms(), 0.0);
        assert_eq!(
            [Duration::from_millis(3)]
                .into_iter()
                .collect::<Times>()
                .p50_ms(),
            3.0
        );
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        let texts = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}
