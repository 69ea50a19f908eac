//! What the official web UI relies on and would not complain about: it shows less, or something wrong, instead. Each
//! test is one such dependency, as the UI's calls reach this server.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::{Duration, Instant};

use prost::Message;
use steadfast_protocol::common::{Payload, Payloads, WorkflowExecution, WorkflowType};
use steadfast_protocol::enums::{EventType, TaskQueueType, WorkflowExecutionStatus};
use steadfast_protocol::history::HistoryEvent;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::sdk::{UserMetadata, WorkflowTaskCompletedMetadata};
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::{command, enums, operatorservice as op, workflowservice as wf};
use support::{Served, call, call_with, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::{Code, Request, Status};

const PATIENCE: Duration = Duration::from_secs(10);
const NAMESPACE: &str = "default";

/// Calls an RPC as the server of the UI does.
async fn ask<T: Message + Default>(
    served: &Served,
    rpc: &str,
    request: impl Message,
) -> Result<T, Status> {
    ask_as(served, ("temporal-ui", "2.53.1"), PATIENCE, rpc, request).await
}

async fn ask_as<T: Message + Default>(
    served: &Served,
    (name, version): (&'static str, &'static str),
    patience: Duration,
    rpc: &str,
    request: impl Message,
) -> Result<T, Status> {
    let path = format!("/temporal.api.workflowservice.v1.WorkflowService/{rpc}");
    let mut request = Request::new(request.encode_to_vec());
    request.set_timeout(patience);
    let metadata = request.metadata_mut();
    metadata.insert("client-name", name.parse().unwrap());
    metadata.insert("client-version", version.parse().unwrap());
    metadata.insert("caller-type", "operator".parse().unwrap());
    let answer = call_with(&served.channel, &path, request).await?;
    Ok(T::decode(answer).unwrap())
}

fn queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue {
        name: name.to_owned(),
        ..TaskQueue::default()
    })
}

fn execution(workflow_id: &str, run_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution {
        workflow_id: workflow_id.to_owned(),
        run_id: run_id.to_owned(),
    })
}

async fn start(served: &Served, workflow_id: &str) -> String {
    let request = wf::StartWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(WorkflowType {
            name: "Flow".to_owned(),
        }),
        task_queue: queue("q"),
        request_id: support::new_id(),
        user_metadata: Some(UserMetadata {
            summary: Some(text("a summary")),
            details: None,
        }),
        ..Default::default()
    };
    let started: wf::StartWorkflowExecutionResponse =
        ask(served, "StartWorkflowExecution", request)
            .await
            .unwrap();
    started.run_id
}

fn text(text: &str) -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), "json/plain".into())].into(),
        data: format!("\"{text}\"").into(),
        ..Payload::default()
    }
}

async fn terminate(served: &Served, workflow_id: &str) {
    let request = wf::TerminateWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: execution(workflow_id, ""),
        ..Default::default()
    };
    let _: wf::TerminateWorkflowExecutionResponse =
        ask(served, "TerminateWorkflowExecution", request)
            .await
            .unwrap();
}

async fn signal(served: &Served, workflow_id: &str) {
    let request = wf::SignalWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: execution(workflow_id, ""),
        signal_name: "go".to_owned(),
        ..Default::default()
    };
    let _: wf::SignalWorkflowExecutionResponse = ask(served, "SignalWorkflowExecution", request)
        .await
        .unwrap();
}

async fn poll(served: &Served) -> wf::PollWorkflowTaskQueueResponse {
    let request = wf::PollWorkflowTaskQueueRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: queue("q"),
        identity: "a worker".to_owned(),
        ..Default::default()
    };
    let task: wf::PollWorkflowTaskQueueResponse = ask_as(
        served,
        ("temporal-go", "1.38.0"),
        PATIENCE,
        "PollWorkflowTaskQueue",
        request,
    )
    .await
    .unwrap();
    assert!(!task.task_token.is_empty(), "there was no task");
    task
}

