//! The commands of programs, and the events that record them.

use bytes::Bytes;
use steadfast_protocol::Duration;
use steadfast_protocol::command::command::Attributes as C;
use steadfast_protocol::command::{
    CancelTimerCommandAttributes, CancelWorkflowExecutionCommandAttributes, Command,
    CompleteWorkflowExecutionCommandAttributes, ContinueAsNewWorkflowExecutionCommandAttributes,
    FailWorkflowExecutionCommandAttributes, ModifyWorkflowPropertiesCommandAttributes,
    RecordMarkerCommandAttributes, RequestCancelActivityTaskCommandAttributes,
    RequestCancelExternalWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
    SignalExternalWorkflowExecutionCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
    StartTimerCommandAttributes,
};
use steadfast_protocol::common::{
    ActivityType, Memo, Payload, Payloads, RetryPolicy, WorkflowExecution, WorkflowType,
};
use steadfast_protocol::enums::CommandType;
use steadfast_protocol::failure::failure::FailureInfo;
use steadfast_protocol::failure::{ApplicationFailureInfo, Failure};
use steadfast_protocol::history::HistoryEvent;
use steadfast_protocol::history::history_event::Attributes as E;
use steadfast_protocol::taskqueue::TaskQueue;

use crate::program::{ActivitySpec, Input};

/// The task queue of all.
pub(crate) const QUEUE: &str = "queue";
/// The workflow type of all.
pub(crate) const WORKFLOW: &str = "program";

/// A payload of this text.
pub(crate) fn payload(text: &str) -> Payload {
    Payload {
        data: Bytes::copy_from_slice(text.as_bytes()),
        ..Default::default()
    }
}

/// Payloads of this text.
pub(crate) fn payloads(text: &str) -> Option<Payloads> {
    Some(Payloads {
        payloads: vec![payload(text)],
    })
}

/// The text of payloads.
pub(crate) fn text_of(payloads: Option<&Payloads>) -> String {
    let first = payloads.and_then(|payloads| payloads.payloads.first());
    first.map_or_else(String::new, |payload| {
        String::from_utf8_lossy(&payload.data).into_owned()
    })
}

/// A duration of so many ms; none for 0.
pub(crate) fn millis(millis: u64) -> Option<Duration> {
    (millis > 0).then(|| Duration {
        seconds: (millis / 1000) as i64,
        nanos: (millis % 1000 * 1_000_000) as i32,
    })
}

/// The normal task queue.
pub(crate) fn queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue {
        name: name.to_owned(),
        kind: 1,
        ..Default::default()
    })
}

/// A failure of the application.
pub(crate) fn failure(text: &str, non_retryable: bool) -> Failure {
    Failure {
        message: text.to_owned(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(
            ApplicationFailureInfo {
                r#type: "Simulated".to_owned(),
                non_retryable,
                ..Default::default()
            },
        )),
        ..Default::default()
    }
}

/// A retry policy.
pub(crate) fn retry(attempts_max: u64) -> Option<RetryPolicy> {
    Some(RetryPolicy {
        initial_interval: millis(100),
        backoff_coefficient: 2.0,
        maximum_interval: millis(10_000),
        maximum_attempts: attempts_max as i32,
        ..Default::default()
    })
}

fn command(command_type: CommandType, attributes: C) -> Command {
    Command {
        command_type: command_type as i32,
        attributes: Some(attributes),
        ..Default::default()
    }
}

pub(crate) fn activity(number: u64, spec: &ActivitySpec) -> Command {
    command(
        CommandType::ScheduleActivityTask,
        C::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
            activity_id: format!("a{number}"),
            activity_type: Some(ActivityType {
                name: "act".to_owned(),
            }),
            task_queue: queue(QUEUE),
            input: payloads(&spec.encode()),
            start_to_close_timeout: millis(spec.timeout_ms),
            schedule_to_close_timeout: millis(spec.total_timeout_ms),
            heartbeat_timeout: millis(spec.heartbeat_timeout_ms),
            retry_policy: retry(spec.attempts_max),
            ..Default::default()
        }),
    )
}

pub(crate) fn cancel_activity(scheduled_event_id: i64) -> Command {
    command(
        CommandType::RequestCancelActivityTask,
        C::RequestCancelActivityTaskCommandAttributes(RequestCancelActivityTaskCommandAttributes {
            scheduled_event_id,
        }),
    )
}

pub(crate) fn start_timer(number: u64, wait: u64) -> Command {
    let attributes = StartTimerCommandAttributes {
        timer_id: format!("t{number}"),
        start_to_fire_timeout: millis(wait.max(1)),
    };
    let attributes = C::StartTimerCommandAttributes(attributes);
    command(CommandType::StartTimer, attributes)
}

