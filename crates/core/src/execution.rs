//! One run in memory: head, pending items, buffered events, and what is kept in memory only.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use imbl::{OrdMap, OrdSet, Vector};
use prost::Message;
use steadfast_protocol::common::WorkerVersionStamp;
use steadfast_protocol::enums::WorkflowExecutionStatus;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::history::{HistoryEvent, WorkflowExecutionStartedEventAttributes};

use crate::query::BufferedQuery;
use crate::record::{Activity, Child, External, Head, RequestId, Timer};
use crate::time::Time;

/// Names one run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunKey {
    /// UUID of the namespace.
    pub namespace_id: String,
    /// Chosen by the user; names a chain of runs.
    pub workflow_id: String,
    /// UUID of the run.
    pub run_id: String,
}

impl Hash for RunKey {
    /// The id of a run is its own in all the world; to hash the rest would tell nothing more.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.run_id.hash(state);
    }
}

/// Something that happens when its time comes and nothing else happened before.
///
/// The order decides between deadlines of the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deadline {
    /// The backoff before the first workflow task ends.
    FirstWorkflowTask,
    /// A timer (by its Started event) fires.
    Timer(i64),
    /// An activity (by its Scheduled event) has to be dispatched again, or times out.
    Activity(i64),
    /// The run, or the chain, times out.
    Run,
    /// The closed run is deleted.
    Delete,
}

/// The started attempt of the pending workflow task. Never stored: a lost start is delivered again.
#[derive(Clone, Debug, PartialEq)]
pub struct StartedTask {
    /// Id its Started event has, or will have once it is written.
    pub started_event_id: i64,
    /// When it started. Part of the token, so that a stale completion is refused.
    pub started_time: Time,
    /// Who started it.
    pub identity: String,
    /// The poll that started it.
    pub request_id: String,
    /// The build of the worker that started it, where it says so.
    pub worker_version: Option<WorkerVersionStamp>,
    /// Size of the history before it, bytes.
    pub history_size: i64,
    /// Whether the worker is told to continue as new.
    pub suggest_continue_as_new: bool,
    /// When it times out.
    pub deadline: Time,
}

/// A run and everything that is pending in it.
///
/// Cloning is cheap (shared trees), which is how a rejected completion is undone. All changes go through a
/// [`Transition`](crate::transition::Transition).
#[derive(Clone)]
pub struct Execution {
    /// Which run.
    pub key: Arc<RunKey>,
    /// Its first event.
    pub started: Arc<HistoryEvent>,
    /// All that is not a pending item.
    pub head: Head,
    /// By Scheduled event.
    pub activities: OrdMap<i64, Arc<Activity>>,
    /// Activity id to Scheduled event.
    pub activity_ids: OrdMap<String, i64>,
    /// By Started event.
    pub timers: OrdMap<i64, Arc<Timer>>,
    /// Timer id to Started event.
    pub timer_ids: OrdMap<String, i64>,
    /// By Initiated event.
    pub children: OrdMap<i64, Arc<Child>>,
    /// Signals to other executions, by Initiated event.
    pub external_signals: OrdMap<i64, Arc<External>>,
    /// Cancel requests to other executions, by Initiated event.
    pub external_cancels: OrdMap<i64, Arc<External>>,
    /// Events without an id yet, in order of arrival, with the number of their row.
    pub buffered: Vector<(u64, Arc<HistoryEvent>)>,
    /// Bytes of the buffered events.
    pub buffered_bytes: usize,
    /// Bytes of the pending activities, timers, children, external signals and cancel requests, and of the request ids
    /// of signals.
    pub pending_bytes: usize,
    /// Request ids of the signals received.
    pub signal_request_ids: OrdSet<String>,
    /// What is due when. Derived from the above.
    pub deadlines: OrdSet<(Time, Deadline)>,

    /// The started attempt of the pending workflow task (memory only).
    pub started_task: Option<StartedTask>,
    /// When a workflow task on a worker's own queue gives up waiting (memory only: after a crash such a task goes to
    /// the normal queue at once).
    pub sticky_deadline: Option<Time>,
    /// Queries that wait for a workflow task (memory only: their callers ask again).
    pub queries: Vector<BufferedQuery>,
    /// A close command was refused because of buffered events; signals wait until the run closed (memory only).
    pub close_attempted: bool,
}

impl Execution {
    /// A run without anything pending, whose first event is `started`.
    pub fn new(key: Arc<RunKey>, started: Arc<HistoryEvent>, head: Head) -> Self {
        assert!(matches!(
            started.attributes,
            Some(Attributes::WorkflowExecutionStartedEventAttributes(_))
        ));
        let mut run = Self {
            key,
            started,
            head,
            activities: OrdMap::new(),
            activity_ids: OrdMap::new(),
            timers: OrdMap::new(),
            timer_ids: OrdMap::new(),
            children: OrdMap::new(),
            external_signals: OrdMap::new(),
            external_cancels: OrdMap::new(),
            buffered: Vector::new(),
            buffered_bytes: 0,
            pending_bytes: 0,
            signal_request_ids: OrdSet::new(),
            deadlines: OrdSet::new(),
            started_task: None,
            sticky_deadline: None,
            queries: Vector::new(),
            close_attempted: false,
        };
        run.arm_run_deadlines();
        run
    }

