//! Messages between executions: taken from the outbox, delivered at least once, answered, and only then removed.
//!
//! Each step is a transition of one run under the lock of its shard. What comes next follows when it is durable, so a
//! crash at any moment repeats a step, which the receiver recognises.

mod child;
mod external;
mod follow_up;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use steadfast_core::Refusal;
use steadfast_core::addressee::Addressee;
use steadfast_core::execution::{Execution, RunKey};
use steadfast_core::outcome::{Effect, Outcome};
use steadfast_protocol::common::WorkflowExecution;
use steadfast_protocol::history::HistoryEvent;
use steadfast_store::StoreError;

pub(crate) use follow_up::FollowUp;
pub(crate) use waiting::Deliveries;
use waiting::Work;

use crate::Namespace;
use crate::node::Node;
use crate::shard::{Departures, RunChange, Shard};
use crate::view::View;

/// Messages delivered in one go, before others get their turn.
const DELIVERED_AT_A_TIME: usize = 64;
/// Messages read from the store in one go.
const OUTBOX_READ: usize = 1000;
/// Wait before a delivery that could not be made is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// A message to another execution, and who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub sender: Arc<RunKey>,
    pub effect: Effect,
}

/// Why a step was not made.
enum Obstacle {
    /// It is to be tried again later.
    Later(String),
}

impl From<StoreError> for Obstacle {
    fn from(error: StoreError) -> Self {
        Self::Later(error.to_string())
    }
}

type Step = Result<(), Obstacle>;

impl Node {
    /// Delivers messages until the node stops.
    pub(crate) async fn run_deliveries(self: Arc<Self>) {
        while !self.is_stopping() {
            if self.deliver_some() {
                tokio::task::yield_now().await;
            } else if self.deliveries.has_work() {
                tokio::time::sleep(PAUSE).await;
            } else {
                self.deliveries.arrived().await;
            }
        }
    }

    /// Makes some steps. `false`: none could be made.
    pub(crate) fn deliver_some(self: &Arc<Self>) -> bool {
        let mut made = self.deliveries.take_left_out() && self.read_left_out();
        for _ in 0..DELIVERED_AT_A_TIME {
            // Each step is a commit; what waits for the store already is enough.
            if self.committer.is_full() {
                break;
            }
            let Some(work) = self.deliveries.pop() else {
                break;
            };
            let step = match &work {
                Work::Deliver(delivery) => self.deliver(delivery),
                Work::FollowUp(follow_up) => self.follow_up(follow_up),
            };
            match step {
                Ok(()) => made = true,
                Err(Obstacle::Later(reason)) => {
                    tracing::debug!(%reason, "a message between executions waits");
                    self.deliveries.put_back(work);
                }
            }
        }
        made
    }

    /// Reads the messages that had no room in memory. `false`: they cannot be read.
    fn read_left_out(self: &Arc<Self>) -> bool {
        for index in 0..self.shard_count() {
            let read = self.read_outbox(&mut self.lock(index));
            if let Err(error) = read {
                tracing::warn!(shard = index, %error, "messages cannot be read; they are tried again");
                self.deliveries.leave_out();
                return false;
            }
        }
        true
    }

    /// Takes the messages of a shard from its outbox, as many as there is room for.
    pub(crate) fn read_outbox(&self, shard: &mut Shard) -> Result<(), StoreError> {
        let mut after: Option<bytes::Bytes> = None;
        loop {
            let rows = shard.stored_deliveries(after.as_deref(), OUTBOX_READ)?;
            let full = rows.len() == OUTBOX_READ;
            after = rows.last().map(|(key, _)| key.clone());
            let deliveries = rows.into_iter().map(|(_, delivery)| delivery).collect();
            let room = self.deliveries.push_all(deliveries, Vec::new());
            if !(full && room) {
                return Ok(());
            }
        }
    }

    fn deliver(self: &Arc<Self>, delivery: &Delivery) -> Step {
        match delivery.effect {
            Effect::StartChild(id) => self.start_child(delivery, id),
            Effect::ReleaseChild(id) => self.release_child(delivery, id),
            Effect::SignalExternal(id) => self.signal_external(delivery, id),
            Effect::CancelExternal(id) => self.cancel_external(delivery, id),
            Effect::NotifyParent => self.notify_parent(delivery),
            Effect::CloseChild(id) => self.close_child(delivery, id),
        }
    }

