//! What the services may ask of the engine: one method for each RPC that touches an execution or a task queue.

use std::sync::Arc;
use std::time::Instant;

use steadfast_core::Refusal;
use steadfast_protocol::workflowservice as wf;

use crate::Namespace;

/// The engine of one node. Cheap to clone.
#[derive(Clone)]
pub struct Engine {}

/// What a call brings besides its request.
#[derive(Clone)]
pub struct Call {
    /// The namespace the request names, or that of its task token.
    pub namespace: Arc<Namespace>,
    /// When the caller stops waiting. Long polls answer (empty) a second before it; `None` where the caller set none.
    pub deadline: Option<Instant>,
    /// Whether the caller shows histories to people (`temporal-cli`, `temporal-ui`): workflow tasks that are not yet
    /// part of the history are left out then.
    pub for_people: bool,
}

macro_rules! rpcs {
    ($($(#[$doc:meta])* $name:ident: $request:ident => $response:ident;)*) => {
        impl Engine {
            $($(#[$doc])*
            pub async fn $name(&self, call: Call, request: wf::$request) -> Result<wf::$response, Refusal> {
                let _ = (call, request);
                Err(Refusal::Unimplemented(stringify!($name).to_owned()))
            })*
        }
    };
}

rpcs! {
    /// Starts a run, by the id policies.
    start_workflow_execution: StartWorkflowExecutionRequest => StartWorkflowExecutionResponse;
    /// Signals the open run, or starts one with the signal in it.
    signal_with_start_workflow_execution: SignalWithStartWorkflowExecutionRequest => SignalWithStartWorkflowExecutionResponse;
    /// Records a signal.
    signal_workflow_execution: SignalWorkflowExecutionRequest => SignalWorkflowExecutionResponse;
    /// Records the wish that the run cancels itself.
    request_cancel_workflow_execution: RequestCancelWorkflowExecutionRequest => RequestCancelWorkflowExecutionResponse;
    /// Closes the run at once.
    terminate_workflow_execution: TerminateWorkflowExecutionRequest => TerminateWorkflowExecutionResponse;
    /// Deletes a run; an open one is terminated first.
    delete_workflow_execution: DeleteWorkflowExecutionRequest => DeleteWorkflowExecutionResponse;
    /// The run as it stands.
    describe_workflow_execution: DescribeWorkflowExecutionRequest => DescribeWorkflowExecutionResponse;
    /// The history, paged, waiting for what comes if asked to.
    get_workflow_execution_history: GetWorkflowExecutionHistoryRequest => GetWorkflowExecutionHistoryResponse;
    /// The history, newest first.
    get_workflow_execution_history_reverse: GetWorkflowExecutionHistoryReverseRequest => GetWorkflowExecutionHistoryReverseResponse;
    /// Asks the workflow, through its worker.
    query_workflow: QueryWorkflowRequest => QueryWorkflowResponse;
    /// Waits for a workflow task; an empty response when there is none in time.
    poll_workflow_task_queue: PollWorkflowTaskQueueRequest => PollWorkflowTaskQueueResponse;
    /// Takes the commands of a workflow task.
    respond_workflow_task_completed: RespondWorkflowTaskCompletedRequest => RespondWorkflowTaskCompletedResponse;
    /// The worker could not do a workflow task.
    respond_workflow_task_failed: RespondWorkflowTaskFailedRequest => RespondWorkflowTaskFailedResponse;
    /// The answer to a direct query.
    respond_query_task_completed: RespondQueryTaskCompletedRequest => RespondQueryTaskCompletedResponse;
    /// Forgets the worker that has the run in its cache.
    reset_sticky_task_queue: ResetStickyTaskQueueRequest => ResetStickyTaskQueueResponse;
    /// A worker goes: its sticky queue takes nothing more.
    shutdown_worker: ShutdownWorkerRequest => ShutdownWorkerResponse;
    /// Waits for an activity task; an empty response when there is none in time.
    poll_activity_task_queue: PollActivityTaskQueueRequest => PollActivityTaskQueueResponse;
    /// The activity attempt lives.
    record_activity_task_heartbeat: RecordActivityTaskHeartbeatRequest => RecordActivityTaskHeartbeatResponse;
    /// The same, by ids.
    record_activity_task_heartbeat_by_id: RecordActivityTaskHeartbeatByIdRequest => RecordActivityTaskHeartbeatByIdResponse;
    /// The activity has a result.
    respond_activity_task_completed: RespondActivityTaskCompletedRequest => RespondActivityTaskCompletedResponse;
    /// The same, by ids.
    respond_activity_task_completed_by_id: RespondActivityTaskCompletedByIdRequest => RespondActivityTaskCompletedByIdResponse;
    /// The activity attempt failed.
    respond_activity_task_failed: RespondActivityTaskFailedRequest => RespondActivityTaskFailedResponse;
    /// The same, by ids.
    respond_activity_task_failed_by_id: RespondActivityTaskFailedByIdRequest => RespondActivityTaskFailedByIdResponse;
    /// The activity gave way to its cancellation.
    respond_activity_task_canceled: RespondActivityTaskCanceledRequest => RespondActivityTaskCanceledResponse;
    /// The same, by ids.
    respond_activity_task_canceled_by_id: RespondActivityTaskCanceledByIdRequest => RespondActivityTaskCanceledByIdResponse;
    /// Pollers and backlog of a task queue.
    describe_task_queue: DescribeTaskQueueRequest => DescribeTaskQueueResponse;
}
