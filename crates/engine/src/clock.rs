//! The one seam to time and randomness, so that a simulation can give both from a seed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use steadfast_core::context::Ids;
use steadfast_core::time::Time;

/// Where the engine gets the time and new ids from.
pub trait Surroundings: Ids + Send + Sync {
    /// The present. Never earlier than an answer given before.
    fn now(&self) -> Time;
}

/// The present on the clock by which calls wait: that of the runtime, which a simulation can move.
pub(crate) fn instant() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The clock of the machine, and random ids.
#[derive(Default)]
pub struct System {
    latest: AtomicI64,
}

impl Ids for System {
    fn uuid(&self) -> String {
        uuid::Uuid::now_v7().to_string()
    }
}

impl Surroundings for System {
    fn now(&self) -> Time {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX);
        // A clock that is set back stands still until it has caught up: workflow time must not run backwards.
        Time(self.latest.fetch_max(now, Ordering::Relaxed).max(now))
    }
}
