//! The request that the fields of the start form make, or what is wrong with them.

use std::collections::BTreeMap;

use prost::Message;
use serde_json::Value;
use serde_json::value::RawValue;
use steadfast_protocol::Duration;
use steadfast_protocol::common::{
    Memo, Payload, Payloads, RetryPolicy, SearchAttributes, WorkflowType,
};
use steadfast_protocol::sdk::UserMetadata;
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::workflowservice::StartWorkflowExecutionRequest;

use super::fields::{Fields, Input};
use crate::namespaces::Attribute;
use crate::token;
use crate::workflows::bulk::{IDENTITY, json};

/// The request; none if a field is wrong, which then has its error.
pub(super) fn of(
    namespace: &str,
    fields: &mut Fields,
    attributes: &[Attribute],
) -> Option<StartWorkflowExecutionRequest> {
    for (name, what) in [("id", "id"), ("type", "type"), ("queue", "task queue")] {
        if fields.text(name).is_empty() {
            fields.object(name, format!("A workflow needs a {what}."));
        }
    }
    let request = StartWorkflowExecutionRequest {
        namespace: namespace.to_owned(),
        workflow_id: fields.text("id").to_owned(),
        workflow_type: Some(WorkflowType {
            name: fields.text("type").to_owned(),
        }),
        task_queue: Some(TaskQueue {
            name: fields.text("queue").to_owned(),
            ..TaskQueue::default()
        }),
        input: inputs(fields),
        workflow_execution_timeout: span(fields, "execution-timeout"),
        workflow_run_timeout: span(fields, "run-timeout"),
        workflow_task_timeout: span(fields, "task-timeout"),
        workflow_start_delay: span(fields, "delay"),
        identity: IDENTITY.to_owned(),
        request_id: fields.text("request").to_owned(),
        workflow_id_reuse_policy: fields.text("reuse").parse().unwrap_or_default(),
        workflow_id_conflict_policy: match fields.text("reuse") {
            // The two policies exclude each other.
            "4" => 0,
            _ => fields.text("conflict").parse().unwrap_or_default(),
        },
        retry_policy: retries(fields),
        cron_schedule: fields.text("cron").to_owned(),
        memo: memo(fields),
        search_attributes: search_attributes(fields, attributes),
        user_metadata: metadata(fields),
        ..StartWorkflowExecutionRequest::default()
    };
    fields.is_good().then_some(request)
}

/// The inputs up to the last that is not empty.
fn inputs(fields: &mut Fields) -> Option<Payloads> {
    let mut inputs = fields.inputs.clone();
    while inputs
        .last()
        .is_some_and(|input| input.text.trim().is_empty() && input.origin.is_empty())
    {
        inputs.pop();
    }
    let mut payloads = Vec::new();
    for (place, input) in inputs.iter().enumerate() {
        match payload(input) {
            Ok(payload) => payloads.push(payload),
            Err(message) => fields.object(&format!("input.{place}"), message),
        }
    }
    (!payloads.is_empty()).then_some(Payloads { payloads })
}

fn payload(input: &Input) -> Result<Payload, String> {
    let text = input.text.trim();
    let mut payload = Payload::decode(token::decode(&input.origin).as_slice()).unwrap_or_default();
    if is_text(&payload) {
        let text = if text.is_empty() { "null" } else { text };
        checked(text)?;
        let typed = json(text);
        payload.data = typed.data;
        if payload.metadata.is_empty() {
            payload.metadata = typed.metadata;
        }
        return Ok(payload);
    }
    payload.data = token::decode(text).into();
    match payload.data.len() * 2 == text.len() {
        true => Ok(payload),
        false => Err("These are no hexadecimal digits.".to_owned()),
    }
}

/// Whether a payload is edited as JSON: one that is new, or of an encoding that is JSON.
pub(super) fn is_text(payload: &Payload) -> bool {
    let encoding = payload.metadata.get("encoding");
    encoding.is_none_or(|encoding| encoding.starts_with(b"json/"))
}

fn checked(text: &str) -> Result<(), String> {
    let parsed: Result<&RawValue, _> = serde_json::from_str(text);
    parsed
        .map(drop)
        .map_err(|error| format!("This is no JSON: {error}."))
}

/// A duration as in `90s`, `1h30m`, `500ms`; none if nothing is typed.
fn span(fields: &mut Fields, name: &str) -> Option<Duration> {
    let text = fields.text(name).to_owned();
    if text.is_empty() {
        return None;
    }
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    match parsed.filter(|span| !span.is_negative()) {
        Some(span) => Some(Duration {
            seconds: span.as_secs(),
            nanos: span.subsec_nanos(),
        }),
        None => {
            fields.object(name, "A duration is written like 90s, 10m or 1h30m.");
            None
        }
    }
}

