//! One run, played by hand. After each input its rows are written as the engine would, and read again: the run that
//! comes out must be the one in memory.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use prost::Message;
use steadfast_core::activity::{self, ActivityRef, Answerer, Target};
use steadfast_core::completion::{self, Completed, Completion};
use steadfast_core::context::{Context, Ids, Namespace};
use steadfast_core::execution::Execution;
use steadfast_core::limits::Limits;
use steadfast_core::outcome::{Effect, Outcome, Task, TaskKind};
use steadfast_core::record::Activity;
use steadfast_core::rows::Row;
use steadfast_core::signal::{self, Signal};
use steadfast_core::start::{self, StartParams};
use steadfast_core::time::{SECOND, Time, to_duration};
use steadfast_core::workflow_task::{self, TaskPoll, TaskRef};
use steadfast_core::{Refusal, due};
use steadfast_protocol::command::Command;
use steadfast_protocol::command::command::Attributes as Do;
use steadfast_protocol::command::{
    CompleteWorkflowExecutionCommandAttributes, RequestCancelActivityTaskCommandAttributes,
    ScheduleActivityTaskCommandAttributes, StartTimerCommandAttributes,
};
use steadfast_protocol::common::{
    ActivityType, Payload, Payloads, RetryPolicy, SearchAttributes, WorkerVersionStamp,
    WorkflowType,
};
use steadfast_protocol::enums::{CommandType, EventType};
use steadfast_protocol::failure::failure::FailureInfo;
use steadfast_protocol::failure::{ApplicationFailureInfo, Failure};
use steadfast_protocol::history::HistoryEvent;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::workflowservice::{
    RespondWorkflowTaskCompletedRequest, StartWorkflowExecutionRequest,
};

const EPOCH: i64 = 1_000_000 * SECOND;

#[derive(Default)]
pub(crate) struct Place {
    ids: Cell<u32>,
}

impl Ids for Place {
    fn uuid(&self) -> String {
        self.ids.set(self.ids.get() + 1);
        format!("u{}", self.ids.get())
    }
}

impl Namespace for Place {
    fn id(&self) -> &str {
        "place-id"
    }
    fn name(&self) -> &str {
        "place"
    }
    fn retention(&self) -> i64 {
        3600 * SECOND
    }
    fn check_search_attributes(&self, attributes: &SearchAttributes) -> Result<(), String> {
        match attributes.indexed_fields.contains_key("Unknown") {
            true => Err("no mapping for Unknown".to_owned()),
            false => Ok(()),
        }
    }
    fn kept_search_attributes(&self, attributes: &SearchAttributes) -> SearchAttributes {
        let mut kept = attributes.clone();
        kept.indexed_fields
            .retain(|_, value| !value.data.is_empty());
        kept
    }
    fn typed_search_attributes(&self, attributes: &SearchAttributes) -> SearchAttributes {
        attributes.clone()
    }
    fn id_of(&self, name: &str) -> Option<String> {
        (name == "other").then(|| "other-id".to_owned())
    }
}

