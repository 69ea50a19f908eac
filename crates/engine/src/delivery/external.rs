//! Messages to workflows that are no relatives: signals and requests to cancel.

use std::sync::Arc;

use steadfast_core::transition::SERVER_IDENTITY;
use steadfast_core::{Refusal, cancel, signal};
use steadfast_protocol::enums::{
    CancelExternalWorkflowExecutionFailedCause as CancelFailed,
    SignalExternalWorkflowExecutionFailedCause as SignalFailed,
};
use steadfast_protocol::history::history_event::Attributes;

use super::{Delivery, FollowUp, FollowUpOr, Step, addressee, execution, is_self};
use crate::node::Node;

impl Node {
    pub(super) fn signal_external(self: &Arc<Self>, delivery: &Delivery, id: i64) -> Step {
        let found = self.awaited(delivery, id, |run| run.external_signals.get(&id).cloned())?;
        let Some((item, event)) = found else {
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

    pub(super) fn cancel_external(self: &Arc<Self>, delivery: &Delivery, id: i64) -> Step {
        let found = self.awaited(delivery, id, |run| run.external_cancels.get(&id).cloned())?;
        let Some((item, event)) = found else {
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
}
