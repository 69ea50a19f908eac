//! Pages over HTTP, as a browser asks for them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::error::BenchError;

/// A page may take this long before the measurement gives up.
const PAGE_WAIT: Duration = Duration::from_secs(120);

/// The body of an answer; its errors are for people.
type Body = UnsyncBoxBody<Bytes, String>;

/// A web UI, by the address of its pages.
#[derive(Clone)]
pub(crate) struct Site {
    client: Client<HttpConnector, Empty<Bytes>>,
    base: String,
}

/// An answered request.
pub(crate) struct Answer {
    /// From just before the request was sent until its answer began.
    pub(crate) first_byte: Duration,
    /// The same until its end.
    pub(crate) whole: Duration,
    /// As it came: compressed, if that was asked for.
    pub(crate) body: Bytes,
}

/// How an answer may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As a browser takes it.
    Gzip,
    /// As text that can be read.
    Plain,
}

impl Site {
    pub(crate) fn new(base: &str) -> Site {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Site {
            client: Client::builder(TokioExecutor::new()).build(connector),
            base: base.trim_end_matches('/').to_string(),
        }
    }

    /// Asks for a page, to its end. Any status but 200 is an error: a measurement of failures would flatter.
    pub(crate) async fn get(&self, path: &str, form: Form) -> Result<Answer, BenchError> {
        let begin = Instant::now();
        let ask = async {
            let response = self.open(path, form).await?;
            let first_byte = begin.elapsed();
            let body = response.into_body().collect().await;
            let body = body.map_err(|error| BenchError::Setup(format!("{path}: {error}")))?;
            Ok(Answer {
                first_byte,
                whole: begin.elapsed(),
                body: body.to_bytes(),
            })
        };
        let answer = tokio::time::timeout(PAGE_WAIT, ask).await;
        answer.unwrap_or_else(|_| {
            let seconds = PAGE_WAIT.as_secs();
            Err(BenchError::Setup(format!(
                "{path} was not answered within {seconds} s"
            )))
        })
    }

    /// A page as text.
    pub(crate) async fn text(&self, path: &str) -> Result<String, BenchError> {
        let answer = self.get(path, Form::Plain).await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// An event stream, as one message after the other.
    pub(crate) async fn follow(&self, path: &str) -> Result<Stream, BenchError> {
        let response = self.open(path, Form::Plain).await?;
        Ok(Stream {
            body: response.into_body(),
            rest: Vec::new(),
        })
    }

    async fn open(&self, path: &str, form: Form) -> Result<http::Response<Body>, BenchError> {
        let failed = |cause: String| BenchError::Setup(format!("{}{path}: {cause}", self.base));
        let uri: Uri = format!("{}{path}", self.base)
            .parse()
            .map_err(|error| failed(format!("{error}")))?;
        let host = uri.authority().map_or("", |host| host.as_str()).to_string();
        let mut request = Request::get(uri).header(HOST, host);
        if form == Form::Gzip {
            request = request.header(ACCEPT_ENCODING, "gzip");
        }
        let request = request
            .body(Empty::new())
            .map_err(|error| failed(error.to_string()))?;
        let response = self.client.request(request).await;
        let response = response.map_err(|error| failed(error.to_string()))?;
        match response.status() {
            StatusCode::OK => {
                Ok(response.map(|body| body.map_err(|error| error.to_string()).boxed_unsync()))
            }
            other => Err(failed(format!("answered with {other}"))),
        }
    }
}

/// An open event stream.
pub(crate) struct Stream {
    body: Body,
    rest: Vec<u8>,
}

impl Stream {
    /// The next message with data; none at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(end) = self.rest.windows(2).position(|two| two == b"\n\n") {
                let text: Vec<u8> = self.rest.drain(..end + 2).collect();
                match Message::parse(&String::from_utf8_lossy(&text)) {
                    Some(message) => return Some(message),
                    None => continue,
                }
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.rest.extend_from_slice(&data);
            }
        }
    }
}

/// A message of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The first line of its data: of a patch, the element that changes.
    pub(crate) element: String,
    /// The other lines.
    pub(crate) text: String,
}

impl Message {
    /// None for comments, which only keep the connection alive.
    fn parse(text: &str) -> Option<Message> {
        let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
        let mut data = data.map(|line| line.strip_prefix(' ').unwrap_or(line));
        Some(Message {
            element: data.next()?.to_string(),
            text: data.collect::<Vec<_>>().join("\n"),
        })
    }
}

/// The value of an attribute of an element in a page: what follows `before`, up to the quote.
pub(crate) fn attribute(page: &str, before: &str) -> Option<String> {
    let rest = &page[page.find(before)? + before.len()..];
    let value = &rest[..rest.find('"')?];
    Some(value.replace("&#38;", "&").replace("&amp;", "&"))
}

/// A text as a value in a query string.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                escaped.push(char::from(byte));
            }
            _ => escaped += &format!("%{byte:02X}"),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_an_element_and_its_text() {
        let message = Message::parse("event: patch\ndata: counts\ndata: <p>\ndata:  a\n");
        let message = message.expect("it has data");
        assert_eq!((&*message.element, &*message.text), ("counts", "<p>\n a"));
        assert_eq!(Message::parse(": alive\n"), None);
    }

    #[test]
    fn values_are_found_and_escaped() {
        let page = r#"<body data-live="/x?a=1&#38;b=2"><a>"#;
        let live = attribute(page, "data-live=\"");
        assert_eq!(live.as_deref(), Some("/x?a=1&b=2"));
        assert_eq!(attribute(page, "data-other=\""), None);
        assert_eq!(escaped("A = \"ä\""), "A%20%3D%20%22%C3%A4%22");
    }
}
