//! Each attribute of a message of the protocol, in words, whatever the message: read from its descriptor, so that a
//! field that is new tomorrow is shown tomorrow.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, ReflectMessage,
    Value,
};
use steadfast_protocol::common::{Payload, Payloads};
use steadfast_protocol::failure::Failure;
use steadfast_protocol::history::HistoryEvent;
use steadfast_protocol::{DESCRIPTORS, Duration, Timestamp};

use crate::payload::PayloadView;
use crate::payload::failure::{self, FailureView};
use crate::time;

/// Messages deeper than this are named, not opened.
const DEPTH_MAX: usize = 8;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(DESCRIPTORS).expect("the build script wrote these descriptors")
});

/// One attribute; what it holds follows it with a greater depth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// How deep in its message.
    pub depth: usize,
    /// Its name in words; a map's key as it is.
    pub name: String,
    /// What it holds.
    pub content: Content,
}

/// What an attribute holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The attributes that follow.
    Heading,
    /// Words, numbers, ids.
    Text(String),
    /// A point in time.
    Time(Timestamp),
    /// The id of an event of the same history.
    Event(i64),
    /// User data.
    Payload(PayloadView),
    /// What went wrong.
    Failure(Vec<FailureView>),
}

impl Attribute {
    /// Class of the style sheet for its depth.
    pub fn class(&self) -> &'static str {
        ["depth-0", "depth-1", "depth-2", "depth-3"][self.depth.min(3)]
    }
}

/// A message as `prost-reflect` sees it.
pub fn reflect(name: &str, message: &impl Message) -> Option<DynamicMessage> {
    let descriptor = POOL.get_message_by_name(name)?;
    DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).ok()
}

/// Every attribute of an event that is set.
pub fn of_event(event: &HistoryEvent) -> Vec<Attribute> {
    let mut out = Vec::new();
    let Some(event) = reflect("temporal.api.history.v1.HistoryEvent", event) else {
        return out;
    };
    let of_all = ["event_id", "event_time", "event_type", "version", "task_id"];
    let mut envelope = Vec::new();
    for (field, value) in event.fields() {
        match value {
            Value::Message(message) if field.containing_oneof().is_some() => {
                add_message(&mut out, 0, message);
            }
            _ if of_all.contains(&field.name()) => {}
            _ => add(&mut envelope, 0, words(field.name()), &field, value),
        }
    }
    out.append(&mut envelope);
    out
}

/// Every attribute of a message that is set; none if the protocol does not know its name.
pub fn of_message(name: &str, message: &impl Message) -> Vec<Attribute> {
    let mut out = Vec::new();
    if let Some(message) = reflect(name, message) {
        add_message(&mut out, 0, &message);
    }
    out
}

/// A name of the protocol in words: `workflow_task_timeout` becomes `Workflow task timeout`.
pub fn words(name: &str) -> String {
    let mut words = name.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

/// A value of an enum in words: `TASK_QUEUE_KIND_NORMAL` becomes `normal`.
pub fn enum_words(name: &str, prefix: &str) -> String {
    let name = name.strip_prefix(prefix).unwrap_or(name);
    name.trim_start_matches('_')
        .replace('_', " ")
        .to_ascii_lowercase()
}

/// A span of time in words.
pub fn span_words(span: &Duration) -> String {
    time::duration(time::nanos(span))
}

fn add_message(out: &mut Vec<Attribute>, depth: usize, message: &DynamicMessage) {
    for (field, value) in message.fields() {
        add(out, depth, words(field.name()), &field, value);
    }
}

fn add(
    out: &mut Vec<Attribute>,
    depth: usize,
    name: String,
    field: &FieldDescriptor,
    value: &Value,
) {
    let content = match value {
        Value::Message(message) => return add_nested(out, depth, name, message),
        Value::List(values) => {
            for (at, value) in values.iter().enumerate() {
                let name = match values.len() {
                    1 => name.clone(),
                    _ => format!("{name} {}", at + 1),
                };
                add(out, depth, name, field, value);
            }
            return;
        }
        Value::Map(map) => {
            let mut entries: Vec<_> = map
                .iter()
                .map(|(key, value)| (key_text(key), value))
                .collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            out.push(Attribute {
                depth,
                name,
                content: Content::Heading,
            });
            for (key, value) in entries {
                add(out, depth + 1, key, field, value);
            }
            return;
        }
        Value::EnumNumber(number) => Content::Text(enum_text(field, *number)),
        Value::I64(0) if field.name().ends_with("event_id") => return,
        Value::I64(id) if is_event_here(field) => Content::Event(*id),
        Value::Bool(flag) => Content::Text(if *flag { "yes" } else { "no" }.to_owned()),
        Value::I32(number) => Content::Text(number.to_string()),
        Value::I64(number) => Content::Text(number.to_string()),
        Value::U32(number) => Content::Text(number.to_string()),
        Value::U64(number) => Content::Text(number.to_string()),
        Value::F32(number) => Content::Text(number.to_string()),
        Value::F64(number) => Content::Text(number.to_string()),
        Value::String(text) => Content::Text(text.clone()),
        Value::Bytes(bytes) => Content::Text(match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => crate::payload::size(bytes.len()),
        }),
    };
    out.push(Attribute {
        depth,
        name,
        content,
    });
}

