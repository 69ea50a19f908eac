//! Simulated time and ids, as the engine sees them.

use std::sync::atomic::{AtomicI64, Ordering};

use steadfast_core::context::Ids;
use steadfast_core::time::{SECOND, Time};
use steadfast_engine::Surroundings;

use crate::dice::Dice;

/// The clock and the ids of the simulated world. Time moves only by [`SimClock::advance`].
#[derive(Debug)]
pub(crate) struct SimClock {
    now: AtomicI64,
    dice: Dice,
    /// Planted bug: answers may be this much too early, ns.
    backwards: i64,
}

impl SimClock {
    /// A clock at some instant of the year 2023.
    pub(crate) fn new(dice: Dice, backwards: i64) -> Self {
        Self {
            now: AtomicI64::new(1_700_000_000 * SECOND),
            dice,
            backwards,
        }
    }

    /// The true simulated time.
    pub(crate) fn time(&self) -> Time {
        Time(self.now.load(Ordering::Relaxed))
    }

    /// Moves the time.
    pub(crate) fn advance(&self, nanos: i64) {
        assert!(nanos >= 0, "time moves forward");
        self.now.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl Ids for SimClock {
    fn uuid(&self) -> String {
        self.dice.uuid()
    }
}

impl Surroundings for SimClock {
    fn now(&self) -> Time {
        if self.backwards > 0 {
            let late = self.dice.below(self.backwards as u64);
            return self.time().plus(-(late as i64));
        }
        self.time()
    }
}
