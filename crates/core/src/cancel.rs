//! Somebody asks a run to cancel itself (server-semantics 7.3).

use steadfast_protocol::common::{Link, WorkflowExecution};
use steadfast_protocol::history::WorkflowExecutionCancelRequestedEventAttributes;
use steadfast_protocol::history::history_event::Attributes;

use crate::addressee::Addressee;
use crate::context::Context;
use crate::execution::Execution;
use crate::outcome::Outcome;
use crate::refusal::Refusal;
use crate::transition::Transition;

/// A cancel request on its way to one run.
#[derive(Clone, Debug, Default)]
pub struct CancelRequest {
    /// Why; the event's cause.
    pub reason: String,
    /// Who asks; [`SERVER_IDENTITY`](crate::transition::SERVER_IDENTITY) between workflows.
    pub identity: String,
    /// Names the request. A run is asked once, whatever the id.
    pub request_id: String,
    /// The workflow that asks.
    pub external: Option<WorkflowExecution>,
    /// Its Initiated event; 0 if no workflow asks.
    pub external_initiated_event_id: i64,
    /// Links kept on the event.
    pub links: Vec<Link>,
    /// What the caller knows of the run it means.
    pub addressee: Addressee,
}

/// Asks `run` to cancel itself. `Ok(None)`: it is closed, or was asked before.
///
/// A workflow task is scheduled even during the backoff before the first one: the workflow decides at once.
///
/// # Errors
/// NOT_FOUND for another addressee.
pub fn request(
    run: &mut Execution,
    cx: &Context<'_>,
    request: CancelRequest,
) -> Result<Option<Outcome>, Refusal> {
    if !run.is_open() {
        return Ok(None);
    }
    request.addressee.check(run)?;
    if run.head.cancel_requested {
        return Ok(None);
    }
    let mut tx = Transition::new(run, cx);
    tx.run.head.cancel_requested = true;
    tx.event_with(
        Attributes::WorkflowExecutionCancelRequestedEventAttributes(
            WorkflowExecutionCancelRequestedEventAttributes {
                cause: request.reason,
                external_initiated_event_id: request.external_initiated_event_id,
                external_workflow_execution: request.external,
                identity: request.identity,
            },
        ),
        |event| event.links = request.links,
    );
    tx.want_workflow_task();
    Ok(Some(tx.finish()))
}
