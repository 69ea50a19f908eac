//! The worked histories of server-semantics 17 that this part of the core writes.

use steadfast_protocol::command::command::Attributes as Do;
use steadfast_protocol::command::{CancelTimerCommandAttributes, RecordMarkerCommandAttributes};
use steadfast_protocol::common::WorkerVersionStamp;
use steadfast_protocol::history::HistoryEvent;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::workflowservice::RespondWorkflowTaskCompletedRequest;

use crate::world::{World, activity, boom, cancel_activity, complete, schedule, timer};

/// 1.
#[test]
fn an_activity_succeeds() {
    let mut world = World::open();
    world.done(vec![schedule("a")]).unwrap();
    let target = world.start_activity("a");
    assert!(world.tasks.is_empty(), "what is started waits nowhere");
    world.complete_activity(&target).unwrap();
    world.poll();
    world.done(vec![complete()]).unwrap();
    world.expect(
        4,
        "4 WorkflowTaskCompleted
        5 ActivityTaskScheduled a
        6 ActivityTaskStarted of 5 attempt 1
        7 ActivityTaskCompleted of 5 started 6
        8 WorkflowTaskScheduled
        9 WorkflowTaskStarted
        10 WorkflowTaskCompleted
        11 WorkflowExecutionCompleted",
    );
}

/// 2.
#[test]
fn only_the_last_attempt_is_seen() {
    let mut world = World::open();
    world.done(vec![schedule("a")]).unwrap();
    for _ in 1..3 {
        let target = world.start_activity("a");
        world.fail_activity(&target, boom("Kind")).unwrap();
        assert!(world.tasks.is_empty());
        assert!(world.fail_activity(&target, boom("Kind")).is_err(), "stale");
        world.wait(1000);
    }
    let target = world.start_activity("a");
    world.complete_activity(&target).unwrap();
    world.expect(
        6,
        "6 ActivityTaskStarted of 5 attempt 3 after \"boom\"
        7 ActivityTaskCompleted of 5 started 6
        8 WorkflowTaskScheduled",
    );
}

/// 3.
#[test]
fn an_activity_fails_for_good() {
    let mut world = World::open();
    let command = Do::ScheduleActivityTaskCommandAttributes(activity("a", 2));
    world.done(vec![command]).unwrap();
    for _ in 0..2 {
        let target = world.start_activity("a");
        world.fail_activity(&target, boom("Kind")).unwrap();
        world.wait(1000);
    }
    world.expect(
        6,
        "6 ActivityTaskStarted of 5 attempt 2 after \"boom\"
        7 ActivityTaskFailed of 5 started 6 MaximumAttemptsReached
        8 WorkflowTaskScheduled",
    );
}

/// 4.
#[test]
fn a_signal_during_a_task_comes_after_its_commands() {
    let mut world = World::open();
    world.signal("s");
    world.done(vec![timer("t", 1000)]).unwrap();
    world.expect(
        4,
        "4 WorkflowTaskCompleted
        5 TimerStarted t
        6 WorkflowExecutionSignaled s
        7 WorkflowTaskScheduled",
    );
}

/// 5.
#[test]
fn a_close_does_not_pass_over_a_signal() {
    let mut world = World::open();
    world.signal("s");
    let refused = world.done(vec![complete()]);
    assert_eq!(refused.err().as_deref(), Some("UnhandledCommand"));
    world.expect(
        4,
        "4 WorkflowTaskFailed UnhandledCommand
        5 WorkflowExecutionSignaled s
        6 WorkflowTaskScheduled",
    );
}

/// 11.
#[test]
fn a_task_is_prolonged() {
    let mut world = World::open();
    world
        .respond(RespondWorkflowTaskCompletedRequest {
            force_create_new_workflow_task: true,
            ..Default::default()
        })
        .unwrap();
    world.poll();
    let marker = Do::RecordMarkerCommandAttributes(RecordMarkerCommandAttributes {
        marker_name: "LocalActivity".to_owned(),
        ..Default::default()
    });
    world.done(vec![marker]).unwrap();
    world.expect(
        4,
        "4 WorkflowTaskCompleted
        5 WorkflowTaskScheduled
        6 WorkflowTaskStarted
        7 WorkflowTaskCompleted
        8 MarkerRecorded",
    );
}

/// 19.
#[test]
fn an_activity_is_canceled_before_it_starts() {
    let mut world = World::open();
    world.done(vec![schedule("a")]).unwrap();
    world.signal("s");
    world.poll();
    let commands = vec![cancel_activity(5), timer("t", 1000)];
    world.done(commands).unwrap();
    assert_eq!(world.tasks.len(), 1, "only the workflow task is left");
    world.expect(
        9,
        "9 WorkflowTaskCompleted
        10 ActivityTaskCancelRequested of 5
        11 TimerStarted t
        12 ActivityTaskCanceled of 5 started 0 requested 10
        13 WorkflowTaskScheduled",
    );
}

