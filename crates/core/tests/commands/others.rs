//! Children, messages to other executions, memo and search attributes.

use steadfast_core::child::{self, ChildClose};
use steadfast_core::external;
use steadfast_core::outcome::Effect;
use steadfast_core::start::FirstTask;
use steadfast_protocol::command::command::Attributes as Do;
use steadfast_protocol::command::*;
use steadfast_protocol::common::{
    Memo, Payload, Priority, SearchAttributes, WorkflowExecution, WorkflowType,
};
use steadfast_protocol::deployment::WorkerDeploymentOptions;
use steadfast_protocol::enums::{
    CancelExternalWorkflowExecutionFailedCause, SignalExternalWorkflowExecutionFailedCause,
    StartChildWorkflowExecutionFailedCause, WorkerVersioningMode, WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy,
};
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::history::{HistoryEvent, WorkflowExecutionCompletedEventAttributes};

use steadfast_protocol::workflowservice::RespondWorkflowTaskCompletedRequest;

use crate::world::{World, complete, payload, text};

fn start_child() -> Do {
    Do::StartChildWorkflowExecutionCommandAttributes(start_child_attributes())
}

fn start_child_attributes() -> StartChildWorkflowExecutionCommandAttributes {
    StartChildWorkflowExecutionCommandAttributes {
        workflow_id: "child".to_owned(),
        workflow_type: Some(WorkflowType {
            name: "Child".to_owned(),
        }),
        control: "ctl".to_owned(),
        ..Default::default()
    }
}

fn completed() -> HistoryEvent {
    HistoryEvent {
        attributes: Some(Attributes::WorkflowExecutionCompletedEventAttributes(
            WorkflowExecutionCompletedEventAttributes {
                result: Some(text("result")),
                ..Default::default()
            },
        )),
        ..Default::default()
    }
}

fn close(event: &HistoryEvent) -> ChildClose<'_> {
    ChildClose {
        initiated_event_id: 5,
        child_workflow_id: "child".to_owned(),
        child_run_id: "c2".to_owned(),
        child_first_run_id: "c1".to_owned(),
        close_event: event,
    }
}

#[test]
fn a_child_runs_and_completes() {
    let mut world = World::open();
    world.done(vec![start_child()]).unwrap();
    assert_eq!(world.effects, [Effect::StartChild(5)]);
    let started = world.play(|run, cx| child::started(run, cx, 5, "c1"));
    world.commit(started.unwrap());
    assert_eq!(world.effects[1..], [Effect::ReleaseChild(5)]);
    assert!(
        world
            .play(|run, cx| child::started(run, cx, 5, "c1"))
            .is_none()
    );
    let event = completed();
    let mut stranger = close(&event);
    stranger.child_first_run_id = "c9".to_owned();
    assert!(
        world
            .play(|run, cx| child::closed(run, cx, &stranger))
            .is_none()
    );
    let closed = world.play(|run, cx| child::closed(run, cx, &close(&event)));
    world.commit(closed.unwrap());
    assert!(
        world
            .play(|run, cx| child::closed(run, cx, &close(&event)))
            .is_none()
    );
    world.expect(
        5,
        "5 StartChildWorkflowExecutionInitiated
        6 ChildWorkflowExecutionStarted
        7 WorkflowTaskScheduled
        8 ChildWorkflowExecutionCompleted of 5 started 6",
    );
    let Some(Attributes::ChildWorkflowExecutionCompletedEventAttributes(event)) =
        &world.history[7].attributes
    else {
        panic!("completed");
    };
    assert_eq!(event.workflow_execution.as_ref().unwrap().run_id, "c2");
    assert_eq!(event.result, Some(text("result")));
}

#[test]
fn a_child_closes_while_its_start_is_unseen() {
    let mut world = World::open();
    world.done(vec![start_child()]).unwrap();
    world.signal("s");
    world.poll();
    let started = world.play(|run, cx| child::started(run, cx, 5, "c1"));
    world.commit(started.unwrap());
    let event = completed();
    let closed = world.play(|run, cx| child::closed(run, cx, &close(&event)));
    world.commit(closed.unwrap());
    world.signal("t");
    world.done(vec![]).unwrap();
    world.expect(
        9,
        "9 WorkflowTaskCompleted
        10 ChildWorkflowExecutionStarted
        11 WorkflowExecutionSignaled t
        12 ChildWorkflowExecutionCompleted of 5 started 10
        13 WorkflowTaskScheduled",
    );
}

