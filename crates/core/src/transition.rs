//! One change of one run: events get their ids here, and every changed row is noted.
//!
//! The rules of order (server-semantics 3.7): while a workflow task is started, events that did not come from it have
//! no id yet. They are buffered, and flushed when the task closes, after the events of its commands. Within one
//! transition the same rule holds without any task, so that a closing event never precedes its Started event.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message;
use steadfast_protocol::enums::{
    EventType, TaskQueueKind, WorkflowExecutionStatus, WorkflowTaskFailedCause,
};
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::history::{
    HistoryEvent, WorkflowTaskFailedEventAttributes, WorkflowTaskScheduledEventAttributes,
    WorkflowTaskStartedEventAttributes,
};
use steadfast_protocol::taskqueue::TaskQueue;

use crate::context::Context;
use crate::event_type::{closes_item, event_type, is_buffered, worker_may_ignore};
use crate::execution::{Deadline, Execution, StartedTask};
use crate::limits;
use crate::outcome::{Effect, Outcome, Task, TaskKind};
use crate::record::{Activity, BUFFERED, Child, Timer, WorkflowTask};
use crate::rows::Row;
use crate::time::{Time, to_duration};
use crate::workflow_task;

/// Who the server signs as when it closes or fails something by itself.
pub const SERVER_IDENTITY: &str = "history-service";

/// A change of one run under way. [`Transition::finish`] ends it.
pub struct Transition<'a> {
    /// The run.
    pub run: &'a mut Execution,
    /// Time, ids, namespace.
    pub cx: &'a Context<'a>,
    /// What was done so far.
    pub out: Outcome,
    block: Vec<HistoryEvent>,
    buffered_rows_before: u64,
    task_wanted: bool,
    /// Whether this is the first change of the run, which no limit undoes: there would be no run to terminate.
    begins: bool,
    /// The run as it was, if this change may bring it beyond a limit.
    before: Option<Box<Execution>>,
}

impl<'a> Transition<'a> {
    /// Begins a change of `run`.
    pub fn new(run: &'a mut Execution, cx: &'a Context<'a>) -> Self {
        let buffered_rows_before = run.head.next_buffered;
        let begins = run.head.next_event_id == 1;
        let is_near = run.is_open() && !begins && limits::is_near(run, cx.limits);
        Self {
            begins,
            before: is_near.then(|| Box::new(run.clone())),
            run,
            cx,
            out: Outcome::default(),
            block: Vec::new(),
            buffered_rows_before,
            task_wanted: false,
        }
    }

    /// Adds an event. Returns its id, or [`BUFFERED`] if it gets one later.
    pub fn event(&mut self, attributes: Attributes) -> i64 {
        self.event_with(attributes, |_| {})
    }

    /// Completes an event that this transition just added: the one with this id.
    pub fn amend(&mut self, event_id: i64, complete: impl FnOnce(&mut HistoryEvent)) {
        let event = (self.block.iter_mut().rev()).find(|event| event.event_id == event_id);
        let event = event.expect("only an event of the current block is amended");
        let before = event.encoded_len() as i64;
        complete(event);
        self.run.head.history_size += event.encoded_len() as i64 - before;
    }

    /// Adds an event that `complete` may furnish with links, metadata or another time.
    pub fn event_with(
        &mut self,
        attributes: Attributes,
        complete: impl FnOnce(&mut HistoryEvent),
    ) -> i64 {
        let buffered = is_buffered(&attributes);
        let mut event = HistoryEvent {
            event_time: Some(self.cx.now.to_proto()),
            event_type: event_type(&attributes) as i32,
            worker_may_ignore: worker_may_ignore(&attributes),
            attributes: Some(attributes),
            ..HistoryEvent::default()
        };
        complete(&mut event);
        if buffered {
            let row = self.run.head.next_buffered;
            self.run.head.next_buffered += 1;
            self.run.put_buffered(row, event);
            self.out.changed.insert(Row::Buffered(row));
            return BUFFERED;
        }
        self.append(event)
    }

