//! Results of signals and cancel requests to other executions (server-semantics 4.3).

use steadfast_protocol::enums::{
    CancelExternalWorkflowExecutionFailedCause, SignalExternalWorkflowExecutionFailedCause,
};

use crate::context::Context;
use crate::execution::Execution;
use crate::outcome::Outcome;

/// The signal of this Initiated event was delivered. `None` if nobody waits for the answer any more.
pub fn signaled(
    _run: &mut Execution,
    _cx: &Context<'_>,
    _initiated_event_id: i64,
) -> Option<Outcome> {
    None
}

/// The signal of this Initiated event can never be delivered. `None` if nobody waits for the answer any more.
pub fn signal_failed(
    _run: &mut Execution,
    _cx: &Context<'_>,
    _initiated_event_id: i64,
    _cause: SignalExternalWorkflowExecutionFailedCause,
) -> Option<Outcome> {
    None
}

/// The cancel request of this Initiated event was delivered. `None` if nobody waits for the answer any more.
pub fn cancel_requested(
    _run: &mut Execution,
    _cx: &Context<'_>,
    _initiated_event_id: i64,
) -> Option<Outcome> {
    None
}

/// The cancel request of this Initiated event can never be delivered. `None` if nobody waits for the answer any more.
pub fn cancel_failed(
    _run: &mut Execution,
    _cx: &Context<'_>,
    _initiated_event_id: i64,
    _cause: CancelExternalWorkflowExecutionFailedCause,
) -> Option<Outcome> {
    None
}