#[test]
fn a_start_that_is_seen_later_is_still_known_to_the_close() {
    let mut world = World::open();
    world.done(vec![start_child()]).unwrap();
    world.signal("s");
    world.poll();
    let started = world.play(|run, cx| child::started(run, cx, 5, "c1"));
    world.commit(started.unwrap());
    world.done(vec![]).unwrap();
    assert_eq!(world.run.children[&5].started_event_id, 10);
    let event = completed();
    let closed = world.play(|run, cx| child::closed(run, cx, &close(&event)));
    world.commit(closed.unwrap());
    world.expect(
        11,
        "11 WorkflowTaskScheduled
        12 ChildWorkflowExecutionCompleted of 5 started 10",
    );
}

#[test]
fn a_close_that_overtakes_the_start_records_it_first() {
    let mut world = World::open();
    world.done(vec![start_child()]).unwrap();
    let event = completed();
    let closed = world.play(|run, cx| child::closed(run, cx, &close(&event)));
    world.commit(closed.unwrap());
    world.expect(
        6,
        "6 ChildWorkflowExecutionStarted
        7 ChildWorkflowExecutionCompleted of 5 started 6
        8 WorkflowTaskScheduled",
    );
    assert!(world.run.children.is_empty());
}

#[test]
fn a_child_that_cannot_start_is_told_once() {
    let mut world = World::open();
    world.done(vec![start_child()]).unwrap();
    let cause = StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists;
    let failed = world.play(|run, cx| child::start_failed(run, cx, 5, cause));
    world.commit(failed.unwrap());
    assert!(
        world
            .play(|run, cx| child::start_failed(run, cx, 5, cause))
            .is_none()
    );
    world.expect(
        6,
        "6 StartChildWorkflowExecutionFailed WorkflowAlreadyExists
        7 WorkflowTaskScheduled",
    );
    let Some(Attributes::StartChildWorkflowExecutionFailedEventAttributes(event)) =
        &world.history[5].attributes
    else {
        panic!("failed");
    };
    assert_eq!(event.control, "ctl");
    assert_eq!(event.workflow_task_completed_event_id, 0);
}

#[test]
fn nobody_waits_in_a_closed_run() {
    let mut world = World::open();
    world.done(vec![start_child(), complete()]).unwrap();
    assert!(
        world
            .play(|run, cx| child::started(run, cx, 5, "c1"))
            .is_none()
    );
}

#[test]
fn a_child_starts_as_its_parent_wished() {
    let mut world = World::open();
    let mut command = start_child_attributes();
    command.set_workflow_id_reuse_policy(WorkflowIdReusePolicy::TerminateIfRunning);
    command.priority = Some(Priority {
        priority_key: 2,
        ..Default::default()
    });
    world
        .done(vec![Do::StartChildWorkflowExecutionCommandAttributes(
            command,
        )])
        .unwrap();
    let params = child::start_params(&world.run, "place", &world.history[4]);
    let request = &params.request;
    assert_eq!(request.request_id, "run:5:0");
    assert_eq!(request.request_id, world.run.children[&5].create_request_id);
    assert_eq!(
        request.workflow_id_conflict_policy(),
        WorkflowIdConflictPolicy::TerminateExisting
    );
    assert_eq!(request.task_queue.as_ref().unwrap().name, "queue");
    assert_eq!(params.first_task, FirstTask::WhenReleased);
    assert_eq!(params.root.unwrap().workflow_id, "flow");
    assert_eq!(params.parent.unwrap().initiated_event_id, 5);
}

