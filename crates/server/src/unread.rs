//! Answers that their client does not read. They lie in the buffers of its connection, so a client that asks for much and
//! reads nothing could fill the memory: a connection starts no further call while too much of that lies there.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::Notify;
use tower::Service;

/// Bytes of one connection that are not read yet, beyond which its next calls wait. A single answer may be larger.
const UNREAD_BYTES_MAX: usize = 32 << 20;
/// Smaller answers are not counted. Most are, and all that may be under way of them are bearable.
const COUNTED_FROM: usize = 4 << 10;

/// What lies in the buffers of one connection.
#[derive(Default)]
struct Unread {
    bytes: AtomicUsize,
    /// Told when enough was read.
    read: Notify,
}

impl Unread {
    fn is_too_much(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= UNREAD_BYTES_MAX
    }

    async fn until_read(&self) {
        loop {
            // Before the look, so that what is read just after it is not missed.
            let read = self.read.notified();
            if !self.is_too_much() {
                return;
            }
            read.await;
        }
    }
}

/// The service of one connection, whose calls wait until its client reads.
#[derive(Clone)]
pub(crate) struct Reading<S> {
    service: S,
    unread: Arc<Unread>,
}

impl<S> Reading<S> {
    /// Of a new connection.
    pub(crate) fn new(service: S) -> Self {
        Self {
            service,
            unread: Arc::default(),
        }
    }
}

impl<S, B, R> Service<Request<B>> for Reading<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + Unpin,
    B: Send + 'static,
{
    type Response = Response<Counted<R>>;
    type Error = Infallible;
    type Future = Call<S::Future, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let unread = self.unread.clone();
        let state = match unread.is_too_much() {
            false => State::Running(self.service.call(request)),
            true => {
                let (mut service, unread) = (self.service.clone(), unread.clone());
                State::Waiting(Box::pin(async move {
                    unread.until_read().await;
                    service.call(request).await
                }))
            }
        };
        Call { state, unread }
    }
}

/// A call under way.
pub(crate) struct Call<F, R> {
    state: State<F, R>,
    unread: Arc<Unread>,
}

type Answered<R> = Result<Response<R>, Infallible>;

enum State<F, R> {
    Running(F),
    Waiting(Pin<Box<dyn Future<Output = Answered<R>> + Send>>),
}

impl<F: Future<Output = Answered<R>> + Unpin, R> Future for Call<F, R> {
    type Output = Answered<Counted<R>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = ready!(match &mut self.state {
            State::Running(call) => Pin::new(call).poll(context),
            State::Waiting(call) => call.as_mut().poll(context),
        });
        let unread = self.unread.clone();
        Poll::Ready(answered.map(|answer| answer.map(|body| Counted { body, unread })))
    }
}

/// The body of an answer, whose bytes are counted until they were sent.
pub(crate) struct Counted<R> {
    body: R,
    unread: Arc<Unread>,
}

impl<R: Body<Data = Bytes> + Unpin> Body for Counted<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let counted = |data: Bytes| match data.len() < COUNTED_FROM {
            true => data,
            false => Bytes::from_owner(Held::new(data, self.unread.clone())),
        };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(counted))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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

    use std::future::{Ready, ready};
    use std::task::Waker;

    type Plain = tonic::body::Body;

    /// Answers each request with as many bytes as half of what may lie unread.
    #[derive(Clone)]
    struct Half;

    impl Service<Request<()>> for Half {
        type Response = Response<Plain>;
        type Error = Infallible;
        type Future = Ready<Answered<Plain>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            let data = Bytes::from(vec![0; UNREAD_BYTES_MAX / 2]);
            ready(Ok(Response::new(Plain::new(axum::body::Body::from(data)))))
        }
    }

    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn answer(call: &mut Call<Ready<Answered<Plain>>, Plain>) -> Option<Counted<Plain>> {
        match poll(call) {
            Poll::Ready(Ok(answer)) => Some(answer.into_body()),
            Poll::Pending => None,
        }
    }

    /// The bytes as a connection holds them until they are sent.
    fn send(mut body: Counted<Plain>) -> Bytes {
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(&mut body).poll_frame(&mut context) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap(),
            _ => unreachable!("it is there at once"),
        }
    }

    #[test]
    fn a_call_waits_until_earlier_answers_were_read() {
        let mut connection = Reading::new(Half);
        let mut ask = || connection.call(Request::new(()));
        let first = send(answer(&mut ask()).unwrap());
        let second = send(answer(&mut ask()).unwrap());
        let mut third = ask();
        let mut fourth = ask();
        assert!(answer(&mut third).is_none() && answer(&mut fourth).is_none());
        drop(first);
        let third = send(answer(&mut third).unwrap());
        assert!(answer(&mut fourth).is_none(), "there is too much again");
        drop((second, third));
        assert!(answer(&mut fourth).is_some());
    }

    #[test]
    fn what_is_counted_is_forgotten_when_it_is_gone() {
        let mut connection = Reading::new(Half);
        let sent = send(answer(&mut connection.call(Request::new(()))).unwrap());
        let counted = || connection.unread.bytes.load(Ordering::Relaxed);
        assert_eq!(counted(), UNREAD_BYTES_MAX / 2);
        drop(sent);
        assert_eq!(counted(), 0);
    }
}
