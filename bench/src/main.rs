//! Load for any server of this protocol, over bare gRPC, and the figures that come of it.
//!
//! The server is used as an SDK uses it (start, poll, respond), without an SDK: a worker of this process answers tasks with raw commands,
//! so that the figures are those of the server. What each figure means stands in the module that measures it: [`load`], [`idle`],
//! [`ready`], [`ui`].
//!
//! The load generator shares the machine with the server, so it is thrifty: one thread, few connections.

#![allow(
    clippy::print_stdout,
    reason = "a command-line tool whose output is its purpose"
)]

mod all;
mod connect;
mod error;
mod idle;
mod latencies;
mod load;
mod process;
mod ready;
mod report;
mod script;
mod tally;
mod ui;
mod worker;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::connect::Server;
use crate::error::BenchError;
use crate::idle::{Idle, await_due};
use crate::load::{Amount, Load, Wait};
use crate::process::{Launch, Scratch};
use crate::report::Report;
use crate::script::Script;
use crate::ui::Ui;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How this project's own binary is started.
const ARGUMENTS: &str = "server start --data-dir {dir} --ip 127.0.0.1 --port {port} --ui-port {ui-port} --log-level warn";

#[derive(Parser)]
#[command(
    name = "steadfast-bench",
    version,
    about = "Measures any server of the Temporal protocol over bare gRPC"
)]
struct Cli {
    #[command(subcommand)]
    command: Subject,
    /// Threads of the load generator; one is best beside a server on few cores.
    #[arg(long, global = true, default_value_t = 1)]
    threads: usize,
    /// Print JSON, one object a line, instead of text.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Subject {
    /// Workflows with activities, at a given concurrency.
    Run(RunArgs),
    /// Many open workflows, each with a timer.
    Idle(IdleArgs),
    /// Start-up time, idle memory, size, restart after SIGKILL.
    Ready(BinaryArgs),
    /// The web UI over many workflows and a long run, as a table with its budgets.
    Ui(UiArgs),
    /// Everything but the web UI, as a Markdown table with the project's targets.
    All(AllArgs),
}

#[derive(Args)]
struct ServerArgs {
    /// HOST:PORT of the server's gRPC endpoint.
    #[arg(long, default_value = "127.0.0.1:7233")]
    address: String,
    /// The server's process on this machine, for its CPU time and memory.
    #[arg(long)]
    server_pid: Option<u32>,
    /// Is created if it is missing.
    #[arg(long, default_value = "default")]
    namespace: String,
    /// Pollers for workflow tasks, and as many for activities.
    #[arg(long, default_value_t = 32)]
    pollers: usize,
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Run this many workflows.
    #[arg(long, conflicts_with = "seconds")]
    workflows: Option<u64>,
    /// Run for this long.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Seconds of load before the measurement.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// Workflows open at a time.
    #[arg(long, default_value_t = 50)]
    concurrency: usize,
    /// Activities of each workflow, one after another.
    #[arg(long, default_value_t = 1)]
    activities: usize,
    /// Bytes of each argument and result.
    #[arg(long, default_value_t = 64)]
    payload: usize,
    /// Use sticky queues, and take new workflow tasks with the answer to the last one, as SDKs with a cache do.
    #[arg(long)]
    sticky: bool,
    /// How a starter learns that its workflow has ended.
    #[arg(long, value_enum, default_value_t = Wait::Worker)]
    wait: Wait,
}

#[derive(Args)]
struct IdleArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Workflows to open.
    #[arg(long, default_value_t = 10_000)]
    open: u64,
    /// Workflows being opened at a time.
    #[arg(long, default_value_t = 200)]
    concurrency: usize,
    /// The shortest of the long timers, in seconds.
    #[arg(long, default_value_t = 86_400.0)]
    timer_from: f64,
    /// The longest of them.
    #[arg(long, default_value_t = 30.0 * 86_400.0)]
    timer_to: f64,
    /// How many more workflows get a timer that is due soon.
    #[arg(long, default_value_t = 100)]
    due_soon: u64,
    /// Seconds of those timers.
    #[arg(long, default_value_t = 5.0)]
    due_seconds: f64,
    /// Afterwards run the usual load for this many seconds, for the cost of a new workflow on a full server; it was run before on
    /// the empty one for as long.
    #[arg(long)]
    compare: Option<f64>,
}

