//! What a page does on the network and in the console, and when it has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::log::{EventEntryAdded, LogEntryLevel};
use chromiumoxide::cdp::browser_protocol::network::{
    EnableParams, EventLoadingFailed, EventLoadingFinished, EventRequestWillBeSent,
    EventResponseReceived, GetResponseBodyParams, ResourceType,
};
use chromiumoxide::cdp::js_protocol::runtime::{
    ConsoleApiCalledType, EventConsoleApiCalled, EventExceptionThrown,
};
use futures::StreamExt;
use futures::stream::{BoxStream, select_all};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::mask;
use crate::trouble::locked;

/// A page is at rest when nothing has happened on the network for this long.
const REST: Duration = Duration::from_millis(1200);
/// No page of the UI should need more, even on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// True once the page has nothing to do.
const IDLE: &str = "new Promise(done => requestIdleCallback(() => done(true)))";

/// One answered call, or one that still waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    /// Method and path with its query, ids masked.
    pub(crate) what: String,
    /// The status, or `waits` for a long poll.
    pub(crate) status: String,
}

/// What was seen since the last time somebody asked.
#[derive(Default)]
pub(crate) struct Seen {
    /// Calls to the server's API.
    pub(crate) calls: BTreeSet<Call>,
    /// Errors in the console, uncaught exceptions, pages that never rest.
    pub(crate) complaints: BTreeSet<String>,
    /// JSON answers to calls, with the method and the path without its query.
    pub(crate) answers: Vec<(String, serde_json::Value)>,
}

/// Listens to one page for as long as it lives.
pub(crate) struct Watch {
    page: Page,
    traffic: Arc<Mutex<Traffic>>,
    stirred: Arc<Notify>,
    listening: JoinHandle<()>,
}

#[derive(Default)]
struct Traffic {
    /// Requests by the browser's id for them. Events of one request may be seen in any order.
    requests: BTreeMap<String, Exchange>,
    /// The document that is shown. What an earlier one asked for concerns nobody any more.
    document: String,
    complaints: BTreeSet<String>,
}

#[derive(Clone, Default)]
struct Exchange {
    document: String,
    method: String,
    url: String,
    status: Option<i64>,
    json: bool,
    ended: bool,
    failed: bool,
}

enum Event {
    Sent {
        id: String,
        document: String,
        navigates: bool,
        method: String,
        url: String,
    },
    Answered {
        id: String,
        status: i64,
        json: bool,
    },
    Ended {
        id: String,
        failed: bool,
    },
    Complaint(String),
}

impl Watch {
    pub(crate) async fn new(page: Page) -> Result<Self> {
        page.execute(EnableParams::default()).await?;
        page.enable_log().await?;
        page.enable_runtime().await?;
        let mut events = select_all(listeners(&page).await?);
        let traffic = Arc::new(Mutex::new(Traffic::default()));
        let stirred = Arc::new(Notify::new());
        let listening = tokio::spawn({
            let (traffic, stirred) = (traffic.clone(), stirred.clone());
            async move {
                while let Some(event) = events.next().await {
                    locked(&traffic).take(event);
                    stirred.notify_one();
                }
            }
        });
        Ok(Self {
            page,
            traffic,
            stirred,
            listening,
        })
    }

    /// Waits until the page rests: no request under way but long polls, nothing new for a while, and no script that
    /// still has something to do.
    pub(crate) async fn rest(&self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut quiet_at = Instant::now() + REST;
        loop {
            let under_way = locked(&self.traffic).under_way();
            if Instant::now() >= end {
                let what = under_way.join(", ");
                let complaint = format!("does not come to rest: {what}");
                locked(&self.traffic).complaints.insert(complaint);
                return Ok(());
            }
            let until = if under_way.is_empty() {
                quiet_at.min(end)
            } else {
                end
            };
            if timeout_at(until, self.stirred.notified()).await.is_ok() {
                quiet_at = Instant::now() + REST;
            } else if under_way.is_empty() {
                // On a busy machine a page may be silent because it does not get to run.
                self.page.evaluate(IDLE).await?;
                let stirred = timeout_at(Instant::now(), self.stirred.notified())
                    .await
                    .is_ok();
                if !stirred && locked(&self.traffic).under_way().is_empty() {
                    return Ok(());
                }
                quiet_at = Instant::now() + REST;
            }
        }
    }

