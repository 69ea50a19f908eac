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
#[cfg(test)]
mod tests;
mod text;
mod timeline;
mod waiting;

use axum::Router;
use axum::extract::{Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;

use crate::app::App;
use crate::front::POLICY;
use crate::history::index::RunName;
use crate::payload::codec::{Asked, Codec, Endpoint};
use crate::visit::Visit;

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
        .layer(from_fn(admit_codec))
}

/// The codec that the browser is to ask.
fn browser_codec(visit: &Visit) -> Option<(&Codec, &Endpoint)> {
    let codec = visit.app.codec.as_deref()?;
    let endpoint = codec.endpoint(visit.codec.as_deref())?;
    (codec.asked() == Asked::ByBrowser).then_some((codec, endpoint))
}

/// Lets the script of a page reach the codec it is to ask; the policy of the other pages knows no other site.
async fn admit_codec(request: Request, next: Next) -> Response {
    let visit = request.extensions().get::<Visit>();
    let origin = visit.and_then(|visit| Some(browser_codec(visit)?.1.origin()));
    let mut response = next.run(request).await;
    if let Some(origin) = origin {
        let policy = POLICY.replace(
            "connect-src 'self'",
            &format!("connect-src 'self' {origin}"),
        );
        if let Ok(policy) = HeaderValue::try_from(policy) {
            response
                .headers_mut()
                .insert(CONTENT_SECURITY_POLICY, policy);
        }
    }
    response
}

fn named((namespace, workflow_id, run_id): (String, String, String)) -> RunName {
    RunName {
        namespace,
        workflow_id,
        run_id,
    }
}