#[derive(Args)]
struct UiArgs {
    /// HOST:PORT of the server's gRPC endpoint.
    #[arg(long, default_value = "127.0.0.1:7233")]
    address: String,
    /// Where its web UI is.
    #[arg(long, default_value = "http://127.0.0.1:8233")]
    ui: String,
    /// The server's process on this machine, for its CPU time and memory.
    #[arg(long)]
    server_pid: Option<u32>,
    /// Is created if it is missing. What is measured there stays there.
    #[arg(long, default_value = "bench-ui")]
    namespace: String,
    /// Start workflows until there are as many; a filling that was stopped goes on.
    #[arg(long, default_value_t = 20_000)]
    workflows: u64,
    /// Events of the long run, which is made if it is not there.
    #[arg(long, default_value_t = 5_000)]
    events: i64,
    /// Event streams of one list; 0 leaves that part out.
    #[arg(long, default_value_t = 1_000)]
    viewers: usize,
    /// Requests for each figure.
    #[arg(long, default_value_t = 60)]
    samples: usize,
    /// Measure nothing.
    #[arg(long)]
    fill_only: bool,
}

#[derive(Args)]
struct BinaryArgs {
    /// The server's executable.
    #[arg(long, default_value = "target/release/steadfast")]
    binary: PathBuf,
    /// Its arguments, with the placeholders {dir}, {port} and {ui-port}.
    #[arg(long, default_value = ARGUMENTS)]
    arguments: String,
    /// Where directories for its data are made (and removed again); default: target/ if there is one, else the directory for temporary files.
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

#[derive(Args)]
struct AllArgs {
    #[command(flatten)]
    binary: BinaryArgs,
    /// Measure the server at this address instead of starting one; what needs its process is left out.
    #[arg(long)]
    address: Option<String>,
    /// The process behind --address, for its CPU time and memory.
    #[arg(long, requires = "address")]
    server_pid: Option<u32>,
    /// Is created if it is missing.
    #[arg(long, default_value = "default")]
    namespace: String,
    /// Pollers for workflow tasks, and as many for activities.
    #[arg(long, default_value_t = 32)]
    pollers: usize,
    /// Seconds of each load.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Open workflows of the full server; 0 leaves that part out.
    #[arg(long, default_value_t = 1_000_000)]
    open: u64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match cli.threads {
        0 | 1 => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
        threads => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build(),
    };
    let outcome = runtime
        .map_err(BenchError::setup("cannot start the runtime"))
        .and_then(|runtime| runtime.block_on(until_stopped(measure(cli.command, cli.json))));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("steadfast-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Ends the measurement on a signal too, so that a server started for it does not stay behind.
async fn until_stopped(
    work: impl Future<Output = Result<(), BenchError>>,
) -> Result<(), BenchError> {
    let no_signals = BenchError::setup("cannot listen to signals");
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    tokio::select! {
        outcome = work => outcome,
        _ = terminate.recv() => Err(BenchError::Setup("stopped".to_string())),
        _ = tokio::signal::ctrl_c() => Err(BenchError::Setup("stopped".to_string())),
    }
}

async fn measure(subject: Subject, json: bool) -> Result<(), BenchError> {
    match subject {
        Subject::Run(args) => {
            let title = format!(
                "{} at a time, {} activities each, {} bytes, {} pollers",
                args.concurrency, args.activities, args.payload, args.server.pollers
            );
            let report = args.load().run(&args.server.server()?, &title).await?;
            print(&[report], json, Report::text);
        }
        Subject::Idle(args) => print(&[args.run().await?], json, Report::text),
        Subject::Ready(args) => {
            let report = ready::ready(|dir| args.launch(dir), &args.base()).await?;
            print(&[report], json, Report::text);
        }
        Subject::Ui(args) => {
            let server = Server::new(&args.address, 1)?.with_pid(args.server_pid);
            let show = |report| print(&[report], json, Report::markdown);
            args.ui().run(&server, show).await?;
        }
        Subject::All(args) => {
            let reports = args.run().await?;
            if !json {
                println!("{}", all::heading());
            }
            print(&reports, json, Report::markdown);
        }
    }
    Ok(())
}

fn print(reports: &[Report], json: bool, form: impl Fn(&Report) -> String) {
    for report in reports {
        println!("{}", if json { report.json() } else { form(report) });
    }
}

impl ServerArgs {
    fn server(&self) -> Result<Server, BenchError> {
        Ok(Server::new(&self.address, 1)?.with_pid(self.server_pid))
    }
}

impl RunArgs {
    fn load(&self) -> Load {
        Load {
            namespace: self.server.namespace.clone(),
            script: Script::Activities {
                count: self.activities,
                payload: self.payload,
            },
            amount: self
                .workflows
                .map_or(Amount::Seconds(self.seconds), Amount::Workflows),
            concurrency: self.concurrency.max(1),
            pollers: self.server.pollers.max(2),
            sticky: self.sticky,
            wait: self.wait,
            warmup: Duration::from_secs_f64(self.warmup.max(0.0)),
        }
    }
}

impl IdleArgs {
    async fn run(&self) -> Result<Report, BenchError> {
        let idle = Idle {
            namespace: self.server.namespace.clone(),
            open: self.open,
            concurrency: self.concurrency.max(1),
            pollers: self.server.pollers.max(2),
            timers_s: (self.timer_from, self.timer_to),
            due_soon: self.due_soon,
            due_s: self.due_seconds,
        };
        let server = self.server.server()?;
        let empty = self.compare(&server, "empty").await?;
        let mut report = idle.fill(&server).await?;
        let full = self.compare(&server, "full").await?;
        for (name, figures) in [("empty", &empty), ("full", &full)] {
            for (figure, unit) in [("server CPU per workflow", "us"), ("workflows/s", "/s")] {
                let value = figures.as_ref().and_then(|figures| figures.value(figure));
                report.add_if(&format!("{name}: {figure}"), value, unit);
            }
        }
        if self.due_soon > 0 {
            let session = idle.open_due(&server).await?;
            await_due(&session, Duration::from_secs(60), &mut report).await;
        }
        Ok(report)
    }

    async fn compare(&self, server: &Server, title: &str) -> Result<Option<Report>, BenchError> {
        let Some(seconds) = self.compare else {
            return Ok(None);
        };
        let load = Load {
            namespace: self.server.namespace.clone(),
            script: Script::Activities {
                count: 1,
                payload: 64,
            },
            amount: Amount::Seconds(seconds),
            concurrency: self.concurrency.max(1),
            pollers: self.server.pollers.max(2),
            sticky: false,
            wait: Wait::Worker,
            warmup: Duration::from_secs(1),
        };
        load.run(server, title).await.map(Some)
    }
}

impl UiArgs {
    fn ui(&self) -> Ui {
        Ui {
            site: self.ui.clone(),
            namespace: self.namespace.clone(),
            workflows: self.workflows,
            events: self.events,
            viewers: self.viewers,
            samples: self.samples,
            fill_only: self.fill_only,
        }
    }
}

impl BinaryArgs {
    fn launch(&self, dir: &Path) -> Result<Launch, BenchError> {
        Launch::new(&self.binary, &self.arguments, dir)
    }

    fn base(&self) -> PathBuf {
        let target = PathBuf::from("target");
        let default = || {
            if target.is_dir() {
                target
            } else {
                std::env::temp_dir()
            }
        };
        self.data_dir.clone().unwrap_or_else(default)
    }
}

impl AllArgs {
    async fn run(&self) -> Result<Vec<Report>, BenchError> {
        let plan = all::Plan {
            namespace: self.namespace.clone(),
            seconds: self.seconds,
            pollers: self.pollers.max(2),
            open: self.open,
        };
        match &self.address {
            Some(address) => {
                let server = Server::new(address, 1)?.with_pid(self.server_pid);
                plan.with_server(&server).await
            }
            None => {
                let base = self.binary.base();
                // Made here so that a warning about the file system comes first.
                drop(Scratch::new(&base, "probe")?);
                plan.with_binary(|dir| self.binary.launch(dir), &base).await
            }
        }
    }
}
