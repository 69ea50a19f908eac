//! The receiver's side of a message is durable: the sender records the answer, and the message is removed with it.

use std::sync::Arc;

use steadfast_core::context::Context;
use steadfast_core::execution::Execution;
use steadfast_core::outcome::{Effect, Outcome};
use steadfast_core::{child, external};
use steadfast_protocol::enums::{
    CancelExternalWorkflowExecutionFailedCause as CancelFailed,
    SignalExternalWorkflowExecutionFailedCause as SignalFailed,
    StartChildWorkflowExecutionFailedCause as StartFailed,
};

use super::{Delivery, Step};
use crate::node::Node;
use crate::shard::{Departures, RunChange};
use crate::view::View;

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

impl Node {
    /// Makes this step.
    pub(super) fn follow_up(self: &Arc<Self>, follow_up: &FollowUp) -> Step {
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
        answer: impl FnOnce(&mut Execution, &Context<'_>, i64) -> Option<Outcome>,
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
