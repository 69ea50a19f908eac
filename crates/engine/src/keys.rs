//! The keys of all rows, within one shard. Numbers are big-endian, so that bytes sort as numbers do.

use std::sync::Arc;

use prost::Message;
use steadfast_core::execution::{Execution, RunKey};
use steadfast_core::outcome::{Effect, Task, TaskKind};
use steadfast_core::rows::{Row, write_number};
use steadfast_core::time::Time;
use uuid::Uuid;

/// Namespace and workflow id: key of the row that names the current run.
pub(crate) fn workflow(namespace_id: &str, workflow_id: &str) -> Vec<u8> {
    workflow_and(namespace_id, workflow_id, 0)
}

/// The same, with room for so many bytes more.
fn workflow_and(namespace_id: &str, workflow_id: &str, more: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(16 + 2 + workflow_id.len() + more);
    push_workflow(&mut key, namespace_id, workflow_id);
    key
}

fn push_workflow(key: &mut Vec<u8>, namespace_id: &str, workflow_id: &str) {
    push_uuid(key, namespace_id);
    push_text(key, workflow_id);
}

/// The whole identity of a run: what names it in tables that are read without knowing whom they speak of.
pub(crate) fn run(run: &RunKey) -> Vec<u8> {
    let mut key = Vec::with_capacity(identity_bytes(run));
    push_run(&mut key, run);
    key
}

fn identity_bytes(run: &RunKey) -> usize {
    16 + 2 + run.workflow_id.len() + 16
}

fn push_run(key: &mut Vec<u8>, run: &RunKey) {
    push_workflow(key, &run.namespace_id, &run.workflow_id);
    push_uuid(key, &run.run_id);
}

/// The run that [`run`] made `key` (or its beginning) from, and what follows in the key.
pub(crate) fn parse_run(key: &[u8]) -> Option<(RunKey, &[u8])> {
    let (namespace_id, workflow_id, rest) = parse_workflow(key)?;
    let (run_id, rest) = rest.split_first_chunk::<16>()?;
    let run = RunKey {
        namespace_id,
        workflow_id,
        run_id: Uuid::from_bytes(*run_id).to_string(),
    };
    Some((run, rest))
}

/// Namespace and workflow id that [`workflow`] made the beginning of these bytes from, and what follows.
fn parse_workflow(bytes: &[u8]) -> Option<(String, String, &[u8])> {
    let (namespace_id, rest) = bytes.split_first_chunk::<16>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (workflow_id, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let namespace_id = Uuid::from_bytes(*namespace_id).to_string();
    let workflow_id = String::from_utf8(workflow_id.to_vec()).ok()?;
    Some((namespace_id, workflow_id, rest))
}

/// Prefix of the rows of a run and of its history: its run id, of which there is one in the world. They are the most
/// of all rows, so their keys are short: the store holds 20 bytes and less beside the row's place in memory. Whose run
/// it is stands in the head.
pub(crate) fn rows(run: &RunKey) -> [u8; 16] {
    Uuid::parse_str(&run.run_id)
        .unwrap_or_default()
        .into_bytes()
}

/// The head of a run.
pub(crate) fn head(prefix: &[u8]) -> Vec<u8> {
    [prefix, &Row::HEAD_KEY].concat()
}

/// The value of the head's row: whose it is, and the head.
pub(crate) fn head_value(run: &Execution) -> Vec<u8> {
    let (run, head) = (&run.key, &run.head);
    let mut value = workflow_and(&run.namespace_id, &run.workflow_id, head.encoded_len());
    head.encode_raw(&mut value);
    value
}

/// The value of a row whose key is the run's id alone: whose run it is, and one thing more.
pub(crate) fn owner_and(run: &RunKey, more: &[u8]) -> Vec<u8> {
    let mut value = workflow_and(&run.namespace_id, &run.workflow_id, more.len());
    value.extend_from_slice(more);
    value
}

/// The run of a row that [`owner_and`] is the value of, and the one thing more.
pub(crate) fn parse_owned<'a>(key: &[u8], value: &'a [u8]) -> Option<(RunKey, &'a [u8])> {
    let (namespace_id, workflow_id, more) = parse_workflow(value)?;
    let run = RunKey {
        namespace_id,
        workflow_id,
        run_id: Uuid::from_slice(key).ok()?.to_string(),
    };
    Some((run, more))
}

/// The run of a head's row, and the bytes of the head; `None` if the row is another one.
pub(crate) fn parse_head<'a>(key: &[u8], value: &'a [u8]) -> Option<(RunKey, &'a [u8])> {
    parse_owned(key.strip_suffix(&Row::HEAD_KEY)?, value)
}

/// A row of a run.
pub(crate) fn row(prefix: &[u8], row: &Row) -> Vec<u8> {
    // A kind and a small number, as nearly all of them are.
    let mut key = Vec::with_capacity(prefix.len() + 1 + 2);
    key.extend_from_slice(prefix);
    row.write_key(&mut key);
    key
}

/// A block of the history, by its first event.
pub(crate) fn block(prefix: &[u8], first_event_id: i64) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len() + 2);
    key.extend_from_slice(prefix);
    write_number(&mut key, first_event_id as u64);
    key
}

/// The wake-up of a run.
pub(crate) fn timer(due: i64, run: &RunKey) -> Vec<u8> {
    let mut key = Vec::with_capacity(8 + identity_bytes(run));
    key.extend_from_slice(&(due as u64).to_be_bytes());
    push_run(&mut key, run);
    key
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
pub(crate) fn effect(sender: &RunKey, effect: &Effect) -> Vec<u8> {
    let (kind, item) = match effect {
        Effect::StartChild(item) => (1, *item),
        Effect::ReleaseChild(item) => (2, *item),
        Effect::SignalExternal(item) => (3, *item),
        Effect::CancelExternal(item) => (4, *item),
        Effect::NotifyParent => (5, 0),
        Effect::CloseChild(item) => (6, *item),
    };
    let mut key = Vec::with_capacity(identity_bytes(sender) + 1 + 8);
    push_run(&mut key, sender);
    key.push(kind);
    key.extend_from_slice(&(item as u64).to_be_bytes());
    key
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
        let identity = run(&sender);
        assert_eq!(parse_run(&identity), Some((sender.clone(), &[][..])));
        assert_eq!(parse_run(&identity[..20]), None);
        let parsed = parse_timer(&timer(77, &sender));
        assert_eq!(parsed, Some((Time(77), Arc::new(sender.clone()))));
        for sent in [
            Effect::StartChild(5),
            Effect::NotifyParent,
            Effect::CloseChild(9),
        ] {
            let parsed = parse_effect(&effect(&sender, &sent));
            assert_eq!(parsed, Some((Arc::new(sender.clone()), sent)));
        }
        let (id, value) = (rows(&sender), owner_and(&sender, b"more"));
        let owned = Some((sender, &b"more"[..]));
        assert_eq!(parse_owned(&id, &value), owned);
        assert_eq!(parse_head(&head(&id), &value), owned);
        assert_eq!(parse_head(&block(&id, 1), &value), None);
        assert_eq!(parse_owned(&id[..8], &value), None);
    }
}
