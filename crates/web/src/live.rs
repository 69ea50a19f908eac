//! What changes while a page is looked at: fragments of the page over one event stream.
//!
//! A stream renders the fragments of its page anew at an interval and sends those that changed. All viewers of the
//! same page with the same rights share one such task, however many they are. Fragments are states, not changes: a
//! viewer who was away gets the newest ones and has missed nothing.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::StatusCode;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use xxhash_rust::xxh3::xxh3_64;

use crate::asset;
use crate::failure::PageError;
use crate::visit::Visit;

/// Pages with streams at one time; more are refused and their viewers reload by hand.
const PAGES_MAX: usize = 1000;
/// Viewers of all streams at one time.
const VIEWERS_MAX: usize = 10_000;
/// A page rests this many times as long as its fragments take.
const REST: u32 = 10;
/// So often a silent stream says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// So often fragments are rendered, unless a page says otherwise.
pub const INTERVAL: Duration = Duration::from_millis(200);

/// A part of a page that changes: an element with this id, and all of its HTML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The id of the element.
    pub id: String,
    /// The element.
    pub html: String,
}

impl Fragment {
    /// Renders one.
    ///
    /// # Errors
    /// The template fails.
    pub fn render(id: &str, template: &impl askama::Template) -> Result<Self, PageError> {
        Ok(Self {
            id: id.to_owned(),
            html: template.render()?,
        })
    }
}

/// The fragments of a page at one time, each with a number made of its content.
type State = Arc<Vec<(u64, Fragment)>>;

/// The open streams of the server.
#[derive(Clone, Default)]
pub struct Streams {
    pages: Arc<Mutex<HashMap<Vec<u8>, watch::Sender<State>>>>,
}

/// The stream of a page: `render` makes its fragments and is called every `interval` while anybody looks at it. Two
/// visits with the same path, parameters and rights are taken for the same page, so a fragment holds no form: the token
/// in it would be another visitor's.
///
/// # Errors
/// There are too many streams.
pub fn stream<R, F>(visit: &Visit, interval: Duration, render: R) -> Result<Response, PageError>
where
    R: Fn(Visit) -> F + Send + 'static,
    F: Future<Output = Result<Vec<Fragment>, PageError>> + Send,
{
    let states = visit.app.streams.subscribe(visit, interval, render)?;
    let mut sent: HashMap<String, u64> = HashMap::new();
    let events = WatchStream::new(states).flat_map(move |state| {
        let mut events = Vec::new();
        for (number, fragment) in state.iter() {
            if sent.insert(fragment.id.clone(), *number) != Some(*number) {
                let text = format!("{}\n{}", fragment.id, fragment.html);
                events.push(Ok::<_, Infallible>(
                    Event::default().event("patch").data(text),
                ));
            }
        }
        futures_util::stream::iter(events)
    });
    // Says which script the server has now: after an upgrade the page is out of date.
    let hello = Event::default().event("hello").data(asset::script_name());
    let events = futures_util::stream::iter([Ok(hello)]).chain(events);
    let alive = KeepAlive::new().interval(HEARTBEAT).text("alive");
    Ok(Sse::new(events).keep_alive(alive).into_response())
}

impl Streams {
    fn subscribe<R, F>(
        &self,
        visit: &Visit,
        interval: Duration,
        render: R,
    ) -> Result<watch::Receiver<State>, PageError>
    where
        R: Fn(Visit) -> F + Send + 'static,
        F: Future<Output = Result<Vec<Fragment>, PageError>> + Send,
    {
        let mut key = visit.here(&visit.params).into_bytes();
        key.push(b'\n');
        let view = format!("{} {} {:?}\n", visit.clock.zone(), visit.roomy, visit.codec);
        key.extend(view.bytes());
        key.extend(visit.backend.caller());
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let viewers: usize = pages.values().map(watch::Sender::receiver_count).sum();
        if viewers >= VIEWERS_MAX || pages.len() >= PAGES_MAX && !pages.contains_key(&key) {
            return Err(PageError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many pages are being followed. Reload this one to see what is new.",
            ));
        }
        if let Some(page) = pages.get(&key) {
            return Ok(page.subscribe());
        }
        let (sender, receiver) = watch::channel(State::default());
        pages.insert(key.clone(), sender.clone());
        let streams = self.clone();
        let visit = visit.clone();
        tokio::spawn(async move {
            loop {
                let mut visit = visit.clone();
                visit.clock = visit.clock.again();
                // A page that fails now is looked at again: the connection itself is good.
                let began = Instant::now();
                if let Ok(fragments) = render(visit).await {
                    publish(&sender, fragments);
                }
                // What is dear is done seldom.
                let pause = interval.max(began.elapsed() * REST);
                tokio::time::sleep(pause).await;
                if streams.end(&key, &sender) {
                    return;
                }
            }
        });
        Ok(receiver)
    }

    /// Ends a page that nobody looks at any more. Under the lock, so that nobody joins it meanwhile.
    fn end(&self, key: &[u8], sender: &watch::Sender<State>) -> bool {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = sender.receiver_count() == 0;
        if idle {
            pages.remove(key);
        }
        idle
    }
}

fn publish(sender: &watch::Sender<State>, fragments: Vec<Fragment>) {
    let state: Vec<_> = fragments
        .into_iter()
        .map(|fragment| (xxh3_64(timeless(&fragment.html).as_bytes()), fragment))
        .collect();
    sender.send_if_modified(|old| {
        let numbers = |state: &[(u64, Fragment)]| -> Vec<u64> {
            state.iter().map(|(number, _)| *number).collect()
        };
        let changed = numbers(old) != numbers(&state);
        if changed {
            *old = Arc::new(state);
        }
        changed
    });
}

/// Without what stands in `<time>` elements: "3 s ago" is no news, and the script keeps it true.
fn timeless(html: &str) -> String {
    let mut parts = html.split("<time ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let start = part.split(" title=").next().unwrap_or_default();
        let rest = part.split_once("</time>").map_or("", |(_, rest)| rest);
        text.push_str(start);
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_passes_is_no_news() {
        let at = |ago: &str| {
            format!(
                "<b>a</b><time datetime=\"x\" title=\"y\">{ago}</time> b <time datetime=\"z\" title=\"\">1</time>."
            )
        };
        assert_eq!(timeless(&at("3 s ago")), timeless(&at("4 s ago")));
        assert_eq!(
            timeless(&at("")),
            "<b>a</b>datetime=\"x\" b datetime=\"z\"."
        );
    }
}
