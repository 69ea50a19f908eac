//! All payloads inside a message, whatever the message.

use prost_reflect::{DynamicMessage, ReflectMessage, Value};

const PAYLOAD: &str = "temporal.api.common.v1.Payload";

/// Calls `visit` for each payload inside `message`, in an order that is the same each time for the same message.
pub fn payloads(message: &mut DynamicMessage, visit: &mut impl FnMut(&mut DynamicMessage)) {
    if message.descriptor().full_name() == PAYLOAD {
        return visit(message);
    }
    for (_, value) in message.fields_mut() {
        walk(value, visit);
    }
}

fn walk(value: &mut Value, visit: &mut impl FnMut(&mut DynamicMessage)) {
    match value {
        Value::Message(message) => payloads(message, visit),
        Value::List(values) => values.iter_mut().for_each(|value| walk(value, visit)),
        Value::Map(map) => {
            let mut entries: Vec<_> = map.iter_mut().collect();
            entries.sort_by(|a, b| format!("{:?}", a.0).cmp(&format!("{:?}", b.0)));
            entries
                .into_iter()
                .for_each(|(_, value)| walk(value, visit));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use steadfast_protocol::common::{Memo, Payload};
    use steadfast_protocol::history::{
        HistoryEvent, WorkflowExecutionStartedEventAttributes, history_event::Attributes,
    };

    use super::*;
    use crate::history::attributes::reflect;

    #[test]
    fn payloads_deep_inside_are_found_in_order() {
        let payload = |text: &str| Payload {
            data: text.to_owned().into(),
            ..Default::default()
        };
        let memo = [("b", payload("2")), ("a", payload("1"))];
        let event = HistoryEvent {
            attributes: Some(Attributes::WorkflowExecutionStartedEventAttributes(
                WorkflowExecutionStartedEventAttributes {
                    memo: Some(Memo {
                        fields: memo.map(|(key, value)| (key.to_owned(), value)).into(),
                    }),
                    ..Default::default()
                }
                .into(),
            )),
            ..Default::default()
        };
        let mut event = reflect("temporal.api.history.v1.HistoryEvent", &event).unwrap();
        let mut found = Vec::new();
        payloads(&mut event, &mut |payload| {
            found.push(payload.transcode_to::<Payload>().unwrap().data);
        });
        assert_eq!(found, ["1", "2"]);
    }
}
