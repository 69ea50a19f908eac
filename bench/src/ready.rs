//! The server as something to install and start.
//!
//! The figures:
//! - *binary*: the size of the file, in MB of 10^6 bytes.
//! - *ready*: from just before the process is started until GetSystemInfo is answered, the best of three on a fresh directory. A
//!   process that starts for the first time is read from disk, which says more about the disk.
//! - *resident when idle*: memory a few seconds later, nothing having been asked.
//! - *ready after SIGKILL*: the same on the directory of a server that was killed.

use std::time::Duration;

use crate::error::BenchError;
use crate::process::{Launch, Scratch, resident_mb};
use crate::report::Report;

/// Starts on a fresh directory.
const STARTS: usize = 3;

/// When a server that is asked nothing is taken to have settled.
const IDLE_AFTER: Duration = Duration::from_secs(4);

/// Measures start-up, idle memory and restart.
pub(crate) async fn ready(
    launch: impl Fn(&std::path::Path) -> Result<Launch, BenchError>,
    base: &std::path::Path,
) -> Result<Report, BenchError> {
    let mut report = Report::new("Start and size");
    let mut best = Duration::MAX;
    for n in 1..=STARTS {
        let scratch = Scratch::new(base, &format!("ready-{n}"))?;
        let launch = launch(scratch.path())?;
        let running = launch.start().await?;
        best = best.min(running.ready_in);
        if n < STARTS {
            continue;
        }
        report.add("binary", launch.binary_mb()?, "MB");
        report.add("ready", milliseconds(best), "ms");
        tokio::time::sleep(IDLE_AFTER).await;
        let resident = running.server.pid.and_then(resident_mb);
        report.add_if("resident when idle", resident.map(|(now, _)| now), "MB");
        running.kill();
        let again = launch.start().await?;
        report.add("ready after SIGKILL", milliseconds(again.ready_in), "ms");
    }
    Ok(report)
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
