//! Everything the project promises about speed and size, with the promised figures beside the measured ones.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::connect::Server;
use crate::error::BenchError;
use crate::idle::{Idle, await_due};
use crate::load::{Amount, Load, Wait};
use crate::process::{Launch, Scratch};
use crate::ready::{milliseconds, ready};
use crate::report::{Report, Target};
use crate::script::Script;

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) namespace: String,
    pub(crate) seconds: f64,
    pub(crate) pollers: usize,
    /// Open workflows for the part with a full server; 0 leaves it out.
    pub(crate) open: u64,
}

impl Plan {
    /// All of it, starting the server as often as needed.
    pub(crate) async fn with_binary(
        &self,
        launch: impl Fn(&Path) -> Result<Launch, BenchError>,
        base: &Path,
    ) -> Result<Vec<Report>, BenchError> {
        let mut start = ready(&launch, base).await?;
        start.target("binary", Target::AtMost(40.0));
        start.target("ready", Target::AtMost(100.0));
        start.target("resident when idle", Target::AtMost(40.0));
        let mut reports = vec![start];
        {
            let scratch = Scratch::new(base, "load")?;
            let running = launch(scratch.path())?.start().await?;
            reports.extend(self.with_server(&running.server).await?);
        }
        if self.open > 0 {
            let scratch = Scratch::new(base, "full")?;
            reports.push(self.full(&launch(scratch.path())?).await?);
        }
        Ok(reports)
    }

    /// What needs no more than an address (and shows CPU and memory if the process is known).
    pub(crate) async fn with_server(&self, server: &Server) -> Result<Vec<Report>, BenchError> {
        let mut single = self
            .load(1, 1)
            .run(server, "One workflow at a time, one activity each")
            .await?;
        single.target("end to end p50", Target::AtMost(3.0));
        single.target("end to end p99", Target::AtMost(10.0));
        let mut many = self
            .load(200, 1)
            .run(server, "200 workflows at a time, one activity each")
            .await?;
        many.target("workflows/s", Target::AtLeast(2_500.0));
        many.target("server CPU per workflow", Target::AtMost(400.0));
        let longer = self
            .load(50, 10)
            .run(server, "50 workflows at a time, ten activities each")
            .await?;
        Ok(vec![single, many, longer])
    }

    /// A server full of idle workflows: memory, cost of new work, restart, timers that became due meanwhile.
    async fn full(&self, launch: &Launch) -> Result<Report, BenchError> {
        let idle = Idle {
            namespace: self.namespace.clone(),
            open: self.open,
            concurrency: 200,
            pollers: self.pollers,
            timers_s: (86_400.0, 30.0 * 86_400.0),
            due_soon: 1_000,
            due_s: 15.0,
        };
        let cpu = "server CPU per workflow";
        let running = launch.start().await?;
        let empty = self
            .load(200, 1)
            .run(&running.server, "new workflows on the empty server")
            .await?;
        let mut report = idle.fill(&running.server).await?;
        report.target("resident with them", Target::AtMost(250.0));
        let full = self
            .load(200, 1)
            .run(&running.server, "new workflows on the full server")
            .await?;
        if let (Some(empty), Some(full)) = (empty.value(cpu), full.value(cpu)) {
            report.add("CPU per new workflow, empty", empty, "us");
            report.add("CPU per new workflow, full", full, "us");
            report.add(
                "CPU per new workflow, full to empty",
                full / empty.max(1.0),
                "",
            );
            report.target("CPU per new workflow, full to empty", Target::AtMost(1.3));
        }
        let session = idle.open_due(&running.server).await?;
        running.kill();
        if let Some(due) = session.job.last_due() {
            tokio::time::sleep_until((due + Duration::from_secs(1)).into()).await;
        }
        let again = launch.start().await?;
        report.add("ready after SIGKILL", milliseconds(again.ready_in), "ms");
        report.target("ready after SIGKILL", Target::AtMost(1_000.0));
        let ready_at = std::time::Instant::now();
        let mut due = Report::default();
        await_due(&session, Duration::from_secs(60), &mut due).await;
        report.add_if(
            "overdue timers fired after the restart",
            due.value("timers fired"),
            "",
        );
        report.add(
            "all fired and answered after",
            milliseconds(ready_at.elapsed()),
            "ms",
        );
        report.add_if(
            "overdue timers not fired",
            due.value("timers outstanding"),
            "",
        );
        report.target("overdue timers not fired", Target::AtMost(0.0));
        Ok(report)
    }

    fn load(&self, concurrency: usize, activities: usize) -> Load {
        Load {
            namespace: self.namespace.clone(),
            script: Script::Activities {
                count: activities,
                payload: 64,
            },
            amount: Amount::Seconds(self.seconds),
            concurrency,
            pollers: self.pollers,
            sticky: false,
            wait: Wait::Worker,
            warmup: Duration::from_secs(2),
        }
    }
}

/// The heading of a page of results: when, what, where.
pub(crate) fn heading() -> String {
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        Some(text.trim().to_string()).filter(|text| output.status.success() && !text.is_empty())
    };
    let date = output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]).unwrap_or_default();
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"])
        .unwrap_or_else(|| "unknown".to_string());
    let changed = output("git", &["status", "--porcelain", "--untracked-files=no"]).is_some();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let note = if changed { " with changes" } else { "" };
    format!("## {date}, commit {commit}{note}, {cpus} CPUs, load generator on the same machine\n")
}
