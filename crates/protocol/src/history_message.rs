//! The message `History`, of which a part may stay encoded.
//!
//! A server that keeps events as they stand in messages would decode each of them only to encode it again for the next
//! reader. Of a workflow task with a long history that would be most of the work.

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType, message, skip_field};
use prost::{DecodeError, Message};

use crate::history::HistoryEvent;

/// Events, in order: those of [`History::encoded`], then those of [`History::events`]. A message that was decoded has
/// all of them in the latter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Each an encoded `History`.
    pub encoded: Vec<Bytes>,
    /// What comes after them.
    pub events: Vec<HistoryEvent>,
}

/// The number of the field `events`.
const EVENTS: u32 = 1;

impl From<Vec<HistoryEvent>> for History {
    fn from(events: Vec<HistoryEvent>) -> Self {
        Self {
            encoded: Vec::new(),
            events,
        }
    }
}

impl Message for History {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        // Messages that follow one another are one message with all their repeated fields.
        for part in &self.encoded {
            buffer.put_slice(part);
        }
        message::encode_repeated(EVENTS, &self.events, buffer);
    }

    fn merge_field(
        &mut self,
        number: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        if number != EVENTS {
            return skip_field(wire_type, number, buffer, context);
        }
        message::merge_repeated(wire_type, &mut self.events, buffer, context).map_err(
            |mut error| {
                error.push("History", "events");
                error
            },
        )
    }

    fn encoded_len(&self) -> usize {
        let encoded: usize = self.encoded.iter().map(Bytes::len).sum();
        encoded + message::encoded_len_repeated(EVENTS, &self.events)
    }

    fn clear(&mut self) {
        self.encoded.clear();
        self.events.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event_id: i64) -> HistoryEvent {
        HistoryEvent {
            event_id,
            ..HistoryEvent::default()
        }
    }

    #[test]
    fn encoded_and_decoded_parts_are_one_message() {
        let first = History::from(vec![event(1), event(2)]).encode_to_vec();
        let second = History::from(vec![event(3)]).encode_to_vec();
        let history = History {
            encoded: vec![first.into(), second.into()],
            events: vec![event(4)],
        };
        let bytes = history.encode_to_vec();
        assert_eq!(bytes.len(), history.encoded_len());
        let decoded = History::decode(&bytes[..]).unwrap();
        assert_eq!(
            decoded,
            History::from((1..=4).map(event).collect::<Vec<_>>())
        );
    }

    #[test]
    fn unknown_fields_are_passed_over() {
        let mut bytes = History::from(vec![event(7)]).encode_to_vec();
        // Field 2, a varint.
        bytes.extend([0x10, 0x05]);
        assert_eq!(
            History::decode(&bytes[..]).unwrap(),
            History::from(vec![event(7)])
        );
    }
}
