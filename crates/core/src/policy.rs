//! What a start does where the workflow id is in use, or was (server-semantics 2.2).

use steadfast_protocol::common::{Payload, Payloads};
use steadfast_protocol::enums::{
    EventType, WorkflowExecutionStatus, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};

use crate::context::Context;
use crate::execution::Execution;
use crate::outcome::Outcome;
use crate::refusal::Refusal;
use crate::terminate::{self, TerminateParams};
use crate::transition::{SERVER_IDENTITY, Transition};

/// What a start does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A new run begins.
    Start,
    /// The request was carried out before; the current run answers for it.
    Duplicate {
        /// Whether the request created that run (else it was attached to it).
        started: bool,
    },
    /// The open run answers; see [`options::attach`](crate::options::attach).
    UseExisting,
    /// The open run is terminated, and a new one begins.
    TerminateExisting,
}

/// Decides by the `current` run of the workflow id. `reuse` and `conflict` are the protocol's enums.
///
/// # Errors
/// ALREADY_EXISTS with the run in the way.
pub fn decide(
    current: Option<&Execution>,
    request_id: &str,
    reuse: i32,
    conflict: i32,
) -> Result<Decision, Refusal> {
    let Some(current) = current else {
        return Ok(Decision::Start);
    };
    if let Some(started) = is_known(current, request_id) {
        return Ok(Decision::Duplicate { started });
    }
    let reuse = WorkflowIdReusePolicy::try_from(reuse).unwrap_or_default();
    let conflict = match WorkflowIdConflictPolicy::try_from(conflict).unwrap_or_default() {
        WorkflowIdConflictPolicy::Unspecified
            if reuse == WorkflowIdReusePolicy::TerminateIfRunning =>
        {
            WorkflowIdConflictPolicy::TerminateExisting
        }
        given => given,
    };
    if current.is_open() {
        return match conflict {
            WorkflowIdConflictPolicy::UseExisting => Ok(Decision::UseExisting),
            WorkflowIdConflictPolicy::TerminateExisting => Ok(Decision::TerminateExisting),
            WorkflowIdConflictPolicy::Unspecified | WorkflowIdConflictPolicy::Fail => Err(
                already_started(current, "Workflow execution is already running.", ""),
            ),
        };
    }
    match reuse {
        WorkflowIdReusePolicy::AllowDuplicateFailedOnly if !has_failed(current) => {
            Err(already_started(
                current,
                "Workflow execution already finished successfully.",
                " Workflow Id reuse policy: allow duplicate workflow Id if last run failed.",
            ))
        }
        WorkflowIdReusePolicy::RejectDuplicate => Err(already_started(
            current,
            "Workflow execution already finished.",
            " Workflow Id reuse policy: reject duplicate workflow Id.",
        )),
        _ => Ok(Decision::Start),
    }
}

/// Whether `run` answers for that request: `Some(true)` if the request created it.
fn is_known(run: &Execution, request_id: &str) -> Option<bool> {
    if request_id.is_empty() {
        return None;
    }
    if run.head.create_request_id == request_id {
        return Some(true);
    }
    let mut known = run.head.request_ids.iter();
    let known = known.find(|known| known.id == request_id)?;
    Some(known.event_type == EventType::WorkflowExecutionStarted as i32)
}

fn has_failed(run: &Execution) -> bool {
    matches!(
        run.status(),
        WorkflowExecutionStatus::Failed
            | WorkflowExecutionStatus::Canceled
            | WorkflowExecutionStatus::Terminated
            | WorkflowExecutionStatus::TimedOut
    )
}

fn already_started(run: &Execution, what: &str, policy: &str) -> Refusal {
    let workflow_id = &run.key.workflow_id;
    let run_id = &run.key.run_id;
    Refusal::AlreadyStarted {
        message: format!("{what} WorkflowId: {workflow_id}, RunId: {run_id}.{policy}"),
        start_request_id: run.head.create_request_id.clone(),
        run_id: run_id.clone(),
        first_execution_run_id: run.start_attributes().first_execution_run_id.clone(),
    }
}

/// Terminates the open `run` in favour of the new one, which begins in the same batch.
pub fn terminate_existing(run: &mut Execution, cx: &Context<'_>, new_run_id: &str) -> Outcome {
    assert!(run.is_open(), "decided for an open run");
    let mut tx = Transition::new(run, cx);
    let text = format!("\"terminated by new runID: {new_run_id}\"");
    let details = Payload {
        metadata: [("encoding".to_owned(), "json/plain".into())].into(),
        data: text.into(),
        ..Default::default()
    };
    let params = TerminateParams {
        reason: "TerminateIfRunning WorkflowIdReusePolicy".to_owned(),
        details: Some(Payloads {
            payloads: vec![details],
        }),
        identity: SERVER_IDENTITY.to_owned(),
        ..Default::default()
    };
    terminate::close(&mut tx, params);
    tx.finish()
}
