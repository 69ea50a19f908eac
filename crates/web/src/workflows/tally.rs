//! Numbers on an event stream that may take long: they are made beside what is quick, which does not wait for them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::live::REST;

/// So long a number is waited for: quick ones come with all else.
pub(super) const PATIENCE: Duration = Duration::from_millis(10);

/// The newest value of a number, for all who clone this. When the last of them is gone, so is the search under way.
pub(super) struct Tally<T> {
    made: Arc<Mutex<Made<T>>>,
    /// Told when there is a value that was not waited for, or when it is time to make one.
    late: Arc<Notify>,
}

struct Made<T> {
    /// With the version of the lists that it is of.
    latest: Option<(u64, T)>,
    under_way: Option<UnderWay<T>>,
    next: Option<Instant>,
    /// Tells when it is time to make a value that was asked for too soon.
    alarm: Option<Alarm>,
}

struct UnderWay<T> {
    version: u64,
    began: Instant,
    made: JoinHandle<Option<T>>,
}

/// The services stop a call that nobody waits for.
impl<T> Drop for UnderWay<T> {
    fn drop(&mut self) {
        self.made.abort();
    }
}

struct Alarm(JoinHandle<()>);

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.abort();
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

impl<T> Made<T> {
    fn is_older_than(&self, version: u64) -> bool {
        self.latest.as_ref().is_none_or(|(of, _)| *of != version)
    }
}

impl<T: Clone + Send + 'static> Tally<T> {
    /// Without a value yet; `late` is told when to ask again.
    pub(super) fn new(late: &Arc<Notify>) -> Self {
        Self {
            made: Arc::new(Mutex::new(Made {
                latest: None,
                under_way: None,
                next: None,
                alarm: None,
            })),
            late: late.clone(),
        }
    }

    /// The newest value, if there is one yet. Makes another if the lists are of another version by now, as soon as it is
    /// time to.
    pub(super) async fn newest<F>(&self, version: u64, make: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        let mut tally = self.made.lock().await;
        let due = tally.next.is_none_or(|next| next <= Instant::now());
        if tally.is_older_than(version) && tally.under_way.is_none() && due {
            let began = Instant::now();
            let (making, late) = (make(), self.late.clone());
            let made = tokio::spawn(async move {
                let made = making.await;
                if began.elapsed() >= PATIENCE {
                    late.notify_one();
                }
                made
            });
            tally.under_way = Some(UnderWay {
                version,
                began,
                made,
            });
        }
        if let Some(under_way) = &mut tally.under_way
            && let Ok(made) = tokio::time::timeout(PATIENCE, &mut under_way.made).await
        {
            let (took, of) = (under_way.began.elapsed(), under_way.version);
            tally.under_way = None;
            tally.next = (took > PATIENCE).then(|| Instant::now() + took * REST);
            if let Ok(Some(made)) = made {
                tally.latest = Some((of, made));
            }
        }
        if tally.is_older_than(version)
            && tally.under_way.is_none()
            && let Some(next) = tally.next
        {
            let late = self.late.clone();
            tally.alarm = Some(Alarm(tokio::spawn(async move {
                tokio::time::sleep_until(next).await;
                late.notify_one();
            })));
        }
        tally.latest.as_ref().map(|(_, value)| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A number that takes a second to make, and is what `lists` says when that begins.
    fn slow(
        lists: &Arc<AtomicU64>,
    ) -> impl FnOnce() -> std::pin::Pin<Box<dyn Future<Output = Option<u64>> + Send>> {
        let lists = lists.clone();
        move || {
            let value = lists.load(Ordering::Relaxed);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Some(value)
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_while_a_slow_number_is_made_is_counted_as_soon_as_it_is_time() {
        let lists = Arc::new(AtomicU64::new(1));
        let late = Arc::new(Notify::new());
        let tally: Tally<u64> = Tally::new(&late);
        assert_eq!(tally.newest(1, slow(&lists)).await, None);
        lists.store(2, Ordering::Relaxed);
        assert_eq!(tally.newest(2, slow(&lists)).await, None);
        late.notified().await;
        let began = Instant::now();
        assert_eq!(tally.newest(2, slow(&lists)).await, Some(1));
        late.notified().await;
        assert_eq!(began.elapsed().as_secs(), u64::from(REST), "it rests");
        assert_eq!(tally.newest(2, slow(&lists)).await, Some(1));
        late.notified().await;
        assert_eq!(tally.newest(2, slow(&lists)).await, Some(2));
        // Nothing has changed since: it is not made again, and nobody is woken.
        let quiet = tokio::time::timeout(Duration::from_secs(3600), late.notified()).await;
        assert!(quiet.is_err());
        let never = || -> std::future::Ready<Option<u64>> { unreachable!("it is known") };
        assert_eq!(tally.newest(2, never).await, Some(2));
    }
}
