//! Times and durations as people read them.

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::tz::TimeZone;
use steadfast_protocol::{Duration, Timestamp};

const SECOND: i128 = 1_000_000_000;
const MINUTE: i128 = 60 * SECOND;
const HOUR: i128 = 60 * MINUTE;
const DAY: i128 = 24 * HOUR;

/// A moment and a time zone: when and where a page is looked at.
#[derive(Clone, Debug)]
pub struct Clock {
    now: jiff::Timestamp,
    zone: TimeZone,
}

/// A time as pages show it: `{{ moment.ago() }}`, `{{ moment.at() }}` or `{{ moment.running() }}` in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// For machines: RFC 3339 in UTC with all its digits.
    pub exact: String,
    /// For people, in their time zone, to the millisecond.
    pub absolute: String,
    /// How long ago, or in how long.
    pub relative: String,
    /// How long since then, in whole seconds from the first one on.
    pub elapsed: String,
    /// How long until then, likewise.
    pub remaining: String,
}

/// A moment as an element of a page. The script keeps the relative forms true.
#[derive(Template)]
#[template(path = "part/moment.html")]
pub struct Mark<'a> {
    moment: &'a Moment,
    title: &'a str,
    form: &'static str,
    text: &'a str,
}

impl HtmlSafe for Mark<'_> {}

impl Moment {
    /// How long ago; the exact time when pointed at.
    pub fn ago(&self) -> Mark<'_> {
        Mark {
            moment: self,
            title: &self.absolute,
            form: "ago",
            text: &self.relative,
        }
    }

    /// The exact time; how long ago when pointed at.
    pub fn at(&self) -> Mark<'_> {
        Mark {
            moment: self,
            title: &self.relative,
            form: "",
            text: &self.absolute,
        }
    }

    /// How long something has been going on that began then.
    pub fn running(&self) -> Mark<'_> {
        Mark {
            moment: self,
            title: &self.absolute,
            form: "for",
            text: &self.elapsed,
        }
    }

    /// How long it is until then.
    pub fn left(&self) -> Mark<'_> {
        Mark {
            moment: self,
            title: &self.absolute,
            form: "left",
            text: &self.remaining,
        }
    }
}

impl Clock {
    /// Now, in the zone of that name (such as `Europe/Berlin`); UTC where there is none of that name.
    pub fn now(zone: Option<&str>) -> Self {
        Self::at(jiff::Timestamp::now(), zone)
    }

    /// At a fixed time.
    pub fn at(now: jiff::Timestamp, zone: Option<&str>) -> Self {
        let zone = zone.and_then(|name| TimeZone::get(name).ok());
        Self {
            now,
            zone: zone.unwrap_or(TimeZone::UTC),
        }
    }

    /// The same zone at the present moment.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            now: jiff::Timestamp::now(),
            zone: self.zone.clone(),
        }
    }

    /// The name of the time zone.
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The moment of the page.
    pub fn timestamp(&self) -> Timestamp {
        Timestamp {
            seconds: self.now.as_second(),
            nanos: self.now.subsec_nanosecond(),
        }
    }

    /// The time so many seconds ago, as queries write it.
    pub fn before(&self, seconds: i64) -> String {
        let time = self
            .now
            .checked_sub(jiff::SignedDuration::from_secs(seconds));
        format!("{:.6}", time.unwrap_or(self.now))
    }

    /// The time as shown; none where there is none.
    pub fn moment(&self, time: Option<&Timestamp>) -> Option<Moment> {
        let time = read(time?)?;
        let ago = self.now.as_nanosecond() - time.as_nanosecond();
        let relative = match ago {
            ago if ago.abs() < SECOND => "now".to_owned(),
            ago if ago > 0 => format!("{} ago", coarse(ago)),
            ago => format!("in {}", coarse(-ago)),
        };
        let local = time.to_zoned(self.zone.clone());
        Some(Moment {
            exact: time.to_string(),
            absolute: local.strftime("%Y-%m-%d %H:%M:%S%.3f %Z").to_string(),
            relative,
            elapsed: duration(whole(ago.max(0))),
            remaining: duration(whole((-ago).max(0))),
        })
    }

    /// How long before now that time was, in nanoseconds; negative if it is still to come.
    pub fn since(&self, time: Option<&Timestamp>) -> Option<i128> {
        Some(self.now.as_nanosecond() - read(time?)?.as_nanosecond())
    }
}

