//! The pictures in docs/screenshots: the main pages, light and dark, with the data of the tests.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chromiumoxide::cdp::browser_protocol::page::{
    CaptureScreenshotFormat, CaptureScreenshotParams,
};

use crate::data::Data;
use crate::place;
use crate::suite::Stage;

const WIDTH: i64 = 1280;
/// A page with pictures in it must stay quick to load.
const BYTES_MAX: usize = 150_000;

/// Name, height and path of what is taken.
type Picture = (&'static str, i64, fn(&Data) -> String);

const PICTURES: [Picture; 6] = [
    ("overview", 560, |_| "/namespaces/shop".to_owned()),
    ("workflows", 720, |_| {
        "/namespaces/shop/workflows".to_owned()
    }),
    ("run", 980, |data| data.run("checkout").path()),
    ("history", 700, |data| {
        format!("{}/history?view=compact", data.run("checkout").path())
    }),
    ("failures", 480, |_| "/namespaces/shop/failures".to_owned()),
    ("task-queues", 360, |_| {
        "/namespaces/shop/task-queues".to_owned()
    }),
];

/// Takes them all; true when done.
pub async fn take() -> Result<bool> {
    let stage = Stage::set().await?;
    let folder = place::root().join("docs/screenshots");
    std::fs::create_dir_all(&folder)?;
    let tab = stage.chromium.tab().await?;
    for (name, height, path) in PICTURES {
        for scheme in ["light", "dark"] {
            tab.size(WIDTH, height).await?;
            tab.prefers(&[("prefers-color-scheme", scheme)]).await?;
            tab.go(&stage.url(&path(&stage.data))).await?;
            let capture = CaptureScreenshotParams {
                format: Some(CaptureScreenshotFormat::Png),
                ..CaptureScreenshotParams::default()
            };
            let taken = tab.page.execute(capture).await?.result.data;
            let png = BASE64_STANDARD
                .decode(AsRef::<[u8]>::as_ref(&taken))
                .context("the picture")?;
            let file = format!("{name}-{scheme}.png");
            println!("{file}: {} KB", png.len() / 1000);
            ensure!(png.len() <= BYTES_MAX, "{file} is too large");
            std::fs::write(folder.join(file), png)?;
        }
    }
    tab.close().await?;
    let wrong = stage.strike().await?;
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(true)
}
