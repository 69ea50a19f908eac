//! From events to groups, one event at a time.

use std::collections::{BTreeMap, BTreeSet};

use steadfast_protocol::common::{Payloads, WorkflowExecution};
use steadfast_protocol::enums::TimeoutType;
use steadfast_protocol::failure::Failure;
use steadfast_protocol::history::history_event::Attributes as A;
use steadfast_protocol::history::{
    HistoryEvent, MarkerRecordedEventAttributes, WorkflowTaskFailedEventAttributes,
};
use steadfast_protocol::update::outcome;

use super::attributes::enum_words;
use super::group::{Group, Kind, State};
use super::moment;
use crate::payload::failure::{brief, text_of};
use crate::payload::json;

/// Failures are kept in this many characters.
const FAILURE_CHARS: usize = 300;

/// What some events say about the run as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFacts {
    /// The first run of its chain.
    pub first_run: String,
    /// The run that went on in this one.
    pub previous_run: String,
    /// The run in which this one goes on.
    pub next_run: String,
    /// Name and version of the SDK that worked on it last.
    pub sdk: String,
    /// Who worked on it last.
    pub worker: String,
    /// Who started it.
    pub started_by: String,
    /// Its cron schedule.
    pub cron: String,
    /// The last workflow task that failed, if no later one was completed: what it said, and its event.
    pub task_failure: Option<(String, i64)>,
}

/// Puts events into groups, in the order of their ids.
#[derive(Clone, Debug, Default)]
pub struct Grouping {
    /// What some events say about the run as a whole.
    pub facts: RunFacts,
    /// The groups, in the order of their first events.
    pub groups: Vec<Group>,
    /// The group of each event: that of event 1 comes first.
    pub group_of: Vec<u32>,
    /// The kinds of groups that there are.
    pub kinds: BTreeSet<Kind>,
    /// The events that made their groups fail.
    pub failures: BTreeSet<i64>,
    /// The places of the groups that have not ended.
    open: BTreeSet<usize>,
    /// Groups that other events refer to by the id of this one.
    by_event: BTreeMap<i64, usize>,
    /// Updates by the id of their message exchange.
    by_update: BTreeMap<String, usize>,
}

impl Grouping {
    /// Takes the next event.
    pub fn push(&mut self, event: &HistoryEvent) {
        self.facts.learn(event);
        let at = moment::ms_of(event.event_time.as_ref()).unwrap_or_default();
        let mut step = Step {
            grouping: self,
            event,
            at,
        };
        let index = step.place();
        let group = &mut self.groups[index];
        // Kept as events come: pages of a run of a million events have no time to look at all of its groups.
        if let Some(before) = group.events.last() {
            self.failures.remove(before);
        }
        group.events.push(event.event_id);
        if group.state.is_bad() {
            self.failures.insert(event.event_id);
        }
        match group.state {
            State::Open => self.open.insert(index),
            _ => self.open.remove(&index),
        };
        self.kinds.insert(group.kind);
        self.group_of.push(u32::try_from(index).unwrap_or(u32::MAX));
    }

    /// The group of an event.
    pub fn of_event(&self, event_id: i64) -> Option<&Group> {
        self.groups.get(self.place_of(event_id)?)
    }

    /// The place of the group of an event.
    pub fn place_of(&self, event_id: i64) -> Option<usize> {
        let at = usize::try_from(event_id.checked_sub(1)?).ok()?;
        self.group_of.get(at).map(|place| *place as usize)
    }

    /// The groups that have not ended, with their places.
    pub fn open(&self) -> impl DoubleEndedIterator<Item = (usize, &Group)> {
        self.open.iter().map(|place| (*place, &self.groups[*place]))
    }
}

