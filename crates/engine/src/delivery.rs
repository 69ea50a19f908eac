//! Messages between executions: taken from the outbox, delivered at least once, answered, and only then removed.
//!
//! Each step is a transition of one run under the lock of its shard. What comes next follows when it is durable, so a
//! crash at any moment repeats a step, which the receiver recognises.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use steadfast_core::addressee::Addressee;
use steadfast_core::execution::{Execution, RunKey};
use steadfast_core::outcome::{Effect, Outcome};
use steadfast_core::policy::{self, Decision};
use steadfast_core::transition::SERVER_IDENTITY;
use steadfast_core::{Refusal, cancel, child, external, signal, start, terminate};
use steadfast_protocol::common::WorkflowExecution;
use steadfast_protocol::enums::{
    CancelExternalWorkflowExecutionFailedCause as CancelFailed, ParentClosePolicy,
    SignalExternalWorkflowExecutionFailedCause as SignalFailed,
    StartChildWorkflowExecutionFailedCause as StartFailed,
};
use steadfast_protocol::history::history_event::Attributes;
use steadfast_store::StoreError;
use tokio::sync::Notify;

use crate::Namespace;
use crate::node::{Node, lock};
use crate::shard::{Departures, RunChange, Shard};
use crate::view::View;

/// Messages delivered in one go, before others get their turn.
const DELIVERED_AT_A_TIME: usize = 64;
/// Wait before a delivery that could not be made is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// A message to another execution, and who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub sender: Arc<RunKey>,
    pub effect: Effect,
}

/// What is left to do once the receiver's side of a delivery is durable.
#[derive(Clone, Debug)]
pub(crate) enum FollowUp {
    /// Nothing to record: the message is removed from the outbox.
    Settle(Delivery),
    /// The child runs.
    ChildStarted { delivery: Delivery, run_id: String },
    /// The child can never run.
    ChildNotStarted {
        delivery: Delivery,
        cause: StartFailed,
    },
    /// The signal is delivered, or can never be.
    Signaled {
        delivery: Delivery,
        failed: Option<SignalFailed>,
    },
    /// The cancel request is delivered, or can never be.
    CancelRequested {
        delivery: Delivery,
        failed: Option<CancelFailed>,
    },
}

impl FollowUp {
    /// The message it is about.
    pub(crate) fn into_delivery(self) -> Delivery {
        match self {
            Self::Settle(delivery)
            | Self::ChildStarted { delivery, .. }
            | Self::ChildNotStarted { delivery, .. }
            | Self::Signaled { delivery, .. }
            | Self::CancelRequested { delivery, .. } => delivery,
        }
    }
}

enum Work {
    Deliver(Delivery),
    FollowUp(FollowUp),
}

/// What waits to be delivered.
#[derive(Default)]
pub(crate) struct Deliveries {
    work: Mutex<VecDeque<Work>>,
    arrived: Notify,
}

impl Deliveries {
    pub(crate) fn push(&self, delivery: Delivery) {
        self.push_all(vec![delivery], Vec::new());
    }

