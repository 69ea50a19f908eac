//! Cron schedules, as the reference's parser reads them (server-semantics 2.6): five fields with names, ranges, lists and
//! steps, `@hourly` and its like, `@every` with a duration, and a zone in front (`CRON_TZ=` or `TZ=`).
//!
//! A tick is found as Vixie's cron does. Ticks in an hour that the clocks skip do not happen, those in an hour that comes
//! twice happen twice. The crate `croner` does both differently, which is why it is not used.

mod field;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use jiff::{ToSpan, Unit, Zoned};

use crate::limits;
use crate::refusal::Refusal;
use crate::time::{SECOND, Time};

use field::{Days, Set};

/// A schedule whose next tick is further away never ticks.
const YEARS_MAX: i16 = 5;

/// Whether `schedule` can be used.
///
/// # Errors
/// INVALID_ARGUMENT if it cannot be parsed, or never ticks.
pub fn validate(schedule: &str) -> Result<(), Refusal> {
    let parsed = parse(schedule).ok_or_else(|| Refusal::invalid("invalid CronSchedule."))?;
    // Whether it ever ticks does not depend on the day it is asked; a leap year follows soon.
    if parsed.next(Time(0)).is_none() {
        return Err(Refusal::invalid(
            "invalid CronSchedule, no time can be found to satisfy the schedule",
        ));
    }
    Ok(())
}

/// Wait at `now` for the first tick that is after `from` and not before `now`, nanoseconds. `None` if there is none, or
/// `schedule` is not valid.
pub fn backoff(schedule: &str, from: Time, now: Time) -> Option<i64> {
    let tick = parse(schedule)?.first_tick(from, now)?;
    assert!(tick > from && tick >= now);
    Some(tick.since(now))
}

/// A parsed schedule.
#[derive(Clone, Debug)]
enum Schedule {
    /// So many nanoseconds after the time it is reckoned from.
    Every(i64),
    /// On the wall clock of a zone.
    Fields(Box<Fields>),
}

#[derive(Clone, Debug)]
struct Fields {
    minutes: Set,
    hours: Set,
    days: Days,
    months: Set,
    zone: TimeZone,
}

fn parse(schedule: &str) -> Option<Schedule> {
    if schedule.len() > limits::CRON_SCHEDULE_LENGTH_MAX {
        return None;
    }
    let zoned = ["CRON_TZ=", "TZ="];
    let zoned = zoned.iter().find_map(|it| schedule.strip_prefix(it));
    let (zone, rest) = match zoned {
        Some(zoned) => {
            let (name, rest) = zoned.split_once(' ')?;
            (time_zone(name)?, rest.trim())
        }
        None => (TimeZone::UTC, schedule),
    };
    if let Some(duration) = rest.strip_prefix("@every ") {
        return every(duration).map(Schedule::Every);
    }
    let rest = match rest {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        fields => fields,
    };
    let fields: Vec<_> = rest.split_whitespace().collect();
    let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
        return None;
    };
    Some(Schedule::Fields(Box::new(Fields {
        minutes: Set::parse(minutes, 0, 59, &[])?,
        hours: Set::parse(hours, 0, 23, &[])?,
        days: Days {
            of_month: Set::parse(days, 1, 31, &[])?,
            of_week: Set::parse(weekdays, 0, 6, &field::WEEKDAYS)?,
        },
        months: Set::parse(months, 1, 12, &field::MONTHS)?,
        zone,
    })))
}

fn time_zone(name: &str) -> Option<TimeZone> {
    match name {
        "" | "UTC" => Some(TimeZone::UTC),
        name => TimeZone::get(name).ok(),
    }
}

/// A duration such as `1h30m` or `1.5h`, in whole seconds, at least one; as nanoseconds.
fn every(text: &str) -> Option<i64> {
    let (mut rest, sign) = match text.strip_prefix('-') {
        Some(rest) => (rest, -1.0),
        None => (text.strip_prefix('+').unwrap_or(text), 1.0),
    };
    if rest == "0" {
        return Some(SECOND);
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, after) = rest.split_at(unit.unwrap_or(rest.len()));
        seconds += number
            * match unit {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" | "μs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = after;
    }
    // What is empty was no duration; what is too long for nanoseconds neither.
    let nanos = sign * seconds.floor() * SECOND as f64;
    let in_range = !text.is_empty() && nanos < i64::MAX as f64;
    in_range.then(|| (nanos as i64).max(SECOND))
}

impl Schedule {
    fn first_tick(&self, from: Time, now: Time) -> Option<Time> {
        let Self::Every(interval) = self else {
            // A tick on the wall clock does not depend on the one before.
            return self.next(from.max(now.plus(-1)));
        };
        let first = self.next(from)?;
        let missed = now.since(first).max(0);
        let skipped = (missed as u64).div_ceil(*interval as u64) as i64;
        Some(first.plus(skipped.saturating_mul(*interval)))
    }

    /// The first tick after `from`.
    fn next(&self, from: Time) -> Option<Time> {
        match self {
            Self::Every(interval) => Some(from.plus(*interval)),
            Self::Fields(fields) => fields.next(from),
        }
    }
}

impl Fields {
    /// Moves to the start of the next month, day, hour or minute until all of them fit.
    fn next(&self, from: Time) -> Option<Time> {
        let from = Timestamp::from_nanosecond(i128::from(from.0)).ok()?;
        let mut time = from.to_zoned(self.zone.clone()).round(floor()).ok()?;
        time = time.checked_add(1.minute()).ok()?;
        let last_year = time.year() + YEARS_MAX;
        while time.year() <= last_year {
            if !self.months.has(time.month()) {
                time = start_of_day(time.first_of_month().ok()?.checked_add(1.month()).ok()?)?;
            } else if !self.days.has(&time) {
                time = start_of_day(time.checked_add(1.day()).ok()?)?;
            } else if !self.hours.has(time.hour()) {
                // By the elapsed time, so that an hour that comes twice is looked at twice.
                let left = 60 - i64::from(time.minute());
                time = time.checked_add(left.minutes()).ok()?;
            } else if !self.minutes.has(time.minute()) {
                time = time.checked_add(1.minute()).ok()?;
            } else {
                let nanos = time.timestamp().as_nanosecond();
                return i64::try_from(nanos).ok().map(Time);
            }
        }
        None
    }
}

fn floor() -> jiff::ZonedRound {
    jiff::ZonedRound::new()
        .smallest(Unit::Minute)
        .mode(jiff::RoundMode::Floor)
}

fn start_of_day(time: Zoned) -> Option<Zoned> {
    time.start_of_day().ok()
}

#[cfg(test)]
mod tests;
