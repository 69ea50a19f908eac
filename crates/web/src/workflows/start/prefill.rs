//! The start form filled with what a run was started with.

use prost::Message;
use steadfast_protocol::common::{Payload, WorkflowExecution};
use steadfast_protocol::history::WorkflowExecutionStartedEventAttributes as Started;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::sdk::UserMetadata;
use steadfast_protocol::workflowservice::GetWorkflowExecutionHistoryRequest;

use super::fields::{Fields, Input};
use super::request;
use crate::failure::PageError;
use crate::params::Params;
use crate::time::nanos;
use crate::token;
use crate::visit::Visit;
use crate::workflows::row;

/// The fields of a run's start, with a new id.
pub(super) async fn like(
    visit: &Visit,
    namespace: &str,
    workflow_id: &str,
    run_id: &str,
) -> Result<Fields, PageError> {
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: namespace.to_owned(),
        execution: Some(WorkflowExecution {
            workflow_id: workflow_id.to_owned(),
            run_id: run_id.to_owned(),
        }),
        maximum_page_size: 1,
        ..GetWorkflowExecutionHistoryRequest::default()
    };
    let answer = visit
        .backend
        .workflow()
        .get_workflow_execution_history(request)
        .await?;
    let events = answer.into_inner().history.unwrap_or_default().events;
    let first = events.into_iter().next();
    let metadata = first.as_ref().and_then(|event| event.user_metadata.clone());
    match first.and_then(|event| event.attributes) {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => {
            Ok(fields(&started, metadata.as_ref()))
        }
        _ => Err(PageError::not_found(
            "The history of this run has no beginning.",
        )),
    }
}

fn fields(started: &Started, metadata: Option<&UserMetadata>) -> Fields {
    let mut fields = Fields::empty(&Params::default());
    let kind = started
        .workflow_type
        .as_ref()
        .map(|kind| kind.name.as_str());
    fields.set("type", kind.unwrap_or_default());
    let queue = started.task_queue.as_ref().map(|queue| queue.name.as_str());
    fields.set("queue", queue.unwrap_or_default());
    let inputs = started.input.iter().flat_map(|input| &input.payloads);
    fields.inputs = inputs.map(input).collect();
    if fields.inputs.is_empty() {
        fields.inputs.push(Input::default());
    }
    let spans = [
        ("execution-timeout", &started.workflow_execution_timeout),
        ("run-timeout", &started.workflow_run_timeout),
        ("task-timeout", &started.workflow_task_timeout),
    ];
    for (name, span) in spans {
        if let Some(span) = span.as_ref().filter(|span| nanos(span) > 0) {
            fields.set(name, &format!("{}ms", nanos(span) / 1_000_000));
        }
    }
    if let Some(retry) = started
        .retry_policy
        .as_ref()
        .filter(|retry| retry.maximum_attempts > 0)
    {
        fields.set("attempts", &retry.maximum_attempts.to_string());
    }
    fields.set("cron", &started.cron_schedule);
    if let Some(attributes) = &started.search_attributes {
        for (name, payload) in &attributes.indexed_fields {
            fields.set(&format!("attribute.{name}"), &row::value(payload));
        }
    }
    if let Some(memo) = started.memo.as_ref().filter(|memo| !memo.fields.is_empty()) {
        let entries = memo.fields.iter().map(|(name, value)| {
            let name = serde_json::Value::from(name.as_str());
            format!("  {name}: {}", String::from_utf8_lossy(&value.data))
        });
        let entries: Vec<_> = entries.collect();
        fields.set("memo", &format!("{{\n{}\n}}", entries.join(",\n")));
    }
    if let Some(metadata) = metadata {
        for (name, payload) in [
            ("summary", &metadata.summary),
            ("details", &metadata.details),
        ] {
            if let Some(payload) = payload {
                fields.set(name, &row::value(payload));
            }
        }
    }
    fields
}

fn input(payload: &Payload) -> Input {
    let origin = Payload {
        metadata: payload.metadata.clone(),
        ..Payload::default()
    };
    Input {
        text: match request::is_text(payload) {
            true => String::from_utf8_lossy(&payload.data).into_owned(),
            false => token::encode(&payload.data),
        },
        origin: token::encode(&origin.encode_to_vec()),
    }
}
