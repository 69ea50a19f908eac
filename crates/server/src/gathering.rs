//! A connection whose answers gather, so that those which come together leave in one write.
//!
//! A commit of many workflows ends many calls at one time, and a write to a socket is the dearest thing an answer does.
//! HTTP/2 would write each long answer by itself, and the short ones whenever the task of the connection is run, which
//! is at each of them: the runtime runs first what was woken last. Here what is written waits until the task of the
//! connection has done all that it can, and then leaves at once. If the last write was a moment ago, the task steps back
//! once more, behind all that is ready to run, and takes what that brings.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Writes are close to each other within this time: longer than what is ready at one moment takes to run, shorter than
/// a disk takes to sync, so that who waits for one call at a time never steps back.
const CLOSE: Duration = Duration::from_micros(200);

/// So many bytes are worth a write of their own, without a copy.
const ENOUGH: usize = 16 << 10;

/// A stream whose writes gather: what hyper is given for a connection. Nothing leaves but by [`Gathered`].
pub(crate) struct Gathering<S>(Arc<Mutex<Outbox<S>>>);

/// The task of a connection, `F`, and what it wrote.
pub(crate) struct Gathered<F, S> {
    task: F,
    outbox: Arc<Mutex<Outbox<S>>>,
}

/// A stream and what waits to be written to it.
struct Outbox<S> {
    stream: S,
    waiting: Vec<u8>,
    /// How much of it the stream has taken already.
    taken: usize,
    /// See [`CLOSE`].
    close: Duration,
    /// When nothing waited any more.
    emptied: Option<Instant>,
    /// Whether what waits now has stepped back already.
    stepped_back: bool,
}

/// Runs the task that `connect` makes of a stream whose writes gather.
pub(crate) fn gathered<F, S>(stream: S, connect: impl FnOnce(Gathering<S>) -> F) -> Gathered<F, S> {
    let outbox = Arc::new(Mutex::new(Outbox::new(stream)));
    Gathered {
        task: connect(Gathering(outbox.clone())),
        outbox,
    }
}

fn lock<S>(outbox: &Mutex<Outbox<S>>) -> MutexGuard<'_, Outbox<S>> {
    outbox.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<F: Future + Unpin, S: AsyncWrite + Unpin> Future for Gathered<F, S> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let ended = Pin::new(&mut self.task).poll(context);
        if ended.is_pending() {
            lock(&self.outbox).leave(context);
        }
        ended
    }
}

impl<S> Outbox<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            waiting: Vec::new(),
            taken: 0,
            close: CLOSE,
            emptied: None,
            stepped_back: false,
        }
    }
}

impl<S: AsyncWrite + Unpin> Outbox<S> {
    /// What waits is written, or the task is run again after all that is ready.
    fn leave(&mut self, context: &mut Context<'_>) {
        let waiting = self.waiting.len() - self.taken;
        if waiting == 0 {
            return;
        }
        if waiting < ENOUGH && !self.stepped_back {
            self.stepped_back = true;
            if self.emptied.is_some_and(|last| last.elapsed() < self.close) {
                context.waker().wake_by_ref();
                return;
            }
        }
        // Of a stream that is broken the task learns where it reads, or writes next.
        let _ = self.empty(context);
    }

    fn empty(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.taken < self.waiting.len() {
            let waiting = &self.waiting[self.taken..];
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, waiting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.taken += written;
        }
        if self.taken > 0 {
            self.waiting.clear();
            self.waiting.shrink_to(ENOUGH);
            self.taken = 0;
            self.emptied = Some(Instant::now());
            self.stepped_back = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathering<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.0).stream).poll_read(context, buffer)
    }
}

