//! Time as data: instants and spans in nanoseconds, converted from and to the protocol's messages.

use steadfast_protocol::{Duration, Timestamp};

/// An instant: nanoseconds since the Unix epoch. Zero stands for "none" in stored records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const MILLISECOND: i64 = 1_000_000;

/// Longer durations are cut to a hundred years (server-semantics 0.5), so that adding one to an instant of this
/// century stays within `i64`.
pub const DURATION_MAX: i64 = 100 * 365 * 24 * 3600 * SECOND;

impl Time {
    /// This instant moved by `nanos`, which may be negative.
    #[must_use]
    pub fn plus(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Nanoseconds from `earlier` to this instant, negative if it is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The protocol's form.
    pub fn to_proto(self) -> Timestamp {
        Timestamp {
            seconds: self.0.div_euclid(SECOND),
            nanos: self.0.rem_euclid(SECOND) as i32,
        }
    }

    /// The protocol's form; `None` for zero.
    pub fn to_proto_opt(self) -> Option<Timestamp> {
        (self.0 != 0).then(|| self.to_proto())
    }

    /// From the protocol's form; what lies outside of `i64` nanoseconds is cut.
    pub fn from_proto(time: &Timestamp) -> Self {
        Self(
            time.seconds
                .saturating_mul(SECOND)
                .saturating_add(i64::from(time.nanos)),
        )
    }

    /// This instant, or none if it is zero.
    pub fn some(self) -> Option<Self> {
        (self.0 != 0).then_some(self)
    }
}

/// A duration of the protocol in nanoseconds: absent is zero, and what is too long is cut to [`DURATION_MAX`].
///
/// # Errors
/// A negative or malformed duration.
pub fn duration(value: Option<&Duration>) -> Result<i64, InvalidDuration> {
    let Some(value) = value else { return Ok(0) };
    if value.seconds < 0 || value.nanos < 0 || value.nanos >= SECOND as i32 {
        return Err(InvalidDuration);
    }
    let nanos = value
        .seconds
        .saturating_mul(SECOND)
        .saturating_add(i64::from(value.nanos));
    Ok(nanos.min(DURATION_MAX))
}

/// As [`duration`], where the value was checked before: what is malformed counts as zero.
pub fn duration_or_zero(value: Option<&Duration>) -> i64 {
    duration(value).unwrap_or_default()
}

/// The protocol's form of `nanos`, which is not negative.
pub fn to_duration(nanos: i64) -> Duration {
    Duration {
        seconds: nanos.div_euclid(SECOND),
        nanos: nanos.rem_euclid(SECOND) as i32,
    }
}

/// The protocol's form of `nanos`; `None` for zero.
pub fn to_duration_opt(nanos: i64) -> Option<Duration> {
    (nanos != 0).then(|| to_duration(nanos))
}

/// A duration that is negative, or whose nanoseconds are out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidDuration;
