//! The server: its services on a port, until it is told to stop.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use prometheus_client::registry::Registry;
use steadfast_engine::{Engine, Namespaces};
use steadfast_protocol::DESCRIPTORS;
use steadfast_protocol::operatorservice::operator_service_server::OperatorServiceServer;
use steadfast_protocol::testservice::test_service_server::TestServiceServer;
use steadfast_protocol::workflowservice::workflow_service_server::WorkflowServiceServer;
use steadfast_visibility::VisibilityStore;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::util::BoxCloneSyncService;

use crate::connections;
use crate::figures::EngineFigures;
use crate::frontend::Frontend;
use crate::gate::{Gate, REQUEST_BYTES_MAX};
use crate::metrics::RequestMetrics;
use crate::pages;
use crate::searches::Searches;

/// How long calls may go on once the server stops.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(3);

const HEALTH_NAMES: [&str; 2] = ["", "temporal.api.workflowservice.v1.WorkflowService"];

/// What a server is made of.
pub struct Parts {
    /// Who runs the executions.
    pub engine: Engine,
    /// The namespaces.
    pub namespaces: Arc<Namespaces>,
    /// Who knows all runs.
    pub visibility: Arc<dyn VisibilityStore>,
    /// What is counted, by this server and by those who registered their metrics before.
    pub registry: Registry,
}

/// The ports of a server.
pub struct Listeners {
    /// For clients and workers.
    pub grpc: TcpListener,
    /// For people.
    pub ui: Option<Ui>,
    /// For Prometheus.
    pub metrics: Option<TcpListener>,
}

/// All services with all that a request from outside passes, for clients in the same process.
pub type InProcess = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Infallible>;

/// The pages for people.
pub struct Ui {
    /// Where they are served.
    pub listener: TcpListener,
    /// Makes them; they are clients like any other.
    pub pages: Pages,
}

/// Makes pages that speak to the services.
pub type Pages = Box<dyn FnOnce(InProcess) -> Router + Send>;

/// The gRPC services of one node.
pub struct Server {
    parts: Parts,
    metrics: Arc<RequestMetrics>,
}

impl Server {
    /// Of these parts; it does not listen yet.
    pub fn new(mut parts: Parts) -> Self {
        let metrics = Arc::new(RequestMetrics::new());
        parts.registry.register_collector(Box::new(metrics.clone()));
        let figures = EngineFigures(parts.engine.clone());
        parts.registry.register_collector(Box::new(figures));
        Self { parts, metrics }
    }

    /// Serves until `stop` completes: then says that it is not serving, ends the long polls, lets the other calls end
    /// for a few seconds, and returns.
    ///
    /// # Errors
    /// A listener fails.
    pub async fn serve(
        self,
        listeners: Listeners,
        stop: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let address = listeners.grpc.local_addr()?;
        let (drain, draining) = watch::channel(false);
        let health = HealthReporter::new();
        for name in HEALTH_NAMES {
            health
                .set_service_status(name, ServingStatus::Serving)
                .await;
        }
        let registry = Arc::new(Mutex::new(self.parts.registry));
        let frontend = Frontend {
            engine: self.parts.engine,
            namespaces: self.parts.namespaces,
            searches: Searches::of(self.parts.visibility),
            workers: Arc::default(),
            waits: Arc::default(),
            size_log: Arc::default(),
            address: address.to_string().into(),
            draining: draining.clone(),
        };
        let gate = Gate::new(
            WorkflowServiceServer::new(frontend.clone())
                .accept_compressed(Gzip)
                .max_decoding_message_size(REQUEST_BYTES_MAX),
            others(frontend, &health)?,
            self.metrics,
        );
        if let Some(listener) = listeners.metrics {
            let pages = pages::metrics(registry);
            tokio::spawn(pages::serve(listener, pages, draining.clone()));
        }
        if let Some(ui) = listeners.ui {
            let pages = (ui.pages)(InProcess::new(gate.clone()));
            tokio::spawn(pages::serve(ui.listener, pages, draining.clone()));
        }

        let serving = connections::serve(listeners.grpc, gate, draining);
        tokio::pin!(serving);
        tokio::select! {
            () = &mut serving => return Ok(()),
            () = stop => {}
        }
        tracing::info!("stopping");
        for name in HEALTH_NAMES {
            health
                .set_service_status(name, ServingStatus::NotServing)
                .await;
        }
        drain.send_replace(true);
        if tokio::time::timeout(DRAIN_TIME_MAX, serving).await.is_err() {
            tracing::info!("some calls did not end in time");
        }
        Ok(())
    }
}

/// The services that are seldom called.
fn others(frontend: Frontend, health: &HealthReporter) -> io::Result<Routes> {
    let health = tonic_health::pb::health_server::HealthServer::new(
        tonic_health::server::HealthService::from_health_reporter(health.clone()),
    )
    .accept_compressed(Gzip);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(Routes::default()
        .add_service(
            OperatorServiceServer::new(frontend.clone())
                .accept_compressed(Gzip)
                .max_decoding_message_size(REQUEST_BYTES_MAX),
        )
        .add_service(
            TestServiceServer::new(frontend)
                .accept_compressed(Gzip)
                .max_decoding_message_size(REQUEST_BYTES_MAX),
        )
        .add_service(health)
        .add_service(reflection().build_v1().map_err(io::Error::other)?)
        .add_service(reflection().build_v1alpha().map_err(io::Error::other)?)
        .prepare())
}

/// All metrics as Prometheus reads them.
pub(crate) fn metrics_text(registry: &Mutex<Registry>) -> String {
    let registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = String::new();
    if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &registry) {
        tracing::error!(%error, "the metrics could not be written");
    }
    text
}

/// The address in the form that people and clients use.
pub fn shown_address(address: SocketAddr) -> String {
    if address.ip().is_loopback() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}