#[test]
fn messages_to_others_are_answered_once() {
    let mut world = World::open();
    let signal = Do::SignalExternalWorkflowExecutionCommandAttributes(
        SignalExternalWorkflowExecutionCommandAttributes {
            execution: Some(WorkflowExecution {
                workflow_id: "x".to_owned(),
                run_id: String::new(),
            }),
            signal_name: "s".to_owned(),
            control: "ctl".to_owned(),
            ..Default::default()
        },
    );
    let cancel = Do::RequestCancelExternalWorkflowExecutionCommandAttributes(
        RequestCancelExternalWorkflowExecutionCommandAttributes {
            workflow_id: "x".to_owned(),
            ..Default::default()
        },
    );
    let commands = vec![signal.clone(), cancel.clone(), signal, cancel];
    world.done(commands).unwrap();
    assert_eq!(
        world.effects,
        [
            Effect::SignalExternal(5),
            Effect::CancelExternal(6),
            Effect::SignalExternal(7),
            Effect::CancelExternal(8),
        ]
    );
    let outcome = world.play(|run, cx| external::signaled(run, cx, 5));
    world.commit(outcome.unwrap());
    assert!(
        world
            .play(|run, cx| external::signaled(run, cx, 5))
            .is_none()
    );
    let outcome = world.play(|run, cx| external::cancel_requested(run, cx, 6));
    world.commit(outcome.unwrap());
    let cause = SignalExternalWorkflowExecutionFailedCause::ExternalWorkflowExecutionNotFound;
    let outcome = world.play(|run, cx| external::signal_failed(run, cx, 7, cause));
    world.commit(outcome.unwrap());
    let cause = CancelExternalWorkflowExecutionFailedCause::ExternalWorkflowExecutionNotFound;
    let outcome = world.play(|run, cx| external::cancel_failed(run, cx, 8, cause));
    world.commit(outcome.unwrap());
    world.expect(
        5,
        "5 SignalExternalWorkflowExecutionInitiated
        6 RequestCancelExternalWorkflowExecutionInitiated
        7 SignalExternalWorkflowExecutionInitiated
        8 RequestCancelExternalWorkflowExecutionInitiated
        9 ExternalWorkflowExecutionSignaled
        10 WorkflowTaskScheduled
        11 ExternalWorkflowExecutionCancelRequested
        12 SignalExternalWorkflowExecutionFailed
        13 RequestCancelExternalWorkflowExecutionFailed",
    );
    let Some(Attributes::ExternalWorkflowExecutionSignaledEventAttributes(event)) =
        &world.history[8].attributes
    else {
        panic!("signaled");
    };
    assert_eq!(event.namespace, "place");
    assert_eq!(event.control, "ctl");
}

fn fields<const N: usize>(
    fields: [(&str, Payload); N],
) -> std::collections::BTreeMap<String, Payload> {
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}

#[test]
fn upserts_are_merged_and_empty_ones_removed() {
    let mut world = World::open();
    let upsert = |indexed_fields| {
        Do::UpsertWorkflowSearchAttributesCommandAttributes(
            UpsertWorkflowSearchAttributesCommandAttributes {
                search_attributes: Some(SearchAttributes { indexed_fields }),
            },
        )
    };
    let modify = |fields| {
        Do::ModifyWorkflowPropertiesCommandAttributes(ModifyWorkflowPropertiesCommandAttributes {
            upserted_memo: Some(Memo { fields }),
        })
    };
    let one = fields([("A", payload("1")), ("B", payload("1"))]);
    let two = fields([("A", payload("")), ("B", payload("2"))]);
    let commands = [
        upsert(one.clone()),
        upsert(two.clone()),
        modify(one),
        modify(two.clone()),
    ];
    // The first completion shows in lists anyway: it notes the worker's build.
    world.done(vec![]).unwrap();
    for commands in commands.chunks(2) {
        world.signal("s");
        world.poll();
        world.done(commands.to_vec()).unwrap();
        assert!(world.visible);
    }
    world.signal("s");
    world.poll();
    world.done(vec![]).unwrap();
    assert!(!world.visible);
    let left = fields([("B", payload("2"))]);
    assert_eq!(world.run.head.memo, left);
    let mut attributes = world.run.head.search_attributes.clone();
    let builds = attributes.remove("BuildIds").unwrap();
    assert_eq!(builds.data.as_ref(), b"[\"unversioned\"]");
    assert_eq!(builds.metadata["type"].as_ref(), b"KeywordList");
    assert_eq!(attributes, left);
    let Some(Attributes::UpsertWorkflowSearchAttributesEventAttributes(event)) =
        &world.history[9].attributes
    else {
        panic!("upserted");
    };
    let recorded = event.search_attributes.as_ref().unwrap();
    assert_eq!(recorded.indexed_fields, two, "also what is removed");
}

