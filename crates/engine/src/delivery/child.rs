//! Messages between a parent and its children.

use std::sync::Arc;

use steadfast_core::addressee::Addressee;
use steadfast_core::policy::{self, Decision};
use steadfast_core::transition::SERVER_IDENTITY;
use steadfast_core::{Refusal, cancel, child, start, terminate};
use steadfast_protocol::enums::{
    ParentClosePolicy, StartChildWorkflowExecutionFailedCause as StartFailed,
};

use super::{Delivery, FollowUp, FollowUpOr, Obstacle, Step, execution};
use crate::node::Node;
use crate::shard::{Departures, RunChange};
use crate::view::View;

impl Node {
    pub(super) fn start_child(self: &Arc<Self>, delivery: &Delivery, id: i64) -> Step {
        let found = self.awaited(delivery, id, |run| {
            let child = run.children.get(&id).cloned();
            child.filter(|child| child.run_id.is_empty())
        })?;
        let Some((child, event)) = found else {
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

    pub(super) fn release_child(self: &Arc<Self>, delivery: &Delivery, id: i64) -> Step {
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

    pub(super) fn notify_parent(self: &Arc<Self>, delivery: &Delivery) -> Step {
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

    pub(super) fn close_child(self: &Arc<Self>, delivery: &Delivery, id: i64) -> Step {
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
}
