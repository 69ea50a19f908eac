//! What answers pass on their way into a connection: large ones are compressed for those who want that, and are counted until
//! they were sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower::Service;

use crate::compression::{self, GZIP};
use crate::headers::ENCODING;
use crate::unread::Unread;

/// The service of one connection.
#[derive(Clone)]
pub(crate) struct Outgoing<S> {
    service: S,
    unread: Arc<Unread>,
}

impl<S> Outgoing<S> {
    /// Of a new connection.
    pub(crate) fn new(service: S) -> Self {
        Self {
            service,
            unread: Arc::default(),
        }
    }
}

impl<S, B, R> Service<Request<B>> for Outgoing<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + Unpin,
    B: Send + 'static,
{
    type Response = Response<Leaving<R>>;
    type Error = Infallible;
    type Future = Call<S::Future, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The answers of all other services are streams, of small messages.
        let is_ours = request.uri().path().starts_with("/temporal.api.");
        let gzip = is_ours && compression::is_wanted(request.headers());
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
        Call {
            state,
            gzip,
            unread: Some(unread),
        }
    }
}

/// A call under way.
pub(crate) struct Call<F, R> {
    state: State<F, R>,
    gzip: bool,
    /// Handed on to the answer.
    unread: Option<Arc<Unread>>,
}

type Answered<R> = Result<Response<R>, Infallible>;

enum State<F, R> {
    Running(F),
    /// For earlier answers to be read.
    Waiting(Pin<Box<dyn Future<Output = Answered<R>> + Send>>),
}

impl<F: Future<Output = Answered<R>> + Unpin, R> Future for Call<F, R> {
    type Output = Answered<Leaving<R>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Ok(mut answer) = ready!(match &mut this.state {
            State::Running(call) => Pin::new(call).poll(context),
            State::Waiting(call) => call.as_mut().poll(context),
        });
        let gzip = this.gzip;
        if gzip {
            let name = HeaderValue::from_static(GZIP);
            answer.headers_mut().insert(&ENCODING, name);
        }
        let unread = this.unread.take().unwrap_or_default();
        Poll::Ready(Ok(answer.map(|body| Leaving { body, gzip, unread })))
    }
}

/// The body of an answer: of our services one message, which is one frame.
pub(crate) struct Leaving<R> {
    body: R,
    gzip: bool,
    unread: Arc<Unread>,
}

impl<R> Leaving<R> {
    fn pass(&self, data: Bytes) -> Bytes {
        let packed = match self.gzip {
            true => compression::compressed(&data),
            false => None,
        };
        self.unread.count(packed.unwrap_or(data))
    }
}

impl<R: Body<Data = Bytes> + Unpin> Body for Leaving<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(|data| self.pass(data)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.gzip {
            true => SizeHint::default(),
            false => self.body.size_hint(),
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
            let data = Bytes::from(vec![0; crate::unread::UNREAD_BYTES_MAX / 2]);
            ready(Ok(Response::new(Plain::new(axum::body::Body::from(data)))))
        }
    }

    fn answer(call: &mut Call<Ready<Answered<Plain>>, Plain>) -> Option<Leaving<Plain>> {
        match Pin::new(call).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(answer)) => Some(answer.into_body()),
            Poll::Pending => None,
        }
    }

    /// The bytes as a connection holds them until they are sent.
    fn send(mut body: Leaving<Plain>) -> Bytes {
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(&mut body).poll_frame(&mut context) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap(),
            _ => unreachable!("it is there at once"),
        }
    }

    #[test]
    fn a_call_waits_until_earlier_answers_were_read() {
        let mut connection = Outgoing::new(Half);
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
}