async fn fail(served: &Served, task: &wf::PollWorkflowTaskQueueResponse) {
    let request = wf::RespondWorkflowTaskFailedRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: task.task_token.clone(),
        cause: enums::WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure as i32,
        ..Default::default()
    };
    let _: wf::RespondWorkflowTaskFailedResponse =
        ask(served, "RespondWorkflowTaskFailed", request)
            .await
            .unwrap();
}

async fn complete(
    served: &Served,
    task: &wf::PollWorkflowTaskQueueResponse,
    commands: Vec<command::Command>,
) {
    let request = wf::RespondWorkflowTaskCompletedRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: task.task_token.clone(),
        sdk_metadata: Some(WorkflowTaskCompletedMetadata {
            sdk_name: "temporal-go".to_owned(),
            sdk_version: "1.38.0".to_owned(),
            ..Default::default()
        }),
        commands,
        ..Default::default()
    };
    let _: wf::RespondWorkflowTaskCompletedResponse =
        ask(served, "RespondWorkflowTaskCompleted", request)
            .await
            .unwrap();
}

fn end() -> command::Command {
    command::Command {
        command_type: enums::CommandType::CompleteWorkflowExecution as i32,
        attributes: Some(
            command::command::Attributes::CompleteWorkflowExecutionCommandAttributes(
                command::CompleteWorkflowExecutionCommandAttributes {
                    result: Some(Payloads {
                        payloads: vec![text("done")],
                    }),
                },
            ),
        ),
        ..Default::default()
    }
}

async fn list(served: &Served, query: &str) -> Vec<(String, String)> {
    let request = wf::ListWorkflowExecutionsRequest {
        namespace: NAMESPACE.to_owned(),
        query: query.to_owned(),
        ..Default::default()
    };
    let listed: wf::ListWorkflowExecutionsResponse = ask(served, "ListWorkflowExecutions", request)
        .await
        .unwrap();
    (listed.executions.into_iter())
        .map(|info| {
            let execution = info.execution.unwrap();
            (execution.workflow_id, execution.run_id)
        })
        .collect()
}

/// Lists until that is so; what was written is listed some hundredths of a second later.
async fn listed(served: &Served, query: &str, wanted: &[&str]) -> Vec<(String, String)> {
    let since = Instant::now();
    loop {
        let found = list(served, query).await;
        if found
            .iter()
            .map(|(id, _)| id.as_str())
            .eq(wanted.iter().copied())
        {
            return found;
        }
        assert!(
            since.elapsed() < PATIENCE,
            "{query}: {found:?}, not {wanted:?}"
        );
        tokio::task::yield_now().await;
    }
}

async fn count(
    served: &Served,
    query: &str,
) -> Result<wf::CountWorkflowExecutionsResponse, Status> {
    let request = wf::CountWorkflowExecutionsRequest {
        namespace: NAMESPACE.to_owned(),
        query: query.to_owned(),
    };
    ask(served, "CountWorkflowExecutions", request).await
}

fn history(
    workflow_id: &str,
    run_id: &str,
    waits: bool,
    token: bytes::Bytes,
) -> wf::GetWorkflowExecutionHistoryRequest {
    wf::GetWorkflowExecutionHistoryRequest {
        namespace: NAMESPACE.to_owned(),
        execution: execution(workflow_id, run_id),
        wait_new_event: waits,
        next_page_token: token,
        ..Default::default()
    }
}

fn ids(events: &[HistoryEvent]) -> Vec<i64> {
    events.iter().map(|event| event.event_id).collect()
}

async fn ids_seen_by(served: &Served, client: (&'static str, &'static str), id: &str) -> Vec<i64> {
    let request = history(id, "", false, Default::default());
    let answer: wf::GetWorkflowExecutionHistoryResponse = ask_as(
        served,
        client,
        PATIENCE,
        "GetWorkflowExecutionHistory",
        request,
    )
    .await
    .unwrap();
    ids(&answer.history.unwrap().events)
}

