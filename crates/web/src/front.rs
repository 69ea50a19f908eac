//! What every request passes on its way in and every answer on its way out: base path, visit, pages for errors,
//! security headers, cookies, compression.

use std::convert::Infallible;

use askama::Template;
use axum::Router;
use axum::extract::Request;
use axum::response::{Html, IntoResponse, Response};
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use tower::ServiceExt;

use crate::app::App;
use crate::csrf;
use crate::failure::PageError;
use crate::link::Links;
use crate::packing::{self, has_kind};
use crate::params::Params;
use crate::settings;
use crate::shell::{Section, Shell};
use crate::visit::Visit;

/// Only files of our own; nothing inline.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const SECURITY: [(&str, &str); 5] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    shell: Shell,
    failure: PageError,
}

/// The pages behind the front.
pub fn before(pages: Router, app: App) -> Router {
    let service = tower::service_fn(move |request: Request| {
        let (pages, app) = (pages.clone(), app.clone());
        async move { Ok::<_, Infallible>(answer(pages, app, request).await) }
    });
    Router::new().fallback_service(service)
}

async fn answer(pages: Router, app: App, mut request: Request) -> Response {
    let links = base(&app, request.headers());
    if let Some(uri) = stripped(request.uri(), links.base()) {
        *request.uri_mut() = uri;
    }
    let visit = Visit::new(&app, links, request.uri(), request.headers());
    let packed = packing::is_accepted(request.headers());
    let has_token = has_token(request.headers(), &visit.csrf);
    request.extensions_mut().insert(visit.clone());
    let response = pages.oneshot(request).await;
    let mut response = response.unwrap_or_else(|never| match never {});
    if let Some(failure) = response.extensions_mut().remove::<PageError>() {
        response = failure_page(&visit, failure);
    }
    let is_page = has_kind(&response, "text/html") && response.status().is_success();
    let headers = response.headers_mut();
    for (name, value) in SECURITY {
        let name = HeaderName::from_static(name);
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if is_page && !has_token {
        let path = format!("{}/", visit.links.base());
        let cookie = format!(
            "{}={}; Path={path}; SameSite=Strict; HttpOnly",
            csrf::NAME,
            visit.csrf
        );
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            headers.append(SET_COOKIE, cookie);
        }
    }
    if is_page
        && let Some(namespace) = namespace_of(&visit.path)
        && visit.last_namespace.as_deref() != Some(&namespace)
        && let Ok(cookie) =
            HeaderValue::try_from(settings::cookie(&visit.links, "namespace", &namespace))
    {
        headers.append(SET_COOKIE, cookie);
    }
    if packed {
        packing::packed(response).await
    } else {
        response
    }
}

/// The base path: what a proxy says, else what is configured.
fn base(app: &App, headers: &HeaderMap) -> Links {
    let said = headers.get("x-forwarded-prefix");
    match said.and_then(|prefix| prefix.to_str().ok()) {
        Some(prefix) => Links::new(prefix),
        None => app.links.clone(),
    }
}

/// The URL without the base path, where it has it: a proxy may have taken it away already.
fn stripped(uri: &Uri, base: &str) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(base)?;
    if base.is_empty() {
        return None;
    }
    match rest.chars().next() {
        Some('/') => rest.parse().ok(),
        Some('?') | None => format!("/{rest}").parse().ok(),
        Some(_) => None,
    }
}

fn has_token(headers: &HeaderMap, token: &str) -> bool {
    let cookies = headers.get_all(http::header::COOKIE).iter();
    let mut cookies = cookies.filter_map(|line| line.to_str().ok());
    cookies.any(|line| line.contains(token))
}

fn failure_page(visit: &Visit, failure: PageError) -> Response {
    let name = namespace_of(&visit.path);
    let status = failure.status;
    let shell = Shell::framed(
        visit,
        Vec::new(),
        name.as_deref(),
        Section::None,
        &failure.title,
    );
    let page = FailurePage { shell, failure };
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page of an error could not be rendered");
            (status, status.to_string()).into_response()
        }
    }
}

/// The namespace whose page a path is.
fn namespace_of(path: &str) -> Option<String> {
    let rest = path.strip_prefix("/namespaces/")?;
    let segment = rest.split('/').next()?;
    let name = Params::parse(&format!("name={}", segment.replace('+', "%2B")));
    name.get("name").map(str::to_owned)
}
