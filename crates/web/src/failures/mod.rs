//! Failures of a namespace, those that are alike as one.

mod fingerprint;
pub(crate) mod gather;

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;

use crate::app::App;
use crate::failure::PageError;
use crate::late;
use crate::link::Links;
use crate::shell::{Section, Shell};
use crate::time::Moment;
use crate::visit::Visit;
use crate::workflows::counts::{self, grouped};
use crate::workflows::query::quoted;
use gather::{Gathered, Group};

/// Runs that a link to a list names.
const LINKED_MAX: usize = 100;

#[derive(Template)]
#[template(path = "failures/page.html")]
struct FailuresPage {
    shell: Shell,
    closed: String,
}

/// The failures. To find what they have said, the server is asked about hundreds of runs.
#[derive(Template)]
#[template(path = "failures/table.html")]
struct Table {
    links: Links,
    namespace: String,
    groups: Vec<Shown>,
    looked_at: usize,
    retrying: usize,
}

struct Shown {
    group: Group,
    first: Option<Moment>,
    last: Option<Moment>,
    /// The list of its runs.
    list: String,
}

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/namespaces/{namespace}/failures", get(show))
}

async fn show(visit: Visit, Path(namespace): Path<String>) -> Result<Response, PageError> {
    let closed = counts::of(&visit.backend, &namespace, gather::CLOSED).await?;
    let shell = visit.shell(Some(&namespace), Section::Failures, "Failures");
    let template = FailuresPage {
        shell: shell.await,
        closed: grouped(closed),
    };
    late::page(&template, async move {
        Ok(table(&visit, &namespace).await?.render()?)
    })
}

async fn table(visit: &Visit, namespace: &str) -> Result<Table, PageError> {
    let Gathered {
        groups,
        looked_at,
        retrying,
    } = gather::all(&visit.backend, namespace).await?;
    let shown = groups.into_iter().map(|group| {
        let runs = group
            .runs
            .iter()
            .take(LINKED_MAX)
            .map(|run| quoted(&run.run_id));
        let runs: Vec<_> = runs.collect();
        let query = format!("RunId IN ({})", runs.join(", "));
        Shown {
            first: visit.clock.moment(group.first.as_ref()),
            last: visit.clock.moment(group.last.as_ref()),
            list: visit.links.workflows_where(namespace, &query),
            group,
        }
    });
    Ok(Table {
        links: visit.links.clone(),
        namespace: namespace.to_owned(),
        groups: shown.collect(),
        looked_at,
        retrying,
    })
}
