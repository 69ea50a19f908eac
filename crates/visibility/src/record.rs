//! What visibility knows of one run, and how that changes.

use bytes::Bytes;

use crate::value::Value;

/// One run. Times are nanoseconds since 1970; a store cuts them to microseconds, as the reference does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The namespace of the run.
    pub namespace_id: String,
    /// Its workflow id.
    pub workflow_id: String,
    /// Its run id; unique within the namespace.
    pub run_id: String,
    /// The name of its workflow type.
    pub workflow_type: String,
    /// Its task queue.
    pub task_queue: String,
    /// The protocol's `WorkflowExecutionStatus`.
    pub status: i32,
    /// When it was started.
    pub start_time: i64,
    /// When its first workflow task was or is due: later than the start with a start delay, cron or retry.
    pub execution_time: i64,
    /// When it was closed; none while it is open.
    pub close_time: Option<i64>,
    /// Nanoseconds from execution to close, before any cut; closed runs only.
    pub execution_duration: Option<i64>,
    /// Events of the history; closed runs only.
    pub history_length: Option<i64>,
    /// Bytes of the history; closed runs only.
    pub history_size_bytes: Option<i64>,
    /// State transitions; closed runs only.
    pub state_transition_count: Option<i64>,
    /// Workflow id and run id of the parent; children only.
    pub parent: Option<(String, String)>,
    /// Workflow id and run id of the root, where that is not the run itself.
    pub root: Option<(String, String)>,
    /// The encoded `common.Memo`; empty without one.
    pub memo: Bytes,
    /// Custom and predefined attributes that have a value, each name once.
    pub search_attributes: Vec<(String, Value)>,
    /// Grows with each change of the run; a smaller one never overwrites a greater one.
    pub version: u64,
}

/// A change of the projection.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every change is an upsert"
)]
pub enum Change {
    /// The run now looks like this.
    Upsert(Record),
    /// The run is gone: its retention has passed, or it was deleted.
    Delete {
        /// The namespace of the run.
        namespace_id: String,
        /// The run.
        run_id: String,
    },
}
