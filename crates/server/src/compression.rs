//! Answers to clients that compress their requests, as SDKs do: large ones are compressed too. A small one would take more
//! time to compress than all the rest of its call, so it leaves as it is, which the protocol allows for each message.

use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower::Service;

use crate::headers::{ACCEPTED_ENCODINGS, ENCODING};

/// Smaller messages are not compressed.
const BYTES_MIN: usize = 8 << 10;
/// Nor are larger ones: the thread that does it serves others too.
const BYTES_MAX: usize = 1 << 20;
/// Before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

const GZIP: &str = "gzip";

/// Whether a client that sent these headers is answered in kind.
fn is_wanted(headers: &HeaderMap) -> bool {
    let is_gzip = headers.get(&ENCODING).is_some_and(|it| it == GZIP);
    is_gzip
        && headers.get(&ACCEPTED_ENCODINGS).is_some_and(|accepted| {
            let accepted = accepted.to_str().unwrap_or_default();
            accepted.split(',').any(|one| one.trim() == GZIP)
        })
}

/// A service whose answers are compressed for those who want that.
#[derive(Clone)]
pub(crate) struct Compressing<S>(pub(crate) S);

impl<S, B, R> Service<Request<B>> for Compressing<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<Compressed<R>>;
    type Error = Infallible;
    type Future = Call<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The answers of all other services are streams, of small messages.
        let is_ours = request.uri().path().starts_with("/temporal.api.");
        Call {
            wanted: is_ours && is_wanted(request.headers()),
            call: self.0.call(request),
        }
    }
}

/// A call under way.
pub(crate) struct Call<F> {
    call: F,
    wanted: bool,
}

impl<F, R> Future for Call<F>
where
    F: Future<Output = Result<Response<R>, Infallible>> + Unpin,
{
    type Output = Result<Response<Compressed<R>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = ready!(Pin::new(&mut self.call).poll(context));
        let wanted = self.wanted;
        Poll::Ready(answered.map(|mut answer| {
            if wanted {
                let gzip = HeaderValue::from_static(GZIP);
                answer.headers_mut().insert(&ENCODING, gzip);
            }
            answer.map(|body| Compressed { body, wanted })
        }))
    }
}

/// The body of an answer: one message, which is one frame.
pub(crate) struct Compressed<R> {
    body: R,
    wanted: bool,
}

impl<R: Body<Data = Bytes> + Unpin> Body for Compressed<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let wanted = self.wanted;
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| {
                frame.map_data(|data| match wanted {
                    true => compressed(&data).unwrap_or(data),
                    false => data,
                })
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.wanted {
            true => SizeHint::default(),
            false => self.body.size_hint(),
        }
    }
}

/// The same message compressed, if it is a whole one, and that is worth while.
fn compressed(frame: &[u8]) -> Option<Bytes> {
    let (prefix, message) = frame.split_first_chunk::<PREFIX_BYTES>()?;
    let [flag, length @ ..] = prefix;
    let whole = u32::from_be_bytes(*length) as usize == message.len();
    if *flag != 0 || !whole || !(BYTES_MIN..=BYTES_MAX).contains(&message.len()) {
        return None;
    }
    let mut encoder = GzEncoder::new(vec![0; PREFIX_BYTES], Compression::fast());
    encoder.write_all(message).ok()?;
    let mut frame = encoder.finish().ok()?;
    let length = frame.len() - PREFIX_BYTES;
    if length >= message.len() {
        return None;
    }
    frame[0] = 1;
    frame[1..PREFIX_BYTES].copy_from_slice(&u32::try_from(length).ok()?.to_be_bytes());
    Some(frame.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Read;

    use flate2::read::GzDecoder;

    fn frame(message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0], &length[..], message].concat()
    }

    #[test]
    fn a_large_message_is_compressed_and_says_so() {
        let message = b"history ".repeat(BYTES_MIN);
        let compressed = compressed(&frame(&message)).unwrap();
        assert!(compressed.len() < message.len() / 10);
        let (prefix, rest) = compressed.split_at(PREFIX_BYTES);
        assert_eq!(prefix[0], 1);
        assert_eq!(
            prefix[1..],
            u32::try_from(rest.len()).unwrap().to_be_bytes()
        );
        let mut back = Vec::new();
        GzDecoder::new(rest).read_to_end(&mut back).unwrap();
        assert_eq!(back, message);
    }

    #[test]
    fn what_is_small_or_huge_or_cut_or_compressed_stays() {
        for size in [0, BYTES_MIN - 1, BYTES_MAX + 1] {
            assert_eq!(compressed(&frame(&vec![b'x'; size])), None);
        }
        let mut whole = frame(&vec![b'x'; BYTES_MIN]);
        assert_eq!(compressed(&whole[..whole.len() - 1]), None);
        whole[0] = 1;
        assert_eq!(compressed(&whole), None);
        assert_eq!(compressed(&[]), None);
    }

    #[test]
    fn those_who_compress_and_can_read_it_are_answered_in_kind() {
        let wanted = |encoding: &str, accepted: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(&ENCODING, encoding.parse().unwrap());
            headers.insert(&ACCEPTED_ENCODINGS, accepted.parse().unwrap());
            is_wanted(&headers)
        };
        assert!(wanted("gzip", "gzip") && wanted("gzip", "identity, gzip"));
        assert!(!wanted("identity", "gzip") && !wanted("gzip", "identity"));
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