#[tokio::test]
async fn the_version_is_plain_and_ours_stands_elsewhere() {
    let served = serve().await;
    let cluster: wf::GetClusterInfoResponse =
        ask(&served, "GetClusterInfo", wf::GetClusterInfoRequest {})
            .await
            .unwrap();
    let numbers: Vec<u32> = cluster
        .server_version
        .split('.')
        .map(|number| number.parse().unwrap())
        .collect();
    assert_eq!(numbers.len(), 3);
    assert!(numbers >= vec![1, 32, 0], "{numbers:?}");
    let release = cluster.version_info.unwrap().current.unwrap();
    assert!(release.notes.starts_with("Steadfast "), "{release:?}");
    let system: wf::GetSystemInfoResponse =
        ask(&served, "GetSystemInfo", wf::GetSystemInfoRequest {})
            .await
            .unwrap();
    assert_eq!(system.server_version, cluster.server_version);
    assert!(system.capabilities.unwrap().count_group_by_execution_status);
}

#[tokio::test]
async fn every_namespace_has_a_retention_and_capabilities() {
    let served = serve().await;
    let all: wf::ListNamespacesResponse = ask(
        &served,
        "ListNamespaces",
        wf::ListNamespacesRequest::default(),
    )
    .await
    .unwrap();
    assert!(all.namespaces.len() >= 2);
    for listed in all.namespaces {
        let describe = wf::DescribeNamespaceRequest {
            namespace: listed.namespace_info.unwrap().name,
            ..Default::default()
        };
        let described: wf::DescribeNamespaceResponse =
            ask(&served, "DescribeNamespace", describe).await.unwrap();
        let config = described.config.unwrap();
        assert!(config.workflow_execution_retention_ttl.is_some());
        assert!(described.namespace_info.unwrap().capabilities.is_some());
    }
}

