//! Small behaviours of the reference server that clients may meet.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use steadfast_engine::Limits;
use steadfast_protocol::command::command::Attributes as Do;
use steadfast_protocol::command::{Command, CompleteWorkflowExecutionCommandAttributes};
use steadfast_protocol::common::{Memo, Payload, Payloads, WorkflowExecution, WorkflowType};
use steadfast_protocol::deployment::WorkerDeploymentOptions;
use steadfast_protocol::enums::{
    CommandType, TaskQueueKind, VersioningBehavior, WorkerVersioningMode,
};
use steadfast_protocol::history::HistoryEvent;
use steadfast_protocol::history::history_event::Attributes as Did;
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::workflowservice as wf;
use steadfast_store::MemoryStore;
use steadfast_visibility::MemoryVisibility;
use support::{Served, ask, serve, serve_within};
use tonic::{Code, Status};
use tracing_subscriber::fmt::MakeWriter;

const NAMESPACE: &str = "default";

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue {
        name: "q".to_owned(),
        ..TaskQueue::default()
    })
}

fn start() -> wf::StartWorkflowExecutionRequest {
    wf::StartWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_id: "w".to_owned(),
        workflow_type: Some(WorkflowType {
            name: "Flow".to_owned(),
        }),
        task_queue: queue(),
        ..Default::default()
    }
}

fn execution() -> Option<WorkflowExecution> {
    Some(WorkflowExecution {
        workflow_id: "w".to_owned(),
        run_id: String::new(),
    })
}

async fn started(served: &Served, request: wf::StartWorkflowExecutionRequest) -> String {
    let rpc = "StartWorkflowExecution";
    let answer = ask::<wf::StartWorkflowExecutionResponse>(served, rpc, request).await;
    answer.unwrap().run_id
}

async fn poll(
    served: &Served,
    request: wf::PollWorkflowTaskQueueRequest,
) -> Result<wf::PollWorkflowTaskQueueResponse, Status> {
    let request = wf::PollWorkflowTaskQueueRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: queue(),
        ..request
    };
    ask(served, "PollWorkflowTaskQueue", request).await
}

async fn history(
    served: &Served,
    request: wf::GetWorkflowExecutionHistoryRequest,
) -> Vec<HistoryEvent> {
    let request = wf::GetWorkflowExecutionHistoryRequest {
        namespace: NAMESPACE.to_owned(),
        execution: execution(),
        ..request
    };
    let rpc = "GetWorkflowExecutionHistory";
    let answer = ask::<wf::GetWorkflowExecutionHistoryResponse>(served, rpc, request).await;
    answer.unwrap().history.unwrap().events
}

async fn serve_limited(limits: Limits) -> Served {
    let store = Arc::new(MemoryStore::new());
    serve_within(limits, store, Arc::new(MemoryVisibility::default())).await
}

#[tokio::test]
async fn callers_that_are_no_workers_may_have_long_identities() {
    let served = serve().await;
    let identity = "i".repeat(5000);
    let request = wf::StartWorkflowExecutionRequest {
        identity: identity.clone(),
        ..start()
    };
    started(&served, request).await;
    let events = history(&served, Default::default()).await;
    let Some(Did::WorkflowExecutionStartedEventAttributes(it)) = &events[0].attributes else {
        panic!("{:?}", events[0]);
    };
    assert_eq!(it.identity, identity);
    let request = wf::PollWorkflowTaskQueueRequest {
        identity,
        ..Default::default()
    };
    let refused = poll(&served, request).await.unwrap_err();
    assert_eq!(refused.message(), "Identity length exceeds limit.");
}

