//! Task queues: described, and emptied when their worker goes.

use std::sync::Arc;

use steadfast_core::Refusal;
use steadfast_core::outcome::TaskKind;
use steadfast_matching::Description;
use steadfast_protocol::Timestamp;
use steadfast_protocol::enums::{
    BuildIdTaskReachability, DescribeTaskQueueMode, TaskQueueKind, TaskQueueType,
};
use steadfast_protocol::taskqueue::{
    TaskIdBlock, TaskQueueStatus, TaskQueueTypeInfo, TaskQueueVersionInfo, TaskQueueVersioningInfo,
};
use steadfast_protocol::workflowservice::{
    DescribeTaskQueueRequest, DescribeTaskQueueResponse, ShutdownWorkerRequest,
    ShutdownWorkerResponse,
};

use super::Call;
use crate::Engine;
use crate::queues::QueueKey;

/// Go's zero time, which stands for "never" in the description of a queue.
const NEVER: Timestamp = Timestamp {
    seconds: -62_135_596_800,
    nanos: 0,
};

impl Engine {
    /// Pollers and backlog of a task queue. One that nobody knows is empty.
    ///
    /// # Errors
    /// None at present.
    pub async fn describe_task_queue(
        &self,
        call: Call,
        request: DescribeTaskQueueRequest,
    ) -> Result<DescribeTaskQueueResponse, Refusal> {
        if request.api_mode == DescribeTaskQueueMode::Enhanced as i32 {
            return Ok(self.describe_by_type(&call, &request));
        }
        let queue = request.task_queue.unwrap_or_default();
        let description = self.description(&call, &queue.name, request.task_queue_type);
        let sticky = queue.kind == TaskQueueKind::Sticky as i32;
        let backlog = description.stats.approximate_backlog_count;
        Ok(DescribeTaskQueueResponse {
            pollers: description.pollers,
            stats: request.report_stats.then_some(description.stats),
            stats_by_priority_key: if request.report_stats {
                description.stats_by_priority_key
            } else {
                Default::default()
            },
            effective_rate_limit: Some(description.effective_rate_limit),
            versioning_info: (!sticky).then(|| TaskQueueVersioningInfo {
                current_version: "__unversioned__".to_owned(),
                update_time: Some(NEVER),
                ..Default::default()
            }),
            task_queue_status: request.include_task_queue_status.then(|| TaskQueueStatus {
                backlog_count_hint: backlog,
                task_id_block: Some(TaskIdBlock::default()),
                ..Default::default()
            }),
            ..Default::default()
        })
    }

    /// The older form of the answer: by build, of which there is but the one without a name, and by type.
    fn describe_by_type(
        &self,
        call: &Call,
        request: &DescribeTaskQueueRequest,
    ) -> DescribeTaskQueueResponse {
        let name = request.task_queue.as_ref();
        let name = name.map_or("", |queue| queue.name.as_str());
        let both = [
            TaskQueueType::Workflow as i32,
            TaskQueueType::Activity as i32,
        ];
        let types = match &request.task_queue_types[..] {
            [] => &both[..],
            wanted => wanted,
        };
        let of_type = |&queue_type: &i32| {
            let description = self.description(call, name, queue_type);
            let info = TaskQueueTypeInfo {
                pollers: match request.report_pollers {
                    true => description.pollers,
                    false => Vec::new(),
                },
                stats: request.report_stats.then_some(description.stats),
            };
            (queue_type, info)
        };
        let reachability = match request.report_task_reachability {
            true => BuildIdTaskReachability::Reachable,
            false => BuildIdTaskReachability::Unspecified,
        };
        let info = TaskQueueVersionInfo {
            types_info: types.iter().map(of_type).collect(),
            task_reachability: reachability as i32,
        };
        DescribeTaskQueueResponse {
            versions_info: [(String::new(), info)].into(),
            ..Default::default()
        }
    }

    fn description(&self, call: &Call, name: &str, queue_type: i32) -> Description {
        let node = self.node();
        let kind = match TaskQueueType::try_from(queue_type) {
            Ok(TaskQueueType::Activity) => Some(TaskKind::Activity),
            // Nobody can poll for these tasks here. The web UI asks all the same.
            Ok(TaskQueueType::Nexus) => None,
            _ => Some(TaskKind::Workflow),
        };
        let now = node.now();
        let description = kind.and_then(|kind| {
            let key = QueueKey {
                namespace_id: call.namespace.id.as_str().into(),
                kind,
                name: name.into(),
            };
            node.queues.describe(&key, now)
        });
        description.unwrap_or_else(|| node.queues.describe_unused(now))
    }

    /// A worker goes: its own queue takes nothing more, and what waits there goes to the normal queue. Its polls on the
    /// queue that it names are answered without a task, if the server was told to.
    ///
    /// # Errors
    /// None at present.
    pub async fn shutdown_worker(
        &self,
        call: Call,
        request: ShutdownWorkerRequest,
    ) -> Result<ShutdownWorkerResponse, Refusal> {
        let node = self.node();
        if self.limits().shutdown_ends_polls {
            self.end_polls(&call, &request);
        }
        if request.sticky_task_queue.is_empty() {
            return Ok(ShutdownWorkerResponse {});
        }
        let key = QueueKey {
            namespace_id: call.namespace.id.as_str().into(),
            kind: TaskKind::Workflow,
            name: Arc::from(request.sticky_task_queue),
        };
        let now = node.now();
        let (tasks, queries) = node.queues.unload(&key, now);
        // Their callers see that nobody will answer, and turn to the normal queue.
        let mut waiting = crate::node::lock(&self.queries.waiting);
        for query in queries {
            waiting.remove(&query.id);
        }
        drop(waiting);
        for task in tasks {
            let shard = node.shard_of(&task.run.namespace_id, &task.run.workflow_id);
            node.queues.offer(now, shard, task);
        }
        Ok(ShutdownWorkerResponse {})
    }

    fn end_polls(&self, call: &Call, request: &ShutdownWorkerRequest) {
        let instance_key = request.worker_instance_key.as_str();
        if instance_key.is_empty() || request.task_queue.is_empty() {
            return;
        }
        let node = self.node();
        // First, so that no poll can begin to wait unseen.
        node.departed
            .note(node.now(), &call.namespace.id, instance_key);
        for (kind, queue_type) in [
            (TaskKind::Workflow, TaskQueueType::Workflow),
            (TaskKind::Activity, TaskQueueType::Activity),
        ] {
            let types = &request.task_queue_types;
            if !types.is_empty() && !types.contains(&(queue_type as i32)) {
                continue;
            }
            let key = QueueKey {
                namespace_id: call.namespace.id.as_str().into(),
                kind,
                name: request.task_queue.as_str().into(),
            };
            node.queues.dismiss(&key, &request.identity, instance_key);
        }
    }
}
