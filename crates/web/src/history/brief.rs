//! An event in one line.

use steadfast_protocol::history::HistoryEvent;

use super::attributes::{Content, of_event};
use crate::payload::shorten;

const CHARS: usize = 180;
/// They are in every event of their kind and tell little.
const DULL: [&str; 16] = [
    "Identity",
    "Request id",
    "Attempt",
    "Task queue",
    "Namespace",
    "Namespace id",
    "Retry state",
    "Timer id",
    "Activity id",
    "Workflow id",
    "First execution run id",
    "Original execution run id",
    "Worker deployment name",
    "First workflow task backoff",
    "Parent close policy",
    "Workflow id reuse policy",
];

/// The attributes that tell most.
pub fn brief(event: &HistoryEvent) -> String {
    let attributes = of_event(event);
    let mut parts: Vec<String> = Vec::new();
    let mut rest: Vec<String> = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.depth == 0) {
        let text = match &attribute.content {
            Content::Failure(chain) => match chain.last() {
                Some(root) => format!("{}: {}", root.title, root.message),
                None => continue,
            },
            Content::Payload(payload) => payload.brief(),
            // Numbers and yes or no tell little without their names.
            Content::Text(text) if text == "yes" || text == "no" || text.parse::<i64>().is_ok() => {
                continue;
            }
            Content::Text(text) => text.clone(),
            Content::Heading | Content::Event(_) | Content::Time(_) => continue,
        };
        let dull = DULL.contains(&attribute.name.as_str()) || attribute.name.ends_with("timeout");
        match dull {
            false => parts.push(text),
            true if attribute.name.ends_with(" id") || attribute.name == "Identity" => {
                rest.push(text)
            }
            true => {}
        }
    }
    if parts.is_empty() {
        parts.extend(rest.into_iter().next());
    }
    shorten(&parts.join(" · "), CHARS)
}
