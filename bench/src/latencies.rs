//! Latencies and their quantiles.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Latencies from a microsecond to ten minutes, to three digits.
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Latencies {
        let histogram = Histogram::new_with_bounds(1, 600_000_000, 3);
        Latencies(histogram.expect("the bounds are in order and the precision is allowed"))
    }

    pub(crate) fn add(&mut self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(us);
    }

    /// In milliseconds.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }
}