    /// What the first event says.
    pub fn start_attributes(&self) -> &WorkflowExecutionStartedEventAttributes {
        match &self.started.attributes {
            Some(Attributes::WorkflowExecutionStartedEventAttributes(attributes)) => attributes,
            _ => unreachable!("checked in new()"),
        }
    }

    /// Whether the run can still change.
    pub fn is_open(&self) -> bool {
        self.head.close_time == 0
    }

    /// The status as the protocol's enum.
    pub fn status(&self) -> WorkflowExecutionStatus {
        WorkflowExecutionStatus::try_from(self.head.status).unwrap_or_default()
    }

    /// Whether a workflow task is handed out and not answered.
    pub fn is_task_started(&self) -> bool {
        self.started_task.is_some()
    }

    /// Whether the backoff before the first workflow task still lasts.
    pub fn in_first_backoff(&self) -> bool {
        !self.head.first_task_scheduled && self.head.execution_time > self.head.start_time
    }

    /// Name of the task queue of the workflow.
    pub fn task_queue(&self) -> &str {
        self.start_attributes()
            .task_queue
            .as_ref()
            .map_or("", |queue| queue.name.as_str())
    }

    /// Name of the workflow type.
    pub fn workflow_type(&self) -> &str {
        self.start_attributes()
            .workflow_type
            .as_ref()
            .map_or("", |kind| kind.name.as_str())
    }

    /// The last event id a reader sees: written events, and the Started event of a first attempt that is under way.
    pub fn last_event_id(&self) -> i64 {
        let written = self.head.next_event_id - 1;
        match (&self.started_task, &self.head.workflow_task) {
            (Some(started), Some(task)) if task.attempt == 1 => started.started_event_id,
            _ => written,
        }
    }

    /// When something is due next, memory-only deadlines included.
    pub fn next_deadline(&self) -> Option<Time> {
        let started = self.started_task.as_ref().map(|task| task.deadline);
        [self.next_stored_deadline(), started, self.sticky_deadline]
            .into_iter()
            .flatten()
            .min()
    }

    /// When something is due next that must survive a crash.
    pub fn next_stored_deadline(&self) -> Option<Time> {
        self.deadlines.get_min().map(|(due, _)| *due)
    }

    /// Recomputes the deadlines of the run as a whole from its head.
    pub fn arm_run_deadlines(&mut self) {
        let stale: Vec<_> = self
            .deadlines
            .iter()
            .filter(|(_, what)| {
                matches!(
                    what,
                    Deadline::FirstWorkflowTask | Deadline::Run | Deadline::Delete
                )
            })
            .copied()
            .collect();
        for deadline in stale {
            self.deadlines.remove(&deadline);
        }
        if !self.is_open() {
            if let Some(due) = Time(self.head.delete_time).some() {
                self.deadlines.insert((due, Deadline::Delete));
            }
            return;
        }
        if self.in_first_backoff() && !self.head.awaits_release {
            let due = Time(self.head.execution_time);
            self.deadlines.insert((due, Deadline::FirstWorkflowTask));
        }
        let expirations = [self.head.run_expiration, self.head.execution_expiration];
        if let Some(due) = expirations.into_iter().filter(|due| *due != 0).min() {
            self.deadlines.insert((Time(due), Deadline::Run));
        }
    }

    /// Lets the run answer for a request; the oldest one is forgotten if there are too many.
    pub fn remember_request(&mut self, request: RequestId) {
        let ids = &mut self.head.request_ids;
        if ids.len() == crate::limits::REQUEST_IDS_MAX {
            ids.remove(0);
        }
        ids.push(request);
    }

    /// Sets a pending activity, and what is due because of it.
    pub fn put_activity(&mut self, activity: Activity) {
        let id = activity.scheduled_event_id;
        self.disarm_activity(id);
        // What was pending when the run closed stays in its rows, but is never due.
        if let Some(due) = crate::activity::next_deadline(&activity)
            && self.is_open()
        {
            self.deadlines.insert((due, Deadline::Activity(id)));
        }
        self.activity_ids.insert(activity.activity_id.clone(), id);
        put(
            &mut self.activities,
            &mut self.pending_bytes,
            id,
            Arc::new(activity),
        );
    }