impl RunFacts {
    fn learn(&mut self, event: &HistoryEvent) {
        match &event.attributes {
            Some(A::WorkflowExecutionStartedEventAttributes(e)) => {
                self.first_run.clone_from(&e.first_execution_run_id);
                self.previous_run.clone_from(&e.continued_execution_run_id);
                self.started_by.clone_from(&e.identity);
                self.cron.clone_from(&e.cron_schedule);
            }
            Some(A::WorkflowTaskCompletedEventAttributes(e)) => {
                self.task_failure = None;
                self.worker.clone_from(&e.identity);
                if let Some(sdk) = e
                    .sdk_metadata
                    .as_ref()
                    .filter(|sdk| !sdk.sdk_name.is_empty())
                {
                    self.sdk = format!("{} {}", sdk.sdk_name, sdk.sdk_version);
                }
            }
            Some(A::WorkflowTaskFailedEventAttributes(e)) => {
                self.task_failure = Some((task_failure(e), event.event_id));
            }
            Some(A::WorkflowExecutionCompletedEventAttributes(e)) => {
                self.next_run.clone_from(&e.new_execution_run_id);
            }
            Some(A::WorkflowExecutionFailedEventAttributes(e)) => {
                self.next_run.clone_from(&e.new_execution_run_id);
            }
            Some(A::WorkflowExecutionTimedOutEventAttributes(e)) => {
                self.next_run.clone_from(&e.new_execution_run_id);
            }
            Some(A::WorkflowExecutionContinuedAsNewEventAttributes(e)) => {
                self.next_run.clone_from(&e.new_execution_run_id);
            }
            _ => {}
        }
    }
}

struct Step<'a> {
    grouping: &'a mut Grouping,
    event: &'a HistoryEvent,
    at: i64,
}

