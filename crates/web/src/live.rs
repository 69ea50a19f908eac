//! What changes while a page is looked at: fragments of the page over one event stream.
//!
//! A stream renders the fragments of its page anew when something tells that they may have changed, and else at long
//! intervals, and sends those that changed. All viewers of the same page with the same rights share one such task,
//! however many they are. Fragments are states, not changes: a viewer who was away gets the newest ones and has missed
//! nothing.
//!
//! What tells are [`Hints`]. A hint says when to look, never what there is to see: what is shown comes from the
//! services, with the rights of who looks.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_stream::wrappers::WatchStream;
use xxhash_rust::xxh3::xxh3_64;

use crate::asset;
use crate::failure::PageError;
use crate::rest::Rest;
use crate::visit::Visit;

/// Pages with streams at one time; more are refused and their viewers reload by hand.
const PAGES_MAX: usize = 1000;
/// Viewers of all streams at one time.
const VIEWERS_MAX: usize = 10_000;
/// So often a silent stream says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

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

/// How often the fragments of a page are rendered.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// On average at least so long after the last time, however much there is to tell.
    pub least: Duration,
    /// So long after a change, for what nothing tells of: one change is often followed by others. Then twice as long,
    /// and so on.
    pub again: Duration,
    /// At most so long after the last time.
    pub most: Duration,
}

/// Tells when a page may have changed.
pub type Hints = Pin<Box<dyn Stream<Item = ()> + Send>>;

/// Tells when lists and counts may have changed.
pub fn lists(visit: &Visit) -> Hints {
    let listed = WatchStream::from_changes(visit.app.listed.clone());
    Box::pin(listed.map(drop))
}

/// A fragment as it is sent.
#[derive(Debug)]
struct Message {
    id: String,
    /// Made of its content.
    number: u64,
    /// The version of the page that first had it so.
    since: u64,
    text: Bytes,
}

/// The fragments of a page at one time.
#[derive(Debug, Default)]
struct Content {
    /// Grows with each change; nobody has seen 0.
    version: u64,
    messages: Vec<Message>,
}

type State = Arc<Content>;

/// The open streams of the server.
#[derive(Clone, Default)]
pub struct Streams {
    pages: Arc<Mutex<HashMap<Vec<u8>, watch::Sender<State>>>>,
}

/// The stream of a page: `render` makes its fragments, at this pace, while anybody looks at it. Two visits with the same
/// path, parameters and rights are taken for the same page, so a fragment holds no form: the token in it would be
/// another visitor's.
///
/// # Errors
/// There are too many streams.
pub fn stream<R, F>(
    visit: &Visit,
    pace: Pace,
    hints: Hints,
    render: R,
) -> Result<Response, PageError>
where
    R: Fn(Visit) -> F + Send + 'static,
    F: Future<Output = Result<Vec<Fragment>, PageError>> + Send,
{
    let states = visit.app.streams.subscribe(visit, pace, hints, render)?;
    // Says which script the server has now: after an upgrade the page is out of date.
    let hello = event("hello", asset::script_name());
    let events = futures_util::stream::unfold(Viewer::new(states), |mut viewer| async move {
        let text = viewer.next().await?;
        Some((text, viewer))
    });
    let events = futures_util::stream::iter([hello]).chain(events);
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
    ];
    let body = Body::from_stream(events.map(Ok::<_, Infallible>));
    Ok((headers, body).into_response())
}

/// An event in the form of event streams.
fn event(name: &str, data: &str) -> Bytes {
    let mut text = format!("event: {name}\n");
    for line in data.split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text.into()
}

/// Who looks at a page. Small, and shares what it sends with the others: there may be thousands.
struct Viewer {
    states: watch::Receiver<State>,
    /// What is being sent.
    state: State,
    /// How much of it has been looked at.
    at: usize,
    /// The version that was sent before it.
    seen: u64,
}

impl Viewer {
    fn new(states: watch::Receiver<State>) -> Self {
        Self {
            states,
            state: Arc::default(),
            at: 0,
            seen: 0,
        }
    }

    /// What to send next; none if the page is no longer followed.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            while let Some(message) = self.state.messages.get(self.at) {
                self.at += 1;
                if message.since > self.seen {
                    return Some(message.text.clone());
                }
            }
            match tokio::time::timeout(HEARTBEAT, self.states.changed()).await {
                Err(_) => return Some(Bytes::from_static(b":alive\n\n")),
                Ok(changed) => changed.ok()?,
            }
            self.seen = self.state.version;
            self.state = Arc::clone(&self.states.borrow_and_update());
            self.at = 0;
        }
    }
}

