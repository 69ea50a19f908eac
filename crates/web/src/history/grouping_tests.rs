//! Histories in, steps out, as text.

use steadfast_protocol::Duration;
use steadfast_protocol::Timestamp;
use steadfast_protocol::common::{
    ActivityType, Payload, Payloads, WorkflowExecution, WorkflowType,
};
use steadfast_protocol::enums::{TimeoutType, WorkflowTaskFailedCause};
use steadfast_protocol::failure::Failure;
use steadfast_protocol::history::history_event::Attributes as A;
use steadfast_protocol::history::*;
use steadfast_protocol::sdk::UserMetadata;
use steadfast_protocol::update::{Input, Meta, Outcome, Request, outcome};

use super::group::State;
use super::grouping::Grouping;

/// Events one second apart.
fn check(attributes: Vec<A>, expected: &[&str]) -> Grouping {
    let mut grouping = Grouping::default();
    for (at, attributes) in attributes.into_iter().enumerate() {
        let id = i64::try_from(at).unwrap() + 1;
        grouping.push(&event(id, attributes));
        check_kept(&grouping);
    }
    let lines: Vec<String> = grouping
        .groups
        .iter()
        .map(|group| {
            format!(
                "{} [{}] {} {:?} {}",
                group.title(),
                group.id,
                group.state.word(),
                group.events,
                group.failure
            )
        })
        .collect();
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    assert_eq!(lines, expected);
    grouping
}

/// What is kept as events come is what all groups say.
fn check_kept(grouping: &Grouping) {
    let groups = || grouping.groups.iter();
    let failures = groups().filter(|group| group.state.is_bad());
    let failures = failures.filter_map(|group| group.events.last().copied());
    assert_eq!(grouping.failures, failures.collect());
    let open = groups().enumerate();
    let open = open.filter(|(_, group)| group.state == State::Open);
    assert!(grouping.open().eq(open));
    assert_eq!(grouping.kinds, groups().map(|group| group.kind).collect());
}

fn event(id: i64, attributes: A) -> HistoryEvent {
    HistoryEvent {
        event_id: id,
        event_time: Some(Timestamp {
            seconds: id,
            nanos: 0,
        }),
        attributes: Some(attributes),
        ..Default::default()
    }
}

fn started() -> A {
    A::WorkflowExecutionStartedEventAttributes(Box::new(WorkflowExecutionStartedEventAttributes {
        workflow_type: Some(WorkflowType {
            name: "Order".to_owned(),
        }),
        workflow_id: "o-1".to_owned(),
        first_execution_run_id: "first".to_owned(),
        ..Default::default()
    }))
}

fn failure(message: &str) -> Option<Failure> {
    Some(Failure {
        message: message.to_owned(),
        ..Default::default()
    })
}

fn scheduled(id: &str) -> A {
    A::ActivityTaskScheduledEventAttributes(ActivityTaskScheduledEventAttributes {
        activity_id: id.to_owned(),
        activity_type: Some(ActivityType {
            name: "charge".to_owned(),
        }),
        ..Default::default()
    })
}

fn activity_started(scheduled_event_id: i64, attempt: i32) -> A {
    A::ActivityTaskStartedEventAttributes(ActivityTaskStartedEventAttributes {
        scheduled_event_id,
        attempt,
        last_failure: failure("declined").filter(|_| attempt > 1),
        ..Default::default()
    })
}

#[test]
fn activities_that_overlap() {
    let grouping = check(
        vec![
            started(),
            scheduled("a"),
            scheduled("b"),
            activity_started(3, 1),
            activity_started(2, 3),
            A::ActivityTaskFailedEventAttributes(ActivityTaskFailedEventAttributes {
                scheduled_event_id: 3,
                failure: failure("no stock"),
                ..Default::default()
            }),
            A::ActivityTaskCompletedEventAttributes(ActivityTaskCompletedEventAttributes {
                scheduled_event_id: 2,
                ..Default::default()
            }),
            A::WorkflowExecutionFailedEventAttributes(WorkflowExecutionFailedEventAttributes {
                failure: failure("no stock"),
                new_execution_run_id: "next".to_owned(),
                ..Default::default()
            }),
        ],
        &[
            "Workflow Order [o-1] failed [1, 8] no stock",
            "Activity charge [a] completed [2, 5, 7] declined",
            "Activity charge [b] failed [3, 4, 6] no stock",
        ],
    );
    assert_eq!(grouping.groups[1].attempt, 3);
    assert_eq!(grouping.groups[1].span(0), 5000);
    assert_eq!(grouping.of_event(6).unwrap().id, "b");
    assert_eq!(grouping.facts.first_run, "first");
    assert_eq!(grouping.facts.next_run, "next");
}

