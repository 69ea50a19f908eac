//! What is read again at start, and the way of changes to the visibility store.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use steadfast_core::execution::RunKey;
use steadfast_core::outcome::{Task, TaskKind};
use steadfast_core::time::Time;
use steadfast_store::{Batch, Order, StoreError, Table};
use steadfast_visibility::Change;

use super::{Departures, Shard};
use crate::delivery::Delivery;
use crate::keys;
use crate::node::Node;
use crate::projection;
use crate::projector::Changes;
use crate::queues::StoredTask;

/// Stands in a row of `Table::VisibilityQueue` whose run is deleted.
pub(super) const DELETED: &[u8] = b"deleted";

/// A row of `Table::Tasks`: what its key does not say.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TaskRow {
    #[prost(string, tag = "1")]
    pub workflow_id: String,
    #[prost(string, tag = "2")]
    pub run_id: String,
    #[prost(string, tag = "3")]
    pub normal_queue: String,
    #[prost(bool, tag = "4")]
    pub sticky: bool,
    #[prost(int32, tag = "5")]
    pub attempt: i32,
}

impl Shard {
    /// Rows of `Table::Tasks` from a key on, in order.
    pub(crate) fn stored_tasks(
        &self,
        range: steadfast_store::KeyRange<'_>,
        limit: usize,
    ) -> Result<Vec<(Bytes, StoredTask)>, StoreError> {
        let rows = self
            .store
            .scan(self.id(), Table::Tasks, range, limit, Order::Forward)?;
        rows.into_iter()
            .map(|(key, value)| {
                let task = parse_task(&key, &value)
                    .ok_or_else(|| StoreError::Corrupt("a task row is unreadable".to_owned()))?;
                Ok((key, task))
            })
            .collect()
    }

    /// Messages that were not delivered, after the key of `after`.
    pub(crate) fn stored_deliveries(
        &self,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Delivery)>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = (start, Bound::Unbounded);
        let rows = self
            .store
            .scan(self.id(), Table::Outbox, range, limit, Order::Forward)?;
        rows.into_iter()
            .map(|(key, _)| {
                let (sender, effect) = keys::parse_effect(&key)
                    .ok_or_else(|| StoreError::Corrupt("an outbox row is unreadable".to_owned()))?;
                Ok((key, Delivery { sender, effect }))
            })
            .collect()
    }

    /// Runs of a namespace among so many rows of any from `start` on, with the last key if there may be more.
    pub(crate) fn stored_runs(
        &self,
        namespace_id: &str,
        start: Bound<&[u8]>,
        limit: usize,
    ) -> Result<(Option<Bytes>, Vec<RunKey>), StoreError> {
        let range = (start, Bound::Unbounded);
        let rows = self
            .store
            .scan(self.id(), Table::Runs, range, limit, Order::Forward)?;
        let last = (rows.len() == limit).then(|| rows.last().map(|(key, _)| key.clone()));
        let runs = rows
            .iter()
            .filter_map(|(key, value)| Some(keys::parse_head(key, value)?.0))
            .filter(|run| run.namespace_id == namespace_id);
        Ok((last.flatten(), runs.collect()))
    }

    /// Runs whose visibility record has to be written, after a key; as changes.
    pub(crate) fn stored_projections(
        &mut self,
        node: &Arc<Node>,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Option<Bytes>, Changes), StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = (start, Bound::Unbounded);
        let rows = self
            .store
            .scan(self.id(), table, range, limit, Order::Forward)?;
        let last = (rows.len() == limit).then(|| rows.last().map(|(key, _)| key.clone()));
        let mut changes = Vec::new();
        for (row, value) in rows {
            self.shrink();
            let (key, more) = if table == Table::Runs {
                let Some(head) = keys::parse_head(&row, &value) else {
                    continue;
                };
                head
            } else {
                let unreadable =
                    || StoreError::Corrupt("a visibility row is unreadable".to_owned());
                keys::parse_owned(&row, &value).ok_or_else(unreadable)?
            };
            let deleted = table == Table::VisibilityQueue && more == DELETED;
            if deleted || !self.load(&key)? {
                let key = Arc::new(key);
                self.projecting.insert(key.clone(), u64::MAX);
                let change = Change::Delete {
                    namespace_id: key.namespace_id.clone(),
                    run_id: key.run_id.clone(),
                };
                changes.push((key, change));
                continue;
            }
            let cached = self.runs.get_mut(&key).expect("loaded above");
            let version = cached.run.head.transition_count as u64;
            let key = cached.run.key.clone();
            // What is found otherwise may have no row in the queue.
            if table == Table::VisibilityQueue {
                self.projecting.insert(key.clone(), version);
            }
            changes.extend(crate::visible::record(node, &cached.run).map(|change| (key, change)));
        }
        Ok((last.flatten(), changes))
    }

    /// The record of this run (of that version) is in the visibility store as of this transaction: its row may go.
    pub(crate) fn projected(&mut self, key: &RunKey, version: u64, position: Option<u64>) {
        if self.projecting.get(key) == Some(&version) {
            self.projecting.remove(key);
            self.swept.push(keys::rows(key));
            self.projected_to = position;
        }
    }

    /// Removes the rows that nobody needs any more with this batch, which then also says what the visibility store must
    /// have seen.
    pub(super) fn sweep_with(&mut self, batch: &mut Batch) {
        if self.swept.is_empty() {
            return;
        }
        for row in self.swept.drain(..) {
            batch.delete(Table::VisibilityQueue, row.to_vec());
        }
        // A store that is not complete has no marker, and is filled anew whatever the number.
        if let Some(position) = self.projected_to {
            let position = position.to_be_bytes().to_vec();
            batch.put(Table::Node, projection::POSITION_KEY, position);
        }
    }

    /// Removes the rows that nobody needs any more, if many have gathered.
    pub(crate) fn sweep(&mut self, node: &Arc<Node>, at_least: usize) {
        if self.swept.len() >= at_least.max(1) {
            let _ = self.commit(node, Vec::new(), Departures::default(), None);
        }
    }
}

fn parse_task(key: &[u8], value: &[u8]) -> Option<StoredTask> {
    let row = TaskRow::decode(value).ok()?;
    let (namespace_id, rest) = key.split_first_chunk::<16>()?;
    let (kind, rest) = rest.split_first()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (queue, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (priority, rest) = rest.split_first()?;
    let (scheduled_time, rest) = rest.split_first_chunk::<8>()?;
    let (_, item) = rest.split_last_chunk::<8>()?;
    let run = RunKey {
        namespace_id: uuid::Uuid::from_bytes(*namespace_id).to_string(),
        workflow_id: row.workflow_id,
        run_id: row.run_id,
    };
    let task = Task {
        kind: match kind {
            1 => TaskKind::Workflow,
            _ => TaskKind::Activity,
        },
        queue: String::from_utf8(queue.to_vec()).ok()?,
        sticky: row.sticky,
        priority: *priority,
        scheduled_time: Time(u64::from_be_bytes(*scheduled_time) as i64),
        item: u64::from_be_bytes(*item) as i64,
        attempt: row.attempt,
    };
    Some(StoredTask {
        run: Arc::new(run),
        task,
        normal_queue: row.normal_queue.into(),
    })
}
