//! The stored form of an execution: a head, and one row for each pending item.
//!
//! Tags are never used again, so that an older record always decodes. What the Started event says is not repeated here.
//! The start of a workflow task is not stored at all: after a crash it is handed out again (ARCHITECTURE.md,
//! "Started is cheap").

use std::collections::BTreeMap;

use steadfast_protocol::common::{
    Header, Payload, Payloads, Priority, RetryPolicy, WorkerVersionStamp,
};
use steadfast_protocol::failure::Failure;
use steadfast_protocol::workflow::ResetPointInfo;

/// The state of a run that is not a pending item.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Head {
    /// Id of the next event that is written.
    #[prost(int64, tag = "1")]
    pub next_event_id: i64,
    /// `enums::WorkflowExecutionStatus`.
    #[prost(int32, tag = "2")]
    pub status: i32,
    /// When the run started, ns.
    #[prost(int64, tag = "3")]
    pub start_time: i64,
    /// When its first workflow task was or is due: start and backoff, ns.
    #[prost(int64, tag = "4")]
    pub execution_time: i64,
    /// When it closed, ns; 0 while open.
    #[prost(int64, tag = "5")]
    pub close_time: i64,
    /// The request that created the run.
    #[prost(string, tag = "6")]
    pub create_request_id: String,
    /// When the run times out, ns; 0 for never.
    #[prost(int64, tag = "7")]
    pub run_expiration: i64,
    /// When the chain times out, ns; 0 for never.
    #[prost(int64, tag = "8")]
    pub execution_expiration: i64,
    /// The pending workflow task.
    #[prost(message, optional, tag = "9")]
    pub workflow_task: Option<WorkflowTask>,
    /// The worker that has the run in its cache.
    #[prost(message, optional, tag = "10")]
    pub sticky: Option<Sticky>,
    /// Started event of the last completed workflow task; 0 before the first.
    #[prost(int64, tag = "11")]
    pub previous_started_event_id: i64,
    /// Workflow task attempts that failed or timed out since the last success.
    #[prost(int32, tag = "12")]
    pub failed_workflow_tasks: i32,
    /// The memo as it stands.
    #[prost(btree_map = "string, message", tag = "13")]
    pub memo: BTreeMap<String, Payload>,
    /// The search attributes as they stand, types included.
    #[prost(btree_map = "string, message", tag = "14")]
    pub search_attributes: BTreeMap<String, Payload>,
    /// Signals received.
    #[prost(int64, tag = "15")]
    pub signal_count: i64,
    /// Whether somebody asked the run to cancel itself.
    #[prost(bool, tag = "16")]
    pub cancel_requested: bool,
    /// Bytes of the history that is written.
    #[prost(int64, tag = "18")]
    pub history_size: i64,
    /// Transitions so far.
    #[prost(int64, tag = "19")]
    pub transition_count: i64,
    /// Request ids that this run answers for, oldest first.
    #[prost(message, repeated, tag = "20")]
    pub request_ids: Vec<RequestId>,
    /// First completions of each worker build.
    #[prost(message, repeated, tag = "21")]
    pub reset_points: Vec<ResetPointInfo>,
    /// Stamp of the last worker that completed a workflow task.
    #[prost(message, optional, tag = "22")]
    pub worker_version: Option<WorkerVersionStamp>,
    /// Number of the next buffered event's row.
    #[prost(uint64, tag = "23")]
    pub next_buffered: u64,
    /// Due time of the run's row among the timers, ns; 0 if it has none.
    #[prost(int64, tag = "24")]
    pub wake_up: i64,
    /// Whether a workflow task was ever scheduled.
    #[prost(bool, tag = "26")]
    pub first_task_scheduled: bool,
    /// The run that follows this one in its chain.
    #[prost(string, tag = "27")]
    pub successor_run_id: String,
    /// First event of the last block of the history.
    #[prost(int64, tag = "28")]
    pub last_block: i64,
    /// When the run is deleted, ns; 0 while open.
    #[prost(int64, tag = "29")]
    pub delete_time: i64,
    /// Whether the run is deleted as soon as it is closed.
    #[prost(bool, tag = "30")]
    pub delete_on_close: bool,
    /// Worker builds that completed workflow tasks, as the search attribute `BuildIds` shows them.
    #[prost(string, repeated, tag = "31")]
    pub build_ids: Vec<String>,
    /// Whether the first workflow task waits until the parent has recorded the start of this child.
    #[prost(bool, tag = "32")]
    pub awaits_release: bool,
    /// How the last workflow task that failed in the history went wrong, in the words of list filters; empty after a
    /// success.
    #[prost(string, repeated, tag = "33")]
    pub problem: Vec<String>,
    /// Events of the runs before this one in its chain: task ids go on from there.
    #[prost(int64, tag = "34")]
    pub events_before: i64,
    /// The worker deployment that completed the last workflow task; empty if its worker named none.
    #[prost(string, tag = "35")]
    pub worker_deployment: String,
}

