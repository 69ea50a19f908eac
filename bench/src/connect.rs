//! Connections to the server under test.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use steadfast_protocol::operatorservice::operator_service_client::OperatorServiceClient;
use steadfast_protocol::workflowservice::workflow_service_client::WorkflowServiceClient;
use steadfast_protocol::workflowservice::{
    DescribeNamespaceRequest, GetSystemInfoRequest, RegisterNamespaceRequest,
};
use tonic::body::Body;
use tonic::codegen::{Service, StdError};
use tonic::{Code, Status};

use crate::error::BenchError;

/// One connection, made when it is wanted, and again when it was lost. A channel of tonic would do too, but what a call
/// costs in it, with its queue and its layers, takes from the processor that the server under test should have.
#[derive(Clone)]
pub(crate) struct Connection(HttpClient<HttpConnector, Body>);

/// How long the answer to a call is waited for: a server that hangs says nothing by itself.
#[derive(Clone, Copy)]
struct Patience(Duration);

pub(crate) type Client = WorkflowServiceClient<Connection>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The deadline of calls that are answered at once.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// The deadline of long polls, as SDKs set it. Servers refuse a poll without one.
pub(crate) const POLL_TIMEOUT: Duration = Duration::from_secs(70);

/// Calls in flight per connection. HTTP/2 servers commonly allow 100 to 250 streams; more would wait in the client, unseen.
const CALLS_PER_CONNECTION: usize = 90;

/// A server of the protocol, by its address.
#[derive(Clone)]
pub(crate) struct Server {
    address: String,
    clients: Arc<[Client]>,
    operator: OperatorServiceClient<Connection>,
    next: Arc<AtomicUsize>,
    /// Its process, if it is on this machine and known.
    pub(crate) pid: Option<u32>,
}

impl Server {
    /// Does not connect yet. `calls` is how many calls will be in flight.
    pub(crate) fn new(address: &str, calls: usize) -> Result<Server, BenchError> {
        let origin: Uri = format!("http://{address}")
            .parse()
            .map_err(|error| BenchError::Setup(format!("--address {address}: {error}")))?;
        let connections = calls.div_ceil(CALLS_PER_CONNECTION).max(1);
        let clients = (0..connections).map(|_| {
            WorkflowServiceClient::with_origin(Connection::new(), origin.clone())
                .max_decoding_message_size(64 << 20)
        });
        Ok(Server {
            address: address.to_string(),
            clients: clients.collect(),
            operator: OperatorServiceClient::with_origin(Connection::new(), origin),
            next: Arc::default(),
            pid: None,
        })
    }

    pub(crate) fn with_pid(mut self, pid: Option<u32>) -> Server {
        self.pid = pid;
        self
    }

    /// The same server over as many connections as `calls` calls in flight need.
    pub(crate) fn sized(&self, calls: usize) -> Result<Server, BenchError> {
        Ok(Server::new(&self.address, calls)?.with_pid(self.pid))
    }

    /// A client on one of the connections, in turn.
    pub(crate) fn client(&self) -> Client {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        self.clients[n % self.clients.len()].clone()
    }

    pub(crate) fn operator(&self) -> OperatorServiceClient<Connection> {
        self.operator.clone()
    }

    pub(crate) async fn system_info(&self, timeout: Duration) -> Result<(), BenchError> {
        let answer = self
            .client()
            .get_system_info(request(GetSystemInfoRequest {}, timeout))
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(status) => Err(BenchError::Unreachable {
                address: self.address.clone(),
                cause: status.message().to_string(),
            }),
        }
    }

    /// Makes sure that the server answers and has the namespace.
    pub(crate) async fn prepare(&self, namespace: &str) -> Result<(), BenchError> {
        self.system_info(Duration::from_secs(5)).await?;
        let describe = DescribeNamespaceRequest {
            namespace: namespace.to_string(),
            ..Default::default()
        };
        match self
            .client()
            .describe_namespace(request(describe, CALL_TIMEOUT))
            .await
        {
            Ok(_) => return Ok(()),
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => return Err(BenchError::refused("DescribeNamespace")(status)),
        }
        let register = RegisterNamespaceRequest {
            namespace: namespace.to_string(),
            description: "load of steadfast-bench".to_string(),
            workflow_execution_retention_period: Some(seconds(86_400.0)),
            ..Default::default()
        };
        match self
            .client()
            .register_namespace(request(register, CALL_TIMEOUT))
            .await
        {
            Err(status) if status.code() != Code::AlreadyExists => {
                Err(BenchError::refused("RegisterNamespace")(status))
            }
            _ => Ok(()),
        }
    }
}

impl Connection {
    fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = HttpClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .http2_only(true)
            .build(connector);
        Self(client)
    }
}

impl Service<http::Request<Body>> for Connection {
    type Response = <HttpClient<HttpConnector, Body> as Service<http::Request<Body>>>::Response;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, StdError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let patience = request.extensions().get::<Patience>().copied();
        let answer = self.0.request(request);
        Box::pin(async move {
            let Some(Patience(patience)) = patience else {
                return Ok(answer.await?);
            };
            match tokio::time::timeout(patience, answer).await {
                Ok(answer) => Ok(answer?),
                Err(_) => Err(Status::deadline_exceeded("no answer within the deadline").into()),
            }
        })
    }
}

/// A request with a deadline, which the server is told, and after which its answer is not waited for any more.
pub(crate) fn request<M>(message: M, timeout: Duration) -> tonic::Request<M> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(timeout);
    request.extensions_mut().insert(Patience(timeout));
    request
}

/// A duration of the protocol.
pub(crate) fn seconds(seconds: f64) -> steadfast_protocol::Duration {
    steadfast_protocol::Duration {
        seconds: seconds.trunc() as i64,
        nanos: (seconds.fract() * 1e9) as i32,
    }
}