/// Takes one buffer at a time, which says that short answers are best copied into it.
impl<S: AsyncWrite + Unpin> AsyncWrite for Gathering<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outbox = &mut *lock(&self.0);
        if outbox.waiting.len() + buffer.len() > ENOUGH {
            ready!(outbox.empty(context))?;
        }
        if buffer.len() >= ENOUGH {
            return Pin::new(&mut outbox.stream).poll_write(context, buffer);
        }
        outbox.waiting.extend_from_slice(buffer);
        Poll::Ready(Ok(buffer.len()))
    }

    /// What waits leaves when the task has done what it can.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outbox = &mut *lock(&self.0);
        ready!(outbox.empty(context))?;
        Pin::new(&mut outbox.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
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

    /// A stream that takes all, or nothing, and what it was given, write by write.
    #[derive(Default)]
    struct Stream {
        written: Vec<Vec<u8>>,
        is_full: bool,
    }

    impl AsyncWrite for Stream {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.is_full {
                return Poll::Pending;
            }
            self.written.push(buffer.to_vec());
            Poll::Ready(Ok(buffer.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// A connection that writes, each time it is run, what it is told to.
    struct Run {
        outbox: Arc<Mutex<Outbox<Stream>>>,
        wakes: Arc<Wakes>,
    }

    impl Run {
        /// With writes that are close to each other, or not, however long the test takes.
        fn new(are_close: bool) -> Self {
            let mut outbox = Outbox::new(Stream::default());
            outbox.close = if are_close {
                Duration::MAX
            } else {
                Duration::ZERO
            };
            Self {
                outbox: Arc::new(Mutex::new(outbox)),
                wakes: Arc::default(),
            }
        }

        /// The task of the connection is run and writes this. Answers how much of it was taken.
        fn run(&self, answers: &[&[u8]]) -> usize {
            let mut stream = Gathering(self.outbox.clone());
            let mut taken = 0;
            let task = poll_fn(|context| {
                for answer in answers {
                    match Pin::new(&mut stream).poll_write(context, answer) {
                        Poll::Ready(bytes) => taken += bytes.unwrap(),
                        Poll::Pending => return Poll::<()>::Pending,
                    }
                    assert!(Pin::new(&mut stream).poll_flush(context).is_ready());
                }
                Poll::Pending
            });
            let mut gathered = Gathered {
                task,
                outbox: self.outbox.clone(),
            };
            let waker = Waker::from(self.wakes.clone());
            let mut context = Context::from_waker(&waker);
            assert!(Pin::new(&mut gathered).poll(&mut context).is_pending());
            taken
        }

        /// What the stream was given since this was asked last, write by write.
        fn written(&self) -> Vec<Vec<u8>> {
            std::mem::take(&mut lock(&self.outbox).stream.written)
        }

        fn wakes(&self) -> usize {
            self.wakes.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn what_one_run_of_the_task_writes_leaves_in_one_write() {
        let run = Run::new(false);
        assert_eq!(run.run(&[b"one", b"two", b"three"]), 11);
        assert_eq!(run.written(), [b"onetwothree"]);
        assert_eq!(run.run(&[b"four"]), 4);
        assert_eq!(run.written(), [b"four"]);
        assert_eq!(run.run(&[]), 0);
        assert_eq!(run.written(), [b""; 0]);
        assert_eq!(run.wakes(), 0);
    }

    #[test]
    fn a_write_soon_after_another_one_steps_back_once_and_is_run_again() {
        let run = Run::new(true);
        run.run(&[b"one"]);
        assert_eq!((run.written(), run.wakes()), (vec![b"one".to_vec()], 0));
        run.run(&[b"two"]);
        assert_eq!((run.written(), run.wakes()), (vec![], 1));
        run.run(&[b"three"]);
        assert_eq!(run.written(), [b"twothree"]);
        run.run(&[b"four"]);
        assert_eq!((run.written(), run.wakes()), (vec![], 2));
        run.run(&[]);
        assert_eq!(run.written(), [b"four"]);
        assert_eq!(run.wakes(), 2);
    }

    #[test]
    fn much_leaves_at_once_and_in_its_order() {
        let run = Run::new(true);
        run.run(&[b"one"]);
        run.written();
        let much = [7; ENOUGH];
        assert_eq!(run.run(&[b"two", &much, b"three"]), 8 + ENOUGH);
        assert_eq!(run.written(), [b"two".to_vec(), much.to_vec()]);
        run.run(&[]);
        assert_eq!(run.written(), [b"three"]);
        assert_eq!(run.run(&[&much[1..], b"four"]), ENOUGH + 3);
        assert_eq!(run.written(), [&much[1..]]);
        run.run(&[]);
        assert_eq!(run.written(), [b"four"]);
    }

    #[test]
    fn what_a_stream_does_not_take_is_kept_and_bounded() {
        let run = Run::new(false);
        lock(&run.outbox).stream.is_full = true;
        let answer = [7; ENOUGH / 4];
        assert_eq!(run.run(&[&answer[..]; 10]), ENOUGH);
        assert_eq!(run.run(&[&answer[..]; 10]), 0);
        assert_eq!(run.written(), [b""; 0]);
        lock(&run.outbox).stream.is_full = false;
        run.run(&[]);
        assert_eq!(run.written(), [[7; ENOUGH]]);
    }
}