pub(crate) fn cancel_timer(number: u64) -> Command {
    let attributes = CancelTimerCommandAttributes {
        timer_id: format!("t{number}"),
    };
    let attributes = C::CancelTimerCommandAttributes(attributes);
    command(CommandType::CancelTimer, attributes)
}

pub(crate) fn child(workflow_id: &str, number: u64, input: &Input, policy: i32) -> Command {
    command(
        CommandType::StartChildWorkflowExecution,
        C::StartChildWorkflowExecutionCommandAttributes(
            StartChildWorkflowExecutionCommandAttributes {
                workflow_id: workflow_id.to_owned(),
                workflow_type: Some(WorkflowType {
                    name: WORKFLOW.to_owned(),
                }),
                task_queue: queue(QUEUE),
                input: payloads(&input.encode()),
                parent_close_policy: policy,
                control: number.to_string(),
                workflow_execution_timeout: millis(600_000),
                ..Default::default()
            },
        ),
    )
}

pub(crate) fn signal_external(number: u64, workflow_id: &str) -> Command {
    command(
        CommandType::SignalExternalWorkflowExecution,
        C::SignalExternalWorkflowExecutionCommandAttributes(
            SignalExternalWorkflowExecutionCommandAttributes {
                execution: Some(WorkflowExecution {
                    workflow_id: workflow_id.to_owned(),
                    run_id: String::new(),
                }),
                signal_name: "external".to_owned(),
                control: number.to_string(),
                ..Default::default()
            },
        ),
    )
}

pub(crate) fn cancel_external(number: u64, workflow_id: &str) -> Command {
    command(
        CommandType::RequestCancelExternalWorkflowExecution,
        C::RequestCancelExternalWorkflowExecutionCommandAttributes(
            RequestCancelExternalWorkflowExecutionCommandAttributes {
                workflow_id: workflow_id.to_owned(),
                control: number.to_string(),
                ..Default::default()
            },
        ),
    )
}

pub(crate) fn marker(number: u64) -> Command {
    let attributes = RecordMarkerCommandAttributes {
        marker_name: format!("m{number}"),
        ..Default::default()
    };
    let attributes = C::RecordMarkerCommandAttributes(attributes);
    command(CommandType::RecordMarker, attributes)
}

pub(crate) fn memo(number: u64) -> Command {
    let fields = [(format!("memo{}", number % 3), payload(&number.to_string()))];
    let attributes = ModifyWorkflowPropertiesCommandAttributes {
        upserted_memo: Some(Memo {
            fields: fields.into(),
        }),
    };
    let attributes = C::ModifyWorkflowPropertiesCommandAttributes(attributes);
    command(CommandType::ModifyWorkflowProperties, attributes)
}

pub(crate) fn complete_workflow() -> Command {
    let attributes = CompleteWorkflowExecutionCommandAttributes {
        result: payloads("done"),
    };
    let attributes = C::CompleteWorkflowExecutionCommandAttributes(attributes);
    command(CommandType::CompleteWorkflowExecution, attributes)
}

pub(crate) fn fail_workflow() -> Command {
    let attributes = FailWorkflowExecutionCommandAttributes {
        failure: Some(failure("the program fails", false)),
    };
    let attributes = C::FailWorkflowExecutionCommandAttributes(attributes);
    command(CommandType::FailWorkflowExecution, attributes)
}

pub(crate) fn cancel_workflow() -> Command {
    let attributes = CancelWorkflowExecutionCommandAttributes::default();
    let attributes = C::CancelWorkflowExecutionCommandAttributes(attributes);
    command(CommandType::CancelWorkflowExecution, attributes)
}

pub(crate) fn continue_as_new(input: &Input) -> Command {
    let attributes = ContinueAsNewWorkflowExecutionCommandAttributes {
        workflow_type: Some(WorkflowType {
            name: WORKFLOW.to_owned(),
        }),
        task_queue: queue(QUEUE),
        input: payloads(&input.encode()),
        ..Default::default()
    };
    let attributes = C::ContinueAsNewWorkflowExecutionCommandAttributes(attributes);
    command(CommandType::ContinueAsNewWorkflowExecution, attributes)
}

/// The number of what the command asks for, where an answer comes back.
pub(crate) fn number_of(command: &Command) -> Option<u64> {
    match command.attributes.as_ref()? {
        C::ScheduleActivityTaskCommandAttributes(it) => it.activity_id.get(1..)?.parse().ok(),
        C::StartTimerCommandAttributes(it) => it.timer_id.get(1..)?.parse().ok(),
        C::StartChildWorkflowExecutionCommandAttributes(it) => it.control.parse().ok(),
        C::SignalExternalWorkflowExecutionCommandAttributes(it) => it.control.parse().ok(),
        C::RequestCancelExternalWorkflowExecutionCommandAttributes(it) => it.control.parse().ok(),
        _ => None,
    }
}

