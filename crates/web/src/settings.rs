//! How pages are shown: theme, density, time zone, codec. Kept in cookies of the browser.

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
use crate::payload::codec::NO_CODEC;
use crate::shell::{Section, Shell};
use crate::visit::{Visit, page};

const A_YEAR_S: u32 = 365 * 24 * 3600;

/// The choices, each a cookie.
const CHOICES: [&str; 4] = ["theme", "density", "zone", "codec"];

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    shell: Shell,
    back: String,
    zones: Vec<String>,
    /// Codecs that may be asked: URL, name, and whether it is the one that is.
    codecs: Vec<(String, String, bool)>,
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
        codecs: codecs(&visit),
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
        if name == "codec" && !codecs(&visit).iter().any(|(url, ..)| url == value) {
            return Err(PageError::invalid(format!("{value} may not be asked.")));
        }
        if let Ok(cookie) = HeaderValue::try_from(cookie(&visit.links, name, value)) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    Ok(response.into_response())
}

/// What the viewer can choose from; nothing where no codec is known.
fn codecs(visit: &Visit) -> Vec<(String, String, bool)> {
    let Some(codec) = visit
        .app
        .codec
        .as_ref()
        .filter(|codec| !codec.endpoints().is_empty())
    else {
        return Vec::new();
    };
    let asked = codec.endpoint(visit.codec.as_deref());
    let urls = codec.endpoints().iter().map(|one| {
        let url = one.url().to_owned();
        (url.clone(), url, asked == Some(one))
    });
    let none = (
        NO_CODEC.to_owned(),
        "None: as they are stored".to_owned(),
        asked.is_none(),
    );
    urls.chain([none]).collect()
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
