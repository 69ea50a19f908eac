//! What SDKs check of the histories they get, and what readers may rely on: what was read once never changes.

use prost::Message;
use steadfast_protocol::enums::EventType;
use steadfast_protocol::enums::EventType::WorkflowTaskStarted;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::history::{History, HistoryEvent};
use steadfast_protocol::workflowservice::PollWorkflowTaskQueueResponse;

use crate::world::World;

/// The events of a history as a client gets them: what the server passes on encoded is decoded.
pub(crate) fn arrived(history: Option<History>) -> Vec<HistoryEvent> {
    let sent = history.unwrap_or_default().encode_to_vec();
    let history = History::decode(&sent[..]).expect("what is encoded can be decoded");
    history.events
}

/// A history that somebody read, from its first event on. All of it must be durable and stay as it is, but for the start
/// of a workflow task: it is shown before it is written, and a crash undoes it, after which its id may be another event's.
/// The histories in the store itself never change (see `history`).
pub(crate) fn read(world: &World, run_id: &str, events: &[HistoryEvent]) {
    for (event, id) in events.iter().zip(1..) {
        if event.event_id != id {
            let found = event.event_id;
            world.violation(format!(
                "run {run_id}: event {found} was read as event {id}"
            ));
            return;
        }
    }
    let settled = settled(events);
    let ledger = world.store.ledger();
    let durable = ledger.runs.get(run_id).map(|run| &run.events);
    let ahead = settled.len() > durable.map_or(0, Vec::len);
    let differs = durable
        .into_iter()
        .flat_map(|durable| durable.iter().zip(settled))
        .find(|(stored, read)| stored != read && read.event_type() != WorkflowTaskStarted)
        .map(|(stored, read)| format!("{read:?} was read where {stored:?} is stored"));
    let undone = durable
        .into_iter()
        .flat_map(|durable| durable.iter().zip(settled))
        .any(|(stored, read)| stored.event_type() != read.event_type());
    drop(ledger);
    if undone {
        world
            .marks
            .add("reader: saw a task's start that a crash undid");
        return;
    }
    if ahead {
        world.violation(format!(
            "run {run_id}: events were read before they are durable"
        ));
    }
    if let Some(differs) = differs {
        world.violation(format!("run {run_id}: {differs}"));
    }
}

/// The events that cannot change any more: those of a pending workflow task may, until it is completed.
fn settled(events: &[HistoryEvent]) -> &[HistoryEvent] {
    let mut end = events.len();
    while end > 0
        && matches!(
            events[end - 1].event_type(),
            EventType::WorkflowTaskScheduled | EventType::WorkflowTaskStarted
        )
    {
        end -= 1;
    }
    &events[..end]
}

/// What is wrong with the whole history of a started workflow task.
pub(crate) fn workflow_task(
    task: &PollWorkflowTaskQueueResponse,
    events: &[HistoryEvent],
) -> Option<String> {
    let last = events.last()?;
    if last.event_type() != EventType::WorkflowTaskStarted {
        return Some(format!("ends with {:?}", last.event_type()));
    }
    if last.event_id != task.started_event_id {
        let (last, started) = (last.event_id, task.started_event_id);
        return Some(format!(
            "ends with event {last}, the task started with {started}"
        ));
    }
    let completed = events
        .iter()
        .rev()
        .find_map(|event| match &event.attributes {
            Some(Attributes::WorkflowTaskCompletedEventAttributes(it)) => Some(it.started_event_id),
            _ => None,
        });
    let previous = completed.unwrap_or(0);
    if task.previous_started_event_id != previous {
        let said = task.previous_started_event_id;
        return Some(format!(
            "the task before started with {previous}, not {said}"
        ));
    }
    None
}
