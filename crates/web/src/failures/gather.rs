//! Gathers failures: of runs that closed with one, and of running ones that try again.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use steadfast_protocol::Timestamp;
use steadfast_protocol::common::WorkflowExecution;
use steadfast_protocol::enums::HistoryEventFilterType;
use steadfast_protocol::failure::failure::FailureInfo;
use steadfast_protocol::failure::{Failure, TimeoutFailureInfo};
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::workflow::WorkflowExecutionInfo;
use steadfast_protocol::workflowservice::{
    DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryRequest, ListWorkflowExecutionsRequest,
};

use super::fingerprint::{self, Fingerprint};
use crate::backend::Backend;
use crate::failure::PageError;
use crate::time::between;

/// Runs that are looked into, the last ones of each kind.
const RUNS_MAX: i32 = 200;
const CALLS_MAX: usize = 16;
/// Runs that closed with a failure.
pub(crate) const CLOSED: &str = "ExecutionStatus IN (\"Failed\", \"TimedOut\")";

/// Failures that are alike.
pub(crate) struct Group {
    pub(crate) print: Fingerprint,
    /// The message of one of them, as it was.
    pub(crate) message: String,
    pub(crate) runs: Vec<WorkflowExecution>,
    /// How many of these runs still run, and try again.
    pub(crate) retrying: usize,
    pub(crate) first: Option<Timestamp>,
    pub(crate) last: Option<Timestamp>,
}

pub(crate) struct Gathered {
    /// Those that happened last first.
    pub(crate) groups: Vec<Group>,
    pub(crate) looked_at: usize,
    /// Running ones that try again, among those looked at.
    pub(crate) retrying: usize,
}

/// A failure of a run.
struct Found {
    run: WorkflowExecution,
    print: Fingerprint,
    message: String,
    at: Option<Timestamp>,
    retrying: bool,
}

pub(crate) async fn all(backend: &Backend, namespace: &str) -> Result<Gathered, PageError> {
    let (closed, running) = tokio::try_join!(
        list(backend, namespace, CLOSED),
        describe_running(backend, namespace),
    )?;
    let looked_at = closed.len() + running.len();
    let ends = futures_util::stream::iter(closed);
    let ends = ends.map(|info| end(backend, namespace, info));
    let mut found: Vec<Found> = ends
        .buffer_unordered(CALLS_MAX)
        .filter_map(|found| async { found })
        .collect()
        .await;
    found.extend(running.iter().flat_map(retries));
    let mut groups: BTreeMap<Fingerprint, Group> = BTreeMap::new();
    let mut retrying = 0;
    for found in found {
        retrying += usize::from(found.retrying);
        let group = groups.entry(found.print.clone()).or_insert_with(|| Group {
            print: found.print,
            message: found.message,
            runs: Vec::new(),
            retrying: 0,
            first: found.at,
            last: found.at,
        });
        group.retrying += usize::from(found.retrying);
        if between(group.first.as_ref(), found.at.as_ref()).is_some_and(|later| later < 0) {
            group.first = found.at;
        }
        if between(group.last.as_ref(), found.at.as_ref()).is_some_and(|later| later > 0) {
            group.last = found.at;
        }
        group.runs.push(found.run);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| {
        let last = group.last.unwrap_or_default();
        std::cmp::Reverse((last.seconds, last.nanos))
    });
    Ok(Gathered {
        groups,
        looked_at,
        retrying,
    })
}

async fn list(
    backend: &Backend,
    namespace: &str,
    query: &str,
) -> Result<Vec<WorkflowExecutionInfo>, PageError> {
    let request = ListWorkflowExecutionsRequest {
        namespace: namespace.to_owned(),
        page_size: RUNS_MAX,
        query: query.to_owned(),
        ..ListWorkflowExecutionsRequest::default()
    };
    let answer = backend.workflow().list_workflow_executions(request).await?;
    Ok(answer.into_inner().executions)
}

/// What the last running workflows do. Those that closed meanwhile are left out.
pub(crate) async fn describe_running(
    backend: &Backend,
    namespace: &str,
) -> Result<Vec<DescribeWorkflowExecutionResponse>, PageError> {
    let running = list(backend, namespace, "ExecutionStatus = \"Running\"").await?;
    let described = futures_util::stream::iter(running).map(|info| async move {
        let request = DescribeWorkflowExecutionRequest {
            namespace: namespace.to_owned(),
            execution: info.execution,
        };
        let answer = backend
            .workflow()
            .describe_workflow_execution(request)
            .await;
        answer.ok().map(tonic::Response::into_inner)
    });
    let described = described.buffered(CALLS_MAX);
    Ok(described.filter_map(|one| async { one }).collect().await)
}

/// How a run closed, by its last event.
async fn end(backend: &Backend, namespace: &str, info: WorkflowExecutionInfo) -> Option<Found> {
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: namespace.to_owned(),
        execution: info.execution.clone(),
        history_event_filter_type: HistoryEventFilterType::CloseEvent as i32,
        ..GetWorkflowExecutionHistoryRequest::default()
    };
    let answer = backend
        .workflow()
        .get_workflow_execution_history(request)
        .await
        .ok()?;
    let event = answer.into_inner().history?.events.pop()?;
    let failure = match event.attributes? {
        Attributes::WorkflowExecutionFailedEventAttributes(failed) => failed.failure?,
        _ => Failure {
            message: "The workflow did not close in the time it had.".to_owned(),
            failure_info: Some(FailureInfo::TimeoutFailureInfo(
                TimeoutFailureInfo::default(),
            )),
            ..Failure::default()
        },
    };
    let kind = info.r#type.map(|kind| kind.name).unwrap_or_default();
    Some(Found {
        run: info.execution?,
        print: Fingerprint::new(&kind, "", &failure),
        message: fingerprint::root(&failure).message.clone(),
        at: info.close_time,
        retrying: false,
    })
}

/// The activities of a run that failed and are tried again.
fn retries(described: &DescribeWorkflowExecutionResponse) -> Vec<Found> {
    let info = described
        .workflow_execution_info
        .clone()
        .unwrap_or_default();
    let kind = info.r#type.map(|kind| kind.name).unwrap_or_default();
    let run = info.execution.unwrap_or_default();
    let failing = described.pending_activities.iter().filter_map(|activity| {
        let failure = activity.last_failure.as_ref()?;
        let step = activity
            .activity_type
            .as_ref()
            .map(|kind| kind.name.as_str());
        Some(Found {
            run: run.clone(),
            print: Fingerprint::new(&kind, step.unwrap_or_default(), failure),
            message: fingerprint::root(failure).message.clone(),
            at: activity
                .last_attempt_complete_time
                .or(activity.last_started_time),
            retrying: true,
        })
    });
    failing.collect()
}
