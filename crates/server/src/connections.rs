//! Connections: how all are taken, and what is done on those of clients and workers.
//!
//! The services are called for each request directly. A server of tonic would put several layers around them, of which
//! this one needs none: who stops waiting, and what becomes of panics, is the business of the gate.

use std::fmt::Display;
use std::time::Duration;

use http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulConnection;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::body::Body;
use tower::ServiceExt;

use crate::gate::Gate;
use crate::gathering::gathered;
use crate::outgoing::Outgoing;

const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection is asked to end after this long, so that clients spread anew; its calls may end in their own time.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(5 * 60);
/// Polls of one worker share a connection: many more than HTTP/2 servers allow by default.
const STREAMS_PER_CONNECTION_MAX: u32 = 1 << 16;
/// The wait after a connection could not be accepted, for want of file handles for one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Serves clients and workers until the server is `draining`, and then until the calls under way have ended.
pub(crate) async fn serve(listener: TcpListener, gate: Gate, draining: watch::Receiver<bool>) {
    let mut builder = Builder::new(TokioExecutor::new()).http2_only();
    builder
        .http2()
        .timer(TokioTimer::new())
        // gRPC has no use for it.
        .auto_date_header(false)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX);
    let stop = draining.clone();
    accept(listener, draining, move |stream| {
        attend(builder.clone(), stream, gate.clone(), stop.clone())
    })
    .await;
}

/// Takes connections until the server is `draining`, and attends to each until it ends.
pub(crate) async fn accept<F>(
    listener: TcpListener,
    mut draining: watch::Receiver<bool>,
    attend: impl Fn(TcpStream) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            // An error means that the sender is gone, and the server with it.
            _ = draining.wait_for(|draining| *draining) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                // What is sent is small and must not wait for more; a connection that is gone says so by itself.
                let _ = stream.set_nodelay(true);
                connections.spawn(attend(stream));
            }
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn attend(
    builder: Builder<TokioExecutor>,
    stream: TcpStream,
    gate: Gate,
    mut draining: watch::Receiver<bool>,
) {
    let load = gate.load().clone();
    let service = gate
        .map_request(move |request: Request<_>| request.map(|body| Body::new(load.count(body))));
    let service = TowerToHyperService::new(Outgoing::new(service));
    let stop = async {
        tokio::select! {
            () = tokio::time::sleep(CONNECTION_AGE_MAX) => {}
            _ = draining.wait_for(|draining| *draining) => {}
        }
    };
    gathered(stream, |stream| {
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        Box::pin(see_through(connection, stop))
    })
    .await;
}

/// Lets a connection go on until `stop`, and then until what is under way on it has ended.
pub(crate) async fn see_through<C>(connection: C, stop: impl Future<Output = ()>)
where
    C: GracefulConnection<Error: Display>,
{
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stop => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}
