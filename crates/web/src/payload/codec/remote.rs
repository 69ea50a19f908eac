//! Asks a codec, within limits of time and size.

use std::time::Duration;

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prost::Message;
use prost_reflect::{DeserializeOptions, DynamicMessage, SerializeOptions};
use steadfast_protocol::common::{Payload, Payloads};

use super::{Asked, CodecOptions, Endpoint, NO_CODEC, payloads};
use crate::history::attributes::reflect;

/// A page is late when its codec is: after this it shows what it has.
const TIME_MAX: Duration = Duration::from_secs(4);
/// Of an answer.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Of a question: what is beyond it stays encoded.
const QUESTION_BYTES_MAX: usize = 8 << 20;

/// Why payloads stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// It may not be asked.
    Endpoint(String),
    /// It cannot be reached.
    Unreachable(String),
    /// It takes too long.
    Late,
    /// It answered with an error.
    Refused(StatusCode),
    /// Its answer makes no sense.
    Answer(String),
    /// There is more to decode than is sent at a time.
    TooMuch,
}

impl std::fmt::Display for CodecError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Endpoint(url) => write!(
                f,
                "`{url}` cannot be a codec: https, or http to this machine, without user or query"
            ),
            Self::Unreachable(why) => write!(f, "the codec cannot be reached: {why}"),
            Self::Late => write!(
                f,
                "the codec did not answer within {} s",
                TIME_MAX.as_secs()
            ),
            Self::Refused(status) => write!(f, "the codec answered {status}"),
            Self::Answer(why) => write!(f, "the codec gave an answer that makes no sense: {why}"),
            Self::TooMuch => write!(f, "there is too much on this page to be decoded at once"),
        }
    }
}

impl std::error::Error for CodecError {}

type HttpClient = Client<HttpsConnector<HttpConnector>, Body>;

