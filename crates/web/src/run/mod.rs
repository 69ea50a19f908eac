//! The pages of one run. Each file is one page, or one part that all of them have (`load`, `head`, `waiting`).

mod action;
mod chain;
mod data;
mod download;
mod event;
mod events;
mod head;
mod live;
mod load;
mod pending;
mod query;
mod relationships;
mod summary;
mod timeline;
mod waiting;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};

use crate::app::App;
use crate::history::index::RunName;

/// Namespace, workflow id and run id, as they stand in the path.
type RunPath = Path<(String, String, String)>;

const WORKFLOW: &str = "/namespaces/{namespace}/workflows/{workflow}";

pub(crate) fn routes() -> Router<App> {
    let run = |page: &str| format!("{WORKFLOW}/{{run}}{page}");
    Router::new()
        .route(WORKFLOW, get(chain::show))
        .route(&run(""), get(summary::show))
        .route(&run("/live"), get(live::show))
        .route(&run("/timeline"), get(timeline::show))
        .route(&run("/history"), get(events::show))
        .route(&run("/history.json"), get(download::show))
        .route(&run("/history/events/{event}"), get(event::show))
        .route(&run("/pending-activities"), get(pending::show))
        .route(&run("/relationships"), get(relationships::show))
        .route(&run("/query"), get(query::show).post(query::ask))
        .route(&run("/call-stack"), get(query::call_stack))
        .route(&run("/metadata"), get(data::show))
        .route(&run("/memo"), get(data::show))
        .route(&run("/search-attributes"), get(data::show))
        .route(&run("/user-metadata"), get(data::show))
        .route(&run("/workers"), get(chain::workers))
        .route(&run("/signal"), post(action::signal))
        .route(&run("/cancel"), post(action::cancel))
        .route(&run("/terminate"), post(action::terminate))
}

fn named((namespace, workflow_id, run_id): (String, String, String)) -> RunName {
    RunName {
        namespace,
        workflow_id,
        run_id,
    }
}
