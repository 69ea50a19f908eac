//! Scripts of one workflow id: each line is an input, and the answer is what became of it: the events by block, what the
//! caller got, and the messages that leave.
//!
//! After every line the run is put together again from its stored rows, and must be the same.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write;

use prost::Message;
use steadfast_core::completion;
use steadfast_core::context::{Context, Ids, Namespace};
use steadfast_core::execution::Execution;
use steadfast_core::limits::Limits;
use steadfast_core::outcome::Outcome;
use steadfast_core::policy::{self, Decision};
use steadfast_core::rows::Row;
use steadfast_core::signal::Signal;
use steadfast_core::start::{self, FirstTask, Parent, StartParams};
use steadfast_core::time::{SECOND, Time, to_duration};
use steadfast_core::workflow_task::{self, TaskPoll, TaskRef, TaskStart};
use steadfast_core::{cancel, due, options, signal, terminate};
use steadfast_protocol::command::{self, Command, command::Attributes as CommandAttributes};
use steadfast_protocol::common::{
    Payload, Payloads, RetryPolicy, SearchAttributes, WorkflowExecution, WorkflowType,
};
use steadfast_protocol::enums::{
    CommandType, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowTaskFailedCause,
};
use steadfast_protocol::failure::failure::FailureInfo;
use steadfast_protocol::failure::{ApplicationFailureInfo, Failure};
use steadfast_protocol::history::HistoryEvent;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::taskqueue::{StickyExecutionAttributes, TaskQueue};
use steadfast_protocol::workflow::OnConflictOptions;
use steadfast_protocol::workflowservice::{
    RespondWorkflowTaskCompletedRequest, StartWorkflowExecutionRequest,
};

/// Plays a script. Each line is `input: answer`; blanks around it do not matter.
#[track_caller]
pub(crate) fn check(script: &str) {
    let lines = script.lines().map(str::trim);
    let expected: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    let mut world = World::default();
    let mut answers = Vec::new();
    for line in &expected {
        let input = line.split(": ").next().unwrap_or_default();
        let input = input.strip_suffix(':').unwrap_or(input);
        let answer = world.play(input);
        answers.push(format!("{input}: {answer}").trim_end().to_owned());
        world.verify();
    }
    let (answers, expected) = (answers.join("\n"), expected.join("\n"));
    assert!(
        answers == expected,
        "\n--- expected\n{expected}\n--- got\n{answers}\n"
    );
}

#[derive(Default)]
pub(crate) struct World {
    now: Cell<i64>,
    ids: Counter,
    place: Place,
    pub(crate) runs: Vec<Stored>,
    /// The run that the script is about; mostly the last.
    at: usize,
    task: Option<TaskStart>,
    pub(crate) limits: Limits,
}

/// A run and its rows in the store.
pub(crate) struct Stored {
    pub(crate) run: Execution,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    last_event_id: i64,
    last_task_id: i64,
}

#[derive(Default)]
struct Counter(Cell<u32>);

impl Ids for Counter {
    fn uuid(&self) -> String {
        self.0.set(self.0.get() + 1);
        format!("u{}", self.0.get())
    }
}

#[derive(Default)]
struct Place;

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
    fn check_search_attributes(&self, _: &SearchAttributes) -> Result<(), String> {
        Ok(())
    }
    fn kept_search_attributes(&self, attributes: &SearchAttributes) -> SearchAttributes {
        attributes.clone()
    }
    fn id_of(&self, name: &str) -> Option<String> {
        (name == "place").then(|| "place-id".to_owned())
    }
}

/// The start of time, so that nothing is at zero.
const EPOCH: i64 = 1_000_000 * SECOND;

impl World {
    pub(crate) fn play(&mut self, line: &str) -> String {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words = Words(rest);
        match verb {
            "start" => self.start(&words),
            "wait" => {
                let nanos = words.seconds("s").unwrap_or_default();
                self.now.set(self.now.get() + nanos);
                String::new()
            }
            "due" => self.due(),
            "poll" => self.poll(&words),
            "done" => self.done(&words),
            "run" => {
                self.at = rest.parse::<usize>().expect("a number") - 1;
                String::new()
            }
            _ => self.input(verb, &words),
        }
    }

