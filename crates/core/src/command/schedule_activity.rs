//! ScheduleActivityTask (server-semantics 5.1, 5.9).

use steadfast_protocol::command::ScheduleActivityTaskCommandAttributes;
use steadfast_protocol::common::RetryPolicy;
use steadfast_protocol::enums::{TaskQueueKind, WorkflowTaskFailedCause as Cause};
use steadfast_protocol::history::ActivityTaskScheduledEventAttributes;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::taskqueue::TaskQueue;

use super::{CommandError, Scope, check};
use crate::record::Activity;
use crate::time::{duration, duration_or_zero, to_duration};
use crate::transition::{Transition, activity_task};
use crate::{activity, attributes, backoff, limits, task_queue};

const CAUSE: Cause = Cause::BadScheduleActivityAttributes;

pub(super) fn apply(
    tx: &mut Transition<'_>,
    scope: &mut Scope,
    command: ScheduleActivityTaskCommandAttributes,
) -> Result<(), CommandError> {
    let run_timeout = tx.run.start_attributes().workflow_run_timeout.as_ref();
    let run_timeout = duration_or_zero(run_timeout);
    let plan = Plan::new(command, run_timeout, tx.run.task_queue())
        .map_err(|detail| CommandError::bad(CAUSE, detail))?;
    check::payloads_size(
        tx,
        plan.command.input.as_ref(),
        CAUSE,
        "ScheduleActivityTaskCommandAttributes.Input",
    )?;
    check::pending(
        tx.run.activities.len(),
        tx.cx.limits.activities,
        Cause::PendingActivitiesLimitExceeded,
        "pending activities",
    )?;
    let id = plan.command.activity_id.clone();
    if tx.run.activity_ids.contains_key(&id) {
        return Err(CommandError::bad(
            Cause::ScheduleActivityDuplicateId,
            format!(
                "invalid history builder state for action: add-activitytask-scheduled-event, ActivityID: {id}"
            ),
        ));
    }
    let eager = plan.command.request_eager_execution;
    let mut activity = plan.pending(tx);
    activity.scheduled_event_id = tx.event(plan.event(scope.completed_event_id));
    if eager {
        scope.eager_activities.push(activity.scheduled_event_id);
        activity::start_eagerly(tx, activity, &scope.identity);
    } else {
        activity.dispatched = true;
        tx.out.tasks_added.push(activity_task(&activity));
        tx.put_activity(activity);
    }
    Ok(())
}

/// The command as it takes effect. Timeouts are in nanoseconds, 0 for none.
struct Plan {
    command: ScheduleActivityTaskCommandAttributes,
    activity_type: String,
    queue: String,
    schedule_to_close: i64,
    schedule_to_start: i64,
    start_to_close: i64,
    heartbeat: i64,
    retry_policy: RetryPolicy,
}

impl Plan {
    fn new(
        mut command: ScheduleActivityTaskCommandAttributes,
        run_timeout: i64,
        own_queue: &str,
    ) -> Result<Self, String> {
        let kind = command.activity_type.as_ref();
        let activity_type = kind.map_or_else(String::new, |kind| kind.name.clone());
        let queue = command.task_queue.take();
        let queue = queue.map_or_else(String::new, |queue| queue.name);
        check_names(&command.activity_id, &activity_type, &queue, own_queue)?;
        let mut retry_policy = command.retry_policy.take().unwrap_or_default();
        let valid = backoff::validate(&retry_policy);
        valid.map_err(|refusal| refusal.message().to_owned())?;
        backoff::fill(&mut retry_policy);
        check::priority(command.priority.as_ref())?;
        let timeout = |name: &str, value: Option<&_>| {
            duration(value).map_err(|_| format!("invalid {name}: negative duration"))
        };
        let mut plan = Self {
            schedule_to_close: timeout(
                "ScheduleToCloseTimeout",
                command.schedule_to_close_timeout.as_ref(),
            )?,
            schedule_to_start: timeout(
                "ScheduleToStartTimeout",
                command.schedule_to_start_timeout.as_ref(),
            )?,
            start_to_close: timeout(
                "StartToCloseTimeout",
                command.start_to_close_timeout.as_ref(),
            )?,
            heartbeat: timeout("HeartbeatTimeout", command.heartbeat_timeout.as_ref())?,
            command,
            activity_type,
            queue,
            retry_policy,
        };
        plan.normalise(run_timeout)?;
        Ok(plan)
    }

