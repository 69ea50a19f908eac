//! One task queue: its pollers and its backlog.

use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::Path;
use axum::response::Response;

use super::survey::{self, Queue, Side, TYPES};
use crate::failure::PageError;
use crate::late;
use crate::link::Links;
use crate::live::{self, Fragment, Pace, stream};
use crate::shell::{Section, Shell};
use crate::time::Moment;
use crate::visit::Visit;
use crate::workflows::counts;
use crate::workflows::query::quoted;

/// Nothing tells of pollers and backlogs.
const PACE: Pace = Pace {
    least: Duration::from_secs(1),
    again: Duration::from_secs(1),
    most: Duration::from_secs(2),
};
const ELEMENT: &str = "queue";
const OPEN: &str = "queue-open";

#[derive(Template)]
#[template(path = "queues/one.html")]
struct QueuePage {
    shell: Shell,
    detail: Detail,
}

#[derive(Template)]
#[template(path = "queues/detail.html")]
struct Detail {
    sides: Vec<(&'static str, Side, Vec<Poller>)>,
}

impl HtmlSafe for Detail {}

/// The open runs of it. Where there are many, counting them takes long.
#[derive(Template)]
#[template(path = "queues/open.html")]
struct Open {
    links: Links,
    namespace: String,
    query: String,
    open: String,
    is_abandoned: bool,
}

struct Poller {
    identity: String,
    last_access: Option<Moment>,
}

fn detail(visit: &Visit, queue: Queue) -> Detail {
    let sides = [queue.workflow, queue.activity].into_iter().zip(TYPES);
    let sides = sides.map(|(side, (_, word))| {
        let pollers = side.pollers.iter().map(|poller| Poller {
            identity: poller.identity.clone(),
            last_access: visit.clock.moment(poller.last_access_time.as_ref()),
        });
        let pollers = pollers.collect();
        (word, side, pollers)
    });
    Detail {
        sides: sides.collect(),
    }
}

async fn open(
    visit: &Visit,
    namespace: &str,
    name: &str,
    is_polled: bool,
) -> Result<Open, PageError> {
    let query = format!(
        "TaskQueue = {} AND ExecutionStatus = \"Running\"",
        quoted(name)
    );
    let open = counts::of(&visit.backend, namespace, &query).await?;
    Ok(Open {
        links: visit.links.clone(),
        namespace: namespace.to_owned(),
        query,
        open: counts::grouped(open),
        is_abandoned: !is_polled && open > 0,
    })
}

pub(super) async fn show(
    visit: Visit,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let queue = survey::describe(&visit.backend, &namespace, &name).await?;
    let is_polled = !queue.workflow.pollers.is_empty();
    let shell = visit.shell(Some(&namespace), Section::TaskQueues, &name);
    let live = visit
        .links
        .path(&["namespaces", &namespace, "task-queue-live", &name]);
    let template = QueuePage {
        shell: shell.await.live(live),
        detail: detail(&visit, queue),
    };
    late::page(&template, async move {
        Ok(open(&visit, &namespace, &name, is_polled).await?.render()?)
    })
}

pub(super) async fn follow(
    visit: Visit,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Response, PageError> {
    stream(&visit, PACE, live::lists(&visit), move |visit| {
        let (namespace, name) = (namespace.clone(), name.clone());
        async move {
            let queue = survey::describe(&visit.backend, &namespace, &name).await?;
            let is_polled = !queue.workflow.pollers.is_empty();
            let open = open(&visit, &namespace, &name, is_polled).await?;
            Ok(vec![
                Fragment::render(ELEMENT, &detail(&visit, queue))?,
                Fragment::render(OPEN, &open)?,
            ])
        }
    })
}
