//! How pages are shown: theme, density, time zone. Kept in cookies of the browser.

use askama::Template;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderValue;
use http::header::SET_COOKIE;
use jiff::tz::TimeZone;

use crate::app::App;
use crate::failure::PageError;
use crate::form::{Form, see};
use crate::link::Links;
use crate::params::{Params, encode};
use crate::shell::{Section, Shell};
use crate::visit::{Visit, page};

const A_YEAR_S: u32 = 365 * 24 * 3600;

/// The choices, each a cookie.
const CHOICES: [&str; 3] = ["theme", "density", "zone"];

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    shell: Shell,
    back: String,
    zones: Vec<String>,
}

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/settings", get(show).post(choose))
}

/// The cookie that keeps a choice.
pub(crate) fn cookie(links: &Links, name: &str, value: &str) -> String {
    let mut cookie = format!("{name}=");
    encode(value, &mut cookie);
    cookie
        + &format!(
            "; Path={}/; Max-Age={A_YEAR_S}; SameSite=Lax; HttpOnly",
            links.base()
        )
}

async fn show(visit: Visit) -> Result<Response, PageError> {
    let zones = jiff::tz::db().available().map(|name| name.to_string());
    let mut zones: Vec<_> = zones.collect();
    zones.sort();
    page(&SettingsPage {
        back: visit.params.text("back").to_owned(),
        zones,
        shell: visit.shell(None, Section::None, "Settings").await,
    })
}

async fn choose(visit: Visit, Form(form): Form) -> Result<Response, PageError> {
    let mut response = see(&back(&visit, &form));
    for name in CHOICES {
        let Some(value) = form.get(name) else {
            continue;
        };
        if name == "zone" && TimeZone::get(value).is_err() {
            return Err(PageError::invalid(format!(
                "There is no time zone named {value}."
            )));
        }
        if let Ok(cookie) = HeaderValue::try_from(cookie(&visit.links, name, value)) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    Ok(response.into_response())
}

/// The page to come back to, if it is one of this UI.
fn back(visit: &Visit, form: &Params) -> String {
    let wanted = form.text("back");
    let path = wanted.strip_prefix(visit.links.base()).unwrap_or_default();
    let local = path.starts_with('/') && !path.starts_with("//") && !path.contains('\\');
    match local && path.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => wanted.to_owned(),
        false => visit.links.home(),
    }
}
