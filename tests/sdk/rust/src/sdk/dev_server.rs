//! The SDK's core starts the server's binary itself, as it would start a development server: so do the test
//! environments of the SDKs that are built on it.

use crate::{
    Workers,
    messages::Collect,
    place::{Place, eventually, listed, same},
};
use anyhow::{Context, Result};
use std::{net::TcpListener, str::FromStr, time::Duration};
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions, Url};
use temporalio_common::search_attributes::{SearchAttributeKey, SearchAttributes};
use temporalio_sdk_core::ephemeral_server::{EphemeralExe, TemporalDevServerConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const NAMESPACE: &str = "a-namespace";
const INT: SearchAttributeKey<i64> = SearchAttributeKey::int("SdkInt");

/// Starts the binary and a worker, and runs `play` on it. The server is ended by SIGKILL.
async fn with_dev_server(
    db_filename: Option<String>,
    ui_port: Option<u16>,
    more: &[&str],
    play: impl AsyncFnOnce(&Place) -> Result<()>,
) -> Result<()> {
    let binary = std::env::var("STEADFAST_BINARY").context("STEADFAST_BINARY")?;
    let mut extra_args = vec!["--search-attribute", "SdkInt=Int"];
    extra_args.extend(more);
    let config = TemporalDevServerConfig::builder()
        .exe(EphemeralExe::ExistingPath(binary))
        .namespace(NAMESPACE)
        .maybe_db_filename(db_filename)
        .maybe_ui_port(ui_port)
        .extra_args(extra_args.into_iter().map(str::to_owned).collect())
        .build();
    let mut server = config.start_server().await?;
    let url = Url::from_str(&format!("http://{}", server.target))?;
    let connection = Connection::connect(ConnectionOptions::new(url).build()).await?;
    let place = Place {
        client: Client::new(connection, ClientOptions::new(NAMESPACE).build())?,
        task_queue: "dev-server".to_owned(),
    };
    let worker = Workers::start(
        &place.client,
        &place.task_queue,
        100,
        Duration::from_secs(10),
    )?;
    let played = play(&place).await;
    worker.stop().await?;
    server.shutdown().await?;
    played
}

pub async fn runs_a_workflow() -> Result<()> {
    let (ui_port, metrics_port) = (free_port()?, free_port()?);
    let metrics = format!("--metrics-port={metrics_port}");
    let more = [
        metrics.as_str(),
        "--sqlite-pragma",
        "journal_mode=WAL",
        "--log-level",
        "never",
    ];
    with_dev_server(None, Some(ui_port), &more, async |place| {
        let mut options = place.options("dev-server");
        options.search_attributes = Some(SearchAttributes::new([INT.value_set(7)]));
        let id = options.workflow_id.clone();
        let run = place
            .client
            .start_workflow(Collect::run, (), options)
            .await?;
        run.signal(Collect::add, "x".to_owned(), Default::default())
            .await?;
        run.signal(Collect::finish, (), Default::default()).await?;
        same!(run.get_result(Default::default()).await?, ["x"]);
        let query = "SdkInt = 7 AND ExecutionStatus = 'Completed'";
        eventually(async || {
            same!(listed(&place.client, query).await?, [id.as_str()]);
            Ok(Some(()))
        })
        .await?;
        // The UI leads on to its first page.
        same!(status(ui_port, "/").await?, "HTTP/1.1 303");
        same!(status(metrics_port, "/metrics").await?, "HTTP/1.1 200");
        Ok(())
    })
    .await
}

/// With a database file, what one server was told is known to the next.
pub async fn keeps_its_data() -> Result<()> {
    let folder =
        std::env::temp_dir().join(format!("steadfast-dev-server-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder)?;
    let file = folder.join("temporal.db").display().to_string();
    let mut id = String::new();
    with_dev_server(Some(file.clone()), None, &[], async |place| {
        let run = place.start(Collect::run, ()).await?;
        id = run.info().workflow_id.clone();
        run.signal(Collect::add, "before".to_owned(), Default::default())
            .await?;
        let collected = run
            .query(Collect::collected, (), Default::default())
            .await?;
        same!(collected, ["before"]);
        Ok(())
    })
    .await?;
    with_dev_server(Some(file), None, &[], async |place| {
        let run = place.handle::<Collect>(&id, None);
        run.signal(Collect::finish, (), Default::default()).await?;
        let result: Vec<String> = run.get_result(Default::default()).await?;
        same!(result, ["before"]);
        Ok(())
    })
    .await?;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// How the answer to a GET request begins.
async fn status(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut beginning = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut beginning).await?;
    Ok(String::from_utf8_lossy(&beginning).into_owned())
}
