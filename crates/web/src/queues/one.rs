//! One task queue: its pollers and its backlog.

use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::Path;
use axum::response::Response;

use super::survey::{self, Side, TYPES};
use crate::failure::PageError;
use crate::link::Links;
use crate::live::{self, Fragment, Pace, stream};
use crate::shell::{Section, Shell};
use crate::time::Moment;
use crate::visit::{Visit, page};
use crate::workflows::counts;
use crate::workflows::query::quoted;

/// Nothing tells of pollers and backlogs.
const PACE: Pace = Pace {
    least: Duration::from_secs(1),
    again: Duration::from_secs(1),
    most: Duration::from_secs(2),
};
const ELEMENT: &str = "queue";

#[derive(Template)]
#[template(path = "queues/one.html")]
struct QueuePage {
    shell: Shell,
    detail: Detail,
}

#[derive(Template)]
#[template(path = "queues/detail.html")]
struct Detail {
    links: Links,
    namespace: String,
    /// The open runs, as a query and as a number.
    query: String,
    open: String,
    abandoned: bool,
    sides: Vec<(&'static str, Side, Vec<Poller>)>,
}

impl HtmlSafe for Detail {}

struct Poller {
    identity: String,
    last_access: Option<Moment>,
}

async fn detail(visit: &Visit, namespace: &str, name: &str) -> Result<Detail, PageError> {
    let query = format!(
        "TaskQueue = {} AND ExecutionStatus = \"Running\"",
        quoted(name)
    );
    let (queue, open) = tokio::try_join!(
        survey::describe(&visit.backend, namespace, name),
        counts::of(&visit.backend, namespace, &query),
    )?;
    let abandoned = queue.workflow.pollers.is_empty() && open > 0;
    let sides = [queue.workflow, queue.activity].into_iter().zip(TYPES);
    let sides = sides.map(|(side, (_, word))| {
        let pollers = side.pollers.iter().map(|poller| Poller {
            identity: poller.identity.clone(),
            last_access: visit.clock.moment(poller.last_access_time.as_ref()),
        });
        let pollers = pollers.collect();
        (word, side, pollers)
    });
    Ok(Detail {
        links: visit.links.clone(),
        namespace: namespace.to_owned(),
        open: counts::grouped(open),
        query,
        abandoned,
        sides: sides.collect(),
    })
}

pub(super) async fn show(
    visit: Visit,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let detail = detail(&visit, &namespace, &name).await?;
    let shell = visit.shell(Some(&namespace), Section::TaskQueues, &name);
    let live = visit
        .links
        .path(&["namespaces", &namespace, "task-queue-live", &name]);
    page(&QueuePage {
        shell: shell.await.live(live),
        detail,
    })
}

pub(super) async fn follow(
    visit: Visit,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Response, PageError> {
    stream(&visit, PACE, live::lists(&visit), move |visit| {
        let (namespace, name) = (namespace.clone(), name.clone());
        async move {
            let detail = detail(&visit, &namespace, &name).await?;
            Ok(vec![Fragment::render(ELEMENT, &detail)?])
        }
    })
}
