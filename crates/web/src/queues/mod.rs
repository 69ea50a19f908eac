//! The task queues of a namespace: who polls them, and what waits in them.
//!
//! No RPC lists task queues. Their names are those of the runs there are, open ones first.

mod list;
mod one;
pub(crate) mod survey;

use axum::Router;
use axum::routing::get;

use crate::app::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/namespaces/{namespace}/task-queues", get(list::show))
        .route(
            "/namespaces/{namespace}/task-queues-live",
            get(list::follow),
        )
        .route(
            "/namespaces/{namespace}/task-queues/{queue}",
            get(one::show),
        )
        .route(
            "/namespaces/{namespace}/task-queue-live/{queue}",
            get(one::follow),
        )
}
