//! What a load counts while it runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::report::Report;

/// Latencies from a microsecond to ten minutes, to three digits.
fn histogram() -> Mutex<Histogram<u64>> {
    let histogram = Histogram::new_with_bounds(1, 600_000_000, 3);
    Mutex::new(histogram.expect("the bounds are in order and the precision is allowed"))
}

/// Counters shared by all tasks of a load. While it is closed (during the warm-up) nothing is counted.
pub(crate) struct Tally {
    open: AtomicBool,
    done: AtomicU64,
    last_done: Mutex<Option<Instant>>,
    start: Mutex<Histogram<u64>>,
    end_to_end: Mutex<Histogram<u64>>,
    errors: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally {
            open: AtomicBool::new(false),
            done: AtomicU64::new(0),
            last_done: Mutex::default(),
            start: histogram(),
            end_to_end: histogram(),
            errors: Mutex::default(),
        }
    }

    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    pub(crate) fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
    }

    /// A workflow came to its end.
    pub(crate) fn finished(&self, start: Duration, end_to_end: Duration) {
        if self.open.load(Ordering::Relaxed) {
            self.done.fetch_add(1, Ordering::Relaxed);
            *lock(&self.last_done) = Some(Instant::now());
            record(&self.start, start);
            record(&self.end_to_end, end_to_end);
        }
    }

    /// A call was answered with an error, or an expected result did not come.
    pub(crate) fn error(&self, call: &str, code: &str) {
        if self.open.load(Ordering::Relaxed) {
            let mut errors = lock(&self.errors);
            *errors.entry(format!("{call} {code}")).or_default() += 1;
        }
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// When the last workflow that was counted came to its end.
    pub(crate) fn last_done(&self) -> Option<Instant> {
        *lock(&self.last_done)
    }

    pub(crate) fn report_latencies(&self, report: &mut Report) {
        for (name, histogram) in [("start", &self.start), ("end to end", &self.end_to_end)] {
            let histogram = lock(histogram);
            for (label, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
                let us = histogram.value_at_quantile(quantile);
                report.add(format!("{name} {label}"), us as f64 / 1000.0, "ms");
            }
        }
    }

    pub(crate) fn report_errors(&self, report: &mut Report) {
        let errors = lock(&self.errors);
        report.add("errors", errors.values().sum::<u64>() as f64, "");
        for (what, count) in errors.iter() {
            report.add(format!("errors: {what}"), *count as f64, "");
        }
    }
}

fn record(histogram: &Mutex<Histogram<u64>>, time: Duration) {
    let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    lock(histogram).saturating_record(us);
}

/// Locks; after a panic elsewhere counters are still counters.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
