//! Runs come into memory, are found, and leave it again.

use std::sync::Arc;

use prost::Message;
use steadfast_core::execution::{Execution, RunKey};
use steadfast_core::time::Time;
use steadfast_protocol::history::History;
use steadfast_store::{Order, Prefix, StoreError, Table};

use super::Shard;
use crate::keys;
use crate::runs::CachedRun;

/// Rows of a run read at a time.
const ROWS_READ: usize = 1000;

impl Shard {
    /// Loads the run unless it is in memory. `false`: there is no such run.
    pub(crate) fn load(&mut self, key: &RunKey) -> Result<bool, StoreError> {
        if self.runs.contains(key) {
            return Ok(true);
        }
        if self.is_deleting(key) {
            return Ok(false);
        }
        let Some(run) = self.read(key)? else {
            return Ok(false);
        };
        self.insert(CachedRun::new(run));
        Ok(true)
    }

    /// The run as it is stored.
    pub(crate) fn read(&self, key: &RunKey) -> Result<Option<Execution>, StoreError> {
        let prefix = keys::rows(key);
        let range = Prefix::new(prefix);
        let mut rows = self.store.scan(
            self.id(),
            Table::Runs,
            range.range(),
            ROWS_READ,
            Order::Forward,
        )?;
        if rows.is_empty() {
            return Ok(None);
        }
        while rows.len() % ROWS_READ == 0 {
            let Some((last, _)) = rows.last().cloned() else {
                break;
            };
            let more = self.store.scan(
                self.id(),
                Table::Runs,
                range.after(&last),
                ROWS_READ,
                Order::Forward,
            )?;
            if more.is_empty() {
                break;
            }
            rows.extend(more);
        }
        let corrupt = |what: String| StoreError::Corrupt(what);
        let (row, value) = &rows[0];
        let (stored, head) = keys::parse_head(row, value)
            .ok_or_else(|| corrupt(format!("the head of run {} is unreadable", key.run_id)))?;
        if stored != *key {
            // A run id of another workflow.
            return Ok(None);
        }
        let first = self
            .store
            .get(self.id(), Table::History, &keys::block(&prefix, 1))?;
        let first =
            first.ok_or_else(|| corrupt(format!("run {} has no first event", key.run_id)))?;
        let started = History::decode(first)
            .ok()
            .and_then(|block| block.events.into_iter().next())
            .ok_or_else(|| {
                corrupt(format!(
                    "the first event of run {} is unreadable",
                    key.run_id
                ))
            })?;
        let pending = rows[1..].iter();
        let pending = pending.map(|(row, value)| (&row[prefix.len()..], value.as_ref()));
        let run = Execution::decode(Arc::new(key.clone()), Arc::new(started), head, pending)
            .map_err(|error| corrupt(error.to_string()))?;
        Ok(Some(run))
    }

    fn is_deleting(&self, key: &RunKey) -> bool {
        self.deleting.contains_key(key)
    }

    fn insert(&mut self, cached: CachedRun) {
        let key = cached.run.key.clone();
        self.runs.insert(cached);
        self.arm(&key);
    }

    /// Lets go of runs beyond the bound on memory. Only where nothing is being done with any: when the shard is let go,
    /// and between two steps of what goes through many runs. One run alone may be larger than the bound.
    pub(crate) fn shrink(&mut self) {
        let durable = self.durable();
        let timers = &mut self.timers;
        let window = self.timers_loaded_until;
        self.runs.shrink(durable, |dropped| {
            // Its row brings it back when it is due.
            let Some(armed) = dropped.armed else { return };
            let stored = dropped.run.head.wake_up;
            if armed.0 != stored || armed >= window {
                timers.remove(&(armed, dropped.run.key.clone()));
            }
            if stored != 0 && Time(stored) < window {
                timers.insert((Time(stored), dropped.run.key.clone()));
            }
        });
    }

    /// The run of that id, or the current one where `run_id` is empty. It is in memory afterwards.
    pub(crate) fn find(
        &mut self,
        namespace_id: &str,
        workflow_id: &str,
        run_id: &str,
    ) -> Result<Option<Arc<RunKey>>, StoreError> {
        if !run_id.is_empty() {
            let key = RunKey {
                namespace_id: namespace_id.to_owned(),
                workflow_id: workflow_id.to_owned(),
                run_id: run_id.to_ascii_lowercase(),
            };
            if !self.load(&key)? {
                return Ok(None);
            }
            return Ok(self.runs.peek(&key).map(|cached| cached.run.key.clone()));
        }
        if let Some(key) = self.runs.current(namespace_id, workflow_id)
            && self.runs.contains(&key)
        {
            return Ok(Some(key));
        }
        let row = keys::workflow(namespace_id, workflow_id);
        let Some(value) = self.store.get(self.id(), Table::Current, &row)? else {
            return Ok(None);
        };
        let run_id = uuid::Uuid::from_slice(&value).map_err(|_| {
            StoreError::Corrupt(format!("the current run of {workflow_id} is unreadable"))
        })?;
        let key = RunKey {
            namespace_id: namespace_id.to_owned(),
            workflow_id: workflow_id.to_owned(),
            run_id: run_id.to_string(),
        };
        if !self.load(&key)? {
            return Ok(None);
        }
        let key = self.runs.peek(&key).map(|cached| cached.run.key.clone());
        if let Some(key) = &key {
            self.runs.set_current(key.clone());
        }
        Ok(key)
    }

    /// The run, which is in memory.
    pub(crate) fn run_mut(&mut self, key: &RunKey) -> &mut Execution {
        let cached = self.runs.get_mut(key);
        &mut cached
            .expect("found or loaded before, under the same lock")
            .run
    }

    /// The run, which is in memory.
    pub(crate) fn run(&self, key: &RunKey) -> &Execution {
        let cached = self.runs.peek(key);
        &cached
            .expect("found or loaded before, under the same lock")
            .run
    }
}
