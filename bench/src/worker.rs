//! The worker of a load: polls for workflow tasks and activities, and answers with raw commands.
//!
//! Like that of an SDK, a poller hands its task to a handler of its own and polls again at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use steadfast_protocol::history::HistoryEvent;
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::workflowservice::{
    GetWorkflowExecutionHistoryRequest, PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse, PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse,
    RespondActivityTaskCompletedRequest, RespondWorkflowTaskCompletedRequest,
};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::connect::{CALL_TIMEOUT, Client, POLL_TIMEOUT, Server, request};
use crate::script::{
    Reached, Script, activity_result, normal_queue, sticky_attributes, sticky_queue,
};
use crate::tally::{Tally, lock};

/// The pause after a failed poll.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// What a load is made of; shared by its pollers, handlers and starters.
pub(crate) struct Job {
    pub(crate) namespace: String,
    /// The name of the task queue, and the beginning of every workflow id: fresh for each load.
    pub(crate) name: String,
    pub(crate) script: Script,
    pub(crate) payload: usize,
    pub(crate) sticky: bool,
    pub(crate) tally: Tally,
    /// Starters that wait until their workflow is where it should be.
    waiting: Mutex<HashMap<u64, oneshot::Sender<()>>>,
    /// Whether to remember when timers are due.
    pub(crate) track_due: AtomicBool,
    due: Mutex<HashMap<u64, Instant>>,
    /// How late each of the tracked timers led to the end of its workflow.
    late: Mutex<Vec<Duration>>,
}

/// The pollers of a load; they end when this is dropped.
pub(crate) struct Worker {
    _pollers: JoinSet<()>,
}

impl Job {
    pub(crate) fn new(namespace: &str, name: String, script: Script, sticky: bool) -> Job {
        let payload = match script {
            Script::Activities { payload, .. } => payload,
            Script::Timer { .. } => 0,
        };
        Job {
            namespace: namespace.to_string(),
            name,
            script,
            payload,
            sticky,
            tally: Tally::new(),
            waiting: Mutex::default(),
            track_due: AtomicBool::new(false),
            due: Mutex::default(),
            late: Mutex::default(),
        }
    }

    pub(crate) fn workflow_id(&self, number: u64) -> String {
        format!("{}-{number}", self.name)
    }

    fn number(&self, workflow_id: &str) -> Option<u64> {
        workflow_id.rsplit_once('-')?.1.parse().ok()
    }

    /// Resolves when the workflow was seen where its starter wants it.
    pub(crate) fn watch(&self, number: u64) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        lock(&self.waiting).insert(number, sender);
        receiver
    }

    pub(crate) fn forget(&self, number: u64) {
        lock(&self.waiting).remove(&number);
    }

    /// How many tracked timers have not led to the end of their workflow yet.
    pub(crate) fn outstanding(&self) -> usize {
        lock(&self.due).len()
    }

    /// The delays of tracked timers so far, the shortest first.
    pub(crate) fn delays(&self) -> Vec<Duration> {
        let mut late = lock(&self.late).clone();
        late.sort();
        late
    }

    /// When the last of the tracked timers is due.
    pub(crate) fn last_due(&self) -> Option<Instant> {
        lock(&self.due).values().max().copied()
    }

    fn reached(&self, number: u64, reached: Reached) {
        match reached {
            Reached::Between => return,
            Reached::Parked(timer_s) => {
                if self.track_due.load(Ordering::Relaxed) {
                    let due = Instant::now() + Duration::from_secs_f64(timer_s);
                    lock(&self.due).insert(number, due);
                }
            }
            Reached::End => {
                if let Some(due) = lock(&self.due).remove(&number) {
                    lock(&self.late).push(due.elapsed());
                }
            }
        }
        if let Some(waiting) = lock(&self.waiting).remove(&number) {
            // The starter may have given up.
            let _ = waiting.send(());
        }
    }
}

impl Worker {
    /// Starts `pollers` for workflow tasks (half of them on the sticky queue if there is one) and as many for activities.
    pub(crate) fn start(server: &Server, job: &Arc<Job>, pollers: usize) -> Worker {
        let mut tasks = JoinSet::new();
        for n in 0..pollers {
            let queue = if job.sticky && n % 2 == 1 {
                sticky_queue(&job.name)
            } else {
                normal_queue(&job.name)
            };
            tasks.spawn(poll_workflow_tasks(server.client(), job.clone(), queue));
            if matches!(job.script, Script::Activities { count: 1.., .. }) {
                tasks.spawn(poll_activities(server.client(), job.clone()));
            }
        }
        Worker { _pollers: tasks }
    }
}

