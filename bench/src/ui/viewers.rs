//! Event streams: how soon a change is on them, and what many of them cost.

use std::time::{Duration, Instant};

use steadfast_protocol::common::{WorkflowExecution, WorkflowType};
use steadfast_protocol::workflowservice::{
    SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use super::http::{Form, Message, attribute};
use super::long::Run;
use super::{Target, terminate};
use crate::connect::{CALL_TIMEOUT, request};
use crate::error::BenchError;
use crate::latencies::Latencies;
use crate::process::{cpu_seconds, resident_mb};
use crate::report::{self, Report};
use crate::script::normal_queue;
use crate::worker::{fresh, identity};

/// The budget from a change to pixels, in milliseconds; a browser needs the last of it.
const SEEN_MS: f64 = 250.0;
/// Changes for each figure.
const CHANGES: u64 = 20;
/// Those of the long run: each makes it longer.
const LONG_CHANGES: u64 = 5;
/// What a change of a list may take to be seen before it counts as missed.
const WAIT: Duration = Duration::from_secs(20);
/// How long nothing happens while the cost of idle viewers is measured.
const IDLE: Duration = Duration::from_secs(10);
/// Streams have settled when nothing has come for this long, or after the other.
const QUIET: Duration = Duration::from_millis(1500);
const SETTLE_MAX: Duration = Duration::from_secs(6);
/// Streams that are being opened at a time.
const OPENING_MAX: usize = 50;
/// The element of a list that says how many runs are new.
const NEW_ROWS: &str = "new-rows";
/// The element of a history, newest first, that says how many events are new.
const NEW_EVENTS: &str = "new-events";
const STARTED: &str = "list: a workflow was started";
const ENDED: &str = "list: a workflow on the page was terminated";
const TYPE: &str = "BenchLive";

/// Event streams that are read, and what came on them.
struct Viewers {
    seen: UnboundedReceiver<(Instant, usize, Message)>,
    _readers: JoinSet<()>,
}

impl Viewers {
    /// So many streams of the page, each of which has said that it is there.
    async fn open(target: &Target, page: &str, count: usize) -> Result<Viewers, BenchError> {
        let text = target.site.text(page).await?;
        let live = attribute(&text, "data-live=\"");
        let live = live.ok_or_else(|| BenchError::Setup(format!("{page} names no stream")))?;
        let (sender, seen) = unbounded_channel();
        let mut readers = JoinSet::new();
        for first in (0..count).step_by(OPENING_MAX) {
            let mut opening = JoinSet::new();
            for number in first..count.min(first + OPENING_MAX) {
                let (site, live) = (target.site.clone(), live.clone());
                opening.spawn(async move { (number, site.follow(&live).await) });
            }
            while let Some(opened) = opening.join_next().await {
                let (number, stream) = opened
                    .map_err(|error| BenchError::Setup(format!("a viewer ended: {error}")))?;
                let (mut stream, sender) = (stream?, sender.clone());
                readers.spawn(async move {
                    while let Some(message) = stream.next().await {
                        if sender.send((Instant::now(), number, message)).is_err() {
                            return;
                        }
                    }
                });
            }
        }
        let mut viewers = Viewers {
            seen,
            _readers: readers,
        };
        viewers.settle().await;
        Ok(viewers)
    }

    /// Reads what comes at first, until nothing has come for a while; a page may also change for ever, as one that says
    /// since when something waits.
    async fn settle(&mut self) {
        let quiet = async {
            while let Ok(Some(_)) = tokio::time::timeout(QUIET, self.seen.recv()).await {}
        };
        // What comes later is no reason to wait.
        let _ = tokio::time::timeout(SETTLE_MAX, quiet).await;
    }

    /// When each of `count` viewers first sees a message that is looked for.
    async fn await_all(
        &mut self,
        count: usize,
        what: &str,
        wanted: impl Fn(&Message) -> bool,
    ) -> Result<Vec<Instant>, BenchError> {
        let mut saw = std::collections::BTreeMap::new();
        let all = async {
            while saw.len() < count {
                let Some((at, number, message)) = self.seen.recv().await else {
                    return;
                };
                if wanted(&message) {
                    saw.entry(number).or_insert(at);
                }
            }
        };
        // What is missing is counted below.
        let _ = tokio::time::timeout(WAIT, all).await;
        match saw.len() == count {
            true => Ok(saw.into_values().collect()),
            false => Err(BenchError::Setup(format!(
                "{what}: seen by {} of {count} viewers only",
                saw.len()
            ))),
        }
    }
}

/// So long between two changes, that they meet a stream at any time of its rhythm.
fn pause(number: u64) -> Duration {
    Duration::from_millis(400 + number * 73 % 211)
}

fn id(number: u64) -> String {
    format!("{}-{number}", fresh("bench-live"))
}

async fn start(target: &Target, number: u64) -> Result<Run, BenchError> {
    let workflow_id = id(number);
    let start = StartWorkflowExecutionRequest {
        namespace: target.namespace.clone(),
        workflow_id: workflow_id.clone(),
        request_id: workflow_id.clone(),
        workflow_type: Some(WorkflowType {
            name: TYPE.to_string(),
        }),
        task_queue: Some(normal_queue("bench-live")),
        identity: identity(),
        ..Default::default()
    };
    let started = target
        .server
        .client()
        .start_workflow_execution(request(start, CALL_TIMEOUT))
        .await
        .map_err(BenchError::refused("StartWorkflowExecution"))?;
    Ok(Run {
        workflow_id,
        run_id: started.into_inner().run_id,
        events: 2,
    })
}

fn execution(run: &Run) -> WorkflowExecution {
    WorkflowExecution {
        workflow_id: run.workflow_id.clone(),
        run_id: run.run_id.clone(),
    }
}

/// How many events are new, if the message says that.
fn new_events(message: &Message) -> Option<u64> {
    let (before, _) = message.text.split_once(" new")?;
    let count = before.rsplit('>').next()?.parse().ok()?;
    (message.element == NEW_EVENTS).then_some(count)
}

async fn signal(target: &Target, run: &Run, name: &str) -> Result<(), BenchError> {
    let signal = SignalWorkflowExecutionRequest {
        namespace: target.namespace.clone(),
        workflow_execution: Some(execution(run)),
        signal_name: name.to_string(),
        identity: identity(),
        ..Default::default()
    };
    target
        .server
        .client()
        .signal_workflow_execution(request(signal, CALL_TIMEOUT))
        .await
        .map(drop)
        .map_err(BenchError::refused("SignalWorkflowExecution"))
}

async fn end(target: &Target, run: &Run) -> Result<(), BenchError> {
    terminate(
        &mut target.server.client(),
        &target.namespace,
        execution(run),
    )
    .await
    .map_err(BenchError::refused("TerminateWorkflowExecution"))
}

/// How soon one viewer sees a change.
pub(super) async fn changes(target: &Target, long: &Run) -> Result<Report, BenchError> {
    eprintln!("measuring: changes on event streams");
    let mut report = Report::new("From a change to the event that shows it, one viewer");
    let list = target.list(&[]);
    let mut started = Vec::new();

    let mut latencies = Latencies::new();
    let mut viewers = Viewers::open(target, &list, 1).await?;
    for number in 0..CHANGES {
        tokio::time::sleep(pause(number)).await;
        let begin = Instant::now();
        started.push(start(target, number).await?);
        let is_new = |message: &Message| message.element == NEW_ROWS;
        latencies.add(viewers.await_all(1, STARTED, is_new).await?[0] - begin);
    }
    report_seen(&mut report, STARTED, &latencies);

    let mut latencies = Latencies::new();
    let live = target.list(&[("query", &format!("WorkflowType = \"{TYPE}\""))]);
    let mut viewers = Viewers::open(target, &live, 1).await?;
    for (number, run) in (0..).zip(&started) {
        tokio::time::sleep(pause(number)).await;
        let begin = Instant::now();
        end(target, run).await?;
        let row = format!("run-{}", run.run_id);
        latencies.add(
            viewers
                .await_all(1, ENDED, |message| message.element == row)
                .await?[0]
                - begin,
        );
    }
    report_seen(&mut report, ENDED, &latencies);

    let short = start(target, CHANGES).await?;
    for (name, run, changes) in [
        ("run of few events", &short, CHANGES),
        ("long run", long, LONG_CHANGES),
    ] {
        let what = format!("{name}: a signal came in");
        let mut latencies = Latencies::new();
        let page = target.run(run, "/history?order=desc");
        let mut viewers = Viewers::open(target, &page, 1).await?;
        for number in 0..changes {
            tokio::time::sleep(pause(number)).await;
            let begin = Instant::now();
            signal(target, run, &id(number)).await?;
            // Those of the signals before it are fewer.
            let shows = |message: &Message| new_events(message).is_some_and(|new| new > number);
            latencies.add(viewers.await_all(1, &what, shows).await?[0] - begin);
        }
        report_seen(&mut report, &what, &latencies);
    }
    end(target, &short).await?;
    Ok(report)
}

fn report_seen(report: &mut Report, what: &str, latencies: &Latencies) {
    let most = report::Target::AtMost(SEEN_MS);
    report.add_with(
        format!("{what}: p95"),
        latencies.quantile_ms(0.95),
        "ms",
        most,
    );
    report.add(format!("{what}: p50"), latencies.quantile_ms(0.5), "ms");
}

/// What many viewers of one list cost, and how soon all of them see a change.
pub(super) async fn many(target: &Target, count: usize) -> Result<Report, BenchError> {
    eprintln!("measuring: {count} viewers of one list");
    let mut report = Report::new(format!("{count} viewers of one list"));
    let pid = target.server.pid;
    let resident = || pid.and_then(resident_mb).map(|(now, _)| now);
    let idle = async || {
        let before = pid.and_then(cpu_seconds);
        tokio::time::sleep(IDLE).await;
        let after = pid.and_then(cpu_seconds);
        Some((after? - before?) * 100.0 / IDLE.as_secs_f64())
    };
    let list = target.list(&[]);
    report.add_if("CPU without a viewer, of a core", idle().await, "%");
    let alone = Viewers::open(target, &list, 1).await?;
    report.add_if("CPU with one viewer, of a core", idle().await, "%");
    drop(alone);
    let before = resident();
    let mut viewers = Viewers::open(target, &list, count).await?;
    report.add_if("CPU with all viewers, idle, of a core", idle().await, "%");
    report.target(
        "CPU with all viewers, idle, of a core",
        report::Target::AtMost(5.0),
    );
    let more = resident().zip(before).map(|(after, before)| after - before);
    report.add_if("memory of the server for them", more, "MB");
    report.target(
        "memory of the server for them",
        report::Target::AtMost(20.0),
    );

    let mut latencies = Latencies::new();
    let mut pages = Latencies::new();
    for number in 0..CHANGES / 2 {
        tokio::time::sleep(pause(number)).await;
        let begin = Instant::now();
        let run = start(target, number).await?;
        let is_new = |message: &Message| message.element == NEW_ROWS;
        for at in viewers.await_all(count, STARTED, is_new).await? {
            latencies.add(at - begin);
        }
        end(target, &run).await?;
        pages.add(target.site.get(&list, Form::Gzip).await?.first_byte);
    }
    report_seen(
        &mut report,
        "a workflow was started, seen by each",
        &latencies,
    );
    report.add("the same: by the last", latencies.quantile_ms(1.0), "ms");
    let most = report::Target::AtMost(25.0);
    report.add_with(
        "list beside them: first byte p95",
        pages.quantile_ms(0.95),
        "ms",
        most,
    );
    Ok(report)
}
