//! Runs every case against the server at STEADFAST_ADDRESS in the namespace STEADFAST_NAMESPACE.
//!
//!     cargo run --bin sdk -- [NAME]...    (all cases, or those whose name contains one of the arguments)
//!
//! With STEADFAST_BINARY, the SDK starts servers of its own from that binary too. Prints `ok NAME` or `FAIL NAME:
//! reason` for each and a closing line; the exit status tells whether all passed.

mod activities;
mod children;
mod dev_server;
mod messages;
mod place;
mod runs;
mod visibility;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use place::{Case, Place};
use std::{cell::Cell, str::FromStr, time::Duration};
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, UntypedWorkflowHandle, Url,
    WorkflowExecutionInfo,
};
use temporalio_sdk::{
    Runtime, Worker, WorkerOptions,
    workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions},
};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

const CASES_AT_ONCE: usize = 8;
const TIME_PER_CASE: Duration = Duration::from_secs(90);

/// Registers every workflow with the builder of a worker or of a replayer.
macro_rules! register_workflows {
    ($builder:expr) => {
        $builder
            .register_workflow::<activities::RunActivity>()?
            .register_workflow::<activities::CancelActivity>()?
            .register_workflow::<activities::LocalActivities>()?
            .register_workflow::<activities::ManyActivities>()?
            .register_workflow::<messages::Timers>()?
            .register_workflow::<messages::CancelledTimer>()?
            .register_workflow::<messages::Collect>()?
            .register_workflow::<children::Child>()?
            .register_workflow::<children::Parent>()?
            .register_workflow::<children::LeavingParent>()?
            .register_workflow::<children::DuplicatingParent>()?
            .register_workflow::<children::ManyChildren>()?
            .register_workflow::<children::SignallingParent>()?
            .register_workflow::<children::Outsider>()?
            .register_workflow::<runs::Chain>()?
            .register_workflow::<runs::Stubborn>()?
            .register_workflow::<runs::FailUntil>()?
            .register_workflow::<runs::ManyEvents>()?
            .register_workflow::<runs::Deterministic>()?
            .register_workflow::<runs::BadFirstTask>()?
            .register_workflow::<visibility::Upserter>()?
    };
}

/// A worker with all workflows and activities, running in the background.
struct Workers {
    shutdown: Box<dyn Fn()>,
    running: JoinHandle<Result<()>>,
}

impl Workers {
    fn start(
        client: &Client,
        task_queue: &str,
        max_cached_workflows: usize,
        sticky_timeout: Duration,
    ) -> Result<Self> {
        let runtime = Runtime::from_current_tokio(Default::default())?;
        let options = register_workflows!(WorkerOptions::new(task_queue))
            .register_activities(activities::Acts)
            .max_cached_workflows(max_cached_workflows)
            .sticky_queue_schedule_to_start_timeout(sticky_timeout)
            // A short interval, so that heartbeats (and the cancel requests they bring) are not held back.
            .max_heartbeat_throttle_interval(Duration::from_millis(100))
            .default_heartbeat_throttle_interval(Duration::from_millis(100))
            .build();
        let mut worker = Worker::new(&runtime, client.clone(), options)?;
        let shutdown = Box::new(worker.shutdown_handle());
        let running = spawn_local(async move {
            let _runtime = runtime;
            Ok(worker.run().await?)
        });
        Ok(Workers { shutdown, running })
    }

    async fn stop(self) -> Result<()> {
        (self.shutdown)();
        self.running.await?
    }
}

#[derive(Default)]
struct Report {
    passed: Cell<usize>,
    failed: Cell<usize>,
}

impl Report {
    async fn attempt(&self, name: &str, work: impl Future<Output = Result<()>>) {
        let result = tokio::time::timeout(TIME_PER_CASE, work)
            .await
            .unwrap_or_else(|_| Err(anyhow::anyhow!("no end within {TIME_PER_CASE:?}")));
        match result {
            Ok(()) => {
                self.passed.set(self.passed.get() + 1);
                println!("ok {name}");
            }
            Err(error) => {
                self.failed.set(self.failed.get() + 1);
                println!("FAIL {name}: {}", format!("{error:#}").replace('\n', " "));
            }
        }
    }
}

