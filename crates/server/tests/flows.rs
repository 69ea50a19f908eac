//! What a client and a worker see of runs, over the wire.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(deprecated, reason = "older clients still ask in older ways")]

mod support;

use std::sync::Arc;

use steadfast_engine::Limits;
use steadfast_protocol::command::command::Attributes as Do;
use steadfast_protocol::command::{
    Command, CompleteWorkflowExecutionCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes,
};
use steadfast_protocol::common::{Memo, Payload, Payloads, WorkflowExecution, WorkflowType};
use steadfast_protocol::enums::{
    CommandType, DescribeTaskQueueMode, EventType, TaskQueueType, WorkerStatus,
    WorkflowExecutionStatus, WorkflowIdReusePolicy,
};
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::worker::WorkerHeartbeat;
use steadfast_protocol::workflowservice as wf;
use steadfast_store::MemoryStore;
use steadfast_visibility::MemoryVisibility;
use support::{Served, ask, serve, serve_within};
use tonic::Code;

const NAMESPACE: &str = "default";

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue {
        name: "q".to_owned(),
        ..TaskQueue::default()
    })
}

fn flow() -> Option<WorkflowType> {
    Some(WorkflowType {
        name: "Flow".to_owned(),
    })
}

async fn start(served: &Served, workflow_id: &str) -> String {
    let request = wf::StartWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: flow(),
        task_queue: queue(),
        ..Default::default()
    };
    let started =
        ask::<wf::StartWorkflowExecutionResponse>(served, "StartWorkflowExecution", request);
    started.await.unwrap().run_id
}

async fn poll(served: &Served) -> wf::PollWorkflowTaskQueueResponse {
    let request = wf::PollWorkflowTaskQueueRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: queue(),
        ..Default::default()
    };
    ask(served, "PollWorkflowTaskQueue", request).await.unwrap()
}

#[tokio::test]
async fn a_child_may_take_the_place_of_a_running_workflow() {
    let served = serve().await;
    start(&served, "parent").await;
    let task = poll(&served).await;
    let in_the_way = start(&served, "child").await;
    let child = StartChildWorkflowExecutionCommandAttributes {
        workflow_id: "child".to_owned(),
        workflow_type: flow(),
        workflow_id_reuse_policy: WorkflowIdReusePolicy::TerminateIfRunning as i32,
        ..Default::default()
    };
    let done = wf::RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token,
        commands: vec![Command {
            command_type: CommandType::StartChildWorkflowExecution as i32,
            attributes: Some(Do::StartChildWorkflowExecutionCommandAttributes(child)),
            ..Default::default()
        }],
        ..Default::default()
    };
    ask::<wf::RespondWorkflowTaskCompletedResponse>(&served, "RespondWorkflowTaskCompleted", done)
        .await
        .unwrap();
    // The parent's next task says what became of the start.
    let events = loop {
        let task = poll(&served).await;
        if task.workflow_execution.unwrap().workflow_id == "parent" {
            break task.history.unwrap().events;
        }
    };
    let started = EventType::ChildWorkflowExecutionStarted as i32;
    assert!(events.iter().any(|event| event.event_type == started));
    let request = wf::DescribeWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        execution: Some(WorkflowExecution {
            workflow_id: "child".to_owned(),
            run_id: in_the_way,
        }),
    };
    let described: wf::DescribeWorkflowExecutionResponse =
        ask(&served, "DescribeWorkflowExecution", request)
            .await
            .unwrap();
    assert_eq!(
        described.workflow_execution_info.unwrap().status(),
        WorkflowExecutionStatus::Terminated
    );
}

#[tokio::test]
async fn workers_that_send_heartbeats_are_listed_by_page() {
    let served = serve().await;
    let heartbeat = |number: i32| WorkerHeartbeat {
        worker_instance_key: format!("key{number}"),
        task_queue: "q".to_owned(),
        status: WorkerStatus::Running as i32,
        ..WorkerHeartbeat::default()
    };
    let record = wf::RecordWorkerHeartbeatRequest {
        namespace: NAMESPACE.to_owned(),
        worker_heartbeat: (1..=3).map(heartbeat).collect(),
        ..Default::default()
    };
    ask::<wf::RecordWorkerHeartbeatResponse>(&served, "RecordWorkerHeartbeat", record)
        .await
        .unwrap();
    let mut list = wf::ListWorkersRequest {
        namespace: NAMESPACE.to_owned(),
        page_size: 2,
        query: "Status = 'Running'".to_owned(),
        ..Default::default()
    };
    let mut keys = Vec::new();
    loop {
        let page: wf::ListWorkersResponse =
            ask(&served, "ListWorkers", list.clone()).await.unwrap();
        assert!(page.workers.len() <= 2);
        keys.extend(page.workers.into_iter().map(|it| it.worker_instance_key));
        list.next_page_token = page.next_page_token;
        if list.next_page_token.is_empty() {
            break;
        }
    }
    assert_eq!(keys, ["key1", "key2", "key3"]);
    let last_words = wf::ShutdownWorkerRequest {
        namespace: NAMESPACE.to_owned(),
        worker_heartbeat: Some(WorkerHeartbeat {
            status: WorkerStatus::Shutdown as i32,
            ..heartbeat(2)
        }),
        ..Default::default()
    };
    ask::<wf::ShutdownWorkerResponse>(&served, "ShutdownWorker", last_words)
        .await
        .unwrap();
    let describe = wf::DescribeWorkerRequest {
        namespace: NAMESPACE.to_owned(),
        worker_instance_key: "key2".to_owned(),
    };
    let gone = ask::<wf::DescribeWorkerResponse>(&served, "DescribeWorker", describe).await;
    assert_eq!(gone.unwrap_err().code(), Code::NotFound);
    let count = wf::CountWorkersRequest {
        namespace: NAMESPACE.to_owned(),
        ..Default::default()
    };
    let counted: wf::CountWorkersResponse = ask(&served, "CountWorkers", count).await.unwrap();
    assert_eq!(counted.count, 2);
}

