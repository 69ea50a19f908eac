//! Many open workflows that do nothing, each with a timer of its own.
//!
//! The figures:
//! - *filled*: workflows/s at which they were started and brought to their timer (4 calls each).
//! - *resident with them*: the server's memory a few seconds after that.
//! - *timers late*: from the moment at which a timer is due until the workflow it wakes has ended, seen by the worker.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::connect::Server;
use crate::error::BenchError;
use crate::load::{Amount, Load, Session, Wait};
use crate::process::resident_mb;
use crate::report::Report;
use crate::script::Script;

/// What to fill a server with.
#[derive(Clone, Debug)]
pub(crate) struct Idle {
    pub(crate) namespace: String,
    pub(crate) open: u64,
    pub(crate) concurrency: usize,
    pub(crate) pollers: usize,
    /// The long timers are spread evenly over this range.
    pub(crate) timers_s: (f64, f64),
    /// How many more workflows get a timer that is due soon.
    pub(crate) due_soon: u64,
    pub(crate) due_s: f64,
}

impl Idle {
    /// Opens the workflows with long timers.
    pub(crate) async fn fill(&self, server: &Server) -> Result<Report, BenchError> {
        let (from_s, to_s) = self.timers_s;
        let load = self.load(self.open, Script::Timer { from_s, to_s });
        let filled = load
            .run(server, &format!("opening {} workflows", self.open))
            .await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let mut report = Report::new(format!("{} open workflows, each with a timer", self.open));
        report.add_part("filled", &filled, |name| {
            let wanted = ["workflows", "workflows/s", "server CPU per workflow"];
            wanted.contains(&name) || name.starts_with("errors")
        });
        let resident = server.pid.and_then(resident_mb);
        report.add_if("resident with them", resident.map(|(now, _)| now), "MB");
        report.add_if("resident at its peak", resident.map(|(_, peak)| peak), "MB");
        Ok(report)
    }

    /// Opens the workflows whose timers are due soon; the session sees them end.
    pub(crate) async fn open_due(&self, server: &Server) -> Result<Session, BenchError> {
        let script = Script::Timer {
            from_s: self.due_s,
            to_s: self.due_s,
        };
        let session = Session::open(server, &self.load(self.due_soon, script)).await?;
        session.job.track_due.store(true, Ordering::Relaxed);
        session.measure("timers due soon").await?;
        Ok(session)
    }

    fn load(&self, workflows: u64, script: Script) -> Load {
        Load {
            namespace: self.namespace.clone(),
            script,
            amount: Amount::Workflows(workflows),
            concurrency: self.concurrency,
            pollers: self.pollers,
            sticky: false,
            wait: Wait::Worker,
            warmup: Duration::ZERO,
        }
    }
}

/// Waits until every tracked timer has ended its workflow, and reports how late they were.
pub(crate) async fn await_due(session: &Session, wait: Duration, report: &mut Report) {
    if let Some(due) = session.job.last_due() {
        tokio::time::sleep_until(due.into()).await;
    }
    let all = async {
        while session.job.outstanding() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // What is still outstanding then is reported as such.
    let _ = tokio::time::timeout(wait, all).await;
    let delays = session.job.delays();
    report.add("timers fired", delays.len() as f64, "");
    report.add("timers outstanding", session.job.outstanding() as f64, "");
    for (label, quantile) in [("p50", 0.5), ("p99", 0.99), ("at most", 1.0)] {
        let place = ((delays.len() as f64 * quantile).ceil() as usize).max(1) - 1;
        if let Some(delay) = delays.get(place) {
            report.add(
                format!("timers late {label}"),
                delay.as_secs_f64() * 1000.0,
                "ms",
            );
        }
    }
}