#[tokio::test]
async fn a_run_may_start_on_a_queue_of_the_kind_sticky() {
    let served = serve().await;
    let sticky = TaskQueue {
        name: "q".to_owned(),
        kind: TaskQueueKind::Sticky as i32,
        normal_name: "other".to_owned(),
    };
    let request = wf::StartWorkflowExecutionRequest {
        task_queue: Some(sticky.clone()),
        ..start()
    };
    started(&served, request).await;
    // So it is recorded, but its tasks are on the queue of that name like those of any other run.
    let request = wf::GetWorkflowExecutionHistoryRequest {
        maximum_page_size: -1,
        ..Default::default()
    };
    let events = history(&served, request).await;
    let queues: Vec<_> = events
        .iter()
        .filter_map(|event| match event.attributes.as_ref()? {
            Did::WorkflowExecutionStartedEventAttributes(it) => it.task_queue.clone(),
            Did::WorkflowTaskScheduledEventAttributes(it) => it.task_queue.clone(),
            _ => None,
        })
        .collect();
    let normal = TaskQueue {
        name: "q".to_owned(),
        kind: TaskQueueKind::Normal as i32,
        normal_name: String::new(),
    };
    assert_eq!(queues, [sticky, normal]);
    let task = poll(&served, Default::default()).await.unwrap();
    assert_eq!(task.workflow_execution.unwrap().workflow_id, "w");
}

#[tokio::test]
async fn a_queue_has_one_partition_of_each_type() {
    let served = serve().await;
    let ask = async |task_queue| {
        let request = wf::ListTaskQueuePartitionsRequest {
            namespace: NAMESPACE.to_owned(),
            task_queue,
        };
        let rpc = "ListTaskQueuePartitions";
        ask::<wf::ListTaskQueuePartitionsResponse>(&served, rpc, request).await
    };
    let listed = ask(queue()).await.unwrap();
    for partitions in [
        listed.workflow_task_queue_partitions,
        listed.activity_task_queue_partitions,
    ] {
        let [whole] = &partitions[..] else {
            panic!("{partitions:?}");
        };
        assert_eq!(whole.key, "q");
        assert_eq!(whole.owner_host_name, served.address.to_string());
    }
    let refused = ask(None).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.message(), "taskQueue is not set");
}

#[tokio::test]
async fn long_polls_wait_as_long_as_the_server_was_told() {
    let brief = Duration::from_millis(20).as_nanos() as i64;
    let served = serve_limited(Limits {
        task_poll: brief,
        history_poll: brief,
        ..Limits::DEFAULT
    })
    .await;
    let task = poll(&served, Default::default()).await.unwrap();
    assert!(task.task_token.is_empty());
    started(&served, start()).await;
    let request = wf::GetWorkflowExecutionHistoryRequest {
        wait_new_event: true,
        history_event_filter_type: 2,
        ..Default::default()
    };
    assert_eq!(history(&served, request).await, []);
}

#[tokio::test]
async fn only_workers_with_versioning_state_a_behaviour() {
    let served = serve().await;
    started(&served, start()).await;
    let task = poll(&served, Default::default()).await.unwrap();
    let mut request = wf::RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token,
        versioning_behavior: VersioningBehavior::Pinned as i32,
        ..Default::default()
    };
    let complete = async |request| {
        let rpc = "RespondWorkflowTaskCompleted";
        ask::<wf::RespondWorkflowTaskCompletedResponse>(&served, rpc, request).await
    };
    let refused = complete(request.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    request.deployment_options = Some(WorkerDeploymentOptions {
        deployment_name: "blue".to_owned(),
        build_id: "one".to_owned(),
        worker_versioning_mode: WorkerVersioningMode::Versioned as i32,
    });
    complete(request).await.unwrap();
    let events = history(&served, Default::default()).await;
    let Some(Did::WorkflowTaskCompletedEventAttributes(it)) = &events[3].attributes else {
        panic!("{:?}", events[3]);
    };
    assert_eq!(it.worker_deployment_name, "blue");
    assert_eq!(it.versioning_behavior(), VersioningBehavior::Pinned);
}

