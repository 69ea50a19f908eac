//! P1 and P7: nothing is acknowledged before it is durable, and what was acknowledged stays.

use steadfast_core::Refusal;
use steadfast_core::time::Time;
use steadfast_protocol::enums::EventType;
use steadfast_protocol::history::history_event::Attributes;

use crate::commands::text_of;
use crate::ledger::{Ledger, Run};
use crate::world::World;

/// An answer of a worker to an activity attempt.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// The run.
    pub run_id: String,
    /// The Scheduled event.
    pub scheduled_event_id: i64,
    /// From 1.
    pub attempt: i32,
}

impl Attempt {
    fn key(&self) -> (String, i64, i32) {
        (self.run_id.clone(), self.scheduled_event_id, self.attempt)
    }
}

/// A start was acknowledged with this run.
pub(crate) fn start(world: &World, request_id: &str, run_id: &str) {
    if !world.store.ledger().runs.contains_key(run_id) {
        world.violation(format!(
            "start {request_id} was acknowledged before run {run_id} is durable"
        ));
    }
    let mut model = world.model.borrow_mut();
    let before = model
        .starts
        .insert(request_id.to_owned(), run_id.to_owned());
    drop(model);
    if before.is_some_and(|before| before != run_id) {
        let ledger = world.store.ledger();
        let runs = ledger.starts.get(request_id);
        // A request that no run remembers any more is a new one.
        let told = runs.is_some_and(|runs| runs.iter().any(|run| run == run_id));
        drop(ledger);
        if !told {
            world.marks.add("start: a repeated request met another run");
        }
    }
}

/// A start was refused because of this run.
pub(crate) fn refused(world: &World, refusal: &Refusal) {
    if let Refusal::AlreadyStarted { run_id, .. } = refusal
        && !world.store.ledger().runs.contains_key(run_id)
    {
        world.violation(format!(
            "a start was refused because of run {run_id}, which is not durable"
        ));
    }
}

/// A signal was acknowledged.
pub(crate) fn signal(world: &World, workflow_id: &str, request_id: &str) {
    let is_durable = has_signal(&world.store.ledger(), workflow_id, request_id);
    if !is_durable {
        world.violation(format!(
            "signal {request_id} of {workflow_id} was acknowledged before it is durable"
        ));
    }
    let mut model = world.model.borrow_mut();
    model
        .signals
        .insert(request_id.to_owned(), workflow_id.to_owned());
}

/// Buffered signals are not part of the history yet: their row is what counts.
fn has_signal(ledger: &Ledger, workflow_id: &str, request_id: &str) -> bool {
    let in_history = ledger.signals.get(request_id).is_some_and(|runs| {
        runs.iter()
            .any(|run| ledger.runs[run].workflow_id == workflow_id)
    });
    let mut runs = ledger.chains.get(workflow_id).into_iter().flatten();
    in_history || runs.any(|run| ledger.runs[run].signal_rows.contains(request_id))
}

/// A termination was acknowledged.
pub(crate) fn termination(world: &World, workflow_id: &str, mark: &str) {
    if !is_terminated(&world.store.ledger(), workflow_id, mark) {
        world.violation(format!(
            "the termination of {workflow_id} was acknowledged before it is durable"
        ));
    }
    let mut model = world.model.borrow_mut();
    model
        .terminations
        .insert(mark.to_owned(), workflow_id.to_owned());
}

fn is_terminated(ledger: &Ledger, workflow_id: &str, mark: &str) -> bool {
    let mut runs = ledger.chains.get(workflow_id).into_iter().flatten();
    runs.any(|run| {
        let last = ledger.runs[run].events.last();
        matches!(
            last.and_then(|event| event.attributes.as_ref()),
            Some(Attributes::WorkflowExecutionTerminatedEventAttributes(it)) if it.identity == mark
        )
    })
}

/// A cancel request was acknowledged.
pub(crate) fn cancel(world: &World, workflow_id: &str) {
    let ledger = world.store.ledger();
    let mut runs = ledger.chains.get(workflow_id).into_iter().flatten();
    let is_durable = runs.any(|run| {
        let run = &ledger.runs[run];
        run.is_closed() || run.head.cancel_requested
    });
    drop(ledger);
    if !is_durable {
        world.violation(format!(
            "a cancel request for {workflow_id} was acknowledged before it is durable"
        ));
    }
}

/// A workflow task was completed.
pub(crate) fn workflow_task(world: &World, run_id: &str, started_event_id: i64) {
    let fresh = {
        let mut model = world.model.borrow_mut();
        model.tasks.insert((run_id.to_owned(), started_event_id))
    };
    if !fresh {
        world.violation(format!(
            "run {run_id}: the workflow task of event {started_event_id} was completed twice"
        ));
    }
    if !has_completed_task(&world.store.ledger(), run_id, started_event_id) {
        world.violation(format!(
            "run {run_id}: the completion of task {started_event_id} was acknowledged before it is durable"
        ));
    }
}

fn has_completed_task(ledger: &Ledger, run_id: &str, started_event_id: i64) -> bool {
    ledger.runs.get(run_id).is_some_and(|run| {
        matches!(
            run.attributes(started_event_id + 1),
            Some(Attributes::WorkflowTaskCompletedEventAttributes(it))
                if it.started_event_id == started_event_id
        )
    })
}

