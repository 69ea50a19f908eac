//! Histories in the form that clients expect who know nothing of chains of runs (server-semantics 7.1).

use steadfast_protocol::enums::{ContinueAsNewInitiator, EventType, HistoryEventFilterType};
use steadfast_protocol::history::{
    HistoryEvent, WorkflowExecutionContinuedAsNewEventAttributes, history_event::Attributes,
};
use steadfast_protocol::workflowservice::GetWorkflowExecutionHistoryResponse;

/// A run that closed with another one after it looks as if it had continued as new: that is how clients without the
/// feature `follows-next-run-id` find the next run.
pub(crate) fn present_to_old_clients(
    filter: HistoryEventFilterType,
    answer: &mut GetWorkflowExecutionHistoryResponse,
) {
    if filter != HistoryEventFilterType::CloseEvent {
        return;
    }
    let events = answer
        .history
        .iter_mut()
        .flat_map(|history| &mut history.events);
    events.for_each(present_event);
}

#[allow(deprecated, reason = "the fields are there for these clients")]
fn present_event(event: &mut HistoryEvent) {
    let (next, initiator, failure, result) = match event.attributes.take() {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(completed))
            if !completed.new_execution_run_id.is_empty() =>
        {
            let initiator = ContinueAsNewInitiator::CronSchedule;
            (
                completed.new_execution_run_id,
                initiator,
                None,
                completed.result,
            )
        }
        Some(Attributes::WorkflowExecutionFailedEventAttributes(failed))
            if !failed.new_execution_run_id.is_empty() =>
        {
            let initiator = ContinueAsNewInitiator::Retry;
            (failed.new_execution_run_id, initiator, failed.failure, None)
        }
        Some(Attributes::WorkflowExecutionTimedOutEventAttributes(timed_out))
            if !timed_out.new_execution_run_id.is_empty() =>
        {
            let initiator = ContinueAsNewInitiator::Retry;
            (timed_out.new_execution_run_id, initiator, None, None)
        }
        other => {
            event.attributes = other;
            return;
        }
    };
    event.event_type = EventType::WorkflowExecutionContinuedAsNew as i32;
    event.attributes = Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(
        Box::new(WorkflowExecutionContinuedAsNewEventAttributes {
            new_execution_run_id: next,
            initiator: initiator as i32,
            failure,
            last_completion_result: result,
            ..Default::default()
        }),
    ));
}
