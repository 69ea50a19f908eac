//! Pages over a made-up server, every field of which says the same text.

#![allow(dead_code, reason = "no test needs all of it")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use steadfast_protocol::Timestamp;
use steadfast_protocol::activity::ActivityOptions;
use steadfast_protocol::common::{
    ActivityType, Memo, Payload, Payloads, SearchAttributes, WorkflowExecution, WorkflowType,
};
use steadfast_protocol::enums::EventType;
use steadfast_protocol::failure::ApplicationFailureInfo;
use steadfast_protocol::failure::Failure;
use steadfast_protocol::failure::failure::FailureInfo;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::history::{
    History, HistoryEvent, WorkflowExecutionFailedEventAttributes,
    WorkflowExecutionStartedEventAttributes,
};
use steadfast_protocol::namespace::NamespaceInfo;
use steadfast_protocol::operatorservice as op;
use steadfast_protocol::operatorservice::operator_service_server::{
    OperatorService, OperatorServiceServer,
};
use steadfast_protocol::taskqueue::{PollerInfo, TaskQueue, TaskQueueStats};
use steadfast_protocol::workflow::{
    PendingActivityInfo, PendingWorkflowTaskInfo, WorkflowExecutionInfo,
};
use steadfast_protocol::workflowservice as wf;
use steadfast_protocol::workflowservice::count_workflow_executions_response::AggregationGroup;
use steadfast_protocol::workflowservice::workflow_service_server::{
    WorkflowService, WorkflowServiceServer,
};
use steadfast_web::{Door, Options};
use tokio::sync::watch;
use tonic::{Request as Call, Response as Answer, Status};
use tower::{Service, ServiceExt};

/// A namespace of very many runs, in which counts by status of queries that hold this word take long.
pub(crate) const MANY: &str = "many";
pub(crate) const SLOWLY_COUNTED: &str = "Slow";
const SLOW_COUNT: Duration = Duration::from_secs(3);

/// A server with one namespace, one run, one queue. Every name in it is `text`.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) text: String,
    /// How often it was asked for a list.
    pub(crate) lists: Arc<AtomicUsize>,
}

/// The pages over such a server.
pub(crate) fn pages(text: &str, base_path: &str) -> Router {
    let base_path = base_path.to_owned();
    pages_with(
        text,
        Options {
            base_path,
            ..Options::default()
        },
    )
}

/// The same, shown in another way.
pub(crate) fn pages_with(text: &str, options: Options) -> Router {
    Fake::new(text).pages(watch::Sender::new(0).subscribe(), options)
}

/// An answer: status, headers and text.
pub(crate) async fn ask(
    pages: &Router,
    request: Request<Body>,
) -> (StatusCode, http::HeaderMap, String) {
    let response: Response<Body> = pages.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (parts.status, parts.headers, text)
}

pub(crate) async fn get(pages: &Router, url: &str) -> (StatusCode, http::HeaderMap, String) {
    ask(pages, Request::get(url).body(Body::empty()).unwrap()).await
}

