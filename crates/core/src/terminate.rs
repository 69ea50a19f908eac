//! A run is terminated, or deleted (server-semantics 7.4, 7.7).

use steadfast_protocol::common::{Link, Payloads};
use steadfast_protocol::enums::WorkflowExecutionStatus;
use steadfast_protocol::history::WorkflowExecutionTerminatedEventAttributes;
use steadfast_protocol::history::history_event::Attributes;

use crate::addressee::Addressee;
use crate::context::Context;
use crate::execution::Execution;
use crate::outcome::Outcome;
use crate::refusal::Refusal;
use crate::transition::{SERVER_IDENTITY, Transition};

const REASON_DEFAULT: &str = "terminated by user via frontend";
const IDENTITY_DEFAULT: &str = "frontend-service";
const REASON_DELETE: &str = "Delete workflow execution";

/// Why and by whom a run is terminated.
#[derive(Clone, Debug, Default)]
pub struct TerminateParams {
    /// Why; a default stands for an empty one.
    pub reason: String,
    /// For the reader of the history.
    pub details: Option<Payloads>,
    /// Who; a default stands for an empty one.
    pub identity: String,
    /// Links kept on the event.
    pub links: Vec<Link>,
    /// What the caller knows of the run it means.
    pub addressee: Addressee,
}

/// Terminates `run` at once. There is neither a retry nor a next cron run.
///
/// # Errors
/// NOT_FOUND for a closed run or another addressee.
pub fn terminate(
    run: &mut Execution,
    cx: &Context<'_>,
    params: TerminateParams,
) -> Result<Outcome, Refusal> {
    if !run.is_open() {
        return Err(Refusal::already_completed());
    }
    params.addressee.check(run)?;
    let mut tx = Transition::new(run, cx);
    close(&mut tx, params);
    Ok(tx.finish())
}

/// Deletes `run`: an open one is terminated first, and deleted once the close is known to all who wait for it.
///
/// # Errors
/// None so far; what is unknown was refused before.
pub fn delete(run: &mut Execution, cx: &Context<'_>) -> Result<Outcome, Refusal> {
    let mut tx = Transition::new(run, cx);
    if tx.run.is_open() {
        tx.run.head.delete_on_close = true;
        let params = TerminateParams {
            reason: REASON_DELETE.to_owned(),
            identity: SERVER_IDENTITY.to_owned(),
            ..Default::default()
        };
        close(&mut tx, params);
    } else {
        tx.run.head.delete_time = cx.now.0;
        tx.run.arm_run_deadlines();
    }
    assert!(tx.run.head.delete_time <= cx.now.0);
    Ok(tx.finish())
}

/// Writes the Terminated event, after what a started workflow task held back.
pub(crate) fn close(tx: &mut Transition<'_>, params: TerminateParams) {
    let or_default = |given: String, default: &str| match given.is_empty() {
        true => default.to_owned(),
        false => given,
    };
    tx.force_task_closed();
    let attributes = Attributes::WorkflowExecutionTerminatedEventAttributes(
        WorkflowExecutionTerminatedEventAttributes {
            reason: or_default(params.reason, REASON_DEFAULT),
            details: params.details,
            identity: or_default(params.identity, IDENTITY_DEFAULT),
        },
    );
    tx.close_with(WorkflowExecutionStatus::Terminated, attributes, |event| {
        event.links = params.links;
    });
    crate::close::after_close(tx);
}