fn client() -> Result<HttpClient, CodecError> {
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
        .map_err(|error| CodecError::Unreachable(error.to_string()))?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// The codecs that may be asked.
pub struct Codec {
    endpoints: Vec<Endpoint>,
    asked: Asked,
    pass_credentials: bool,
    /// None where there are no endpoints.
    client: Option<HttpClient>,
}

impl Codec {
    /// As configured.
    ///
    /// # Errors
    /// A URL is not one of a codec, or the certificates of this machine cannot be read.
    pub fn new(options: &CodecOptions) -> Result<Self, CodecError> {
        let endpoints: Result<Vec<_>, _> = options
            .endpoints
            .iter()
            .map(|url| Endpoint::new(url))
            .collect();
        let endpoints = endpoints?;
        // Reading the certificates takes longer than the rest of a start: only where there is somebody to ask.
        let client = if endpoints.is_empty() {
            None
        } else {
            Some(client()?)
        };
        Ok(Self {
            endpoints,
            asked: options.asked,
            pass_credentials: options.pass_credentials,
            client,
        })
    }

    /// Who asks.
    pub fn asked(&self) -> Asked {
        self.asked
    }

    /// The URLs that may be asked.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The one a viewer chose, if it may be asked; else the first one. None if the viewer wants none.
    pub fn endpoint(&self, chosen: Option<&str>) -> Option<&Endpoint> {
        if chosen == Some(NO_CODEC) {
            return None;
        }
        let chosen = chosen.and_then(|url| self.endpoints.iter().find(|one| one.url() == url));
        chosen.or(self.endpoints.first())
    }

    /// Whether the viewer's credentials go to the codec.
    pub fn pass_credentials(&self) -> bool {
        self.pass_credentials
    }

    /// Decodes every payload inside a message.
    ///
    /// # Errors
    /// The codec does not do it; the message is as it was.
    pub async fn decode_inside(
        &self,
        endpoint: &Endpoint,
        namespace: &str,
        authorization: Option<&HeaderValue>,
        message: &mut DynamicMessage,
    ) -> Result<(), CodecError> {
        let mut found = Vec::new();
        payloads(message, &mut |payload| {
            found.extend(payload.transcode_to::<Payload>().ok());
        });
        if found.is_empty() {
            return Ok(());
        }
        let count = found.len();
        let decoded = self
            .decode(endpoint, namespace, authorization, found)
            .await?;
        if decoded.len() != count {
            let why = format!("{} payloads for {count}", decoded.len());
            return Err(CodecError::Answer(why));
        }
        let mut decoded = decoded.into_iter();
        payloads(message, &mut |payload| {
            if let Some(decoded) = decoded.next() {
                // Both are payloads, so the one can always be read as the other.
                let _ = payload.transcode_from(&decoded);
            }
        });
        Ok(())
    }

    async fn decode(
        &self,
        endpoint: &Endpoint,
        namespace: &str,
        authorization: Option<&HeaderValue>,
        encoded: Vec<Payload>,
    ) -> Result<Vec<Payload>, CodecError> {
        let question = Payloads { payloads: encoded };
        if question.encoded_len() > QUESTION_BYTES_MAX {
            return Err(CodecError::TooMuch);
        }
        let Some(client) = &self.client else {
            return Err(CodecError::Endpoint(endpoint.url().to_owned()));
        };
        let mut request =
            Request::post(endpoint.decode_url()).header(CONTENT_TYPE, "application/json");
        if let Ok(namespace) = HeaderValue::try_from(namespace) {
            request = request.header("x-namespace", namespace);
        }
        if let Some(authorization) = authorization.filter(|_| self.pass_credentials) {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request
            .body(Body::from(to_json(&question)?))
            .map_err(|error| CodecError::Endpoint(error.to_string()))?;
        let answer = async {
            let answer = client.request(request).await;
            let answer = answer.map_err(|error| CodecError::Unreachable(sources(&error)))?;
            // A redirection is an answer like any other: only what is configured is asked.
            if answer.status() != StatusCode::OK {
                return Err(CodecError::Refused(answer.status()));
            }
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
                .collect()
                .await;
            let body = body.map_err(|error| CodecError::Answer(error.to_string()))?;
            from_json(&body.to_bytes())
        };
        match tokio::time::timeout(TIME_MAX, answer).await {
            Ok(decoded) => Ok(decoded?.payloads),
            Err(_) => Err(CodecError::Late),
        }
    }
}

/// An error with what caused it: the outermost one seldom says much.
fn sources(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<_> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}

fn to_json(payloads: &Payloads) -> Result<Vec<u8>, CodecError> {
    let unreadable = || CodecError::Answer("payloads are not in the descriptors".to_owned());
    let message = reflect("temporal.api.common.v1.Payloads", payloads).ok_or_else(unreadable)?;
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut out);
    message
        .serialize_with_options(&mut serializer, &SerializeOptions::new())
        .map_err(|error| CodecError::Answer(error.to_string()))?;
    Ok(out)
}

fn from_json(text: &[u8]) -> Result<Payloads, CodecError> {
    let wrong = |error: &dyn std::fmt::Display| CodecError::Answer(error.to_string());
    let descriptor = reflect("temporal.api.common.v1.Payloads", &Payloads::default());
    let descriptor = descriptor.map(|message| prost_reflect::ReflectMessage::descriptor(&message));
    let descriptor = descriptor.ok_or_else(|| wrong(&"payloads are not in the descriptors"))?;
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    // Codecs may say more than they are asked.
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    DynamicMessage::deserialize_with_options(descriptor, &mut deserializer, &options)
        .map_err(|error| wrong(&error))?
        .transcode_to()
        .map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::post;
    use tokio::net::TcpListener;

    use super::*;

    async fn codec(answer: &'static str, pass_credentials: bool) -> Codec {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handler = move |headers: http::HeaderMap, body: String| async move {
            assert_eq!(headers["x-namespace"], "default");
            assert_eq!(headers.contains_key(AUTHORIZATION), pass_credentials);
            assert_eq!(
                body,
                r#"{"payloads":[{"metadata":{"encoding":"YmluYXJ5L2VuY3J5cHRlZA=="},"data":"AP8="}]}"#
            );
            answer
        };
        let router = Router::new().route("/c/decode", post(handler));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Codec::new(&CodecOptions {
            endpoints: vec![format!("http://{address}/c/")],
            pass_credentials,
            ..CodecOptions::default()
        })
        .unwrap()
    }

    async fn decoded(codec: &Codec) -> Result<Payload, CodecError> {
        let payload = Payload {
            metadata: [("encoding".to_owned(), "binary/encrypted".into())].into(),
            data: bytes::Bytes::from_static(b"\0\xff"),
            ..Default::default()
        };
        let mut message = reflect("temporal.api.common.v1.Payload", &payload).unwrap();
        let who = HeaderValue::from_static("Bearer x");
        let endpoint = codec.endpoint(Some("https://evil.example")).unwrap();
        codec
            .decode_inside(endpoint, "default", Some(&who), &mut message)
            .await?;
        Ok(message.transcode_to().unwrap())
    }

    #[tokio::test]
    async fn payloads_come_back_decoded() {
        let answer =
            r#"{"payloads":[{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"MQ=="}],"x":1}"#;
        for pass_credentials in [false, true] {
            let payload = decoded(&codec(answer, pass_credentials).await)
                .await
                .unwrap();
            assert_eq!(payload.data, "1");
        }
    }

    #[tokio::test]
    async fn nonsense_changes_nothing() {
        for answer in ["", "[]", "{}", r#"{"payloads":[{},{}]}"#] {
            let error = decoded(&codec(answer, false).await).await.unwrap_err();
            assert!(matches!(error, CodecError::Answer(_)), "{error}");
        }
    }
}