#[test]
fn memo_entries_without_value_are_left_out() {
    let memo = || {
        let empty = ["", "null", "[]"].map(|json| (json, payload(json)));
        let mut fields = fields(empty);
        fields.insert("kept".to_owned(), payload("{}"));
        Some(Memo { fields })
    };
    let kept = fields([("kept", payload("{}"))]);
    let mut world = World::open();
    let child = StartChildWorkflowExecutionCommandAttributes {
        memo: memo(),
        ..start_child_attributes()
    };
    let modify = ModifyWorkflowPropertiesCommandAttributes {
        upserted_memo: memo(),
    };
    let commands = vec![
        Do::StartChildWorkflowExecutionCommandAttributes(child),
        Do::ModifyWorkflowPropertiesCommandAttributes(modify),
    ];
    world.done(commands).unwrap();
    let Some(Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(initiated)) =
        &world.history[4].attributes
    else {
        panic!("initiated");
    };
    assert_eq!(initiated.memo.as_ref().unwrap().fields, kept);
    assert_eq!(world.run.head.memo, kept);

    world.signal("s");
    world.poll();
    let again = ContinueAsNewWorkflowExecutionCommandAttributes {
        memo: memo(),
        ..Default::default()
    };
    let again = Do::ContinueAsNewWorkflowExecutionCommandAttributes(again);
    world.done(vec![again]).unwrap();
    let Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(continued)) =
        &world.history.last().unwrap().attributes
    else {
        panic!("continued");
    };
    assert_eq!(continued.memo.as_ref().unwrap().fields, kept);
}

#[test]
fn the_deployment_of_the_last_worker_is_noted() {
    let mut world = World::open();
    let mut complete = |mode: WorkerVersioningMode, name: &str| {
        world
            .respond(RespondWorkflowTaskCompletedRequest {
                deployment_options: Some(WorkerDeploymentOptions {
                    deployment_name: name.to_owned(),
                    build_id: "one".to_owned(),
                    worker_versioning_mode: mode as i32,
                }),
                force_create_new_workflow_task: true,
                ..Default::default()
            })
            .unwrap();
        let noted = world.history.iter().rev().find_map(|event| {
            let Some(Attributes::WorkflowTaskCompletedEventAttributes(it)) = &event.attributes
            else {
                return None;
            };
            let version = it.deployment_version.as_ref();
            let version = version.map(|it| format!("{}.{}", it.deployment_name, it.build_id));
            Some((it.worker_deployment_name.clone(), version))
        });
        world.poll();
        let head = &world.run.head;
        let found = head.search_attributes.get("TemporalWorkerDeployment");
        let found = found.map(|found| String::from_utf8(found.data.to_vec()).unwrap());
        (noted.unwrap(), head.worker_deployment.clone(), found)
    };
    let noted = |name: &str, version: Option<&str>| {
        let found = (!name.is_empty()).then(|| format!("\"{name}\""));
        let event = (name.to_owned(), version.map(str::to_owned));
        (event, name.to_owned(), found)
    };
    let plain = WorkerVersioningMode::Unversioned;
    assert_eq!(complete(plain, "red"), noted("red", None));
    let versioned = WorkerVersioningMode::Versioned;
    assert_eq!(complete(versioned, "blue"), noted("blue", Some("blue.one")));
    assert_eq!(complete(plain, ""), noted("", None));
}

#[test]
fn the_builds_of_workers_are_noted_once() {
    let mut world = World::open();
    let mut build = |id: &str| {
        let stamp = steadfast_protocol::common::WorkerVersionStamp {
            build_id: id.to_owned(),
            ..Default::default()
        };
        world
            .respond(RespondWorkflowTaskCompletedRequest {
                worker_version_stamp: Some(stamp),
                force_create_new_workflow_task: true,
                ..Default::default()
            })
            .unwrap();
        world.poll();
        let noted = &world.run.head.search_attributes["BuildIds"];
        String::from_utf8(noted.data.to_vec()).unwrap()
    };
    let one = r#"["unversioned","unversioned:o\"ne"]"#;
    assert_eq!(build("o\"ne"), one);
    assert_eq!(build("o\"ne"), one);
    for number in 0..30 {
        let noted = build(&format!("{number}{}", "x".repeat(200)));
        assert!(noted.len() <= steadfast_core::limits::SEARCH_ATTRIBUTE_SIZE_MAX);
        assert!(noted.starts_with(r#"["unversioned","#) && noted.ends_with("x\"]"));
    }
}
