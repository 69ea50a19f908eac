//! The load: starters that start a workflow, wait for it, and start the next.
//!
//! The figures:
//! - *workflows/s*: workflows that came to their end within the measured time, by that time.
//! - *start*: from just before StartWorkflowExecution is sent until it is answered.
//! - *end to end*: from the same moment until the starter knows the result. By default it knows because the worker of
//!   the same process has had its last RespondWorkflowTaskCompleted answered, so that the bare load is 7 calls a workflow with one
//!   activity. With `--wait history` it asks as a client does, by a long poll for the closing event: an eighth call.
//! - *server CPU per workflow*: user and system time of the server's process over the measured time, by the workflows of that time.
//! - *resident*: the server's memory at the end of the measured time, and its peak since its start.
//! - *errors*: calls that were answered with an error, and results that did not come within a minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use steadfast_protocol::common::{WorkflowExecution, WorkflowType};
use steadfast_protocol::enums::HistoryEventFilterType;
use steadfast_protocol::workflowservice::{
    GetWorkflowExecutionHistoryRequest, StartWorkflowExecutionRequest,
};
use tokio::task::JoinSet;
use tonic::Code;

use crate::connect::{CALL_TIMEOUT, Client, POLL_TIMEOUT, Server, request};
use crate::error::BenchError;
use crate::process::{cpu_seconds, resident_mb};
use crate::report::Report;
use crate::script::{Script, normal_queue, payloads};
use crate::worker::{Job, Worker, fresh, identity};

/// A workflow without a result for this long is given up and counted as an error.
const RESULT_WAIT: Duration = Duration::from_secs(60);

/// How long a namespace may take to be known everywhere after it was registered.
const NAMESPACE_WAIT: Duration = Duration::from_secs(20);

/// How the starter of a workflow learns that it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Wait {
    /// The worker in this process saw it end: no further call.
    Worker,
    /// A long poll for the closing event of its history, as a client does.
    History,
}

/// How much to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    Workflows(u64),
    Seconds(f64),
}

/// A load.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) namespace: String,
    pub(crate) script: Script,
    pub(crate) amount: Amount,
    pub(crate) concurrency: usize,
    pub(crate) pollers: usize,
    pub(crate) sticky: bool,
    pub(crate) wait: Wait,
    /// Load before the measurement, so that connections, caches and lazily made things are there.
    pub(crate) warmup: Duration,
}

/// What starters share.
struct Starting {
    job: Arc<Job>,
    wait: Wait,
    next: AtomicU64,
    /// Starters begin no workflow with this number or a later one.
    limit: AtomicU64,
    stop: AtomicBool,
}

/// A load with its worker, which goes on polling until this is dropped.
pub(crate) struct Session {
    server: Server,
    load: Load,
    pub(crate) job: Arc<Job>,
    starting: Arc<Starting>,
    _worker: Worker,
}

impl Load {
    /// Runs the load and reports its figures.
    pub(crate) async fn run(&self, server: &Server, title: &str) -> Result<Report, BenchError> {
        eprintln!("measuring: {title}");
        Session::open(server, self).await?.measure(title).await
    }
}

impl Session {
    /// Starts the worker and makes sure that a workflow can be started.
    pub(crate) async fn open(server: &Server, load: &Load) -> Result<Session, BenchError> {
        server.prepare(&load.namespace).await?;
        let server = server.sized(load.concurrency + 3 * load.pollers)?;
        let job = Arc::new(Job::new(
            &load.namespace,
            fresh("bench"),
            load.script.clone(),
            load.sticky,
        ));
        let worker = Worker::start(&server, &job, load.pollers);
        let starting = Arc::new(Starting {
            job: job.clone(),
            wait: load.wait,
            next: AtomicU64::new(1),
            limit: AtomicU64::new(u64::MAX),
            stop: AtomicBool::new(false),
        });
        let session = Session {
            server,
            load: load.clone(),
            job,
            starting,
            _worker: worker,
        };
        session.first().await?;
        Ok(session)
    }