/// What tells the command from others.
pub(crate) fn key_of(command: &Command) -> String {
    match &command.attributes {
        Some(C::ScheduleActivityTaskCommandAttributes(it)) => {
            format!("activity {}", it.activity_id)
        }
        Some(C::RequestCancelActivityTaskCommandAttributes(it)) => {
            format!("cancel of activity {}", it.scheduled_event_id)
        }
        Some(C::StartTimerCommandAttributes(it)) => format!("timer {}", it.timer_id),
        Some(C::CancelTimerCommandAttributes(it)) => format!("cancel of timer {}", it.timer_id),
        Some(C::StartChildWorkflowExecutionCommandAttributes(it)) => {
            format!("child {}", it.workflow_id)
        }
        Some(C::SignalExternalWorkflowExecutionCommandAttributes(it)) => {
            format!("signal {}", it.control)
        }
        Some(C::RequestCancelExternalWorkflowExecutionCommandAttributes(it)) => {
            format!("cancel {}", it.control)
        }
        Some(C::RecordMarkerCommandAttributes(it)) => format!("marker {}", it.marker_name),
        Some(C::ModifyWorkflowPropertiesCommandAttributes(_)) => "memo".to_owned(),
        Some(C::CompleteWorkflowExecutionCommandAttributes(_)) => "completion".to_owned(),
        Some(C::FailWorkflowExecutionCommandAttributes(_)) => "failure".to_owned(),
        Some(C::CancelWorkflowExecutionCommandAttributes(_)) => "cancellation".to_owned(),
        Some(C::ContinueAsNewWorkflowExecutionCommandAttributes(_)) => "continue-as-new".to_owned(),
        _ => "something else".to_owned(),
    }
}

/// The same for the event that records a command; `None` for all others.
pub(crate) fn key_of_event(event: &HistoryEvent) -> Option<String> {
    Some(match event.attributes.as_ref()? {
        E::ActivityTaskScheduledEventAttributes(it) => format!("activity {}", it.activity_id),
        E::ActivityTaskCancelRequestedEventAttributes(it) => {
            format!("cancel of activity {}", it.scheduled_event_id)
        }
        E::TimerStartedEventAttributes(it) => format!("timer {}", it.timer_id),
        E::TimerCanceledEventAttributes(it) => format!("cancel of timer {}", it.timer_id),
        E::StartChildWorkflowExecutionInitiatedEventAttributes(it) => {
            format!("child {}", it.workflow_id)
        }
        E::SignalExternalWorkflowExecutionInitiatedEventAttributes(it) => {
            format!("signal {}", it.control)
        }
        E::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(it) => {
            format!("cancel {}", it.control)
        }
        E::MarkerRecordedEventAttributes(it) => format!("marker {}", it.marker_name),
        E::WorkflowPropertiesModifiedEventAttributes(_) => "memo".to_owned(),
        E::WorkflowExecutionCompletedEventAttributes(_) => "completion".to_owned(),
        E::WorkflowExecutionFailedEventAttributes(_) => "failure".to_owned(),
        E::WorkflowExecutionCanceledEventAttributes(_) => "cancellation".to_owned(),
        E::WorkflowExecutionContinuedAsNewEventAttributes(_) => "continue-as-new".to_owned(),
        _ => return None,
    })
}

/// The event whose wish an event ends.
pub(crate) fn ended_by(attributes: &E) -> Option<i64> {
    Some(match attributes {
        E::ActivityTaskCompletedEventAttributes(it) => it.scheduled_event_id,
        E::ActivityTaskFailedEventAttributes(it) => it.scheduled_event_id,
        E::ActivityTaskTimedOutEventAttributes(it) => it.scheduled_event_id,
        E::ActivityTaskCanceledEventAttributes(it) => it.scheduled_event_id,
        E::TimerFiredEventAttributes(it) => it.started_event_id,
        E::StartChildWorkflowExecutionFailedEventAttributes(it) => it.initiated_event_id,
        E::ChildWorkflowExecutionCompletedEventAttributes(it) => it.initiated_event_id,
        E::ChildWorkflowExecutionFailedEventAttributes(it) => it.initiated_event_id,
        E::ChildWorkflowExecutionCanceledEventAttributes(it) => it.initiated_event_id,
        E::ChildWorkflowExecutionTimedOutEventAttributes(it) => it.initiated_event_id,
        E::ChildWorkflowExecutionTerminatedEventAttributes(it) => it.initiated_event_id,
        E::ExternalWorkflowExecutionSignaledEventAttributes(it) => it.initiated_event_id,
        E::SignalExternalWorkflowExecutionFailedEventAttributes(it) => it.initiated_event_id,
        E::ExternalWorkflowExecutionCancelRequestedEventAttributes(it) => it.initiated_event_id,
        E::RequestCancelExternalWorkflowExecutionFailedEventAttributes(it) => it.initiated_event_id,
        _ => return None,
    })
}
