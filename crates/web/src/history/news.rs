//! Tells when a run has new events: a long poll of its history, as any client makes it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::index::{Indexes, RunName, await_page};
use crate::backend::Backend;
use crate::live::Hints;
use crate::visit::Visit;

/// Runs that are polled at a time. Those beyond it are looked at as often as their pages say. Clients that wait for
/// results need the same kind of calls, of which a namespace may have 1,200.
const POLLS_MAX: usize = 200;
/// Longer than the server lets a poll wait.
const POLL_TIME: Duration = Duration::from_secs(40);
/// Before a poll that failed is made again.
const PAUSE: Duration = Duration::from_secs(2);

/// The room for polls.
#[derive(Clone)]
pub struct Polls(Arc<Semaphore>);

impl Default for Polls {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(POLLS_MAX)))
    }
}

/// Tells when there are events of a run that its index did not know when it was first waited for.
pub fn of(visit: &Visit, run: RunName) -> Hints {
    let poll = Poll {
        backend: visit.backend.within(POLL_TIME),
        indexes: visit.app.indexes.clone(),
        polls: visit.app.polls.clone(),
        run,
        place: None,
    };
    Box::pin(futures_util::stream::unfold(poll, |mut poll| async move {
        poll.more().await.map(|()| ((), poll))
    }))
}

struct Poll {
    backend: Backend,
    indexes: Indexes,
    polls: Polls,
    run: RunName,
    place: Option<Place>,
}

/// How far a poll has come.
struct Place {
    /// Where new events begin; none if there will be no more.
    token: Option<Bytes>,
    /// Up to here events are known.
    known: i64,
    _permit: OwnedSemaphorePermit,
}

impl Poll {
    /// Waits for events that are new; none if there will be no more, or if there is no room to wait.
    async fn more(&mut self) -> Option<()> {
        let place = match &mut self.place {
            Some(place) => place,
            none => {
                let permit = Arc::clone(&self.polls.0).try_acquire_owned().ok()?;
                let index = self.indexes.known(&self.run).await;
                none.insert(Place {
                    token: Some(index.last_page()),
                    known: index.last_event(),
                    _permit: permit,
                })
            }
        };
        loop {
            let token = place.token.clone()?;
            match await_page(&self.backend, &self.run, token).await {
                Ok((events, next)) => {
                    let last = events.last().map_or(0, |event| event.event_id);
                    place.token = Some(next).filter(|next| !next.is_empty());
                    if last > place.known {
                        place.known = last;
                        return Some(());
                    }
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}
