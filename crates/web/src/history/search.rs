//! Which events of a history somebody wants to see.

use prost::Message;
use steadfast_protocol::history::HistoryEvent;

use super::group::{Group, Kind, type_words};

/// What to look for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only these kinds of steps; all if empty.
    pub kinds: Vec<Kind>,
    /// Only steps that failed, and retries.
    pub failed: bool,
    /// Only events that contain this text, whatever the case of its letters.
    pub text: String,
}

impl Wanted {
    /// Everything is wanted.
    pub fn is_all(&self) -> bool {
        self.kinds.is_empty() && !self.failed && self.text.is_empty()
    }

    /// Whether the events of a step may be wanted, before they were read.
    pub fn takes_group(&self, group: &Group) -> bool {
        let kind = self.kinds.is_empty() || self.kinds.contains(&group.kind);
        kind && (!self.failed || group.state.is_bad() || !group.failure.is_empty())
    }

    /// Whether an event of a wanted step contains the text: in any of its attributes or payloads as they are stored.
    pub fn takes_event(&self, event: &HistoryEvent) -> bool {
        if self.text.is_empty() {
            return true;
        }
        let wanted = self.text.to_lowercase();
        if type_words(event.event_type())
            .to_lowercase()
            .contains(&wanted)
        {
            return true;
        }
        // On the wire, texts and the data of payloads stand as they are.
        contains(&event.encode_to_vec(), wanted.as_bytes())
    }

    /// Whether a wanted step contains the text in what lists show of it.
    pub fn takes_step(&self, group: &Group) -> bool {
        let wanted = self.text.to_lowercase();
        let texts = [&group.name, &group.id, &group.summary, &group.failure];
        self.takes_group(group)
            && (wanted.is_empty()
                || texts
                    .iter()
                    .any(|text| text.to_lowercase().contains(&wanted)))
    }
}

/// Letters beyond ASCII are compared as they are.
fn contains(text: &[u8], wanted: &[u8]) -> bool {
    if wanted.is_empty() {
        return true;
    }
    text.windows(wanted.len())
        .any(|part| part.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use steadfast_protocol::common::{Payload, Payloads};
    use steadfast_protocol::enums::EventType;
    use steadfast_protocol::history::{
        WorkflowExecutionSignaledEventAttributes, history_event::Attributes,
    };

    use super::*;

    #[test]
    fn text_is_found_in_names_payloads_and_types() {
        let event = HistoryEvent {
            event_type: EventType::WorkflowExecutionSignaled as i32,
            attributes: Some(Attributes::WorkflowExecutionSignaledEventAttributes(
                WorkflowExecutionSignaledEventAttributes {
                    signal_name: "approve".to_owned(),
                    input: Some(Payloads {
                        payloads: vec![Payload {
                            data: r#"{"by":"Grüße"}"#.into(),
                            ..Default::default()
                        }],
                    }),
                    ..Default::default()
                },
            )),
            ..Default::default()
        };
        let takes = |text: &str| {
            let wanted = Wanted {
                text: text.to_owned(),
                ..Wanted::default()
            };
            wanted.takes_event(&event)
        };
        for text in ["", "APPROVE", "grüße", "execution signaled"] {
            assert!(takes(text), "{text}");
        }
        assert!(!takes("reject"));
    }
}
