//! Changes of runs become rows, and one commit.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use prost::Message;
use steadfast_core::execution::{Execution, RunKey};
use steadfast_protocol::history::History;
use steadfast_store::{Batch, CommitOutcome, Table};
use tokio::sync::oneshot;

use super::recovery::TaskRow;
use super::timers::move_wake_up;
use super::{Departures, Durability, RunChange, Shard};
use crate::block::Block;
use crate::committer::Commit;
use crate::delivery::{Delivery, FollowUp};
use crate::keys;
use crate::node::Node;
use crate::queues::StoredTask;
use crate::runs::CachedRun;

/// Bytes of history that a run keeps in memory for the next reader.
const BLOCK_BYTES_KEPT: usize = 64 * 1024;

/// Rows that most changes write at most.
const ROWS_EXPECTED: usize = 12;

impl Shard {
    /// Adds a new run, which becomes the current one of its workflow id.
    fn admit(&mut self, run: Execution) -> Arc<RunKey> {
        let key = run.key.clone();
        self.runs.insert(CachedRun::new(run));
        self.runs.set_current(key.clone());
        key
    }

    /// A run that did not exist before: to be followed by a commit of its outcome.
    pub(crate) fn create(&mut self, run: Execution) -> Arc<RunKey> {
        self.admit(run)
    }

    /// Makes changes durable, in one batch. What follows from them leaves after that.
    pub(crate) fn commit(
        &mut self,
        node: &Arc<Node>,
        changes: Vec<RunChange>,
        mut departures: Departures,
        delivered: Option<&Delivery>,
    ) -> Durability {
        let mut batch = Batch::new(self.id(), self.fence);
        batch.writes.reserve(ROWS_EXPECTED);
        self.sweep_with(&mut batch);
        if let Some(delivery) = delivered {
            let row = keys::effect(&delivery.sender, &delivery.effect);
            batch.delete(Table::Outbox, row);
        }
        let number = self.submitted + 1;
        for mut change in changes {
            self.meet(node, &mut change, &mut departures);
            self.write(node, &mut batch, change, &mut departures, number);
        }
        self.submit(node, batch, departures, number)
    }

    pub(super) fn submit(
        &mut self,
        node: &Arc<Node>,
        batch: Batch,
        departures: Departures,
        number: u64,
    ) -> Durability {
        self.submitted = number;
        let (sender, receiver) = oneshot::channel();
        let durable = self.durable.clone();
        let index = self.index;
        let epoch = self.epoch;
        let node = node.clone();
        self.committer.submit(Commit {
            batch,
            epoch,
            done: Box::new(move |outcome| {
                if outcome == CommitOutcome::Ok {
                    durable.fetch_max(number, Ordering::AcqRel);
                    // Before the answer, so that who has it finds the change in lists.
                    node.depart(index, departures);
                    let _ = sender.send(outcome);
                } else {
                    let _ = sender.send(outcome);
                    // The senders may be in other shards, which are not read anew: their messages are delivered again.
                    let follow_ups = departures.follow_ups.into_iter();
                    let again = follow_ups.map(FollowUp::into_delivery).collect();
                    node.commit_failed(index, epoch, outcome);
                    node.hand_out(departures.meetings);
                    let _ = node.deliveries.push_all(again, Vec::new());
                }
            }),
        });
        Durability::Awaited(receiver)
    }

    fn write(
        &mut self,
        node: &Arc<Node>,
        batch: &mut Batch,
        change: RunChange,
        departures: &mut Departures,
        number: u64,
    ) {
        let RunChange { key, mut outcome } = change;
        if let Some(successor) = outcome.successor.take() {
            let (run, outcome) = *successor;
            let key = self.admit(run);
            let change = RunChange { key, outcome };
            self.write(node, batch, change, departures, number);
        }
        let cached = self.runs.get_mut(&key);
        let cached = cached.expect("changed under the same lock");
        let prefix = keys::rows(&key);
        let is_new = cached.last_commit == 0
            && outcome
                .blocks
                .first()
                .is_some_and(|block| block[0].event_id == 1);
        if is_new {
            let run_id = uuid::Uuid::parse_str(&key.run_id).unwrap_or_default();
            batch.put(
                Table::Current,
                keys::workflow(&key.namespace_id, &key.workflow_id),
                run_id.as_bytes().to_vec(),
            );
        }
        let has_events = !outcome.blocks.is_empty();
        for events in outcome.blocks {
            let first_event_id = events[0].event_id;
            let last_event_id = events[events.len() - 1].event_id;
            let encoded = Bytes::from(History::from(events).encode_to_vec());
            batch.put(
                Table::History,
                keys::block(&prefix, first_event_id),
                encoded.clone(),
            );
            cached.blocks.push_back(Block {
                first_event_id,
                last_event_id,
                encoded,
            });
        }
        for row in &outcome.changed {
            let row_key = keys::row(&prefix, row);
            match cached.run.encode_row(row) {
                Some(value) => batch.put(Table::Runs, row_key, value),
                None => batch.delete(Table::Runs, row_key),
            }
        }
        for task in outcome.tasks_removed {
            batch.delete(Table::Tasks, keys::task(&key, &task));
        }
        let started = cached.run.started_task.is_some();
        for task in outcome.tasks_added {
            let row = TaskRow {
                workflow_id: key.workflow_id.clone(),
                run_id: key.run_id.clone(),
                normal_queue: cached.run.task_queue().to_owned(),
                sticky: task.sticky,
                attempt: task.attempt,
            };
            batch.put(Table::Tasks, keys::task(&key, &task), row.encode_to_vec());
            // A workflow task that was started for the worker at hand is not offered to others.
            if !(started && task.item == 0) {
                departures.offers.push(StoredTask::new(&cached.run, task));
            }
        }
        for effect in outcome.effects {
            batch.put(Table::Outbox, keys::effect(&key, &effect), Bytes::new());
            departures.deliveries.push(Delivery {
                sender: key.clone(),
                effect,
            });
        }
        move_wake_up(&mut cached.run, batch);
        batch.put(
            Table::Runs,
            keys::head(&prefix),
            keys::head_value(&cached.run),
        );
        cached.last_commit = number;
        if is_new || outcome.visible {
            let version = cached.run.head.transition_count as u64;
            if let Some(change) = crate::visible::record(node, &cached.run) {
                // The row says that the run has to be projected, whatever it is like then: one is enough for all its
                // changes, and goes with the last of them.
                if self.projecting.insert(key.clone(), version).is_none() {
                    batch.put(
                        Table::VisibilityQueue,
                        prefix.to_vec(),
                        keys::owner_and(&key, b""),
                    );
                }
                departures.changes.reserve_exact(1);
                departures.changes.push((key.clone(), change));
            }
        }
        for id in outcome.released_queries {
            if let Some(sender) = self.queries.remove(&id) {
                departures.released_queries.push(sender);
            }
        }
        if has_events && let Some(readers) = self.readers.remove(&key) {
            departures.readers.extend(readers);
        }
        let durable = self.durable();
        if let Some(cached) = self.runs.get_mut(&key) {
            cached.trim_blocks(BLOCK_BYTES_KEPT, durable);
        }
        self.runs.measure(&key);
        self.arm(&key);
    }

    /// Removes the message from the outbox; its sender has nothing to record.
    pub(crate) fn settle(&mut self, node: &Arc<Node>, delivery: &Delivery) -> Durability {
        self.commit(node, Vec::new(), Departures::default(), Some(delivery))
    }
}
