//! The dispatch limit of a queue: a token bucket without a clock.

use steadfast_protocol::enums::RateLimitSource;

use crate::limits::SYSTEM_TASKS_PER_SECOND;

/// Less than a whole token is taken as one if only rounding is missing.
const ROUNDING: f64 = 1e-6;

/// Tokens that come back at a rate, up to a burst of one second's worth and at least one.
#[derive(Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    at_ms: i64,
    /// Whether the bucket ever had a rate: the first one starts with a full burst.
    used: bool,
}

impl Bucket {
    pub(crate) fn new() -> Bucket {
        Bucket {
            tokens: 0.0,
            at_ms: 0,
            used: false,
        }
    }

    /// Brings the bucket to `now`, at the rate that applied until now.
    pub(crate) fn advance(&mut self, now_ms: i64, per_second: f64) {
        let burst = burst(per_second);
        if self.used {
            let elapsed_s = (now_ms - self.at_ms).max(0) as f64 / 1000.0;
            self.tokens = (self.tokens + elapsed_s * per_second).min(burst);
        } else {
            self.tokens = burst;
            self.used = true;
        }
        self.at_ms = self.at_ms.max(now_ms);
    }

    /// Goes on from `now` with another rate: what was earned is kept up to the new burst, and the time until now, in
    /// which there may have been no limit at all, earns nothing.
    fn rebase(&mut self, now_ms: i64, per_second: f64) {
        if self.used {
            self.at_ms = self.at_ms.max(now_ms);
        }
        self.advance(now_ms, per_second);
    }

    pub(crate) fn has_token(&self) -> bool {
        self.tokens >= 1.0 - ROUNDING
    }

    pub(crate) fn take(&mut self) {
        self.tokens -= 1.0;
    }

    fn give_back(&mut self) {
        self.tokens += 1.0;
    }

    /// When the next token is there, in whole milliseconds not before it.
    fn ready_at_ms(&self, per_second: f64) -> Option<i64> {
        if self.has_token() {
            return Some(self.at_ms);
        }
        if per_second <= 0.0 {
            return None;
        }
        let missing_ms = ((1.0 - ROUNDING - self.tokens) / per_second * 1000.0).ceil();
        // A float beyond the range becomes the largest integer: never, for all that matters.
        Some(self.at_ms.saturating_add(missing_ms.max(1.0) as i64))
    }
}

fn burst(per_second: f64) -> f64 {
    if per_second <= 0.0 {
        0.0
    } else {
        per_second.ceil().max(1.0)
    }
}

/// The limit in force: what was set through the API, else what the last poll asked for, else none.
#[derive(Debug)]
pub(crate) struct RateLimit {
    api: Option<f64>,
    worker: Option<f64>,
    bucket: Bucket,
}

impl RateLimit {
    pub(crate) fn new() -> RateLimit {
        RateLimit {
            api: None,
            worker: None,
            bucket: Bucket::new(),
        }
    }

    pub(crate) fn set_api(&mut self, now_ms: i64, per_second: Option<f64>) {
        self.change(now_ms, |limit| limit.api = sound(per_second));
    }

    pub(crate) fn set_worker(&mut self, now_ms: i64, per_second: Option<f64>) {
        if self.worker != sound(per_second) {
            self.change(now_ms, |limit| limit.worker = sound(per_second));
        }
    }

    /// The rate and who set it.
    pub(crate) fn effective(&self) -> (f64, RateLimitSource) {
        match (self.api, self.worker) {
            (Some(rate), _) => (rate, RateLimitSource::Api),
            (None, Some(rate)) => (rate, RateLimitSource::Worker),
            (None, None) => (SYSTEM_TASKS_PER_SECOND, RateLimitSource::System),
        }
    }

    /// Whether a task may be dispatched now.
    pub(crate) fn allows(&mut self, now_ms: i64) -> bool {
        match self.enforced() {
            None => true,
            Some(rate) => {
                self.bucket.advance(now_ms, rate);
                self.bucket.has_token()
            }
        }
    }

    pub(crate) fn take(&mut self) {
        if self.enforced().is_some() {
            self.bucket.take();
        }
    }

    /// A task that was counted was not dispatched after all.
    pub(crate) fn give_back(&mut self) {
        if self.enforced().is_some() {
            self.bucket.give_back();
        }
    }

    /// When the next task may go; `None` if not before the limit is changed.
    pub(crate) fn ready_at_ms(&self) -> Option<i64> {
        match self.enforced() {
            None => Some(i64::MIN),
            Some(rate) => self.bucket.ready_at_ms(rate),
        }
    }

    fn enforced(&self) -> Option<f64> {
        self.api.or(self.worker)
    }

    /// Tokens earned so far are kept, at the old rate: otherwise two workers that set different rates, or one that sets a rate
    /// and one that does not, would earn a new burst with every poll.
    fn change(&mut self, now_ms: i64, set: impl FnOnce(&mut RateLimit)) {
        if let Some(old) = self.enforced() {
            self.bucket.advance(now_ms, old);
        }
        set(self);
        if let Some(new) = self.enforced() {
            self.bucket.rebase(now_ms, new);
        }
    }
}

/// A rate that is no number or negative is no limit; the frontend refuses it.
fn sound(per_second: Option<f64>) -> Option<f64> {
    per_second.filter(|rate| *rate >= 0.0)
}
