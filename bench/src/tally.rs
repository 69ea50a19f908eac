//! What a load counts while it runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::latencies::Latencies;
use crate::report::Report;

/// Counters shared by all tasks of a load. While it is closed (during the warm-up) nothing is counted.
pub(crate) struct Tally {
    open: AtomicBool,
    done: AtomicU64,
    last_done: Mutex<Option<Instant>>,
    start: Mutex<Latencies>,
    end_to_end: Mutex<Latencies>,
    errors: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally {
            open: AtomicBool::new(false),
            done: AtomicU64::new(0),
            last_done: Mutex::default(),
            start: Mutex::new(Latencies::new()),
            end_to_end: Mutex::new(Latencies::new()),
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
            lock(&self.start).add(start);
            lock(&self.end_to_end).add(end_to_end);
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
        for (name, latencies) in [("start", &self.start), ("end to end", &self.end_to_end)] {
            let latencies = lock(latencies);
            for (label, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
                let ms = latencies.quantile_ms(quantile);
                report.add(format!("{name} {label}"), ms, "ms");
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

/// Locks; after a panic elsewhere counters are still counters.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
