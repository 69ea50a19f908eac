//! The few files of our own that pages need: one style sheet, one script, one icon, named by their content.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use rust_embed::RustEmbed;
use xxhash_rust::xxh3::xxh3_64;

use crate::app::App;
use crate::failure::PageError;

/// A name stands for its content for ever.
const FOREVER: &str = "public, max-age=31536000, immutable";

#[derive(RustEmbed)]
#[folder = "assets"]
struct Files;

struct Asset {
    name: String,
    kind: &'static str,
    content: String,
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let content = joined("style/", |text, all| all.push_str(text));
    Asset::new("app", "css", "text/css; charset=utf-8", content)
});

// Each file in a block of its own: their names do not meet.
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let content = joined("script/", |text, all| {
        all.push_str("{\n");
        all.push_str(text);
        all.push_str("}\n");
    });
    Asset::new("app", "js", "text/javascript; charset=utf-8", content)
});

static ICON: LazyLock<Asset> = LazyLock::new(|| {
    let content = joined("icon.svg", |text, all| all.push_str(text));
    Asset::new("icon", "svg", "image/svg+xml", content)
});

impl Asset {
    fn new(stem: &str, extension: &str, kind: &'static str, content: String) -> Self {
        let hash = xxh3_64(content.as_bytes());
        Self {
            name: format!("{stem}-{hash:016x}.{extension}"),
            kind,
            content,
        }
    }
}

/// All files whose path begins so, in the order of their names.
fn joined(prefix: &str, mut add: impl FnMut(&str, &mut String)) -> String {
    let mut names: Vec<_> = Files::iter()
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort();
    let mut all = String::new();
    for file in names.iter().filter_map(|name| Files::get(name)) {
        add(&String::from_utf8_lossy(&file.data), &mut all);
    }
    all
}

/// The name of the style sheet.
pub fn style_name() -> &'static str {
    &STYLE.name
}

/// The name of the script.
pub fn script_name() -> &'static str {
    &SCRIPT.name
}

/// The name of the icon.
pub fn icon_name() -> &'static str {
    &ICON.name
}

/// The icon itself, for pages to show without another file: a picture of its own costs a browser more than all else in
/// the bar of a page.
pub fn icon() -> &'static str {
    &ICON.content
}

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/assets/{name}", get(serve))
}

async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, PageError> {
    let all = [&*STYLE, &*SCRIPT, &*ICON];
    let asset = all
        .into_iter()
        .find(|asset| asset.name == name)
        .ok_or_else(|| PageError::not_found("There is no such file."))?;
    let tag = format!("\"{}\"", asset.name);
    let shared = [(ETAG, tag.as_str()), (CACHE_CONTROL, FOREVER)];
    let known = headers.get_all(IF_NONE_MATCH).iter();
    if known
        .filter_map(|known| known.to_str().ok())
        .any(|known| known.contains(&tag))
    {
        return Ok((StatusCode::NOT_MODIFIED, shared).into_response());
    }
    Ok((shared, [(CONTENT_TYPE, asset.kind)], asset.content.as_str()).into_response())
}
