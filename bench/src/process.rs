//! The server as a process: its CPU time and memory, its start and its end.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::connect::Server;
use crate::error::BenchError;

/// `/proc` counts CPU time in hundredths of a second: a constant of the Linux interface, whatever the kernel's own tick.
const TICKS_PER_SECOND: f64 = 100.0;

/// How long a server may take to answer for the first time.
const READY_WAIT: Duration = Duration::from_secs(60);

/// The pause between two attempts to reach a starting server; it bounds the error of the time to ready.
const READY_STEP: Duration = Duration::from_millis(2);

/// CPU seconds (user and system, all threads, ended ones too) that a process has used. Child processes, such as an external
/// database, are not in it.
pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces; the fields after it start with the third.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some((ticks(14)? + ticks(15)?) / TICKS_PER_SECOND)
}

/// Resident memory of a process in MB (10^6 bytes): now, and at its peak.
pub(crate) fn resident_mb(pid: u32) -> Option<(f64, f64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib * 1024.0 / 1e6)
    };
    Some((field("VmRSS:")?, field("VmHWM:")?))
}

/// How a server under test is started.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) binary: PathBuf,
    /// Arguments with the placeholders `{dir}`, `{port}` and `{ui-port}`.
    pub(crate) arguments: String,
    pub(crate) data_dir: PathBuf,
    /// Where its output goes, which is shown if it does not come up.
    log: PathBuf,
    /// Chosen once, so that a server that is started again is found where it was.
    port: u16,
    ui_port: u16,
}

/// A server that was started here; it is killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) server: Server,
    /// From just before the start of the process to the first answer to GetSystemInfo.
    pub(crate) ready_in: Duration,
}

impl Launch {
    /// A launch on free ports of this machine, with its data and its log inside `dir`.
    pub(crate) fn new(binary: &Path, arguments: &str, dir: &Path) -> Result<Launch, BenchError> {
        Ok(Launch {
            binary: binary.to_path_buf(),
            arguments: arguments.to_string(),
            data_dir: dir.join("data"),
            log: dir.join("server.log"),
            port: free_port()?,
            ui_port: free_port()?,
        })
    }

    pub(crate) async fn start(&self) -> Result<Running, BenchError> {
        std::fs::create_dir_all(&self.data_dir)
            .map_err(BenchError::setup("cannot create the data directory"))?;
        let arguments = self.arguments.split_whitespace().map(|argument| {
            argument
                .replace("{dir}", &self.data_dir.display().to_string())
                .replace("{ui-port}", &self.ui_port.to_string())
                .replace("{port}", &self.port.to_string())
        });
        let log = std::fs::File::create(&self.log)
            .map_err(BenchError::setup("cannot create the server's log"))?;
        let begin = Instant::now();
        let child = Command::new(&self.binary)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(BenchError::setup(&format!(
                "cannot start {}",
                self.binary.display()
            )))?;
        let server =
            Server::new(&format!("127.0.0.1:{}", self.port), 1)?.with_pid(Some(child.id()));
        let mut running = Running {
            child,
            server,
            ready_in: Duration::ZERO,
        };
        loop {
            match running.server.system_info(Duration::from_secs(1)).await {
                Ok(()) => break,
                Err(error) if READY_WAIT < begin.elapsed() => return Err(error),
                Err(_) => tokio::time::sleep(READY_STEP).await,
            }
            if let Ok(Some(status)) = running.child.try_wait() {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                let last = log.lines().last().unwrap_or("it said nothing");
                let binary = self.binary.display();
                return Err(BenchError::Setup(format!(
                    "{binary} ended at once with {status}: {last}"
                )));
            }
        }
        running.ready_in = begin.elapsed();
        Ok(running)
    }

    pub(crate) fn binary_mb(&self) -> Result<f64, BenchError> {
        let meta = std::fs::metadata(&self.binary).map_err(BenchError::setup(&format!(
            "cannot read {}",
            self.binary.display()
        )))?;
        Ok(meta.len() as f64 / 1e6)
    }
}

impl Running {
    /// SIGKILL: no chance to tidy up.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A directory for the data of a measurement, removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A fresh directory under `base`. Says so if it is in memory, where fsync costs nothing and figures would flatter.
    pub(crate) fn new(base: &Path, name: &str) -> Result<Scratch, BenchError> {
        let path = base.join(format!("steadfast-bench-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path)
            .map_err(BenchError::setup("cannot create a directory for data"))?;
        let path = path
            .canonicalize()
            .map_err(BenchError::setup("cannot resolve the directory for data"))?;
        if in_memory(&path) {
            eprintln!(
                "warning: {} is a file system in memory; durable writes cost nothing there",
                path.display()
            );
        }
        Ok(Scratch(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether the mount that holds the path is a tmpfs or ramfs.
fn in_memory(path: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let holding = mounts.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (at, kind) = (fields.next()?, fields.next()?);
        path.starts_with(at).then_some((at.len(), kind))
    });
    holding
        .max()
        .is_some_and(|(_, kind)| kind == "tmpfs" || kind == "ramfs")
}

fn free_port() -> Result<u16, BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(BenchError::setup("no free port"))?;
    let address = listener
        .local_addr()
        .map_err(BenchError::setup("no free port"))?;
    Ok(address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_be_read() {
        let pid = std::process::id();
        assert!(cpu_seconds(pid).is_some());
        let (now, peak) = resident_mb(pid).expect("own status");
        assert!(0.1 < now && now <= peak);
        assert_eq!(cpu_seconds(u32::MAX), None);
    }
}
