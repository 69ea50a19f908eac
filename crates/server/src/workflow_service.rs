//! WorkflowService: which RPC goes where.

use std::pin::pin;
use std::time::Instant;

use steadfast_protocol::workflowservice as wf;
use steadfast_protocol::workflowservice::workflow_service_server::WorkflowService;
use tonic::{Request, Response, Status};

use crate::deadline::Arrival;
use crate::frontend::{Frontend, stopping};
use crate::history::present_to_old_clients;
use crate::searches::Terms;
use crate::status::status;
use crate::waits::Wait;

macro_rules! workflow_service {
    (
        engine { $($plain:ident: $plain_request:ident => $plain_response:ident;)* }
        polls { $($poll:ident $wait:ident: $poll_request:ident => $poll_response:ident;)* }
        searches { $($search:ident: $search_request:ident => $search_response:ident;)* }
        here { $($own:ident: $own_request:ident => $own_response:ident;)* }
    ) => {
        #[tonic::async_trait]
        impl WorkflowService for Frontend {
            $(async fn $plain(
                &self,
                request: Request<wf::$plain_request>,
            ) -> Result<Response<wf::$plain_response>, Status> {
                let (call, request) = self.admit(request)?;
                self.engine.$plain(call, request).await.map(Response::new).map_err(status)
            })*

            // When the server stops, polls end as if there had been no task.
            $(async fn $poll(
                &self,
                request: Request<wf::$poll_request>,
            ) -> Result<Response<wf::$poll_response>, Status> {
                let (call, request) = self.admit(request)?;
                let _waiting = self.waits.begin(&call.namespace.id, Wait::$wait).map_err(status)?;
                let poll = pin!(self.engine.$poll(call, request));
                match self.until_stopping(poll).await {
                    Some(answer) => answer.map(Response::new).map_err(status),
                    None => Ok(Response::new(wf::$poll_response::default())),
                }
            })*

            $(async fn $search(
                &self,
                request: Request<wf::$search_request>,
            ) -> Result<Response<wf::$search_response>, Status> {
                let terms = terms(&request);
                Frontend::$search(self, request.into_inner(), terms).await.map(Response::new)
            })*

            $(async fn $own(
                &self,
                request: Request<wf::$own_request>,
            ) -> Result<Response<wf::$own_response>, Status> {
                Frontend::$own(self, request.into_inner()).await.map(Response::new)
            })*

            async fn shutdown_worker(
                &self,
                request: Request<wf::ShutdownWorkerRequest>,
            ) -> Result<Response<wf::ShutdownWorkerResponse>, Status> {
                let (call, mut request) = self.admit(request)?;
                let last_words = request.worker_heartbeat.take();
                self.workers.hear(&call.namespace.id, last_words, Instant::now());
                self.engine.shutdown_worker(call, request).await.map(Response::new).map_err(status)
            }

            async fn query_workflow(
                &self,
                request: Request<wf::QueryWorkflowRequest>,
            ) -> Result<Response<wf::QueryWorkflowResponse>, Status> {
                let (call, request) = self.admit(request)?;
                let _waiting = self.waits.begin(&call.namespace.id, Wait::Query).map_err(status)?;
                let query = pin!(self.engine.query_workflow(call, request));
                self.until_stopping(query)
                    .await
                    .unwrap_or_else(|| Err(stopping()))
                    .map(Response::new)
                    .map_err(status)
            }

            async fn get_workflow_execution_history(
                &self,
                request: Request<wf::GetWorkflowExecutionHistoryRequest>,
            ) -> Result<Response<wf::GetWorkflowExecutionHistoryResponse>, Status> {
                let follows_runs = has_feature(&request, FOLLOWS_NEXT_RUN);
                let (call, request) = self.admit(request)?;
                let _waiting = match request.wait_new_event {
                    true => Some(self.waits.begin(&call.namespace.id, Wait::History).map_err(status)?),
                    false => None,
                };
                let filter = request.history_event_filter_type();
                let read = pin!(self.engine.get_workflow_execution_history(call, request));
                let mut answer = self
                    .until_stopping(read)
                    .await
                    .unwrap_or_else(|| Err(stopping()))
                    .map_err(status)?;
                if !follows_runs {
                    present_to_old_clients(filter, &mut answer);
                }
                Ok(Response::new(answer))
            }
        }
    };
}

