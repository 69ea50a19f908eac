//! Requests that start a workflow: the order of the checks is that of server-semantics 2.1.

use steadfast_core::limits::ID_LENGTH_MAX;
use steadfast_core::{Refusal, backoff, cron};
use steadfast_protocol::Duration;
use steadfast_protocol::common::{Priority, RetryPolicy};
use steadfast_protocol::enums::{
    VersioningBehavior, WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse,
};
use steadfast_protocol::workflow::{VersioningOverride, versioning_override};
use steadfast_protocol::workflowservice::{
    SignalWithStartWorkflowExecutionRequest, StartWorkflowExecutionRequest,
};

use super::sizes::Sizes;
use super::{Checked, Context, Scope, attributes, fields, links, task_queue};

const FAIRNESS_KEY_BYTES_MAX: usize = 64;

impl Checked for StartWorkflowExecutionRequest {
    const STARTS: bool = true;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn check(&mut self, context: &Context<'_>) -> Result<(), Refusal> {
        let mut policies = Policies::new(
            self.workflow_id_reuse_policy,
            self.workflow_id_conflict_policy,
        )?;
        workflow_id(&self.workflow_id)?;
        retry_policy(self.retry_policy.as_ref())?;
        cron_and_delay(&self.cron_schedule, self.workflow_start_delay.as_mut())?;
        fields::workflow_type(self.workflow_type.as_ref())?;
        task_queue::of_workflow(&mut self.task_queue)?;
        timeouts(
            self.workflow_execution_timeout.as_mut(),
            self.workflow_run_timeout.as_mut(),
            self.workflow_task_timeout.as_mut(),
        )?;
        fields::request_id(&mut self.request_id)?;
        policies.settle(Conflict::Fail)?;
        self.workflow_id_reuse_policy = policies.reuse as i32;
        self.workflow_id_conflict_policy = policies.conflict as i32;
        if let Some(options) = &self.on_conflict_options
            && options.attach_completion_callbacks
            && !options.attach_request_id
        {
            return Err(Refusal::invalid(
                "attaching request ID is required for attaching completion callbacks",
            ));
        }
        attributes::check(context.namespace, self.search_attributes.as_ref())?;
        priority(self.priority.as_ref())?;
        links::callbacks(&self.completion_callbacks)?;
        links::links(&self.links, &self.completion_callbacks)?;
        time_skipping(self.time_skipping_config.is_some())?;
        versioning_override(self.versioning_override.as_ref())?;
        task_queue::deployment_options(self.eager_worker_deployment_options.as_ref())?;
        fields::blob(context.limits, self.input.as_ref())?;
        fields::blob(context.limits, self.last_completion_result.as_ref())?;
        fields::memo(context.limits, self.memo.as_ref())
    }

    fn sizes(&self) -> Sizes<'_> {
        Sizes::of(&self.workflow_id, "")
            .blob(self.input.as_ref())
            .memo(self.memo.as_ref())
    }
}

impl Checked for SignalWithStartWorkflowExecutionRequest {
    const STARTS: bool = true;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn check(&mut self, context: &Context<'_>) -> Result<(), Refusal> {
        let mut policies = Policies::new(
            self.workflow_id_reuse_policy,
            self.workflow_id_conflict_policy,
        )?;
        if policies.conflict == Conflict::Fail {
            return Err(Refusal::invalid(
                "Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation.",
            ));
        }
        workflow_id(&self.workflow_id)?;
        fields::set(&self.signal_name, "signal not set")?;
        within("signal name", &self.signal_name)?;
        let workflow_type = self
            .workflow_type
            .as_ref()
            .map_or("", |workflow_type| workflow_type.name.as_str());
        fields::set(workflow_type, "workflow type not set")?;
        within("workflow type", workflow_type)?;
        retry_policy(self.retry_policy.as_ref())?;
        cron_and_delay(&self.cron_schedule, self.workflow_start_delay.as_mut())?;
        task_queue::of_workflow(&mut self.task_queue)?;
        timeouts(
            self.workflow_execution_timeout.as_mut(),
            self.workflow_run_timeout.as_mut(),
            self.workflow_task_timeout.as_mut(),
        )?;
        fields::request_id(&mut self.request_id)?;
        policies.settle(Conflict::UseExisting)?;
        self.workflow_id_reuse_policy = policies.reuse as i32;
        self.workflow_id_conflict_policy = policies.conflict as i32;
        attributes::check(context.namespace, self.search_attributes.as_ref())?;
        priority(self.priority.as_ref())?;
        links::links(&self.links, &[])?;
        time_skipping(self.time_skipping_config.is_some())?;
        versioning_override(self.versioning_override.as_ref())?;
        fields::blob(context.limits, self.input.as_ref())?;
        fields::blob(context.limits, self.signal_input.as_ref())?;
        fields::memo(context.limits, self.memo.as_ref())
    }