    /// An input whose answer is an outcome.
    fn input(&mut self, verb: &str, words: &Words<'_>) -> String {
        let task = self.task.as_ref().map(reference);
        let at = self.at;
        self.with(|run, cx| match verb {
            "signal" => {
                let sws = words.has("with-start");
                signal::signal(run, cx, words.signal("signal"), sws)
            }
            "cancel" => cancel::request(
                run,
                cx,
                cancel::CancelRequest {
                    reason: words.get("reason").unwrap_or_default().to_owned(),
                    identity: "me".to_owned(),
                    addressee: words.addressee(),
                    ..Default::default()
                },
            ),
            "terminate" => terminate::terminate(
                run,
                cx,
                terminate::TerminateParams {
                    identity: words.get("by").unwrap_or_default().to_owned(),
                    addressee: words.addressee(),
                    ..Default::default()
                },
            )
            .map(Some),
            "delete" => terminate::delete(run, cx).map(Some),
            "release" => Ok(start::release(run, cx)),
            "fail" => workflow_task::fail(
                run,
                cx,
                &task.expect("polled"),
                WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure,
                None,
                "worker",
                "",
            )
            .map(Some),
            _ => panic!("unknown verb {verb} at run {at}"),
        })
    }

    pub(crate) fn cx<T>(&self, act: impl FnOnce(&Context<'_>) -> T) -> T {
        act(&Context {
            now: Time(EPOCH + self.now.get()),
            namespace: &self.place,
            ids: &self.ids,
            limits: &self.limits,
        })
    }

    fn with(
        &mut self,
        act: impl FnOnce(
            &mut Execution,
            &Context<'_>,
        ) -> Result<Option<Outcome>, steadfast_core::Refusal>,
    ) -> String {
        let mut run = self.runs[self.at].run.clone();
        let before = run.head.clone();
        let result = self.cx(|cx| act(&mut run, cx));
        match result {
            Ok(Some(outcome)) => {
                self.runs[self.at].run = run;
                self.commit(self.at, outcome)
            }
            Ok(None) => {
                assert_eq!(run.head, before, "nothing to store, nothing changed");
                "nothing".to_owned()
            }
            Err(refusal) => {
                assert_eq!(run.head, before, "a refused input changes nothing");
                format!("refused: {refusal}")
            }
        }
    }

    fn start(&mut self, words: &Words<'_>) -> String {
        let run_id = format!("r{}", self.runs.len() + 1);
        let request = words.request();
        let current = self.runs.last().map(|stored| &stored.run);
        let decision = policy::decide(
            current,
            &request.request_id,
            request.workflow_id_reuse_policy,
            request.workflow_id_conflict_policy,
        );
        let mut answer = String::new();
        match decision {
            Err(refusal) => return format!("refused: {refusal}"),
            Ok(Decision::Start) => {}
            Ok(Decision::Duplicate { started }) => return format!("duplicate started={started}"),
            Ok(Decision::UseExisting) => {
                return self.with(|run, cx| Ok(options::attach(run, cx, &request)));
            }
            Ok(Decision::TerminateExisting) => {
                self.at = self.runs.len() - 1;
                answer =
                    self.with(|run, cx| Ok(Some(policy::terminate_existing(run, cx, &run_id))));
                answer.push_str(" & ");
            }
        }
        let child = words.has("child");
        let execution = || WorkflowExecution {
            workflow_id: "parent".to_owned(),
            run_id: "p1".to_owned(),
        };
        let params = StartParams {
            request,
            run_id,
            parent: child.then(|| Parent {
                namespace: "place".to_owned(),
                namespace_id: "place-id".to_owned(),
                workflow_id: "parent".to_owned(),
                run_id: "p1".to_owned(),
                initiated_event_id: 5,
                initiated_event_version: 0,
            }),
            root: child.then(execution),
            first_task: match child {
                true => FirstTask::WhenReleased,
                false => FirstTask::AtOnce,
            },
            signal: words.get("signal").map(|_| words.signal("signal")),
            allow_eager: true,
            continued: None,
        };
        match self.cx(|cx| start::start(cx, params)) {
            Err(refusal) => format!("refused: {refusal}"),
            Ok(started) => {
                self.task = started.eager_task;
                let offered = started.outcome.tasks_added.len();
                self.add(started.run);
                answer.push_str(&self.commit(self.at, started.outcome));
                if self.task.is_some() {
                    assert_eq!(offered, 0, "an eager task is not in the queue");
                    answer.push_str(" eager");
                }
                answer
            }
        }
    }

    fn add(&mut self, run: Execution) {
        self.runs.push(Stored {
            run,
            rows: BTreeMap::new(),
            last_event_id: 0,
            last_task_id: 0,
        });
        self.at = self.runs.len() - 1;
    }

    /// Everything due until now, one instant after the other.
    fn due(&mut self) -> String {
        let mut run = self.runs[self.at].run.clone();
        let fired = self.cx(|cx| due::fire(&mut run, cx));
        self.runs[self.at].run = run;
        let mut answer = match fired.outcome {
            Some(outcome) => self.commit(self.at, outcome),
            None => "nothing".to_owned(),
        };
        if fired.delete {
            answer = "deleted".to_owned();
        }
        answer
    }

    fn poll(&mut self, words: &Words<'_>) -> String {
        let queue = words.get("queue").unwrap_or("queue").to_owned();
        let mut run = self.runs[self.at].run.clone();
        let Some(task) = run.head.workflow_task.clone() else {
            return "no task".to_owned();
        };
        let offered = steadfast_core::transition::workflow_task(&run, &task);
        let poll = TaskPoll {
            queue,
            identity: "worker".to_owned(),
            request_id: "poll".to_owned(),
            worker_version: None,
        };
        let started = self.cx(|cx| workflow_task::start(&mut run, cx, &offered, &poll));
        self.runs[self.at].run = run;
        let Some(started) = started else {
            return "obsolete".to_owned();
        };
        let answer = format!(
            "attempt {} events {}/{} after {}",
            started.task.attempt,
            started.task.scheduled_event_id,
            started.started.started_event_id,
            started.previous_started_event_id,
        );
        self.task = Some(started);
        answer
    }

    fn done(&mut self, words: &Words<'_>) -> String {
        let token = reference(self.task.as_ref().expect("polled"));
        let request = RespondWorkflowTaskCompletedRequest {
            identity: "worker".to_owned(),
            commands: words.commands(),
            sticky_attributes: words.has("sticky").then(|| StickyExecutionAttributes {
                worker_task_queue: Some(TaskQueue {
                    name: "own".to_owned(),
                    ..Default::default()
                }),
                schedule_to_start_timeout: Some(to_duration(10 * SECOND)),
            }),
            ..Default::default()
        };
        let mut run = self.runs[self.at].run.clone();
        let completion = self.cx(|cx| completion::complete(&mut run, cx, &token, request));
        self.runs[self.at].run = run;
        let mut answer = match completion.outcome {
            Some(outcome) => self.commit(self.at, outcome),
            None => String::new(),
        };
        if let Err(refusal) = completion.reply {
            write!(answer, " refused: {refusal}").expect("a string");
        }
        answer.trim().to_owned()
    }

    /// Stores an outcome and says what it was.
    fn commit(&mut self, at: usize, outcome: Outcome) -> String {
        let stored = &mut self.runs[at];
        for row in &outcome.changed {
            let mut key = Vec::new();
            Row::write_key(row, &mut key);
            match stored.run.encode_row(row) {
                Some(bytes) => stored.rows.insert(key, bytes),
                None => stored.rows.remove(&key),
            };
        }
        let head = stored.run.head.encode_to_vec();
        stored.rows.insert(Row::HEAD_KEY.to_vec(), head);
        let mut blocks = Vec::new();
        for block in &outcome.blocks {
            let mut texts = Vec::new();
            for event in block {
                stored.last_event_id += 1;
                assert_eq!(event.event_id, stored.last_event_id, "no gaps");
                stored.last_task_id += 1;
                let of_chain = stored.last_task_id;
                assert_eq!(event.task_id, of_chain, "goes on from run to run");
                texts.push(show(event));
            }
            blocks.push(texts.join(", "));
        }
        assert_eq!(stored.run.head.next_event_id, stored.last_event_id + 1);
        let mut answer = blocks.join(" | ");
        for effect in &outcome.effects {
            write!(answer, " +{effect:?}").expect("a string");
        }
        for id in &outcome.released_queries {
            write!(answer, " +query {id}").expect("a string");
        }
        if let Some(successor) = outcome.successor {
            let (run, outcome) = *successor;
            assert_eq!(run.key.run_id, self.runs[at].run.head.successor_run_id);
            self.add(run);
            self.runs[self.at].last_task_id = self.runs[at].last_task_id;
            let next = self.commit(self.at, outcome);
            write!(answer, " => {next}").expect("a string");
        }
        answer.trim().to_owned()
    }

    /// What the store holds is the run.
    fn verify(&self) {
        for Stored { run, rows, .. } in &self.runs {
            let mut rows = rows.iter().map(|(key, bytes)| (&key[..], &bytes[..]));
            let (first, head) = rows.next().expect("rows that were written");
            assert_eq!(first, Row::HEAD_KEY);
            let loaded = Execution::decode(run.key.clone(), run.started.clone(), head, rows);
            let loaded = loaded.expect("rows that were written");
            // A started task may have another number than the stored one, which was not started.
            if !run.is_task_started() {
                assert_eq!(loaded.head, run.head);
            }
            assert_eq!(loaded.deadlines, run.deadlines);
            assert_eq!(loaded.buffered, run.buffered);
            assert_eq!(loaded.timers, run.timers);
            assert_eq!(loaded.activities, run.activities);
            assert_eq!(loaded.signal_request_ids, run.signal_request_ids);
        }
    }
}

fn reference(task: &TaskStart) -> TaskRef {
    TaskRef {
        scheduled_event_id: task.task.scheduled_event_id,
        started_event_id: task.started.started_event_id,
        started_time: task.started.started_time,
        attempt: task.task.attempt,
    }
}

/// The words after a verb: `flag`, `key=value`; an underscore stands for a blank in a value.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn get(&self, key: &str) -> Option<&'a str> {
        self.0.split_whitespace().find_map(|word| {
            let (name, value) = word.split_once('=')?;
            (name == key).then_some(value)
        })
    }

    fn has(&self, flag: &str) -> bool {
        self.0.split_whitespace().any(|word| word == flag)
    }

    fn seconds(&self, key: &str) -> Option<i64> {
        let value: f64 = self.get(key)?.parse().expect("seconds");
        Some((value * SECOND as f64) as i64)
    }

    fn duration(&self, key: &str) -> Option<steadfast_protocol::Duration> {
        self.seconds(key).map(to_duration)
    }

    fn addressee(&self) -> steadfast_core::addressee::Addressee {
        steadfast_core::addressee::Addressee {
            first_execution_run_id: self.get("first").unwrap_or_default().to_owned(),
            parent: None,
        }
    }

    fn signal(&self, key: &str) -> Signal {
        Signal {
            name: self.get(key).unwrap_or("sig").to_owned(),
            identity: "me".to_owned(),
            request_id: self.get("id").unwrap_or_default().to_owned(),
            input: self
                .get("size")
                .map(|size| blob(size.parse().expect("bytes"))),
            addressee: self.addressee(),
            ..Default::default()
        }
    }

    fn request(&self) -> StartWorkflowExecutionRequest {
        let policies = self.get("policies").unwrap_or_default();
        let (reuse, conflict) = policies.split_once(',').unwrap_or((policies, ""));
        let reuse =
            WorkflowIdReusePolicy::from_str_name(&format!("WORKFLOW_ID_REUSE_POLICY_{reuse}"));
        let conflict = WorkflowIdConflictPolicy::from_str_name(&format!(
            "WORKFLOW_ID_CONFLICT_POLICY_{conflict}"
        ));
        StartWorkflowExecutionRequest {
            workflow_id: "flow".to_owned(),
            workflow_type: Some(WorkflowType {
                name: "Flow".to_owned(),
            }),
            task_queue: Some(TaskQueue {
                name: "queue".to_owned(),
                ..Default::default()
            }),
            input: self
                .get("size")
                .map(|size| blob(size.parse().expect("bytes"))),
            workflow_execution_timeout: self.duration("execution"),
            workflow_run_timeout: self.duration("run"),
            workflow_task_timeout: self.duration("task"),
            identity: "me".to_owned(),
            request_id: self.get("request").unwrap_or("request").to_owned(),
            workflow_id_reuse_policy: reuse.unwrap_or_default() as i32,
            workflow_id_conflict_policy: conflict.unwrap_or_default() as i32,
            retry_policy: self.get("retry").map(|attempts| RetryPolicy {
                maximum_attempts: attempts.parse().expect("a number"),
                initial_interval: self.duration("interval"),
                non_retryable_error_types: vec!["Fatal".to_owned()],
                ..Default::default()
            }),
            cron_schedule: self.get("cron").unwrap_or_default().replace('_', " "),
            request_eager_execution: self.has("eager"),
            workflow_start_delay: self.duration("delay"),
            on_conflict_options: self.has("attach").then_some(OnConflictOptions {
                attach_request_id: true,
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn commands(&self) -> Vec<Command> {
        let words = self.0.split_whitespace().filter(|word| *word != "sticky");
        words.map(parse_command).collect()
    }
}

fn blob(size: usize) -> Payloads {
    let payload = Payload {
        data: vec![0; size].into(),
        ..Default::default()
    };
    Payloads {
        payloads: vec![payload],
    }
}

fn text(text: &str) -> Payloads {
    let payload = Payload {
        data: text.to_owned().into(),
        ..Default::default()
    };
    Payloads {
        payloads: vec![payload],
    }
}

fn parse_command(word: &str) -> Command {
    let (kind, value) = word.split_once('=').unwrap_or((word, ""));
    let (command_type, attributes) = match kind {
        "complete" => (
            CommandType::CompleteWorkflowExecution,
            CommandAttributes::CompleteWorkflowExecutionCommandAttributes(
                command::CompleteWorkflowExecutionCommandAttributes {
                    result: Some(text(value)),
                },
            ),
        ),
        "fail" => (
            CommandType::FailWorkflowExecution,
            CommandAttributes::FailWorkflowExecutionCommandAttributes(
                command::FailWorkflowExecutionCommandAttributes {
                    failure: Some(failure(value)),
                },
            ),
        ),
        "cancel" => (
            CommandType::CancelWorkflowExecution,
            CommandAttributes::CancelWorkflowExecutionCommandAttributes(Default::default()),
        ),
        "again" => (
            CommandType::ContinueAsNewWorkflowExecution,
            CommandAttributes::ContinueAsNewWorkflowExecutionCommandAttributes(
                command::ContinueAsNewWorkflowExecutionCommandAttributes {
                    input: Some(text("in")),
                    backoff_start_interval: Words(word).duration("again"),
                    ..Default::default()
                },
            ),
        ),
        "timer" => (
            CommandType::StartTimer,
            CommandAttributes::StartTimerCommandAttributes(command::StartTimerCommandAttributes {
                timer_id: format!("t{value}"),
                start_to_fire_timeout: Words(word).duration("timer"),
            }),
        ),
        _ => panic!("unknown command {word}"),
    };
    Command {
        command_type: command_type as i32,
        attributes: Some(attributes),
        ..Default::default()
    }
}

fn failure(kind: &str) -> Failure {
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

/// An event as `id Name{what matters}`.
fn show(event: &HistoryEvent) -> String {
    use Attributes as A;
    let attributes = event.attributes.as_ref().expect("attributes");
    let mut notes = Vec::new();
    let mut note = |name: &str, value: String| {
        if !["", "0", "Unspecified"].contains(&value.as_str()) {
            notes.push(match name {
                "" => value,
                name => format!("{name}={value}"),
            });
        }
    };
    let name = match attributes {
        A::WorkflowExecutionStartedEventAttributes(a) => {
            note("attempt", a.attempt.to_string());
            note("initiator", format!("{:?}", a.initiator()));
            note("backoff", secs(&a.first_workflow_task_backoff));
            note("run", secs(&a.workflow_run_timeout));
            note("task", secs(&a.workflow_task_timeout));
            note("after", a.continued_execution_run_id.clone());
            note("failure", message(&a.continued_failure));
            note("result", data(&a.last_completion_result));
            "Started"
        }
        A::WorkflowTaskScheduledEventAttributes(a) => {
            note("attempt", a.attempt.to_string());
            let queue = a
                .task_queue
                .as_ref()
                .map_or("", |queue| queue.name.as_str());
            note("", queue.replace("queue", ""));
            "TaskScheduled"
        }
        A::WorkflowTaskStartedEventAttributes(_) => "TaskStarted",
        A::WorkflowTaskCompletedEventAttributes(_) => "TaskCompleted",
        A::WorkflowTaskFailedEventAttributes(a) => {
            note("", format!("{:?}", a.cause()));
            "TaskFailed"
        }
        A::WorkflowTaskTimedOutEventAttributes(a) => {
            note("", format!("{:?}", a.timeout_type()));
            "TaskTimedOut"
        }
        A::WorkflowExecutionSignaledEventAttributes(a) => {
            note("", a.signal_name.clone());
            "Signaled"
        }
        A::WorkflowExecutionCancelRequestedEventAttributes(a) => {
            note("cause", a.cause.clone());
            "CancelRequested"
        }
        A::WorkflowExecutionOptionsUpdatedEventAttributes(a) => {
            note("request", a.attached_request_id.clone());
            "OptionsUpdated"
        }
        A::WorkflowExecutionTerminatedEventAttributes(a) => {
            note("", a.reason.clone());
            note("by", a.identity.clone());
            note("details", data(&a.details));
            "Terminated"
        }
        A::WorkflowExecutionCompletedEventAttributes(a) => {
            note("result", data(&a.result));
            note("next", a.new_execution_run_id.clone());
            "Completed"
        }
        A::WorkflowExecutionFailedEventAttributes(a) => {
            note("", format!("{:?}", a.retry_state()));
            note("next", a.new_execution_run_id.clone());
            "Failed"
        }
        A::WorkflowExecutionTimedOutEventAttributes(a) => {
            note("", format!("{:?}", a.retry_state()));
            note("next", a.new_execution_run_id.clone());
            "TimedOut"
        }
        A::WorkflowExecutionContinuedAsNewEventAttributes(a) => {
            note("run", secs(&a.workflow_run_timeout));
            note("next", a.new_execution_run_id.clone());
            "ContinuedAsNew"
        }
        A::WorkflowExecutionCanceledEventAttributes(_) => "Canceled",
        A::TimerStartedEventAttributes(a) => {
            note("", a.timer_id.clone());
            "TimerStarted"
        }
        A::TimerFiredEventAttributes(a) => {
            note("", a.timer_id.clone());
            "TimerFired"
        }
        other => panic!("an event the scripts do not know: {other:?}"),
    };
    let notes = match notes.is_empty() {
        true => String::new(),
        false => format!("{{{}}}", notes.join(" ")),
    };
    format!("{} {name}{notes}", event.event_id)
}

fn secs(duration: &Option<steadfast_protocol::Duration>) -> String {
    duration.as_ref().map_or_else(String::new, |duration| {
        let seconds = duration.seconds as f64 + f64::from(duration.nanos) / SECOND as f64;
        format!("{seconds}s").replace("0s", if seconds == 0.0 { "" } else { "0s" })
    })
}

fn message(failure: &Option<Failure>) -> String {
    let failure = failure.as_ref();
    failure.map_or_else(String::new, |failure| failure.message.replace(' ', "_"))
}

fn data(payloads: &Option<Payloads>) -> String {
    let first = payloads
        .as_ref()
        .and_then(|payloads| payloads.payloads.first());
    first.map_or_else(String::new, |payload| {
        String::from_utf8_lossy(&payload.data).into_owned()
    })
}
