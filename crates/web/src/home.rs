//! The first page: the namespace that was looked at last.

use axum::Router;
use axum::response::Response;
use axum::routing::get;

use crate::app::App;
use crate::form::see;
use crate::visit::Visit;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/", get(home))
}

async fn home(visit: Visit) -> Response {
    let namespace = visit.last_namespace.as_deref().unwrap_or("default");
    see(&visit.links.workflows(namespace))
}