/// A text as a segment of a path.
pub(crate) fn segment(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

impl Fake {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            lists: Arc::default(),
        }
    }

    /// The pages over it.
    pub(crate) fn pages(&self, listed: watch::Receiver<u64>, options: Options) -> Router {
        let mut workflow = WorkflowServiceServer::new(self.clone());
        let mut operator = OperatorServiceServer::new(self.clone());
        let door = tower::service_fn(move |request: Request<tonic::body::Body>| {
            let main = request.uri().path().contains("WorkflowService");
            if main {
                workflow.call(request)
            } else {
                operator.call(request)
            }
        });
        let options = Options {
            grpc_address: "localhost:7233".to_owned(),
            version: "0".to_owned(),
            ..options
        };
        let door = Door::new(door.map_err(|never: Infallible| match never {}));
        steadfast_web::router(door, listed, options)
    }

    fn name(&self) -> String {
        self.text.clone()
    }

    fn run(&self) -> WorkflowExecution {
        WorkflowExecution {
            workflow_id: self.name(),
            run_id: self.name(),
        }
    }

    fn payload(&self) -> Payload {
        Payload {
            metadata: [("encoding".to_owned(), "json/plain".into())].into(),
            data: serde_json::Value::from(self.name()).to_string().into(),
            ..Payload::default()
        }
    }

    fn info(&self) -> WorkflowExecutionInfo {
        WorkflowExecutionInfo {
            execution: Some(self.run()),
            r#type: Some(WorkflowType { name: self.name() }),
            start_time: Some(Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            close_time: Some(Timestamp {
                seconds: 1_700_000_090,
                nanos: 0,
            }),
            status: 3,
            task_queue: self.name(),
            parent_execution: Some(self.run()),
            root_execution: Some(self.run()),
            search_attributes: Some(SearchAttributes {
                indexed_fields: BTreeMap::from([(self.name(), self.payload())]),
            }),
            memo: Some(Memo {
                fields: BTreeMap::from([(self.name(), self.payload())]),
            }),
            ..WorkflowExecutionInfo::default()
        }
    }

    fn failure(&self) -> Failure {
        Failure {
            message: self.name(),
            source: self.name(),
            stack_trace: self.name(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(
                ApplicationFailureInfo {
                    r#type: self.name(),
                    ..ApplicationFailureInfo::default()
                },
            )),
            ..Failure::default()
        }
    }

    fn namespace(&self) -> wf::DescribeNamespaceResponse {
        wf::DescribeNamespaceResponse {
            namespace_info: Some(NamespaceInfo {
                name: self.name(),
                description: self.name(),
                owner_email: self.name(),
                id: self.name(),
                state: 1,
                data: BTreeMap::from([(
                    format!("ui.view.{}", self.text),
                    format!("?query={}", segment(&self.text)),
                )]),
                ..NamespaceInfo::default()
            }),
            ..wf::DescribeNamespaceResponse::default()
        }
    }
}

#[tonic::async_trait]
impl WorkflowService for Fake {
    async fn list_namespaces(
        &self,
        _: Call<wf::ListNamespacesRequest>,
    ) -> Result<Answer<wf::ListNamespacesResponse>, Status> {
        Ok(Answer::new(wf::ListNamespacesResponse {
            namespaces: vec![self.namespace()],
            next_page_token: "more".into(),
        }))
    }

    async fn describe_namespace(
        &self,
        call: Call<wf::DescribeNamespaceRequest>,
    ) -> Result<Answer<wf::DescribeNamespaceResponse>, Status> {
        match call.get_ref().namespace.as_str() {
            "missing" => Err(Status::not_found(format!(
                "Namespace {} is not found.",
                self.text
            ))),
            _ => Ok(Answer::new(self.namespace())),
        }
    }

