//! Activities meet the workers that wait for them.
//!
//! Where a poll waits already, the commit that schedules an attempt records its start for that poll as well: one commit
//! and one sync less on the way of each activity, and no row of its task is ever written. What the poll gets leaves when
//! the commit is durable. If the poll is gone by then, the start is taken back.

use std::sync::Arc;

use steadfast_core::activity;
use steadfast_core::outcome::TaskKind;
use steadfast_matching::TaskTicket;

use super::{Departures, RunChange, Shard};
use crate::node::Node;
use crate::queues::{Handoff, Meeting, QueueKey, Queued, StoredTask};
use crate::view::View;

impl Shard {
    /// Starts the attempts that a change schedules, where polls wait for them.
    pub(super) fn meet(
        &mut self,
        node: &Arc<Node>,
        change: &mut RunChange,
        departures: &mut Departures,
    ) {
        let added = change.outcome.tasks_added.iter();
        let attempts: Vec<_> = added
            .filter(|task| task.kind == TaskKind::Activity)
            .cloned()
            .collect();
        if attempts.is_empty() {
            return;
        }
        let Some(namespace) = node.namespaces().by_id(&change.key.namespace_id) else {
            return;
        };
        let view = View::new(node, &namespace);
        let cx = view.context(node, node.now());
        for task in attempts {
            let run = self.run_mut(&change.key);
            let stored = StoredTask::new(run, task.clone());
            let Some(meeting) = node.queues.meet(cx.now, stored) else {
                continue;
            };
            let poll = &meeting.poll;
            let started = activity::start(run, &cx, &task, &poll.identity, &poll.request_id);
            if let Some((Some(outcome), _)) = started {
                change.outcome.absorb(outcome);
            }
            departures.meetings.push(meeting);
        }
    }
}

impl Node {
    /// Lets the polls have what was started for them. Whether it is durable, and if not, what became of it, they ask
    /// the shard.
    pub(crate) fn hand_out(self: &Arc<Self>, meetings: Vec<Meeting>) {
        for Meeting { poll, handoff } in meetings {
            if let Err(handoff) = poll.answer.send(handoff) {
                self.hand_back(handoff, &poll.request_id);
            }
        }
    }

    /// What was on its way to a poll that is gone waits for another one.
    pub(crate) fn hand_back(self: &Arc<Self>, handoff: Handoff, request_id: &str) {
        let queue = handoff.queue().clone();
        let (task, taken) = handoff.take();
        self.take_back(&queue, taken.task_ticket, task, request_id);
    }

    /// A task whose poll cannot take it, where it was started for that poll too, waits for another one.
    pub(crate) fn take_back(
        self: &Arc<Self>,
        queue: &QueueKey,
        ticket: TaskTicket,
        task: Queued,
        request_id: &str,
    ) {
        let withdrawn = match &task {
            Queued::Stored(task) => self.withdraw(task, request_id),
            Queued::Query(_) => false,
        };
        match withdrawn {
            // It is offered anew by the commit that takes its start back.
            true => self.queues.discard(queue, self.now(), ticket),
            false => self.queues.requeue(queue, self.now(), ticket, task),
        }
    }

    /// Takes back the start of an attempt for this poll. `false`: there is none, as far as can be seen.
    fn withdraw(self: &Arc<Self>, task: &StoredTask, request_id: &str) -> bool {
        let run = &task.run;
        let Some(namespace) = self.namespaces().by_id(&run.namespace_id) else {
            return false;
        };
        let mut shard = self.lock_of(&run.namespace_id, &run.workflow_id);
        match shard.load(run) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) => {
                tracing::warn!(run_id = run.run_id, %error, "an activity that no worker took cannot be offered to another");
                return false;
            }
        }
        let view = View::new(self, &namespace);
        let cx = view.context(self, self.now());
        let withdrawn = activity::withdraw(shard.run_mut(run), &cx, &task.task, request_id);
        let Some(outcome) = withdrawn else {
            return false;
        };
        let change = RunChange {
            key: run.clone(),
            outcome,
        };
        let _ = shard.commit(self, vec![change], Departures::default(), None);
        true
    }
}
