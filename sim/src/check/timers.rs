//! P4: nothing that waits for a time happens before it, and none of it late once the faults have stopped.

use steadfast_core::time::{SECOND, Time, duration_or_zero};
use steadfast_protocol::enums::TimeoutType;
use steadfast_protocol::failure::Failure;
use steadfast_protocol::failure::failure::FailureInfo;
use steadfast_protocol::history::HistoryEvent;
use steadfast_protocol::history::history_event::Attributes;

use crate::ledger::{Ledger, Run};

/// How late a timer may fire where nothing is broken.
const LATE: i64 = 2 * SECOND;

/// Looks at an event that is about to be added to its run, at the true time `now`.
pub(crate) fn event(ledger: &mut Ledger, run_id: &str, event: &HistoryEvent, now: Time) {
    let Some(run) = ledger.runs.get(run_id) else {
        return;
    };
    let Some(due) = earliest(run, event) else {
        return;
    };
    let at = event.event_time.as_ref().map_or(Time(0), Time::from_proto);
    if at < due || now < due {
        let early = due.since(at.min(now));
        ledger.violations.push(format!(
            "run {run_id}: event {} ({:?}) happened {early} ns before its time",
            event.event_id,
            event.event_type()
        ));
    }
}

/// The first instant at which the event may happen.
fn earliest(run: &Run, event: &HistoryEvent) -> Option<Time> {
    match event.attributes.as_ref()? {
        Attributes::TimerFiredEventAttributes(fired) => timer_due(run, fired.started_event_id),
        Attributes::WorkflowTaskTimedOutEventAttributes(it) if it.started_event_id != 0 => {
            let Some(Attributes::WorkflowTaskScheduledEventAttributes(scheduled)) =
                run.attributes(it.scheduled_event_id)
            else {
                return None;
            };
            let timeout = duration_or_zero(scheduled.start_to_close_timeout.as_ref());
            // Prolonged tasks end by another limit.
            Some(run.time_of(it.started_event_id)?.plus(timeout)).filter(|_| timeout > 0)
        }
        Attributes::ActivityTaskTimedOutEventAttributes(it) => {
            let Some(Attributes::ActivityTaskScheduledEventAttributes(scheduled)) =
                run.attributes(it.scheduled_event_id)
            else {
                return None;
            };
            let (since, timeout) = match timeout_type(it.failure.as_ref()?)? {
                TimeoutType::StartToClose => {
                    (it.started_event_id, &scheduled.start_to_close_timeout)
                }
                TimeoutType::Heartbeat => (it.started_event_id, &scheduled.heartbeat_timeout),
                _ => return None,
            };
            Some(run.time_of(since)?.plus(duration_or_zero(timeout.as_ref())))
        }
        Attributes::WorkflowExecutionTimedOutEventAttributes(_) => {
            let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) =
                run.attributes(1)
            else {
                return None;
            };
            let run_timeout = duration_or_zero(started.workflow_run_timeout.as_ref());
            let expires = started.workflow_execution_expiration_time.as_ref();
            let expires = expires.map(Time::from_proto);
            let by_run = (run_timeout > 0).then(|| run.time_of(1).map(|at| at.plus(run_timeout)));
            [by_run.flatten(), expires].into_iter().flatten().min()
        }
        _ => None,
    }
}

fn timeout_type(failure: &Failure) -> Option<TimeoutType> {
    match failure.failure_info.as_ref()? {
        FailureInfo::TimeoutFailureInfo(info) => Some(info.timeout_type()),
        _ => None,
    }
}

fn timer_due(run: &Run, started_event_id: i64) -> Option<Time> {
    let Some(Attributes::TimerStartedEventAttributes(timer)) = run.attributes(started_event_id)
    else {
        return None;
    };
    let wait = duration_or_zero(timer.start_to_fire_timeout.as_ref());
    Some(run.time_of(started_event_id)?.plus(wait))
}

/// Timers that fired too late, of those that were due after `healed`.
pub(crate) fn late(ledger: &Ledger, healed: Time) -> Vec<String> {
    let mut found = Vec::new();
    for (run_id, run) in &ledger.runs {
        for event in &run.events {
            let Some(Attributes::TimerFiredEventAttributes(fired)) = &event.attributes else {
                continue;
            };
            let due = timer_due(run, fired.started_event_id).unwrap_or(Time(0));
            let at = run.time_of(event.event_id).unwrap_or(Time(0));
            if due > healed && at > due.plus(LATE) {
                let late = at.since(due) / 1_000_000;
                let id = event.event_id;
                found.push(format!("run {run_id}: timer event {id} is {late} ms late"));
            }
        }
    }
    found
}
