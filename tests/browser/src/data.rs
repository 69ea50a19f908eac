//! What the pages show: made by `data/main.py`, a worker and client of a real SDK.

use std::collections::HashMap;
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::place;

const MADE_WITHIN: Duration = Duration::from_secs(90);
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// Namespaces that the server must have, for the flag `-n`.
pub const NAMESPACES: [&str; 4] = ["shop", "live", "hostile", "empty"];

/// A run that was made.
#[derive(Deserialize)]
pub struct Run {
    namespace: String,
    id: String,
    run: String,
}

impl Run {
    /// The path of its first page, without any base path.
    pub fn path(&self) -> String {
        format!(
            "/namespaces/{}/workflows/{}/{}",
            self.namespace,
            encoded(&self.id),
            self.run
        )
    }

    /// The path of all runs of its id.
    pub fn chain(&self) -> String {
        format!(
            "/namespaces/{}/workflows/{}",
            self.namespace,
            encoded(&self.id)
        )
    }

    /// The query that fills the start form with what it was started with.
    pub fn like(&self) -> String {
        format!("?workflowId={}&runId={}", encoded(&self.id), self.run)
    }
}

/// The worker, and what it has made. It works until this is dropped.
pub struct Data {
    runs: HashMap<String, Run>,
    talk: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    _process: Child,
    _log: TempDir,
}

impl Data {
    /// Has the data made on a server with [`NAMESPACES`].
    pub async fn make(address: &str) -> Result<Self> {
        let log = tempfile::tempdir()?;
        let errors = log.path().join("worker.log");
        let python = place::tools().join("python/bin/python");
        let mut command = Command::new(&python);
        command
            .arg(place::here().join("data/main.py"))
            .arg(address)
            .kill_on_drop(true);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors)?);
        let hint = || {
            format!(
                "{}: `tests/run.py setup --only browser` installs it",
                python.display()
            )
        };
        let mut process = command.spawn().with_context(hint)?;
        let stdin = process.stdin.take().context("it is piped")?;
        let mut lines = BufReader::new(process.stdout.take().context("it is piped")?).lines();
        let made = timeout(MADE_WITHIN, lines.next_line()).await;
        let said = || {
            format!(
                "no data; the worker says:\n{}",
                std::fs::read_to_string(&errors).unwrap_or_default()
            )
        };
        let line = made.with_context(said)??.with_context(said)?;
        Ok(Self {
            runs: serde_json::from_str(&line)?,
            talk: Mutex::new((stdin, lines)),
            _process: process,
            _log: log,
        })
    }

    /// A run by the name that it has in `data/main.py`.
    pub fn run(&self, name: &str) -> &Run {
        self.runs
            .get(name)
            .unwrap_or_else(|| panic!("no run is named {name}"))
    }

    /// Starts a workflow in the namespace `live`.
    pub async fn start(&self, kind: &str, id: &str, args: Value) -> Result<Run> {
        let answer = self
            .ask(json!({ "do": "start", "type": kind, "id": id, "args": args }))
            .await?;
        let run = answer["run"].as_str().context("the id of the run")?;
        Ok(Run {
            namespace: "live".to_owned(),
            id: id.to_owned(),
            run: run.to_owned(),
        })
    }

    /// Signals a workflow in the namespace `live`.
    pub async fn signal(&self, id: &str, name: &str, args: Value) -> Result<()> {
        self.ask(json!({ "do": "signal", "id": id, "name": name, "args": args }))
            .await?;
        Ok(())
    }

    async fn ask(&self, request: Value) -> Result<Value> {
        let mut talk = self.talk.lock().await;
        talk.0.write_all(format!("{request}\n").as_bytes()).await?;
        let line = timeout(ANSWERED_WITHIN, talk.1.next_line())
            .await
            .context("the worker is silent")??;
        let answer: Value = serde_json::from_str(&line.context("the worker has ended")?)?;
        ensure!(answer.get("wrong").is_none(), "{request}: {answer}");
        Ok(answer)
    }
}

/// As one segment of a path or one value of a query.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let parts = text.bytes().map(|byte| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    parts.collect()
}
