//! Schedules and their ticks, text in and text out.

use super::*;

fn at(text: &str) -> Time {
    let time: Timestamp = text.parse().expect("a time");
    Time(time.as_nanosecond() as i64)
}

/// The first `count` ticks after `from`, in the zone's own wall clock with its offset, or in UTC.
fn ticks(schedule: &str, from: &str, count: usize) -> Vec<String> {
    let parsed = parse(schedule).expect("a schedule");
    let zone = match &parsed {
        Schedule::Every(_) => TimeZone::UTC,
        Schedule::Fields(fields) => fields.zone.clone(),
    };
    let mut time = at(from);
    let mut found = Vec::new();
    for _ in 0..count {
        time = parsed.next(time).expect("a tick");
        let zoned = Timestamp::from_nanosecond(i128::from(time.0))
            .expect("in range")
            .to_zoned(zone.clone());
        found.push(zoned.strftime("%m-%d %H:%M:%S%:z").to_string());
    }
    found
}

#[test]
fn fields_restrict_the_wall_clock() {
    let from = "2026-01-30T10:20:30Z";
    assert_eq!(
        ticks("*/15 10 * * *", from, 3),
        [
            "01-30 10:30:00+00:00",
            "01-30 10:45:00+00:00",
            "01-31 10:00:00+00:00"
        ]
    );
    assert_eq!(
        ticks("5,50/5 9-10 * JAN-mar Mon", from, 3),
        [
            "02-02 09:05:00+00:00",
            "02-02 09:50:00+00:00",
            "02-02 09:55:00+00:00"
        ]
    );
    assert_eq!(
        ticks("@monthly", from, 2),
        ["02-01 00:00:00+00:00", "03-01 00:00:00+00:00"]
    );
    assert_eq!(ticks("0 0 29 2 *", from, 1), ["02-29 00:00:00+00:00"]);
    assert_eq!(
        ticks("20 10 * * *", "2026-01-30T10:20:00Z", 1),
        ["01-31 10:20:00+00:00"]
    );
}

#[test]
fn either_kind_of_day_will_do_if_both_are_given() {
    let from = "2026-01-01T00:00:00Z";
    // The 13th is a Tuesday; Fridays are the 2nd, 9th and 16th.
    assert_eq!(
        ticks("0 0 13 * FRI", from, 4),
        [
            "01-02 00:00:00+00:00",
            "01-09 00:00:00+00:00",
            "01-13 00:00:00+00:00",
            "01-16 00:00:00+00:00"
        ]
    );
    assert_eq!(ticks("0 0 13 * ?", from, 1), ["01-13 00:00:00+00:00"]);
    assert_eq!(
        ticks("0 0 */10 * FRI", from, 2),
        ["01-02 00:00:00+00:00", "01-09 00:00:00+00:00"]
    );
}

#[test]
fn skipped_hours_have_no_ticks_and_repeated_ones_have_two() {
    let spring = "2026-03-07T12:00:00Z";
    assert_eq!(
        ticks("CRON_TZ=America/New_York 30 2 * * *", spring, 2),
        ["03-09 02:30:00-04:00", "03-10 02:30:00-04:00"]
    );
    assert_eq!(
        ticks("TZ=America/New_York 0 * * * *", "2026-03-08T05:30:00Z", 3),
        [
            "03-08 01:00:00-05:00",
            "03-08 03:00:00-04:00",
            "03-08 04:00:00-04:00"
        ]
    );
    assert_eq!(
        ticks("TZ=America/New_York 30 1 * * *", "2026-11-01T00:00:00Z", 3),
        [
            "11-01 01:30:00-04:00",
            "11-01 01:30:00-05:00",
            "11-02 01:30:00-05:00"
        ]
    );
    // Here the clocks skip midnight.
    assert_eq!(
        ticks("TZ=America/Santiago 0 0 * * *", "2026-09-05T12:00:00Z", 1),
        ["09-07 00:00:00-03:00"]
    );
    assert_eq!(
        ticks("TZ=Asia/Kolkata 15 * * * *", "2026-01-01T00:00:00Z", 2),
        ["01-01 06:15:00+05:30", "01-01 07:15:00+05:30"]
    );
}

#[test]
fn intervals_are_exact() {
    let from = at("2026-01-01T00:00:00.400Z");
    let wait = |schedule, now: Time| backoff(schedule, from, now).map(|nanos| nanos / 1_000_000);
    assert_eq!(wait("@every 1s", from), Some(1000));
    assert_eq!(wait("@every 1h30m", from), Some(5_400_000));
    assert_eq!(wait("@every 1.5h", from), Some(5_400_000));
    assert_eq!(wait("@every 10ms", from), Some(1000));
    assert_eq!(wait("TZ=Asia/Tokyo @every 2s", from), Some(2000));
    // Three ticks were missed; the one that is due now is not.
    assert_eq!(wait("@every 2s", at("2026-01-01T00:00:07Z")), Some(1400));
    let due = at("2026-01-01T00:00:08.400Z");
    assert_eq!(wait("@every 2s", due), Some(0));
    assert_eq!(wait("* * * * *", from), Some(59_600));
    assert_eq!(wait("* * * * *", at("2026-01-01T00:03:00Z")), Some(0));
    assert_eq!(wait("* * * * *", at("2026-01-01T00:03:01Z")), Some(59_000));
    let decades_later = at("2126-01-01T00:00:00.500Z");
    assert_eq!(wait("@every 1s", decades_later), Some(900));
}

#[test]
fn what_makes_no_sense_is_refused() {
    for bad in [
        "not a cron",
        "* * * * * *",
        "* * * *",
        "",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 7",
        "5-1 * * * *",
        "*/0 * * * *",
        "1-2-3 * * * *",
        "1/2/3 * * * *",
        "+1 * * * *",
        "-1 * * * *",
        "@never",
        "@every",
        "@every ",
        "@every x",
        "@every 1",
        "@every 1d",
        "@every 99999999999h",
        "TZ=Nowhere/Land * * * * *",
        "TZ=UTC",
        "CRON_TZ=UTC",
        "999999999999 * * * *",
        ", * * * *",
    ] {
        assert_eq!(
            validate(bad),
            Err(Refusal::invalid("invalid CronSchedule.")),
            "{bad:?}"
        );
    }
    let long = "1,".repeat(1000) + " * * * *";
    assert!(validate(&long).is_err());
    let message = "invalid CronSchedule, no time can be found to satisfy the schedule";
    for never in ["0 0 31 2 *", "0 0 31 4,6,9,11 *"] {
        assert_eq!(validate(never), Err(Refusal::invalid(message)), "{never:?}");
    }
    for good in [
        "0 0 29 2 *",
        "@hourly",
        "@midnight",
        "CRON_TZ=Europe/Berlin @daily",
        "@every 1us",
        "? ? ? ? ?",
    ] {
        assert_eq!(validate(good), Ok(()), "{good:?}");
    }
}
