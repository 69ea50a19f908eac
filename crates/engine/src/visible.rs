//! What lists of workflows show of a run.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use steadfast_core::execution::Execution;
use steadfast_protocol::common::Memo;
use steadfast_visibility::{Change, Record, current_value};

use crate::node::Node;

/// The visibility record of a run as it stands; `None` if its namespace is gone.
pub(crate) fn record(node: &Arc<Node>, run: &Execution) -> Option<Change> {
    let namespace = node.namespaces().by_id(&run.key.namespace_id)?;
    let started = run.start_attributes();
    let head = &run.head;
    let closed = !run.is_open();
    let memo = if head.memo.is_empty() {
        Bytes::new()
    } else {
        let fields = head.memo.clone();
        Memo { fields }.encode_to_vec().into()
    };
    // An attribute that was removed from the namespace since is left out, as are its values in lists.
    let search_attributes = head
        .search_attributes
        .iter()
        .filter_map(|(name, payload)| {
            let value = current_value(&namespace.search_attributes, name, payload)?;
            Some((name.clone(), value))
        })
        .collect();
    let parent = started.parent_workflow_execution.as_ref();
    let root = started.root_workflow_execution.as_ref();
    let pair = |execution: &steadfast_protocol::common::WorkflowExecution| {
        (execution.workflow_id.clone(), execution.run_id.clone())
    };
    Some(Change::Upsert(Record {
        namespace_id: run.key.namespace_id.clone(),
        workflow_id: run.key.workflow_id.clone(),
        run_id: run.key.run_id.clone(),
        workflow_type: run.workflow_type().to_owned(),
        task_queue: run.task_queue().to_owned(),
        status: head.status,
        start_time: head.start_time,
        execution_time: head.execution_time,
        close_time: closed.then_some(head.close_time),
        execution_duration: closed.then(|| (head.close_time - head.execution_time).max(0)),
        history_length: closed.then(|| run.last_event_id()),
        history_size_bytes: closed.then_some(head.history_size),
        state_transition_count: closed.then_some(head.transition_count),
        parent: parent.map(pair),
        root: root.map(pair),
        memo,
        search_attributes,
        version: head.transition_count as u64,
    }))
}