    /// Removes a pending activity.
    pub fn remove_activity(&mut self, id: i64) -> Option<Arc<Activity>> {
        self.disarm_activity(id);
        let activity = take(&mut self.activities, &mut self.pending_bytes, id)?;
        self.activity_ids.remove(&activity.activity_id);
        Some(activity)
    }

    fn disarm_activity(&mut self, id: i64) {
        let old = self.activities.get(&id);
        if let Some(due) = old.and_then(|old| crate::activity::next_deadline(old)) {
            self.deadlines.remove(&(due, Deadline::Activity(id)));
        }
    }

    /// Sets a pending timer.
    pub fn put_timer(&mut self, timer: Timer) {
        let id = timer.started_event_id;
        if self.is_open() {
            let due = Time(timer.due);
            self.deadlines.insert((due, Deadline::Timer(id)));
        }
        self.timer_ids.insert(timer.timer_id.clone(), id);
        put(
            &mut self.timers,
            &mut self.pending_bytes,
            id,
            Arc::new(timer),
        );
    }

    /// Removes a pending timer.
    pub fn remove_timer(&mut self, id: i64) -> Option<Arc<Timer>> {
        let timer = take(&mut self.timers, &mut self.pending_bytes, id)?;
        self.deadlines
            .remove(&(Time(timer.due), Deadline::Timer(id)));
        self.timer_ids.remove(&timer.timer_id);
        Some(timer)
    }

    /// Sets a pending child.
    pub fn put_child(&mut self, child: Child) {
        let id = child.initiated_event_id;
        put(
            &mut self.children,
            &mut self.pending_bytes,
            id,
            Arc::new(child),
        );
    }

    /// Removes a pending child.
    pub fn remove_child(&mut self, id: i64) -> Option<Arc<Child>> {
        take(&mut self.children, &mut self.pending_bytes, id)
    }

    /// Sets a pending signal to another execution.
    pub fn put_external_signal(&mut self, item: External) {
        let id = item.initiated_event_id;
        put(
            &mut self.external_signals,
            &mut self.pending_bytes,
            id,
            Arc::new(item),
        );
    }

    /// Removes a pending signal to another execution.
    pub fn remove_external_signal(&mut self, id: i64) -> Option<Arc<External>> {
        take(&mut self.external_signals, &mut self.pending_bytes, id)
    }

    /// Sets a pending cancel request to another execution.
    pub fn put_external_cancel(&mut self, item: External) {
        let id = item.initiated_event_id;
        put(
            &mut self.external_cancels,
            &mut self.pending_bytes,
            id,
            Arc::new(item),
        );
    }

    /// Removes a pending cancel request to another execution.
    pub fn remove_external_cancel(&mut self, id: i64) -> Option<Arc<External>> {
        take(&mut self.external_cancels, &mut self.pending_bytes, id)
    }

    /// Remembers the request id of a signal.
    pub fn put_signal_request_id(&mut self, id: String) {
        self.pending_bytes += id.len();
        if let Some(before) = self.signal_request_ids.insert(id) {
            self.pending_bytes -= before.len();
        }
    }

    /// Whether the state of the run, its history left out, takes more than `bytes`.
    pub fn is_larger_than(&self, bytes: usize) -> bool {
        let counted = self.pending_bytes + self.buffered_bytes;
        // What a user can let grow in the head came with an event, so most runs need not be measured.
        let head_at_most = usize::try_from(self.head.history_size).unwrap_or(0) + HEAD_BYTES;
        counted + head_at_most > bytes && counted + self.head_bytes() > bytes
    }

    /// Bytes of the head, and of what the reference keeps beside it: names, but no input.
    fn head_bytes(&self) -> usize {
        let key = &self.key;
        let names = [
            key.namespace_id.as_str(),
            &key.workflow_id,
            &key.run_id,
            self.workflow_type(),
            self.task_queue(),
        ];
        self.head.encoded_len() + names.map(str::len).iter().sum::<usize>()
    }

    /// Adds a buffered event under its row number.
    pub fn put_buffered(&mut self, row: u64, event: HistoryEvent) {
        self.buffered_bytes += event.encoded_len();
        self.buffered.push_back((row, Arc::new(event)));
    }
}

/// More than what a head takes without memo and search attributes: names, request ids, reset points, builds.
const HEAD_BYTES: usize = 128 * 1024;

/// Sets an item, and keeps the count of bytes true.
fn put<T: Message>(items: &mut OrdMap<i64, Arc<T>>, bytes: &mut usize, id: i64, item: Arc<T>) {
    *bytes += item.encoded_len();
    if let Some(before) = items.insert(id, item) {
        *bytes -= before.encoded_len();
    }
}

/// Removes an item, and keeps the count of bytes true.
fn take<T: Message>(items: &mut OrdMap<i64, Arc<T>>, bytes: &mut usize, id: i64) -> Option<Arc<T>> {
    let item = items.remove(&id)?;
    *bytes -= item.encoded_len();
    Some(item)
}
