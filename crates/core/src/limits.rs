//! All limits of an execution in one place. The figures are the reference server's defaults (server-semantics 0.5).

use crate::execution::Execution;
use crate::time::SECOND;

/// The limits that a server can be given, as tests of workflows near them do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events of one run; beyond it the run is terminated.
    pub history_count: i64,
    /// Bytes of the history of one run; beyond it the run is terminated.
    pub history_size: i64,
    /// Events from which the worker is told to continue as new.
    pub history_count_suggest: i64,
    /// Bytes from which the worker is told to continue as new.
    pub history_size_suggest: i64,
    /// Bytes of the state of a run: what is pending in it, buffered events, memo, search attributes; beyond it the run is
    /// terminated.
    pub state_size: usize,
    /// A single input, result, details or failure, bytes.
    pub blob_size: usize,
    /// The memo of a run, bytes.
    pub memo_size: usize,
    /// A single input, result, details or failure from which the log speaks of it, bytes; what is kept of a failure beyond
    /// [`Limits::blob_size`].
    pub blob_size_logged: usize,
    /// The memo of a run from which the log speaks of it, bytes.
    pub memo_size_logged: usize,
    /// Pending activities.
    pub activities: usize,
    /// Pending children.
    pub children: usize,
    /// Pending signals to other executions.
    pub external_signals: usize,
    /// Pending cancel requests to other executions.
    pub external_cancels: usize,
    /// Signals of one run.
    pub signals: i64,
    /// Buffered events before the workflow task is failed to flush them.
    pub buffered_events: usize,
    /// Queries that wait for a workflow task of one run. The reference holds one; users hit that limit.
    pub buffered_queries: usize,
    /// How long a worker may prolong one workflow task by heartbeats, nanoseconds.
    pub heartbeats: i64,
    /// Workflow task attempts that fail in a row before list filters find the run by that; 0 for never.
    pub problems_reported_from: i32,
    /// How long a poll waits for a task, nanoseconds.
    pub task_poll: i64,
    /// How long a call waits for new events of a history, nanoseconds.
    pub history_poll: i64,
    /// Whether the polls of a worker that shuts down are answered at once. SDKs are told, and wait for the answers.
    pub shutdown_ends_polls: bool,
}

impl Limits {
    /// The limits of a server that was not given others.
    pub const DEFAULT: Self = Self {
        history_count: 51_200,
        history_size: 50 * 1024 * 1024,
        history_count_suggest: 4096,
        history_size_suggest: 4 * 1024 * 1024,
        state_size: 8 * 1024 * 1024,
        blob_size: 2 * 1024 * 1024,
        memo_size: 2 * 1024 * 1024,
        blob_size_logged: 512 * 1024,
        memo_size_logged: 2 * 1024,
        activities: PENDING_MAX,
        children: PENDING_MAX,
        external_signals: PENDING_MAX,
        external_cancels: PENDING_MAX,
        signals: 10_000,
        buffered_events: 100,
        buffered_queries: 1,
        heartbeats: 30 * 60 * SECOND,
        problems_reported_from: 5,
        task_poll: 60 * SECOND,
        history_poll: 20 * SECOND,
        shutdown_ends_polls: false,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Any id or name, bytes.
pub const ID_LENGTH_MAX: usize = 1000;
/// Pending activities, children, external signals and external cancels, each.
pub const PENDING_MAX: usize = 2000;
/// Bytes of buffered events before the workflow task is failed to flush them.
pub const BUFFERED_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Request ids remembered for a run; the oldest goes first.
pub const REQUEST_IDS_MAX: usize = 25;
/// A cron schedule, bytes.
pub const CRON_SCHEDULE_LENGTH_MAX: usize = 1000;
/// Failure of an activity attempt kept for the next one, bytes.
pub const ACTIVITY_FAILURE_KEPT_MAX: usize = 4 * 1024;
/// What is kept of a failure beyond that, bytes.
pub const ACTIVITY_FAILURE_CUT_SIZE: usize = 2 * 1024;
/// The search attributes of a run or a command, bytes.
pub const SEARCH_ATTRIBUTES_SIZE_MAX: usize = 40 * 1024;
/// The value of one search attribute, bytes.
pub const SEARCH_ATTRIBUTE_SIZE_MAX: usize = 2 * 1024;
/// Worker builds noted in a run's search attribute; the oldest goes first.
pub const BUILD_IDS_MAX: usize = 20;
/// Fairness key of a priority, bytes.
pub const FAIRNESS_KEY_LENGTH_MAX: usize = 64;
/// Reset points kept for a run.
pub const RESET_POINTS_MAX: usize = 20;

/// Workflow task timeout where none is given, nanoseconds.
pub const WORKFLOW_TASK_TIMEOUT_DEFAULT: i64 = 10 * SECOND;
/// Longest workflow task timeout, nanoseconds.
pub const WORKFLOW_TASK_TIMEOUT_MAX: i64 = 120 * SECOND;
/// From this attempt on the workflow task timeout grows.
pub const WORKFLOW_TASK_BACKOFF_ATTEMPT: i32 = 3;
/// Longest workflow task timeout by growth, nanoseconds.
pub const WORKFLOW_TASK_BACKOFF_MAX: i64 = 10 * 60 * SECOND;

/// Events that a change of a run may add without being a surprise: see [`is_near`].
const CHANGE_EVENTS: i64 = 10_000;
/// Bytes that a change of a run may add without being a surprise: more than a request can have.
const CHANGE_BYTES: usize = 5 * 1024 * 1024;

/// Why an open run may not go on.
pub(crate) fn exceeded(run: &Execution, limits: &Limits) -> Option<&'static str> {
    if !run.is_open() {
        None
    } else if run.head.next_event_id - 1 > limits.history_count {
        Some("Workflow history count exceeds limit.")
    } else if run.head.history_size > limits.history_size {
        Some("Workflow history size exceeds limit.")
    } else if run.is_larger_than(limits.state_size) {
        Some("Workflow mutable state size exceeds limit.")
    } else {
        None
    }
}

/// Whether a change of `run` may bring it beyond a limit, unless it adds an extraordinary number of events.
pub(crate) fn is_near(run: &Execution, limits: &Limits) -> bool {
    run.head.next_event_id + CHANGE_EVENTS > limits.history_count
        || run.head.history_size + CHANGE_BYTES as i64 > limits.history_size
        || run.is_larger_than(limits.state_size.saturating_sub(CHANGE_BYTES))
}

const _: () = assert!(
    Limits::DEFAULT.blob_size + Limits::DEFAULT.memo_size + BUFFERED_BYTES_MAX
        < Limits::DEFAULT.state_size
);
