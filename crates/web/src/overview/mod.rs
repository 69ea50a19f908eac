//! The overview of a namespace: what is wrong now and how to mend it, and how much goes on.

mod problems;

use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;

use crate::app::App;
use crate::failure::PageError;
use crate::failures::gather;
use crate::link::Links;
use crate::live::{self, Fragment, Pace, stream};
use crate::queues::survey;
use crate::shell::{Section, Shell};
use crate::status::{self, Shown};
use crate::visit::{Visit, page};
use crate::workflows::counts::{by_status, grouped};
use crate::workflows::query::{Query, quoted};
use problems::Problem;

/// Nothing tells of pollers and stuck workflow tasks.
const PACE: Pace = Pace {
    least: Duration::from_secs(1),
    again: Duration::from_secs(1),
    most: Duration::from_secs(3),
};
const ELEMENT: &str = "overview";
const DAY_S: i64 = 24 * 3600;

#[derive(Template)]
#[template(path = "overview/page.html")]
struct OverviewPage {
    shell: Shell,
    now: Now,
}

/// How things are now.
#[derive(Template)]
#[template(path = "overview/now.html")]
struct Now {
    links: Links,
    namespace: String,
    problems: Vec<Problem>,
    open: Shown,
    running: String,
    /// What closed in the last 24 hours.
    closed: Vec<Figure>,
    queues: usize,
}

impl HtmlSafe for Now {}

struct Figure {
    shown: Shown,
    count: String,
    url: String,
}

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/namespaces/{namespace}", get(show))
        .route("/namespaces/{namespace}/overview-live", get(follow))
}

async fn show(visit: Visit, Path(namespace): Path<String>) -> Result<Response, PageError> {
    let now = now(&visit, &namespace).await?;
    let title = format!("Overview of {namespace}");
    let shell = visit.shell(Some(&namespace), Section::Overview, &title);
    let live = visit.links.within(&namespace, "overview-live");
    page(&OverviewPage {
        shell: shell.await.live(live),
        now,
    })
}

async fn follow(visit: Visit, Path(namespace): Path<String>) -> Result<Response, PageError> {
    stream(&visit, PACE, live::lists(&visit), move |visit| {
        let namespace = namespace.clone();
        async move {
            let now = now(&visit, &namespace).await?;
            Ok(vec![Fragment::render(ELEMENT, &now)?])
        }
    })
}

async fn now(visit: &Visit, namespace: &str) -> Result<Now, PageError> {
    let backend = &visit.backend;
    let since = format!("CloseTime > {}", quoted(&visit.clock.before(DAY_S)));
    let closed = Query::parse("ExecutionStatus != \"Running\"").and(&since);
    let open = Query::parse("ExecutionStatus = \"Running\"");
    let ((running, _), (_, groups), queues, described) = tokio::try_join!(
        by_status(backend, namespace, &open),
        by_status(backend, namespace, &closed),
        survey::all(backend, namespace),
        gather::describe_running(backend, namespace),
    )?;
    let closed = status::ALL.into_iter().filter_map(|shown| {
        let (_, count) = groups.iter().find(|(name, _)| name == shown.name)?;
        let query = format!("ExecutionStatus = {} AND {since}", quoted(shown.name));
        Some(Figure {
            shown,
            count: grouped(*count),
            url: visit.links.workflows_where(namespace, &query),
        })
    });
    Ok(Now {
        links: visit.links.clone(),
        namespace: namespace.to_owned(),
        problems: problems::of(visit, namespace, &queues, &described),
        open: status::ALL[0],
        running: grouped(running),
        closed: closed.collect(),
        queues: queues.len(),
    })
}