#[tokio::test]
async fn columns_that_the_ui_knows_are_attributes() {
    let served = serve().await;
    let request = op::ListSearchAttributesRequest {
        namespace: NAMESPACE.to_owned(),
    };
    let path = "/temporal.api.operatorservice.v1.OperatorService/ListSearchAttributes";
    let answer = call(&served.channel, path, request.encode_to_vec(), PATIENCE)
        .await
        .unwrap();
    let known = op::ListSearchAttributesResponse::decode(answer).unwrap();
    for (name, kind) in [
        ("ExecutionStatus", enums::IndexedValueType::Keyword),
        ("StartTime", enums::IndexedValueType::Datetime),
        ("ExecutionDuration", enums::IndexedValueType::Int),
        ("RootWorkflowId", enums::IndexedValueType::Keyword),
        ("TemporalWorkerDeployment", enums::IndexedValueType::Keyword),
        (
            "TemporalWorkerDeploymentVersion",
            enums::IndexedValueType::Keyword,
        ),
        (
            "TemporalWorkflowVersioningBehavior",
            enums::IndexedValueType::Keyword,
        ),
        (
            "TemporalReportedProblems",
            enums::IndexedValueType::KeywordList,
        ),
        (
            "TemporalChangeVersion",
            enums::IndexedValueType::KeywordList,
        ),
        ("TemporalScheduledById", enums::IndexedValueType::Keyword),
        ("TemporalSchedulePaused", enums::IndexedValueType::Bool),
    ] {
        assert_eq!(
            known.system_attributes.get(name),
            Some(&(kind as i32)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_dialect_of_the_filters_is_understood() {
    let served = serve().await;
    start(&served, "dialect-1").await;
    start(&served, "dialect-2").await;
    terminate(&served, "dialect-2").await;
    listed(&served, "ExecutionStatus = 'Terminated'", &["dialect-2"]).await;
    for (query, found) in [
        ("`ExecutionStatus`=\"Running\"", 1),
        (
            "`ExecutionStatus`=\"Running\" OR `ExecutionStatus`=\"Terminated\"",
            2,
        ),
        (
            "(`ExecutionStatus`=\"Failed\" or `ExecutionStatus`=\"Terminated\") and `WorkflowType`=\"Flow\"",
            1,
        ),
        ("`ParentWorkflowId` is null", 2),
        ("`ParentWorkflowId` is not null", 0),
        ("`WorkflowId` STARTS_WITH \"dialect-\"", 2),
        ("`WorkflowId` starts_with \"dialect-1\"", 1),
        ("`WorkflowId` in (\"dialect-1\", \"x\")", 1),
        ("`WorkflowId` IN (\"dialect-1\",\"dialect-2\")", 2),
        ("`TemporalSchedulePaused`=true", 0),
        (
            "`StartTime` BETWEEN \"2020-01-01T00:00:00.000Z\" AND \"2999-01-01T00:00:00.000Z\"",
            2,
        ),
        ("`StartTime` > \"2999-01-01T00:00:00.000Z\"", 0),
        ("`CloseTime` is null", 1),
        ("`ExecutionDuration` < \"1h\"", 1),
        ("`ExecutionDuration` < 3600000000000", 1),
        // Known of closed runs only, as in the reference.
        ("`HistoryLength` >= 2", 1),
        ("`WorkflowId`=\"a \\\"quoted\\\" \\\\ one\"", 0),
        ("  `WorkflowId`=\"dialect-1\"  ", 1),
        (
            "`ExecutionStatus`=\"Running\" AND `TemporalReportedProblems` IN (\"category=WorkflowTaskFailed\", \"category=WorkflowTaskTimedOut\")",
            0,
        ),
        ("", 2),
    ] {
        assert_eq!(count(&served, query).await.unwrap().count, found, "{query}");
        assert_eq!(list(&served, query).await.len() as i64, found, "{query}");
    }
}

#[tokio::test]
async fn runs_are_counted_by_status() {
    let served = serve().await;
    for id in ["c-1", "c-2", "c-3"] {
        start(&served, id).await;
    }
    terminate(&served, "c-3").await;
    listed(&served, "ExecutionStatus = 'Terminated'", &["c-3"]).await;
    for query in [
        "GROUP BY ExecutionStatus",
        "WorkflowId STARTS_WITH 'c-' GROUP BY ExecutionStatus",
    ] {
        let counted = count(&served, query).await.unwrap();
        assert_eq!(counted.count, 3);
        let mut groups: Vec<_> = counted
            .groups
            .iter()
            .map(|group| {
                let value = &group.group_values[0];
                assert_eq!(value.metadata["encoding"], "json/plain");
                (String::from_utf8(value.data.to_vec()).unwrap(), group.count)
            })
            .collect();
        groups.sort();
        assert_eq!(
            groups,
            [
                ("\"Running\"".to_owned(), 2),
                ("\"Terminated\"".to_owned(), 1)
            ]
        );
    }
}

#[tokio::test]
async fn running_ones_come_first_then_what_closed_last() {
    let served = serve().await;
    for id in ["l-1", "l-2", "l-3", "l-4"] {
        start(&served, id).await;
    }
    for id in ["l-2", "l-1"] {
        terminate(&served, id).await;
    }
    listed(&served, "", &["l-4", "l-3", "l-1", "l-2"]).await;
}

#[tokio::test]
async fn the_first_of_an_ids_runs_is_the_latest() {
    let served = serve().await;
    for _ in 0..3 {
        let run_id = start(&served, "again").await;
        let since = Instant::now();
        while list(&served, "WorkflowId=\"again\"").await.first()
            != Some(&("again".to_owned(), run_id.clone()))
        {
            assert!(
                since.elapsed() < Duration::from_secs(1),
                "not listed within a second"
            );
            tokio::task::yield_now().await;
        }
        terminate(&served, "again").await;
    }
}

#[tokio::test]
async fn queues_that_nobody_knows_can_be_described() {
    let served = serve().await;
    start(&served, "w").await;
    poll(&served).await;
    let describe = |name: &str, task_queue_type: TaskQueueType| {
        let request = wf::DescribeTaskQueueRequest {
            namespace: NAMESPACE.to_owned(),
            task_queue: queue(name),
            task_queue_type: task_queue_type as i32,
            ..Default::default()
        };
        ask::<wf::DescribeTaskQueueResponse>(&served, "DescribeTaskQueue", request)
    };
    for kind in [
        TaskQueueType::Workflow,
        TaskQueueType::Activity,
        TaskQueueType::Nexus,
    ] {
        assert!(
            describe("unknown", kind).await.unwrap().pollers.is_empty(),
            "{kind:?}"
        );
    }
    let pollers = describe("q", TaskQueueType::Workflow)
        .await
        .unwrap()
        .pollers;
    assert_eq!(pollers.len(), 1);
    assert_eq!(pollers[0].identity, "a worker");
    assert!(pollers[0].last_access_time.is_some());
    // Who polls for workflow tasks polls for nothing else.
    for kind in [TaskQueueType::Activity, TaskQueueType::Nexus] {
        assert!(
            describe("q", kind).await.unwrap().pollers.is_empty(),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn a_history_can_be_read_from_its_end() {
    let served = serve().await;
    let run_id = start(&served, "long").await;
    for _ in 0..300 {
        signal(&served, "long").await;
    }
    let mut token = bytes::Bytes::new();
    let mut all = Vec::new();
    let mut pages = 0;
    loop {
        let request = wf::GetWorkflowExecutionHistoryReverseRequest {
            namespace: NAMESPACE.to_owned(),
            execution: execution("long", &run_id),
            maximum_page_size: 1000,
            next_page_token: token,
        };
        let page: wf::GetWorkflowExecutionHistoryReverseResponse =
            ask(&served, "GetWorkflowExecutionHistoryReverse", request)
                .await
                .unwrap();
        all.extend(ids(&page.history.unwrap().events));
        pages += 1;
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert!(pages > 1);
    assert_eq!(all, (1..=302).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reader_that_waits_gets_pages_and_tokens() {
    let served = serve().await;
    let run_id = start(&served, "followed").await;
    let wait = async |token, patience| {
        let request = history("followed", &run_id, true, token);
        let ui = ("temporal-ui", "2.53.1");
        let answer: wf::GetWorkflowExecutionHistoryResponse = ask_as(
            &served,
            ui,
            patience,
            "GetWorkflowExecutionHistory",
            request,
        )
        .await
        .unwrap();
        (
            ids(&answer.history.unwrap_or_default().events),
            answer.next_page_token,
        )
    };
    let (seen, token) = wait(bytes::Bytes::new(), PATIENCE).await;
    assert_eq!(seen, [1, 2], "the first page comes at once");
    assert!(!token.is_empty(), "the run is open");

    let (seen, token) = wait(token, Duration::from_secs(2)).await;
    assert!(seen.is_empty(), "nothing happened");
    assert!(!token.is_empty(), "the reader can go on");

    let ((seen, token), ()) = tokio::join!(wait(token, PATIENCE), signal(&served, "followed"));
    assert_eq!(seen, [3]);
    assert!(!token.is_empty());

    let ((seen, token), ()) = tokio::join!(wait(token, PATIENCE), terminate(&served, "followed"));
    assert_eq!(seen, [4]);
    assert!(token.is_empty(), "the run is closed");
}

#[tokio::test]
async fn a_reader_that_goes_away_leaves_nothing() {
    let served = serve().await;
    let run_id = start(&served, "left").await;
    let request = history("left", &run_id, true, Default::default());
    let first: wf::GetWorkflowExecutionHistoryResponse =
        ask(&served, "GetWorkflowExecutionHistory", request)
            .await
            .unwrap();
    let request = history("left", &run_id, true, first.next_page_token);
    let waiting = ask::<wf::GetWorkflowExecutionHistoryResponse>(
        &served,
        "GetWorkflowExecutionHistory",
        request,
    );
    assert!(
        tokio::time::timeout(Duration::from_millis(300), waiting)
            .await
            .is_err(),
        "there was something to read"
    );
    // The call is over on this side, and is counted as given up on the other.
    let line = "steadfast_requests_total{rpc=\"GetWorkflowExecutionHistory\",code=\"Cancelled\"} 1";
    let since = Instant::now();
    loop {
        let metrics = metrics(&served).await;
        if metrics.contains(line) {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "{metrics}");
    }
}

async fn metrics(served: &Served) -> String {
    let mut stream = tokio::net::TcpStream::connect(served.metrics_address)
        .await
        .unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn people_see_only_what_is_written() {
    let served = serve().await;
    start(&served, "stuck").await;
    fail(&served, &poll(&served).await).await;
    // The second attempt is not written before it succeeds.
    poll(&served).await;
    for client in [("temporal-ui", "2.53.1"), ("temporal-cli", "1.9.1")] {
        assert_eq!(
            ids_seen_by(&served, client, "stuck").await,
            [1, 2, 3, 4],
            "{client:?}"
        );
    }
    let worker = ids_seen_by(&served, ("temporal-go", "1.38.0"), "stuck").await;
    assert_eq!(worker, [1, 2, 3, 4, 5, 6]);
    let request = wf::GetWorkflowExecutionHistoryReverseRequest {
        namespace: NAMESPACE.to_owned(),
        execution: execution("stuck", ""),
        ..Default::default()
    };
    let reverse: wf::GetWorkflowExecutionHistoryReverseResponse =
        ask(&served, "GetWorkflowExecutionHistoryReverse", request)
            .await
            .unwrap();
    assert_eq!(ids(&reverse.history.unwrap().events), [4, 3, 2, 1]);
}

#[tokio::test]
async fn a_description_has_what_the_head_of_a_run_shows() {
    let served = serve().await;
    let run_id = start(&served, "shown").await;
    let request = wf::DescribeWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        execution: execution("shown", &run_id),
    };
    let describe = async || -> wf::DescribeWorkflowExecutionResponse {
        ask(&served, "DescribeWorkflowExecution", request.clone())
            .await
            .unwrap()
    };
    let described = describe().await;
    let config = described.execution_config.unwrap();
    assert_eq!(config.task_queue.unwrap().name, "q");
    assert_eq!(config.default_workflow_task_timeout.unwrap().seconds, 10);
    assert_eq!(
        config.user_metadata.unwrap().summary.unwrap(),
        text("a summary")
    );
    assert!(described.pending_workflow_task.is_some());
    assert!(described.workflow_extended_info.is_some());
    let info = described.workflow_execution_info.unwrap();
    assert!(info.execution_time.is_some());
    assert_eq!(info.history_length, 2);
    assert!(info.history_size_bytes > 0);
    assert!(info.state_transition_count > 0);
    assert_eq!(info.root_execution.unwrap().run_id, run_id);
    assert_eq!(info.first_run_id, run_id);

    let task = poll(&served).await;
    complete(&served, &task, vec![end()]).await;
    let described = describe().await;
    let info = described.workflow_execution_info.unwrap();
    assert_eq!(info.status, WorkflowExecutionStatus::Completed as i32);
    assert!(info.close_time.is_some());
    assert!(described.pending_workflow_task.is_none());

    let history: wf::GetWorkflowExecutionHistoryResponse = ask(
        &served,
        "GetWorkflowExecutionHistory",
        history("shown", &run_id, false, Default::default()),
    )
    .await
    .unwrap();
    let events = history.history.unwrap().events;
    assert_eq!(ids(&events), [1, 2, 3, 4, 5]);
    assert_eq!(
        events[0].event_type,
        EventType::WorkflowExecutionStarted as i32
    );
    match events[0].attributes.as_ref().unwrap() {
        Attributes::WorkflowExecutionStartedEventAttributes(started) => {
            assert_eq!(started.first_execution_run_id, run_id);
            assert_eq!(started.original_execution_run_id, run_id);
        }
        other => panic!("{other:?}"),
    }
    match events[3].attributes.as_ref().unwrap() {
        Attributes::WorkflowTaskCompletedEventAttributes(completed) => {
            let sdk = completed.sdk_metadata.as_ref().unwrap();
            assert_eq!(
                (&*sdk.sdk_name, &*sdk.sdk_version),
                ("temporal-go", "1.38.0")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_not_there_has_the_code_of_its_kind() {
    let served = serve().await;
    let request = wf::DescribeWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        execution: execution("missing", ""),
    };
    let missing =
        ask::<wf::DescribeWorkflowExecutionResponse>(&served, "DescribeWorkflowExecution", request);
    assert_eq!(missing.await.unwrap_err().code(), Code::NotFound);
    // The UI takes 404 and 501 of its gateway for "this server has no such feature".
    let request = wf::CountActivityExecutionsRequest::default();
    let unbuilt =
        ask::<wf::CountActivityExecutionsResponse>(&served, "CountActivityExecutions", request);
    assert_eq!(unbuilt.await.unwrap_err().code(), Code::Unimplemented);
}
