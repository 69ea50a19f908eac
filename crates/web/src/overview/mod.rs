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
use crate::late;
use crate::link::Links;
use crate::live::{self, Fragment, Pace, stream};
use crate::queues::survey;
use crate::shell::{Section, Shell};
use crate::status::{self, Shown};
use crate::visit::Visit;
use crate::workflows::counts::{by_status, grouped};
use crate::workflows::query::{Query, quoted};
use problems::Problem;

/// Nothing tells of pollers and stuck workflow tasks.
const PACE: Pace = Pace {
    least: Duration::from_secs(1),
    again: Duration::from_secs(1),
    most: Duration::from_secs(3),
};
const FIGURES: &str = "figures";
const TROUBLE: &str = "trouble";
const DAY_S: i64 = 24 * 3600;

#[derive(Template)]
#[template(path = "overview/page.html")]
struct OverviewPage {
    shell: Shell,
    figures: Figures,
}

/// How many runs there are.
#[derive(Template)]
#[template(path = "overview/figures.html")]
struct Figures {
    links: Links,
    namespace: String,
    open: Shown,
    running: String,
    /// What closed in the last 24 hours.
    closed: Vec<Figure>,
}

impl HtmlSafe for Figures {}

struct Figure {
    shown: Shown,
    count: String,
    url: String,
}

/// What is wrong now. To find that, the server is asked about hundreds of runs.
#[derive(Template)]
#[template(path = "overview/trouble.html")]
struct Trouble {
    links: Links,
    namespace: String,
    problems: Vec<Problem>,
    queues: usize,
}

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/namespaces/{namespace}", get(show))
        .route("/namespaces/{namespace}/overview-live", get(follow))
}

async fn show(visit: Visit, Path(namespace): Path<String>) -> Result<Response, PageError> {
    let figures = figures(&visit, &namespace).await?;
    let title = format!("Overview of {namespace}");
    let shell = visit.shell(Some(&namespace), Section::Overview, &title);
    let live = visit.links.within(&namespace, "overview-live");
    let template = OverviewPage {
        shell: shell.await.live(live),
        figures,
    };
    late::page(&template, async move {
        Ok(trouble(&visit, &namespace).await?.render()?)
    })
}

async fn follow(visit: Visit, Path(namespace): Path<String>) -> Result<Response, PageError> {
    stream(&visit, PACE, live::lists(&visit), move |visit| {
        let namespace = namespace.clone();
        async move {
            let (figures, trouble) =
                tokio::try_join!(figures(&visit, &namespace), trouble(&visit, &namespace))?;
            Ok(vec![
                Fragment::render(FIGURES, &figures)?,
                Fragment::render(TROUBLE, &trouble)?,
            ])
        }
    })
}

async fn figures(visit: &Visit, namespace: &str) -> Result<Figures, PageError> {
    let backend = &visit.backend;
    let since = format!("CloseTime > {}", quoted(&visit.clock.before(DAY_S)));
    let closed = Query::parse("ExecutionStatus != \"Running\"").and(&since);
    let open = Query::parse("ExecutionStatus = \"Running\"");
    let ((running, _), (_, groups)) = tokio::try_join!(
        by_status(backend, namespace, &open),
        by_status(backend, namespace, &closed),
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
    Ok(Figures {
        links: visit.links.clone(),
        namespace: namespace.to_owned(),
        open: status::ALL[0],
        running: grouped(running),
        closed: closed.collect(),
    })
}

async fn trouble(visit: &Visit, namespace: &str) -> Result<Trouble, PageError> {
    let backend = &visit.backend;
    let (queues, described) = tokio::try_join!(
        survey::all(backend, namespace),
        gather::describe_running(backend, namespace),
    )?;
    Ok(Trouble {
        links: visit.links.clone(),
        namespace: namespace.to_owned(),
        problems: problems::of(visit, namespace, &queues, &described),
        queues: queues.len(),
    })
}
