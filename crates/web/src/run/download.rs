//! The whole history as a file that SDK replayers read.

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use super::{RunPath, named};
use crate::backend::Backend;
use crate::failure::PageError;
use crate::history::index::{RunName, read_page};
use crate::history::json;
use crate::visit::Visit;

/// Where the download stands.
enum Rest {
    /// A page that was read, and the token of the next one.
    Page(Bytes, Bytes),
    /// Pages from this token on.
    From(Bytes),
    End,
}

pub(super) async fn show(Path(path): RunPath, visit: Visit) -> Result<Response, PageError> {
    let run = named(path);
    // The first page now, so that a refusal is an answer and not a broken file.
    let (events, next) = read_page(&visit.backend, &run, Bytes::new()).await?;
    let mut opening = json::OPENING.as_bytes().to_vec();
    opening.extend(json::events(&events, true));
    let file = format!(
        "{}_{}_events.json",
        plain(&run.workflow_id),
        plain(&run.run_id)
    );
    let headers = [
        // Not application/json, which the front would collect in memory to compress it.
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{file}\""),
        ),
    ];
    let body = pages(visit.backend.clone(), run, Rest::Page(opening.into(), next));
    Ok((headers, Body::from_stream(body)).into_response())
}

fn pages(
    backend: Backend,
    run: RunName,
    begin: Rest,
) -> impl stream::Stream<Item = Result<Bytes, std::io::Error>> {
    stream::unfold((backend, run, begin), |(backend, run, rest)| async move {
        let (chunk, rest) = match rest {
            Rest::End => return None,
            Rest::Page(chunk, next) if next.is_empty() => (closed(chunk), Rest::End),
            Rest::Page(chunk, next) => (chunk, Rest::From(next)),
            Rest::From(token) => match read_page(&backend, &run, token).await {
                Err(error) => {
                    let error = std::io::Error::other(error.message);
                    return Some((Err(error), (backend, run, Rest::End)));
                }
                Ok((events, next)) => {
                    let chunk = json::events(&events, false);
                    match next.is_empty() {
                        true => (closed(chunk), Rest::End),
                        false => (chunk, Rest::From(next)),
                    }
                }
            },
        };
        Some((Ok(chunk), (backend, run, rest)))
    })
}

fn closed(chunk: Bytes) -> Bytes {
    let mut chunk = chunk.to_vec();
    chunk.extend(json::CLOSING.as_bytes());
    chunk.into()
}

/// Safe in the name of a file and in a header.
fn plain(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    text.chars().take(80).map(plain).collect()
}
