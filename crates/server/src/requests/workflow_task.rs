//! Workflow tasks: polling for them, and answering them (server-semantics 3, 8.1).

use steadfast_core::Refusal;
use steadfast_protocol::enums::{
    QueryResultType, VersioningBehavior, WorkerVersioningMode, WorkflowTaskFailedCause,
};
use steadfast_protocol::workflowservice::{
    PollWorkflowTaskQueueRequest, ResetStickyTaskQueueRequest, RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest,
};

use super::sizes::Sizes;
use super::{Checked, Context, Scope, fields, task_queue};

impl Checked for PollWorkflowTaskQueueRequest {
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
        if context
            .namespace
            .bad_binaries
            .contains(&self.binary_checksum)
        {
            return Err(Refusal::InvalidArgument(format!(
                "Binary {} already marked as bad deployment.",
                self.binary_checksum
            )));
        }
        Ok(())
    }
}

impl Checked for RespondWorkflowTaskCompletedRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Task {
            namespace: &self.namespace,
            token: &self.task_token,
        }
    }

    #[allow(deprecated, reason = "workers in use still set these fields")]
    fn check(&mut self, _: &Context<'_>) -> Result<(), Refusal> {
        fields::identity(&self.identity)?;
        fields::enumeration::<VersioningBehavior>("VersioningBehavior", self.versioning_behavior)?;
        let options = self.deployment_options.as_ref();
        task_queue::deployment_options(options)?;
        let versioned = options.is_some_and(|options| {
            options.worker_versioning_mode() == WorkerVersioningMode::Versioned
        });
        if self.versioning_behavior() != VersioningBehavior::Unspecified
            && !versioned
            && self.deployment.is_none()
        {
            return Err(Refusal::invalid(
                "versioning behavior cannot be specified without deployment options being set with versioned mode",
            ));
        }
        if let Some(sticky) = &mut self.sticky_attributes {
            if let Some(queue) = &sticky.worker_task_queue {
                task_queue::name(&queue.name)?;
            }
            fields::duration_field(
                "ScheduleToStartTimeout",
                sticky.schedule_to_start_timeout.as_mut(),
            )?;
        }
        if self.intermediate_page || self.page_number != 0 {
            return Err(Refusal::FailedPrecondition(
                "Workflow task completion pagination is not enabled.".to_owned(),
            ));
        }
        Ok(())
    }

    fn sizes(&self) -> Sizes<'_> {
        self.commands.iter().fold(Sizes::default(), Sizes::command)
    }
}

impl Checked for RespondWorkflowTaskFailedRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Task {
            namespace: &self.namespace,
            token: &self.task_token,
        }
    }

    fn check(&mut self, _: &Context<'_>) -> Result<(), Refusal> {
        fields::identity(&self.identity)?;
        fields::enumeration::<WorkflowTaskFailedCause>("WorkflowTaskFailedCause", self.cause)?;
        task_queue::deployment_options(self.deployment_options.as_ref())
    }

    fn sizes(&self) -> Sizes<'_> {
        Sizes::default().blob(self.failure.as_ref())
    }
}

impl Checked for RespondQueryTaskCompletedRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Task {
            namespace: &self.namespace,
            token: &self.task_token,
        }
    }

    fn check(&mut self, _: &Context<'_>) -> Result<(), Refusal> {
        fields::enumeration::<QueryResultType>("QueryResultType", self.completed_type)?;
        fields::enumeration::<WorkflowTaskFailedCause>("WorkflowTaskFailedCause", self.cause)
    }

    fn sizes(&self) -> Sizes<'_> {
        Sizes::default().blob(self.query_result.as_ref())
    }
}

impl Checked for ResetStickyTaskQueueRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn check(&mut self, _: &Context<'_>) -> Result<(), Refusal> {
        fields::execution(self.execution.as_ref())
    }
}
