//! Task queues and the workers' versions that come with them (server-semantics 8.1, 8.2).

use steadfast_core::limits::ID_LENGTH_MAX;
use steadfast_core::task_queue::RESERVED_PREFIX;
use steadfast_core::{Refusal, task_queue};
use steadfast_protocol::common::WorkerVersionCapabilities;
use steadfast_protocol::deployment::WorkerDeploymentOptions;
use steadfast_protocol::enums::{TaskQueueKind, WorkerVersioningMode};
use steadfast_protocol::taskqueue::TaskQueue;

use super::fields;

/// Half of an id, less what joins name and build id to the name of an internal workflow.
const DEPLOYMENT_NAME_BYTES_MAX: usize = (ID_LENGTH_MAX - 39) / 2;

/// The task queue of a request: named, and of a kind; none given means the normal one.
pub(crate) fn named(value: Option<&mut TaskQueue>) -> Result<&mut TaskQueue, Refusal> {
    let Some(queue) = value else {
        return Err(Refusal::invalid("taskQueue is not set"));
    };
    fields::set(&queue.name, "missing task queue name")?;
    name(&queue.name)?;
    if queue.normal_name.len() > ID_LENGTH_MAX {
        return Err(Refusal::invalid("taskQueue length exceeds limit"));
    }
    fields::enumeration::<TaskQueueKind>("TaskQueueKind", queue.kind)?;
    if queue.kind() == TaskQueueKind::Unspecified {
        queue.kind = TaskQueueKind::Normal as i32;
    }
    Ok(queue)
}

/// The task queue of a workflow to start: one that users may use. No queue is as good as no name.
pub(crate) fn of_workflow(value: &mut Option<TaskQueue>) -> Result<(), Refusal> {
    let queue = named(value.as_mut())?;
    task_queue::check(&queue.name, "").map_err(Refusal::InvalidArgument)
}

/// The task queue of a poll, with what the worker says of its version.
pub(crate) fn of_poll(
    value: &mut Option<TaskQueue>,
    capabilities: Option<&WorkerVersionCapabilities>,
    deployment: Option<&WorkerDeploymentOptions>,
) -> Result<(), Refusal> {
    let queue = named(value.as_mut())?;
    let use_versioning = capabilities.is_some_and(|capabilities| capabilities.use_versioning);
    if queue.kind() == TaskQueueKind::Sticky
        && queue.normal_name.is_empty()
        && (use_versioning || deployment.is_some())
    {
        return Err(Refusal::invalid(
            "NormalName must be set on sticky queue when UseVersioning is true or DeploymentOptions are set.",
        ));
    }
    if use_versioning && capabilities.is_none_or(|capabilities| capabilities.build_id.is_empty()) {
        return Err(Refusal::invalid(
            "WorkerVersionStamp must be present if UseVersioning is true.",
        ));
    }
    deployment_options(deployment)
}

/// Whether a name may be that of a task queue; it may be empty.
pub(crate) fn name(value: &str) -> Result<(), Refusal> {
    if value.len() > ID_LENGTH_MAX {
        return Err(Refusal::invalid("taskQueue length exceeds limit"));
    }
    if value.starts_with(RESERVED_PREFIX) {
        return Err(Refusal::InvalidArgument(format!(
            "task queue name cannot start with reserved prefix {RESERVED_PREFIX}"
        )));
    }
    Ok(())
}

/// The deployment a worker belongs to. Checked only where it asks for versioning.
pub(crate) fn deployment_options(value: Option<&WorkerDeploymentOptions>) -> Result<(), Refusal> {
    let Some(options) = value else { return Ok(()) };
    fields::enumeration::<WorkerVersioningMode>(
        "WorkerVersioningMode",
        options.worker_versioning_mode,
    )?;
    if options.worker_versioning_mode() != WorkerVersioningMode::Versioned {
        return Ok(());
    }
    if options.deployment_name.is_empty() || options.build_id.is_empty() {
        return Err(Refusal::invalid(
            "Deployment name and build id must be set together.",
        ));
    }
    if let Some(character) = ['.', ':']
        .into_iter()
        .find(|&character| options.deployment_name.contains(character))
    {
        return Err(Refusal::InvalidArgument(format!(
            "worker deployment name cannot contain '{character}'"
        )));
    }
    for (field, value) in [
        ("WorkerDeploymentName", &options.deployment_name),
        ("BuildID", &options.build_id),
    ] {
        if value.len() > DEPLOYMENT_NAME_BYTES_MAX {
            return Err(Refusal::InvalidArgument(format!(
                "size of {field} larger than the maximum allowed"
            )));
        }
        if value.starts_with("__") {
            return Err(Refusal::InvalidArgument(format!(
                "{field} cannot start with '__'"
            )));
        }
    }
    Ok(())
}
