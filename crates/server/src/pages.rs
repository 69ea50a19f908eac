//! Pages over HTTP: the metrics, and the web UI that the binary brings.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use axum::serve::ListenerExt;
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
    let listener = listener.tap_io(|connection| {
        // Events are small and must not wait for each other; a connection that is gone says so by itself.
        let _ = connection.set_nodelay(true);
    });
    if let Err(error) = axum::serve(listener, pages)
        .with_graceful_shutdown(stop)
        .await
    {
        tracing::error!(%error, "the pages are no longer served");
    }
}
