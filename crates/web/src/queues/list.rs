//! All task queues of a namespace.

use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::Path;
use axum::response::Response;

use super::survey::{self, QUEUES_MAX, Queue};
use crate::failure::PageError;
use crate::link::Links;
use crate::live::{self, Fragment, Pace, stream};
use crate::shell::{Section, Shell};
use crate::visit::{Visit, page};

/// Nothing tells of pollers and backlogs.
const PACE: Pace = Pace {
    least: Duration::from_secs(1),
    again: Duration::from_secs(1),
    most: Duration::from_secs(2),
};
const ELEMENT: &str = "queues";

#[derive(Template)]
#[template(path = "queues/list.html")]
struct ListPage {
    shell: Shell,
    table: Table,
}

#[derive(Template)]
#[template(path = "queues/table.html")]
struct Table {
    links: Links,
    namespace: String,
    queues: Vec<Queue>,
}

impl HtmlSafe for Table {}

async fn table(visit: &Visit, namespace: &str) -> Result<Table, PageError> {
    Ok(Table {
        links: visit.links.clone(),
        namespace: namespace.to_owned(),
        queues: survey::all(&visit.backend, namespace).await?,
    })
}

pub(super) async fn show(
    visit: Visit,
    Path(namespace): Path<String>,
) -> Result<Response, PageError> {
    let table = table(&visit, &namespace).await?;
    let shell = visit.shell(Some(&namespace), Section::TaskQueues, "Task queues");
    let live = visit.links.within(&namespace, "task-queues-live");
    page(&ListPage {
        shell: shell.await.live(live),
        table,
    })
}

pub(super) async fn follow(
    visit: Visit,
    Path(namespace): Path<String>,
) -> Result<Response, PageError> {
    stream(&visit, PACE, live::lists(&visit), move |visit| {
        let namespace = namespace.clone();
        async move {
            let table = table(&visit, &namespace).await?;
            Ok(vec![Fragment::render(ELEMENT, &table)?])
        }
    })
}
