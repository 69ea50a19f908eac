//! All limits of an execution in one place. The figures are the reference server's defaults (server-semantics 0.5).

use crate::time::SECOND;

/// A single input, result, details or failure, bytes.
pub const BLOB_SIZE_MAX: usize = 2 * 1024 * 1024;
/// The memo of a run, bytes.
pub const MEMO_SIZE_MAX: usize = 2 * 1024 * 1024;
/// Any id or name, bytes.
pub const ID_LENGTH_MAX: usize = 1000;
/// Events of one run; at this number it is terminated.
pub const HISTORY_COUNT_MAX: i64 = 51_200;
/// Bytes of the history of one run; at this size it is terminated.
pub const HISTORY_SIZE_MAX: i64 = 50 * 1024 * 1024;
/// Events from which the worker is told to continue as new.
pub const HISTORY_COUNT_SUGGEST: i64 = 4096;
/// Bytes from which the worker is told to continue as new.
pub const HISTORY_SIZE_SUGGEST: i64 = 4 * 1024 * 1024;
/// Pending activities, children, external signals and external cancels, each.
pub const PENDING_MAX: usize = 2000;
/// Signals of one run.
pub const SIGNALS_MAX: i64 = 10_000;
/// Buffered events before the workflow task is failed to flush them.
pub const BUFFERED_EVENTS_MAX: usize = 100;
/// Bytes of buffered events before the workflow task is failed to flush them.
pub const BUFFERED_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Events and state of one transition, bytes; beyond it the run is terminated.
pub const TRANSITION_SIZE_MAX: usize = 4 * 1024 * 1024;
/// Request ids remembered for a run; the oldest goes first.
pub const REQUEST_IDS_MAX: usize = 25;
/// A cron schedule, bytes.
pub const CRON_SCHEDULE_LENGTH_MAX: usize = 1000;
/// Failure of an activity attempt kept for the next one, bytes.
pub const ACTIVITY_FAILURE_KEPT_MAX: usize = 4 * 1024;
/// What is kept of a failure beyond that, bytes.
pub const ACTIVITY_FAILURE_CUT_SIZE: usize = 2 * 1024;
/// What is kept of a failure beyond [`BLOB_SIZE_MAX`], bytes.
pub const BLOB_CUT_SIZE: usize = 512 * 1024;
/// Summary of a command's description for people, bytes.
pub const SUMMARY_SIZE_MAX: usize = 400;
/// Details of a command's description for people, bytes.
pub const DETAILS_SIZE_MAX: usize = 20_000;
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
/// Queries that wait for a workflow task of one run. The reference holds one; users hit that limit.
pub const BUFFERED_QUERIES_MAX: usize = 1;

/// Workflow task timeout where none is given, nanoseconds.
pub const WORKFLOW_TASK_TIMEOUT_DEFAULT: i64 = 10 * SECOND;
/// Longest workflow task timeout, nanoseconds.
pub const WORKFLOW_TASK_TIMEOUT_MAX: i64 = 120 * SECOND;
/// How long a worker may prolong one workflow task by heartbeats, nanoseconds.
pub const WORKFLOW_TASK_HEARTBEAT_MAX: i64 = 30 * 60 * SECOND;
/// From this attempt on the workflow task timeout grows.
pub const WORKFLOW_TASK_BACKOFF_ATTEMPT: i32 = 3;
/// Longest workflow task timeout by growth, nanoseconds.
pub const WORKFLOW_TASK_BACKOFF_MAX: i64 = 10 * 60 * SECOND;

const _: () = assert!(HISTORY_COUNT_SUGGEST < HISTORY_COUNT_MAX);
const _: () = assert!(HISTORY_SIZE_SUGGEST < HISTORY_SIZE_MAX);
const _: () = assert!(BLOB_SIZE_MAX < TRANSITION_SIZE_MAX);
