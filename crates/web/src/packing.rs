//! Text is sent compressed to whoever takes it so: pages as a whole, or part by part as they are made.

use std::io::Write;

use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;

/// What is compressed. Not event streams: each message of theirs leaves at once.
const TEXTS: [&str; 6] = [
    "text/html",
    "text/css",
    "text/javascript",
    "text/plain",
    "image/svg",
    "application/json",
];
/// Shorter answers are sent as they are.
const BYTES_MIN: usize = 1000;
const LEVEL: u32 = 5;

/// Whether who asks takes it.
pub(crate) fn is_accepted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok());
    accepted.any(|value| {
        value.split(',').any(|one| {
            one.trim() == "gzip" || one.trim().starts_with("gzip;") && !one.ends_with("q=0")
        })
    })
}

/// Whether an answer is of a kind.
pub(crate) fn has_kind(response: &Response, kind: &str) -> bool {
    let value = response.headers().get(CONTENT_TYPE);
    value.is_some_and(|value| value.as_bytes().starts_with(kind.as_bytes()))
}

/// The answer, compressed if it is text.
pub(crate) async fn packed(response: Response) -> Response {
    let is_text = TEXTS.iter().any(|kind| has_kind(&response, kind));
    if !is_text || response.headers().contains_key(CONTENT_ENCODING) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // What is not in memory as a whole comes in parts.
    if body.size_hint().exact().is_none() {
        mark(&mut parts.headers);
        return Response::from_parts(parts, part_by_part(body));
    }
    let Ok(bytes) = body.collect().await.map(|body| body.to_bytes()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if bytes.len() < BYTES_MIN {
        return Response::from_parts(parts, Body::from(bytes));
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::new(LEVEL));
    let packed = encoder.write_all(&bytes).and_then(|()| encoder.finish());
    let Ok(packed) = packed else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    mark(&mut parts.headers);
    Response::from_parts(parts, Body::from(packed))
}

fn mark(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
}

/// The same, each part in such a way that it can be read before the next one is there.
fn part_by_part(body: Body) -> Body {
    let encoder = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
    let begin = (body.into_data_stream(), Some(encoder));
    let packed = futures_util::stream::try_unfold(begin, |(mut body, encoder)| async {
        let Some(mut encoder) = encoder else {
            return Ok::<_, axum::BoxError>(None);
        };
        let Some(part) = body.next().await else {
            return Ok(Some((Bytes::from(encoder.finish()?), (body, None))));
        };
        encoder.write_all(&part?)?;
        encoder.flush()?;
        let packed = std::mem::take(encoder.get_mut());
        Ok(Some((packed.into(), (body, Some(encoder)))))
    });
    Body::from_stream(packed)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn each_part_can_be_read_before_the_next_one_is_there() {
        let parts = ["one part", " and another"];
        let body = stream::iter(parts.map(Ok::<_, std::convert::Infallible>));
        let body = Body::from_stream(body.chain(stream::pending()));
        let answer = ([(CONTENT_TYPE, "text/html")], body).into_response();
        let answer = packed(answer).await;
        assert_eq!(answer.headers()[CONTENT_ENCODING], "gzip");
        let mut body = answer.into_body();
        let (mut came, mut read) = (Vec::new(), String::new());
        for part in parts {
            let frame = body.frame().await.unwrap().unwrap();
            came.extend(frame.into_data().unwrap());
            let mut expected = vec![0; part.len()];
            let mut decoder = GzDecoder::new(&came[..]);
            let mut before = vec![0; read.len()];
            decoder.read_exact(&mut before).unwrap();
            decoder.read_exact(&mut expected).unwrap();
            read += part;
            assert_eq!(expected, part.as_bytes());
        }
    }
}
