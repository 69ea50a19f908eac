//! What all requests under way hold together, and how much of it they may: overload is refused, not suffered.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use steadfast_core::Refusal;
use tonic::Status;

use crate::status::status;

/// Requests under way, those that wait for tasks and events among them.
const REQUESTS_MAX: usize = 50_000;
/// Bytes of requests that have not arrived whole.
const ARRIVING_BYTES_MAX: usize = 256 << 20;

/// What the requests under way hold.
#[derive(Default)]
pub(crate) struct Load {
    requests: AtomicUsize,
    arriving_bytes: AtomicUsize,
}

impl Load {
    /// Counts a request until the answer is dropped.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED where enough of them are under way.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Admitted, Status> {
        let admitted = Admitted(self.clone());
        if self.requests.fetch_add(1, Ordering::Relaxed) < REQUESTS_MAX {
            Ok(admitted)
        } else {
            Err(overloaded("too many requests are under way"))
        }
    }

    /// The same body, whose bytes are counted until it was read and dropped. It ends with RESOURCE_EXHAUSTED where too
    /// much is arriving.
    pub(crate) fn count<B>(self: &Arc<Self>, body: B) -> Arriving<B> {
        Arriving {
            body,
            bytes: 0,
            load: self.clone(),
        }
    }
}

fn overloaded(what: &str) -> Status {
    status(Refusal::system_overloaded(what))
}

/// A request under way.
pub(crate) struct Admitted(Arc<Load>);

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of a request that is arriving.
pub(crate) struct Arriving<B> {
    body: B,
    bytes: usize,
    load: Arc<Load>,
}

impl<B> Body for Arriving<B>
where
    B: Body<Data: AsRef<[u8]>, Error: Into<tonic::codegen::StdError>> + Unpin,
{
    type Data = B::Data;
    type Error = tonic::codegen::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            return Poll::Pending;
        };
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => return Poll::Ready(None),
        };
        if let Some(data) = frame.data_ref() {
            let bytes = data.as_ref().len();
            this.bytes += bytes;
            let before = this.load.arriving_bytes.fetch_add(bytes, Ordering::Relaxed);
            if before + bytes > ARRIVING_BYTES_MAX {
                let refused = overloaded("too many bytes of requests are arriving");
                return Poll::Ready(Some(Err(refused.into())));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Arriving<B> {
    fn drop(&mut self) {
        let load = &self.load;
        load.arriving_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use bytes::Bytes;
    use tonic::Code;

    #[test]
    fn requests_are_counted_while_they_last() {
        let load = Arc::new(Load::default());
        let mut admitted: Vec<_> = (0..REQUESTS_MAX).map(|_| load.admit().unwrap()).collect();
        let refused = load.admit().err().unwrap();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        admitted.pop();
        admitted.push(load.admit().unwrap());
        drop(admitted);
        assert_eq!(load.requests.load(Ordering::Relaxed), 0);
    }

    /// A body that sends the same bytes for ever.
    struct Endless(Bytes);

    impl Body for Endless {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Ready(Some(Ok(Frame::data(self.0.clone()))))
        }
    }

    #[test]
    fn bytes_are_counted_while_they_arrive() {
        let load = Arc::new(Load::default());
        let part = Bytes::from(vec![0; ARRIVING_BYTES_MAX / 4]);
        let next = |body: &mut Arriving<Endless>| {
            let mut context = Context::from_waker(std::task::Waker::noop());
            match Pin::new(body).poll_frame(&mut context) {
                Poll::Ready(Some(frame)) => frame.map(drop),
                _ => unreachable!("it sends at once, for ever"),
            }
        };
        let mut one = load.count(Endless(part.clone()));
        let mut other = load.count(Endless(part));
        for _ in 0..2 {
            next(&mut one).unwrap();
            next(&mut other).unwrap();
        }
        let error = next(&mut other).unwrap_err();
        let status = error.downcast_ref::<Status>().unwrap();
        assert_eq!(status.code(), Code::ResourceExhausted);
        drop(other);
        next(&mut one).unwrap();
        drop(one);
        assert_eq!(load.arriving_bytes.load(Ordering::Relaxed), 0);
    }
}