impl Step<'_> {
    #[expect(clippy::too_many_lines, reason = "one arm for each type of event")]
    fn place(&mut self) -> usize {
        let Some(attributes) = &self.event.attributes else {
            return self.point(Kind::Change, "", "");
        };
        match attributes {
            A::WorkflowExecutionStartedEventAttributes(e) => {
                let name = e.workflow_type.as_ref().map_or("", |kind| &kind.name);
                self.open(Kind::Workflow, name, &e.workflow_id)
            }
            A::WorkflowExecutionCompletedEventAttributes(_) => self.end_run(State::Completed, ""),
            A::WorkflowExecutionFailedEventAttributes(e) => {
                self.end_run(State::Failed, &failure_text(e.failure.as_ref()))
            }
            A::WorkflowExecutionTimedOutEventAttributes(_) => {
                self.end_run(State::TimedOut, "the workflow timed out")
            }
            A::WorkflowExecutionCanceledEventAttributes(_) => self.end_run(State::Canceled, ""),
            A::WorkflowExecutionTerminatedEventAttributes(e) => {
                self.end_run(State::Terminated, &e.reason)
            }
            A::WorkflowExecutionContinuedAsNewEventAttributes(e) => {
                self.end_run(State::Continued, &failure_text(e.failure_of_before()))
            }

            A::WorkflowTaskScheduledEventAttributes(e) => {
                let index = self.open(Kind::WorkflowTask, "", "");
                self.grouping.groups[index].attempt = e.attempt;
                index
            }
            A::WorkflowTaskStartedEventAttributes(e) => self.start(e.scheduled_event_id),
            A::WorkflowTaskCompletedEventAttributes(e) => {
                self.end(e.scheduled_event_id, State::Completed, "")
            }
            A::WorkflowTaskFailedEventAttributes(e) => {
                self.end(e.scheduled_event_id, State::Failed, &task_failure(e))
            }
            A::WorkflowTaskTimedOutEventAttributes(e) => {
                let kind = enum_words(e.timeout_type().as_str_name(), "TIMEOUT_TYPE");
                let text = format!("{kind} timeout");
                match e.timeout_type() {
                    // The worker that kept the workflow in its cache is away; another one takes over. Nothing is wrong.
                    TimeoutType::ScheduleToStart => {
                        self.end(e.scheduled_event_id, State::Canceled, &text)
                    }
                    _ => self.end(e.scheduled_event_id, State::TimedOut, &text),
                }
            }

            A::ActivityTaskScheduledEventAttributes(e) => {
                let name = e.activity_type.as_ref().map_or("", |kind| &kind.name);
                let index = self.open(Kind::Activity, name, &e.activity_id);
                self.grouping.groups[index].attempt = 1;
                index
            }
            A::ActivityTaskStartedEventAttributes(e) => {
                let index = self.start(e.scheduled_event_id);
                let group = &mut self.grouping.groups[index];
                group.attempt = e.attempt;
                if e.last_failure.is_some() {
                    group.failure = failure_text(e.last_failure.as_ref());
                }
                index
            }
            A::ActivityTaskCompletedEventAttributes(e) => {
                self.end(e.scheduled_event_id, State::Completed, "")
            }
            A::ActivityTaskFailedEventAttributes(e) => self.end(
                e.scheduled_event_id,
                State::Failed,
                &failure_text(e.failure.as_ref()),
            ),
            A::ActivityTaskTimedOutEventAttributes(e) => self.end(
                e.scheduled_event_id,
                State::TimedOut,
                &failure_text(e.failure.as_ref()),
            ),
            A::ActivityTaskCancelRequestedEventAttributes(e) => self.join(e.scheduled_event_id),
            A::ActivityTaskCanceledEventAttributes(e) => {
                self.end(e.scheduled_event_id, State::Canceled, "")
            }
            A::ActivityPropertiesModifiedExternallyEventAttributes(e) => {
                self.join(e.scheduled_event_id)
            }

            A::TimerStartedEventAttributes(e) => {
                let index = self.open(Kind::Timer, "", &e.timer_id);
                let span = e.start_to_fire_timeout.as_ref();
                let group = &mut self.grouping.groups[index];
                group.due = span
                    .map(|span| self.at + span.seconds * 1000 + i64::from(span.nanos) / 1_000_000);
                group.name = span.map_or_else(String::new, super::attributes::span_words);
                index
            }
            A::TimerFiredEventAttributes(e) => self.end(e.started_event_id, State::Completed, ""),
            A::TimerCanceledEventAttributes(e) => self.end(e.started_event_id, State::Canceled, ""),

            A::StartChildWorkflowExecutionInitiatedEventAttributes(e) => {
                let name = e.workflow_type.as_ref().map_or("", |kind| &kind.name);
                self.open(Kind::Child, name, &e.workflow_id)
            }
            A::StartChildWorkflowExecutionFailedEventAttributes(e) => {
                let cause = e.cause().as_str_name();
                let cause = enum_words(cause, "START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE");
                self.end(e.initiated_event_id, State::Failed, &cause)
            }
            A::ChildWorkflowExecutionStartedEventAttributes(e) => {
                let index = self.start(e.initiated_event_id);
                self.grouping.groups[index].run = run(e.workflow_execution.as_ref());
                index
            }
            A::ChildWorkflowExecutionCompletedEventAttributes(e) => {
                self.end(e.initiated_event_id, State::Completed, "")
            }
            A::ChildWorkflowExecutionFailedEventAttributes(e) => self.end(
                e.initiated_event_id,
                State::Failed,
                &failure_text(e.failure.as_ref()),
            ),
            A::ChildWorkflowExecutionCanceledEventAttributes(e) => {
                self.end(e.initiated_event_id, State::Canceled, "")
            }
            A::ChildWorkflowExecutionTimedOutEventAttributes(e) => {
                self.end(e.initiated_event_id, State::TimedOut, "")
            }
            A::ChildWorkflowExecutionTerminatedEventAttributes(e) => {
                self.end(e.initiated_event_id, State::Terminated, "")
            }

            A::SignalExternalWorkflowExecutionInitiatedEventAttributes(e) => {
                let index = self.open(Kind::SignalSent, &e.signal_name, "");
                self.grouping.groups[index].run = run(e.workflow_execution.as_ref());
                index
            }
            A::SignalExternalWorkflowExecutionFailedEventAttributes(e) => {
                let cause = e.cause().as_str_name();
                let cause = enum_words(cause, "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE");
                self.end(e.initiated_event_id, State::Failed, &cause)
            }
            A::ExternalWorkflowExecutionSignaledEventAttributes(e) => {
                self.end(e.initiated_event_id, State::Completed, "")
            }
            A::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(e) => {
                let index = self.open(Kind::CancelSent, "", "");
                self.grouping.groups[index].run = run(e.workflow_execution.as_ref());
                index
            }
            A::RequestCancelExternalWorkflowExecutionFailedEventAttributes(e) => {
                let cause = e.cause().as_str_name();
                let cause = enum_words(cause, "CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE");
                self.end(e.initiated_event_id, State::Failed, &cause)
            }
            A::ExternalWorkflowExecutionCancelRequestedEventAttributes(e) => {
                self.end(e.initiated_event_id, State::Completed, "")
            }

            A::NexusOperationScheduledEventAttributes(e) => {
                let name = format!("{}.{}", e.service, e.operation);
                self.open(Kind::Nexus, &name, &e.endpoint)
            }
            A::NexusOperationStartedEventAttributes(e) => self.start(e.scheduled_event_id),
            A::NexusOperationCompletedEventAttributes(e) => {
                self.end(e.scheduled_event_id, State::Completed, "")
            }
            A::NexusOperationFailedEventAttributes(e) => self.end(
                e.scheduled_event_id,
                State::Failed,
                &failure_text(e.failure.as_ref()),
            ),
            A::NexusOperationCanceledEventAttributes(e) => {
                self.end(e.scheduled_event_id, State::Canceled, "")
            }
            A::NexusOperationTimedOutEventAttributes(e) => self.end(
                e.scheduled_event_id,
                State::TimedOut,
                &failure_text(e.failure.as_ref()),
            ),
            A::NexusOperationCancelRequestedEventAttributes(e) => self.join(e.scheduled_event_id),
            A::NexusOperationCancelRequestCompletedEventAttributes(e) => {
                self.join(e.scheduled_event_id)
            }
            A::NexusOperationCancelRequestFailedEventAttributes(e) => {
                self.join(e.scheduled_event_id)
            }

            A::WorkflowExecutionUpdateAdmittedEventAttributes(e) => {
                let request = e.request.as_ref();
                let id =
                    request.and_then(|request| Some(request.meta.as_ref()?.update_id.as_str()));
                let name = request.and_then(|request| Some(request.input.as_ref()?.name.as_str()));
                self.open_update(name.unwrap_or_default(), id.unwrap_or_default())
            }
            A::WorkflowExecutionUpdateAcceptedEventAttributes(e) => {
                let request = e.accepted_request.as_ref();
                let name = request.and_then(|request| Some(request.input.as_ref()?.name.as_str()));
                let index = self.open_update(name.unwrap_or_default(), &e.protocol_instance_id);
                self.grouping.groups[index].started = Some(self.at);
                self.grouping.by_event.insert(self.event.event_id, index);
                index
            }
            A::WorkflowExecutionUpdateRejectedEventAttributes(e) => {
                let index = self.open_update("", &e.protocol_instance_id);
                self.close(index, State::Failed, &failure_text(e.failure.as_ref()))
            }
            A::WorkflowExecutionUpdateCompletedEventAttributes(e) => {
                match e
                    .outcome
                    .as_ref()
                    .and_then(|outcome| outcome.value.as_ref())
                {
                    Some(outcome::Value::Failure(failure)) => self.end(
                        e.accepted_event_id,
                        State::Failed,
                        &failure_text(Some(failure)),
                    ),
                    _ => self.end(e.accepted_event_id, State::Completed, ""),
                }
            }

            A::WorkflowExecutionSignaledEventAttributes(e) => {
                self.point(Kind::Signal, &e.signal_name, "")
            }
            A::MarkerRecordedEventAttributes(e) => self.marker(e),
            A::WorkflowExecutionCancelRequestedEventAttributes(_) => {
                self.point(Kind::Change, "cancellation requested", "")
            }
            A::UpsertWorkflowSearchAttributesEventAttributes(_) => {
                self.point(Kind::Change, "search attributes", "")
            }
            A::WorkflowPropertiesModifiedEventAttributes(_)
            | A::WorkflowPropertiesModifiedExternallyEventAttributes(_) => {
                self.point(Kind::Change, "memo", "")
            }
            A::WorkflowExecutionOptionsUpdatedEventAttributes(_) => {
                self.point(Kind::Change, "options", "")
            }
            A::WorkflowExecutionPausedEventAttributes(_) => self.point(Kind::Change, "paused", ""),
            A::WorkflowExecutionUnpausedEventAttributes(_) => {
                self.point(Kind::Change, "unpaused", "")
            }
            A::WorkflowExecutionTimeSkippingTransitionedEventAttributes(_) => {
                self.point(Kind::Change, "time skipping", "")
            }
        }
    }

    fn open(&mut self, kind: Kind, name: &str, id: &str) -> usize {
        let summary = self.event.user_metadata.as_ref();
        let summary = summary.and_then(|metadata| metadata.summary.as_ref());
        self.grouping.groups.push(Group {
            kind,
            name: name.to_owned(),
            id: id.to_owned(),
            summary: summary.map_or_else(String::new, text_of),
            state: State::Open,
            events: Vec::with_capacity(3),
            opened: self.at,
            started: None,
            closed: None,
            attempt: 0,
            failure: String::new(),
            run: None,
            due: None,
        });
        let index = self.grouping.groups.len() - 1;
        self.grouping.by_event.insert(self.event.event_id, index);
        index
    }

    fn point(&mut self, kind: Kind, name: &str, id: &str) -> usize {
        let index = self.open(kind, name, id);
        self.grouping.by_event.remove(&self.event.event_id);
        self.close(index, State::Completed, "")
    }

    fn open_update(&mut self, name: &str, id: &str) -> usize {
        if let Some(index) = self.grouping.by_update.get(id) {
            return *index;
        }
        let index = self.open(Kind::Update, name, id);
        self.grouping.by_update.insert(id.to_owned(), index);
        index
    }

    fn join(&mut self, opened_by: i64) -> usize {
        match self.grouping.by_event.get(&opened_by) {
            Some(index) => *index,
            None => self.point(Kind::Change, "", ""),
        }
    }

    fn start(&mut self, opened_by: i64) -> usize {
        let index = self.join(opened_by);
        self.grouping.groups[index].started = Some(self.at);
        index
    }

    fn end(&mut self, opened_by: i64, state: State, failure: &str) -> usize {
        let index = self.join(opened_by);
        self.close(index, state, failure)
    }

    fn end_run(&mut self, state: State, failure: &str) -> usize {
        self.end(1, state, failure)
    }

    fn close(&mut self, index: usize, state: State, failure: &str) -> usize {
        let group = &mut self.grouping.groups[index];
        group.state = state;
        group.closed = Some(self.at.max(group.opened));
        if !failure.is_empty() {
            group.failure = crate::payload::shorten(failure, FAILURE_CHARS);
        }
        index
    }

    fn marker(&mut self, marker: &MarkerRecordedEventAttributes) -> usize {
        let is_local = matches!(
            marker.marker_name.as_str(),
            "LocalActivity" | "core_local_activity"
        );
        if !is_local {
            return self.point(Kind::Marker, &marker.marker_name, "");
        }
        let name = local_activity_type(marker).unwrap_or_default();
        let index = self.point(Kind::LocalActivity, &name, "");
        match &marker.failure {
            Some(failure) => self.close(index, State::Failed, &failure_text(Some(failure))),
            None => index,
        }
    }
}