fn read(time: &Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::new(time.seconds, time.nanos).ok()
}

/// The nanoseconds from one time to another.
pub fn between(from: Option<&Timestamp>, to: Option<&Timestamp>) -> Option<i128> {
    Some(read(to?)?.as_nanosecond() - read(from?)?.as_nanosecond())
}

/// The nanoseconds of a duration.
pub fn nanos(duration: &Duration) -> i128 {
    i128::from(duration.seconds) * SECOND + i128::from(duration.nanos)
}

/// A duration with two units, or in milliseconds where it is short: `2 d 3 h`, `1 m 5 s`, `12.3 s`, `4 ms`.
pub fn duration(nanos: i128) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.abs();
    let two = |big: i128, big_name: &str, small: i128, small_name: &str| {
        let rest = nanos % big / small;
        let head = format!("{sign}{} {big_name}", nanos / big);
        match rest {
            0 => head,
            _ => format!("{head} {rest} {small_name}"),
        }
    };
    match nanos {
        0 => "0 s".to_owned(),
        1..1_000_000 => format!("{sign}{} µs", nanos / 1000),
        1_000_000..SECOND => format!("{sign}{} ms", nanos / 1_000_000),
        SECOND..MINUTE => {
            let tenths = nanos * 10 / SECOND;
            match tenths % 10 {
                0 => format!("{sign}{} s", tenths / 10),
                tenth => format!("{sign}{}.{tenth} s", tenths / 10),
            }
        }
        MINUTE..HOUR => two(MINUTE, "m", SECOND, "s"),
        HOUR..DAY => two(HOUR, "h", MINUTE, "m"),
        _ => two(DAY, "d", HOUR, "h"),
    }
}

/// Without parts of seconds, where there are whole ones.
fn whole(nanos: i128) -> i128 {
    match nanos {
        ..SECOND => nanos,
        _ => nanos / SECOND * SECOND,
    }
}

/// A duration in its greatest unit.
fn coarse(nanos: i128) -> String {
    match nanos {
        ..SECOND => "a moment".to_owned(),
        SECOND..MINUTE => format!("{} s", nanos / SECOND),
        MINUTE..HOUR => format!("{} m", nanos / MINUTE),
        HOUR..DAY => format!("{} h", nanos / HOUR),
        _ => format!("{} d", nanos / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        for (nanos, text) in [
            (0, "0 s"),
            (1_500, "1 µs"),
            (4_200_000, "4 ms"),
            (12_340_000_000, "12.3 s"),
            (60 * SECOND, "1 m"),
            (3_725 * SECOND, "1 h 2 m"),
            (51 * HOUR, "2 d 3 h"),
            (-65 * SECOND, "-1 m 5 s"),
        ] {
            assert_eq!(duration(nanos), text);
        }
    }

    #[test]
    fn moments_are_relative_and_absolute() {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let clock = Clock::at(now, Some("Europe/Berlin"));
        let time = Timestamp {
            seconds: now.as_second() - 7200,
            nanos: 5_000_000,
        };
        let moment = clock.moment(Some(&time)).unwrap();
        assert_eq!(moment.relative, "1 h ago");
        assert_eq!(moment.absolute, "2026-03-01 11:00:00.005 CET");
        assert_eq!(moment.exact, "2026-03-01T10:00:00.005Z");
        assert_eq!(Clock::now(Some("Nowhere/Town")).zone(), "UTC");
    }
}
