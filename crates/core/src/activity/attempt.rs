//! The end of an attempt: the next one, or the last events (server-semantics 5.6).

use steadfast_protocol::enums::{RetryState, TimeoutType};
use steadfast_protocol::failure::Failure;
use steadfast_protocol::failure::failure::FailureInfo;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::history::{
    ActivityTaskFailedEventAttributes, ActivityTaskStartedEventAttributes,
};

use super::Answerer;
use crate::backoff::{self, Retry};
use crate::failure;
use crate::limits;
use crate::record::Activity;
use crate::time::Time;
use crate::transition::Transition;

/// Starts an activity for the very worker whose command scheduled it.
pub(crate) fn start_eagerly(tx: &mut Transition<'_>, mut activity: Activity, identity: &str) {
    activity.dispatched = false;
    activity.started_time = tx.cx.now.0;
    activity.started_identity = identity.to_owned();
    activity.started_request_id = tx.cx.ids.uuid();
    tx.put_activity(activity);
}

/// Ends an attempt that failed: another one follows, or the failure is recorded.
pub(super) fn end_failed(
    tx: &mut Transition<'_>,
    activity: Activity,
    failure: Option<Failure>,
    by: Answerer<'_>,
) {
    let judged = failure.clone().unwrap_or_default();
    match decide(&activity, &judged, tx.cx.now) {
        Retry::After(interval) => retry(tx, activity, interval, failure),
        Retry::Never(state) => {
            let started_event_id = write_started(tx, &activity, by);
            tx.event(Attributes::ActivityTaskFailedEventAttributes(
                ActivityTaskFailedEventAttributes {
                    failure,
                    scheduled_event_id: activity.scheduled_event_id,
                    started_event_id,
                    identity: by.identity.to_owned(),
                    retry_state: state as i32,
                    ..Default::default()
                },
            ));
            end(tx, &activity);
        }
    }
}

/// The closing event of `activity` is written: it is not pending any more, and the workflow must see it.
pub(super) fn end(tx: &mut Transition<'_>, activity: &Activity) {
    tx.remove_activity(activity.scheduled_event_id);
    tx.want_workflow_task();
}

/// Writes the Started event of the last attempt, right before the closing event. Its time is that of the real start.
///
/// The build is that of who answers. An attempt that nobody started is signed by who answers for it all the same.
pub(super) fn write_started(tx: &mut Transition<'_>, activity: &Activity, by: Answerer<'_>) -> i64 {
    let started = Time(activity.started_time).some();
    let identity = match started {
        Some(_) => activity.started_identity.as_str(),
        None => by.identity,
    };
    let event_time = started.unwrap_or(tx.cx.now);
    tx.event_with(
        Attributes::ActivityTaskStartedEventAttributes(ActivityTaskStartedEventAttributes {
            scheduled_event_id: activity.scheduled_event_id,
            identity: identity.to_owned(),
            request_id: activity.started_request_id.clone(),
            attempt: activity.attempt,
            last_failure: activity.last_failure.clone(),
            worker_version: by.version.cloned(),
            ..Default::default()
        }),
        |event| event.event_time = Some(event_time.to_proto()),
    )
}

/// Whether another attempt follows the one that ended in `failure`.
pub(super) fn decide(activity: &Activity, failure: &Failure, now: Time) -> Retry {
    if activity.retry_policy.is_none() {
        return Retry::Never(RetryState::RetryPolicyNotSet);
    }
    if activity.cancel_requested {
        return Retry::Never(RetryState::CancelRequested);
    }
    if let Some(FailureInfo::TimeoutFailureInfo(info)) = &failure.failure_info
        && matches!(
            info.timeout_type(),
            TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose
        )
    {
        return Retry::Never(RetryState::Timeout);
    }
    backoff::decide(
        activity.retry_policy.as_ref(),
        failure,
        activity.attempt,
        now,
        expiration(activity),
        false,
    )
}

/// When the activity as a whole times out.
pub(super) fn expiration(activity: &Activity) -> Option<Time> {
    (activity.schedule_to_close > 0)
        .then(|| Time(activity.first_scheduled_time).plus(activity.schedule_to_close))
}

/// Schedules the next attempt after `interval` nanoseconds. No event: readers see only the last attempt. The details of
/// the last heartbeat are for the next attempt.
pub(super) fn retry(
    tx: &mut Transition<'_>,
    activity: Activity,
    interval: i64,
    failure: Option<Failure>,
) {
    assert!(activity.started_time != 0, "only what ran is tried again");
    let now = tx.cx.now;
    let last_failure = failure.map(|failure| {
        failure::limited(
            failure,
            limits::ACTIVITY_FAILURE_KEPT_MAX,
            limits::ACTIVITY_FAILURE_CUT_SIZE,
            false,
        )
    });
    tx.put_activity(Activity {
        attempt: activity.attempt.saturating_add(1),
        scheduled_time: now.plus(interval).0,
        retry_interval: interval,
        dispatched: false,
        started_time: 0,
        started_request_id: String::new(),
        last_worker_identity: activity.started_identity,
        started_identity: String::new(),
        last_failure,
        last_attempt_complete_time: now.0,
        ..activity
    });
}
