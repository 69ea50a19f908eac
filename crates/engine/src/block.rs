//! A block of a history: the events of one transition, encoded as they are in the store. A decoded event takes ten times
//! the space, and most readers want it encoded again.

use bytes::Bytes;
use prost::Message;
use prost::encoding::{decode_key, decode_varint};
use steadfast_protocol::history::{History, HistoryEvent};
use steadfast_store::StoreError;

/// See the documentation of the module.
#[derive(Debug)]
pub(crate) struct Block {
    /// Its first event.
    pub first_event_id: i64,
    /// Its last event.
    pub last_event_id: i64,
    /// An encoded `History`.
    pub encoded: Bytes,
}

/// The events of an encoded block.
pub(crate) fn decode_block(encoded: Bytes) -> Result<Vec<HistoryEvent>, StoreError> {
    match History::decode(encoded) {
        Ok(block) => Ok(block.events),
        Err(error) => Err(StoreError::Corrupt(error.to_string())),
    }
}

/// What has to be known of an event that is passed on as it is.
#[derive(Clone, PartialEq, prost::Message)]
struct Numbered {
    #[prost(int64, tag = "1")]
    event_id: i64,
}

/// The events of an encoded block: the number of each, and the offset at which it ends.
struct Walk<'a> {
    encoded: &'a [u8],
    rest: &'a [u8],
}

impl Iterator for Walk<'_> {
    type Item = Result<(i64, usize), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let event = self.event();
        if event.is_err() {
            self.rest = &[];
        }
        Some(event)
    }
}

impl<'a> Walk<'a> {
    fn new(encoded: &'a [u8]) -> Self {
        Self {
            encoded,
            rest: encoded,
        }
    }

    fn event(&mut self) -> Result<(i64, usize), StoreError> {
        let corrupt = |error: &dyn std::fmt::Display| StoreError::Corrupt(error.to_string());
        decode_key(&mut self.rest).map_err(|error| corrupt(&error))?;
        let length = decode_varint(&mut self.rest).map_err(|error| corrupt(&error))?;
        let event = usize::try_from(length)
            .ok()
            .and_then(|length| self.rest.split_at_checked(length));
        let (event, rest) = event.ok_or_else(|| corrupt(&"an event is cut short"))?;
        self.rest = rest;
        let numbered = Numbered::decode(event).map_err(|error| corrupt(&error))?;
        Ok((numbered.event_id, self.encoded.len() - rest.len()))
    }
}

impl Block {
    /// A block as the store has it.
    pub(crate) fn read(encoded: Bytes) -> Result<Self, StoreError> {
        let mut first_event_id = 0;
        let mut last_event_id = 0;
        for event in Walk::new(&encoded) {
            (last_event_id, _) = event?;
            if first_event_id == 0 {
                first_event_id = last_event_id;
            }
        }
        if first_event_id == 0 {
            return Err(StoreError::Corrupt("a block has no events".to_owned()));
        }
        Ok(Self {
            first_event_id,
            last_event_id,
            encoded,
        })
    }

    /// Its events, in order.
    pub(crate) fn events(&self) -> Result<Vec<HistoryEvent>, StoreError> {
        decode_block(self.encoded.clone())
    }

    /// The event of that number. The others are passed over: a workflow may schedule thousands of activities at once,
    /// and each that starts looks for its own event in the same block.
    pub(crate) fn event(&self, id: i64) -> Result<Option<HistoryEvent>, StoreError> {
        let mut events = self.part(id, id + 1)?;
        if events.is_empty() {
            return Ok(None);
        }
        let event = decode_key(&mut events)
            .and_then(|_| decode_varint(&mut events))
            .and_then(|_| HistoryEvent::decode(events));
        event
            .map(Some)
            .map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// Its events from `from` on that are before `end`, encoded.
    pub(crate) fn part(&self, from: i64, end: i64) -> Result<Bytes, StoreError> {
        if from <= self.first_event_id && self.last_event_id < end {
            return Ok(self.encoded.clone());
        }
        let (mut begin, mut until) = (0, 0);
        for event in Walk::new(&self.encoded) {
            let (event_id, offset) = event?;
            if event_id >= end {
                break;
            }
            if event_id < from {
                begin = offset;
            }
            until = offset;
        }
        Ok(self.encoded.slice(begin..until.max(begin)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(ids: std::ops::RangeInclusive<i64>) -> Block {
        let events: Vec<_> = ids
            .map(|event_id| HistoryEvent {
                event_id,
                task_id: 100 * event_id,
                ..HistoryEvent::default()
            })
            .collect();
        Block::read(History::from(events).encode_to_vec().into()).unwrap()
    }

    fn ids(encoded: Bytes) -> Vec<i64> {
        let events = decode_block(encoded).unwrap();
        events.iter().map(|event| event.event_id).collect()
    }

    #[test]
    fn a_block_knows_its_first_and_its_last_event() {
        let block = block(5..=9);
        assert_eq!((block.first_event_id, block.last_event_id), (5, 9));
    }

    #[test]
    fn a_part_of_a_block_begins_and_ends_where_it_is_asked_to() {
        let block = block(5..=9);
        assert_eq!(ids(block.part(1, 100).unwrap()), [5, 6, 7, 8, 9]);
        assert_eq!(ids(block.part(7, 100).unwrap()), [7, 8, 9]);
        assert_eq!(ids(block.part(5, 8).unwrap()), [5, 6, 7]);
        assert_eq!(ids(block.part(6, 7).unwrap()), [6]);
        assert_eq!(ids(block.part(10, 100).unwrap()), [0; 0]);
        assert_eq!(ids(block.part(1, 5).unwrap()), [0; 0]);
    }

    #[test]
    fn an_event_of_a_block_is_found_by_its_number() {
        let block = block(5..=9);
        let task_id = |id| block.event(id).unwrap().map(|event| event.task_id);
        assert_eq!(task_id(5), Some(500));
        assert_eq!(task_id(7), Some(700));
        assert_eq!(task_id(9), Some(900));
        assert_eq!((task_id(4), task_id(10)), (None, None));
    }

    #[test]
    fn a_damaged_block_is_an_error() {
        let whole = block(1..=3).encoded;
        for length in 0..whole.len() {
            let cut = whole.slice(..length);
            let read = Block::read(cut.clone());
            let Ok(read) = read else { continue };
            // Cut between two events, the rest is a block of its own.
            assert_eq!(ids(cut).last(), Some(&read.last_event_id));
        }
        assert!(Block::read(Bytes::new()).is_err());
        assert!(Block::read(Bytes::from_static(&[0x0a, 0x7f, 1])).is_err());
    }
}