/// The SDKs write it into a JSON object, each under a name of its own.
fn local_activity_type(marker: &MarkerRecordedEventAttributes) -> Option<String> {
    let payloads: Vec<&Payloads> = marker.details.values().collect();
    for payload in payloads.iter().flat_map(|payloads| &payloads.payloads) {
        let Ok(text) = std::str::from_utf8(&payload.data) else {
            continue;
        };
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        for key in ["activity_type", "activityType", "ActivityType"] {
            if let Some(name) = value.get(key).and_then(serde_json::Value::as_str) {
                return Some(name.to_owned());
            }
        }
    }
    let named = marker.details.get("type")?.payloads.first()?;
    json::string(std::str::from_utf8(&named.data).ok()?)
}

fn task_failure(failed: &WorkflowTaskFailedEventAttributes) -> String {
    let cause = enum_words(failed.cause().as_str_name(), "WORKFLOW_TASK_FAILED_CAUSE");
    match failure_text(failed.failure.as_ref()) {
        text if text.is_empty() => cause,
        text => format!("{cause}: {text}"),
    }
}

fn failure_text(failure: Option<&Failure>) -> String {
    failure.map_or_else(String::new, |failure| {
        crate::payload::shorten(&brief(failure), FAILURE_CHARS)
    })
}

fn run(execution: Option<&WorkflowExecution>) -> Option<(String, String)> {
    execution.map(|run| (run.workflow_id.clone(), run.run_id.clone()))
}

trait FailureBefore {
    fn failure_of_before(&self) -> Option<&Failure>;
}

impl FailureBefore for steadfast_protocol::history::WorkflowExecutionContinuedAsNewEventAttributes {
    #[allow(deprecated, reason = "a retried run of an older server says there why")]
    fn failure_of_before(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }
}
