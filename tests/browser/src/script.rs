//! A program in `data/`, by a real SDK, that does what it is asked to: a line of JSON for a line of JSON.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::place;

/// The running program. It ends when this is dropped.
pub struct Script {
    talk: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    _process: Child,
    _log: TempDir,
}

impl Script {
    /// Starts a file of `data/`, and waits for its first line, which comes when it is ready.
    pub async fn start(file: &str, args: &[&str], within: Duration) -> Result<(Self, Value)> {
        let log = tempfile::tempdir()?;
        let errors = log.path().join("script.log");
        let python = place::tools().join("python/bin/python");
        let mut command = Command::new(&python);
        command
            .arg(place::here().join("data").join(file))
            .args(args)
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
        let ready = timeout(within, lines.next_line()).await;
        let said = || {
            format!(
                "{file} is not ready; it says:\n{}",
                std::fs::read_to_string(&errors).unwrap_or_default()
            )
        };
        let line = ready.with_context(said)??.with_context(said)?;
        let script = Self {
            talk: Mutex::new((stdin, lines)),
            _process: process,
            _log: log,
        };
        Ok((script, serde_json::from_str(&line)?))
    }

    /// Asks for something, and fails if it cannot be done.
    pub async fn ask(&self, request: &Value, within: Duration) -> Result<Value> {
        let mut talk = self.talk.lock().await;
        talk.0.write_all(format!("{request}\n").as_bytes()).await?;
        let line = timeout(within, talk.1.next_line())
            .await
            .context("the program is silent")??;
        let answer: Value = serde_json::from_str(&line.context("the program has ended")?)?;
        ensure!(answer.get("wrong").is_none(), "{request}: {answer}");
        Ok(answer)
    }
}