    fn append(&mut self, mut event: HistoryEvent) -> i64 {
        let id = self.run.head.next_event_id;
        self.run.head.next_event_id += 1;
        event.event_id = id;
        event.task_id = self.run.head.events_before + id;
        self.run.head.history_size += event.encoded_len() as i64;
        // Most blocks have one event or two, and a vector that grows by itself makes room for four at once.
        if self.block.is_empty() {
            self.block.reserve_exact(1);
        }
        self.block.push(event);
        id
    }

    /// Ends the block: the next event begins a new one.
    pub fn end_block(&mut self) {
        if let Some(first) = self.block.first() {
            self.run.head.last_block = first.event_id;
            self.out.blocks.push(std::mem::take(&mut self.block));
        }
    }

    /// Gives the buffered events their ids: in order of arrival, but what closes an activity or a child comes last.
    pub fn flush(&mut self) {
        if self.run.buffered.is_empty() {
            return;
        }
        let buffered = std::mem::take(&mut self.run.buffered);
        self.run.buffered_bytes = 0;
        let mut closing = Vec::new();
        let mut started = BTreeMap::new();
        for (row, event) in buffered {
            self.forget_buffered(row);
            let event = Arc::unwrap_or_clone(event);
            if event.attributes.as_ref().is_some_and(closes_item) {
                closing.reserve_exact(usize::from(closing.is_empty()));
                closing.push(event);
            } else {
                self.flush_one(event, &mut started);
            }
        }
        for event in closing {
            self.flush_one(event, &mut started);
        }
    }

    /// Whether an event is buffered that did not come from this transition: the workflow has to see it before it may
    /// close.
    pub fn has_earlier_buffered(&self) -> bool {
        let first = self.run.buffered.front();
        first.is_some_and(|(row, _)| *row < self.buffered_rows_before)
    }

    /// Takes the first buffered event back for which `matches` holds.
    pub fn remove_buffered(
        &mut self,
        matches: impl Fn(&HistoryEvent) -> bool,
    ) -> Option<Arc<HistoryEvent>> {
        let position = (self.run.buffered.iter()).position(|(_, event)| matches(event))?;
        let (row, event) = self.run.buffered.remove(position);
        self.run.buffered_bytes -= event.encoded_len();
        self.forget_buffered(row);
        Some(event)
    }

    /// A row that this very transition added was never stored: nothing to delete.
    fn forget_buffered(&mut self, row: u64) {
        if row >= self.buffered_rows_before {
            self.out.changed.remove(&Row::Buffered(row));
        } else {
            self.out.changed.insert(Row::Buffered(row));
        }
    }

    /// Forgets the buffered events of this very transition: nothing may stand between the commands of a completion, and
    /// after the last of them nobody looks any more.
    pub fn discard_buffered(&mut self) {
        for (row, _) in std::mem::take(&mut self.run.buffered) {
            assert!(
                row >= self.buffered_rows_before,
                "what arrived before must be seen by the workflow"
            );
            self.out.changed.remove(&Row::Buffered(row));
        }
        self.run.buffered_bytes = 0;
    }

    /// `started` holds, by Scheduled or Initiated event, the Started events that this flush gave an id.
    fn flush_one(&mut self, mut event: HistoryEvent, started: &mut BTreeMap<i64, i64>) {
        if let Some((item, reference)) = event
            .attributes
            .as_mut()
            .and_then(crate::event_type::started_reference)
            && *reference == BUFFERED
        {
            *reference = started.get(&item).copied().unwrap_or_else(|| {
                let child = self.run.children.get(&item);
                child.map_or(0, |child| child.started_event_id)
            });
        }
        let id = self.run.head.next_event_id;
        match &event.attributes {
            Some(Attributes::ActivityTaskStartedEventAttributes(attributes)) => {
                started.insert(attributes.scheduled_event_id, id);
            }
            Some(Attributes::ChildWorkflowExecutionStartedEventAttributes(attributes)) => {
                let item = attributes.initiated_event_id;
                started.insert(item, id);
                if let Some(child) = self.run.children.get(&item) {
                    let child = Child {
                        started_event_id: id,
                        ..Child::clone(child)
                    };
                    self.put_child(child);
                }
            }
            Some(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(attributes)) => {
                let request = &attributes.attached_request_id;
                let ids = &mut self.run.head.request_ids;
                if let Some(known) = ids.iter_mut().find(|known| &known.id == request) {
                    known.event_id = id;
                }
            }
            _ => {}
        }
        self.append(event);
    }

