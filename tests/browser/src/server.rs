//! A server under test, on ports of its own.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::place;

const STARTED_WITHIN: Duration = Duration::from_secs(30);
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

/// A server with a durable store. Killed when dropped.
pub struct Server {
    folder: PathBuf,
    flags: Vec<String>,
    port: u16,
    ui_port: u16,
    process: Option<Child>,
    /// The folder, if it is to go with the server.
    _temporary: Option<TempDir>,
}

impl Server {
    /// Starts a server on an empty directory, and waits until it listens.
    pub async fn start(flags: &[&str]) -> Result<Self> {
        Self::start_at(free_port()?, flags).await
    }

    /// The same, with its UI on this port, for who has to know it before.
    pub async fn start_at(ui_port: u16, flags: &[&str]) -> Result<Self> {
        let temporary = tempfile::tempdir()?;
        let mut server = Self::new(temporary.path(), ui_port, flags)?;
        server._temporary = Some(temporary);
        server.restart().await?;
        Ok(server)
    }

    /// Starts a server on a directory that stays, and may hold what an earlier one has left.
    pub async fn start_in(folder: &Path, flags: &[&str]) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut server = Self::new(folder, free_port()?, flags)?;
        server.restart().await?;
        Ok(server)
    }

    fn new(folder: &Path, ui_port: u16, flags: &[&str]) -> Result<Self> {
        Ok(Self {
            folder: folder.to_owned(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            port: free_port()?,
            ui_port,
            process: None,
            _temporary: None,
        })
    }

    /// Starts the server again after [`Self::kill`], on the same directory and the same ports.
    pub async fn restart(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the server runs already");
        let (port, ui_port) = (self.port.to_string(), self.ui_port.to_string());
        let mut command = Command::new(binary()?);
        command.args([
            "server",
            "start",
            "--ip",
            "127.0.0.1",
            "--log-level",
            "warn",
        ]);
        command.args(["--port", &port, "--ui-port", &ui_port, "--data-dir"]);
        command.arg(self.folder.join("data")).args(&self.flags);
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        self.process = Some(command.spawn().context("the server does not start")?);
        let since = Instant::now();
        for port in [self.port, self.ui_port] {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                .await
                .is_err()
            {
                let process = self.process.as_mut().context("it was just started")?;
                if let Some(status) = process.try_wait()? {
                    bail!("the server ended with {status}\n{}", self.log());
                }
                ensure!(
                    since.elapsed() < STARTED_WITHIN,
                    "the server does not listen\n{}",
                    self.log()
                );
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(())
    }

    /// The address of its services.
    pub fn grpc(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The URL of its UI, without a slash at the end and without any base path.
    pub fn ui(&self) -> String {
        format!("http://127.0.0.1:{}", self.ui_port)
    }

    /// Kills the server as a crash would, with SIGKILL.
    pub async fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the server does not run")?;
        process.kill().await.context("the server cannot be killed")
    }

    /// Asks the server to end, and says what is wrong with how it ended or with its log.
    pub async fn stop(mut self) -> Result<Vec<String>> {
        let mut process = self.process.take().context("the server does not run")?;
        let id = process.id().context("the server has ended by itself")?;
        let asked = Command::new("kill")
            .args(["-TERM", &id.to_string()])
            .status()
            .await?;
        ensure!(asked.success(), "SIGTERM was not sent");
        let mut wrong = Vec::new();
        match tokio::time::timeout(STOPPED_WITHIN, process.wait()).await {
            Ok(status) if status.as_ref().is_ok_and(|status| status.success()) => {}
            Ok(status) => wrong.push(format!("the server ended with {status:?}")),
            Err(_) => wrong.push(format!(
                "the server did not end within {STOPPED_WITHIN:?} of SIGTERM"
            )),
        }
        let log = self.log();
        let bad = log
            .lines()
            .filter(|line| line.contains("ERROR") || line.contains("panicked at"));
        wrong.extend(
            bad.take(10)
                .map(|line| format!("the server logged: {line}")),
        );
        Ok(wrong)
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("server.log")
    }
}

/// A port of this machine that nobody listens on.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn binary() -> Result<PathBuf> {
    let named = std::env::var_os("STEADFAST_BINARY").map(PathBuf::from);
    let binary = named.unwrap_or_else(|| place::root().join("target/release/steadfast"));
    let hint = "build it by `cargo build --release`, or set STEADFAST_BINARY";
    File::open(&binary).with_context(|| format!("no server at {}: {hint}", binary.display()))?;
    Ok(binary)
}
