//! Numbers on an event stream that may take long: they are made beside what is quick, which does not wait for them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// So long a number is waited for: quick ones come with all else.
pub(super) const PATIENCE: Duration = Duration::from_millis(10);
/// It is made again after so many times as long as it took.
const REST: u32 = 10;

/// The newest value of a number, for all who clone this. When the last of them is gone, so is the search under way.
pub(super) struct Tally<T> {
    made: Arc<Mutex<Made<T>>>,
    /// Told when a value is there that was not waited for.
    late: Arc<Notify>,
}

struct Made<T> {
    latest: Option<T>,
    under_way: Option<UnderWay<T>>,
    next: Option<Instant>,
}

struct UnderWay<T> {
    began: Instant,
    made: JoinHandle<Option<T>>,
}

/// The services stop a call that nobody waits for.
impl<T> Drop for UnderWay<T> {
    fn drop(&mut self) {
        self.made.abort();
    }
}

impl<T> Clone for Tally<T> {
    fn clone(&self) -> Self {
        Self {
            made: self.made.clone(),
            late: self.late.clone(),
        }
    }
}

impl<T: Clone + Send + 'static> Tally<T> {
    /// Without a value yet; `late` is told when one comes that was not waited for.
    pub(super) fn new(late: &Arc<Notify>) -> Self {
        Self {
            made: Arc::new(Mutex::new(Made {
                latest: None,
                under_way: None,
                next: None,
            })),
            late: late.clone(),
        }
    }

    /// The newest value, if there is one yet. Begins to make another where it is time to.
    pub(super) async fn newest<F>(&self, make: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        let mut tally = self.made.lock().await;
        let due = tally.next.is_none_or(|next| next <= Instant::now());
        if tally.under_way.is_none() && due {
            let began = Instant::now();
            let (making, late) = (make(), self.late.clone());
            let made = tokio::spawn(async move {
                let made = making.await;
                if began.elapsed() >= PATIENCE {
                    late.notify_one();
                }
                made
            });
            tally.under_way = Some(UnderWay { began, made });
        }
        if let Some(under_way) = &mut tally.under_way
            && let Ok(made) = tokio::time::timeout(PATIENCE, &mut under_way.made).await
        {
            let took = under_way.began.elapsed();
            tally.under_way = None;
            tally.next = (took > PATIENCE).then(|| Instant::now() + took * REST);
            if let Ok(Some(made)) = made {
                tally.latest = Some(made);
            }
        }
        tally.latest.clone()
    }
}
