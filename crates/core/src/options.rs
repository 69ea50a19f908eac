//! A start that found an open run leaves something with it (server-semantics 2.3).

use steadfast_protocol::enums::EventType;
use steadfast_protocol::history::WorkflowExecutionOptionsUpdatedEventAttributes;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::workflowservice::StartWorkflowExecutionRequest;

use crate::context::Context;
use crate::execution::Execution;
use crate::outcome::Outcome;
use crate::record::RequestId;
use crate::transition::Transition;

/// Attaches to the open `run` what `request` asks for. `None`: it asks for nothing. No workflow task is scheduled.
pub fn attach(
    run: &mut Execution,
    cx: &Context<'_>,
    request: &StartWorkflowExecutionRequest,
) -> Option<Outcome> {
    let options = request.on_conflict_options.as_ref()?;
    if !run.is_open() {
        return None;
    }
    let mut attributes = WorkflowExecutionOptionsUpdatedEventAttributes::default();
    if options.attach_request_id {
        attributes.attached_request_id = request.request_id.clone();
    }
    if options.attach_completion_callbacks {
        attributes.attached_completion_callbacks = request.completion_callbacks.clone();
    }
    let links = match options.attach_links {
        true => request.links.clone(),
        false => Vec::new(),
    };
    let mut tx = Transition::new(run, cx);
    if options.attach_request_id {
        // The id of the event is filled in when it is flushed.
        tx.run.remember_request(RequestId {
            id: request.request_id.clone(),
            event_type: EventType::WorkflowExecutionOptionsUpdated as i32,
            event_id: 0,
        });
    }
    tx.event_with(
        Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(attributes),
        |event| event.links = links,
    );
    Some(tx.finish())
}
