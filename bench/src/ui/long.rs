//! One run with a long history: activities that complete, some that fail, timers and markers, as many events as asked
//! for. A worker of this process plays it; the run is left open.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use steadfast_protocol::command::{self, Command, command::Attributes};
use steadfast_protocol::common::{Payload, Payloads, WorkflowExecution, WorkflowType};
use steadfast_protocol::enums::{CommandType, WorkflowIdConflictPolicy, WorkflowIdReusePolicy};
use steadfast_protocol::failure::{ApplicationFailureInfo, Failure, failure::FailureInfo};
use steadfast_protocol::history::{History, history_event};
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::workflowservice::{
    DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest,
    PollActivityTaskQueueRequest, PollWorkflowTaskQueueRequest,
    RespondActivityTaskCompletedRequest, RespondActivityTaskFailedRequest,
    RespondWorkflowTaskCompletedRequest, StartWorkflowExecutionRequest,
};
use tokio::task::JoinSet;

use crate::connect::{CALL_TIMEOUT, Client, POLL_TIMEOUT, Server, request};
use crate::error::BenchError;
use crate::report::Report;
use crate::script::{self, command, normal_queue, sticky_attributes, sticky_queue};
use crate::worker::{fresh, identity};

const QUEUE: &str = "bench-long";
/// Commands of one workflow task: these activities, timers and markers.
const ACTIVITIES: i64 = 150;
const TIMERS: i64 = 20;
const MARKERS: i64 = 30;
/// Activities and timers that may be outstanding when more are scheduled.
const OUTSTANDING_MAX: i64 = 300;
/// Events that one of them still adds at most.
const EVENTS_EACH: i64 = 3;
/// One activity in so many fails.
const FAILING: i64 = 97;
const POLLERS: usize = 16;
/// Without an end for this long, something is wrong; a million events are played in some seven minutes.
const WAIT: Duration = Duration::from_secs(1800);
/// Names of activities.
const NAMES: [&str; 5] = ["charge", "reserve", "ship", "notify", "audit"];

/// A run by its ids.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    /// Events in its history.
    pub(crate) events: i64,
}

async fn describe(
    server: &Server,
    namespace: &str,
    workflow_id: &str,
) -> Result<Run, tonic::Status> {
    let describe = DescribeWorkflowExecutionRequest {
        namespace: namespace.to_string(),
        execution: Some(WorkflowExecution {
            workflow_id: workflow_id.to_string(),
            ..Default::default()
        }),
    };
    let answer = server
        .client()
        .describe_workflow_execution(request(describe, CALL_TIMEOUT))
        .await?;
    let info = answer.into_inner().workflow_execution_info;
    let info = info.unwrap_or_default();
    Ok(Run {
        workflow_id: workflow_id.to_string(),
        run_id: info.execution.unwrap_or_default().run_id,
        events: info.history_length,
    })
}

