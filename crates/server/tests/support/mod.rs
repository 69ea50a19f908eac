//! A server in this process, and a client that speaks to it without generated types.

#![allow(dead_code, reason = "each test file uses its own part of this")]

pub(crate) mod odd;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use prometheus_client::registry::Registry;
use prost::Message;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use steadfast_engine::token::TaskToken;
use steadfast_engine::{Engine, Limits, NamespaceRecord, Namespaces};
use steadfast_protocol::DESCRIPTORS;
use steadfast_protocol::enums::NamespaceState;
use steadfast_server::{Listeners, Parts, Server};
use steadfast_store::{MemoryStore, Store};
use steadfast_visibility::{MemoryVisibility, VisibilityStore};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

/// A running server with the namespaces `default` and `other`.
pub(crate) struct Served {
    pub(crate) channel: Channel,
    pub(crate) address: SocketAddr,
    pub(crate) metrics_address: SocketAddr,
    pub(crate) namespaces: Arc<Namespaces>,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) running: JoinHandle<std::io::Result<()>>,
}

pub(crate) async fn serve() -> Served {
    serve_with(Arc::new(MemoryVisibility::default())).await
}

/// With a visibility store that is looked at.
pub(crate) async fn serve_with(visibility: Arc<dyn VisibilityStore>) -> Served {
    serve_on(Arc::new(MemoryStore::new()), visibility).await
}

/// With stores that are looked at.
pub(crate) async fn serve_on(
    store: Arc<dyn Store>,
    visibility: Arc<dyn VisibilityStore>,
) -> Served {
    serve_within(Limits::DEFAULT, store, visibility).await
}

/// With other limits.
pub(crate) async fn serve_within(
    limits: Limits,
    store: Arc<dyn Store>,
    visibility: Arc<dyn VisibilityStore>,
) -> Served {
    let namespaces = Arc::new(Namespaces::open(store.clone(), new_id()).unwrap());
    for name in ["default", "other"] {
        create(&namespaces, name);
    }
    let parts = Parts {
        engine: Engine::start(store, visibility.clone(), namespaces.clone(), limits).unwrap(),
        namespaces: namespaces.clone(),
        visibility,
        registry: Registry::default(),
    };
    let listener = || TcpListener::bind("127.0.0.1:0");
    let listeners = Listeners {
        grpc: listener().await.unwrap(),
        ui: None,
        metrics: Some(listener().await.unwrap()),
    };
    let address = listeners.grpc.local_addr().unwrap();
    let metrics_address = listeners.metrics.as_ref().unwrap().local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(Server::new(parts).serve(listeners, async {
        let _ = stopped.await;
    }));
    Served {
        channel: connect(address).await,
        address,
        metrics_address,
        namespaces,
        stop,
        running,
    }
}

/// A connection of its own.
pub(crate) async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

pub(crate) fn create(namespaces: &Namespaces, name: &str) {
    namespaces
        .create(NamespaceRecord {
            id: new_id(),
            name: name.to_owned(),
            state: NamespaceState::Registered as i32,
            retention_ns: 24 * 3600 * 1_000_000_000,
            ..NamespaceRecord::default()
        })
        .unwrap();
}

pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A token of a task in the namespace of that id; there is no such task.
pub(crate) fn task_token(namespace_id: &str) -> Vec<u8> {
    let token = TaskToken {
        namespace_id: namespace_id.to_owned(),
        workflow_id: "some-workflow_id".to_owned(),
        run_id: new_id(),
        ..TaskToken::default()
    };
    token.seal().to_vec()
}

/// Every RPC of the three services.
pub(crate) fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let methods: Vec<_> = pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect();
    assert!(methods.len() > 100);
    methods
}

/// How long [`ask`] waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls an RPC of the WorkflowService.
pub(crate) async fn ask<T: Message + Default>(
    served: &Served,
    rpc: &str,
    request: impl Message,
) -> Result<T, Status> {
    let path = format!("/temporal.api.workflowservice.v1.WorkflowService/{rpc}");
    let answer = call(&served.channel, &path, request.encode_to_vec(), PATIENCE).await?;
    Ok(T::decode(answer).unwrap())
}

/// Calls an RPC with an encoded request; answers the encoded response.
pub(crate) async fn call(
    channel: &Channel,
    path: &str,
    body: Vec<u8>,
    timeout: Duration,
) -> Result<Bytes, Status> {
    let mut request = Request::new(body);
    request.set_timeout(timeout);
    call_with(channel, path, request).await
}

pub(crate) async fn call_with(
    channel: &Channel,
    path: &str,
    request: Request<Vec<u8>>,
) -> Result<Bytes, Status> {
    unary(tonic::client::Grpc::new(channel.clone()), path, request).await
}

/// As [`call_with`], with the body compressed, as SDKs send it.
pub(crate) async fn call_compressed(
    channel: &Channel,
    path: &str,
    request: Request<Vec<u8>>,
) -> Result<Bytes, Status> {
    let client = tonic::client::Grpc::new(channel.clone());
    unary(client.send_compressed(Gzip), path, request).await
}

/// As [`call_compressed`], for a client that reads compressed answers too; with the encoding of the answer.
pub(crate) async fn call_in_kind(
    channel: &Channel,
    path: &str,
    request: Request<Vec<u8>>,
) -> Result<(Option<String>, Bytes), Status> {
    let client = tonic::client::Grpc::new(channel.clone());
    let client = client.send_compressed(Gzip).accept_compressed(Gzip);
    let response = respond(client, path, request).await?;
    let encoding = response.metadata().get("grpc-encoding");
    let encoding = encoding.map(|encoding| encoding.to_str().unwrap().to_owned());
    Ok((encoding, response.into_inner()))
}

async fn unary(
    client: tonic::client::Grpc<Channel>,
    path: &str,
    request: Request<Vec<u8>>,
) -> Result<Bytes, Status> {
    Ok(respond(client, path, request).await?.into_inner())
}

async fn respond(
    mut client: tonic::client::Grpc<Channel>,
    path: &str,
    request: Request<Vec<u8>>,
) -> Result<Response<Bytes>, Status> {
    client
        .ready()
        .await
        .map_err(|error| Status::unknown(error.to_string()))?;
    let path: PathAndQuery = path.parse().unwrap();
    client.unary(request, path, Raw).await
}

pub(crate) fn path_of(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// Bytes as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
