//! What a run looks like from outside (server-semantics 5.10, 7.5).

use steadfast_protocol::activity::ActivityOptions;
use steadfast_protocol::common::{
    ActivityType, Memo, SearchAttributes, WorkflowExecution, WorkflowType,
};
use steadfast_protocol::enums::{PendingActivityState, PendingWorkflowTaskState, TaskQueueKind};
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::workflow::{
    PendingActivityInfo, PendingChildExecutionInfo, PendingWorkflowTaskInfo, RequestIdInfo,
    ResetPoints, WorkflowExecutionConfig, WorkflowExecutionExtendedInfo, WorkflowExecutionInfo,
};
use steadfast_protocol::workflowservice::DescribeWorkflowExecutionResponse;

use crate::context::Context;
use crate::execution::Execution;
use crate::record::Activity;
use crate::time::{Time, to_duration, to_duration_opt};

/// Everything about `run` as it stands at `cx.now`.
pub fn describe(run: &Execution, cx: &Context<'_>) -> DescribeWorkflowExecutionResponse {
    DescribeWorkflowExecutionResponse {
        execution_config: Some(config(run)),
        workflow_execution_info: Some(info(run)),
        pending_activities: (run.activities.values())
            .map(|activity| pending_activity(activity, cx.now))
            .collect(),
        pending_children: pending_children(run),
        pending_workflow_task: pending_workflow_task(run),
        callbacks: Vec::new(),
        pending_nexus_operations: Vec::new(),
        workflow_extended_info: Some(extended_info(run)),
    }
}

/// What lists show of a run as well.
pub fn info(run: &Execution) -> WorkflowExecutionInfo {
    let started = run.start_attributes();
    let head = &run.head;
    let execution = WorkflowExecution {
        workflow_id: run.key.workflow_id.clone(),
        run_id: run.key.run_id.clone(),
    };
    let root = started.root_workflow_execution.clone();
    WorkflowExecutionInfo {
        root_execution: Some(root.unwrap_or_else(|| execution.clone())),
        execution: Some(execution),
        r#type: Some(WorkflowType {
            name: run.workflow_type().to_owned(),
        }),
        start_time: Some(Time(head.start_time).to_proto()),
        close_time: Time(head.close_time).to_proto_opt(),
        status: head.status,
        history_length: run.last_event_id(),
        parent_namespace_id: started.parent_workflow_namespace_id.clone(),
        parent_execution: started.parent_workflow_execution.clone(),
        execution_time: Some(Time(head.execution_time).to_proto()),
        memo: Some(Memo {
            fields: head.memo.clone(),
        }),
        search_attributes: Some(SearchAttributes {
            indexed_fields: head.search_attributes.clone(),
        }),
        auto_reset_points: (!head.reset_points.is_empty()).then(|| ResetPoints {
            points: head.reset_points.clone(),
        }),
        task_queue: run.task_queue().to_owned(),
        state_transition_count: head.transition_count,
        history_size_bytes: head.history_size,
        most_recent_worker_version_stamp: head.worker_version.clone(),
        worker_deployment_name: head.worker_deployment.clone(),
        execution_duration: duration(run).map(to_duration),
        first_run_id: started.first_execution_run_id.clone(),
        priority: started.priority.clone(),
        ..Default::default()
    }
}

/// How long the closed run took, from the end of its first backoff, nanoseconds; `None` while it is open.
pub fn duration(run: &Execution) -> Option<i64> {
    let close_time = Time(run.head.close_time).some()?;
    // It may have been closed during the backoff.
    Some(close_time.since(Time(run.head.execution_time)).max(0))
}

fn config(run: &Execution) -> WorkflowExecutionConfig {
    let started = run.start_attributes();
    WorkflowExecutionConfig {
        task_queue: Some(TaskQueue {
            name: run.task_queue().to_owned(),
            kind: TaskQueueKind::Normal as i32,
            normal_name: String::new(),
        }),
        workflow_execution_timeout: started.workflow_execution_timeout,
        workflow_run_timeout: started.workflow_run_timeout,
        default_workflow_task_timeout: started.workflow_task_timeout,
        user_metadata: run.started.user_metadata.clone(),
    }
}

