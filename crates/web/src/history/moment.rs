//! Times in milliseconds since 1970, the unit of histories and timelines.

use steadfast_protocol::Timestamp;

use crate::time;

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

/// Back to a time of the protocol.
pub fn timestamp(ms: i64) -> Timestamp {
    Timestamp {
        seconds: ms.div_euclid(1000),
        nanos: i32::try_from(ms.rem_euclid(1000) * 1_000_000).unwrap_or(0),
    }
}

/// A span in words.
pub fn span_words(ms: i64) -> String {
    match ms {
        ..0 => time::duration(0),
        _ => time::duration(i128::from(ms) * 1_000_000),
    }
}