    pub(crate) fn push_all(&self, deliveries: Vec<Delivery>, follow_ups: Vec<FollowUp>) {
        if deliveries.is_empty() && follow_ups.is_empty() {
            return;
        }
        let mut work = lock(&self.work);
        work.extend(follow_ups.into_iter().map(Work::FollowUp));
        work.extend(deliveries.into_iter().map(Work::Deliver));
        drop(work);
        self.arrived.notify_one();
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.work).len()
    }
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
            } else if self.deliveries.len() > 0 {
                tokio::time::sleep(PAUSE).await;
            } else {
                self.deliveries.arrived.notified().await;
            }
        }
    }

    /// Makes some steps. `false`: none could be made.
    pub(crate) fn deliver_some(self: &Arc<Self>) -> bool {
        let mut made = false;
        for _ in 0..DELIVERED_AT_A_TIME {
            let Some(work) = lock(&self.deliveries.work).pop_front() else {
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
                    lock(&self.deliveries.work).push_back(work);
                }
            }
        }
        made
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

    fn start_child(self: &Arc<Self>, delivery: &Delivery, id: i64) -> Step {
        let found = self.of_sender(delivery, |shard, sender| {
            let run = shard.run(sender);
            let child = run.children.get(&id).cloned();
            let child = child.filter(|child| run.is_open() && child.run_id.is_empty());
            let Some(child) = child else { return Ok(None) };
            let event = shard.event(sender, id)?;
            Ok(Some((child, event)))
        })?;
        let Some((child, event)) = found.flatten() else {
            return self.settle(delivery);
        };
        let Some(namespace) = self.namespace(&child.namespace_id) else {
            return self.follow_up(&FollowUp::ChildNotStarted {
                delivery: delivery.clone(),
                cause: StartFailed::NamespaceNotFound,
            });
        };
        let parent_namespace = self.namespace(&delivery.sender.namespace_id);
        let parent_name = parent_namespace.map_or(String::new(), |found| found.name.clone());
        let params = self.of_sender(delivery, |shard, sender| {
            Ok(child::start_params(shard.run(sender), &parent_name, &event))
        })?;
        let Some(mut params) = params else {
            return self.settle(delivery);
        };
        params.run_id = self.ids().uuid();

        let mut shard = self.lock_of(&namespace.id, &child.workflow_id);
        let current = shard.find(&namespace.id, &child.workflow_id, "")?;
        let decision = policy::decide(
            current.as_ref().map(|key| shard.run(key)),
            &child.create_request_id,
            params.request.workflow_id_reuse_policy,
            params.request.workflow_id_conflict_policy,
        );
        let view = View::new(self, &namespace);
        let cx = view.context(self, self.now());
        let mut changes = Vec::new();
        match (decision, current) {
            (Ok(Decision::Duplicate { .. }), Some(current)) => {
                let run_id = shard
                    .run(&current)
                    .start_attributes()
                    .first_execution_run_id
                    .clone();
                let delivery = delivery.clone();
                return self.conclude(
                    &mut shard,
                    None,
                    FollowUp::ChildStarted { delivery, run_id },
                );
            }
            (Ok(Decision::TerminateExisting), Some(current)) => {
                let outcome =
                    policy::terminate_existing(shard.run_mut(&current), &cx, &params.run_id);
                changes.push(RunChange {
                    key: current,
                    outcome,
                });
            }
            (Ok(_), _) => {}
            (Err(_), _) => {
                let delivery = delivery.clone();
                return self.conclude(
                    &mut shard,
                    None,
                    FollowUp::ChildNotStarted {
                        delivery,
                        cause: StartFailed::WorkflowAlreadyExists,
                    },
                );
            }
        }
        let started = match start::start(&cx, params) {
            Ok(started) => started,
            Err(refusal) => return Err(Obstacle::Later(refusal.to_string())),
        };
        let run_id = started.run.key.run_id.clone();
        let key = shard.create(started.run);
        changes.push(RunChange {
            key,
            outcome: started.outcome,
        });
        let departures = Departures {
            follow_ups: vec![FollowUp::ChildStarted {
                delivery: delivery.clone(),
                run_id,
            }],
            ..Departures::default()
        };
        let _ = shard.commit(self, changes, departures, None);
        Ok(())
    }

    fn release_child(self: &Arc<Self>, delivery: &Delivery, id: i64) -> Step {
        let child = self.of_sender(delivery, |shard, sender| {
            Ok(shard.run(sender).children.get(&id).cloned())
        })?;
        let Some(child) = child.flatten() else {
            return self.settle(delivery);
        };
        let follow_up = FollowUp::Settle(delivery.clone());
        let target = (child.namespace_id.as_str(), child.workflow_id.as_str());
        self.at_target(
            target,
            &child.run_id,
            follow_up.clone(),
            follow_up,
            |run, cx| Ok(start::release(run, cx)),
        )
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

    fn signal_external(self: &Arc<Self>, delivery: &Delivery, id: i64) -> Step {
        let found = self.of_sender(delivery, |shard, sender| {
            let run = shard.run(sender);
            let item = run.external_signals.get(&id).cloned();
            let Some(item) = item.filter(|_| run.is_open()) else {
                return Ok(None);
            };
            Ok(Some((item, shard.event(sender, id)?)))
        })?;
        let Some((item, event)) = found.flatten() else {
            return self.settle(delivery);
        };
        let Some(Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(sent)) =
            event.attributes
        else {
            return self.settle(delivery);
        };
        let signaled = |failed| FollowUp::Signaled {
            delivery: delivery.clone(),
            failed,
        };
        let not_found = signaled(Some(SignalFailed::ExternalWorkflowExecutionNotFound));
        if self.namespace(&item.namespace_id).is_none() {
            return self.follow_up(&signaled(Some(SignalFailed::NamespaceNotFound)));
        }
        if is_self(&delivery.sender, &item.namespace_id, &item.workflow_id) {
            return self.follow_up(&not_found);
        }
        let message = signal::Signal {
            name: sent.signal_name,
            input: sent.input,
            identity: SERVER_IDENTITY.to_owned(),
            request_id: item.request_id.clone(),
            header: sent.header,
            external: Some(execution(&delivery.sender)),
            addressee: addressee(&delivery.sender, item.child_workflow_only),
            ..Default::default()
        };
        let target = (item.namespace_id.as_str(), item.workflow_id.as_str());
        self.at_target(
            target,
            &item.run_id,
            signaled(None),
            not_found.clone(),
            |run, cx| {
                signal::signal(run, cx, message, false).map_err(|refusal| match refusal {
                    Refusal::NotFound(_) => FollowUpOr::FollowUp(not_found),
                    Refusal::InvalidArgument(_) => {
                        FollowUpOr::FollowUp(signaled(Some(SignalFailed::SignalCountLimitExceeded)))
                    }
                    other => FollowUpOr::Later(other),
                })
            },
        )
    }

    fn cancel_external(self: &Arc<Self>, delivery: &Delivery, id: i64) -> Step {
        let found = self.of_sender(delivery, |shard, sender| {
            let run = shard.run(sender);
            let item = run.external_cancels.get(&id).cloned();
            let Some(item) = item.filter(|_| run.is_open()) else {
                return Ok(None);
            };
            Ok(Some((item, shard.event(sender, id)?)))
        })?;
        let Some((item, event)) = found.flatten() else {
            return self.settle(delivery);
        };
        let Some(Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(sent)) =
            event.attributes
        else {
            return self.settle(delivery);
        };
        let requested = |failed| FollowUp::CancelRequested {
            delivery: delivery.clone(),
            failed,
        };
        let not_found = requested(Some(CancelFailed::ExternalWorkflowExecutionNotFound));
        if self.namespace(&item.namespace_id).is_none() {
            return self.follow_up(&requested(Some(CancelFailed::NamespaceNotFound)));
        }
        if is_self(&delivery.sender, &item.namespace_id, &item.workflow_id) {
            return self.follow_up(&not_found);
        }
        let message = cancel::CancelRequest {
            reason: sent.reason,
            identity: SERVER_IDENTITY.to_owned(),
            request_id: item.request_id.clone(),
            external: Some(execution(&delivery.sender)),
            external_initiated_event_id: id,
            addressee: addressee(&delivery.sender, item.child_workflow_only),
            ..Default::default()
        };
        let target = (item.namespace_id.as_str(), item.workflow_id.as_str());
        self.at_target(
            target,
            &item.run_id,
            requested(None),
            not_found.clone(),
            |run, cx| {
                cancel::request(run, cx, message).map_err(|refusal| match refusal {
                    Refusal::NotFound(_) => FollowUpOr::FollowUp(not_found),
                    other => FollowUpOr::Later(other),
                })
            },
        )
    }

    fn notify_parent(self: &Arc<Self>, delivery: &Delivery) -> Step {
        let found = self.of_sender(delivery, |shard, sender| {
            let run = shard.run(sender);
            let started = run.start_attributes();
            let Some(parent) = started.parent_workflow_execution.clone() else {
                return Ok(None);
            };
            let namespace_id = started.parent_workflow_namespace_id.clone();
            let initiated = started.parent_initiated_event_id;
            let first_run = started.first_execution_run_id.clone();
            let last = run.head.next_event_id - 1;
            let event = shard.event(sender, last)?;
            Ok(Some((namespace_id, parent, initiated, first_run, event)))
        })?;
        let Some((namespace_id, parent, initiated_event_id, first_run, event)) = found.flatten()
        else {
            return self.settle(delivery);
        };
        let follow_up = FollowUp::Settle(delivery.clone());
        let target = (namespace_id.as_str(), parent.workflow_id.as_str());
        self.at_target(
            target,
            &parent.run_id,
            follow_up.clone(),
            follow_up,
            |run, cx| {
                let close = child::ChildClose {
                    initiated_event_id,
                    child_workflow_id: delivery.sender.workflow_id.clone(),
                    child_run_id: delivery.sender.run_id.clone(),
                    child_first_run_id: first_run,
                    close_event: &event,
                };
                Ok(child::closed(run, cx, &close))
            },
        )
    }

    fn close_child(self: &Arc<Self>, delivery: &Delivery, id: i64) -> Step {
        let child = self.of_sender(delivery, |shard, sender| {
            Ok(shard.run(sender).children.get(&id).cloned())
        })?;
        let Some(child) = child.flatten() else {
            return self.settle(delivery);
        };
        let policy = ParentClosePolicy::try_from(child.parent_close_policy).unwrap_or_default();
        let follow_up = FollowUp::Settle(delivery.clone());
        let addressee = Addressee {
            first_execution_run_id: child.run_id.clone(),
            parent: Some(execution(&delivery.sender)),
        };
        let target = (child.namespace_id.as_str(), child.workflow_id.as_str());
        let settled = follow_up.clone();
        self.at_target(target, "", follow_up.clone(), follow_up, |run, cx| {
            let applied = match policy {
                ParentClosePolicy::Abandon => Ok(None),
                ParentClosePolicy::RequestCancel => {
                    let request = cancel::CancelRequest {
                        identity: SERVER_IDENTITY.to_owned(),
                        external: Some(execution(&delivery.sender)),
                        addressee,
                        ..Default::default()
                    };
                    cancel::request(run, cx, request)
                }
                ParentClosePolicy::Terminate | ParentClosePolicy::Unspecified => {
                    let params = terminate::TerminateParams {
                        reason: "by parent close policy".to_owned(),
                        identity: SERVER_IDENTITY.to_owned(),
                        addressee,
                        ..Default::default()
                    };
                    terminate::terminate(run, cx, params).map(Some)
                }
            };
            applied.map_err(|refusal| match refusal {
                Refusal::NotFound(_) => FollowUpOr::FollowUp(settled),
                other => FollowUpOr::Later(other),
            })
        })
    }

    /// The receiver's side is durable: the sender records the answer, and the message is removed with it.
    fn follow_up(self: &Arc<Self>, follow_up: &FollowUp) -> Step {
        match follow_up {
            FollowUp::Settle(delivery) => self.settle(delivery),
            FollowUp::ChildStarted { delivery, run_id } => {
                self.record(delivery, |run, cx, id| child::started(run, cx, id, run_id))
            }
            FollowUp::ChildNotStarted { delivery, cause } => self
                .record(delivery, |run, cx, id| {
                    child::start_failed(run, cx, id, *cause)
                }),
            FollowUp::Signaled { delivery, failed } => {
                self.record(delivery, |run, cx, id| match failed {
                    None => external::signaled(run, cx, id),
                    Some(cause) => external::signal_failed(run, cx, id, *cause),
                })
            }
            FollowUp::CancelRequested { delivery, failed } => {
                self.record(delivery, |run, cx, id| match failed {
                    None => external::cancel_requested(run, cx, id),
                    Some(cause) => external::cancel_failed(run, cx, id, *cause),
                })
            }
        }
    }

    fn record(
        self: &Arc<Self>,
        delivery: &Delivery,
        answer: impl FnOnce(
            &mut Execution,
            &steadfast_core::context::Context<'_>,
            i64,
        ) -> Option<Outcome>,
    ) -> Step {
        let sender = &delivery.sender;
        let id = match delivery.effect {
            Effect::StartChild(id) | Effect::SignalExternal(id) | Effect::CancelExternal(id) => id,
            Effect::ReleaseChild(_) | Effect::NotifyParent | Effect::CloseChild(_) => {
                return self.settle(delivery);
            }
        };
        let Some(namespace) = self.namespace(&sender.namespace_id) else {
            return self.settle(delivery);
        };
        let mut shard = self.lock_of(&sender.namespace_id, &sender.workflow_id);
        if !shard.load(sender)? {
            let _ = shard.settle(self, delivery);
            return Ok(());
        }
        let view = View::new(self, &namespace);
        let cx = view.context(self, self.now());
        let outcome = answer(shard.run_mut(sender), &cx, id);
        let change = outcome.map(|outcome| RunChange {
            key: sender.clone(),
            outcome,
        });
        let _ = shard.commit(
            self,
            change.into_iter().collect(),
            Departures::default(),
            Some(delivery),
        );
        Ok(())
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
