//! Help: the keys, and the language of queries.

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

use crate::app::App;
use crate::failure::PageError;
use crate::shell::{Section, Shell};
use crate::visit::{Visit, page};

#[derive(Template)]
#[template(path = "help.html")]
struct HelpPage {
    shell: Shell,
}

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/help", get(show))
}

async fn show(visit: Visit) -> Result<Response, PageError> {
    let shell = visit.shell(None, Section::None, "Keys and help").await;
    page(&HelpPage { shell })
}
