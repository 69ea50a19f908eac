//! Literals of queries that have a notation of their own: instants, durations, statuses (semantics 9.2, "Values").

use jiff::civil::DateTime;
use steadfast_protocol::enums::WorkflowExecutionStatus;

/// The short names of the statuses, by number.
pub const STATUS_NAMES: [&str; 9] = [
    "Unspecified",
    "Running",
    "Completed",
    "Failed",
    "Canceled",
    "Terminated",
    "ContinuedAsNew",
    "TimedOut",
    "Paused",
];

/// The short name of a status.
pub fn status_name(status: i32) -> &'static str {
    usize::try_from(status)
        .ok()
        .and_then(|index| STATUS_NAMES.get(index))
        .unwrap_or(&STATUS_NAMES[0])
}

/// A status by its short name, or by the protocol's long one.
pub(crate) fn parse_status(name: &str) -> Option<i32> {
    let short = STATUS_NAMES
        .iter()
        .position(|status| *status == name)
        .and_then(|index| i32::try_from(index).ok());
    short.or_else(|| WorkflowExecutionStatus::from_str_name(name).map(i32::from))
}

/// RFC 3339 as Go reads it: an upper-case `T`, a `Z` or an offset with a colon, a fraction after a point or a comma.
/// Microseconds since 1970; further digits are cut.
pub(crate) fn parse_datetime(text: &str) -> Option<i64> {
    let text = text.as_bytes();
    let (fixed, mut rest) = text.split_at_checked(19)?;
    let field = |from: usize, to: usize| digits(&fixed[from..to]);
    let separated = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separated
        .iter()
        .any(|(index, separator)| fixed[*index] != *separator)
    {
        return None;
    }
    let instant = DateTime::new(
        i16::try_from(field(0, 4)?).ok()?,
        i8::try_from(field(5, 7)?).ok()?,
        i8::try_from(field(8, 10)?).ok()?,
        i8::try_from(field(11, 13)?).ok()?,
        i8::try_from(field(14, 16)?).ok()?,
        i8::try_from(field(17, 19)?).ok()?,
        0,
    );
    let since = instant
        .ok()?
        .duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    let mut micros = since.as_secs() * 1_000_000;

    if let [b'.' | b',', fraction @ ..] = rest {
        let length = fraction
            .iter()
            .take_while(|digit| digit.is_ascii_digit())
            .count();
        let (fraction, zone) = fraction.split_at(length);
        if fraction.is_empty() {
            return None;
        }
        let padded = fraction.iter().chain(b"000000").take(6);
        micros += padded.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        rest = zone;
    }
    match rest {
        b"Z" => Some(micros),
        [sign @ (b'+' | b'-'), offset @ ..] if offset.len() == 5 && offset[2] == b':' => {
            let (hours, minutes) = (digits(&offset[..2])?, digits(&offset[3..])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = i64::from(hours * 60 + minutes) * 60_000_000;
            Some(if *sign == b'+' {
                micros - offset
            } else {
                micros + offset
            })
        }
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<u32> {
    let mut number = 0;
    for digit in text {
        number = number * 10 + char::from(*digit).to_digit(10)?;
    }
    Some(number)
}

/// Nanoseconds of an `ExecutionDuration`: an integer, `hh:mm:ss`, or a duration as Go writes it, with days. The
/// error is what the reference says in parentheses.
pub(crate) fn parse_duration(text: &str) -> Result<i64, &'static str> {
    const INVALID: &str = "invalid duration";
    if let Ok(nanos) = text.parse() {
        return Ok(nanos);
    }
    if text.contains(':') {
        let parts: Vec<_> = text
            .split(':')
            .map(|part| digits(part.as_bytes()).filter(|_| part.len() <= 6))
            .collect();
        let [Some(hours), Some(minutes), Some(seconds)] = parts[..] else {
            return Err(INVALID);
        };
        if minutes > 59 {
            return Err("invalid duration: minutes must be from 0 to 59");
        }
        if seconds > 59 {
            return Err("invalid duration: seconds must be from 0 to 59");
        }
        let seconds = i64::from(hours) * 3600 + i64::from(minutes * 60 + seconds);
        return seconds.checked_mul(1_000_000_000).ok_or(INVALID);
    }
    go_duration(text).ok_or(INVALID)
}

fn go_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let number_length = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_length);
        let unit_length = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_length);
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || whole.len() > 19 || fraction.len() > 19 {
            return None;
        }
        nanos += whole.chars().try_fold(0, |sum: i128, c| {
            Some(sum * 10 + i128::from(c.to_digit(10)?))
        })? * unit;
        let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
        nanos += fraction.chars().try_fold(0, |sum: i128, c| {
            Some(sum * 10 + i128::from(c.to_digit(10)?))
        })? * unit
            / scale;
        if nanos > i128::from(i64::MAX) {
            return None;
        }
        rest = after;
    }
    i64::try_from(if negative { -nanos } else { nanos }).ok()
}
