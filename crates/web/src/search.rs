//! Search by one field: an id, the beginning of one, a type, a task queue, or a query.

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use steadfast_protocol::workflow::WorkflowExecutionInfo;
use steadfast_protocol::workflowservice::ListWorkflowExecutionsRequest;

use crate::app::App;
use crate::failure::PageError;
use crate::form::see;
use crate::shell::{Section, Shell};
use crate::status::{self, Shown};
use crate::time::Moment;
use crate::visit::{Visit, page};
use crate::workflows::query::quoted;

/// Runs that are shown of each kind of match.
const SHOWN_MAX: i32 = 8;

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    shell: Shell,
    sought: String,
    groups: Vec<Group>,
}

/// The runs that match in one way.
struct Group {
    name: &'static str,
    /// The list of all of them.
    url: String,
    hits: Vec<Hit>,
}

struct Hit {
    url: String,
    workflow_id: String,
    kind: String,
    status: Shown,
    started: Option<Moment>,
}

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/search", get(search))
}

async fn search(visit: Visit) -> Result<Response, PageError> {
    let sought = visit.params.text("q").trim().to_owned();
    let namespace = visit.params.get("namespace");
    let namespace = namespace
        .or(visit.last_namespace.as_deref())
        .unwrap_or("default")
        .to_owned();
    if sought.is_empty() {
        return Ok(see(&visit.links.workflows(&namespace)));
    }
    if is_query(&sought) {
        return Ok(see(&visit.links.workflows_where(&namespace, &sought)));
    }
    let text = quoted(&sought);
    let ways = [
        ("Workflow id", format!("WorkflowId = {text}")),
        ("Run id", format!("RunId = {text}")),
        (
            "Workflow ids that begin so",
            format!("WorkflowId STARTS_WITH {text} AND WorkflowId != {text}"),
        ),
        (
            "Workflow types that begin so",
            format!("WorkflowType STARTS_WITH {text}"),
        ),
        (
            "Task queues that begin so",
            format!("TaskQueue STARTS_WITH {text}"),
        ),
        ("Children of", format!("ParentWorkflowId = {text}")),
    ];
    let mut groups = Vec::new();
    for (name, query) in ways {
        let found = find(&visit, &namespace, &query).await?;
        if let ("Run id", [only]) = (name, found.as_slice()) {
            return Ok(see(&hit(&visit, &namespace, only).url));
        }
        if !found.is_empty() {
            let hits = found.iter().map(|info| hit(&visit, &namespace, info));
            groups.push(Group {
                name,
                url: visit.links.workflows_where(&namespace, &query),
                hits: hits.collect(),
            });
        }
    }
    // One workflow and nothing else: there is nothing to choose.
    if let [
        Group {
            name: "Workflow id",
            hits,
            ..
        },
    ] = groups.as_slice()
    {
        return Ok(see(&hits[0].url));
    }
    let shell = visit.shell(Some(&namespace), Section::None, "Search");
    page(&SearchPage {
        shell: shell.await,
        sought,
        groups,
    })
}

/// Whether the text is a condition rather than a name.
fn is_query(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    let words = [
        " STARTS_WITH ",
        " CONTAINS ",
        " IN (",
        " IS NULL",
        " IS NOT NULL",
        " BETWEEN ",
    ];
    let compares = text.contains(['=', '<', '>']) && text.contains(['"', '\'', '=']);
    compares
        && text
            .chars()
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || "(`".contains(c))
        || words.iter().any(|word| upper.contains(word))
}

async fn find(
    visit: &Visit,
    namespace: &str,
    query: &str,
) -> Result<Vec<WorkflowExecutionInfo>, PageError> {
    let request = ListWorkflowExecutionsRequest {
        namespace: namespace.to_owned(),
        page_size: SHOWN_MAX,
        query: query.to_owned(),
        ..ListWorkflowExecutionsRequest::default()
    };
    let answer = visit
        .backend
        .workflow()
        .list_workflow_executions(request)
        .await?;
    Ok(answer.into_inner().executions)
}

fn hit(visit: &Visit, namespace: &str, info: &WorkflowExecutionInfo) -> Hit {
    let execution = info.execution.clone().unwrap_or_default();
    Hit {
        url: visit
            .links
            .run(namespace, &execution.workflow_id, &execution.run_id),
        workflow_id: execution.workflow_id,
        kind: info.r#type.clone().unwrap_or_default().name,
        status: status::of_number(info.status),
        started: visit.clock.moment(info.start_time.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_queries() {
        for query in [
            "WorkflowType = \"T\"",
            "A='x' AND B=1",
            "`A` IS NULL",
            "WorkflowId STARTS_WITH 'a'",
        ] {
            assert!(is_query(query), "{query}");
        }
        for name in ["order-1", "a/b", "x > y", "<script>", "order in progress"] {
            assert!(!is_query(name), "{name}");
        }
    }
}
