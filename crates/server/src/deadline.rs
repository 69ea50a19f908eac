//! How long a caller waits: the header `grpc-timeout`.

use std::time::{Duration, Instant};

use http::HeaderMap;

use crate::headers::TIMEOUT;

/// When a request came, and when its caller stops waiting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// When it came.
    pub at: Instant,
    /// When its caller stops waiting; none where it did not say.
    pub deadline: Option<Instant>,
}

impl Arrival {
    /// Of a request with these headers that came just now.
    pub(crate) fn now(headers: &HeaderMap) -> Self {
        let at = Instant::now();
        let timeout = headers
            .get(&TIMEOUT)
            .and_then(|value| parse(value.as_bytes()));
        Self {
            at,
            deadline: timeout.and_then(|timeout| at.checked_add(timeout)),
        }
    }
}

/// At most eight digits and a unit, as in `70S`. What is malformed is as good as absent.
fn parse(value: &[u8]) -> Option<Duration> {
    let (&unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let amount = digits
        .iter()
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(amount * 3600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_a_unit() {
        assert_eq!(parse(b"70S"), Some(Duration::from_secs(70)));
        assert_eq!(parse(b"70000000u"), Some(Duration::from_secs(70)));
        assert_eq!(
            parse(b"99999999H"),
            Some(Duration::from_secs(99_999_999 * 3600))
        );
        for odd in ["", "S", "70", "-1S", "123456789S", "7 S", "7x"] {
            assert_eq!(parse(odd.as_bytes()), None, "{odd}");
        }
    }
}
