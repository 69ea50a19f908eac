//! What happens to an activity in time: the end of a backoff, the four timeouts (server-semantics 5.7).

use steadfast_protocol::enums::{RetryState, TimeoutType};
use steadfast_protocol::history::ActivityTaskTimedOutEventAttributes;
use steadfast_protocol::history::history_event::Attributes;

use super::Answerer;
use super::attempt::{decide, end, expiration, retry, write_started};
use crate::backoff::Retry;
use crate::failure;
use crate::record::Activity;
use crate::time::Time;
use crate::transition::{Transition, activity_task};

/// The failure where the next attempt would begin after the whole activity times out.
const NO_TIME_LEFT: &str = "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying";

/// When something is due of `activity`: the end of its backoff, or the first of its timeouts.
pub fn next_deadline(activity: &Activity) -> Option<Time> {
    if is_backing_off(activity) {
        return Some(Time(activity.scheduled_time));
    }
    first_timeout(activity).map(|(due, _)| due)
}

/// No attempt begins after the whole activity timed out, so its timeouts need no look during a backoff.
fn is_backing_off(activity: &Activity) -> bool {
    !activity.dispatched && activity.started_time == 0
}

fn first_timeout(activity: &Activity) -> Option<(Time, TimeoutType)> {
    let after =
        |base: i64, timeout: i64, kind| (timeout > 0).then(|| (Time(base).plus(timeout), kind));
    let (first, second) = if activity.started_time == 0 {
        let wait = activity.schedule_to_start;
        let kind = TimeoutType::ScheduleToStart;
        (after(activity.scheduled_time, wait, kind), None)
    } else {
        let alive = activity.started_time.max(activity.heartbeat_time);
        let run = activity.start_to_close;
        (
            after(activity.started_time, run, TimeoutType::StartToClose),
            after(alive, activity.heartbeat_timeout, TimeoutType::Heartbeat),
        )
    };
    let whole = expiration(activity).map(|due| (due, TimeoutType::ScheduleToClose));
    // Of timeouts at the same instant the first one here wins. An attempt that starts in the very moment in which it is
    // scheduled does not run out of its own time before the activity does.
    let all = if activity.started_time == 0 {
        [first, whole, second]
    } else {
        [whole, first, second]
    };
    all.into_iter().flatten().min_by_key(|(due, _)| *due)
}

/// Does what is due of the activity of this Scheduled event: dispatches it again after a backoff, or times it out.
/// Nothing happens if nothing is due.
pub fn on_due(tx: &mut Transition<'_>, scheduled_event_id: i64) {
    // More than once where the whole activity times out at the very end of a backoff.
    while let Some(activity) = tx.run.activities.get(&scheduled_event_id) {
        if next_deadline(activity).is_none_or(|due| due > tx.cx.now) {
            return;
        }
        let activity = Activity::clone(activity);
        if is_backing_off(&activity) {
            dispatch_again(tx, activity);
        } else if let Some((_, kind)) = first_timeout(&activity) {
            time_out(tx, activity, kind);
        }
    }
}

fn dispatch_again(tx: &mut Transition<'_>, activity: Activity) {
    let dispatched = Activity {
        dispatched: true,
        ..activity
    };
    tx.out.tasks_added.push(activity_task(&dispatched));
    tx.put_activity(dispatched);
}

fn time_out(tx: &mut Transition<'_>, activity: Activity, kind: TimeoutType) {
    let message = format!("activity {kind:?} timeout");
    let mut failure = failure::timeout(&message, kind, None);
    let state = match decide(&activity, &failure, tx.cx.now) {
        Retry::After(interval) => return retry(tx, activity, interval, Some(failure)),
        Retry::Never(state) => state,
    };
    let details = activity.heartbeat_details.clone();
    // SDKs expect this kind wherever it is the whole activity that ran out of time.
    failure = if state == RetryState::Timeout && kind != TimeoutType::ScheduleToStart {
        failure::timeout(NO_TIME_LEFT, TimeoutType::ScheduleToClose, details)
    } else {
        failure::timeout(&message, kind, details)
    };
    failure.cause = activity.last_failure.clone().map(Box::new);
    let started_event_id = if activity.started_time == 0 {
        0
    } else {
        write_started(tx, &activity, Answerer::default())
    };
    tx.event(Attributes::ActivityTaskTimedOutEventAttributes(
        ActivityTaskTimedOutEventAttributes {
            failure: Some(failure),
            scheduled_event_id: activity.scheduled_event_id,
            started_event_id,
            retry_state: state as i32,
        },
    ));
    end(tx, &activity);
}
