//! One event with all its attributes, and the other events of its step.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use steadfast_protocol::history::HistoryEvent;

use super::head::{self, Head};
use super::load::{Loaded, load, readable};
use super::named;
use crate::failure::PageError;
use crate::history::attributes::{self, Attribute, Content};
use crate::history::brief::brief;
use crate::history::group::{Group, type_words};
use crate::history::json;
use crate::history::moment::span_words;
use crate::payload::json::pretty;
use crate::shell::Shell;
use crate::time::Moment;
use crate::visit::{Visit, page};

/// Other events of the step that are shown.
const SIBLINGS_MAX: usize = 50;

struct Sibling {
    id: i64,
    words: String,
    brief: String,
    at: Option<Moment>,
    link: String,
    current: bool,
}

#[derive(Template)]
#[template(path = "run/event.html")]
struct EventPage {
    shell: Shell,
    head: Head,
    id: i64,
    words: String,
    at: Option<Moment>,
    attributes: Vec<Attribute>,
    step: Option<Group>,
    attempts: String,
    siblings: Vec<Sibling>,
    raw: String,
    previous: Option<String>,
    next: Option<String>,
    in_history: String,
}

pub(super) async fn show(
    Path((namespace, workflow_id, run_id, event)): Path<(String, String, String, String)>,
    visit: Visit,
) -> Result<Response, PageError> {
    let loaded = load(&visit, named((namespace, workflow_id, run_id))).await?;
    let id = event_id(&loaded, &event)?;
    let last = loaded.index.last_event();
    let found = read(&visit, &loaded, id).await?;
    let name = "temporal.api.history.v1.HistoryEvent";
    let (found, problem) = readable(&visit, &loaded.name.namespace, name, found).await;
    let mut head = Head::new(&visit, &loaded, "history");
    head.codec_problem = problem;
    let place = loaded.index.grouping.place_of(id);
    let step = place.and_then(|place| loaded.group(place)).cloned();
    let mut siblings = Vec::new();
    for other in step
        .iter()
        .flat_map(|step| step.events.iter().take(SIBLINGS_MAX))
    {
        let event = match *other == id {
            true => found.clone(),
            false => read(&visit, &loaded, *other).await?,
        };
        siblings.push(Sibling {
            id: *other,
            words: type_words(event.event_type()),
            brief: brief(&event),
            at: visit.clock.moment(event.event_time.as_ref()),
            link: head.event_link(other),
            current: *other == id,
        });
    }
    let raw = json::event(&found).and_then(|text| pretty(&String::from_utf8(text).ok()?));
    page(&EventPage {
        shell: head::shell(&visit, &loaded, "history").await,
        words: type_words(found.event_type()),
        at: visit.clock.moment(found.event_time.as_ref()),
        attributes: attributes::of_event(&found),
        attempts: step
            .as_ref()
            .map_or_else(String::new, |step| attempts(step, loaded.now)),
        siblings,
        raw: raw.unwrap_or_default(),
        previous: (id > 1).then(|| head.event_link(&(id - 1))),
        next: (id < last).then(|| head.event_link(&(id + 1))),
        in_history: format!("{}?event={id}#e{id}", head.page("history")),
        id,
        step,
        head,
    })
}

/// A number, or the id of the request that caused it.
fn event_id(loaded: &Loaded, text: &str) -> Result<i64, PageError> {
    let extended = loaded.description.workflow_extended_info.as_ref();
    let requested = extended.and_then(|info| info.request_id_infos.get(text));
    let id = match requested {
        Some(info) => info.event_id,
        None => text.parse().unwrap_or(0),
    };
    if id < 1 || id > loaded.index.last_event() {
        return Err(PageError::not_found(format!(
            "This run has no event {text}: its last one is {}.",
            loaded.index.last_event()
        )));
    }
    Ok(id)
}

async fn read(visit: &Visit, loaded: &Loaded, id: i64) -> Result<HistoryEvent, PageError> {
    let indexes = &visit.app.indexes;
    let found = indexes
        .window(&visit.backend, &loaded.name, &loaded.index, id, id)
        .await?;
    let missing = || PageError::not_found(format!("The history has no event {id} any more."));
    found.into_iter().next().ok_or_else(missing)
}

/// The attempts of a step in words: histories keep the last one, and the failure of the one before it.
fn attempts(step: &Group, now: i64) -> String {
    if step.attempt <= 1 {
        return String::new();
    }
    let goes_on = if step.closed.is_some() {
        "took"
    } else {
        "has taken"
    };
    format!(
        "Attempt {}: all attempts together {goes_on} {}. A history keeps the last attempt, and the failure of the one before it.",
        step.attempt,
        span_words(step.span(now))
    )
}