/// A pending workflow task. Whether it is started lives in memory only.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WorkflowTask {
    /// Id of its Scheduled event, promised or written.
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    /// From 1.
    #[prost(int32, tag = "2")]
    pub attempt: i32,
    /// Whether the Scheduled event is in the history; it is not for a repeated (transient) attempt.
    #[prost(bool, tag = "3")]
    pub written: bool,
    /// When this attempt was scheduled, ns.
    #[prost(int64, tag = "4")]
    pub scheduled_time: i64,
    /// When the first of a row of heartbeats was scheduled, ns.
    #[prost(int64, tag = "5")]
    pub original_scheduled_time: i64,
    /// Timeout once started, ns.
    #[prost(int64, tag = "6")]
    pub start_to_close: i64,
    /// The queue it was scheduled on.
    #[prost(string, tag = "7")]
    pub queue: String,
    /// Whether that queue is a worker's own.
    #[prost(bool, tag = "8")]
    pub sticky: bool,
    /// Timeout until started, ns; 0 for none. Only on a worker's own queue.
    #[prost(int64, tag = "9")]
    pub schedule_to_start: i64,
}

/// The worker that has the run in its cache.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Sticky {
    /// The worker's own queue.
    #[prost(string, tag = "1")]
    pub queue: String,
    /// How long a task may wait there, ns.
    #[prost(int64, tag = "2")]
    pub schedule_to_start: i64,
}

/// A request id and the event that came of it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RequestId {
    /// The request id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// `enums::EventType`.
    #[prost(int32, tag = "2")]
    pub event_type: i32,
    /// The event; 0 while it is buffered.
    #[prost(int64, tag = "3")]
    pub event_id: i64,
}

/// A pending activity. Input and header stand in its Scheduled event.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Activity {
    /// Id of the Scheduled event; key of the row.
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    /// The workflow's name for it, unique among the pending ones.
    #[prost(string, tag = "2")]
    pub activity_id: String,
    /// Name of its type.
    #[prost(string, tag = "3")]
    pub activity_type: String,
    /// Queue of its workers.
    #[prost(string, tag = "4")]
    pub queue: String,
    /// From 1.
    #[prost(int32, tag = "5")]
    pub attempt: i32,
    /// When the first attempt was scheduled, ns.
    #[prost(int64, tag = "6")]
    pub first_scheduled_time: i64,
    /// When this attempt was or will be scheduled, ns.
    #[prost(int64, tag = "7")]
    pub scheduled_time: i64,
    /// Whether this attempt waits in its task queue (false during backoff, and once started).
    #[prost(bool, tag = "8")]
    pub dispatched: bool,
    /// When this attempt started, ns; 0 if it has not.
    #[prost(int64, tag = "9")]
    pub started_time: i64,
    /// Who started it.
    #[prost(string, tag = "10")]
    pub started_identity: String,
    /// The poll that started it.
    #[prost(string, tag = "11")]
    pub started_request_id: String,
    /// Last heartbeat, of any attempt, ns; 0 for none.
    #[prost(int64, tag = "12")]
    pub heartbeat_time: i64,
    /// Details of the last heartbeat, of any attempt.
    #[prost(message, optional, tag = "13")]
    pub heartbeat_details: Option<Payloads>,
    /// Failure of the attempt before.
    #[prost(message, optional, tag = "14")]
    pub last_failure: Option<Failure>,
    /// Who ran the attempt before.
    #[prost(string, tag = "15")]
    pub last_worker_identity: String,
    /// The workflow's wish that it gives way.
    #[prost(bool, tag = "16")]
    pub cancel_requested: bool,
    /// Event of that wish.
    #[prost(int64, tag = "17")]
    pub cancel_requested_event_id: i64,
    /// Schedule-to-close timeout, ns; 0 for none.
    #[prost(int64, tag = "18")]
    pub schedule_to_close: i64,
    /// Schedule-to-start timeout, ns; 0 for none.
    #[prost(int64, tag = "19")]
    pub schedule_to_start: i64,
    /// Start-to-close timeout, ns; 0 for none.
    #[prost(int64, tag = "20")]
    pub start_to_close: i64,
    /// Heartbeat timeout, ns; 0 for none.
    #[prost(int64, tag = "21")]
    pub heartbeat_timeout: i64,
    /// The filled retry policy.
    #[prost(message, optional, tag = "22")]
    pub retry_policy: Option<RetryPolicy>,
    /// Merged priority.
    #[prost(message, optional, tag = "23")]
    pub priority: Option<Priority>,
    /// When the attempt before ended, ns.
    #[prost(int64, tag = "24")]
    pub last_attempt_complete_time: i64,
    /// Wait before this attempt, ns; 0 for the first.
    #[prost(int64, tag = "25")]
    pub retry_interval: i64,
}