pub(crate) struct World {
    pub(crate) run: Execution,
    pub(crate) history: Vec<HistoryEvent>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) effects: Vec<Effect>,
    /// Whether lists have to show the last outcome.
    pub(crate) visible: bool,
    /// The build of the worker, where it says so.
    pub(crate) build: Option<WorkerVersionStamp>,
    place: Rc<Place>,
    now: i64,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl World {
    /// A run whose first workflow task is started.
    pub(crate) fn open() -> Self {
        Self::with_run_timeout(0)
    }

    pub(crate) fn with_run_timeout(seconds: i64) -> Self {
        let place = Rc::new(Place::default());
        let params = StartParams {
            request: StartWorkflowExecutionRequest {
                workflow_id: "flow".to_owned(),
                workflow_type: Some(WorkflowType {
                    name: "Flow".to_owned(),
                }),
                task_queue: Some(queue("queue")),
                request_id: "start".to_owned(),
                workflow_run_timeout: (seconds > 0).then(|| to_duration(seconds * SECOND)),
                ..Default::default()
            },
            run_id: "run".to_owned(),
            ..Default::default()
        };
        let cx = Context {
            now: Time(EPOCH),
            namespace: &*place,
            ids: &*place,
            limits: &Limits::DEFAULT,
        };
        let started = start::start(&cx, params).unwrap();
        let mut world = Self {
            run: started.run,
            history: Vec::new(),
            tasks: Vec::new(),
            effects: Vec::new(),
            visible: false,
            build: None,
            place: place.clone(),
            now: EPOCH,
            rows: BTreeMap::new(),
        };
        world.commit(started.outcome);
        world.poll();
        world
    }

    /// Plays one input.
    pub(crate) fn play<T>(&mut self, input: impl FnOnce(&mut Execution, &Context<'_>) -> T) -> T {
        let place = self.place.clone();
        let cx = Context {
            now: Time(self.now),
            namespace: &*place,
            ids: &*place,
            limits: &Limits::DEFAULT,
        };
        input(&mut self.run, &cx)
    }

    /// Writes what the engine would write, and reads it again.
    pub(crate) fn commit(&mut self, outcome: Outcome) {
        for row in &outcome.changed {
            let mut key = Vec::new();
            row.write_key(&mut key);
            match self.run.encode_row(row) {
                Some(bytes) => self.rows.insert(key, bytes),
                None => self.rows.remove(&key),
            };
        }
        let head = self.run.head.encode_to_vec();
        self.rows.insert(Row::HEAD_KEY.to_vec(), head);
        for event in outcome.blocks.into_iter().flatten() {
            assert_eq!(event.event_id, self.history.len() as i64 + 1, "no gaps");
            self.history.push(event);
        }
        let size: usize = self.history.iter().map(Message::encoded_len).sum();
        assert_eq!(self.run.head.history_size, size as i64);
        for task in outcome.tasks_removed {
            self.tasks.retain(|known| *known != task);
        }
        self.tasks.extend(outcome.tasks_added);
        self.effects.extend(outcome.effects);
        self.visible = outcome.visible;
        self.verify();
    }

    pub(crate) fn verify(&self) {
        let mut rows = self.rows.iter().map(|(key, bytes)| (&key[..], &bytes[..]));
        let (first, head) = rows.next().unwrap();
        assert_eq!(first, Row::HEAD_KEY);
        let (key, started) = (self.run.key.clone(), self.run.started.clone());
        let loaded = Execution::decode(key, started, head, rows).unwrap();
        assert_eq!(state(&loaded), state(&self.run));
        assert_eq!(loaded.deadlines, self.run.deadlines);
        assert_eq!(loaded.activity_ids, self.run.activity_ids);
        assert_eq!(loaded.timer_ids, self.run.timer_ids);
        assert_eq!(loaded.buffered_bytes, self.run.buffered_bytes);
        assert_eq!(loaded.pending_bytes, self.run.pending_bytes);
    }

    /// Starts the pending workflow task.
    pub(crate) fn poll(&mut self) {
        let position = (self.tasks.iter()).position(|task| task.kind == TaskKind::Workflow);
        let task = self.tasks[position.expect("a workflow task waits")].clone();
        let poll = TaskPoll {
            queue: "queue".to_owned(),
            identity: "worker".to_owned(),
            request_id: "poll".to_owned(),
            worker_version: self.build.clone(),
        };
        let started = self.play(|run, cx| workflow_task::start(run, cx, &task, &poll));
        started.expect("the task is not obsolete");
    }

    /// Completes the started workflow task.
    pub(crate) fn done(&mut self, commands: Vec<Do>) -> Result<Completed, String> {
        let commands = commands.into_iter().map(command).collect();
        self.done_with(commands)
    }

    pub(crate) fn done_with(&mut self, commands: Vec<Command>) -> Result<Completed, String> {
        self.respond(RespondWorkflowTaskCompletedRequest {
            commands,
            ..Default::default()
        })
    }

    pub(crate) fn respond(
        &mut self,
        request: RespondWorkflowTaskCompletedRequest,
    ) -> Result<Completed, String> {
        let completion = self.complete_task(request);
        if let Some(outcome) = completion.outcome {
            self.commit(outcome);
        }
        self.verify();
        completion.reply.map_err(|refusal| refusal.to_string())
    }

    /// Completes the started workflow task; the commit is the caller's.
    pub(crate) fn complete_task(
        &mut self,
        mut request: RespondWorkflowTaskCompletedRequest,
    ) -> Completion {
        let task = self.run.head.workflow_task.clone().unwrap();
        let started = self.run.started_task.clone().expect("polled");
        let token = TaskRef {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: started.started_event_id,
            started_time: started.started_time,
            attempt: task.attempt,
        };
        request.identity = "worker".to_owned();
        self.play(|run, cx| completion::complete(run, cx, &token, request))
    }

    pub(crate) fn signal(&mut self, name: &str) {
        let signal = Signal {
            name: name.to_owned(),
            request_id: self.place.uuid(),
            ..Default::default()
        };
        let outcome = self.play(|run, cx| signal::signal(run, cx, signal, false));
        self.commit(outcome.unwrap().unwrap());
    }

    /// Lets time pass; what is due happens at its time.
    pub(crate) fn wait(&mut self, millis: i64) {
        let until = self.now + millis * SECOND / 1000;
        while let Some(next) = self.run.next_deadline().filter(|next| next.0 <= until) {
            self.now = self.now.max(next.0);
            let fired = self.play(due::fire);
            self.commit(fired.outcome.expect("something was due"));
        }
        self.now = until;
    }

    /// Starts the activity of this id for a worker.
    pub(crate) fn start_activity(&mut self, id: &str) -> Target {
        let item = self.run.activity_ids[id];
        let task = self.tasks.iter().find(|task| task.item == item);
        let task = task.expect("the activity waits").clone();
        let started =
            self.play(|run, cx| activity::start(run, cx, &task, "worker", &format!("poll-{id}")));
        let (outcome, activity) = started.expect("the task is not obsolete");
        self.commit(outcome.expect("it was not started before"));
        token(&activity)
    }

    pub(crate) fn activity(&self, id: &str) -> Arc<Activity> {
        self.run.activities[&self.run.activity_ids[id]].clone()
    }

    pub(crate) fn complete_activity(&mut self, target: &Target) -> Result<(), Refusal> {
        let build = self.build.clone();
        let outcome = self.play(|run, cx| {
            activity::complete(run, cx, target, Some(text("ok")), worker(build.as_ref()))
        })?;
        self.commit(outcome);
        Ok(())
    }

    pub(crate) fn fail_activity(
        &mut self,
        target: &Target,
        failure: Failure,
    ) -> Result<(), Refusal> {
        let build = self.build.clone();
        let result = self.play(|run, cx| {
            activity::fail(run, cx, target, Some(failure), None, worker(build.as_ref()))
        });
        self.commit(result?.0);
        Ok(())
    }

    /// Compares the events from `first` on, blanks apart.
    #[track_caller]
    pub(crate) fn expect(&self, first: i64, expected: &str) {
        let events = self.history.iter().filter(|event| event.event_id >= first);
        let got: Vec<_> = events.map(show).collect();
        let expected: Vec<_> = expected.lines().map(str::trim).collect();
        let expected: Vec<_> = expected
            .into_iter()
            .filter(|line| !line.is_empty())
            .collect();
        assert_eq!(got, expected, "\n{}\n", got.join("\n"));
    }
}

pub(crate) fn worker(version: Option<&WorkerVersionStamp>) -> Answerer<'_> {
    Answerer {
        identity: "worker",
        version,
    }
}