fn extended_info(run: &Execution) -> WorkflowExecutionExtendedInfo {
    let head = &run.head;
    let requests = head.request_ids.iter().map(|request| {
        let info = RequestIdInfo {
            event_type: request.event_type,
            event_id: request.event_id,
            buffered: request.event_id == 0,
        };
        (request.id.clone(), info)
    });
    WorkflowExecutionExtendedInfo {
        execution_expiration_time: Time(head.execution_expiration).to_proto_opt(),
        run_expiration_time: Time(head.run_expiration).to_proto_opt(),
        cancel_requested: head.cancel_requested,
        original_start_time: run.started.event_time,
        request_id_infos: requests.collect(),
        ..Default::default()
    }
}

fn pending_workflow_task(run: &Execution) -> Option<PendingWorkflowTaskInfo> {
    let task = run.head.workflow_task.as_ref()?;
    let started = run.started_task.as_ref();
    let state = match started {
        Some(_) => PendingWorkflowTaskState::Started,
        None => PendingWorkflowTaskState::Scheduled,
    };
    Some(PendingWorkflowTaskInfo {
        state: state as i32,
        scheduled_time: Some(Time(task.scheduled_time).to_proto()),
        original_scheduled_time: Some(Time(task.original_scheduled_time).to_proto()),
        started_time: started.map(|started| started.started_time.to_proto()),
        attempt: task.attempt,
    })
}

fn pending_children(run: &Execution) -> Vec<PendingChildExecutionInfo> {
    let children = run
        .children
        .values()
        .map(|child| PendingChildExecutionInfo {
            workflow_id: child.workflow_id.clone(),
            run_id: child.run_id.clone(),
            workflow_type_name: child.workflow_type.clone(),
            initiated_id: child.initiated_event_id,
            parent_close_policy: child.parent_close_policy,
        });
    children.collect()
}

fn pending_activity(activity: &Activity, now: Time) -> PendingActivityInfo {
    let is_started = activity.started_time != 0;
    let state = match (is_started, activity.cancel_requested) {
        (_, true) => PendingActivityState::CancelRequested,
        (true, false) => PendingActivityState::Started,
        (false, false) => PendingActivityState::Scheduled,
    };
    let backs_off = !is_started && activity.attempt > 1 && Time(activity.scheduled_time) > now;
    let expiration = match activity.schedule_to_close {
        0 => None,
        timeout => Some(Time(activity.first_scheduled_time).plus(timeout).to_proto()),
    };
    let worker = match activity.started_identity.is_empty() {
        true => activity.last_worker_identity.clone(),
        false => activity.started_identity.clone(),
    };
    let policy = activity.retry_policy.as_ref();
    PendingActivityInfo {
        activity_id: activity.activity_id.clone(),
        activity_type: Some(ActivityType {
            name: activity.activity_type.clone(),
        }),
        state: state as i32,
        heartbeat_details: activity.heartbeat_details.clone(),
        last_heartbeat_time: Time(activity.heartbeat_time).to_proto_opt(),
        last_started_time: Time(activity.started_time).to_proto_opt(),
        attempt: activity.attempt,
        maximum_attempts: policy.map_or(0, |policy| policy.maximum_attempts),
        scheduled_time: Some(Time(activity.scheduled_time).to_proto()),
        expiration_time: expiration,
        last_failure: activity.last_failure.clone(),
        last_worker_identity: worker,
        current_retry_interval: match backs_off {
            true => to_duration_opt(activity.retry_interval),
            false => None,
        },
        last_attempt_complete_time: Time(activity.last_attempt_complete_time).to_proto_opt(),
        next_attempt_schedule_time: match backs_off {
            true => Some(Time(activity.scheduled_time).to_proto()),
            false => None,
        },
        priority: activity.priority.clone(),
        activity_options: Some(activity_options(activity)),
        ..Default::default()
    }
}

fn activity_options(activity: &Activity) -> ActivityOptions {
    ActivityOptions {
        task_queue: Some(TaskQueue {
            name: activity.queue.clone(),
            kind: 0,
            normal_name: activity.queue.clone(),
        }),
        schedule_to_close_timeout: to_duration_opt(activity.schedule_to_close),
        schedule_to_start_timeout: to_duration_opt(activity.schedule_to_start),
        start_to_close_timeout: to_duration_opt(activity.start_to_close),
        heartbeat_timeout: to_duration_opt(activity.heartbeat_timeout),
        retry_policy: activity.retry_policy.clone(),
        priority: activity.priority.clone(),
        ..Default::default()
    }
}