    /// Something happened that the workflow must see: a workflow task is scheduled at the end, unless one is pending.
    pub fn want_workflow_task(&mut self) {
        self.task_wanted = true;
    }

    /// Schedules the workflow task now. `attempt` counts from 1; a repeated attempt leaves no event until it succeeds.
    ///
    /// Buffered events are flushed first, which makes any attempt a first one.
    pub fn schedule_workflow_task(&mut self, attempt: i32, original_scheduled_time: Option<Time>) {
        assert!(self.run.is_open(), "a closed run needs no workflow task");
        assert!(
            self.run.head.workflow_task.is_none(),
            "one workflow task at a time"
        );
        let attempt = if self.run.buffered.is_empty() {
            attempt
        } else {
            1
        };
        self.flush();
        let now = self.cx.now;
        let (queue, sticky, schedule_to_start) = match &self.run.head.sticky {
            Some(sticky) => (sticky.queue.clone(), true, sticky.schedule_to_start),
            None => (self.run.task_queue().to_owned(), false, 0),
        };
        let start_to_close = crate::workflow_task::start_to_close(self.run, attempt);
        let mut task = WorkflowTask {
            scheduled_event_id: self.run.head.next_event_id,
            attempt,
            written: false,
            scheduled_time: now.0,
            original_scheduled_time: original_scheduled_time.unwrap_or(now).0,
            start_to_close,
            queue,
            sticky,
            schedule_to_start,
        };
        if attempt == 1 {
            let id = self.event(scheduled_event(self.run, &task));
            assert_eq!(id, task.scheduled_event_id);
            task.written = true;
        }
        self.run.sticky_deadline = (schedule_to_start > 0).then(|| now.plus(schedule_to_start));
        self.run.head.first_task_scheduled = true;
        self.run.arm_run_deadlines();
        self.out.tasks_added.push(workflow_task(self.run, &task));
        self.run.head.workflow_task = Some(task);
    }

    /// Takes the pending workflow task away without a trace in the history.
    pub fn drop_workflow_task(&mut self) -> Option<(WorkflowTask, Option<StartedTask>)> {
        let task = self.run.head.workflow_task.take()?;
        self.run.sticky_deadline = None;
        self.remove_task(workflow_task(self.run, &task));
        Some((task, self.run.started_task.take()))
    }

    /// Takes the started workflow task away and writes its Scheduled (if it is not there yet) and Started events.
    pub fn take_started_task(&mut self) -> Option<(WorkflowTask, StartedTask)> {
        self.run.started_task.as_ref()?;
        let (mut task, started) = self.drop_workflow_task()?;
        let mut started = started?;
        self.write_started(&mut task, &mut started);
        Some((task, started))
    }

    fn write_started(&mut self, task: &mut WorkflowTask, started: &mut StartedTask) {
        if !task.written {
            let scheduled_time = Time(task.scheduled_time).to_proto();
            task.scheduled_event_id = self.event_with(scheduled_event(self.run, task), |event| {
                event.event_time = Some(scheduled_time);
            });
            task.written = true;
        }
        let started_time = started.started_time.to_proto();
        started.started_event_id = self.event_with(
            Attributes::WorkflowTaskStartedEventAttributes(started_event(task, started)),
            |event| event.event_time = Some(started_time),
        );
        self.end_block();
    }

    /// Fails a started workflow task with FORCE_CLOSE_COMMAND before the server closes the run, and flushes what it
    /// held back. A repeated attempt leaves no event.
    pub fn force_task_closed(&mut self) {
        let Some(task) = &self.run.head.workflow_task else {
            self.flush();
            return;
        };
        if self.run.started_task.is_none() || task.attempt > 1 {
            self.drop_workflow_task();
        } else if let Some((task, started)) = self.take_started_task() {
            let failed = WorkflowTaskFailedEventAttributes {
                scheduled_event_id: task.scheduled_event_id,
                started_event_id: started.started_event_id,
                cause: WorkflowTaskFailedCause::ForceCloseCommand as i32,
                identity: SERVER_IDENTITY.to_owned(),
                ..Default::default()
            };
            self.event(Attributes::WorkflowTaskFailedEventAttributes(failed.into()));
        }
        self.flush();
    }

