//! Numbers on an event stream that may take long: they are made beside what is quick, which does not wait for them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::rest::Rest;

/// So long a number is waited for: quick ones come with all else.
pub(super) const PATIENCE: Duration = Duration::from_millis(5);

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
    rest: Rest,
    /// Tells when it is time to make a value that was asked for too soon.
    alarm: Option<Alarm>,
}

struct UnderWay<T> {
    version: u64,
    began: Instant,
    /// The value, if there is one, and how long that took.
    made: JoinHandle<(Option<T>, Duration)>,
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
                rest: Rest::default(),
                alarm: None,
            })),
            late: late.clone(),
        }
    }

    /// The newest value, if there is one yet. Makes another if the lists are of another version by now, as soon as it is
    /// time to.
    pub(super) async fn newest<F>(&self, version: u64, make: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        let mut tally = self.made.lock().await;
        // The second time where one of an older version was under way, and needs no rest.
        while tally.is_older_than(version) {
            if tally.under_way.is_none() {
                if tally.rest.until().is_some() {
                    break;
                }
                tally.under_way = Some(self.begin(version, make()));
            }
            let Some(under_way) = &mut tally.under_way else {
                break;
            };
            let Ok(made) = tokio::time::timeout(PATIENCE, &mut under_way.made).await else {
                break;
            };
            let (began, of) = (under_way.began, under_way.version);
            tally.under_way = None;
            // An error means that making it failed altogether.
            let (made, took) = made.unwrap_or_else(|_| (None, began.elapsed()));
            tally.rest.earn(began, took, Duration::ZERO);
            let Some(made) = made else {
                break;
            };
            tally.latest = Some((of, made));
        }
        if tally.is_older_than(version)
            && tally.under_way.is_none()
            && let Some(until) = tally.rest.until()
        {
            let late = self.late.clone();
            tally.alarm = Some(Alarm(tokio::spawn(async move {
                tokio::time::sleep_until(until).await;
                late.notify_one();
            })));
        }
        tally.latest.as_ref().map(|(_, value)| value.clone())
    }

    fn begin(
        &self,
        version: u64,
        making: impl Future<Output = Option<T>> + Send + 'static,
    ) -> UnderWay<T> {
        let (began, late) = (Instant::now(), self.late.clone());
        let made = tokio::spawn(async move {
            let made = making.await;
            let took = began.elapsed();
            if took >= PATIENCE {
                late.notify_one();
            }
            (made, took)
        });
        UnderWay {
            version,
            began,
            made,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A number that takes so long to make, and is what `lists` says when that begins.
    fn slow(
        lists: &Arc<AtomicU64>,
        takes: Duration,
    ) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = Option<u64>> + Send>> {
        let lists = lists.clone();
        move || {
            let value = lists.load(Ordering::Relaxed);
            Box::pin(async move {
                tokio::time::sleep(takes).await;
                Some(value)
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_while_a_slow_number_is_made_is_counted_as_soon_as_it_is_time() {
        let lists = Arc::new(AtomicU64::new(1));
        let late = Arc::new(Notify::new());
        let tally: Tally<u64> = Tally::new(&late);
        let slow = || slow(&lists, Duration::from_secs(1));
        assert_eq!(tally.newest(1, slow()).await, None);
        lists.store(2, Ordering::Relaxed);
        assert_eq!(tally.newest(2, slow()).await, None);
        late.notified().await;
        let began = Instant::now();
        assert_eq!(tally.newest(2, slow()).await, Some(1));
        late.notified().await;
        assert_eq!(began.elapsed().as_millis(), 3500, "it rests");
        assert_eq!(tally.newest(2, slow()).await, Some(1));
        late.notified().await;
        assert_eq!(tally.newest(2, slow()).await, Some(2));
        // Nothing has changed since: it is not made again, and nobody is woken.
        let quiet = tokio::time::timeout(Duration::from_secs(3600), late.notified()).await;
        assert!(quiet.is_err());
        let never = || -> std::future::Ready<Option<u64>> { unreachable!("it is known") };
        assert_eq!(tally.newest(2, never).await, Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_while_a_number_is_made_is_counted_at_once_after_a_quiet_time() {
        let lists = Arc::new(AtomicU64::new(1));
        let late = Arc::new(Notify::new());
        let tally: Tally<u64> = Tally::new(&late);
        let slow = || slow(&lists, Duration::from_millis(50));
        for round in 0..3 {
            let version = round * 2 + 1;
            lists.store(version, Ordering::Relaxed);
            let old = tally.newest(version, slow()).await;
            assert_eq!(old, round.checked_sub(1).map(|last| last * 2 + 2));
            lists.store(version + 1, Ordering::Relaxed);
            late.notified().await;
            // Shown as it is, while the next is made without rest.
            let began = Instant::now();
            assert_eq!(tally.newest(version + 1, slow()).await, Some(version));
            late.notified().await;
            assert_eq!(tally.newest(version + 1, slow()).await, Some(version + 1));
            assert_eq!(began.elapsed().as_millis(), 50);
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    }
}
