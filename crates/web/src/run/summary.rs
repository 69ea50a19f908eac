//! The first page of a run: what went in, what came out, and its steps.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use steadfast_protocol::common::Payload;
use steadfast_protocol::history::History;
use steadfast_protocol::history::history_event::Attributes as A;

use super::head::{self, Head};
use super::load::{Loaded, load, readable};
use super::timeline::Drawing;
use super::{RunPath, named};
use crate::failure::PageError;
use crate::live::Fragment;
use crate::payload::PayloadView;
use crate::payload::failure::{self, FailureView, text_of};
use crate::payload::markdown::Markdown;
use crate::shell::Shell;
use crate::visit::{Visit, page};

/// What went in and what came out.
#[derive(Default)]
struct Ends {
    summary: Markdown,
    input: Vec<PayloadView>,
    result: Option<Vec<PayloadView>>,
    failure: Vec<FailureView>,
    reason: String,
    details: Vec<PayloadView>,
    next_input: Option<Vec<PayloadView>>,
}

#[derive(Template)]
#[template(path = "run/summary.html")]
struct Summary {
    shell: Shell,
    head: Head,
    ends: Ends,
    drawing: Drawing,
}

#[derive(Template)]
#[template(path = "run/ends.html")]
struct EndsFragment<'a> {
    ends: &'a Ends,
}

pub(super) async fn show(Path(path): RunPath, visit: Visit) -> Result<Response, PageError> {
    let loaded = load(&visit, named(path)).await?;
    let (ends, codec_problem) = ends(&visit, &loaded).await?;
    let mut head = Head::new(&visit, &loaded, "");
    head.codec_problem = codec_problem;
    page(&Summary {
        shell: head::shell(&visit, &loaded, "").await,
        drawing: Drawing::new(&visit, &loaded, &head),
        head,
        ends,
    })
}

/// What changes on the page.
pub(super) async fn fragments(
    visit: &Visit,
    loaded: &Loaded,
    head: &Head,
) -> Result<Vec<Fragment>, PageError> {
    let mut fragments = vec![Drawing::new(visit, loaded, head).fragment()?];
    if !loaded.is_open() {
        let (ends, _) = ends(visit, loaded).await?;
        fragments.push(Fragment::render("run-ends", &EndsFragment { ends: &ends })?);
    }
    Ok(fragments)
}

async fn ends(visit: &Visit, loaded: &Loaded) -> Result<(Ends, String), PageError> {
    let indexes = &visit.app.indexes;
    let (index, run) = (&loaded.index, &loaded.name);
    let mut events = indexes.window(&visit.backend, run, index, 1, 1).await?;
    if !loaded.is_open() {
        let last = index
            .groups()
            .first()
            .and_then(|run| run.events.last().copied());
        let last = last.unwrap_or(1);
        if last > 1 {
            events.extend(
                indexes
                    .window(&visit.backend, run, index, last, last)
                    .await?,
            );
        }
    }
    let name = "temporal.api.history.v1.History";
    let (history, problem) = readable(visit, &run.namespace, name, History::from(events)).await;
    let mut ends = Ends::default();
    for event in &history.events {
        let metadata = event.user_metadata.as_ref();
        if let Some(summary) = metadata.and_then(|metadata| metadata.summary.as_ref()) {
            ends.summary = Markdown::new(&text_of(summary));
        }
        ends.learn(event.attributes.as_ref());
    }
    Ok((ends, problem))
}

impl Ends {
    fn learn(&mut self, attributes: Option<&A>) {
        match attributes {
            Some(A::WorkflowExecutionStartedEventAttributes(e)) => {
                self.input = PayloadView::list(e.input.as_ref());
            }
            Some(A::WorkflowExecutionCompletedEventAttributes(e)) => {
                self.result = Some(PayloadView::list(e.result.as_ref()));
            }
            Some(A::WorkflowExecutionFailedEventAttributes(e)) => {
                self.failure = e.failure.as_ref().map_or_else(Vec::new, failure::chain);
            }
            Some(A::WorkflowExecutionTerminatedEventAttributes(e)) => {
                self.reason = format!("{} – by {}", e.reason, e.identity);
                self.details = PayloadView::list(e.details.as_ref());
            }
            Some(A::WorkflowExecutionCanceledEventAttributes(e)) => {
                self.details = PayloadView::list(e.details.as_ref());
            }
            Some(A::WorkflowExecutionContinuedAsNewEventAttributes(e)) => {
                self.next_input = Some(PayloadView::list(e.input.as_ref()));
            }
            _ => {}
        }
    }
}

/// A map of payloads for a template.
pub(super) fn payload_map<'a>(
    fields: impl IntoIterator<Item = (&'a String, &'a Payload)>,
) -> Vec<(String, PayloadView)> {
    let fields = fields.into_iter();
    fields
        .map(|(name, payload)| (name.clone(), PayloadView::new(payload)))
        .collect()
}
