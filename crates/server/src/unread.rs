//! Answers that their client does not read. They lie in the buffers of its connection, so a client that asks for much and
//! reads nothing could fill the memory: a connection starts no further call while too much of that lies there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::Notify;

/// Bytes of one connection that are not read yet, beyond which its next calls wait. A single answer may be larger.
pub(crate) const UNREAD_BYTES_MAX: usize = 32 << 20;
/// Smaller answers are not counted. Most are, and all that may be under way of them are bearable.
const COUNTED_FROM: usize = 4 << 10;

/// What lies in the buffers of one connection.
#[derive(Default)]
pub(crate) struct Unread {
    bytes: AtomicUsize,
    /// Told when enough was read.
    read: Notify,
}

impl Unread {
    /// Whether no further call may start.
    pub(crate) fn is_too_much(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= UNREAD_BYTES_MAX
    }

    /// Completes when a further call may start.
    pub(crate) async fn until_read(&self) {
        loop {
            // Before the look, so that what is read just after it is not missed.
            let read = self.read.notified();
            if !self.is_too_much() {
                return;
            }
            read.await;
        }
    }

    /// The same bytes, counted until they were sent or the connection is gone.
    pub(crate) fn count(self: &Arc<Self>, data: Bytes) -> Bytes {
        match data.len() < COUNTED_FROM {
            true => data,
            false => Bytes::from_owner(Held::new(data, self.clone())),
        }
    }
}

/// Bytes that are dropped once they were sent, or the connection is gone.
struct Held {
    data: Bytes,
    unread: Arc<Unread>,
}

impl Held {
    fn new(data: Bytes, unread: Arc<Unread>) -> Self {
        unread.bytes.fetch_add(data.len(), Ordering::Relaxed);
        Self { data, unread }
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let bytes = self.data.len();
        let before = self.unread.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before >= UNREAD_BYTES_MAX && before - bytes < UNREAD_BYTES_MAX {
            self.unread.read.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn is_read(unread: &Unread) -> bool {
        let waiting = pin!(unread.until_read());
        waiting.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn calls_may_start_until_too_much_is_unread() {
        let unread = Arc::new(Unread::default());
        let half = Bytes::from(vec![0; UNREAD_BYTES_MAX / 2]);
        let first = unread.count(half.clone());
        assert!(!unread.is_too_much() && is_read(&unread));
        let second = unread.count(half.clone());
        assert!(unread.is_too_much() && !is_read(&unread));
        drop(first);
        assert!(!unread.is_too_much() && is_read(&unread));
        drop(second);
        assert_eq!(unread.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_waits_is_told() {
        let unread = Arc::new(Unread::default());
        let all = unread.count(Bytes::from(vec![0; UNREAD_BYTES_MAX]));
        let mut waiting = pin!(unread.until_read());
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);
        drop(all);
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Ready(()));
    }

    #[test]
    fn small_answers_are_not_counted() {
        let unread = Arc::new(Unread::default());
        let _small = unread.count(Bytes::from(vec![0; COUNTED_FROM - 1]));
        assert_eq!(unread.bytes.load(Ordering::Relaxed), 0);
    }
}
