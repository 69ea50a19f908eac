//! P3: histories are contiguous and immutable.

use steadfast_core::time::Time;
use steadfast_protocol::enums::EventType;
use steadfast_protocol::history::HistoryEvent;

use crate::ledger::{Ledger, Run, is_close};

/// What is wrong with a block that is about to be added to a run.
pub(crate) fn block(run: &Run, first: i64, events: &[HistoryEvent]) -> Option<String> {
    let next = run.events.len() as i64 + 1;
    if run.deleted {
        return Some(format!("event {first} is written after the deletion"));
    }
    if first != next {
        return Some(format!("event {first} is written where {next} belongs"));
    }
    if events.is_empty() {
        return Some(format!("an empty block at {first}"));
    }
    if run.is_closed() {
        return Some(format!("event {first} is written after the close"));
    }
    let mut last = run.events.iter().rev().find(|event| is_in_order(event));
    for (event, id) in events.iter().zip(first..) {
        if event.event_id != id {
            return Some(format!("event {} stands at place {id}", event.event_id));
        }
        let is_first = event.event_type() == EventType::WorkflowExecutionStarted;
        if is_first != (id == 1) {
            return Some(format!("event {id} is of type {:?}", event.event_type()));
        }
        if event.attributes.is_none() {
            return Some(format!("event {id} has no attributes"));
        }
        if is_in_order(event) {
            if let Some(before) = last
                && time(before) > time(event)
            {
                let before = before.event_id;
                return Some(format!("event {id} happened before event {before}"));
            }
            last = Some(event);
        }
    }
    let closing = events.iter().position(is_close);
    if closing.is_some_and(|at| at + 1 != events.len()) {
        return Some(format!("events follow the close in the block at {first}"));
    }
    None
}

/// Events that are written when they happen. Others keep the time of what they tell of, and are written later.
fn is_in_order(event: &HistoryEvent) -> bool {
    matches!(
        event.event_type(),
        EventType::WorkflowExecutionStarted
            | EventType::WorkflowTaskScheduled
            | EventType::WorkflowTaskStarted
            | EventType::WorkflowTaskCompleted
            | EventType::ActivityTaskScheduled
            | EventType::TimerStarted
            | EventType::TimerCanceled
            | EventType::MarkerRecorded
    ) || is_close(event)
}

fn time(event: &HistoryEvent) -> Time {
    event.event_time.as_ref().map_or(Time(0), Time::from_proto)
}

/// The head that is durable says as many events as there are.
pub(crate) fn head_agrees(ledger: &mut Ledger, run_id: &str) {
    let Some(run) = ledger.runs.get(run_id) else {
        return;
    };
    let events = run.events.len() as i64;
    let next = run.head.next_event_id;
    if next != events + 1 {
        ledger.violations.push(format!(
            "run {run_id}: the head names {next} as the next event, but there are {events}"
        ));
    }
    if (run.head.close_time != 0) != run.is_closed() {
        ledger.violations.push(format!(
            "run {run_id}: head and history disagree whether it is closed"
        ));
    }
}
