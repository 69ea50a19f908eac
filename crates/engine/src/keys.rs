//! The keys of all rows, within one shard. Numbers are big-endian, so that bytes sort as numbers do.

use std::sync::Arc;

use steadfast_core::execution::RunKey;
use steadfast_core::outcome::{Effect, Task, TaskKind};
use steadfast_core::rows::Row;
use steadfast_core::time::Time;
use uuid::Uuid;

/// Prefix of all rows of a namespace.
pub(crate) fn namespace(namespace_id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(16);
    push_uuid(&mut key, namespace_id);
    key
}

/// Namespace and workflow id: key of the row that names the current run, and prefix of all its runs.
pub(crate) fn workflow(namespace_id: &str, workflow_id: &str) -> Vec<u8> {
    workflow_and(namespace_id, workflow_id, 0)
}

/// The same, with room for so many bytes more.
fn workflow_and(namespace_id: &str, workflow_id: &str, more: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(16 + 2 + workflow_id.len() + more);
    push_uuid(&mut key, namespace_id);
    push_text(&mut key, workflow_id);
    key
}

/// Prefix of all rows of one run.
pub(crate) fn run(run: &RunKey) -> Vec<u8> {
    let mut key = workflow_and(&run.namespace_id, &run.workflow_id, 16);
    push_uuid(&mut key, &run.run_id);
    key
}

/// The run that [`run`] made `key` (or its beginning) from, and what follows in the key.
pub(crate) fn parse_run(key: &[u8]) -> Option<(RunKey, &[u8])> {
    let (namespace_id, rest) = key.split_first_chunk::<16>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (workflow_id, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (run_id, rest) = rest.split_first_chunk::<16>()?;
    let run = RunKey {
        namespace_id: Uuid::from_bytes(*namespace_id).to_string(),
        workflow_id: String::from_utf8(workflow_id.to_vec()).ok()?,
        run_id: Uuid::from_bytes(*run_id).to_string(),
    };
    Some((run, rest))
}

/// The head of a run.
pub(crate) fn head(prefix: &[u8]) -> Vec<u8> {
    [prefix, &Row::HEAD_KEY].concat()
}

/// A row of a run.
pub(crate) fn row(prefix: &[u8], row: &Row) -> Vec<u8> {
    // A kind and a number, as nearly all of them are: no bytes to spare, so that the key needs not be moved.
    let mut key = Vec::with_capacity(prefix.len() + 1 + 8);
    key.extend_from_slice(prefix);
    row.write_key(&mut key);
    key
}

/// A block of the history, by its first event.
pub(crate) fn block(prefix: &[u8], first_event_id: i64) -> Vec<u8> {
    [prefix, &(first_event_id as u64).to_be_bytes()].concat()
}

/// The wake-up of a run.
pub(crate) fn timer(due: i64, prefix: &[u8]) -> Vec<u8> {
    [&(due as u64).to_be_bytes(), prefix].concat()
}

/// Due time and run of a wake-up.
pub(crate) fn parse_timer(key: &[u8]) -> Option<(Time, Arc<RunKey>)> {
    let (due, rest) = key.split_first_chunk::<8>()?;
    let (run, rest) = parse_run(rest)?;
    rest.is_empty()
        .then(|| (Time(u64::from_be_bytes(*due) as i64), Arc::new(run)))
}

/// Prefix of the tasks of one queue.
pub(crate) fn queue(namespace_id: &str, kind: TaskKind, name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(16 + 1 + 2 + name.len() + 1 + 8 + 16 + 8);
    push_uuid(&mut key, namespace_id);
    key.push(match kind {
        TaskKind::Workflow => 1,
        TaskKind::Activity => 2,
    });
    push_text(&mut key, name);
    key
}

/// A task: in its queue by priority, then by the time it was scheduled.
pub(crate) fn task(run: &RunKey, task: &Task) -> Vec<u8> {
    let mut key = queue(&run.namespace_id, task.kind, &task.queue);
    key.push(task.priority);
    key.extend_from_slice(&(task.scheduled_time.0 as u64).to_be_bytes());
    push_uuid(&mut key, &run.run_id);
    key.extend_from_slice(&(task.item as u64).to_be_bytes());
    key
}

/// A message to another execution.
pub(crate) fn effect(prefix: &[u8], effect: &Effect) -> Vec<u8> {
    let (kind, item) = match effect {
        Effect::StartChild(item) => (1, *item),
        Effect::ReleaseChild(item) => (2, *item),
        Effect::SignalExternal(item) => (3, *item),
        Effect::CancelExternal(item) => (4, *item),
        Effect::NotifyParent => (5, 0),
        Effect::CloseChild(item) => (6, *item),
    };
    [prefix, &[kind], &(item as u64).to_be_bytes()].concat()
}

/// Sender and message, from the key of an outbox row.
pub(crate) fn parse_effect(key: &[u8]) -> Option<(Arc<RunKey>, Effect)> {
    let (run, rest) = parse_run(key)?;
    let (kind, item) = rest.split_first()?;
    let item = u64::from_be_bytes(item.try_into().ok()?) as i64;
    let effect = match kind {
        1 => Effect::StartChild(item),
        2 => Effect::ReleaseChild(item),
        3 => Effect::SignalExternal(item),
        4 => Effect::CancelExternal(item),
        5 => Effect::NotifyParent,
        6 => Effect::CloseChild(item),
        _ => return None,
    };
    Some((Arc::new(run), effect))
}

/// Ids are UUIDs wherever the server makes them or lets them in; anything else names nothing.
fn push_uuid(key: &mut Vec<u8>, id: &str) {
    key.extend_from_slice(Uuid::parse_str(id).unwrap_or_default().as_bytes());
}

fn push_text(key: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("ids are at most 1,000 bytes");
    key.extend_from_slice(&length.to_be_bytes());
    key.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        let sender = RunKey {
            namespace_id: Uuid::from_u128(1).to_string(),
            workflow_id: "wörk/1".to_owned(),
            run_id: Uuid::from_u128(2).to_string(),
        };
        let prefix = run(&sender);
        assert_eq!(parse_run(&prefix), Some((sender.clone(), &[][..])));
        let parsed = parse_timer(&timer(77, &prefix));
        assert_eq!(parsed, Some((Time(77), Arc::new(sender.clone()))));
        for sent in [
            Effect::StartChild(5),
            Effect::NotifyParent,
            Effect::CloseChild(9),
        ] {
            let parsed = parse_effect(&effect(&prefix, &sent));
            assert_eq!(parsed, Some((Arc::new(sender.clone()), sent)));
        }
        assert_eq!(parse_run(&prefix[..20]), None);
    }
}