/// All rows of a run, and its head.
pub(crate) fn state(run: &Execution) -> (Vec<u8>, Vec<Option<Vec<u8>>>) {
    let rows = (run.activities.keys().map(|id| Row::Activity(*id)))
        .chain(run.timers.keys().map(|id| Row::Timer(*id)))
        .chain(run.children.keys().map(|id| Row::Child(*id)))
        .chain(
            run.external_signals
                .keys()
                .map(|id| Row::ExternalSignal(*id)),
        )
        .chain(
            run.external_cancels
                .keys()
                .map(|id| Row::ExternalCancel(*id)),
        )
        .chain(run.buffered.iter().map(|(row, _)| Row::Buffered(*row)))
        .chain((run.signal_request_ids.iter()).map(|id| Row::SignalRequestId(id.clone())));
    let rows = rows.map(|row| run.encode_row(&row)).collect();
    (run.head.encode_to_vec(), rows)
}

pub(crate) fn token(activity: &Activity) -> Target {
    Target::Token(ActivityRef {
        scheduled_event_id: activity.scheduled_event_id,
        attempt: activity.attempt,
        started_time: Time(activity.started_time),
    })
}

pub(crate) fn queue(name: &str) -> TaskQueue {
    TaskQueue {
        name: name.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn text(text: &str) -> Payloads {
    Payloads {
        payloads: vec![payload(text)],
    }
}

pub(crate) fn payload(text: &str) -> Payload {
    Payload {
        data: text.to_owned().into(),
        ..Default::default()
    }
}

pub(crate) fn boom(kind: &str) -> Failure {
    Failure {
        message: "boom".to_owned(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(
            ApplicationFailureInfo {
                r#type: kind.to_owned(),
                ..Default::default()
            },
        )),
        ..Default::default()
    }
}

/// An activity with a start-to-close timeout of a minute and these attempts (0: any number), a second apart.
pub(crate) fn activity(id: &str, attempts: i32) -> ScheduleActivityTaskCommandAttributes {
    ScheduleActivityTaskCommandAttributes {
        activity_id: id.to_owned(),
        activity_type: Some(ActivityType {
            name: "Act".to_owned(),
        }),
        task_queue: Some(queue("work")),
        start_to_close_timeout: Some(to_duration(60 * SECOND)),
        retry_policy: Some(RetryPolicy {
            maximum_attempts: attempts,
            backoff_coefficient: 1.0,
            non_retryable_error_types: vec!["Fatal".to_owned()],
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub(crate) fn schedule(id: &str) -> Do {
    Do::ScheduleActivityTaskCommandAttributes(activity(id, 0))
}

pub(crate) fn cancel_activity(scheduled_event_id: i64) -> Do {
    Do::RequestCancelActivityTaskCommandAttributes(RequestCancelActivityTaskCommandAttributes {
        scheduled_event_id,
    })
}

pub(crate) fn timer(id: &str, millis: i64) -> Do {
    Do::StartTimerCommandAttributes(StartTimerCommandAttributes {
        timer_id: id.to_owned(),
        start_to_fire_timeout: Some(to_duration(millis * SECOND / 1000)),
    })
}

pub(crate) fn complete() -> Do {
    Do::CompleteWorkflowExecutionCommandAttributes(CompleteWorkflowExecutionCommandAttributes {
        result: Some(text("done")),
    })
}

pub(crate) fn command(attributes: Do) -> Command {
    use CommandType as T;
    let kind = match &attributes {
        Do::ScheduleActivityTaskCommandAttributes(_) => T::ScheduleActivityTask,
        Do::StartTimerCommandAttributes(_) => T::StartTimer,
        Do::CompleteWorkflowExecutionCommandAttributes(_) => T::CompleteWorkflowExecution,
        Do::FailWorkflowExecutionCommandAttributes(_) => T::FailWorkflowExecution,
        Do::RequestCancelActivityTaskCommandAttributes(_) => T::RequestCancelActivityTask,
        Do::CancelTimerCommandAttributes(_) => T::CancelTimer,
        Do::CancelWorkflowExecutionCommandAttributes(_) => T::CancelWorkflowExecution,
        Do::RequestCancelExternalWorkflowExecutionCommandAttributes(_) => {
            T::RequestCancelExternalWorkflowExecution
        }
        Do::RecordMarkerCommandAttributes(_) => T::RecordMarker,
        Do::ContinueAsNewWorkflowExecutionCommandAttributes(_) => T::ContinueAsNewWorkflowExecution,
        Do::StartChildWorkflowExecutionCommandAttributes(_) => T::StartChildWorkflowExecution,
        Do::SignalExternalWorkflowExecutionCommandAttributes(_) => {
            T::SignalExternalWorkflowExecution
        }
        Do::UpsertWorkflowSearchAttributesCommandAttributes(_) => T::UpsertWorkflowSearchAttributes,
        Do::ProtocolMessageCommandAttributes(_) => T::ProtocolMessage,
        Do::ModifyWorkflowPropertiesCommandAttributes(_) => T::ModifyWorkflowProperties,
        Do::ScheduleNexusOperationCommandAttributes(_) => T::ScheduleNexusOperation,
        Do::RequestCancelNexusOperationCommandAttributes(_) => T::RequestCancelNexusOperation,
    };
    Command {
        command_type: kind as i32,
        attributes: Some(attributes),
        ..Default::default()
    }
}

/// `id Type`, and for some types what the tests look at.
fn show(event: &HistoryEvent) -> String {
    use Attributes as A;
    let kind = EventType::try_from(event.event_type).unwrap();
    let id = event.event_id;
    let note = match event.attributes.as_ref().unwrap() {
        A::WorkflowTaskFailedEventAttributes(a) => format!(" {:?}", a.cause()),
        A::WorkflowTaskScheduledEventAttributes(a) if a.attempt > 1 => format!(" {}", a.attempt),
        A::ActivityTaskScheduledEventAttributes(a) => format!(" {}", a.activity_id),
        A::ActivityTaskStartedEventAttributes(a) => {
            let last = a.last_failure.as_ref().map(|last| last.message.clone());
            let last = last.map_or_else(String::new, |last| format!(" after {last:?}"));
            format!(" of {} attempt {}{last}", a.scheduled_event_id, a.attempt)
        }
        A::ActivityTaskCompletedEventAttributes(a) => {
            format!(
                " of {} started {}",
                a.scheduled_event_id, a.started_event_id
            )
        }
        A::ActivityTaskFailedEventAttributes(a) => format!(
            " of {} started {} {:?}",
            a.scheduled_event_id,
            a.started_event_id,
            a.retry_state()
        ),
        A::ActivityTaskTimedOutEventAttributes(a) => {
            let failure = a.failure.as_ref().unwrap();
            let Some(FailureInfo::TimeoutFailureInfo(info)) = &failure.failure_info else {
                panic!("a timeout");
            };
            format!(
                " of {} started {} {:?} {:?}",
                a.scheduled_event_id,
                a.started_event_id,
                info.timeout_type(),
                a.retry_state()
            )
        }
        A::ActivityTaskCanceledEventAttributes(a) => format!(
            " of {} started {} requested {}",
            a.scheduled_event_id, a.started_event_id, a.latest_cancel_requested_event_id
        ),
        A::ActivityTaskCancelRequestedEventAttributes(a) => format!(" of {}", a.scheduled_event_id),
        A::TimerStartedEventAttributes(a) => format!(" {}", a.timer_id),
        A::TimerFiredEventAttributes(a) => format!(" {} of {}", a.timer_id, a.started_event_id),
        A::TimerCanceledEventAttributes(a) => format!(" {} of {}", a.timer_id, a.started_event_id),
        A::WorkflowExecutionSignaledEventAttributes(a) => format!(" {}", a.signal_name),
        A::StartChildWorkflowExecutionFailedEventAttributes(a) => format!(" {:?}", a.cause()),
        A::ChildWorkflowExecutionCompletedEventAttributes(a) => {
            format!(
                " of {} started {}",
                a.initiated_event_id, a.started_event_id
            )
        }
        _ => String::new(),
    };
    format!("{id} {kind:?}{note}")
}
