//! Requests about workers and the queues they poll (server-semantics 8.5, 8.11).

use steadfast_core::Refusal;
use steadfast_protocol::enums::{DescribeTaskQueueMode, TaskQueueKind, TaskQueueType};
use steadfast_protocol::workflowservice::{DescribeTaskQueueRequest, ShutdownWorkerRequest};

use super::{Checked, Context, Scope, fields, task_queue};

/// Build ids whose reachability may be asked for at once.
const REACHABILITY_BUILD_IDS_MAX: usize = 5;

impl Checked for DescribeTaskQueueRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    #[allow(deprecated)]
    fn check(&mut self, _: &Context<'_>) -> Result<(), Refusal> {
        let queue = task_queue::named(self.task_queue.as_mut())?;
        fields::enumeration::<TaskQueueType>("TaskQueueType", self.task_queue_type)?;
        fields::enumeration::<DescribeTaskQueueMode>("DescribeTaskQueueMode", self.api_mode)?;
        for &queue_type in &self.task_queue_types {
            fields::enumeration::<TaskQueueType>("TaskQueueType", queue_type)?;
        }
        if self.api_mode == DescribeTaskQueueMode::Enhanced as i32 {
            if queue.kind() == TaskQueueKind::Sticky {
                return Err(Refusal::invalid(
                    "Enhanced DescribeTaskQueue is not valid for a sticky queue, use api_mode=UNSPECIFIED or a normal queue.",
                ));
            }
            let build_ids = self.versions.as_ref().map_or(0, |v| v.build_ids.len());
            if self.report_task_reachability && build_ids > REACHABILITY_BUILD_IDS_MAX {
                return Err(Refusal::InvalidArgument(format!(
                    "Too many build ids queried at once with ReportTaskReachability==true, limit: {REACHABILITY_BUILD_IDS_MAX}"
                )));
            }
        }
        if self.task_queue_type() == TaskQueueType::Unspecified {
            self.task_queue_type = TaskQueueType::Workflow as i32;
        }
        Ok(())
    }
}

impl Checked for ShutdownWorkerRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn check(&mut self, _: &Context<'_>) -> Result<(), Refusal> {
        task_queue::name(&self.sticky_task_queue)?;
        task_queue::name(&self.task_queue)?;
        fields::length("WorkerInstanceKey", &self.worker_instance_key)?;
        for &queue_type in &self.task_queue_types {
            fields::enumeration::<TaskQueueType>("TaskQueueType", queue_type)?;
        }
        Ok(())
    }
}