    /// All that was seen since the last call; bodies can be had only until the page goes elsewhere.
    pub(crate) async fn take(&self) -> Result<Seen> {
        let (requests, complaints) = {
            let mut traffic = locked(&self.traffic);
            (
                std::mem::take(&mut traffic.requests),
                std::mem::take(&mut traffic.complaints),
            )
        };
        let mut seen = Seen {
            complaints,
            ..Seen::default()
        };
        for (id, exchange) in requests {
            let Some(path) = mask::api_path(&exchange.url) else {
                continue;
            };
            let what = format!("{} {path}", exchange.method);
            let status = match exchange.status {
                Some(status) => status.to_string(),
                None if is_long_poll(&exchange.url) => "waits".to_owned(),
                // The page gave it up before there was an answer: whether that happens is a matter of chance.
                None => continue,
            };
            if exchange.json && exchange.ended && !exchange.failed {
                let body = self.page.execute(GetResponseBodyParams::new(id)).await;
                if let Ok(body) = body {
                    let value = serde_json::from_str(&body.body)
                        .with_context(|| format!("the answer to {what}"))?;
                    let call = what.split('?').next().unwrap_or_default();
                    seen.answers.push((format!("{call} {status}"), value));
                }
            }
            seen.calls.insert(Call { what, status });
        }
        Ok(seen)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Traffic {
    fn take(&mut self, event: Event) {
        match event {
            Event::Sent {
                id,
                document,
                navigates,
                method,
                url,
            } => {
                if navigates {
                    self.document.clone_from(&document);
                }
                let exchange = self.requests.entry(id).or_default();
                exchange.document = document;
                exchange.method = method;
                exchange.url = url;
            }
            Event::Answered { id, status, json } => {
                let exchange = self.requests.entry(id).or_default();
                exchange.status = Some(status);
                exchange.json = json;
            }
            Event::Ended { id, failed } => {
                let exchange = self.requests.entry(id).or_default();
                exchange.ended = true;
                exchange.failed = failed;
            }
            Event::Complaint(text) => {
                self.complaints.insert(text);
            }
        }
    }

    /// Requests without an answer, those apart that wait for something to happen.
    fn under_way(&self) -> Vec<String> {
        let open = self.requests.values().filter(|exchange| {
            !exchange.ended
                && exchange.document == self.document
                && !exchange.url.is_empty()
                && !is_long_poll(&exchange.url)
        });
        open.map(|exchange| mask::text(&exchange.url)).collect()
    }
}

fn is_long_poll(url: &str) -> bool {
    // The UI names the token in both ways.
    let continues = url.contains("nextPageToken=") || url.contains("next_page_token=");
    url.contains("waitNewEvent=true") && continues
}

async fn listeners(page: &Page) -> Result<Vec<BoxStream<'static, Event>>> {
    let main_frame = page.mainframe().await?;
    let sent = page
        .event_listener::<EventRequestWillBeSent>()
        .await?
        .map(move |event| Event::Sent {
            id: event.request_id.inner().clone(),
            document: event.loader_id.inner().clone(),
            navigates: event.r#type == Some(ResourceType::Document) && event.frame_id == main_frame,
            method: event.request.method.clone(),
            url: event.request.url.clone(),
        });
    let answered = page
        .event_listener::<EventResponseReceived>()
        .await?
        .map(|event| Event::Answered {
            id: event.request_id.inner().clone(),
            status: event.response.status,
            json: event.response.mime_type == "application/json",
        });
    let finished = page
        .event_listener::<EventLoadingFinished>()
        .await?
        .map(|event| Event::Ended {
            id: event.request_id.inner().clone(),
            failed: false,
        });
    let failed = page
        .event_listener::<EventLoadingFailed>()
        .await?
        .map(|event| Event::Ended {
            id: event.request_id.inner().clone(),
            failed: true,
        });
    let console = page
        .event_listener::<EventConsoleApiCalled>()
        .await?
        .filter_map(|event| {
            let is_error = event.r#type == ConsoleApiCalledType::Error;
            let words: Vec<_> = event
                .args
                .iter()
                .filter_map(|arg| {
                    let value = arg.value.as_ref().map(|value| match value.as_str() {
                        Some(text) => text.to_owned(),
                        None => value.to_string(),
                    });
                    value.or_else(|| arg.description.clone())
                })
                .collect();
            let complaint = is_error.then(|| complaint("console", &words.join(" ")));
            std::future::ready(complaint)
        });
    let log = page
        .event_listener::<EventEntryAdded>()
        .await?
        .filter_map(|event| {
            let entry = &event.entry;
            let about = entry
                .url
                .as_deref()
                .and_then(mask::api_path)
                .unwrap_or_default();
            let complaint = (entry.level == LogEntryLevel::Error)
                .then(|| complaint("log", &format!("{} {about}", entry.text)));
            std::future::ready(complaint)
        });
    let exceptions = page
        .event_listener::<EventExceptionThrown>()
        .await?
        .map(|event| {
            let details = &event.exception_details;
            let thrown = details
                .exception
                .as_ref()
                .and_then(|thrown| thrown.description.clone());
            complaint("exception", &thrown.unwrap_or_else(|| details.text.clone()))
        });
    Ok(vec![
        sent.boxed(),
        answered.boxed(),
        finished.boxed(),
        failed.boxed(),
        console.boxed(),
        log.boxed(),
        exceptions.boxed(),
    ])
}

/// The first line says what went wrong; what follows is a stack of names that mean nothing.
fn complaint(kind: &str, text: &str) -> Event {
    let first = text.lines().next().unwrap_or_default();
    Event::Complaint(format!("{kind}: {}", mask::text(first.trim())))
}
