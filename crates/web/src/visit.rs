//! A visit to a page: who asks, where from, and how they like it.

use std::collections::HashMap;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::{Html, IntoResponse, Response};
use http::header::COOKIE;
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri};

use crate::app::App;
use crate::backend::Backend;
use crate::csrf;
use crate::failure::PageError;
use crate::link::Links;
use crate::params::Params;
use crate::shell::{Section, Shell, Theme};
use crate::time::Clock;

/// A visit to a page. Handlers take it as an argument.
#[derive(Clone)]
pub struct Visit {
    /// The services, with the rights of the visitor.
    pub backend: Backend,
    /// The URLs of the pages as this visitor reaches them.
    pub links: Links,
    /// The path that was asked for, without the base path, as it stood in the request.
    pub path: String,
    /// The query string.
    pub params: Params,
    /// When and in which time zone.
    pub clock: Clock,
    /// Light, dark, or as the system has it.
    pub theme: Theme,
    /// Whether rows are far apart.
    pub roomy: bool,
    /// The codec that the visitor chose: its URL, or [`NO_CODEC`](crate::payload::codec::NO_CODEC).
    pub codec: Option<String>,
    /// The namespace that was looked at last.
    pub last_namespace: Option<String>,
    pub(crate) csrf: String,
    pub(crate) app: App,
}

impl Visit {
    pub(crate) fn new(app: &App, links: Links, uri: &Uri, headers: &HeaderMap) -> Self {
        let cookies = cookies(headers);
        let cookie = |name: &str| cookies.get(name).map(String::as_str);
        Self {
            backend: app.backend.on_behalf(headers),
            links,
            path: uri.path().to_owned(),
            params: Params::parse(uri.query().unwrap_or_default()),
            clock: Clock::now(cookie("zone")),
            theme: Theme::of_name(cookie("theme").unwrap_or_default()),
            roomy: cookie("density") == Some("roomy"),
            codec: cookie("codec").map(str::to_owned),
            last_namespace: cookie("namespace")
                .map(str::to_owned)
                .filter(|name| !name.is_empty()),
            csrf: cookie(csrf::NAME)
                .filter(|token| csrf::is_token(token))
                .map_or_else(csrf::new_token, str::to_owned),
            app: app.clone(),
        }
    }

    /// The frame of a page. `title` is for the heading and the tab of the browser.
    pub async fn shell(&self, namespace: Option<&str>, section: Section, title: &str) -> Shell {
        Shell::new(self, namespace, section, title).await
    }

    /// The URL of this page with other parameters.
    pub fn here(&self, params: &Params) -> String {
        format!("{}{}{}", self.links.base(), self.path, params.query())
    }
}

impl FromRequestParts<App> for Visit {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, PageError> {
        // `front` has put it there for every request.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            PageError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The request did not come by the front.",
            )
        })
    }
}

/// A rendered template as an answer.
pub fn page(template: &impl Template) -> Result<Response, PageError> {
    Ok(Html(template.render()?).into_response())
}

/// The cookies of a request; their values are percent-decoded.
fn cookies(headers: &HeaderMap) -> HashMap<String, String> {
    let lines = headers.get_all(COOKIE).into_iter();
    let text = lines.filter_map(|line| line.to_str().ok());
    let pairs = text.flat_map(|line| line.split(';'));
    let pairs = pairs.filter_map(|pair| Params::parse(pair.trim()).iter().next().map(owned));
    pairs.collect()
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
