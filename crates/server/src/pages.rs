//! Pages over HTTP: the metrics, and the web UI that the binary brings.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::connections;
use crate::server::metrics_text;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/metrics`.
pub(crate) fn metrics(registry: Arc<Mutex<Registry>>) -> Router {
    let page = move || async move { ([(CONTENT_TYPE, OPEN_METRICS)], metrics_text(&registry)) };
    Router::new().route("/metrics", get(page))
}

/// Serves the pages until the server is `draining`, and then until those under way have ended.
pub(crate) async fn serve(listener: TcpListener, pages: Router, draining: watch::Receiver<bool>) {
    let service = pages.map_request(|request: Request<Incoming>| request.map(Body::new));
    let service = TowerToHyperService::new(service);
    let stop = draining.clone();
    connections::accept(listener, draining, move |stream| {
        attend(stream, service.clone(), stop.clone())
    })
    .await;
}

/// HTTP/1.1 from the first byte: looking for other versions first would double the buffers of a connection, and who
/// follows a page keeps theirs.
async fn attend<S>(stream: TcpStream, service: S, mut draining: watch::Receiver<bool>)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let stop = async {
        // An error means that the sender is gone, and the server with it.
        let _ = draining.wait_for(|draining| *draining).await;
    };
    connections::see_through(connection, stop).await;
}