    /// Closes the run with `attributes` as its last event.
    ///
    /// Buffered events must be flushed, and a pending workflow task dealt with, before.
    pub fn close(&mut self, status: WorkflowExecutionStatus, attributes: Attributes) -> i64 {
        self.close_with(status, attributes, |_| {})
    }

    /// As [`close`](Self::close), for an event that `complete` furnishes with links.
    pub fn close_with(
        &mut self,
        status: WorkflowExecutionStatus,
        attributes: Attributes,
        complete: impl FnOnce(&mut HistoryEvent),
    ) -> i64 {
        assert!(self.run.is_open(), "a run closes once");
        assert!(
            self.run.buffered.is_empty(),
            "nothing follows the closing event"
        );
        self.drop_workflow_task();
        let id = self.event_with(attributes, complete);
        self.run.head.status = status as i32;
        self.run.head.close_time = self.cx.now.0;
        self.run.head.delete_time = if self.run.head.delete_on_close {
            self.cx.now.0
        } else {
            self.cx.now.plus(self.cx.namespace.retention()).0
        };
        let waiting: Vec<_> = self.run.activities.values().cloned().collect();
        for activity in waiting.iter().filter(|activity| activity.dispatched) {
            self.remove_task(activity_task(activity));
        }
        self.out.visible = true;
        self.run.deadlines.clear();
        self.run.arm_run_deadlines();
        let children: Vec<_> = self.run.children.values().cloned().collect();
        for child in children.iter().filter(|child| !child.run_id.is_empty()) {
            self.out
                .effects
                .push(Effect::CloseChild(child.initiated_event_id));
        }
        self.release_queries();
        id
    }

    /// Hands all waiting queries back, to be looked at again.
    pub fn release_queries(&mut self) {
        let queries = std::mem::take(&mut self.run.queries);
        let ids = queries.into_iter().map(|query| query.id);
        self.out.released_queries.extend(ids);
    }

    /// Sets a pending activity.
    pub fn put_activity(&mut self, activity: Activity) {
        self.out
            .changed
            .insert(Row::Activity(activity.scheduled_event_id));
        self.run.put_activity(activity);
    }

    /// Removes a pending activity, and its task if it still waits.
    pub fn remove_activity(&mut self, id: i64) {
        if let Some(activity) = self.run.remove_activity(id) {
            self.out.changed.insert(Row::Activity(id));
            if activity.dispatched {
                self.remove_task(activity_task(&activity));
            }
        }
    }

    /// Sets a pending timer.
    pub fn put_timer(&mut self, timer: Timer) {
        self.out.changed.insert(Row::Timer(timer.started_event_id));
        self.run.put_timer(timer);
    }

    /// Removes a pending timer.
    pub fn remove_timer(&mut self, id: i64) -> Option<Arc<Timer>> {
        let timer = self.run.remove_timer(id)?;
        self.out.changed.insert(Row::Timer(id));
        Some(timer)
    }

    /// Removes a pending child.
    pub fn remove_child(&mut self, id: i64) -> Option<Arc<Child>> {
        let child = self.run.remove_child(id)?;
        self.out.changed.insert(Row::Child(id));
        Some(child)
    }

    /// Sets a pending child.
    pub fn put_child(&mut self, child: Child) {
        self.out
            .changed
            .insert(Row::Child(child.initiated_event_id));
        self.run.put_child(child);
    }

    /// Takes a task back; one that this transition added is as if it had never been.
    pub fn remove_task(&mut self, task: Task) {
        self.out.remove_task(task);
    }

