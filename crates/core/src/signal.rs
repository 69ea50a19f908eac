//! A signal arrives (server-semantics 7.2).

use prost::Message;
use steadfast_protocol::common::{Header, Link, Payloads, WorkflowExecution};
use steadfast_protocol::history::WorkflowExecutionSignaledEventAttributes;
use steadfast_protocol::history::history_event::Attributes;

use crate::addressee::Addressee;
use crate::context::Context;
use crate::execution::Execution;
use crate::outcome::Outcome;
use crate::refusal::Refusal;
use crate::rows::Row;
use crate::transition::Transition;

/// A signal on its way to one run.
#[derive(Clone, Debug, Default)]
pub struct Signal {
    /// Its name.
    pub name: String,
    /// Its input.
    pub input: Option<Payloads>,
    /// Who sent it; [`SERVER_IDENTITY`](crate::transition::SERVER_IDENTITY) between workflows.
    pub identity: String,
    /// Makes it idempotent for one run; empty if it is not.
    pub request_id: String,
    /// Headers of the sender's interceptors.
    pub header: Option<Header>,
    /// Links kept on the event.
    pub links: Vec<Link>,
    /// The workflow that sent it.
    pub external: Option<WorkflowExecution>,
    /// What the sender knows of the run it means.
    pub addressee: Addressee,
}

/// Delivers `signal` to `run`. `Ok(None)`: it was delivered before.
///
/// During the backoff before the first workflow task it leaves its event only, unless `schedule_even_in_backoff`
/// (signal-with-start, which ends the delay).
///
/// # Errors
/// NOT_FOUND for a closed run or another addressee; INVALID_ARGUMENT for too large an input or too many signals;
/// RESOURCE_EXHAUSTED while the run tries to close.
pub fn signal(
    run: &mut Execution,
    cx: &Context<'_>,
    signal: Signal,
    schedule_even_in_backoff: bool,
) -> Result<Option<Outcome>, Refusal> {
    if run.signal_request_ids.contains(&signal.request_id) {
        return Ok(None);
    }
    if !run.is_open() {
        return Err(Refusal::already_completed());
    }
    signal.addressee.check(run)?;
    check_size(cx, &signal)?;
    if run.head.signal_count >= cx.limits.signals {
        return Err(Refusal::invalid(
            "exceeded workflow execution limit for signal events",
        ));
    }
    if run.close_attempted && run.is_task_started() {
        return Err(Refusal::busy_workflow(
            "workflow operation can not be applied because workflow is closing",
        ));
    }
    let mut tx = Transition::new(run, cx);
    if schedule_even_in_backoff || !tx.run.in_first_backoff() {
        tx.want_workflow_task();
    }
    write(&mut tx, signal);
    Ok(Some(tx.finish()))
}

/// Whether the signal may be delivered at all.
///
/// # Errors
/// INVALID_ARGUMENT.
pub(crate) fn check_size(cx: &Context<'_>, signal: &Signal) -> Result<(), Refusal> {
    let size = signal.input.as_ref().map_or(0, Message::encoded_len);
    if size > cx.limits.blob_size {
        return Err(Refusal::invalid("Blob data size exceeds limit."));
    }
    Ok(())
}

/// Writes the event and remembers the request id.
pub(crate) fn write(tx: &mut Transition<'_>, signal: Signal) {
    tx.run.head.signal_count += 1;
    if !signal.request_id.is_empty() {
        let row = Row::SignalRequestId(signal.request_id.clone());
        tx.out.changed.insert(row);
        tx.run.put_signal_request_id(signal.request_id.clone());
    }
    tx.event_with(
        Attributes::WorkflowExecutionSignaledEventAttributes(
            WorkflowExecutionSignaledEventAttributes {
                signal_name: signal.name,
                input: signal.input,
                identity: signal.identity,
                header: signal.header,
                external_workflow_execution: signal.external,
                request_id: signal.request_id,
                ..Default::default()
            },
        ),
        |event| event.links = signal.links,
    );
}