async fn run_cases(
    report: &Report,
    place: &Place,
    cases: Vec<&Case>,
    max_cached_workflows: usize,
    suffix: &str,
) -> Result<()> {
    let worker = Workers::start(
        &place.client,
        &place.task_queue,
        max_cached_workflows,
        Duration::from_secs(10),
    )?;
    stream::iter(cases)
        .for_each_concurrent(CASES_AT_ONCE, |case| async move {
            report
                .attempt(&format!("{}{suffix}", case.name), (case.run)(place))
                .await;
        })
        .await;
    worker.stop().await
}

/// Every history the cases left behind must be accepted by the SDK's replayer.
async fn replay(places: &[&Place]) -> Result<()> {
    let client = &places[0].client;
    let queues: Vec<String> = places
        .iter()
        .map(|place| format!("TaskQueue = '{}'", place.task_queue))
        .collect();
    let query = queues.join(" OR ");
    // The list may lag behind a little: wait until it does not change any more.
    let last = Cell::new(0);
    place::eventually(async || {
        let now = client
            .count_workflows(query.as_str(), Default::default())
            .await?
            .count();
        Ok((last.replace(now) == now && now > 0).then_some(()))
    })
    .await?;
    let runs: Vec<_> = client
        .list_workflows(query, Default::default())
        .try_collect()
        .await?;
    let mut histories = Vec::new();
    for run in &runs {
        let info = WorkflowExecutionInfo::builder()
            .namespace(client.options().namespace.clone())
            .workflow_id(run.id())
            .run_id(run.run_id())
            .build();
        histories.push(
            UntypedWorkflowHandle::new(client.clone(), info).fetch_history(Default::default()),
        );
    }
    let replayer =
        WorkflowReplayer::new(register_workflows!(WorkflowReplayerOptions::new()).build())?;
    let mut failures = Vec::new();
    for result in replayer.replay_workflows(histories).await? {
        if let Some(failure) = result.replay_failure {
            failures.push(format!(
                "{}: {failure}",
                result.history.workflow_id().unwrap_or("?")
            ));
        }
    }
    ensure!(
        failures.is_empty(),
        "{} of {} histories: {}",
        failures.len(),
        runs.len(),
        failures.join("; ")
    );
    println!("# replayed {} histories", runs.len());
    Ok(())
}

async fn run(names: Vec<String>) -> Result<bool> {
    let address = std::env::var("STEADFAST_ADDRESS").context("STEADFAST_ADDRESS")?;
    let namespace = std::env::var("STEADFAST_NAMESPACE").context("STEADFAST_NAMESPACE")?;
    let url = Url::from_str(&format!("http://{address}"))?;
    let connection = Connection::connect(
        ConnectionOptions::new(url)
            .identity("steadfast-sdk-tests")
            .build(),
    )
    .await?;
    let client = Client::new(connection, ClientOptions::new(namespace).build())?;
    visibility::add_search_attributes(&client).await?;

    let all: Vec<Case> = [
        activities::cases(),
        messages::cases(),
        children::cases(),
        runs::cases(),
        visibility::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let chosen: Vec<&Case> = all
        .iter()
        .filter(|case| {
            names.is_empty() || names.iter().any(|name| case.name.contains(name.as_str()))
        })
        .collect();
    let without_cache = chosen
        .iter()
        .copied()
        .filter(|case| case.uncached)
        .collect();
    let run = uuid::Uuid::new_v4().simple();
    let cached = Place {
        client: client.clone(),
        task_queue: format!("rust-{run}"),
    };
    let uncached = Place {
        client,
        task_queue: format!("rust-uncached-{run}"),
    };
    let report = Report::default();
    let (first, second) = futures::future::join(
        run_cases(&report, &cached, chosen, 1000, ""),
        run_cases(&report, &uncached, without_cache, 0, " without cache"),
    )
    .await;
    first?;
    second?;
    report
        .attempt("replay", replay(&[&cached, &uncached]))
        .await;
    if std::env::var_os("STEADFAST_BINARY").is_some() {
        report
            .attempt("dev_server_runs_a_workflow", dev_server::runs_a_workflow())
            .await;
        report
            .attempt("dev_server_keeps_its_data", dev_server::keeps_its_data())
            .await;
    }
    println!(
        "{} passed, {} failed",
        report.passed.get(),
        report.failed.get()
    );
    Ok(report.failed.get() == 0)
}

#[tokio::main]
async fn main() -> Result<()> {
    let passed = LocalSet::new()
        .run_until(run(std::env::args().skip(1).collect()))
        .await?;
    // Not by returning: pollers may still wait for the server.
    std::process::exit(if passed { 0 } else { 1 });
}