    fn sizes(&self) -> Sizes<'_> {
        Sizes::of(&self.workflow_id, "")
            .blob(self.input.as_ref())
            .blob(self.signal_input.as_ref())
            .memo(self.memo.as_ref())
    }
}

/// What is to happen when the workflow id is in use (server-semantics 2.2).
struct Policies {
    reuse: Reuse,
    conflict: Conflict,
}

impl Policies {
    fn new(reuse: i32, conflict: i32) -> Result<Self, Refusal> {
        fields::enumeration::<Reuse>("WorkflowIdReusePolicy", reuse)?;
        fields::enumeration::<Conflict>("WorkflowIdConflictPolicy", conflict)?;
        Ok(Self {
            reuse: Reuse::try_from(reuse).unwrap_or_default(),
            conflict: Conflict::try_from(conflict).unwrap_or_default(),
        })
    }

    /// Refuses what contradicts itself, and replaces what is unspecified or deprecated.
    fn settle(&mut self, default: Conflict) -> Result<(), Refusal> {
        #[allow(deprecated)]
        let terminate_if_running = Reuse::TerminateIfRunning;
        if self.reuse == terminate_if_running {
            if self.conflict != Conflict::Unspecified {
                return Err(Refusal::invalid(
                    "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together with a WorkflowIDConflictPolicy",
                ));
            }
            self.conflict = Conflict::TerminateExisting;
            self.reuse = Reuse::AllowDuplicate;
        }
        if self.conflict == Conflict::TerminateExisting && self.reuse == Reuse::RejectDuplicate {
            return Err(Refusal::invalid(
                "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING",
            ));
        }
        if self.reuse == Reuse::Unspecified {
            self.reuse = Reuse::AllowDuplicate;
        }
        if self.conflict == Conflict::Unspecified {
            self.conflict = default;
        }
        Ok(())
    }
}

fn workflow_id(value: &str) -> Result<(), Refusal> {
    fields::set(value, "WorkflowId is not set on request.")?;
    within("WorkflowId", value)
}

/// As [`fields::length`], in the words that these requests use.
fn within(field: &str, value: &str) -> Result<(), Refusal> {
    if value.len() > ID_LENGTH_MAX {
        return Err(Refusal::InvalidArgument(format!(
            "{field} exceeds maximum allowed length ({}/{})",
            value.len(),
            ID_LENGTH_MAX
        )));
    }
    Ok(())
}

fn cron_and_delay(schedule: &str, delay: Option<&mut Duration>) -> Result<(), Refusal> {
    if !schedule.is_empty() && delay.is_some() {
        return Err(Refusal::invalid(
            "CronSchedule and WorkflowStartDelay may not be used together.",
        ));
    }
    fields::duration_field("WorkflowStartDelaySeconds", delay)?;
    match schedule {
        "" => Ok(()),
        schedule => cron::validate(schedule),
    }
}

fn retry_policy(value: Option<&RetryPolicy>) -> Result<(), Refusal> {
    value.map_or(Ok(()), backoff::validate)
}

fn timeouts(
    execution: Option<&mut Duration>,
    run: Option<&mut Duration>,
    task: Option<&mut Duration>,
) -> Result<(), Refusal> {
    fields::duration_field("WorkflowExecutionTimeoutSeconds", execution)?;
    fields::duration_field("WorkflowRunTimeoutSeconds", run)?;
    fields::duration_field("WorkflowTaskTimeoutSeconds", task)
}

fn priority(value: Option<&Priority>) -> Result<(), Refusal> {
    let Some(priority) = value else { return Ok(()) };
    if priority.priority_key < 0 {
        return Err(Refusal::invalid("priority key can't be negative"));
    }
    if priority.fairness_key.len() > FAIRNESS_KEY_BYTES_MAX {
        return Err(Refusal::invalid("fairness key length exceeds limit"));
    }
    if priority.fairness_weight < 0.0 || !priority.fairness_weight.is_finite() {
        return Err(Refusal::invalid("must be greater than zero"));
    }
    Ok(())
}

fn time_skipping(wanted: bool) -> Result<(), Refusal> {
    if wanted {
        return Err(Refusal::Unimplemented(
            "time skipping is not implemented".to_owned(),
        ));
    }
    Ok(())
}

/// There are no worker deployments yet, so nothing can be pinned to one.
fn versioning_override(value: Option<&VersioningOverride>) -> Result<(), Refusal> {
    let Some(wanted) = value else { return Ok(()) };
    #[allow(deprecated)]
    let behavior = wanted.behavior;
    fields::enumeration::<VersioningBehavior>("VersioningBehavior", behavior)?;
    let pinned = matches!(
        wanted.r#override,
        Some(versioning_override::Override::Pinned(_) | versioning_override::Override::OneTime(_))
    );
    if pinned || behavior == VersioningBehavior::Pinned as i32 {
        return Err(Refusal::FailedPrecondition(
            "Pinned version is not present in the task queue".to_owned(),
        ));
    }
    Ok(())
}