fn add_nested(out: &mut Vec<Attribute>, depth: usize, name: String, message: &DynamicMessage) {
    let descriptor = message.descriptor();
    let content = match descriptor.full_name() {
        "temporal.api.common.v1.Payload" => {
            typed::<Payload>(message).map(|payload| Content::Payload(PayloadView::new(&payload)))
        }
        "temporal.api.failure.v1.Failure" => {
            typed::<Failure>(message).map(|failure| Content::Failure(failure::chain(&failure)))
        }
        "temporal.api.common.v1.Payloads" => {
            let payloads = typed::<Payloads>(message).unwrap_or_default().payloads;
            for (at, payload) in payloads.iter().enumerate() {
                out.push(Attribute {
                    depth,
                    name: match payloads.len() {
                        1 => name.clone(),
                        _ => format!("{name} {}", at + 1),
                    },
                    content: Content::Payload(PayloadView::new(payload)),
                });
            }
            return;
        }
        "google.protobuf.Timestamp" => typed::<Timestamp>(message).map(Content::Time),
        "google.protobuf.Duration" => {
            typed::<Duration>(message).map(|span| Content::Text(span_words(&span)))
        }
        _ => return add_opened(out, depth, name, message),
    };
    out.extend(content.map(|content| Attribute {
        depth,
        name,
        content,
    }));
}

fn add_opened(out: &mut Vec<Attribute>, depth: usize, name: String, message: &DynamicMessage) {
    let mut fields = message.fields();
    // A message that only wraps a name or another map needs no heading of its own.
    if let (Some((field, value)), None) = (fields.next(), fields.next())
        && matches!(field.name(), "name" | "fields" | "indexed_fields")
    {
        return add(out, depth, name, &field, value);
    }
    drop(fields);
    out.push(Attribute {
        depth,
        name,
        content: Content::Heading,
    });
    if depth < DEPTH_MAX {
        add_message(out, depth + 1, message);
    }
}

/// Whether a field names an event of the same history: one of a parent, a sender or a link is an event of another.
fn is_event_here(field: &FieldDescriptor) -> bool {
    let name = field.name();
    let elsewhere = ["parent_", "external_"]
        .iter()
        .any(|whose| name.starts_with(whose));
    let linked = field.parent_message().full_name().contains(".Link.");
    name.ends_with("event_id") && !elsewhere && !linked
}

fn typed<M: Message + Default>(message: &DynamicMessage) -> Option<M> {
    M::decode(message.encode_to_vec().as_slice()).ok()
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

fn enum_text(field: &FieldDescriptor, number: i32) -> String {
    let kind = match field.kind() {
        Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
        kind => kind,
    };
    let Kind::Enum(descriptor) = kind else {
        return number.to_string();
    };
    match descriptor.get_value(number) {
        Some(value) => enum_words(value.name(), &prefix(&descriptor)),
        None => number.to_string(),
    }
}

/// `TaskQueueKind` names its values `TASK_QUEUE_KIND_...`.
fn prefix(descriptor: &EnumDescriptor) -> String {
    let mut prefix = String::new();
    for letter in descriptor.name().chars() {
        if letter.is_ascii_uppercase() && !prefix.is_empty() {
            prefix.push('_');
        }
        prefix.push(letter.to_ascii_uppercase());
    }
    prefix
}

#[cfg(test)]
mod tests {
    use steadfast_protocol::common::ActivityType;
    use steadfast_protocol::enums::TaskQueueKind;
    use steadfast_protocol::history::history_event::Attributes;
    use steadfast_protocol::history::{
        ActivityTaskScheduledEventAttributes, WorkflowExecutionStartedEventAttributes,
    };
    use steadfast_protocol::taskqueue::TaskQueue;

    use super::*;

    fn text(attribute: &Attribute) -> String {
        let content = match &attribute.content {
            Content::Heading => ":".to_owned(),
            Content::Text(text) => format!(" = {text}"),
            Content::Time(time) => format!(" = {} s", time.seconds),
            Content::Event(id) => format!(" = event {id}"),
            Content::Payload(view) => format!(" = payload {}", view.brief()),
            Content::Failure(chain) => format!(" = {} failures", chain.len()),
        };
        format!(
            "{}{}{content}",
            "  ".repeat(attribute.depth),
            attribute.name
        )
    }

    #[test]
    fn an_event_of_the_parent_is_no_event_of_the_run() {
        let event = HistoryEvent {
            event_id: 1,
            attributes: Some(Attributes::WorkflowExecutionStartedEventAttributes(
                WorkflowExecutionStartedEventAttributes {
                    parent_initiated_event_id: 14,
                    ..Default::default()
                }
                .into(),
            )),
            ..Default::default()
        };
        let lines: Vec<_> = of_event(&event).iter().map(text).collect();
        let told = "Parent initiated event id = 14".to_owned();
        assert!(lines.contains(&told), "{lines:?}");
    }

    #[test]
    fn an_event_in_words() {
        let event = HistoryEvent {
            event_id: 5,
            attributes: Some(Attributes::ActivityTaskScheduledEventAttributes(
                ActivityTaskScheduledEventAttributes {
                    activity_id: "a".to_owned(),
                    activity_type: Some(ActivityType {
                        name: "charge".to_owned(),
                    }),
                    task_queue: Some(TaskQueue {
                        name: "q".to_owned(),
                        kind: TaskQueueKind::Normal as i32,
                        ..Default::default()
                    }),
                    input: Some(Payloads {
                        payloads: vec![Payload::default(), Payload::default()],
                    }),
                    start_to_close_timeout: Some(Duration {
                        seconds: 90,
                        nanos: 0,
                    }),
                    workflow_task_completed_event_id: 4,
                    ..Default::default()
                },
            )),
            ..Default::default()
        };
        let lines: Vec<_> = of_event(&event).iter().map(text).collect();
        assert_eq!(
            lines,
            [
                "Activity id = a",
                "Activity type = charge",
                "Task queue:",
                "  Name = q",
                "  Kind = normal",
                "Input 1 = payload ",
                "Input 2 = payload ",
                "Start to close timeout = 1 m 30 s",
                "Workflow task completed event id = event 4",
            ]
        );
    }
}