    /// Removes the message; nobody waits for an answer.
    fn settle(self: &Arc<Self>, delivery: &Delivery) -> Step {
        let sender = &delivery.sender;
        let mut shard = self.lock_of(&sender.namespace_id, &sender.workflow_id);
        let _ = shard.settle(self, delivery);
        Ok(())
    }

    fn namespace(&self, id: &str) -> Option<Arc<Namespace>> {
        self.namespaces().by_id(id)
    }

    /// Reads something of the sender. `None`: the sender is gone.
    fn of_sender<T>(
        self: &Arc<Self>,
        delivery: &Delivery,
        read: impl FnOnce(&mut Shard, &Arc<RunKey>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, Obstacle> {
        let sender = &delivery.sender;
        let mut shard = self.lock_of(&sender.namespace_id, &sender.workflow_id);
        if !shard.load(sender)? {
            return Ok(None);
        }
        Ok(Some(read(&mut shard, sender)?))
    }

    /// What the sender still waits for, with the event `id` that began it. `None`: it waits no more, or is gone.
    fn awaited<T>(
        self: &Arc<Self>,
        delivery: &Delivery,
        id: i64,
        item: impl FnOnce(&Execution) -> Option<T>,
    ) -> Result<Option<(T, HistoryEvent)>, Obstacle> {
        let found = self.of_sender(delivery, |shard, sender| {
            let run = shard.run(sender);
            let Some(item) = item(run).filter(|_| run.is_open()) else {
                return Ok(None);
            };
            Ok(Some((item, shard.event(sender, id)?)))
        })?;
        Ok(found.flatten())
    }

    /// Ends a step at the receiver: its change, if there is one, and what follows once all of it is durable.
    fn conclude(
        self: &Arc<Self>,
        shard: &mut Shard,
        change: Option<RunChange>,
        follow_up: FollowUp,
    ) -> Step {
        let departures = Departures {
            follow_ups: vec![follow_up],
            ..Departures::default()
        };
        let _ = shard.commit(self, change.into_iter().collect(), departures, None);
        Ok(())
    }

    /// Applies `change` to the target; `missing` follows where there is no such run.
    fn at_target(
        self: &Arc<Self>,
        (namespace_id, workflow_id): (&str, &str),
        run_id: &str,
        done: FollowUp,
        missing: FollowUp,
        change: impl FnOnce(
            &mut Execution,
            &steadfast_core::context::Context<'_>,
        ) -> Result<Option<Outcome>, FollowUpOr>,
    ) -> Step {
        let Some(namespace) = self.namespace(namespace_id) else {
            return self.follow_up(&missing);
        };
        let mut shard = self.lock_of(namespace_id, workflow_id);
        let Some(key) = shard.find(namespace_id, workflow_id, run_id)? else {
            return self.conclude(&mut shard, None, missing);
        };
        let view = View::new(self, &namespace);
        let cx = view.context(self, self.now());
        match change(shard.run_mut(&key), &cx) {
            Ok(outcome) => {
                let change = outcome.map(|outcome| RunChange { key, outcome });
                self.conclude(&mut shard, change, done)
            }
            Err(FollowUpOr::FollowUp(follow_up)) => self.conclude(&mut shard, None, follow_up),
            Err(FollowUpOr::Later(refusal)) => Err(Obstacle::Later(refusal.to_string())),
        }
    }
}

/// Why a change at the target was not made.
enum FollowUpOr {
    /// It never will be; this is what follows.
    FollowUp(FollowUp),
    /// It may be later.
    Later(Refusal),
}

fn is_self(sender: &RunKey, namespace_id: &str, workflow_id: &str) -> bool {
    sender.namespace_id == namespace_id && sender.workflow_id == workflow_id
}

fn execution(run: &RunKey) -> WorkflowExecution {
    WorkflowExecution {
        workflow_id: run.workflow_id.clone(),
        run_id: run.run_id.clone(),
    }
}

fn addressee(sender: &RunKey, child_workflow_only: bool) -> Addressee {
    Addressee {
        parent: child_workflow_only.then(|| execution(sender)),
        ..Addressee::default()
    }
}
