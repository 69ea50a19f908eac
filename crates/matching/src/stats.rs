//! How fast tasks come and go, over a sliding window.

use crate::limits::{RATE_STEP_MS, RATE_WINDOW_MS};

/// A whole window and the step that is being filled.
const STEPS: usize = (RATE_WINDOW_MS / RATE_STEP_MS) as usize + 1;

/// Counts events in steps of some seconds, and forgets those older than the window.
#[derive(Debug)]
pub(crate) struct Rate {
    steps: [u32; STEPS],
    /// The number of the step being filled, counted from the epoch.
    step: i64,
    /// When counting began, so that a young queue divides by its own age.
    since_ms: i64,
}

impl Rate {
    pub(crate) fn new(now_ms: i64) -> Rate {
        Rate {
            steps: [0; STEPS],
            step: now_ms.div_euclid(RATE_STEP_MS),
            since_ms: now_ms,
        }
    }

    pub(crate) fn add(&mut self, now_ms: i64) {
        self.advance(now_ms);
        let count = &mut self.steps[place(self.step)];
        *count = count.saturating_add(1);
    }

    /// Takes back an event that turned out not to have happened.
    pub(crate) fn subtract(&mut self, now_ms: i64) {
        self.advance(now_ms);
        let count = &mut self.steps[place(self.step)];
        *count = count.saturating_sub(1);
    }

    /// Events in the window.
    pub(crate) fn count(&self, now_ms: i64) -> u64 {
        let passed = (now_ms.div_euclid(RATE_STEP_MS) - self.step).max(0);
        if passed >= STEPS as i64 {
            return 0;
        }
        // The steps that would be cleared by advancing to now hold nothing that counts.
        let stale: u64 = (1..=passed)
            .map(|n| u64::from(self.steps[place(self.step + n)]))
            .sum();
        let all: u64 = self.steps.iter().map(|count| u64::from(*count)).sum();
        all - stale
    }

    /// Events per second over the window, or over the time since counting began if that is shorter.
    pub(crate) fn per_second(&self, now_ms: i64) -> f32 {
        let filled_ms = RATE_WINDOW_MS + now_ms.rem_euclid(RATE_STEP_MS);
        let span_ms = (now_ms - self.since_ms).clamp(1_000, filled_ms);
        (self.count(now_ms) as f64 * 1000.0 / span_ms as f64) as f32
    }

    fn advance(&mut self, now_ms: i64) {
        let now_step = now_ms.div_euclid(RATE_STEP_MS);
        if now_step - self.step >= STEPS as i64 {
            self.steps = [0; STEPS];
            self.step = now_step;
        }
        while self.step < now_step {
            self.step += 1;
            self.steps[place(self.step)] = 0;
        }
    }
}

fn place(step: i64) -> usize {
    step.rem_euclid(STEPS as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_leave_the_window() {
        let mut rate = Rate::new(0);
        for second in 0..30 {
            rate.add(second * 1000);
        }
        assert_eq!(rate.count(30_000), 30);
        assert_eq!(rate.per_second(30_000), 1.0);
        assert_eq!(rate.count(34_999), 30);
        assert_eq!(rate.count(35_000), 25);
        assert_eq!(rate.count(59_999), 5);
        assert_eq!(rate.count(65_000), 0);
        rate.add(1_000_000);
        assert_eq!(rate.count(1_000_000), 1);
    }

    #[test]
    fn a_young_queue_divides_by_its_age() {
        let mut rate = Rate::new(7_000);
        for _ in 0..10 {
            rate.add(7_500);
        }
        assert_eq!(rate.per_second(7_500), 10.0);
        assert_eq!(rate.per_second(9_000), 5.0);
    }
}
