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

/// The value by which a run is sorted.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub enum SortKey {
    /// A number, an instant in microseconds, a status, or 1 for true.
    Int(i64),
    /// A number that is not whole.
    Double(f64),
    /// Compared byte by byte.
    String(String),
}

/// The place of a run in a sorted list.
#[derive(Clone, Debug, PartialEq)]
pub struct SortedPosition {
    /// Its value; none for runs without one, which are at the end.
    pub key: Option<SortKey>,
    /// What tells it from runs with the same value; a store's own affair.
    pub tie: Vec<u8>,
}

/// The first byte of a token of a sorted list.
const SORTED_FORM: u8 = 2;

impl SortedPosition {
    /// The token of a page that ends here.
    pub fn encode(&self) -> Vec<u8> {
        let mut token = vec![SORTED_FORM];
        let mut put = |kind: u8, key: &[u8]| {
            token.push(kind);
            token.extend((key.len() as u64).to_be_bytes());
            token.extend(key);
        };
        match &self.key {
            None => put(0, &[]),
            Some(SortKey::Int(number)) => put(1, &number.to_be_bytes()),
            Some(SortKey::Double(number)) => put(2, &number.to_bits().to_be_bytes()),
            Some(SortKey::String(text)) => put(3, text.as_bytes()),
        }
        token.extend(&self.tie);
        token
    }

    /// The place that a token names; none if it is not a token of a sorted list.
    pub fn decode(token: &[u8]) -> Option<Self> {
        let rest = token.strip_prefix(&[SORTED_FORM])?;
        let (kind, rest) = rest.split_first()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
        let (key, tie) = rest.split_at_checked(length)?;
        let number = || Some(u64::from_be_bytes(key.try_into().ok()?));
        let key = match kind {
            0 if key.is_empty() => None,
            1 => Some(SortKey::Int(number()?.cast_signed())),
            2 => Some(SortKey::Double(f64::from_bits(number()?))).filter(|key| {
                // What is no number has no place.
                key.partial_cmp(key).is_some()
            }),
            3 => Some(SortKey::String(str::from_utf8(key).ok()?.to_owned())),
            _ => return None,
        };
        Some(Self {
            key,
            tie: tie.to_vec(),
        })
    }
}

/// Nanoseconds cut to microseconds.
pub(crate) fn micros(nanos: i64) -> i64 {
    nanos.div_euclid(1000)
}