    async fn list_workflow_executions(
        &self,
        call: Call<wf::ListWorkflowExecutionsRequest>,
    ) -> Result<Answer<wf::ListWorkflowExecutionsResponse>, Status> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        if call.get_ref().query.contains("Bogus") {
            return Err(Status::invalid_argument(format!(
                "invalid query: {}",
                self.text
            )));
        }
        Ok(Answer::new(wf::ListWorkflowExecutionsResponse {
            executions: vec![self.info()],
            next_page_token: "more".into(),
        }))
    }

    async fn count_workflow_executions(
        &self,
        call: Call<wf::CountWorkflowExecutionsRequest>,
    ) -> Result<Answer<wf::CountWorkflowExecutionsResponse>, Status> {
        let query = &call.get_ref().query;
        if query.contains(SLOWLY_COUNTED) && query.contains("GROUP BY") {
            tokio::time::sleep(SLOW_COUNT).await;
        }
        let is_all_of_many = call.get_ref().namespace == MANY && query.is_empty();
        let group = |name: &str| AggregationGroup {
            group_values: vec![Payload {
                data: format!("\"{name}\"").into(),
                ..Payload::default()
            }],
            count: 1234,
        };
        Ok(Answer::new(wf::CountWorkflowExecutionsResponse {
            count: if is_all_of_many { 1_000_000 } else { 2468 },
            groups: vec![group("Failed"), group("TimedOut"), group(&self.text)],
        }))
    }

    async fn describe_task_queue(
        &self,
        call: Call<wf::DescribeTaskQueueRequest>,
    ) -> Result<Answer<wf::DescribeTaskQueueResponse>, Status> {
        let workflow = call.get_ref().task_queue_type == 1;
        let poller = PollerInfo {
            identity: self.name(),
            ..PollerInfo::default()
        };
        Ok(Answer::new(wf::DescribeTaskQueueResponse {
            pollers: if workflow { Vec::new() } else { vec![poller] },
            stats: Some(TaskQueueStats {
                approximate_backlog_count: 3,
                approximate_backlog_age: Some(steadfast_protocol::Duration {
                    seconds: 60,
                    nanos: 0,
                }),
                ..TaskQueueStats::default()
            }),
            ..wf::DescribeTaskQueueResponse::default()
        }))
    }

    async fn describe_workflow_execution(
        &self,
        _: Call<wf::DescribeWorkflowExecutionRequest>,
    ) -> Result<Answer<wf::DescribeWorkflowExecutionResponse>, Status> {
        Ok(Answer::new(wf::DescribeWorkflowExecutionResponse {
            workflow_execution_info: Some(self.info()),
            pending_activities: vec![PendingActivityInfo {
                activity_id: self.name(),
                activity_type: Some(ActivityType { name: self.name() }),
                attempt: 7,
                last_failure: Some(self.failure()),
                last_worker_identity: self.name(),
                activity_options: Some(ActivityOptions::default()),
                ..PendingActivityInfo::default()
            }],
            pending_workflow_task: Some(PendingWorkflowTaskInfo {
                attempt: 5,
                ..PendingWorkflowTaskInfo::default()
            }),
            ..wf::DescribeWorkflowExecutionResponse::default()
        }))
    }

    async fn get_workflow_execution_history(
        &self,
        call: Call<wf::GetWorkflowExecutionHistoryRequest>,
    ) -> Result<Answer<wf::GetWorkflowExecutionHistoryResponse>, Status> {
        let attributes = match call.get_ref().history_event_filter_type {
            2 => Attributes::WorkflowExecutionFailedEventAttributes(
                WorkflowExecutionFailedEventAttributes {
                    failure: Some(self.failure()),
                    ..Default::default()
                },
            ),
            _ => Attributes::WorkflowExecutionStartedEventAttributes(
                WorkflowExecutionStartedEventAttributes {
                    workflow_type: Some(WorkflowType { name: self.name() }),
                    task_queue: Some(TaskQueue {
                        name: self.name(),
                        ..TaskQueue::default()
                    }),
                    input: Some(Payloads {
                        payloads: vec![self.payload()],
                    }),
                    memo: self.info().memo,
                    search_attributes: self.info().search_attributes,
                    cron_schedule: self.name(),
                    ..Default::default()
                }
                .into(),
            ),
        };
        Ok(Answer::new(wf::GetWorkflowExecutionHistoryResponse {
            history: Some(History::from(vec![HistoryEvent {
                event_id: 1,
                event_type: EventType::WorkflowExecutionStarted as i32,
                attributes: Some(attributes),
                ..HistoryEvent::default()
            }])),
            ..wf::GetWorkflowExecutionHistoryResponse::default()
        }))
    }

    async fn start_workflow_execution(
        &self,
        call: Call<wf::StartWorkflowExecutionRequest>,
    ) -> Result<Answer<wf::StartWorkflowExecutionResponse>, Status> {
        match call.get_ref().workflow_id.as_str() {
            "taken" => Err(Status::already_exists(self.name())),
            _ => Ok(Answer::new(wf::StartWorkflowExecutionResponse {
                run_id: "r".to_owned(),
                ..Default::default()
            })),
        }
    }

    async fn terminate_workflow_execution(
        &self,
        _: Call<wf::TerminateWorkflowExecutionRequest>,
    ) -> Result<Answer<wf::TerminateWorkflowExecutionResponse>, Status> {
        Err(Status::permission_denied(self.name()))
    }
}

#[tonic::async_trait]
impl OperatorService for Fake {
    async fn list_search_attributes(
        &self,
        _: Call<op::ListSearchAttributesRequest>,
    ) -> Result<Answer<op::ListSearchAttributesResponse>, Status> {
        Ok(Answer::new(op::ListSearchAttributesResponse {
            custom_attributes: BTreeMap::from([(self.name(), 2)]),
            system_attributes: BTreeMap::from([("WorkflowId".to_owned(), 2)]),
            ..op::ListSearchAttributesResponse::default()
        }))
    }
}
