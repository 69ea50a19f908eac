//! Queries that wait for a workflow task.

use std::sync::Arc;

use steadfast_protocol::query::WorkflowQuery;

/// A query that is attached to the next workflow task that starts.
#[derive(Clone, Debug)]
pub struct BufferedQuery {
    /// Names it within the run.
    pub id: String,
    /// What is asked.
    pub query: Arc<WorkflowQuery>,
    /// Whether the started workflow task carries it.
    pub delivered: bool,
}
