//! Payloads that only a codec can read, which the browser asks.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::codec_server::CodecServer;
use crate::place;
use crate::server::Server;
use crate::suite::Stage;

crate::tests![
    a_codec_is_asked_by_the_browser,
    a_codec_that_refuses_leaves_payloads_as_they_are_stored,
    no_other_codec_is_asked_than_those_that_may_be,
];

const SOON: Duration = Duration::from_secs(30);
const SHOWN: &str = "document.querySelector('[data-testid=run-ends] .payload pre').textContent";
/// What the browser says of an answer of another site.
const REFUSED: [&str; 2] = ["status 403", "status of 403"];
/// What it says of a request that the policy of the page forbids.
const FORBIDDEN: [&str; 3] = ["policy:", "Content Security Policy", "blocked:"];

/// A server whose pages ask this codec, and the path of a run with an input that it can read.
async fn server(codec: &CodecServer, server_ui: u16) -> Result<(Server, String)> {
    let flags = [
        "--ui-codec-endpoint",
        &codec.url(),
        "--ui-codec-asked-by",
        "browser",
    ];
    let server = Server::start_at(server_ui, &flags).await?;
    let script = place::here().join("data/encoded.py");
    let mut start = Command::new(place::tools().join("python/bin/python"));
    let started = start.arg(script).arg(server.grpc()).output().await?;
    ensure!(
        started.status.success(),
        "{}",
        String::from_utf8_lossy(&started.stderr)
    );
    let run = String::from_utf8(started.stdout)?;
    let path = format!("/namespaces/default/workflows/secret/{}", run.trim());
    Ok((server, path))
}

/// The server, once it has ended well.
async fn ended(server: Server) -> Result<()> {
    let wrong = server.stop().await?;
    ensure!(wrong.is_empty(), "{wrong:?}");
    Ok(())
}

async fn a_codec_is_asked_by_the_browser(stage: Arc<Stage>) -> Result<()> {
    let ui = crate::server::free_port()?;
    let codec = CodecServer::start(&format!("http://127.0.0.1:{ui}"), false).await?;
    let (server, path) = server(&codec, ui).await?;
    let tab = stage.chromium.tab().await?;
    tab.go(&(server.ui() + &path)).await?;
    // Not rounded, as a number of the script would be.
    let decoded = format!("{SHOWN} === '{{\"price\": 9007199254740993}}'");
    tab.until(&decoded, SOON).await.context("decoded")?;
    tab.says("[data-testid=run-ends] .meta", "json/plain, decoded")
        .await?;
    ensure!(
        tab.value::<bool>("document.querySelector('#codec').hidden")
            .await?
    );
    let asked = codec.asked();
    let question = asked.iter().find(|head| head.starts_with("POST /decode "));
    let question = question.with_context(|| format!("{asked:?}"))?;
    let question = question.to_ascii_lowercase();
    ensure!(question.contains("x-namespace: default"), "{question}");
    ensure!(!question.contains("\ncookie:"), "no cookies: {question}");

    // Who runs no scripts sees what is stored, and so does who wants no codec.
    tab.scripts(false).await?;
    tab.go(&(server.ui() + &path)).await?;
    tab.says("[data-testid=run-ends] .meta", "binary/backwards")
        .await?;
    tab.close().await?;
    ended(server).await
}

async fn a_codec_that_refuses_leaves_payloads_as_they_are_stored(stage: Arc<Stage>) -> Result<()> {
    let ui = crate::server::free_port()?;
    let codec = CodecServer::start(&format!("http://127.0.0.1:{ui}"), true).await?;
    let (server, path) = server(&codec, ui).await?;
    let tab = stage.chromium.tab().await?;
    tab.provoke(&REFUSED);
    tab.go(&(server.ui() + &path)).await?;
    tab.until("!document.querySelector('#codec').hidden", SOON)
        .await?;
    tab.says("#codec", "as they are stored: the codec answered 403")
        .await?;
    tab.says("[data-testid=run-ends] .meta", "binary/backwards")
        .await?;
    tab.close().await?;
    ended(server).await
}

async fn no_other_codec_is_asked_than_those_that_may_be(stage: Arc<Stage>) -> Result<()> {
    let ui = crate::server::free_port()?;
    let site = format!("http://127.0.0.1:{ui}");
    let codec = CodecServer::start(&site, false).await?;
    let other = CodecServer::start(&site, false).await?;
    let (server, path) = server(&codec, ui).await?;
    let tab = stage.chromium.tab().await?;
    tab.provoke(&FORBIDDEN);
    tab.go(&(server.ui() + &path)).await?;
    // A cookie that names another codec, as a hostile page of the same site could set it.
    let cookie = format!(
        "document.cookie = 'codec=' + encodeURIComponent('{}') + '; path=/'",
        other.url()
    );
    tab.value::<String>(&cookie).await?;
    tab.go(&(server.ui() + &path)).await?;
    tab.until(&format!("{SHOWN}.includes('9007199254740993')"), SOON)
        .await?;
    let wanted = codec.url() + "/decode";
    ensure!(
        tab.value::<String>("document.querySelector('#codec').dataset.url")
            .await?
            == wanted
    );
    // Not even a script of the page could.
    let ask = format!(
        "fetch('{}/decode', {{ method: 'POST' }}).then(() => 'answered', () => 'refused')",
        other.url()
    );
    ensure!(tab.value::<String>(&ask).await? == "refused");
    ensure!(other.asked().is_empty(), "{:?}", other.asked());
    // A page that shows no payloads may not ask even the one that is allowed.
    tab.go(&(server.ui() + "/settings")).await?;
    let ask = ask.replace(&other.url(), &codec.url());
    let before = codec.asked().len();
    ensure!(tab.value::<String>(&ask).await? == "refused");
    ensure!(codec.asked().len() == before, "{:?}", codec.asked());
    tab.close().await?;
    ended(server).await
}
