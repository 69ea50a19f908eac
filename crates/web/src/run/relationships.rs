//! The runs a run belongs to: its chain, its parents, its children, as far as a page can hold them.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use steadfast_protocol::workflow::WorkflowExecutionInfo;
use steadfast_protocol::workflowservice::ListWorkflowExecutionsRequest;

use super::chain::quoted;
use super::head::{self, Head};
use super::load::{Loaded, load};
use super::{RunPath, named};
use crate::failure::PageError;
use crate::history::index::RunName;
use crate::shell::Shell;
use crate::status::{self, Shown};
use crate::time::Moment;
use crate::visit::{Visit, page};

/// A larger tree is not read as a whole.
const TREE_MAX: usize = 300;
/// Deeper runs stand at this depth.
const DEPTH_MAX: usize = 8;

struct Node {
    depth: usize,
    workflow_id: String,
    link: String,
    status: Shown,
    workflow_type: String,
    started: Option<Moment>,
    current: bool,
}

#[derive(Template)]
#[template(path = "run/relationships.html")]
struct Relationships {
    shell: Shell,
    head: Head,
    nodes: Vec<Node>,
    /// Only the run's own children are shown.
    is_part: bool,
    more: Option<String>,
}

pub(super) async fn show(Path(path): RunPath, visit: Visit) -> Result<Response, PageError> {
    let loaded = load(&visit, named(path)).await?;
    let root = loaded.info.root_execution.clone().unwrap_or_default();
    let in_tree = format!(
        "RootWorkflowId = \"{}\" AND RootRunId = \"{}\"",
        quoted(&root.workflow_id),
        quoted(&root.run_id)
    );
    let (mut runs, mut more) = list(&visit, &loaded.name, &in_tree).await?;
    let mut query = in_tree;
    let is_part = more;
    if is_part {
        query = format!(
            "ParentWorkflowId = \"{}\" AND ParentRunId = \"{}\"",
            quoted(&loaded.name.workflow_id),
            quoted(&loaded.name.run_id)
        );
        (runs, more) = list(&visit, &loaded.name, &query).await?;
    }
    // Lists may not know this very run yet.
    if !runs.iter().any(|run| run_id(run) == loaded.name.run_id) {
        runs.push(loaded.info.clone());
    }
    let head = Head::new(&visit, &loaded, "relationships");
    page(&Relationships {
        shell: head::shell(&visit, &loaded, "relationships").await,
        nodes: tree(&visit, &loaded, &runs),
        more: more.then(|| visit.links.workflows_where(&loaded.name.namespace, &query)),
        is_part,
        head,
    })
}

async fn list(
    visit: &Visit,
    run: &RunName,
    query: &str,
) -> Result<(Vec<WorkflowExecutionInfo>, bool), PageError> {
    let request = ListWorkflowExecutionsRequest {
        namespace: run.namespace.clone(),
        page_size: i32::try_from(TREE_MAX).unwrap_or(300),
        query: query.to_owned(),
        ..Default::default()
    };
    let answer = visit
        .backend
        .workflow()
        .list_workflow_executions(request)
        .await?
        .into_inner();
    Ok((answer.executions, !answer.next_page_token.is_empty()))
}

fn run_id(run: &WorkflowExecutionInfo) -> &str {
    run.execution.as_ref().map_or("", |run| &run.run_id)
}

/// Every run below the run that started it.
fn tree(visit: &Visit, loaded: &Loaded, runs: &[WorkflowExecutionInfo]) -> Vec<Node> {
    let known: BTreeSet<&str> = runs.iter().map(run_id).collect();
    let mut children: BTreeMap<&str, Vec<&WorkflowExecutionInfo>> = BTreeMap::new();
    for run in runs {
        let parent = run
            .parent_execution
            .as_ref()
            .map_or("", |parent| &parent.run_id);
        let parent = if known.contains(parent) { parent } else { "" };
        children.entry(parent).or_default().push(run);
    }
    for below in children.values_mut() {
        below.sort_by_key(|run| run.start_time.map(|time| (time.seconds, time.nanos)));
    }
    let mut nodes = Vec::new();
    let roots = children.remove("").unwrap_or_default();
    let mut rest: Vec<(usize, &WorkflowExecutionInfo)> =
        roots.into_iter().rev().map(|run| (0, run)).collect();
    while let Some((depth, run)) = rest.pop() {
        let execution = run.execution.clone().unwrap_or_default();
        nodes.push(Node {
            depth: depth.min(DEPTH_MAX),
            link: visit.links.run(
                &loaded.name.namespace,
                &execution.workflow_id,
                &execution.run_id,
            ),
            current: execution.run_id == loaded.name.run_id,
            workflow_id: execution.workflow_id,
            status: status::of_number(run.status),
            workflow_type: run.r#type.clone().unwrap_or_default().name,
            started: visit.clock.moment(run.start_time.as_ref()),
        });
        let below = children.remove(run_id(run)).unwrap_or_default();
        rest.extend(below.into_iter().rev().map(|run| (depth + 1, run)));
    }
    nodes
}
