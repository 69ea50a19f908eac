//! Histories as the JSON that SDK replayers read: proto3 JSON, enums by name.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, SerializeOptions};
use steadfast_protocol::history::HistoryEvent;

use super::attributes::reflect;

/// What comes before the first event of a history.
pub const OPENING: &str = "{\"events\":[";
/// What comes after the last one.
pub const CLOSING: &str = "]}\n";

/// One event as JSON on one line; none if the descriptors do not know it.
pub fn event(event: &HistoryEvent) -> Option<Vec<u8>> {
    message(&reflect("temporal.api.history.v1.HistoryEvent", event)?)
}

/// Some events of a history, with the commas between them and before them if others came before.
pub fn events(events: &[HistoryEvent], first: bool) -> Bytes {
    let mut out = Vec::new();
    for (at, one) in events.iter().enumerate() {
        if at > 0 || !first {
            out.extend(b",\n");
        }
        out.extend(event(one).unwrap_or_default());
    }
    out.into()
}

/// Any message as JSON on one line.
pub fn message(message: &DynamicMessage) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut out);
    // Defaults: enums by name, 64-bit integers as strings, unset fields left out.
    let options = SerializeOptions::new();
    message
        .serialize_with_options(&mut serializer, &options)
        .ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use steadfast_protocol::Timestamp;
    use steadfast_protocol::enums::EventType;

    use super::*;

    #[test]
    fn events_are_proto3_json() {
        let one = HistoryEvent {
            event_id: 9_007_199_254_740_993,
            event_time: Some(Timestamp {
                seconds: 1,
                nanos: 500,
            }),
            event_type: EventType::TimerFired as i32,
            ..Default::default()
        };
        assert_eq!(
            String::from_utf8(events(&[one.clone(), one], true).to_vec())
                .unwrap()
                .lines()
                .next()
                .unwrap(),
            r#"{"eventId":"9007199254740993","eventTime":"1970-01-01T00:00:01.000000500Z","eventType":"EVENT_TYPE_TIMER_FIRED"},"#
        );
    }
}
