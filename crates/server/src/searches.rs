//! How lists and counts come to the visibility store: no more at one time than it makes, counts never in all of its
//! places, and none of them for longer than somebody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use steadfast_core::Refusal;
use steadfast_visibility::{Caller, VisibilityStore};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A page of a list, which mostly is found at once.
    Page,
    /// A count, which may look at every run.
    Count,
}

/// What a caller says beside the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// They mean an `ORDER BY` or a `CONTAINS` in a query, which the reference refuses.
    pub(crate) extended: bool,
    /// When they stop waiting, if they said so.
    pub(crate) deadline: Option<Instant>,
}

/// The visibility store and its places.
#[derive(Clone)]
pub(crate) struct Searches {
    store: Arc<dyn VisibilityStore>,
    places: Arc<Semaphore>,
    places_of_counts: Arc<Semaphore>,
}

/// A place in the visibility store, for one search. It is taken until this is dropped, which is when the search has
/// really ended.
pub(crate) struct Search {
    pub(crate) store: Arc<dyn VisibilityStore>,
    pub(crate) caller: Caller,
    _places: [Option<OwnedSemaphorePermit>; 2],
}

/// Dropped when the caller leaves, with or without an answer; then the search stops.
pub(crate) struct Presence(Arc<AtomicBool>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Searches {
    pub(crate) fn of(store: Arc<dyn VisibilityStore>) -> Self {
        let places = store.concurrency().max(1);
        Self {
            store,
            places: Arc::new(Semaphore::new(places)),
            places_of_counts: Arc::new(Semaphore::new((places - 1).max(1))),
        }
    }

    /// Waits for a place. Who drops this future waits no more and takes none.
    ///
    /// # Errors
    /// The caller's time runs out before.
    pub(crate) async fn begin(
        &self,
        kind: Kind,
        deadline: Option<Instant>,
    ) -> Result<(Search, Presence), Refusal> {
        let places = async {
            let of_counts = match kind {
                Kind::Page => None,
                Kind::Count => Some(place(&self.places_of_counts).await),
            };
            [of_counts, Some(place(&self.places).await)]
        };
        let places = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), places)
                .await
                .map_err(|_| too_late())?,
            None => places.await,
        };
        let left = Arc::new(AtomicBool::new(false));
        let presence = Presence(left.clone());
        let caller = Caller::until(move || {
            left.load(Ordering::Relaxed) || deadline.is_some_and(|at| at <= Instant::now())
        });
        let search = Search {
            store: self.store.clone(),
            caller,
            _places: places,
        };
        Ok((search, presence))
    }
}

async fn place(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let place = places.clone().acquire_owned().await;
    place.expect("these semaphores are never closed")
}

/// What a caller is told whose time ran out.
pub(crate) fn too_late() -> Refusal {
    Refusal::DeadlineExceeded("context deadline exceeded".to_owned())
}