fn retries(fields: &mut Fields) -> Option<RetryPolicy> {
    let text = fields.text("attempts").to_owned();
    if text.is_empty() {
        return None;
    }
    match text.parse() {
        Ok(attempts) if attempts >= 1 => Some(RetryPolicy {
            maximum_attempts: attempts,
            initial_interval: span(fields, "interval"),
            ..RetryPolicy::default()
        }),
        _ => {
            fields.object("attempts", "A number of attempts, 1 or more.");
            None
        }
    }
}

fn memo(fields: &mut Fields) -> Option<Memo> {
    let text = fields.text("memo").to_owned();
    if text.is_empty() {
        return None;
    }
    let parsed: Result<BTreeMap<String, &RawValue>, _> = serde_json::from_str(&text);
    match parsed {
        Ok(values) => Some(Memo {
            fields: values
                .into_iter()
                .map(|(name, value)| (name, json(value.get())))
                .collect(),
        }),
        Err(error) => {
            fields.object("memo", format!("This is no JSON object: {error}."));
            None
        }
    }
}

fn search_attributes(fields: &mut Fields, attributes: &[Attribute]) -> Option<SearchAttributes> {
    let mut indexed_fields = BTreeMap::new();
    for attribute in attributes {
        let text = fields.attribute(&attribute.name).to_owned();
        if text.is_empty() {
            continue;
        }
        let value = match attribute.kind {
            "Int" => text.parse::<i64>().is_ok().then_some(text),
            "Double" => text
                .parse::<f64>()
                .is_ok_and(f64::is_finite)
                .then_some(text),
            "Bool" => matches!(text.as_str(), "true" | "false").then_some(text),
            "KeywordList" => {
                let values = text.split(',').map(|value| Value::from(value.trim()));
                Some(Value::Array(values.collect()).to_string())
            }
            _ => Some(Value::from(text).to_string()),
        };
        match value {
            Some(value) => {
                let mut payload = json(&value);
                payload
                    .metadata
                    .insert("type".to_owned(), attribute.kind.into());
                indexed_fields.insert(attribute.name.clone(), payload);
            }
            None => fields.object(
                &format!("attribute.{}", attribute.name),
                format!("This is no {}.", attribute.kind),
            ),
        }
    }
    (!indexed_fields.is_empty()).then_some(SearchAttributes { indexed_fields })
}

fn metadata(fields: &Fields) -> Option<UserMetadata> {
    let text = |name: &str| {
        let text = fields.text(name);
        (!text.is_empty()).then(|| json(&Value::from(text).to_string()))
    };
    let (summary, details) = (text("summary"), text("details"));
    (summary.is_some() || details.is_some()).then_some(UserMetadata { summary, details })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Params;

    fn form(text: &str) -> Fields {
        Fields::typed(&Params::parse(text))
    }

    fn attributes() -> Vec<Attribute> {
        ["Int", "KeywordList"]
            .into_iter()
            .map(|kind| Attribute {
                name: kind.to_owned(),
                kind,
            })
            .collect()
    }

    #[test]
    fn a_filled_form_is_a_request() {
        let mut fields = form(
            "id=w&type=T&queue=q&input=9007199254740993&input=&input=[1.10]&input=&delay=1m30s&memo={\"a\": 1e400}\
             &attribute.Int=-5&attribute.KeywordList=a,+b&attempts=3&reuse=4&conflict=2&summary=s",
        );
        let request = of("n", &mut fields, &attributes()).unwrap();
        let inputs = request.input.unwrap().payloads;
        let texts: Vec<_> = inputs.iter().map(|input| &input.data[..]).collect();
        assert_eq!(texts, [&b"9007199254740993"[..], b"null", b"[1.10]"]);
        assert_eq!(request.workflow_start_delay.unwrap().seconds, 90);
        assert_eq!(&request.memo.unwrap().fields["a"].data[..], b"1e400");
        let attributes = request.search_attributes.unwrap().indexed_fields;
        assert_eq!(&attributes["Int"].data[..], b"-5");
        assert_eq!(&attributes["KeywordList"].data[..], b"[\"a\",\"b\"]");
        assert_eq!(request.retry_policy.unwrap().maximum_attempts, 3);
        assert_eq!(request.workflow_id_conflict_policy, 0);
    }

    #[test]
    fn wrong_fields_say_so() {
        let mut fields = form(
            "id=+&type=T&queue=q&input=1&input={&delay=soon&memo=[]&attribute.Int=x&attempts=0",
        );
        assert!(of("n", &mut fields, &attributes()).is_none());
        for name in [
            "id",
            "input.1",
            "delay",
            "memo",
            "attribute.Int",
            "attempts",
        ] {
            assert!(fields.error(name).is_some(), "{name}");
        }
        assert!(fields.error("type").is_none() && fields.error("input.0").is_none());
    }
}