/// A pending timer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Timer {
    /// Id of the Started event; key of the row.
    #[prost(int64, tag = "1")]
    pub started_event_id: i64,
    /// The workflow's name for it.
    #[prost(string, tag = "2")]
    pub timer_id: String,
    /// When it fires, ns.
    #[prost(int64, tag = "3")]
    pub due: i64,
}

/// A pending child workflow.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Child {
    /// Id of the Initiated event; key of the row.
    #[prost(int64, tag = "1")]
    pub initiated_event_id: i64,
    /// Its workflow id.
    #[prost(string, tag = "2")]
    pub workflow_id: String,
    /// Its workflow type.
    #[prost(string, tag = "3")]
    pub workflow_type: String,
    /// Name of its namespace.
    #[prost(string, tag = "4")]
    pub namespace: String,
    /// Id of its namespace.
    #[prost(string, tag = "5")]
    pub namespace_id: String,
    /// Its first run, once started.
    #[prost(string, tag = "6")]
    pub run_id: String,
    /// Event that says so; 0 before, [`BUFFERED`] while that event is buffered.
    #[prost(int64, tag = "7")]
    pub started_event_id: i64,
    /// `enums::ParentClosePolicy`.
    #[prost(int32, tag = "8")]
    pub parent_close_policy: i32,
    /// Request id of its start, so that a repeated start is recognised.
    #[prost(string, tag = "9")]
    pub create_request_id: String,
    /// The command's own note, echoed if the start fails.
    #[prost(string, tag = "10")]
    pub control: String,
    /// Header of its start, until the start is recorded.
    #[prost(message, optional, tag = "11")]
    pub header: Option<Header>,
}

/// A signal or a cancel request on its way to another execution.
#[derive(Clone, PartialEq, prost::Message)]
pub struct External {
    /// Id of the Initiated event; key of the row.
    #[prost(int64, tag = "1")]
    pub initiated_event_id: i64,
    /// Makes the delivery idempotent.
    #[prost(string, tag = "2")]
    pub request_id: String,
    /// Name of the target's namespace.
    #[prost(string, tag = "3")]
    pub namespace: String,
    /// Id of the target's namespace.
    #[prost(string, tag = "4")]
    pub namespace_id: String,
    /// Target.
    #[prost(string, tag = "5")]
    pub workflow_id: String,
    /// Target's run as the command named it, mostly empty.
    #[prost(string, tag = "6")]
    pub run_id: String,
    /// Only if the target is a child of this run.
    #[prost(bool, tag = "7")]
    pub child_workflow_only: bool,
    /// The command's own note, echoed in the result event.
    #[prost(string, tag = "8")]
    pub control: String,
}

/// Stands for the id of an event that is buffered.
pub const BUFFERED: i64 = -1;