async fn poll_workflow_tasks(mut client: Client, job: Arc<Job>, queue: TaskQueue) {
    loop {
        let poll = PollWorkflowTaskQueueRequest {
            namespace: job.namespace.clone(),
            task_queue: Some(queue.clone()),
            identity: identity(),
            ..Default::default()
        };
        match client
            .poll_workflow_task_queue(request(poll, POLL_TIMEOUT))
            .await
        {
            Ok(task) if task.get_ref().task_token.is_empty() => {}
            Ok(task) => {
                tokio::spawn(answer_workflow_task(
                    client.clone(),
                    job.clone(),
                    task.into_inner(),
                ));
            }
            Err(status) => {
                job.tally
                    .error("PollWorkflowTaskQueue", &format!("{:?}", status.code()));
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

async fn answer_workflow_task(
    mut client: Client,
    job: Arc<Job>,
    task: PollWorkflowTaskQueueResponse,
) {
    let mut next = Some(task);
    while let Some(mut task) = next.take() {
        let workflow_id = task
            .workflow_execution
            .clone()
            .unwrap_or_default()
            .workflow_id;
        let Some(number) = job.number(&workflow_id) else {
            job.tally.error("workflow task", "of a foreign workflow");
            return;
        };
        let Ok(events) = whole_history(&mut client, &job, &mut task).await else {
            job.tally.error("GetWorkflowExecutionHistory", "failed");
            return;
        };
        let (command, reached) = job.script.answer(&events, &job.name, number);
        let answer = RespondWorkflowTaskCompletedRequest {
            namespace: job.namespace.clone(),
            task_token: task.task_token,
            commands: vec![command],
            identity: identity(),
            sticky_attributes: job.sticky.then(|| sticky_attributes(&job.name)),
            return_new_workflow_task: job.sticky,
            ..Default::default()
        };
        match client
            .respond_workflow_task_completed(request(answer, CALL_TIMEOUT))
            .await
        {
            Ok(answer) => {
                job.reached(number, reached);
                next = answer
                    .into_inner()
                    .workflow_task
                    .filter(|task| !task.task_token.is_empty())
                    .map(|task| *task);
            }
            Err(status) => job.tally.error(
                "RespondWorkflowTaskCompleted",
                &format!("{:?}", status.code()),
            ),
        }
    }
}

/// The events of the task, with the further pages of a history that does not fit into one.
async fn whole_history(
    client: &mut Client,
    job: &Job,
    task: &mut PollWorkflowTaskQueueResponse,
) -> Result<Vec<HistoryEvent>, tonic::Status> {
    let mut events = task.history.take().unwrap_or_default().events;
    let mut token = std::mem::take(&mut task.next_page_token);
    while !token.is_empty() {
        let get = GetWorkflowExecutionHistoryRequest {
            namespace: job.namespace.clone(),
            execution: task.workflow_execution.clone(),
            next_page_token: token,
            ..Default::default()
        };
        let page = client
            .get_workflow_execution_history(request(get, CALL_TIMEOUT))
            .await?
            .into_inner();
        events.extend(page.history.unwrap_or_default().events);
        token = page.next_page_token;
    }
    Ok(events)
}

async fn poll_activities(mut client: Client, job: Arc<Job>) {
    loop {
        let poll = PollActivityTaskQueueRequest {
            namespace: job.namespace.clone(),
            task_queue: Some(normal_queue(&job.name)),
            identity: identity(),
            ..Default::default()
        };
        match client
            .poll_activity_task_queue(request(poll, POLL_TIMEOUT))
            .await
        {
            Ok(task) if task.get_ref().task_token.is_empty() => {}
            Ok(task) => {
                tokio::spawn(answer_activity(
                    client.clone(),
                    job.clone(),
                    task.into_inner(),
                ));
            }
            Err(status) => {
                job.tally
                    .error("PollActivityTaskQueue", &format!("{:?}", status.code()));
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

async fn answer_activity(mut client: Client, job: Arc<Job>, task: PollActivityTaskQueueResponse) {
    let answer = RespondActivityTaskCompletedRequest {
        namespace: job.namespace.clone(),
        task_token: task.task_token,
        result: Some(activity_result(&task.activity_id, job.payload)),
        identity: identity(),
        ..Default::default()
    };
    if let Err(status) = client
        .respond_activity_task_completed(request(answer, CALL_TIMEOUT))
        .await
    {
        job.tally.error(
            "RespondActivityTaskCompleted",
            &format!("{:?}", status.code()),
        );
    }
}

/// A name that was not used before, neither by this process nor by an earlier one.
pub(crate) fn fresh(beginning: &str) -> String {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{beginning}-{:x}", since_epoch.as_micros())
}

pub(crate) fn identity() -> String {
    format!("{}@steadfast-bench", std::process::id())
}
