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
use crate::shell::{Section, Shell};
use crate::time::Moment;
use crate::visit::{Visit, page};
use crate::workflows::counts::grouped;
use crate::workflows::query::quoted;
use gather::{Gathered, Group};

/// Runs that a link to a list names.
const LINKED_MAX: usize = 100;

#[derive(Template)]
#[template(path = "failures/page.html")]
struct FailuresPage {
    shell: Shell,
    groups: Vec<Shown>,
    looked_at: usize,
    closed: String,
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
    let Gathered {
        groups,
        looked_at,
        closed,
        retrying,
    } = gather::all(&visit.backend, &namespace).await?;
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
            list: visit.links.workflows_where(&namespace, &query),
            group,
        }
    });
    page(&FailuresPage {
        groups: shown.collect(),
        looked_at,
        closed: grouped(closed),
        retrying,
        shell: visit
            .shell(Some(&namespace), Section::Failures, "Failures")
            .await,
    })
}
