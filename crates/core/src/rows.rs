//! Which rows an execution is stored in, and their bytes.

use std::sync::Arc;

use prost::Message;
use steadfast_protocol::history::HistoryEvent;

use crate::execution::{Execution, RunKey};
use crate::record::{Activity, Child, External, Head, Timer};

/// One row of an execution. The head is written by every transition and has no name here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// A pending activity, by Scheduled event.
    Activity(i64),
    /// A pending timer, by Started event.
    Timer(i64),
    /// A pending child, by Initiated event.
    Child(i64),
    /// A pending signal to another execution, by Initiated event.
    ExternalSignal(i64),
    /// A pending cancel request to another execution, by Initiated event.
    ExternalCancel(i64),
    /// A buffered event, by number.
    Buffered(u64),
    /// A signal's request id.
    SignalRequestId(String),
}

const HEAD: u8 = 0;
const ACTIVITY: u8 = 1;
const TIMER: u8 = 2;
const CHILD: u8 = 3;
const EXTERNAL_SIGNAL: u8 = 4;
const EXTERNAL_CANCEL: u8 = 5;
const BUFFERED: u8 = 6;
const SIGNAL_REQUEST_ID: u8 = 7;

impl Row {
    /// Key of the head's row, relative to the run's prefix.
    pub const HEAD_KEY: [u8; 1] = [HEAD];

    /// Appends the row's key, relative to the run's prefix: rows of a kind sort together, by number.
    pub fn write_key(&self, key: &mut Vec<u8>) {
        let (kind, number) = match self {
            Self::Activity(id) => (ACTIVITY, *id as u64),
            Self::Timer(id) => (TIMER, *id as u64),
            Self::Child(id) => (CHILD, *id as u64),
            Self::ExternalSignal(id) => (EXTERNAL_SIGNAL, *id as u64),
            Self::ExternalCancel(id) => (EXTERNAL_CANCEL, *id as u64),
            Self::Buffered(number) => (BUFFERED, *number),
            Self::SignalRequestId(id) => {
                key.push(SIGNAL_REQUEST_ID);
                key.extend_from_slice(id.as_bytes());
                return;
            }
        };
        key.push(kind);
        write_number(key, number);
    }
}

/// Appends a number to a key, so that keys sort as their numbers do: one byte below 128, for most; otherwise how many
/// bytes follow, and those, big-endian.
pub fn write_number(key: &mut Vec<u8>, number: u64) {
    if number < u64::from(LONG) {
        key.push(number as u8);
        return;
    }
    let bytes = number.to_be_bytes();
    let skipped = number.leading_zeros() as usize / 8;
    key.push(LONG | (bytes.len() - skipped) as u8);
    key.extend_from_slice(&bytes[skipped..]);
}

/// The number that [`write_number`] made all of these bytes from.
pub fn read_number(key: &[u8]) -> Option<u64> {
    match *key {
        [number] if number < LONG => Some(number.into()),
        [length, ref bytes @ ..] if bytes.len() <= 8 && length == LONG | bytes.len() as u8 => {
            let number = bytes.iter();
            Some(number.fold(0, |number, byte| number << 8 | u64::from(*byte)))
        }
        _ => None,
    }
}

/// Marks the length of a number, in its first byte.
const LONG: u8 = 0x80;

/// Stored bytes that are not what this version or an older one wrote.
#[derive(Debug, thiserror::Error)]
pub enum CorruptRow {
    /// A row's value.
    #[error("a row of run {run_id} cannot be decoded: {source}")]
    Value {
        /// The run.
        run_id: String,
        /// What is wrong.
        source: prost::DecodeError,
    },
    /// A row's key.
    #[error("run {run_id} has a row with the unknown key {key:02x?}")]
    Key {
        /// The run.
        run_id: String,
        /// The key, relative to the run's prefix.
        key: Vec<u8>,
    },
}

impl Execution {
    /// The bytes of a row as it stands; `None` if it is gone.
    pub fn encode_row(&self, row: &Row) -> Option<Vec<u8>> {
        match row {
            Row::Activity(id) => self.activities.get(id).map(|item| item.encode_to_vec()),
            Row::Timer(id) => self.timers.get(id).map(|item| item.encode_to_vec()),
            Row::Child(id) => self.children.get(id).map(|item| item.encode_to_vec()),
            Row::ExternalSignal(id) => {
                let item = self.external_signals.get(id);
                item.map(|item| item.encode_to_vec())
            }
            Row::ExternalCancel(id) => {
                let item = self.external_cancels.get(id);
                item.map(|item| item.encode_to_vec())
            }
            Row::Buffered(number) => {
                let mut events = self.buffered.iter();
                let event = events.find(|(row, _)| row == number);
                event.map(|(_, event)| event.encode_to_vec())
            }
            Row::SignalRequestId(id) => self.signal_request_ids.contains(id).then(Vec::new),
        }
    }

    /// Puts an execution together from its head and its other stored rows: keys relative to the run's prefix.
    ///
    /// # Errors
    /// [`CorruptRow`] if the rows are not what [`Execution::encode_row`] wrote.
    pub fn decode<'a>(
        key: Arc<RunKey>,
        started: Arc<HistoryEvent>,
        head: &[u8],
        rows: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, CorruptRow> {
        let run_id = key.run_id.clone();
        let value = |source| CorruptRow::Value {
            run_id: run_id.clone(),
            source,
        };
        let mut run = Self::new(key, started, Head::decode(head).map_err(value)?);
        for (key, bytes) in rows {
            let unknown = || CorruptRow::Key {
                run_id: run_id.clone(),
                key: key.to_vec(),
            };
            let (kind, rest) = key.split_first().ok_or_else(unknown)?;
            let number = || read_number(rest).ok_or_else(unknown);
            match *kind {
                ACTIVITY => run.put_activity(Activity::decode(bytes).map_err(value)?),
                TIMER => run.put_timer(Timer::decode(bytes).map_err(value)?),
                CHILD => run.put_child(Child::decode(bytes).map_err(value)?),
                EXTERNAL_SIGNAL => {
                    run.put_external_signal(External::decode(bytes).map_err(value)?);
                }
                EXTERNAL_CANCEL => {
                    run.put_external_cancel(External::decode(bytes).map_err(value)?);
                }
                BUFFERED => {
                    run.put_buffered(number()?, HistoryEvent::decode(bytes).map_err(value)?);
                }
                SIGNAL_REQUEST_ID => {
                    let id = String::from_utf8(rest.to_vec()).map_err(|_| unknown())?;
                    run.put_signal_request_id(id);
                }
                _ => return Err(unknown()),
            }
        }
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers_do_and_read_back() {
        let edges = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        let mut numbers: Vec<u64> = edges.chain([u64::MAX]).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let key = |number| {
            let mut key = Vec::new();
            write_number(&mut key, number);
            key
        };
        let keys: Vec<_> = numbers.iter().copied().map(key).collect();
        assert!(keys.is_sorted_by(|one, next| one < next));
        let read: Vec<_> = keys.iter().filter_map(|key| read_number(key)).collect();
        assert_eq!(read, numbers);
        assert_eq!((keys[0].len(), key(127).len(), key(128).len()), (1, 1, 2));
        for foreign in [
            &[][..],
            &[1, 2],
            &[LONG | 2, 1],
            &[LONG | 9, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        ] {
            assert_eq!(read_number(foreign), None);
        }
    }
}
