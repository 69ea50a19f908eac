//! Pages over HTTP: the metrics, and where the web UI will be.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::Html;
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::server::metrics_text;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/metrics`.
pub(crate) fn metrics(registry: Arc<Mutex<Registry>>) -> Router {
    let page = move || async move { ([(CONTENT_TYPE, OPEN_METRICS)], metrics_text(&registry)) };
    Router::new().route("/metrics", get(page))
}

/// One page that says where the server is.
pub(crate) fn welcome(grpc_address: &str) -> Router {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Steadfast</title></head>\n\
         <body><h1>Steadfast</h1>\n<p>The server is running. Clients and workers connect to \
         <code>{grpc_address}</code> (gRPC).</p>\n</body></html>\n"
    );
    Router::new().fallback(get(move || async move { Html(page) }))
}

/// Serves the pages until the server is `draining`.
pub(crate) async fn serve(
    listener: TcpListener,
    pages: Router,
    mut draining: watch::Receiver<bool>,
) {
    let stop = async move {
        // An error means that the sender is gone, and the server with it.
        let _ = draining.wait_for(|draining| *draining).await;
    };
    if let Err(error) = axum::serve(listener, pages)
        .with_graceful_shutdown(stop)
        .await
    {
        tracing::error!(%error, "the pages are no longer served");
    }
}