/// 20.
#[test]
fn a_running_activity_is_canceled() {
    use steadfast_core::activity;
    let mut world = World::open();
    world.done(vec![schedule("a")]).unwrap();
    let target = world.start_activity("a");
    let early = world.play(|run, cx| activity::cancel(run, cx, &target, None, "worker"));
    assert!(early.is_err(), "nobody asked for it");
    world.signal("s");
    world.poll();
    world.done(vec![cancel_activity(5)]).unwrap();
    let beat = world.play(|run, cx| activity::heartbeat(run, cx, &target, None, "worker"));
    let (outcome, response) = beat.unwrap();
    world.commit(outcome.unwrap());
    assert!(response.cancel_requested);
    let canceled = world.play(|run, cx| activity::cancel(run, cx, &target, None, "worker"));
    world.commit(canceled.unwrap());
    world.expect(
        10,
        "10 ActivityTaskCancelRequested of 5
        11 ActivityTaskStarted of 5 attempt 1
        12 ActivityTaskCanceled of 5 started 11 requested 10
        13 WorkflowTaskScheduled",
    );
}

/// 20: its failure is not retried.
#[test]
fn a_canceled_activity_is_not_tried_again() {
    let mut world = World::open();
    world.done(vec![schedule("a")]).unwrap();
    let target = world.start_activity("a");
    world.signal("s");
    world.poll();
    world.done(vec![cancel_activity(5)]).unwrap();
    world.fail_activity(&target, boom("Kind")).unwrap();
    world.expect(
        11,
        "11 ActivityTaskStarted of 5 attempt 1
        12 ActivityTaskFailed of 5 started 11 CancelRequested
        13 WorkflowTaskScheduled",
    );
}

/// 21.
#[test]
fn a_timer_that_fired_unseen_is_canceled() {
    let mut world = World::open();
    world.done(vec![timer("t", 1000)]).unwrap();
    world.signal("s");
    world.poll();
    world.wait(1000);
    assert_eq!(world.run.buffered.len(), 1);
    let cancel = Do::CancelTimerCommandAttributes(CancelTimerCommandAttributes {
        timer_id: "t".to_owned(),
    });
    world.done(vec![cancel]).unwrap();
    assert!(world.tasks.is_empty() && world.run.buffered.is_empty());
    world.expect(
        9,
        "9 WorkflowTaskCompleted
        10 TimerCanceled t of 5",
    );
}

/// 30.
#[test]
fn closes_of_activities_come_last() {
    let mut world = World::open();
    let commands = vec![schedule("a"), schedule("b"), timer("t", 1000)];
    world.done(commands).unwrap();
    let first = world.start_activity("a");
    let second = world.start_activity("b");
    world.signal("s");
    world.poll();
    world.complete_activity(&first).unwrap();
    world.wait(1000);
    world.complete_activity(&second).unwrap();
    world.done(vec![]).unwrap();
    world.expect(
        11,
        "11 WorkflowTaskCompleted
        12 ActivityTaskStarted of 5 attempt 1
        13 TimerFired t of 7
        14 ActivityTaskStarted of 6 attempt 1
        15 ActivityTaskCompleted of 5 started 12
        16 ActivityTaskCompleted of 6 started 14
        17 WorkflowTaskScheduled",
    );
}

#[test]
fn timers_fire_in_order_of_time() {
    let mut world = World::open();
    let commands = vec![timer("b", 1200), timer("a", 1000), timer("zero", 0)];
    world.done(commands).unwrap();
    world.wait(0);
    world.poll();
    world.wait(2000);
    world.done(vec![]).unwrap();
    world.expect(
        8,
        "8 TimerFired zero of 7
        9 WorkflowTaskScheduled
        10 WorkflowTaskStarted
        11 WorkflowTaskCompleted
        12 TimerFired a of 6
        13 TimerFired b of 5
        14 WorkflowTaskScheduled",
    );
}

#[test]
fn started_events_name_the_build_of_who_started_and_who_answered() {
    let build = |text: &str| {
        Some(WorkerVersionStamp {
            build_id: text.to_owned(),
            use_versioning: false,
        })
    };
    let mut world = World::open();
    world.done(vec![schedule("a"), schedule("b")]).unwrap();
    world.build = build("one");
    let [a, b] = ["a", "b"].map(|id| world.start_activity(id));
    world.complete_activity(&a).unwrap();
    world.poll();
    world.build = build("two");
    world.complete_activity(&b).unwrap();
    world.build = None;
    world.done(vec![schedule("c")]).unwrap();
    world.poll();
    world.done(vec![]).unwrap();
    let named = |event: &HistoryEvent| match event.attributes.as_ref()? {
        Attributes::WorkflowTaskStartedEventAttributes(started) => {
            Some((event.event_id, started.worker_version.clone()))
        }
        Attributes::ActivityTaskStartedEventAttributes(started) => {
            Some((event.event_id, started.worker_version.clone()))
        }
        _ => None,
    };
    let named: Vec<_> = world.history.iter().filter_map(named).collect();
    let (first, a, second, b, third) = (None, build("one"), build("one"), build("two"), None);
    assert_eq!(
        named,
        [(3, first), (7, a), (10, second), (13, b), (16, third)]
    );
}
