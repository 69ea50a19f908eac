//! What changes in a list while it is looked at: counts, the rows that are there, and how many more there would be.
//! Rows do not move: who reads is not disturbed.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Path;
use axum::response::Response;
use steadfast_protocol::workflow::WorkflowExecutionInfo;
use steadfast_protocol::workflowservice::ListWorkflowExecutionsRequest;
use tokio::sync::Notify;

use super::columns;
use super::counts::{self, ByStatus, Counts};
use super::list;
use super::query::{Order, Query, quoted};
use super::row::Row;
use super::tally::Tally;
use crate::failure::PageError;
use crate::fresh::Fresh;
use crate::live::{self, Fragment, Pace, stream};
use crate::visit::Visit;

/// Lists tell of all their changes.
const PACE: Pace = Pace {
    least: Duration::from_millis(100),
    again: Duration::from_secs(10),
    most: Duration::from_secs(10),
};
/// As many rows as a page can have.
const ROWS_MAX: usize = 100;

/// Says how many runs started since the page was made; that is none when it is made.
pub(super) fn no_new_rows(query: &Query) -> Fresh {
    let order = match query.order() {
        None => "Open runs first, then those that closed last.".to_owned(),
        Some(Order { by, descending }) => {
            let first = if *descending { "greatest" } else { "least" };
            format!("By {by}, the {first} first.")
        }
    };
    Fresh {
        element: "new-rows",
        count: String::new(),
        url: String::new(),
        stream: String::new(),
        order,
    }
}

/// The stream of a list with these rows.
pub(super) fn url(visit: &Visit, namespace: &str, found: &[WorkflowExecutionInfo]) -> String {
    let mut params = list::lasting(&visit.params).with("since", &visit.clock.before(0));
    for info in found.iter().take(ROWS_MAX) {
        if let Some(execution) = &info.execution {
            params.push("run", &execution.run_id);
        }
    }
    visit.links.within(namespace, "workflows-live") + &params.query()
}

/// The numbers of a stream.
#[derive(Clone)]
struct Tallies {
    by_status: Tally<ByStatus>,
    newer: Tally<i64>,
}

pub(super) async fn follow(
    visit: Visit,
    Path(namespace): Path<String>,
) -> Result<Response, PageError> {
    // Counts that came late are looked at as soon as they are there.
    let late = Arc::new(Notify::new());
    let tallies = Tallies {
        by_status: Tally::new(&late),
        newer: Tally::new(&late),
    };
    let late = futures_util::stream::unfold(late, |late| async {
        late.notified().await;
        Some(((), late))
    });
    let hints = Box::pin(futures_util::stream::select(live::lists(&visit), late));
    stream(&visit, PACE, hints, move |visit| {
        fragments(visit, namespace.clone(), tallies.clone())
    })
}

async fn fragments(
    visit: Visit,
    namespace: String,
    tallies: Tallies,
) -> Result<Vec<Fragment>, PageError> {
    let query = Query::parse(visit.params.text("query"));
    let base = list::lasting(&visit.params);
    let list = visit.links.workflows(&namespace);
    let link = |query: &Query| list.clone() + &base.with("query", &query.text()).query();
    let since = format!("StartTime > {}", quoted(visit.params.text("since")));
    // First, because the few that started since are found at once, whatever else is asked for.
    let newer = Query::parse(&since).and(&query.condition()).condition();
    let others = counts::unconditional(&query);
    // Before anything is asked for: what changes from here on makes a look of its own.
    let version = *visit.app.listed.borrow();
    let (by_status, newer, found) = tokio::join!(
        tallies.by_status.newest(version, || {
            let (backend, namespace, others) =
                (visit.backend.clone(), namespace.clone(), others.clone());
            async move { counts::by_status(&backend, &namespace, &others).await.ok() }
        }),
        tallies.newer.newest(version, || {
            let (backend, namespace, newer) =
                (visit.backend.clone(), namespace.clone(), newer.clone());
            async move { counts::of(&backend, &namespace, &newer).await.ok() }
        }),
        rows(&visit, &namespace),
    );
    let new_rows = match newer {
        None | Some(0) => no_new_rows(&query),
        Some(count) => Fresh {
            count: counts::grouped(count),
            url: link(&query),
            ..no_new_rows(&query)
        },
    };
    let mut fragments = vec![Fragment::render(new_rows.element, &new_rows)?];
    if let Some(by_status) = &by_status {
        let counts = Counts::new(&query, link, Some(by_status), String::new());
        fragments.push(Fragment::render(counts::ELEMENT, &counts)?);
    }
    for row in found? {
        fragments.push(Fragment::render(&row.element, &row)?);
    }
    Ok(fragments)
}

/// The rows of the page as they are now, whether or not the query still finds them.
async fn rows(visit: &Visit, namespace: &str) -> Result<Vec<Row>, PageError> {
    let runs = visit.params.all("run").take(ROWS_MAX).map(quoted);
    let runs: Vec<_> = runs.collect();
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let request = ListWorkflowExecutionsRequest {
        namespace: namespace.to_owned(),
        page_size: runs.len() as i32,
        // Whatever division they belong to.
        query: format!("RunId IN ({})", runs.join(", ")),
        ..ListWorkflowExecutionsRequest::default()
    };
    let answer = visit
        .backend
        .workflow()
        .list_workflow_executions(request)
        .await?;
    let columns = columns::chosen(&visit.params);
    let rows = answer
        .get_ref()
        .executions
        .iter()
        .map(|info| Row::new(&visit.links, &visit.clock, namespace, info, &columns));
    Ok(rows.collect())
}