workflow_service! {
    engine {
        start_workflow_execution: StartWorkflowExecutionRequest => StartWorkflowExecutionResponse;
        signal_with_start_workflow_execution: SignalWithStartWorkflowExecutionRequest => SignalWithStartWorkflowExecutionResponse;
        signal_workflow_execution: SignalWorkflowExecutionRequest => SignalWorkflowExecutionResponse;
        request_cancel_workflow_execution: RequestCancelWorkflowExecutionRequest => RequestCancelWorkflowExecutionResponse;
        terminate_workflow_execution: TerminateWorkflowExecutionRequest => TerminateWorkflowExecutionResponse;
        delete_workflow_execution: DeleteWorkflowExecutionRequest => DeleteWorkflowExecutionResponse;
        describe_workflow_execution: DescribeWorkflowExecutionRequest => DescribeWorkflowExecutionResponse;
        get_workflow_execution_history_reverse: GetWorkflowExecutionHistoryReverseRequest => GetWorkflowExecutionHistoryReverseResponse;
        respond_workflow_task_completed: RespondWorkflowTaskCompletedRequest => RespondWorkflowTaskCompletedResponse;
        respond_workflow_task_failed: RespondWorkflowTaskFailedRequest => RespondWorkflowTaskFailedResponse;
        respond_query_task_completed: RespondQueryTaskCompletedRequest => RespondQueryTaskCompletedResponse;
        reset_sticky_task_queue: ResetStickyTaskQueueRequest => ResetStickyTaskQueueResponse;
        record_activity_task_heartbeat: RecordActivityTaskHeartbeatRequest => RecordActivityTaskHeartbeatResponse;
        record_activity_task_heartbeat_by_id: RecordActivityTaskHeartbeatByIdRequest => RecordActivityTaskHeartbeatByIdResponse;
        respond_activity_task_completed: RespondActivityTaskCompletedRequest => RespondActivityTaskCompletedResponse;
        respond_activity_task_completed_by_id: RespondActivityTaskCompletedByIdRequest => RespondActivityTaskCompletedByIdResponse;
        respond_activity_task_failed: RespondActivityTaskFailedRequest => RespondActivityTaskFailedResponse;
        respond_activity_task_failed_by_id: RespondActivityTaskFailedByIdRequest => RespondActivityTaskFailedByIdResponse;
        respond_activity_task_canceled: RespondActivityTaskCanceledRequest => RespondActivityTaskCanceledResponse;
        respond_activity_task_canceled_by_id: RespondActivityTaskCanceledByIdRequest => RespondActivityTaskCanceledByIdResponse;
        describe_task_queue: DescribeTaskQueueRequest => DescribeTaskQueueResponse;
    }
    polls {
        poll_workflow_task_queue WorkflowTask: PollWorkflowTaskQueueRequest => PollWorkflowTaskQueueResponse;
        poll_activity_task_queue ActivityTask: PollActivityTaskQueueRequest => PollActivityTaskQueueResponse;
    }
    searches {
        list_workflow_executions: ListWorkflowExecutionsRequest => ListWorkflowExecutionsResponse;
        scan_workflow_executions: ScanWorkflowExecutionsRequest => ScanWorkflowExecutionsResponse;
        count_workflow_executions: CountWorkflowExecutionsRequest => CountWorkflowExecutionsResponse;
        list_open_workflow_executions: ListOpenWorkflowExecutionsRequest => ListOpenWorkflowExecutionsResponse;
        list_closed_workflow_executions: ListClosedWorkflowExecutionsRequest => ListClosedWorkflowExecutionsResponse;
    }
    here {
        get_system_info: GetSystemInfoRequest => GetSystemInfoResponse;
        get_cluster_info: GetClusterInfoRequest => GetClusterInfoResponse;
        list_task_queue_partitions: ListTaskQueuePartitionsRequest => ListTaskQueuePartitionsResponse;
        get_search_attributes: GetSearchAttributesRequest => GetSearchAttributesResponse;
        register_namespace: RegisterNamespaceRequest => RegisterNamespaceResponse;
        describe_namespace: DescribeNamespaceRequest => DescribeNamespaceResponse;
        list_namespaces: ListNamespacesRequest => ListNamespacesResponse;
        update_namespace: UpdateNamespaceRequest => UpdateNamespaceResponse;
        deprecate_namespace: DeprecateNamespaceRequest => DeprecateNamespaceResponse;
        record_worker_heartbeat: RecordWorkerHeartbeatRequest => RecordWorkerHeartbeatResponse;
        list_workers: ListWorkersRequest => ListWorkersResponse;
        count_workers: CountWorkersRequest => CountWorkersResponse;
        describe_worker: DescribeWorkerRequest => DescribeWorkerResponse;
    }
}

/// The client looks for the next run of a chain itself.
const FOLLOWS_NEXT_RUN: &str = "follows-next-run-id";
/// The client means an `ORDER BY` or a `CONTAINS` in a query. Without this they are refused, as the reference's SQL stores
/// do.
const EXTENDED_QUERIES: &str = "order-by";

fn terms<T>(request: &Request<T>) -> Terms {
    Terms {
        extended: has_feature(request, EXTENDED_QUERIES),
        deadline: Arrival::now(request.metadata().as_ref()).deadline,
    }
}

/// Whether the client says that it knows about a feature.
fn has_feature<T>(request: &Request<T>, name: &str) -> bool {
    let features = request.metadata().get_all("supported-features");
    let mut features = features
        .iter()
        .filter_map(|features| features.to_str().ok());
    features.any(|features| features.split(',').any(|one| one.trim() == name))
}
