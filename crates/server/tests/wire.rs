//! What clients see of the wire: codes, details, headers, limits, health, reflection, metrics, the end of a server.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::{Duration, Instant};

use prost::Message;
use steadfast_protocol::common::{Payload, Payloads, WorkflowExecution, WorkflowType};
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::{enums, google::rpc, operatorservice as op, workflowservice as wf};
use support::{Served, ask, call, call_compressed, call_in_kind, call_with, serve, task_token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::{Code, Request, Status};

const PATIENCE: Duration = Duration::from_secs(5);

async fn operator<T: Message + Default>(
    served: &Served,
    rpc: &str,
    request: impl Message,
) -> Result<T, Status> {
    let path = format!("/temporal.api.operatorservice.v1.OperatorService/{rpc}");
    let answer = call(&served.channel, &path, request.encode_to_vec(), PATIENCE).await?;
    Ok(T::decode(answer).unwrap())
}

async fn refusal(served: &Served, rpc: &str, request: impl Message) -> (Code, String) {
    let status = ask::<wf::GetSystemInfoResponse>(served, rpc, request)
        .await
        .unwrap_err();
    (status.code(), status.message().to_owned())
}

fn invalid(message: &str) -> (Code, String) {
    (Code::InvalidArgument, message.to_owned())
}

fn start() -> wf::StartWorkflowExecutionRequest {
    wf::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        workflow_type: Some(WorkflowType {
            name: "Flow".to_owned(),
        }),
        task_queue: Some(TaskQueue {
            name: "q".to_owned(),
            ..TaskQueue::default()
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn clients_that_compress_are_answered_in_kind() {
    let served = serve().await;
    let input = vec![b'x'; 20_000];
    let started = wf::StartWorkflowExecutionRequest {
        input: Some(Payloads {
            payloads: vec![Payload {
                data: input.clone().into(),
                ..Payload::default()
            }],
        }),
        ..start()
    };
    let _: wf::StartWorkflowExecutionResponse = ask(&served, "StartWorkflowExecution", started)
        .await
        .unwrap();
    let history = wf::GetWorkflowExecutionHistoryRequest {
        namespace: "default".to_owned(),
        execution: Some(WorkflowExecution {
            workflow_id: "w".to_owned(),
            ..WorkflowExecution::default()
        }),
        ..Default::default()
    };
    let path = "/temporal.api.workflowservice.v1.WorkflowService/GetWorkflowExecutionHistory";
    let body = history.encode_to_vec();
    let plain = call(&served.channel, path, body.clone(), PATIENCE);
    let plain = plain.await.unwrap();
    assert!(plain.len() > input.len());
    let in_kind = call_in_kind(&served.channel, path, Request::new(body));
    assert_eq!(in_kind.await.unwrap(), (Some("gzip".to_owned()), plain));
    // Nothing to compress, and still in kind.
    let path = "/temporal.api.workflowservice.v1.WorkflowService/GetSystemInfo";
    let in_kind = call_in_kind(&served.channel, path, Request::new(Vec::new()));
    assert_eq!(in_kind.await.unwrap().0.as_deref(), Some("gzip"));
    let asked_plainly = call_compressed(&served.channel, path, Request::new(Vec::new()));
    assert!(asked_plainly.await.is_ok());
}

#[tokio::test]
async fn starts_are_checked_in_order() {
    let served = serve().await;
    let seconds = |seconds| Some(steadfast_protocol::Duration { seconds, nanos: 0 });
    let cases: Vec<(wf::StartWorkflowExecutionRequest, &str)> = vec![
        (
            wf::StartWorkflowExecutionRequest {
                namespace: String::new(),
                ..start()
            },
            "Namespace is empty.",
        ),
        (
            wf::StartWorkflowExecutionRequest {
                namespace: "n".repeat(1001),
                ..start()
            },
            "Namespace length exceeds limit.",
        ),
        (
            wf::StartWorkflowExecutionRequest {
                workflow_id: String::new(),
                workflow_type: None,
                ..start()
            },
            "WorkflowId is not set on request.",
        ),
        (
            wf::StartWorkflowExecutionRequest {
                workflow_id: "w".repeat(1001),
                ..start()
            },
            "WorkflowId exceeds maximum allowed length (1001/1000)",
        ),
        (
            wf::StartWorkflowExecutionRequest {
                workflow_type: None,
                task_queue: None,
                ..start()
            },
            "WorkflowType is not set on request.",
        ),
        (
            wf::StartWorkflowExecutionRequest {
                task_queue: Some(TaskQueue::default()),
                ..start()
            },
            "missing task queue name",
        ),
        (
            wf::StartWorkflowExecutionRequest {
                workflow_run_timeout: seconds(-1),
                ..start()
            },
            "An invalid WorkflowRunTimeoutSeconds is set on request. cause: negative duration",
        ),
        (
            wf::StartWorkflowExecutionRequest {
                cron_schedule: "* * * * *".to_owned(),
                workflow_start_delay: seconds(0),
                ..start()
            },
            "CronSchedule and WorkflowStartDelay may not be used together.",
        ),
        (
            wf::StartWorkflowExecutionRequest {
                workflow_id_reuse_policy: 99,
                ..start()
            },
            "99 is not a value of WorkflowIdReusePolicy.",
        ),
    ];
    for (request, message) in cases {
        assert_eq!(
            refusal(&served, "StartWorkflowExecution", request).await,
            invalid(message)
        );
    }
}

#[tokio::test]
async fn unknown_namespaces_are_named() {
    let served = serve().await;
    let request = wf::DescribeWorkflowExecutionRequest {
        namespace: "missing".to_owned(),
        execution: None,
    };
    let status =
        ask::<wf::DescribeWorkflowExecutionResponse>(&served, "DescribeWorkflowExecution", request)
            .await
            .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let details = rpc::Status::decode(status.details()).unwrap();
    assert!(
        details.details[0]
            .type_url
            .ends_with(".NamespaceNotFoundFailure")
    );
}

#[tokio::test]
async fn tokens_belong_to_a_namespace() {
    let served = serve().await;
    let other = served.namespaces.by_name("other").unwrap();
    let complete = |token: Vec<u8>| wf::RespondActivityTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token: token.into(),
        ..Default::default()
    };
    for (token, message) in [
        (Vec::new(), "Task token not set on request."),
        (b"not a token".to_vec(), "Error deserializing task token."),
        (
            task_token(&other.id),
            "Operation requested with a token from a different namespace.",
        ),
    ] {
        assert_eq!(
            refusal(&served, "RespondActivityTaskCompleted", complete(token)).await,
            invalid(message)
        );
    }
}

#[tokio::test]
async fn polls_say_how_long_they_wait() {
    let served = serve().await;
    let poll = wf::PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        ..Default::default()
    };
    let path = "/temporal.api.workflowservice.v1.WorkflowService/PollWorkflowTaskQueue";
    let without = call_with(&served.channel, path, Request::new(poll.encode_to_vec()))
        .await
        .unwrap_err();
    assert_eq!(without.message(), "Context timeout is not set.");
    let short = call(
        &served.channel,
        path,
        poll.encode_to_vec(),
        Duration::from_millis(500),
    )
    .await
    .unwrap_err();
    assert_eq!(short.code(), Code::FailedPrecondition);
    assert_eq!(
        refusal(&served, "PollWorkflowTaskQueue", poll).await,
        invalid("taskQueue is not set")
    );
}

#[tokio::test]
async fn namespaces_live_and_die() {
    let served = serve().await;
    let register = wf::RegisterNamespaceRequest {
        namespace: "orders".to_owned(),
        workflow_execution_retention_period: Some(steadfast_protocol::Duration {
            seconds: 86_400,
            nanos: 0,
        }),
        ..Default::default()
    };
    let _: wf::RegisterNamespaceResponse = ask(&served, "RegisterNamespace", register.clone())
        .await
        .unwrap();
    let again = refusal(&served, "RegisterNamespace", register.clone()).await;
    assert_eq!(again.0, Code::AlreadyExists);
    assert_eq!(again.1, "Namespace \"orders\" already exists");

    let describe = wf::DescribeNamespaceRequest {
        namespace: "orders".to_owned(),
        ..Default::default()
    };
    let described: wf::DescribeNamespaceResponse =
        ask(&served, "DescribeNamespace", describe.clone())
            .await
            .unwrap();
    let info = described.namespace_info.unwrap();
    assert!(info.capabilities.unwrap().eager_workflow_start);
    assert!(
        described
            .config
            .unwrap()
            .workflow_execution_retention_ttl
            .is_some()
    );

    let _: wf::DeprecateNamespaceResponse = ask(
        &served,
        "DeprecateNamespace",
        wf::DeprecateNamespaceRequest {
            namespace: "orders".to_owned(),
            ..Default::default()
        },
    )
    .await
    .unwrap();
    let refused = refusal(
        &served,
        "StartWorkflowExecution",
        wf::StartWorkflowExecutionRequest {
            namespace: "orders".to_owned(),
            ..start()
        },
    )
    .await;
    assert_eq!(
        refused,
        (
            Code::FailedPrecondition,
            "Namespace has invalid state: Deprecated. Must be Registered.".to_owned()
        )
    );

    let deleted: op::DeleteNamespaceResponse = operator(
        &served,
        "DeleteNamespace",
        op::DeleteNamespaceRequest {
            namespace: "orders".to_owned(),
            ..Default::default()
        },
    )
    .await
    .unwrap();
    assert!(deleted.deleted_namespace.starts_with("orders-deleted-"));
    assert_eq!(
        refusal(&served, "DescribeNamespace", describe).await.0,
        Code::NotFound
    );
    let _: wf::RegisterNamespaceResponse =
        ask(&served, "RegisterNamespace", register).await.unwrap();
}

#[tokio::test]
async fn namespaces_are_listed_in_pages() {
    let served = serve().await;
    let mut names = Vec::new();
    let mut token = Default::default();
    loop {
        let page: wf::ListNamespacesResponse = ask(
            &served,
            "ListNamespaces",
            wf::ListNamespacesRequest {
                page_size: 2,
                next_page_token: token,
                ..Default::default()
            },
        )
        .await
        .unwrap();
        names.extend(
            page.namespaces
                .into_iter()
                .map(|n| n.namespace_info.unwrap().name),
        );
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    names.sort();
    assert_eq!(names, ["default", "other", "temporal-system"]);
}

#[tokio::test]
async fn search_attributes_come_and_go() {
    let served = serve().await;
    let add = |name: &str, value_type: i32| op::AddSearchAttributesRequest {
        namespace: "default".to_owned(),
        search_attributes: [(name.to_owned(), value_type)].into(),
    };
    let int = enums::IndexedValueType::Int as i32;
    for (request, message) in [
        (
            add("WorkflowId", int),
            "Search attribute WorkflowId is reserved by system.",
        ),
        (add("Size", 99), "Unknown search attribute type: 99."),
        (
            add("Size", 0),
            "Unable to create search attributes: cannot have more than 0 search attribute of type Unspecified.",
        ),
    ] {
        let refused =
            operator::<op::AddSearchAttributesResponse>(&served, "AddSearchAttributes", request)
                .await
                .unwrap_err();
        assert_eq!(refused.message(), message);
    }
    let _: op::AddSearchAttributesResponse =
        operator(&served, "AddSearchAttributes", add("Size", int))
            .await
            .unwrap();
    let list = op::ListSearchAttributesRequest {
        namespace: "default".to_owned(),
    };
    let listed: op::ListSearchAttributesResponse = operator(&served, "ListSearchAttributes", list)
        .await
        .unwrap();
    assert_eq!(listed.custom_attributes["Size"], int);
    assert_eq!(listed.system_attributes.len(), 33);
    let count = |query: &str| wf::CountWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        query: query.to_owned(),
    };
    let counted: wf::CountWorkflowExecutionsResponse =
        ask(&served, "CountWorkflowExecutions", count("Size > 3"))
            .await
            .unwrap();
    assert_eq!(counted.count, 0);
    let (code, message) =
        refusal(&served, "CountWorkflowExecutions", count("Colour = 'red'")).await;
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.starts_with("invalid query: "), "{message}");
}

#[tokio::test]
async fn oversize_requests_are_refused_as_clients_know_it() {
    let served = serve().await;
    let mut request = start();
    request.identity = "i".repeat(5 << 20);
    let size = request.encoded_len();
    assert_eq!(
        refusal(&served, "StartWorkflowExecution", request).await,
        (
            Code::ResourceExhausted,
            format!("grpc: received message larger than max ({size} vs. 4194304)")
        )
    );
}

#[tokio::test]
async fn what_is_no_message_is_an_invalid_argument() {
    let served = serve().await;
    let path = "/temporal.api.workflowservice.v1.WorkflowService/StartWorkflowExecution";
    let status = call(&served.channel, path, vec![0xff; 20], PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let served = serve().await;
    let unimplemented = |path: &'static str| {
        let channel = served.channel.clone();
        async move {
            let status = call(&channel, path, Vec::new(), PATIENCE)
                .await
                .unwrap_err();
            assert_eq!(status.code(), Code::Unimplemented);
            status.message().to_owned()
        }
    };
    assert_eq!(
        unimplemented("/temporal.api.workflowservice.v1.WorkflowService/CreateSchedule").await,
        "CreateSchedule is not implemented"
    );
    assert_eq!(
        unimplemented("/temporal.api.workflowservice.v1.WorkflowService/Nonsense").await,
        "unknown method Nonsense for service temporal.api.workflowservice.v1.WorkflowService"
    );
    assert_eq!(
        unimplemented("/some.Service/Rpc").await,
        "unknown service some.Service"
    );
}

#[tokio::test]
async fn clients_of_wrong_versions_are_refused() {
    let served = serve().await;
    let path = "/temporal.api.workflowservice.v1.WorkflowService/GetSystemInfo";
    let with = |headers: [(&'static str, &'static str); 2]| {
        let mut request = Request::new(Vec::new());
        for (name, value) in headers {
            request.metadata_mut().insert(name, value.parse().unwrap());
        }
        request
    };
    let old = with([("client-name", "temporal-go"), ("client-version", "2.1.0")]);
    let status = call_with(&served.channel, path, old).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    let details = rpc::Status::decode(status.details()).unwrap();
    assert!(
        details.details[0]
            .type_url
            .ends_with(".ClientVersionNotSupportedFailure")
    );
    let fine = with([("client-name", "temporal-go"), ("client-version", "1.38.0")]);
    assert!(call_with(&served.channel, path, fine).await.is_ok());
}

#[tokio::test]
async fn health_says_serving() {
    let served = serve().await;
    for service in ["", "temporal.api.workflowservice.v1.WorkflowService"] {
        // HealthCheckRequest { service = 1 }, HealthCheckResponse { status = 1 } with SERVING = 1.
        let request = WorkflowType {
            name: service.to_owned(),
        };
        let answer = call(
            &served.channel,
            "/grpc.health.v1.Health/Check",
            request.encode_to_vec(),
            PATIENCE,
        )
        .await
        .unwrap();
        assert_eq!(&answer[..], [8, 1]);
        let compressed = call_compressed(
            &served.channel,
            "/grpc.health.v1.Health/Check",
            Request::new(request.encode_to_vec()),
        );
        assert_eq!(&compressed.await.unwrap()[..], [8, 1]);
    }
}

#[tokio::test]
async fn requests_are_counted() {
    let served = serve().await;
    let _ = refusal(
        &served,
        "DescribeWorkflowExecution",
        WorkflowExecution::default(),
    )
    .await;
    let mut stream = tokio::net::TcpStream::connect(served.metrics_address)
        .await
        .unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let line =
        "steadfast_requests_total{rpc=\"DescribeWorkflowExecution\",code=\"InvalidArgument\"} 1";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("steadfast_request_seconds_bucket{"), "{text}");
}

#[tokio::test]
async fn a_server_ends_when_told_to() {
    let Served {
        stop,
        running,
        channel,
        ..
    } = serve().await;
    let path = "/temporal.api.workflowservice.v1.WorkflowService/GetSystemInfo";
    assert!(call(&channel, path, Vec::new(), PATIENCE).await.is_ok());
    let begun = Instant::now();
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert!(begun.elapsed() < PATIENCE);
}
