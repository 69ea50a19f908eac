//! A connection whose answers gather, so that those which come together leave in one write.
//!
//! A commit of many workflows ends many calls at one time. Each answer wakes the task of its connection, and the runtime
//! runs what was woken last first: so each of them would be written by itself, and a write to a socket is the dearest
//! thing an answer does. Here a write that follows closely on another one steps back once, behind all that is
//! ready to run, and takes what that brings. A write after a pause goes out at once.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Writes are close to each other within this time: longer than what is ready at one moment takes to run, shorter than
/// a disk takes to sync, so that who waits for one call at a time never steps back.
const CLOSE: Duration = Duration::from_micros(200);

/// So many bytes are worth a write of their own.
const ENOUGH: usize = 8 << 10;

/// A stream whose writes gather.
pub(crate) struct Gathering<S> {
    stream: S,
    /// See [`CLOSE`].
    close: Duration,
    /// When what was written before was flushed.
    flushed: Option<Instant>,
    /// Whether something was written since.
    written: bool,
    /// Whether what waits now has stepped back already.
    stepped_back: bool,
}

impl<S> Gathering<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            close: CLOSE,
            flushed: None,
            written: false,
            stepped_back: false,
        }
    }

    /// Pending once, if there is little to write and the last write is not long ago; then the task is run again after
    /// all that is ready.
    fn step_back(&mut self, bytes: usize, context: &Context<'_>) -> Poll<()> {
        if !self.stepped_back && !self.written && bytes < ENOUGH {
            self.stepped_back = true;
            if self.flushed.is_some_and(|last| last.elapsed() < self.close) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        self.written = true;
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

/// Writes one buffer at a time, which says that short answers are best copied into it.
impl<S: AsyncWrite + Unpin> AsyncWrite for Gathering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.step_back(buffer.len(), context));
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if std::mem::take(&mut self.written) {
            self.flushed = Some(Instant::now());
        }
        self.stepped_back = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection at work, with what has reached its other side.
    struct Run {
        stream: Gathering<Vec<u8>>,
        wakes: Arc<Wakes>,
    }

    impl Run {
        /// With writes that are close to each other, or not, however long the test takes.
        fn new(are_close: bool) -> Self {
            let mut stream = Gathering::new(Vec::new());
            stream.close = if are_close {
                Duration::MAX
            } else {
                Duration::ZERO
            };
            Self {
                stream,
                wakes: Arc::default(),
            }
        }

        fn write(&mut self, bytes: &[u8]) -> Poll<usize> {
            let waker = Waker::from(self.wakes.clone());
            let mut context = Context::from_waker(&waker);
            Pin::new(&mut self.stream)
                .poll_write(&mut context, bytes)
                .map(Result::unwrap)
        }

        fn flush(&mut self) {
            let mut context = Context::from_waker(Waker::noop());
            assert!(
                Pin::new(&mut self.stream)
                    .poll_flush(&mut context)
                    .is_ready()
            );
        }

        fn wakes(&self) -> usize {
            self.wakes.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_write_soon_after_another_one_steps_back_once_and_is_run_again() {
        let mut run = Run::new(true);
        assert_eq!(run.write(b"one"), Poll::Ready(3));
        assert_eq!(run.write(b"two"), Poll::Ready(3));
        run.flush();
        assert_eq!(run.wakes(), 0);
        assert_eq!(run.write(b"three"), Poll::Pending);
        assert_eq!(run.wakes(), 1);
        assert_eq!(run.write(b"threefour"), Poll::Ready(9));
        run.flush();
        assert_eq!(run.write(b"five"), Poll::Pending);
        assert_eq!(run.write(b"five"), Poll::Ready(4));
        assert_eq!(run.wakes(), 2);
        assert_eq!(run.stream.stream, b"onetwothreefourfive");
    }

    #[test]
    fn a_write_after_a_pause_goes_out_at_once() {
        let mut run = Run::new(false);
        assert_eq!(run.write(b"one"), Poll::Ready(3));
        run.flush();
        assert_eq!(run.write(b"two"), Poll::Ready(3));
        run.flush();
        assert_eq!(run.wakes(), 0);
    }

    #[test]
    fn a_flush_of_nothing_is_no_write() {
        let mut run = Run::new(true);
        run.flush();
        assert_eq!(run.write(b"one"), Poll::Ready(3));
        assert_eq!(run.wakes(), 0);
    }

    #[test]
    fn a_large_write_goes_out_at_once() {
        let mut run = Run::new(true);
        assert_eq!(run.write(b"one"), Poll::Ready(3));
        run.flush();
        assert_eq!(run.write(&[0; ENOUGH]), Poll::Ready(ENOUGH));
        assert_eq!(run.wakes(), 0);
    }
}