#[tokio::test]
async fn a_worker_that_shuts_down_has_its_polls_answered() {
    let served = serve_limited(Limits {
        shutdown_ends_polls: true,
        ..Limits::DEFAULT
    })
    .await;
    let poll_of = |worker: &str| wf::PollWorkflowTaskQueueRequest {
        worker_instance_key: worker.to_owned(),
        identity: worker.to_owned(),
        ..Default::default()
    };
    let pollers = async || {
        let request = wf::DescribeTaskQueueRequest {
            namespace: NAMESPACE.to_owned(),
            task_queue: queue(),
            ..Default::default()
        };
        let rpc = "DescribeTaskQueue";
        let described = ask::<wf::DescribeTaskQueueResponse>(&served, rpc, request).await;
        let pollers = described.unwrap().pollers;
        let identities = pollers.into_iter().map(|poller| poller.identity);
        identities.collect::<Vec<String>>()
    };
    let shutdown = async || {
        while pollers().await != ["going", "staying"] {
            tokio::task::yield_now().await;
        }
        let request = wf::ShutdownWorkerRequest {
            namespace: NAMESPACE.to_owned(),
            identity: "going".to_owned(),
            worker_instance_key: "going".to_owned(),
            task_queue: "q".to_owned(),
            ..Default::default()
        };
        ask::<wf::ShutdownWorkerResponse>(&served, "ShutdownWorker", request)
            .await
            .unwrap();
    };
    // The poll of the other worker gets the task that comes then.
    let going = async {
        let (polled, ()) = tokio::join!(poll(&served, poll_of("going")), shutdown());
        assert!(polled.unwrap().task_token.is_empty());
        let late = poll(&served, poll_of("going")).await.unwrap();
        assert!(late.task_token.is_empty());
        assert_eq!(pollers().await, ["staying"]);
        started(&served, start()).await;
    };
    let (staying, ()) = tokio::join!(poll(&served, poll_of("staying")), going);
    assert_eq!(
        staying.unwrap().workflow_execution.unwrap().workflow_id,
        "w"
    );
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// What was written since the last time.
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn what_is_large_is_logged() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    // The frontend of this test runs in the thread of this test.
    let _logging = tracing::subscriber::set_default(subscriber);
    let served = serve_limited(Limits {
        blob_size_logged: 1000,
        memo_size_logged: 500,
        ..Limits::DEFAULT
    })
    .await;
    log.take();
    let payload = |bytes: usize| Payload {
        data: vec![b'x'; bytes].into(),
        ..Payload::default()
    };
    let payloads = |bytes: usize| {
        Some(Payloads {
            payloads: vec![payload(bytes)],
        })
    };
    let request = wf::StartWorkflowExecutionRequest {
        input: payloads(900),
        ..start()
    };
    let run_id = started(&served, request).await;
    assert_eq!(log.take(), "");

    // A second start is refused; how large it was is logged all the same.
    let request = wf::StartWorkflowExecutionRequest {
        memo: Some(Memo {
            fields: [("note".to_owned(), payload(600))].into(),
        }),
        ..start()
    };
    ask::<wf::StartWorkflowExecutionResponse>(&served, "StartWorkflowExecution", request)
        .await
        .unwrap_err();
    let line = log.take();
    for part in [
        "WARN",
        "Blob data size exceeds the warning limit.",
        r#"namespace="default" workflow_id="w" run_id="" bytes=615 limit="limit.memoSize.warn""#,
        r#"request="StartWorkflowExecutionRequest""#,
    ] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(line.lines().count(), 1);

    let task = poll(&served, Default::default()).await.unwrap();
    let complete = CompleteWorkflowExecutionCommandAttributes {
        result: payloads(1500),
    };
    let request = wf::RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token,
        commands: vec![Command {
            command_type: CommandType::CompleteWorkflowExecution as i32,
            attributes: Some(Do::CompleteWorkflowExecutionCommandAttributes(complete)),
            ..Command::default()
        }],
        ..Default::default()
    };
    ask::<wf::RespondWorkflowTaskCompletedResponse>(
        &served,
        "RespondWorkflowTaskCompleted",
        request,
    )
    .await
    .unwrap();
    let line = log.take();
    let run =
        format!(r#"workflow_id="w" run_id="{run_id}" bytes=1506 limit="limit.blobSize.warn""#);
    assert!(line.contains(&run), "{line}");
    assert_eq!(line.lines().count(), 1);
}