/// The run, made unless it is there.
pub(crate) async fn make(
    server: &Server,
    namespace: &str,
    events: i64,
) -> Result<(Run, Report), BenchError> {
    let workflow_id = format!("bench-long-{events}");
    let mut report = Report::new(format!("A run of {events} events"));
    if let Ok(run) = describe(server, namespace, &workflow_id).await
        && events <= run.events
    {
        report.add("events there before", run.events as f64, "");
        return Ok((run, report));
    }
    eprintln!("making a run of {events} events");
    let begin = Instant::now();
    let server = server.sized(POLLERS + 8)?;
    let play = Arc::new(Play {
        namespace: namespace.to_string(),
        events,
        outstanding: AtomicI64::new(0),
        timers: Mutex::default(),
        scheduled: AtomicI64::new(0),
        done: AtomicBool::new(false),
    });
    let start = StartWorkflowExecutionRequest {
        namespace: namespace.to_string(),
        workflow_id: workflow_id.clone(),
        request_id: fresh(&workflow_id),
        workflow_type: Some(WorkflowType {
            name: "BenchLong".to_string(),
        }),
        task_queue: Some(normal_queue(QUEUE)),
        workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicate.into(),
        workflow_id_conflict_policy: WorkflowIdConflictPolicy::TerminateExisting.into(),
        identity: identity(),
        ..Default::default()
    };
    server
        .client()
        .start_workflow_execution(request(start, CALL_TIMEOUT))
        .await
        .map_err(BenchError::refused("StartWorkflowExecution"))?;
    let mut pollers = JoinSet::new();
    for _ in 0..POLLERS {
        pollers.spawn(activities(server.client(), play.clone()));
    }
    pollers.spawn(workflow_tasks(
        server.client(),
        play.clone(),
        normal_queue(QUEUE),
    ));
    for _ in 0..2 {
        pollers.spawn(workflow_tasks(
            server.client(),
            play.clone(),
            sticky_queue(QUEUE),
        ));
    }
    let ended = async {
        while let Some(ended) = pollers.join_next().await {
            ended.map_err(|error| BenchError::Setup(format!("a poller ended: {error}")))??;
            if play.done.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
        Ok(())
    };
    let waited = tokio::time::timeout(WAIT, ended).await;
    waited.unwrap_or_else(|_| {
        Err(BenchError::Setup(
            "the long run did not get as long as it was to".to_string(),
        ))
    })?;
    let run = describe(&server, namespace, &workflow_id)
        .await
        .map_err(BenchError::refused("DescribeWorkflowExecution"))?;
    report.add("events", run.events as f64, "");
    report.add("took", begin.elapsed().as_secs_f64(), "s");
    Ok((run, report))
}

/// What the pollers share.
struct Play {
    namespace: String,
    events: i64,
    /// Activities and timers that were scheduled and did not end yet.
    outstanding: AtomicI64,
    /// The timers among them.
    timers: Mutex<BTreeSet<String>>,
    /// How many steps there were, for their ids.
    scheduled: AtomicI64,
    done: AtomicBool,
}

async fn workflow_tasks(
    mut client: Client,
    play: Arc<Play>,
    queue: TaskQueue,
) -> Result<(), BenchError> {
    loop {
        let poll = PollWorkflowTaskQueueRequest {
            namespace: play.namespace.clone(),
            task_queue: Some(queue.clone()),
            identity: identity(),
            ..Default::default()
        };
        let task = client
            .poll_workflow_task_queue(request(poll, POLL_TIMEOUT))
            .await
            .map_err(BenchError::refused("PollWorkflowTaskQueue"))?
            .into_inner();
        if task.task_token.is_empty() {
            continue;
        }
        // With a sticky queue the task holds the events since the last one, among them the timers that fired; or their
        // beginning, and a token for the rest.
        play.fired(&task.history.unwrap_or_default());
        let mut token = task.next_page_token;
        while !token.is_empty() {
            let rest = GetWorkflowExecutionHistoryRequest {
                namespace: play.namespace.clone(),
                execution: task.workflow_execution.clone(),
                next_page_token: token,
                ..Default::default()
            };
            let rest = client
                .get_workflow_execution_history(request(rest, CALL_TIMEOUT))
                .await
                .map_err(BenchError::refused("GetWorkflowExecutionHistory"))?
                .into_inner();
            play.fired(&rest.history.unwrap_or_default());
            token = rest.next_page_token;
        }
        let commands = play.commands(task.started_event_id);
        let answer = RespondWorkflowTaskCompletedRequest {
            namespace: play.namespace.clone(),
            task_token: task.task_token,
            commands,
            identity: identity(),
            sticky_attributes: Some(sticky_attributes(QUEUE)),
            ..Default::default()
        };
        client
            .respond_workflow_task_completed(request(answer, CALL_TIMEOUT))
            .await
            .map_err(BenchError::refused("RespondWorkflowTaskCompleted"))?;
        if play.done.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
}

impl Play {
    /// Takes notice of timers that fired, each once: a task without a sticky queue tells of all again.
    fn fired(&self, history: &History) {
        let mut timers = self.timers.lock().unwrap_or_else(PoisonError::into_inner);
        for event in &history.events {
            let attributes = event.attributes.as_ref();
            if let Some(history_event::Attributes::TimerFiredEventAttributes(fired)) = attributes
                && timers.remove(&fired.timer_id)
            {
                self.outstanding.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// What comes next in a history that ends with the start of this workflow task.
    fn commands(&self, started_event_id: i64) -> Vec<Command> {
        let outstanding = self.outstanding.load(Ordering::Relaxed).max(0);
        // The end of this task, and what is under way.
        let length = started_event_id + 1 + outstanding * EVENTS_EACH;
        let round = ACTIVITIES * 3 + TIMERS * 2 + MARKERS;
        if length + 2 * round < self.events {
            if outstanding > OUTSTANDING_MAX {
                return Vec::new();
            }
            self.outstanding
                .fetch_add(ACTIVITIES + TIMERS, Ordering::Relaxed);
            let mut commands: Vec<Command> = (0..ACTIVITIES).map(|_| self.activity()).collect();
            commands.extend((0..TIMERS).map(|_| self.timer()));
            commands.extend((0..MARKERS).map(|_| marker()));
            return commands;
        }
        if outstanding > 0 {
            return Vec::new();
        }
        // Nothing is under way: markers for what is missing.
        self.done.store(true, Ordering::Relaxed);
        let missing = self.events - started_event_id - 1;
        (0..missing).map(|_| marker()).collect()
    }

    fn activity(&self) -> Command {
        let number = self.scheduled.fetch_add(1, Ordering::Relaxed);
        let name = NAMES[usize::try_from(number).unwrap_or(0) % NAMES.len()];
        let input = json(format!("{{\"order\":{number},\"item\":\"book\"}}"));
        script::activity(number.to_string(), name, input, QUEUE)
    }

    fn timer(&self) -> Command {
        let number = self.scheduled.fetch_add(1, Ordering::Relaxed);
        let mut timers = self.timers.lock().unwrap_or_else(PoisonError::into_inner);
        timers.insert(number.to_string());
        script::timer(number.to_string(), 0.05 + (number % 10) as f64 / 20.0)
    }
}

fn marker() -> Command {
    command(
        CommandType::RecordMarker,
        Attributes::RecordMarkerCommandAttributes(command::RecordMarkerCommandAttributes {
            marker_name: "SideEffect".to_string(),
            ..Default::default()
        }),
    )
}

fn json(text: String) -> Payloads {
    Payloads {
        payloads: vec![Payload {
            metadata: [("encoding".to_string(), "json/plain".into())].into(),
            data: text.into(),
            ..Default::default()
        }],
    }
}

async fn activities(mut client: Client, play: Arc<Play>) -> Result<(), BenchError> {
    loop {
        let poll = PollActivityTaskQueueRequest {
            namespace: play.namespace.clone(),
            task_queue: Some(normal_queue(QUEUE)),
            identity: identity(),
            ..Default::default()
        };
        let task = client
            .poll_activity_task_queue(request(poll, POLL_TIMEOUT))
            .await
            .map_err(BenchError::refused("PollActivityTaskQueue"))?
            .into_inner();
        if task.task_token.is_empty() {
            continue;
        }
        let number: i64 = task.activity_id.parse().unwrap_or(0);
        // Counted before the answer, which may bring the next workflow task.
        play.outstanding.fetch_sub(1, Ordering::Relaxed);
        if number % FAILING == FAILING - 1 {
            let failed = RespondActivityTaskFailedRequest {
                namespace: play.namespace.clone(),
                task_token: task.task_token,
                failure: Some(Failure {
                    message: format!("order {number} was declined"),
                    failure_info: Some(FailureInfo::ApplicationFailureInfo(
                        ApplicationFailureInfo {
                            r#type: "Declined".to_string(),
                            non_retryable: true,
                            ..Default::default()
                        },
                    )),
                    ..Default::default()
                }),
                identity: identity(),
                ..Default::default()
            };
            client
                .respond_activity_task_failed(request(failed, CALL_TIMEOUT))
                .await
                .map_err(BenchError::refused("RespondActivityTaskFailed"))?;
            continue;
        }
        let completed = RespondActivityTaskCompletedRequest {
            namespace: play.namespace.clone(),
            task_token: task.task_token,
            result: Some(json(format!("{{\"order\":{number},\"ok\":true}}"))),
            identity: identity(),
            ..Default::default()
        };
        client
            .respond_activity_task_completed(request(completed, CALL_TIMEOUT))
            .await
            .map_err(BenchError::refused("RespondActivityTaskCompleted"))?;
    }
}
