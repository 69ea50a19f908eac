//! The workflow code of the load, as raw commands.

use std::collections::BTreeMap;

use steadfast_protocol::command::{self, Command, command::Attributes};
use steadfast_protocol::common::{ActivityType, Payload, Payloads};
use steadfast_protocol::enums::{CommandType, TaskQueueKind};
use steadfast_protocol::history::{HistoryEvent, history_event};
use steadfast_protocol::taskqueue::{StickyExecutionAttributes, TaskQueue};

use crate::connect::seconds;

/// The key of a result's metadata that tells which step it belongs to.
const STEP: &str = "step";

/// The sticky timeout that SDKs send.
const STICKY_TIMEOUT_S: f64 = 10.0;

/// What every workflow of a load does.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// So many activities, one after another, each with an argument and a result of so many bytes; then complete.
    Activities { count: usize, payload: usize },
    /// One timer, then complete. The time is drawn from the range by the workflow's number.
    Timer { from_s: f64, to_s: f64 },
}

/// Where a workflow is once its task has been answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reached {
    /// Waiting for an activity.
    Between,
    /// Waiting for a timer of so many seconds: what the starter of an idle workflow waits for.
    Parked(f64),
    /// At its end: what the starter of any other workflow waits for.
    End,
}

impl Script {
    /// The command that answers a workflow task.
    pub(crate) fn answer(
        &self,
        events: &[HistoryEvent],
        queue: &str,
        number: u64,
    ) -> (Command, Reached) {
        match self {
            Script::Activities { count, payload } => {
                let step = events
                    .iter()
                    .rev()
                    .find_map(completed_step)
                    .map_or(0, |step| step + 1);
                if step < *count {
                    (
                        activity(step.to_string(), "work", payloads(*payload), queue),
                        Reached::Between,
                    )
                } else {
                    (complete(payloads(*payload)), Reached::End)
                }
            }
            Script::Timer { from_s, to_s } => {
                if events.iter().any(is_timer_fired) {
                    (complete(payloads(0)), Reached::End)
                } else {
                    let duration_s = from_s + (to_s - from_s) * spread(number);
                    (
                        timer("1".to_string(), duration_s),
                        Reached::Parked(duration_s),
                    )
                }
            }
        }
    }
}

/// The result of an activity, for which a worker would run code.
pub(crate) fn activity_result(activity_id: &str, payload: usize) -> Payloads {
    let mut result = bytes(payload);
    result
        .metadata
        .insert(STEP.to_string(), activity_id.to_string().into());
    Payloads {
        payloads: vec![result],
    }
}

pub(crate) fn payloads(size: usize) -> Payloads {
    Payloads {
        payloads: vec![bytes(size)],
    }
}

pub(crate) fn normal_queue(name: &str) -> TaskQueue {
    TaskQueue {
        name: name.to_string(),
        kind: TaskQueueKind::Normal.into(),
        normal_name: String::new(),
    }
}

/// The sticky queue of the worker on a normal queue.
pub(crate) fn sticky_queue(normal_name: &str) -> TaskQueue {
    TaskQueue {
        name: format!("{normal_name}-sticky"),
        kind: TaskQueueKind::Sticky.into(),
        normal_name: normal_name.to_string(),
    }
}

/// Asks for the next workflow task on the sticky queue.
pub(crate) fn sticky_attributes(normal_name: &str) -> StickyExecutionAttributes {
    StickyExecutionAttributes {
        worker_task_queue: Some(sticky_queue(normal_name)),
        schedule_to_start_timeout: Some(seconds(STICKY_TIMEOUT_S)),
    }
}

fn bytes(size: usize) -> Payload {
    Payload {
        metadata: BTreeMap::from([("encoding".to_string(), "binary/plain".into())]),
        data: vec![b'x'; size].into(),
        ..Default::default()
    }
}

fn completed_step(event: &HistoryEvent) -> Option<usize> {
    let Some(history_event::Attributes::ActivityTaskCompletedEventAttributes(completed)) =
        &event.attributes
    else {
        return None;
    };
    let result = completed.result.as_ref()?.payloads.first()?;
    std::str::from_utf8(result.metadata.get(STEP)?)
        .ok()?
        .parse()
        .ok()
}

fn is_timer_fired(event: &HistoryEvent) -> bool {
    matches!(
        event.attributes,
        Some(history_event::Attributes::TimerFiredEventAttributes(_))
    )
}

/// Numbers spread evenly over 0..1, whatever the order (multiples of the golden ratio).
fn spread(number: u64) -> f64 {
    (number as f64 * 0.618_033_988_749_895).fract()
}

/// Schedules an activity of the given type.
pub(crate) fn activity(activity_id: String, name: &str, input: Payloads, queue: &str) -> Command {
    command(
        CommandType::ScheduleActivityTask,
        Attributes::ScheduleActivityTaskCommandAttributes(
            command::ScheduleActivityTaskCommandAttributes {
                activity_id,
                activity_type: Some(ActivityType {
                    name: name.to_string(),
                }),
                task_queue: Some(normal_queue(queue)),
                input: Some(input),
                start_to_close_timeout: Some(seconds(60.0)),
                ..Default::default()
            },
        ),
    )
}

pub(crate) fn timer(timer_id: String, duration_s: f64) -> Command {
    command(
        CommandType::StartTimer,
        Attributes::StartTimerCommandAttributes(command::StartTimerCommandAttributes {
            timer_id,
            start_to_fire_timeout: Some(seconds(duration_s)),
        }),
    )
}

pub(crate) fn complete(result: Payloads) -> Command {
    command(
        CommandType::CompleteWorkflowExecution,
        Attributes::CompleteWorkflowExecutionCommandAttributes(
            command::CompleteWorkflowExecutionCommandAttributes {
                result: Some(result),
            },
        ),
    )
}

pub(crate) fn command(kind: CommandType, attributes: Attributes) -> Command {
    Command {
        command_type: kind.into(),
        attributes: Some(attributes),
        ..Default::default()
    }
}
