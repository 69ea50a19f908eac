//! A run goes, with all its rows.

use std::sync::Arc;

use steadfast_core::execution::RunKey;
use steadfast_store::{Batch, Order, Prefix, StoreError, Table};
use steadfast_visibility::Change;

use super::recovery::DELETED;
use super::{Departures, Shard};
use crate::keys;
use crate::node::Node;

/// Rows read at a time to be deleted; their values, which may be large, are read with them.
const ROWS_DELETED: usize = 64;

impl Shard {
    /// Deletes all rows of a closed run. `false`: not yet, since its close is not durable or others have still to be
    /// told of it.
    pub(crate) fn delete(
        &mut self,
        node: &Arc<Node>,
        key: &Arc<RunKey>,
    ) -> Result<bool, StoreError> {
        let last = self.runs.peek(key).map_or(0, |cached| cached.last_commit);
        if last > self.durable() {
            return Ok(false);
        }
        let effects = Prefix::new(keys::run(key));
        let untold =
            self.store
                .scan(self.id(), Table::Outbox, effects.range(), 1, Order::Forward)?;
        if !untold.is_empty() {
            return Ok(false);
        }
        let mut batch = Batch::new(self.id(), self.fence);
        let prefix = keys::rows(key);
        let range = Prefix::new(prefix);
        for table in [Table::Runs, Table::History] {
            let mut keys = range.range();
            let mut last;
            loop {
                let rows = self
                    .store
                    .scan(self.id(), table, keys, ROWS_DELETED, Order::Forward)?;
                let Some((key, _)) = rows.last() else { break };
                last = key.clone();
                for (row, _) in rows {
                    batch.delete(table, row);
                }
                keys = range.after(&last);
            }
        }
        if let Some(cached) = self.runs.peek(key) {
            for block in &cached.blocks {
                batch.delete(Table::History, keys::block(&prefix, block.first_event_id));
            }
            let wake_up = cached.run.head.wake_up;
            if wake_up != 0 {
                batch.delete(Table::Timers, keys::timer(wake_up, key));
            }
        }
        let workflow = keys::workflow(&key.namespace_id, &key.workflow_id);
        let current = self.store.get(self.id(), Table::Current, &workflow)?;
        let run_id = uuid::Uuid::parse_str(&key.run_id).unwrap_or_default();
        let overlaid = self.runs.current(&key.namespace_id, &key.workflow_id);
        if overlaid.is_none_or(|current| current == *key)
            && current.is_some_and(|current| *current == *run_id.as_bytes())
        {
            batch.delete(Table::Current, workflow);
        }
        // Among them may be this run's row of before, which must not take the new one with it later.
        self.sweep_with(&mut batch);
        batch.put(
            Table::VisibilityQueue,
            prefix.to_vec(),
            keys::owner_and(key, DELETED),
        );
        self.disarm(key);
        self.runs.remove(key);
        let number = self.submitted + 1;
        let durable = self.durable();
        self.deleting.retain(|_, deletion| *deletion > durable);
        self.deleting.insert(key.clone(), number);
        self.projecting.insert(key.clone(), u64::MAX);
        let departures = Departures {
            readers: self.readers.remove(key).unwrap_or_default(),
            changes: vec![(
                key.clone(),
                Change::Delete {
                    namespace_id: key.namespace_id.clone(),
                    run_id: key.run_id.clone(),
                },
            )],
            ..Departures::default()
        };
        let _ = self.submit(node, batch, departures, number);
        Ok(true)
    }
}