    /// The first workflow, tried again while a new namespace is not known yet.
    async fn first(&self) -> Result<(), BenchError> {
        let begin = Instant::now();
        loop {
            match self.starting.start(&mut self.server.client(), 0).await {
                Ok(_) => return Ok(()),
                Err(status)
                    if status.code() == Code::NotFound && begin.elapsed() < NAMESPACE_WAIT =>
                {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(status) => return Err(BenchError::refused("StartWorkflowExecution")(status)),
            }
        }
    }

    /// Warms up, runs the amount of work, and reports.
    pub(crate) async fn measure(&self, title: &str) -> Result<Report, BenchError> {
        let (starting, tally) = (&self.starting, &self.job.tally);
        let mut starters = JoinSet::new();
        if !self.load.warmup.is_zero() {
            self.spawn_starters(&mut starters);
            tokio::time::sleep(self.load.warmup).await;
        }
        if let Amount::Workflows(count) = self.load.amount {
            starting.stop.store(true, Ordering::Relaxed);
            join(&mut starters, RESULT_WAIT).await;
            starting.stop.store(false, Ordering::Relaxed);
            let first = starting.next.load(Ordering::Relaxed);
            starting.limit.store(first + count, Ordering::Relaxed);
        }
        let pid = self.server.pid;
        let cpu = || (pid.and_then(cpu_seconds), cpu_seconds(std::process::id()));
        let cpu_before = cpu();
        tally.open();
        let begin = Instant::now();
        if starters.is_empty() {
            self.spawn_starters(&mut starters);
        }
        let elapsed = match self.load.amount {
            Amount::Seconds(seconds) => {
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
                begin.elapsed()
            }
            Amount::Workflows(_) => {
                while starters.join_next().await.is_some() {}
                tally
                    .last_done()
                    .map_or(begin.elapsed(), |last| last - begin)
            }
        };
        tally.close();
        let cpu_after = cpu();
        let resident = pid.and_then(resident_mb);
        starting.stop.store(true, Ordering::Relaxed);
        join(&mut starters, Duration::from_secs(5)).await;

        let done = tally.done() as f64;
        let each_us = |before: Option<f64>, after: Option<f64>| {
            Some((after? - before?) * 1e6 / done.max(1.0))
        };
        let mut report = Report::new(title);
        report.add("workflows", done, "");
        report.add("workflows/s", done / elapsed.as_secs_f64().max(1e-9), "/s");
        tally.report_latencies(&mut report);
        report.add_if(
            "server CPU per workflow",
            each_us(cpu_before.0, cpu_after.0),
            "us",
        );
        report.add_if(
            "client CPU per workflow",
            each_us(cpu_before.1, cpu_after.1),
            "us",
        );
        report.add_if("resident", resident.map(|(now, _)| now), "MB");
        report.add_if("resident at its peak", resident.map(|(_, peak)| peak), "MB");
        tally.report_errors(&mut report);
        Ok(report)
    }

    fn spawn_starters(&self, starters: &mut JoinSet<()>) {
        for _ in 0..self.load.concurrency {
            starters.spawn(run_starter(self.server.client(), self.starting.clone()));
        }
    }
}

/// Waits for the starters to finish what they began, but not for ever.
async fn join(starters: &mut JoinSet<()>, wait: Duration) {
    let all = async { while starters.join_next().await.is_some() {} };
    if tokio::time::timeout(wait, all).await.is_err() {
        starters.shutdown().await;
    }
}

async fn run_starter(mut client: Client, starting: Arc<Starting>) {
    while !starting.stop.load(Ordering::Relaxed) {
        let number = starting.next.fetch_add(1, Ordering::Relaxed);
        if starting.limit.load(Ordering::Relaxed) <= number {
            return;
        }
        let tally = &starting.job.tally;
        let begin = Instant::now();
        let seen = starting.job.watch(number);
        let run_id = match starting.start(&mut client, number).await {
            Ok(run_id) => run_id,
            Err(status) => {
                starting.job.forget(number);
                tally.error("StartWorkflowExecution", &format!("{:?}", status.code()));
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        let started = begin.elapsed();
        let result = async {
            match starting.wait {
                Wait::Worker => seen.await.map_err(|_| "was dropped".to_string()),
                Wait::History => starting.closing_event(&mut client, number, run_id).await,
            }
        };
        match tokio::time::timeout(RESULT_WAIT, result).await {
            Ok(Ok(())) => tally.finished(started, begin.elapsed()),
            Ok(Err(code)) => tally.error("result", &code),
            Err(_) => tally.error("result", "did not come"),
        }
        starting.job.forget(number);
    }
}

impl Starting {
    async fn start(&self, client: &mut Client, number: u64) -> Result<String, tonic::Status> {
        let workflow_id = self.job.workflow_id(number);
        let start = StartWorkflowExecutionRequest {
            namespace: self.job.namespace.clone(),
            request_id: workflow_id.clone(),
            workflow_id,
            workflow_type: Some(WorkflowType {
                name: "bench".to_string(),
            }),
            task_queue: Some(normal_queue(&self.job.name)),
            input: Some(payloads(self.job.payload)),
            identity: identity(),
            ..Default::default()
        };
        let answer = client
            .start_workflow_execution(request(start, CALL_TIMEOUT))
            .await?;
        Ok(answer.into_inner().run_id)
    }

    async fn closing_event(
        &self,
        client: &mut Client,
        number: u64,
        run_id: String,
    ) -> Result<(), String> {
        let mut token = Default::default();
        loop {
            let get = GetWorkflowExecutionHistoryRequest {
                namespace: self.job.namespace.clone(),
                execution: Some(WorkflowExecution {
                    workflow_id: self.job.workflow_id(number),
                    run_id: run_id.clone(),
                }),
                wait_new_event: true,
                history_event_filter_type: HistoryEventFilterType::CloseEvent.into(),
                next_page_token: token,
                ..Default::default()
            };
            let answer = client
                .get_workflow_execution_history(request(get, POLL_TIMEOUT))
                .await;
            let answer = answer
                .map_err(|status| format!("{:?}", status.code()))?
                .into_inner();
            if answer
                .history
                .is_some_and(|history| !history.events.is_empty())
            {
                return Ok(());
            }
            token = answer.next_page_token;
        }
    }
}
