//! Where a page of a list ended.

use crate::record::Record;

/// The place of a run in the order of lists: pages continue after it, whatever was inserted or deleted meanwhile.
/// As in the reference it is not bound to the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Microseconds since 1970; [`Position::OPEN`] for an open run.
    pub close_time: i64,
    /// Microseconds since 1970.
    pub start_time: i64,
    /// The run.
    pub run_id: String,
}

/// The first byte of a token, for the day on which its form changes.
const FORM: u8 = 1;

impl Position {
    /// Stands for the close time of open runs, which come first.
    pub const OPEN: i64 = i64::MAX;

    /// The place of a record.
    pub fn of(record: &Record) -> Self {
        Self {
            close_time: record.close_time.map_or(Self::OPEN, micros),
            start_time: micros(record.start_time),
            run_id: record.run_id.clone(),
        }
    }

    /// The token of a page that ends here.
    pub fn encode(&self) -> Vec<u8> {
        let mut token = Vec::with_capacity(17 + self.run_id.len());
        token.push(FORM);
        token.extend(self.close_time.to_be_bytes());
        token.extend(self.start_time.to_be_bytes());
        token.extend(self.run_id.as_bytes());
        token
    }

    /// The place that a token names; none if it is not a token.
    pub fn decode(token: &[u8]) -> Option<Self> {
        let (form, rest) = token.split_first()?;
        let (close_time, rest) = rest.split_first_chunk()?;
        let (start_time, run_id) = rest.split_first_chunk()?;
        let run_id = str::from_utf8(run_id).ok()?.to_owned();
        (*form == FORM).then_some(Self {
            close_time: i64::from_be_bytes(*close_time),
            start_time: i64::from_be_bytes(*start_time),
            run_id,
        })
    }

    /// Sorts as lists do: greater times first, then smaller run ids.
    pub fn order(&self, other: &Self) -> std::cmp::Ordering {
        (other.close_time, other.start_time, &self.run_id).cmp(&(
            self.close_time,
            self.start_time,
            &other.run_id,
        ))
    }
}

/// Nanoseconds cut to microseconds.
pub(crate) fn micros(nanos: i64) -> i64 {
    nanos.div_euclid(1000)
}
