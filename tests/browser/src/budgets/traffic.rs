//! What a page asks of the network, as the browser counts it, and when it has come to rest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::network::{
    EventDataReceived, EventEventSourceMessageReceived, EventLoadingFailed, EventLoadingFinished,
    EventRequestWillBeSent, ResourceType,
};
use futures::StreamExt;
use futures::stream::select_all;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::trouble::locked;

/// No page needs more to come to rest.
const PATIENCE: Duration = Duration::from_secs(120);

/// Listens to one tab for as long as it lives.
pub struct Traffic {
    seen: Arc<Mutex<Seen>>,
    stirred: Arc<Notify>,
    listening: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    requests: BTreeMap<String, Request>,
    messages: u64,
}

#[derive(Default)]
struct Request {
    /// How often it was sent: once, and again after each redirection.
    sent: u64,
    /// As they came: compressed, with their headers once the request has ended.
    bytes: f64,
    /// It ends when the page does, or when something happens.
    waits: bool,
    is_stream: bool,
    ended: bool,
}

/// What a page has asked for but its event stream, which goes on for as long as somebody looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weight {
    /// Requests that were answered over the network, not from a cache.
    pub requests: u64,
    /// Bytes of the answers as they came, headers included.
    pub bytes: f64,
}

enum Event {
    Sent {
        id: String,
        url: String,
        is_stream: bool,
    },
    Data {
        id: String,
        bytes: i64,
    },
    Ended {
        id: String,
        bytes: Option<f64>,
    },
    Message,
}

impl Traffic {
    pub async fn watch(page: &Page) -> Result<Self> {
        let sent = page.event_listener::<EventRequestWillBeSent>().await?;
        let sent = sent.map(|event| Event::Sent {
            id: event.request_id.inner().clone(),
            url: event.request.url.clone(),
            is_stream: event.r#type == Some(ResourceType::EventSource),
        });
        let data = page.event_listener::<EventDataReceived>().await?;
        let data = data.map(|event| Event::Data {
            id: event.request_id.inner().clone(),
            bytes: event.encoded_data_length,
        });
        let finished = page.event_listener::<EventLoadingFinished>().await?;
        let finished = finished.map(|event| Event::Ended {
            id: event.request_id.inner().clone(),
            bytes: Some(event.encoded_data_length),
        });
        let failed = page.event_listener::<EventLoadingFailed>().await?;
        let failed = failed.map(|event| Event::Ended {
            id: event.request_id.inner().clone(),
            bytes: None,
        });
        let messages = page
            .event_listener::<EventEventSourceMessageReceived>()
            .await?;
        let messages = messages.map(|_| Event::Message);
        let mut events = select_all([
            sent.boxed(),
            data.boxed(),
            finished.boxed(),
            failed.boxed(),
            messages.boxed(),
        ]);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stirred = Arc::new(Notify::new());
        let listening = tokio::spawn({
            let (seen, stirred) = (Arc::clone(&seen), Arc::clone(&stirred));
            async move {
                while let Some(event) = events.next().await {
                    locked(&seen).take(event);
                    stirred.notify_one();
                }
            }
        });
        Ok(Self {
            seen,
            stirred,
            listening,
        })
    }

    /// Waits until nothing is under way but what waits for something to happen, and nothing has come for so long.
    pub async fn rest(&self, quiet: Duration) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let stirred = timeout_at(Instant::now() + quiet, self.stirred.notified()).await;
            if stirred.is_err() && !locked(&self.seen).is_under_way() {
                return Ok(());
            }
            ensure!(Instant::now() < end, "the page does not come to rest");
        }
    }

    /// All that was asked for so far.
    pub fn weight(&self) -> Weight {
        let seen = locked(&self.seen);
        let mut weight = Weight::default();
        for request in seen.requests.values() {
            if !request.is_stream && request.bytes > 0.0 {
                weight.requests += request.sent;
                weight.bytes += request.bytes;
            }
        }
        weight
    }

    /// Messages of event streams so far.
    pub fn messages(&self) -> u64 {
        locked(&self.seen).messages
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Seen {
    fn take(&mut self, event: Event) {
        match event {
            // What is in the page itself.
            Event::Sent { url, .. } if url.starts_with("data:") => {}
            Event::Sent { id, url, is_stream } => {
                let request = self.requests.entry(id).or_default();
                request.sent += 1;
                request.is_stream = is_stream;
                request.waits = is_stream || url.contains("waitNewEvent=true");
            }
            Event::Data { id, bytes } => {
                // Events of one request may be seen in any order, and its end says all that came.
                let request = self.requests.entry(id).or_default();
                if !request.ended {
                    request.bytes += bytes as f64;
                }
            }
            Event::Ended { id, bytes } => {
                let request = self.requests.entry(id).or_default();
                request.ended = true;
                request.bytes = bytes.unwrap_or(request.bytes);
            }
            Event::Message => self.messages += 1,
        }
    }

    fn is_under_way(&self) -> bool {
        let mut requests = self.requests.values();
        requests.any(|request| request.sent > 0 && !request.ended && !request.waits)
    }
}