impl Streams {
    fn subscribe<R, F>(
        &self,
        visit: &Visit,
        pace: Pace,
        hints: Hints,
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
            let mut joined = page.subscribe();
            // What is there already is news to who joins.
            joined.mark_changed();
            return Ok(joined);
        }
        let (sender, receiver) = watch::channel(Arc::default());
        pages.insert(key.clone(), sender.clone());
        let streams = self.clone();
        let visit = visit.clone();
        tokio::spawn(async move {
            // Where nothing tells any more, time does.
            let mut hints = hints.chain(futures_util::stream::pending());
            let (mut rest, mut pause) = (Rest::default(), pace.again);
            loop {
                let mut visit = visit.clone();
                visit.clock = visit.clock.again();
                let began = Instant::now();
                // A page that fails now is looked at again: the connection itself is good.
                let changed = match render(visit).await {
                    Ok(fragments) => publish(&sender, fragments),
                    Err(_) => false,
                };
                rest.earn(began, began.elapsed(), pace.least);
                pause = if changed { pace.again } else { pause * 2 };
                pause = pause.min(pace.most);
                let again = Instant::now() + pause;
                if let Some(until) = rest.until() {
                    tokio::time::sleep_until(until).await;
                }
                tokio::select! {
                    _ = hints.next() => {}
                    () = tokio::time::sleep_until(again) => {}
                    () = sender.closed() => {}
                }
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

/// Shows new fragments to all viewers if they differ from the last ones; true if they do.
fn publish(sender: &watch::Sender<State>, fragments: Vec<Fragment>) -> bool {
    let number = |fragment: &Fragment| xxh3_64(timeless(&fragment.html).as_bytes());
    let numbers: Vec<u64> = fragments.iter().map(number).collect();
    sender.send_if_modified(|old| {
        let shown = old.messages.iter().map(|message| message.number);
        if shown.eq(numbers.iter().copied()) {
            return false;
        }
        let version = old.version + 1;
        let known = old.messages.iter().map(|message| (&*message.id, message));
        let known: HashMap<&str, &Message> = known.collect();
        let messages = fragments.into_iter().zip(&numbers);
        let messages = messages.map(|(fragment, number)| {
            let same = known.get(&*fragment.id).filter(|old| old.number == *number);
            let (since, text) = match same {
                Some(old) => (old.since, old.text.clone()),
                None => {
                    let data = format!("{}\n{}", fragment.id, fragment.html);
                    (version, event("patch", &data))
                }
            };
            Message {
                id: fragment.id,
                number: *number,
                since,
                text,
            }
        });
        let messages = messages.collect();
        *old = Arc::new(Content { version, messages });
        true
    })
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

    fn fragments(parts: &[(&str, &str)]) -> Vec<Fragment> {
        let fragment = |(id, html): &(&str, &str)| Fragment {
            id: (*id).to_owned(),
            html: (*html).to_owned(),
        };
        parts.iter().map(fragment).collect()
    }

    /// What a viewer is sent until there is no more.
    async fn sent(viewer: &mut Viewer) -> String {
        let mut sent = String::new();
        loop {
            let part = viewer.next().await.expect("the page is followed");
            if part.starts_with(b":alive") {
                return sent;
            }
            sent += &String::from_utf8_lossy(&part).replace("event: patch\n", "");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_is_sent_what_is_new_to_them_in_its_newest_form() {
        let (sender, states) = watch::channel(Arc::default());
        let mut viewer = Viewer::new(states);
        assert!(publish(&sender, fragments(&[("a", "1"), ("b", "1")])));
        assert_eq!(
            sent(&mut viewer).await,
            "data: a\ndata: 1\n\ndata: b\ndata: 1\n\n"
        );
        assert!(!publish(&sender, fragments(&[("a", "1"), ("b", "1")])));
        assert_eq!(sent(&mut viewer).await, "");

        // Who has not looked between two changes sees both, once.
        assert!(publish(&sender, fragments(&[("a", "2"), ("b", "1")])));
        let old = Arc::clone(&sender.borrow());
        assert!(publish(
            &sender,
            fragments(&[("a", "3"), ("b", "1"), ("c", "1")])
        ));
        assert_eq!(
            sent(&mut viewer).await,
            "data: a\ndata: 3\n\ndata: c\ndata: 1\n\n"
        );

        // One that is no longer there is not missed, and what has not changed is shared.
        assert!(publish(&sender, fragments(&[("b", "1"), ("c", "1")])));
        assert_eq!(sent(&mut viewer).await, "");
        let now = Arc::clone(&sender.borrow());
        assert_eq!(now.messages[0].text.as_ptr(), old.messages[1].text.as_ptr());

        // Who comes later sees all that is there.
        let mut late = Viewer::new(sender.subscribe());
        late.states.mark_changed();
        assert_eq!(
            sent(&mut late).await,
            "data: b\ndata: 1\n\ndata: c\ndata: 1\n\n"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_while_a_viewer_is_sent_the_last_one_is_not_lost() {
        let (sender, states) = watch::channel(Arc::default());
        let mut viewer = Viewer::new(states);
        publish(&sender, fragments(&[("a", "1"), ("b", "1")]));
        let first = viewer.next().await.expect("the page is followed");
        assert!(first.starts_with(b"event: patch\ndata: a"));
        publish(&sender, fragments(&[("a", "2"), ("b", "2")]));
        let rest = sent(&mut viewer).await;
        assert!(
            rest.ends_with("data: a\ndata: 2\n\ndata: b\ndata: 2\n\n"),
            "{rest}"
        );
    }

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