#[tokio::test]
async fn a_task_queue_is_described_by_type_for_older_clients() {
    let served = serve().await;
    start(&served, "w").await;
    let request = wf::DescribeTaskQueueRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: queue(),
        api_mode: DescribeTaskQueueMode::Enhanced as i32,
        report_stats: true,
        ..Default::default()
    };
    let described: wf::DescribeTaskQueueResponse =
        ask(&served, "DescribeTaskQueue", request).await.unwrap();
    let backlog = |queue_type: TaskQueueType| {
        let types = &described.versions_info[""].types_info;
        let stats = types[&(queue_type as i32)].stats.as_ref().unwrap();
        stats.approximate_backlog_count
    };
    assert_eq!(backlog(TaskQueueType::Workflow), 1);
    assert_eq!(backlog(TaskQueueType::Activity), 0);
}

#[tokio::test]
async fn lists_and_counts_have_what_was_acknowledged_before() {
    let served = serve().await;
    let count = async |query: &str| {
        let request = wf::CountWorkflowExecutionsRequest {
            namespace: NAMESPACE.to_owned(),
            query: query.to_owned(),
        };
        let rpc = "CountWorkflowExecutions";
        let counted = ask::<wf::CountWorkflowExecutionsResponse>(&served, rpc, request);
        counted.await.unwrap().count
    };
    for number in 1..=50 {
        let workflow_id = format!("listed-{number}");
        start(&served, &workflow_id).await;
        let request = wf::ListWorkflowExecutionsRequest {
            namespace: NAMESPACE.to_owned(),
            query: format!("WorkflowId = '{workflow_id}'"),
            ..Default::default()
        };
        let rpc = "ListWorkflowExecutions";
        let listed = ask::<wf::ListWorkflowExecutionsResponse>(&served, rpc, request);
        assert_eq!(listed.await.unwrap().executions.len(), 1, "{workflow_id}");
        assert_eq!(count("ExecutionStatus = 'Running'").await, 1);

        let request = wf::TerminateWorkflowExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            workflow_execution: Some(WorkflowExecution {
                workflow_id,
                ..Default::default()
            }),
            ..Default::default()
        };
        let rpc = "TerminateWorkflowExecution";
        let ended = ask::<wf::TerminateWorkflowExecutionResponse>(&served, rpc, request);
        ended.await.unwrap();
        assert_eq!(count("ExecutionStatus = 'Terminated'").await, number);
    }
}

#[tokio::test]
async fn sizes_are_limited_as_the_server_was_told() {
    let limits = Limits {
        blob_size: 1000,
        memo_size: 500,
        ..Limits::DEFAULT
    };
    let store = Arc::new(MemoryStore::new());
    let served = serve_within(limits, store, Arc::new(MemoryVisibility::default())).await;
    let payload = |size: usize| Payload {
        data: vec![b'x'; size].into(),
        ..Payload::default()
    };
    let payloads = |size: usize| {
        Some(Payloads {
            payloads: vec![payload(size)],
        })
    };
    let memo = |size: usize| {
        Some(Memo {
            fields: [("note".to_owned(), payload(size))].into(),
        })
    };
    let request = wf::DescribeNamespaceRequest {
        namespace: NAMESPACE.to_owned(),
        ..Default::default()
    };
    let described =
        ask::<wf::DescribeNamespaceResponse>(&served, "DescribeNamespace", request).await;
    let shown = described.unwrap().namespace_info.unwrap().limits.unwrap();
    assert_eq!(shown.blob_size_limit_error, 1000);
    assert_eq!(shown.memo_size_limit_error, 500);

    let start = async |input: usize, note: usize| {
        let request = wf::StartWorkflowExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            workflow_id: "sized".to_owned(),
            workflow_type: flow(),
            task_queue: queue(),
            input: payloads(input),
            memo: memo(note),
            ..Default::default()
        };
        let rpc = "StartWorkflowExecution";
        let started = ask::<wf::StartWorkflowExecutionResponse>(&served, rpc, request);
        started.await.map_err(|error| {
            assert_eq!(error.code(), Code::InvalidArgument);
            error.message().to_owned()
        })
    };
    let refused = start(1000, 400).await.unwrap_err();
    assert_eq!(refused, "Blob data size exceeds limit.");
    let refused = start(900, 500).await.unwrap_err();
    assert_eq!(refused, "Memo size exceeds limit.");
    start(900, 400).await.unwrap();

    let task = poll(&served).await;
    let complete = CompleteWorkflowExecutionCommandAttributes {
        result: payloads(1000),
    };
    let request = wf::RespondWorkflowTaskCompletedRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: task.task_token,
        commands: vec![Command {
            command_type: CommandType::CompleteWorkflowExecution as i32,
            attributes: Some(Do::CompleteWorkflowExecutionCommandAttributes(complete)),
            ..Command::default()
        }],
        ..Default::default()
    };
    let rpc = "RespondWorkflowTaskCompleted";
    // What the worker is told is not the point here.
    let _ = ask::<wf::RespondWorkflowTaskCompletedResponse>(&served, rpc, request).await;
    let request = wf::DescribeWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        execution: task.workflow_execution,
    };
    let rpc = "DescribeWorkflowExecution";
    let described = ask::<wf::DescribeWorkflowExecutionResponse>(&served, rpc, request).await;
    let info = described.unwrap().workflow_execution_info.unwrap();
    assert_eq!(info.status(), WorkflowExecutionStatus::Terminated);
}
