//! One poll of a task queue, from its begin to its answer.

use std::sync::Arc;
use std::time::Instant;

use steadfast_core::Refusal;
use steadfast_matching::{PollerInfo, PollerToken};
use steadfast_protocol::enums::{ResourceExhaustedCause, ResourceExhaustedScope};
use tokio::sync::oneshot;

use crate::node::Node;
use crate::queues::{Handoff, Poll, QueueKey, Queued, Taken};

/// A poll that waits. Dropped (the client went away), it leaves its queue, and a task on its way to it goes back.
pub(crate) struct Poller {
    node: Arc<Node>,
    queue: QueueKey,
    token: PollerToken,
    identity: Arc<str>,
    request_id: Arc<str>,
    instance_key: Arc<str>,
    receiver: oneshot::Receiver<Handoff>,
}

/// A task that a poll got.
pub(crate) struct Polled {
    pub task: Queued,
    pub backlog_count_hint: i64,
    pub poller_scaling: Option<i32>,
    taken: Taken,
}

impl Poller {
    /// Begins to wait. `None`: the worker of that instance key shut down a moment ago.
    pub(crate) fn begin(
        node: Arc<Node>,
        queue: QueueKey,
        info: PollerInfo,
        instance_key: Arc<str>,
    ) -> Result<Option<Self>, Refusal> {
        let departed = |node: &Node| {
            let namespace_id = &queue.namespace_id;
            node.departed.has(node.now(), namespace_id, &instance_key)
        };
        if departed(&node) {
            return Ok(None);
        }
        let identity = info.identity.clone();
        let request_id: Arc<str> = node.ids().uuid().into();
        let (poll, receiver) =
            Poll::new(identity.clone(), request_id.clone(), instance_key.clone());
        let token = node.queues.poll(&queue, node.now(), info, poll);
        let token = token.ok_or_else(|| Refusal::ResourceExhausted {
            cause: ResourceExhaustedCause::ConcurrentLimit as i32,
            scope: ResourceExhaustedScope::Namespace as i32,
            message: "too many polls wait on this task queue".to_owned(),
        })?;
        // The shutdown answers the polls that wait; this one may have begun to while it did so.
        let too_late = departed(&node);
        let poller = Self {
            node,
            queue,
            token,
            identity,
            request_id,
            instance_key,
            receiver,
        };
        Ok((!too_late).then_some(poller))
    }

    /// Who polls.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// Names this poll: what is started for it gets this name.
    pub(crate) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The next task, or none until then.
    pub(crate) async fn next(&mut self, until: Instant) -> Option<Polled> {
        let timed = tokio::time::timeout_at(until.into(), &mut self.receiver).await;
        let handoff = match timed {
            Ok(received) => received.ok()?,
            Err(_) => {
                if self
                    .node
                    .queues
                    .expire(&self.queue, self.node.now(), self.token)
                {
                    return None;
                }
                // A task was matched in the last moment: it is in the channel, or just about to be.
                (&mut self.receiver).await.ok()?
            }
        };
        let backlog_count_hint = handoff.backlog_count_hint;
        let poller_scaling = handoff.poller_scaling;
        let (task, taken) = handoff.take();
        Some(Polled {
            task,
            backlog_count_hint,
            poller_scaling,
            taken,
        })
    }

    /// The task could not be looked at: it goes back to its place.
    pub(crate) fn give_back(&self, polled: Polled) {
        let (queue, ticket) = (&self.queue, polled.taken.task_ticket);
        self.node
            .take_back(queue, ticket, polled.task, &self.request_id);
    }

    /// The task was obsolete: waits on, at the old place.
    pub(crate) fn resume(&mut self, polled: Polled) {
        let (poll, receiver) = Poll::new(
            self.identity.clone(),
            self.request_id.clone(),
            self.instance_key.clone(),
        );
        self.receiver = receiver;
        let now = self.node.now();
        self.node
            .queues
            .discard_and_resume(&self.queue, now, polled.taken, poll);
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.node.queues.cancel(&self.queue, self.token);
        self.receiver.close();
        if let Ok(handoff) = self.receiver.try_recv() {
            self.node.hand_back(handoff, &self.request_id);
        }
    }
}
