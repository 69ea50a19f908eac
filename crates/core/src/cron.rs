//! Cron schedules.

use crate::refusal::Refusal;
use crate::time::Time;

/// Whether `schedule` can be used.
///
/// # Errors
/// INVALID_ARGUMENT.
pub fn validate(_schedule: &str) -> Result<(), Refusal> {
    Ok(())
}

/// Wait from `now` to the next tick after `from`.
pub fn backoff(_schedule: &str, _from: Time, _now: Time) -> Option<i64> {
    None
}
