//! Results of signals and cancel requests to other executions (server-semantics 4.3).
//!
//! They come back as inputs, at least once; the pending item decides whether anybody still waits for them.

use std::sync::Arc;

use steadfast_protocol::common::WorkflowExecution;
use steadfast_protocol::enums::{
    CancelExternalWorkflowExecutionFailedCause, SignalExternalWorkflowExecutionFailedCause,
};
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::history::{
    ExternalWorkflowExecutionCancelRequestedEventAttributes,
    ExternalWorkflowExecutionSignaledEventAttributes,
    RequestCancelExternalWorkflowExecutionFailedEventAttributes,
    SignalExternalWorkflowExecutionFailedEventAttributes,
};

use crate::context::Context;
use crate::execution::Execution;
use crate::outcome::Outcome;
use crate::record::External;
use crate::rows::Row;
use crate::transition::Transition;

/// The signal of this Initiated event was delivered. `None` if nobody waits for the answer any more.
pub fn signaled(run: &mut Execution, cx: &Context<'_>, initiated_event_id: i64) -> Option<Outcome> {
    settle(run, cx, Kind::Signal, initiated_event_id, |item| {
        Attributes::ExternalWorkflowExecutionSignaledEventAttributes(
            ExternalWorkflowExecutionSignaledEventAttributes {
                initiated_event_id,
                namespace: item.namespace.clone(),
                namespace_id: item.namespace_id.clone(),
                workflow_execution: Some(target(item)),
                control: item.control.clone(),
            },
        )
    })
}

/// The signal of this Initiated event can never be delivered. `None` if nobody waits for the answer any more.
pub fn signal_failed(
    run: &mut Execution,
    cx: &Context<'_>,
    initiated_event_id: i64,
    cause: SignalExternalWorkflowExecutionFailedCause,
) -> Option<Outcome> {
    settle(run, cx, Kind::Signal, initiated_event_id, |item| {
        Attributes::SignalExternalWorkflowExecutionFailedEventAttributes(
            SignalExternalWorkflowExecutionFailedEventAttributes {
                cause: cause as i32,
                initiated_event_id,
                namespace: item.namespace.clone(),
                namespace_id: item.namespace_id.clone(),
                workflow_execution: Some(target(item)),
                control: item.control.clone(),
                ..Default::default()
            },
        )
    })
}

/// The cancel request of this Initiated event was delivered. `None` if nobody waits for the answer any more.
pub fn cancel_requested(
    run: &mut Execution,
    cx: &Context<'_>,
    initiated_event_id: i64,
) -> Option<Outcome> {
    settle(run, cx, Kind::Cancel, initiated_event_id, |item| {
        Attributes::ExternalWorkflowExecutionCancelRequestedEventAttributes(
            ExternalWorkflowExecutionCancelRequestedEventAttributes {
                initiated_event_id,
                namespace: item.namespace.clone(),
                namespace_id: item.namespace_id.clone(),
                workflow_execution: Some(target(item)),
            },
        )
    })
}

/// The cancel request of this Initiated event can never be delivered. `None` if nobody waits for the answer any more.
pub fn cancel_failed(
    run: &mut Execution,
    cx: &Context<'_>,
    initiated_event_id: i64,
    cause: CancelExternalWorkflowExecutionFailedCause,
) -> Option<Outcome> {
    settle(run, cx, Kind::Cancel, initiated_event_id, |item| {
        Attributes::RequestCancelExternalWorkflowExecutionFailedEventAttributes(
            RequestCancelExternalWorkflowExecutionFailedEventAttributes {
                cause: cause as i32,
                initiated_event_id,
                namespace: item.namespace.clone(),
                namespace_id: item.namespace_id.clone(),
                workflow_execution: Some(target(item)),
                ..Default::default()
            },
        )
    })
}

/// Which of the two kinds of messages.
#[derive(Clone, Copy)]
enum Kind {
    Signal,
    Cancel,
}

impl Kind {
    fn take(self, run: &mut Execution, initiated_event_id: i64) -> Option<Arc<External>> {
        match self {
            Self::Signal => run.remove_external_signal(initiated_event_id),
            Self::Cancel => run.remove_external_cancel(initiated_event_id),
        }
    }

    fn put(self, run: &mut Execution, item: External) {
        match self {
            Self::Signal => run.put_external_signal(item),
            Self::Cancel => run.put_external_cancel(item),
        }
    }

    fn row(self, initiated_event_id: i64) -> Row {
        match self {
            Self::Signal => Row::ExternalSignal(initiated_event_id),
            Self::Cancel => Row::ExternalCancel(initiated_event_id),
        }
    }
}

fn settle(
    run: &mut Execution,
    cx: &Context<'_>,
    kind: Kind,
    initiated_event_id: i64,
    event: impl FnOnce(&External) -> Attributes,
) -> Option<Outcome> {
    if !run.is_open() {
        return None;
    }
    let item = kind.take(run, initiated_event_id)?;
    let mut tx = Transition::new(run, cx);
    tx.out.changed.insert(kind.row(initiated_event_id));
    tx.event(event(&item));
    tx.want_workflow_task();
    Some(tx.finish())
}

/// The target as the command named it: the run id is mostly empty.
fn target(item: &External) -> WorkflowExecution {
    WorkflowExecution {
        workflow_id: item.workflow_id.clone(),
        run_id: item.run_id.clone(),
    }
}

/// Adds a pending signal.
pub(crate) fn put_signal(tx: &mut Transition<'_>, item: External) {
    put(tx, Kind::Signal, item);
}

/// Adds a pending cancel request.
pub(crate) fn put_cancel(tx: &mut Transition<'_>, item: External) {
    put(tx, Kind::Cancel, item);
}

fn put(tx: &mut Transition<'_>, kind: Kind, item: External) {
    tx.out.changed.insert(kind.row(item.initiated_event_id));
    kind.put(tx.run, item);
}
