//! Workflows: the list with its filters, columns and views, what is done with many at once, and the start form.

pub(crate) mod bulk;
mod columns;
pub(crate) mod counts;
mod list;
mod live;
pub(crate) mod query;
pub(crate) mod row;
mod start;
mod tally;
mod views;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

// Pages that are no workflow ids lie outside `workflows/`, where every name is an id.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/namespaces/{namespace}/workflows", get(list::show))
        .route("/namespaces/{namespace}/workflows-live", get(live::follow))
        .route(
            "/namespaces/{namespace}/workflows-bulk",
            get(bulk::preview).post(bulk::act),
        )
        .route("/namespaces/{namespace}/views", post(views::change))
        .route(
            "/namespaces/{namespace}/workflows/start-workflow",
            get(start::show).post(start::start),
        )
}