    /// Fills the timeouts that are left out from the others, and caps them all.
    fn normalise(&mut self, run_timeout: i64) -> Result<(), String> {
        if self.schedule_to_close > 0 {
            self.schedule_to_start = capped(self.schedule_to_start, self.schedule_to_close);
            self.start_to_close = capped(self.start_to_close, self.schedule_to_close);
        } else if self.start_to_close > 0 {
            self.schedule_to_close = run_timeout;
            if self.schedule_to_start == 0 {
                self.schedule_to_start = run_timeout;
            }
        } else {
            return Err(format!(
                "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. ActivityId={} ActivityType={}",
                self.command.activity_id, self.activity_type
            ));
        }
        if run_timeout > 0 {
            self.schedule_to_close = self.schedule_to_close.min(run_timeout);
            self.schedule_to_start = self.schedule_to_start.min(run_timeout);
            self.start_to_close = self.start_to_close.min(run_timeout);
        }
        self.heartbeat = self.heartbeat.min(self.start_to_close);
        Ok(())
    }

    fn pending(&self, tx: &Transition<'_>) -> Activity {
        let now = tx.cx.now.0;
        let inherited = tx.run.start_attributes().priority.as_ref();
        Activity {
            activity_id: self.command.activity_id.clone(),
            activity_type: self.activity_type.clone(),
            queue: self.queue.clone(),
            attempt: 1,
            first_scheduled_time: now,
            scheduled_time: now,
            schedule_to_close: self.schedule_to_close,
            schedule_to_start: self.schedule_to_start,
            start_to_close: self.start_to_close,
            heartbeat_timeout: self.heartbeat,
            retry_policy: Some(self.retry_policy.clone()),
            priority: attributes::merged_priority(self.command.priority.as_ref(), inherited),
            ..Default::default()
        }
    }

    fn event(self, completed_event_id: i64) -> Attributes {
        let command = self.command;
        Attributes::ActivityTaskScheduledEventAttributes(ActivityTaskScheduledEventAttributes {
            activity_id: command.activity_id,
            activity_type: command.activity_type,
            task_queue: Some(TaskQueue {
                name: self.queue,
                kind: TaskQueueKind::Normal as i32,
                normal_name: String::new(),
            }),
            header: command.header,
            input: command.input,
            schedule_to_close_timeout: Some(to_duration(self.schedule_to_close)),
            schedule_to_start_timeout: Some(to_duration(self.schedule_to_start)),
            start_to_close_timeout: Some(to_duration(self.start_to_close)),
            heartbeat_timeout: Some(to_duration(self.heartbeat)),
            workflow_task_completed_event_id: completed_event_id,
            retry_policy: Some(self.retry_policy),
            use_workflow_build_id: command.use_workflow_build_id,
            priority: command.priority,
        })
    }
}

/// The cap where `timeout` is left out or longer.
fn capped(timeout: i64, cap: i64) -> i64 {
    if timeout == 0 { cap } else { timeout.min(cap) }
}

fn check_names(id: &str, kind: &str, queue: &str, own_queue: &str) -> Result<(), String> {
    for (field, value) in [("activityId", id), ("activityType", kind)] {
        if value.is_empty() {
            return Err(format!("{field} is not set"));
        }
        if value.len() > limits::ID_LENGTH_MAX {
            return Err(format!(
                "{field} exceeds length limit. Length={} Limit={}",
                value.len(),
                limits::ID_LENGTH_MAX
            ));
        }
    }
    if queue.is_empty() {
        return Err("missing task queue name".to_owned());
    }
    if queue.len() > limits::ID_LENGTH_MAX {
        return Err("taskQueue length exceeds limit".to_owned());
    }
    task_queue::check(queue, own_queue)
}
