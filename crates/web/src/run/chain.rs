//! All runs of a workflow id: what went on as what.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use steadfast_protocol::common::WorkflowExecution;
use steadfast_protocol::workflowservice::{
    DescribeWorkflowExecutionRequest, ListWorkflowExecutionsRequest,
};

use super::RunPath;
use crate::failure::PageError;
use crate::form::see;
use crate::shell::{Section, Shell};
use crate::status::{self, Shown};
use crate::time::{self, Moment};
use crate::visit::{Visit, page};

/// More runs are in the list of workflows.
const RUNS_MAX: i32 = 100;

struct Run {
    run_id: String,
    link: String,
    status: Shown,
    workflow_type: String,
    started: Option<Moment>,
    took: String,
    events: i64,
}

#[derive(Template)]
#[template(path = "run/chain.html")]
struct Chain {
    shell: Shell,
    runs: Vec<Run>,
    more: Option<String>,
}

pub(super) async fn show(
    Path((namespace, workflow_id)): Path<(String, String)>,
    visit: Visit,
) -> Result<Response, PageError> {
    let query = format!("WorkflowId = \"{}\"", quoted(&workflow_id));
    let request = ListWorkflowExecutionsRequest {
        namespace: namespace.clone(),
        page_size: RUNS_MAX,
        query: query.clone(),
        ..Default::default()
    };
    let answer = visit
        .backend
        .workflow()
        .list_workflow_executions(request)
        .await?
        .into_inner();
    if visit.params.is_on("latest") || answer.executions.len() <= 1 {
        return latest(&visit, namespace, workflow_id).await;
    }
    let more = !answer.next_page_token.is_empty();
    let runs = answer.executions.into_iter().map(|info| {
        let run_id = info.execution.unwrap_or_default().run_id;
        let took = time::between(info.start_time.as_ref(), info.close_time.as_ref());
        Run {
            link: visit.links.run(&namespace, &workflow_id, &run_id),
            run_id,
            status: status::of_number(info.status),
            workflow_type: info.r#type.unwrap_or_default().name,
            started: visit.clock.moment(info.start_time.as_ref()),
            took: took.map_or_else(String::new, time::duration),
            events: info.history_length,
        }
    });
    let runs = runs.collect();
    let more = more.then(|| visit.links.workflows_where(&namespace, &query));
    let shell = visit
        .shell(Some(&namespace), Section::Workflows, &workflow_id)
        .await;
    page(&Chain { shell, runs, more })
}

/// The run that the services take for the present one: it is found before lists know it.
async fn latest(
    visit: &Visit,
    namespace: String,
    workflow_id: String,
) -> Result<Response, PageError> {
    let request = DescribeWorkflowExecutionRequest {
        namespace: namespace.clone(),
        execution: Some(WorkflowExecution {
            workflow_id: workflow_id.clone(),
            run_id: String::new(),
        }),
    };
    let answer = visit
        .backend
        .workflow()
        .describe_workflow_execution(request)
        .await?
        .into_inner();
    let info = answer.workflow_execution_info.unwrap_or_default();
    let run_id = info.execution.unwrap_or_default().run_id;
    Ok(see(&visit.links.run(&namespace, &workflow_id, &run_id)))
}

/// For bookmarks of the official UI: who polls is shown with the task queue.
pub(super) async fn workers(
    Path((namespace, workflow_id, run_id)): RunPath,
    visit: Visit,
) -> Result<Response, PageError> {
    let request = DescribeWorkflowExecutionRequest {
        namespace: namespace.clone(),
        execution: Some(WorkflowExecution {
            workflow_id,
            run_id,
        }),
    };
    let answer = visit
        .backend
        .workflow()
        .describe_workflow_execution(request)
        .await?
        .into_inner();
    let queue = answer
        .workflow_execution_info
        .unwrap_or_default()
        .task_queue;
    Ok(see(&visit.links.task_queue(&namespace, &queue)))
}

/// Inside a double-quoted string of the query language.
pub(super) fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