/// An activity attempt was handed out.
pub(crate) fn handed_out(world: &World, attempt: &Attempt) {
    let fresh = world.model.borrow_mut().attempts.insert(attempt.key());
    if !fresh {
        world.violation(format!("{attempt:?} was handed out twice"));
    }
    let ledger = world.store.ledger();
    let is_durable = ledger.runs.get(&attempt.run_id).is_some_and(|run| {
        let row = run.activities.get(&attempt.scheduled_event_id);
        row.is_some_and(|row| {
            row.attempt > attempt.attempt
                || (row.attempt == attempt.attempt && row.started_time != 0)
        })
    });
    drop(ledger);
    if !is_durable {
        world.violation(format!(
            "{attempt:?} was handed out before its start is durable"
        ));
    }
}

/// A worker's answer to an activity attempt was accepted: with a result, or as a failure or cancellation.
pub(crate) fn answered(world: &World, attempt: &Attempt, result: Option<&str>) {
    let fresh = {
        let mut model = world.model.borrow_mut();
        let result = result.map(str::to_owned);
        model.answers.insert(attempt.key(), result).is_none()
    };
    if !fresh {
        world.violation(format!("{attempt:?} was accepted twice"));
    }
    if let Some(missing) = missing_answer(&world.store.ledger(), attempt, result) {
        world.violation(format!(
            "{attempt:?} was accepted before it is durable: {missing}"
        ));
    }
}

fn missing_answer(
    ledger: &Ledger,
    attempt: &Attempt,
    result: Option<&str>,
) -> Option<&'static str> {
    let Some(run) = ledger.runs.get(&attempt.run_id) else {
        return Some("no run");
    };
    let id = attempt.scheduled_event_id;
    let answer = all_events(run).find_map(|attributes| match attributes {
        Attributes::ActivityTaskCompletedEventAttributes(it) if it.scheduled_event_id == id => {
            Some(Some(text_of(it.result.as_ref())))
        }
        Attributes::ActivityTaskFailedEventAttributes(it) if it.scheduled_event_id == id => {
            Some(None)
        }
        Attributes::ActivityTaskCanceledEventAttributes(it) if it.scheduled_event_id == id => {
            Some(None)
        }
        Attributes::ActivityTaskTimedOutEventAttributes(it) if it.scheduled_event_id == id => {
            Some(None)
        }
        _ => None,
    });
    let later = run
        .activities
        .get(&id)
        .is_some_and(|row| row.attempt > attempt.attempt);
    match (result, answer) {
        (Some(result), Some(Some(written))) if written == result => None,
        (Some(_), Some(_)) => Some("another answer was recorded"),
        (Some(_), None) => Some("no answer was recorded"),
        (None, Some(_)) => None,
        (None, None) if later => None,
        (None, None) => Some("neither an answer nor another attempt was recorded"),
    }
}

/// The events of the history, and those that wait to be written.
fn all_events(run: &Run) -> impl Iterator<Item = &Attributes> {
    let buffered = run.buffered.values();
    let all = run.events.iter().chain(buffered);
    all.filter_map(|event| event.attributes.as_ref())
}

/// A heartbeat was accepted.
pub(crate) fn heartbeat(world: &World, attempt: &Attempt, count: u64) {
    let ledger = world.store.ledger();
    let row = ledger.runs.get(&attempt.run_id).and_then(|run| {
        let row = run.activities.get(&attempt.scheduled_event_id)?;
        Some((row.attempt, text_of(row.heartbeat_details.as_ref())))
    });
    drop(ledger);
    let is_durable = row.is_some_and(|(at, details)| {
        at > attempt.attempt || details.parse::<u64>().is_ok_and(|durable| durable >= count)
    });
    if !is_durable {
        world.violation(format!(
            "heartbeat {count} of {attempt:?} was accepted before it is durable"
        ));
    }
}

/// At the end: all that was acknowledged is still there.
pub(crate) fn all(world: &World) {
    let ledger = world.store.ledger();
    let model = world.model.borrow();
    let mut lost = Vec::new();
    for (request_id, run_id) in &model.starts {
        if !ledger.runs.contains_key(run_id) {
            lost.push(format!("start {request_id}: run {run_id} is lost"));
        }
    }
    for (request_id, workflow_id) in &model.signals {
        // A signal that was still buffered when its run closed is part of the history then.
        let written = ledger.signals.get(request_id);
        let written = written.is_some_and(|runs| {
            runs.iter()
                .any(|run| ledger.runs[run].workflow_id == *workflow_id)
        });
        if !written {
            lost.push(format!("signal {request_id} of {workflow_id} is lost"));
        }
    }
    for (mark, workflow_id) in &model.terminations {
        if !is_terminated(&ledger, workflow_id, mark) {
            lost.push(format!("the termination {mark} of {workflow_id} is lost"));
        }
    }
    for (run_id, started) in &model.tasks {
        if !has_completed_task(&ledger, run_id, *started) {
            lost.push(format!(
                "run {run_id}: the completion of task {started} is lost"
            ));
        }
    }
    for ((run_id, scheduled_event_id, attempt), result) in &model.answers {
        let attempt = Attempt {
            run_id: run_id.clone(),
            scheduled_event_id: *scheduled_event_id,
            attempt: *attempt,
        };
        if let Some(missing) = missing_answer(&ledger, &attempt, result.as_deref()) {
            lost.push(format!("the answer to {attempt:?} is lost: {missing}"));
        }
    }
    let (answered, calls) = model.calls;
    drop((ledger, model));
    for lost in lost {
        world.violation(lost);
    }
    if calls > 20 && answered * 2 < calls {
        world.violation(format!("only {answered} of {calls} calls were answered"));
    }
}

/// The instant of the last event, for reports.
pub(crate) fn last_event(run: &Run) -> (Option<EventType>, Time) {
    let last = run.events.last();
    let at = last.and_then(|event| event.event_time.as_ref());
    (
        last.map(steadfast_protocol::history::HistoryEvent::event_type),
        at.map_or(Time(0), Time::from_proto),
    )
}