#[test]
fn workflow_tasks_tell_what_is_wrong_now() {
    let task = || A::WorkflowTaskScheduledEventAttributes(Default::default());
    let failed = |scheduled_event_id| {
        let failed = WorkflowTaskFailedEventAttributes {
            scheduled_event_id,
            failure: failure("bug"),
            cause: WorkflowTaskFailedCause::NonDeterministicError as i32,
            ..Default::default()
        };
        A::WorkflowTaskFailedEventAttributes(failed.into())
    };
    let timed_out = A::WorkflowTaskTimedOutEventAttributes(WorkflowTaskTimedOutEventAttributes {
        scheduled_event_id: 4,
        timeout_type: TimeoutType::ScheduleToStart as i32,
        ..Default::default()
    });
    let grouping = check(
        vec![started(), task(), failed(2), task(), timed_out],
        &[
            "Workflow Order [o-1] running [1]",
            "Workflow task [] failed [2, 3] non deterministic error: bug",
            "Workflow task [] canceled [4, 5] schedule to start timeout",
        ],
    );
    assert_eq!(grouping.facts.task_failure.unwrap().1, 3);
}

#[test]
fn timers_children_and_messages() {
    let run = || {
        Some(WorkflowExecution {
            workflow_id: "other".to_owned(),
            run_id: "r".to_owned(),
        })
    };
    let mut timer = event(
        2,
        A::TimerStartedEventAttributes(TimerStartedEventAttributes {
            timer_id: "5".to_owned(),
            start_to_fire_timeout: Some(Duration {
                seconds: 7200,
                nanos: 0,
            }),
            ..Default::default()
        }),
    );
    timer.user_metadata = Some(UserMetadata {
        summary: Some(Payload {
            metadata: [("encoding".to_owned(), "json/plain".into())].into(),
            data: "\"wait for the bank\"".into(),
            ..Default::default()
        }),
        details: None,
    });
    let mut grouping = Grouping::default();
    grouping.push(&event(1, started()));
    grouping.push(&timer);
    assert_eq!(grouping.groups[1].summary, "wait for the bank");
    assert_eq!(grouping.groups[1].due, Some(7_202_000));

    check(
        vec![
            started(),
            A::StartChildWorkflowExecutionInitiatedEventAttributes(Box::new(
                StartChildWorkflowExecutionInitiatedEventAttributes {
                    workflow_id: "o-1/child".to_owned(),
                    workflow_type: Some(WorkflowType {
                        name: "Child".to_owned(),
                    }),
                    ..Default::default()
                },
            )),
            A::SignalExternalWorkflowExecutionInitiatedEventAttributes(
                SignalExternalWorkflowExecutionInitiatedEventAttributes {
                    workflow_execution: run(),
                    signal_name: "go".to_owned(),
                    ..Default::default()
                },
            ),
            A::ChildWorkflowExecutionStartedEventAttributes(
                ChildWorkflowExecutionStartedEventAttributes {
                    initiated_event_id: 2,
                    workflow_execution: run(),
                    ..Default::default()
                },
            ),
            A::ExternalWorkflowExecutionSignaledEventAttributes(
                ExternalWorkflowExecutionSignaledEventAttributes {
                    initiated_event_id: 3,
                    ..Default::default()
                },
            ),
            A::ChildWorkflowExecutionTerminatedEventAttributes(
                ChildWorkflowExecutionTerminatedEventAttributes {
                    initiated_event_id: 2,
                    ..Default::default()
                },
            ),
        ],
        &[
            "Workflow Order [o-1] running [1]",
            "Child workflow Child [o-1/child] terminated [2, 4, 6]",
            "Signal to another go [] completed [3, 5]",
        ],
    );
}

#[test]
fn updates_and_local_activities() {
    let request = Request {
        meta: Some(Meta {
            update_id: "u".to_owned(),
            ..Default::default()
        }),
        input: Some(Input {
            name: "rename".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let details = Payloads {
        payloads: vec![Payload {
            data: r#"{"seq":1,"activity_type":"local_charge"}"#.into(),
            ..Default::default()
        }],
    };
    check(
        vec![
            started(),
            A::WorkflowExecutionUpdateAcceptedEventAttributes(
                WorkflowExecutionUpdateAcceptedEventAttributes {
                    protocol_instance_id: "u".to_owned(),
                    accepted_request: Some(request),
                    ..Default::default()
                },
            ),
            A::WorkflowExecutionUpdateCompletedEventAttributes(
                WorkflowExecutionUpdateCompletedEventAttributes {
                    accepted_event_id: 2,
                    outcome: Some(Outcome {
                        value: failure("taken").map(outcome::Value::Failure),
                    }),
                    ..Default::default()
                },
            ),
            A::MarkerRecordedEventAttributes(MarkerRecordedEventAttributes {
                marker_name: "core_local_activity".to_owned(),
                details: [("data".to_owned(), details)].into(),
                ..Default::default()
            }),
            A::MarkerRecordedEventAttributes(MarkerRecordedEventAttributes {
                marker_name: "Version".to_owned(),
                ..Default::default()
            }),
        ],
        &[
            "Workflow Order [o-1] running [1]",
            "Update rename [u] failed [2, 3] taken",
            "Local activity local_charge [] completed [4]",
            "Marker Version [] completed [5]",
        ],
    );
}

#[test]
fn events_that_refer_to_nothing_do_no_harm() {
    check(
        vec![started(), activity_started(99, 1)],
        &[
            "Workflow Order [o-1] running [1]",
            "Change [] completed [2]",
        ],
    );
}
