//! Cron schedules (server-semantics 2.6).

use steadfast_core::Refusal;

use super::fields;

/// A schedule that can be read and has a next time, or none. What it means is known to the core, which computes those
/// times and refuses a schedule it cannot read; here only its length is bounded.
pub(crate) fn check(schedule: &str) -> Result<(), Refusal> {
    if schedule.len() > fields::ID_BYTES_MAX {
        return Err(Refusal::invalid("invalid CronSchedule."));
    }
    Ok(())
}