    /// Ends the transition: flushes what may be flushed, schedules the workflow task that is wanted.
    ///
    /// A change that brings the run beyond a limit terminates it instead, and is not made (server-semantics 0.5).
    pub fn finish(mut self) -> Outcome {
        if !self.begins
            && let Some(limit) = limits::exceeded(self.run, self.cx.limits)
        {
            self.undo();
            self.force_task_closed();
            workflow_task::terminate(&mut self, limit);
            self.out.beyond_limit = Some(limit);
        }
        if self.run.is_open() {
            if self.run.started_task.is_some() && self.buffer_is_full() {
                self.fail_task_to_flush();
            }
            if self.run.started_task.is_none() {
                self.flush();
            }
            if self.task_wanted && self.run.head.workflow_task.is_none() {
                self.schedule_workflow_task(1, None);
            }
        }
        self.end_block();
        self.run.head.transition_count += 1;
        self.out
    }

    /// Makes the change not made, if the run was kept as it was before.
    fn undo(&mut self) {
        if let Some(before) = self.before.take() {
            *self.run = *before;
            self.out = Outcome::default();
            self.block.clear();
            self.task_wanted = false;
        }
    }

    fn buffer_is_full(&self) -> bool {
        self.run.buffered.len() > self.cx.limits.buffered_events
            || self.run.buffered_bytes > limits::BUFFERED_BYTES_MAX
    }

    fn fail_task_to_flush(&mut self) {
        self.force_task_closed();
        self.run.head.sticky = None;
        self.task_wanted = true;
    }

    /// Whether something is due at or before now.
    pub fn due(&self) -> Option<Deadline> {
        let (due, what) = self.run.deadlines.get_min()?;
        (*due <= self.cx.now).then_some(*what)
    }
}

/// The event that a workflow task's scheduling leaves.
pub fn scheduled_event(run: &Execution, task: &WorkflowTask) -> Attributes {
    let task_queue = if task.sticky {
        TaskQueue {
            name: task.queue.clone(),
            kind: TaskQueueKind::Sticky as i32,
            normal_name: run.task_queue().to_owned(),
        }
    } else {
        TaskQueue {
            name: task.queue.clone(),
            kind: TaskQueueKind::Normal as i32,
            normal_name: String::new(),
        }
    };
    Attributes::WorkflowTaskScheduledEventAttributes(WorkflowTaskScheduledEventAttributes {
        task_queue: Some(task_queue),
        start_to_close_timeout: Some(to_duration(task.start_to_close)),
        attempt: task.attempt,
    })
}

/// The attributes of the event that a workflow task's start leaves.
pub fn started_event(
    task: &WorkflowTask,
    started: &StartedTask,
) -> WorkflowTaskStartedEventAttributes {
    WorkflowTaskStartedEventAttributes {
        scheduled_event_id: task.scheduled_event_id,
        identity: started.identity.clone(),
        request_id: started.request_id.clone(),
        suggest_continue_as_new: started.suggest_continue_as_new,
        history_size_bytes: started.history_size,
        worker_version: started.worker_version.clone(),
        ..Default::default()
    }
}

/// The pending workflow task as its queue knows it.
pub fn workflow_task(run: &Execution, task: &WorkflowTask) -> Task {
    Task {
        kind: TaskKind::Workflow,
        queue: task.queue.clone(),
        sticky: task.sticky,
        priority: priority_key(run.start_attributes().priority.as_ref()),
        scheduled_time: Time(task.scheduled_time),
        item: 0,
        attempt: task.attempt,
    }
}

/// A pending activity as its queue knows it.
pub fn activity_task(activity: &Activity) -> Task {
    Task {
        kind: TaskKind::Activity,
        queue: activity.queue.clone(),
        sticky: false,
        priority: priority_key(activity.priority.as_ref()),
        scheduled_time: Time(activity.scheduled_time),
        item: activity.scheduled_event_id,
        attempt: activity.attempt,
    }
}

/// 1 to 5; 3 where none is given (server-semantics 8.6).
pub fn priority_key(priority: Option<&steadfast_protocol::common::Priority>) -> u8 {
    match priority.map_or(0, |priority| priority.priority_key) {
        0 => 3,
        key => key.clamp(1, 5) as u8,
    }
}

/// Whether `event` is of that type.
pub fn is_type(event: &HistoryEvent, kind: EventType) -> bool {
    event.event_type == kind as i32
}
