//! The way to the services: the generated clients, over a door to the server in the same process.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use steadfast_protocol::operatorservice::operator_service_client::OperatorServiceClient;
use steadfast_protocol::workflowservice::workflow_service_client::WorkflowServiceClient;
use tonic::Status;
use tonic::body::Body;
use tower::Service;
use tower::util::BoxCloneSyncService;

/// The gRPC services of the server with all that a request from outside passes.
pub type Door = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// The largest answer, bytes: a window of a history may be many times as large as one request.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How long a call may take if the page does not say otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// How much longer than the limit told to the server its answer is waited for.
const GRACE: Duration = Duration::from_millis(500);

/// The server takes us for the official UI: it then shows no events that are not written yet.
const CLIENT: [(&str, &str); 4] = [
    ("client-name", "temporal-ui"),
    ("client-version", "2.53.1"),
    ("caller-type", "operator"),
    // Lists are sorted by any column, for any client that asks so.
    ("supported-features", "order-by"),
];
/// What is passed on from the request of the caller, for their rights to apply.
const PASSED_ON: [&str; 2] = ["authorization", "authorization-extras"];

/// Calls to the services with the rights of one caller and a limit of time.
#[derive(Clone)]
pub struct Backend {
    door: Door,
    headers: HeaderMap,
    time_limit: Duration,
}

impl Backend {
    pub(crate) fn new(door: Door) -> Self {
        let headers = CLIENT
            .into_iter()
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect();
        Self {
            door,
            headers,
            time_limit: TIME_LIMIT,
        }
    }

    /// With the rights of who sent a request with these headers.
    pub(crate) fn on_behalf(&self, headers: &HeaderMap) -> Self {
        let mut backend = self.clone();
        for name in PASSED_ON {
            if let Some(value) = headers.get(name) {
                backend.headers.insert(name, value.clone());
            }
        }
        backend
    }

    /// With another limit of time for a call, as for a query or a long poll.
    pub fn within(&self, time_limit: Duration) -> Self {
        Self {
            time_limit,
            ..self.clone()
        }
    }

    /// WorkflowService.
    pub fn workflow(&self) -> WorkflowServiceClient<Self> {
        WorkflowServiceClient::new(self.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// OperatorService.
    pub fn operator(&self) -> OperatorServiceClient<Self> {
        OperatorServiceClient::new(self.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// Who the caller is, as their request says it.
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.headers.get("authorization")
    }

    /// What tells callers with different rights apart; the same for the same rights.
    pub(crate) fn caller(&self) -> Vec<u8> {
        let values = PASSED_ON.map(|name| self.headers.get(name));
        let values = values.map(|value| value.map_or(&b""[..], HeaderValue::as_bytes));
        values.join(&b'\n')
    }
}

impl Service<Request<Body>> for Backend {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.door.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        let milliseconds = self.time_limit.as_millis().min(99_999_999);
        if let Ok(value) = HeaderValue::try_from(format!("{milliseconds}m")) {
            headers.insert("grpc-timeout", value);
        }
        let limit = self.time_limit;
        let answer = self.door.call(request);
        Box::pin(async move {
            match tokio::time::timeout(limit + GRACE, answer).await {
                Ok(answer) => answer,
                Err(_) => Ok(Status::deadline_exceeded(format!(
                    "the server did not answer within {} s",
                    limit.as_secs_f64()
                ))
                .into_http()),
            }
        })
    }
}
