//! Activity tasks: polling for them, and answering them by token or by ids (server-semantics 5.4, 5.5).

use steadfast_core::Refusal;
use steadfast_protocol::enums::ActivityTaskFailedCause;
use steadfast_protocol::failure::{Failure, failure::FailureInfo};
use steadfast_protocol::workflowservice::{
    PollActivityTaskQueueRequest, RecordActivityTaskHeartbeatByIdRequest,
    RecordActivityTaskHeartbeatRequest, RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCanceledRequest, RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskCompletedRequest, RespondActivityTaskFailedByIdRequest,
    RespondActivityTaskFailedRequest,
};

use super::sizes::Sizes;
use super::{Checked, Context, Scope, fields, task_queue};

impl Checked for PollActivityTaskQueueRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    #[allow(deprecated, reason = "workers in use still set these fields")]
    fn check(&mut self, context: &Context<'_>) -> Result<(), Refusal> {
        context.check_poll_time()?;
        fields::identity(&self.identity)?;
        task_queue::of_poll(
            &mut self.task_queue,
            self.worker_version_capabilities.as_ref(),
            self.deployment_options.as_ref(),
        )?;
        let rate = self
            .task_queue_metadata
            .as_ref()
            .and_then(|metadata| metadata.max_tasks_per_second);
        if rate.is_some_and(|rate| !(rate >= 0.0 && rate.is_finite())) {
            return Err(Refusal::invalid(
                "MaxTasksPerSecond must be a number that is not negative.",
            ));
        }
        Ok(())
    }
}

/// The requests that name an activity by the token of its task, each with its fields that may be large.
macro_rules! by_token {
    ($($request:ident($($blob:ident),*): |$this:ident| $check:expr;)*) => {$(
        impl Checked for $request {
            fn scope(&self) -> Scope<'_> {
                Scope::Task {
                    namespace: &self.namespace,
                    token: &self.task_token,
                }
            }

            fn check(&mut self, _: &Context<'_>) -> Result<(), Refusal> {
                let $this = self;
                $check
            }

            fn sizes(&self) -> Sizes<'_> {
                Sizes::default()$(.blob(self.$blob.as_ref()))*
            }
        }
    )*};
}

by_token! {
    RecordActivityTaskHeartbeatRequest(details): |_this| Ok(());
    RespondActivityTaskCompletedRequest(result): |this| {
        fields::identity(&this.identity)?;
        task_queue::deployment_options(this.deployment_options.as_ref())
    };
    RespondActivityTaskFailedRequest(failure, last_heartbeat_details): |this| {
        fields::identity(&this.identity)?;
        task_queue::deployment_options(this.deployment_options.as_ref())?;
        attempt_failed(this.cause, this.failure.as_ref())
    };
    RespondActivityTaskCanceledRequest(details): |this| {
        fields::identity(&this.identity)?;
        task_queue::deployment_options(this.deployment_options.as_ref())
    };
}

/// The requests that name an activity by the ids of its workflow and its own, each with its fields that may be large.
macro_rules! by_id {
    ($($request:ident($($blob:ident),*): |$this:ident| $check:expr;)*) => {$(
        impl Checked for $request {
            fn scope(&self) -> Scope<'_> {
                Scope::Namespace(&self.namespace)
            }

            fn check(&mut self, _: &Context<'_>) -> Result<(), Refusal> {
                fields::set(&self.workflow_id, "WorkflowId is not set on request.")?;
                fields::length("WorkflowId", &self.workflow_id)?;
                fields::run_id(&self.run_id, "RunId is not valid UUID.")?;
                fields::set(&self.activity_id, "ActivityId is not set on request.")?;
                fields::length("ActivityId", &self.activity_id)?;
                let $this = self;
                $check
            }

            fn sizes(&self) -> Sizes<'_> {
                Sizes::of(&self.workflow_id, &self.run_id)$(.blob(self.$blob.as_ref()))*
            }
        }
    )*};
}

by_id! {
    RecordActivityTaskHeartbeatByIdRequest(details): |_this| Ok(());
    RespondActivityTaskCompletedByIdRequest(result): |this| fields::identity(&this.identity);
    RespondActivityTaskFailedByIdRequest(failure, last_heartbeat_details): |this| {
        fields::identity(&this.identity)?;
        attempt_failed(this.cause, this.failure.as_ref())
    };
    RespondActivityTaskCanceledByIdRequest(details): |this| {
        fields::identity(&this.identity)?;
        task_queue::deployment_options(this.deployment_options.as_ref())
    };
}

/// A failure is the application's own, if one is given at all.
fn attempt_failed(cause: i32, failure: Option<&Failure>) -> Result<(), Refusal> {
    fields::enumeration::<ActivityTaskFailedCause>("ActivityTaskFailedCause", cause)?;
    match failure.map(|failure| &failure.failure_info) {
        None | Some(Some(FailureInfo::ApplicationFailureInfo(_))) => Ok(()),
        Some(_) => Err(Refusal::invalid(
            "Failure must have ApplicationFailureInfo.",
        )),
    }
}
