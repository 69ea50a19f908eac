//! Times and spans of time in words. Milliseconds since 1970 are the unit of the whole page.

use jiff::Timestamp as Instant;
use jiff::tz::TimeZone;
use steadfast_protocol::Timestamp;

/// Milliseconds since 1970.
pub fn ms(time: &Timestamp) -> i64 {
    time.seconds
        .saturating_mul(1000)
        .saturating_add(i64::from(time.nanos) / 1_000_000)
}

/// Of a time that may be missing.
pub fn ms_of(time: Option<&Timestamp>) -> Option<i64> {
    time.map(ms)
}

/// `2026-11-23 15:01:33.123`, in UTC.
pub fn text(ms: i64) -> String {
    match Instant::from_millisecond(ms) {
        Ok(instant) => instant
            .to_zoned(TimeZone::UTC)
            .strftime("%Y-%m-%d %H:%M:%S%.3f")
            .to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// `2026-11-23T15:01:33.123Z`, for machines.
pub fn machine(ms: i64) -> String {
    match Instant::from_millisecond(ms) {
        Ok(instant) => instant
            .to_zoned(TimeZone::UTC)
            .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
            .to_string(),
        Err(_) => String::new(),
    }
}

/// A span in its two greatest units: `2 h 10 min`, `1 min 30 s`, `1.25 s`, `40 ms`.
pub fn span_words(ms: i64) -> String {
    let ms = ms.max(0);
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..10_000 => {
            let text = format!("{}.{:02}", ms / 1000, ms % 1000 / 10);
            format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
        }
        10_000..60_000 => format!("{} s", ms / 1000),
        60_000..3_600_000 => two(ms / 1000, 60, "min", "s"),
        3_600_000..86_400_000 => two(ms / 60_000, 60, "h", "min"),
        _ => two(ms / 3_600_000, 24, "d", "h"),
    }
}

fn two(small: i64, per_great: i64, great_name: &str, small_name: &str) -> String {
    match (small / per_great, small % per_great) {
        (great, 0) => format!("{great} {great_name}"),
        (great, rest) => format!("{great} {great_name} {rest} {small_name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let cases = [
            (-5, "0 ms"),
            (40, "40 ms"),
            (1000, "1 s"),
            (1250, "1.25 s"),
            (41_700, "41 s"),
            (90_000, "1 min 30 s"),
            (7_800_000, "2 h 10 min"),
            (90_000_000, "1 d 1 h"),
        ];
        for (ms, words) in cases {
            assert_eq!(span_words(ms), words);
        }
    }

    #[test]
    fn times() {
        assert_eq!(text(1_000), "1970-01-01 00:00:01.000");
        assert_eq!(machine(1_001), "1970-01-01T00:00:01.001Z");
    }
}
