//! Activities in time, and what workers may say about them.

use steadfast_core::activity::{self as core, Target};
use steadfast_core::limits::{self, Limits};
use steadfast_core::time::{SECOND, to_duration};
use steadfast_protocol::command::ScheduleActivityTaskCommandAttributes;
use steadfast_protocol::command::command::Attributes as Do;
use steadfast_protocol::common::RetryPolicy;
use steadfast_protocol::enums::{CommandType, TimeoutType};
use steadfast_protocol::failure::Failure;
use steadfast_protocol::failure::failure::FailureInfo;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::workflowservice::RespondWorkflowTaskCompletedRequest;

use crate::world::{
    World, activity, boom, cancel_activity, command, complete, schedule, text, timer, worker,
};

fn seconds(seconds: i64) -> Option<steadfast_protocol::Duration> {
    Some(to_duration(seconds * SECOND))
}

/// A world with this activity, whose workflow task is done.
fn with(change: impl FnOnce(&mut ScheduleActivityTaskCommandAttributes)) -> World {
    let mut world = World::open();
    let mut command = activity("a", 0);
    change(&mut command);
    world
        .done(vec![Do::ScheduleActivityTaskCommandAttributes(command)])
        .unwrap();
    world
}

#[test]
fn which_failures_are_tried_again() {
    let own_delay = |nanos: i64| {
        let mut failure = boom("Kind");
        if let Some(FailureInfo::ApplicationFailureInfo(info)) = &mut failure.failure_info {
            info.next_retry_delay = Some(to_duration(nanos));
        }
        failure
    };
    let mut stubborn = boom("Kind");
    if let Some(FailureInfo::ApplicationFailureInfo(info)) = &mut stubborn.failure_info {
        info.non_retryable = true;
    }
    let cases: [(Failure, i32, i64, &str); 7] = [
        (boom("Kind"), 0, 0, "after 1000000000"),
        (boom("Kind"), 1, 0, "MaximumAttemptsReached"),
        (boom("Fatal"), 0, 0, "NonRetryableFailure"),
        (stubborn, 0, 0, "NonRetryableFailure"),
        (own_delay(500 * SECOND), 0, 0, "after 500000000000"),
        (own_delay(500 * SECOND), 0, 100, "Timeout"),
        (own_delay(50 * SECOND), 0, 100, "after 50000000000"),
    ];
    for (failure, attempts, whole, expected) in cases {
        let mut world = with(|command| {
            let policy = command.retry_policy.as_mut().unwrap();
            policy.maximum_attempts = attempts;
            command.schedule_to_close_timeout = seconds(whole);
        });
        let target = world.start_activity("a");
        world.fail_activity(&target, failure).unwrap();
        let got = match &world
            .history
            .get(6)
            .and_then(|event| event.attributes.clone())
        {
            Some(Attributes::ActivityTaskFailedEventAttributes(a)) => {
                format!("{:?}", a.retry_state())
            }
            _ => format!("after {}", world.activity("a").retry_interval),
        };
        assert_eq!(got, expected);
    }
}

#[test]
fn it_times_out_waiting() {
    let mut world = with(|command| command.schedule_to_start_timeout = seconds(1));
    world.wait(1000);
    assert_eq!(world.tasks.len(), 1, "nobody may start it any more");
    world.expect(
        6,
        "6 ActivityTaskTimedOut of 5 started 0 ScheduleToStart Timeout
        7 WorkflowTaskScheduled",
    );
}

#[test]
fn waiting_wins_over_the_whole() {
    let mut world = with(|command| {
        command.start_to_close_timeout = None;
        command.schedule_to_close_timeout = seconds(1);
    });
    world.wait(1000);
    world.expect(
        6,
        "6 ActivityTaskTimedOut of 5 started 0 ScheduleToStart Timeout
        7 WorkflowTaskScheduled",
    );
}

#[test]
fn it_times_out_as_a_whole() {
    let mut world = with(|command| command.schedule_to_close_timeout = seconds(2));
    world.wait(100);
    let target = world.start_activity("a");
    world.wait(1900);
    assert!(world.complete_activity(&target).is_err());
    world.expect(
        6,
        "6 ActivityTaskStarted of 5 attempt 1
        7 ActivityTaskTimedOut of 5 started 6 ScheduleToClose Timeout
        8 WorkflowTaskScheduled",
    );
    let Some(Attributes::ActivityTaskTimedOutEventAttributes(event)) = &world.history[6].attributes
    else {
        panic!("timed out");
    };
    let failure = event.failure.as_ref().unwrap();
    assert!(
        failure.message.starts_with("Not enough time"),
        "{failure:?}"
    );
    assert_eq!(failure.source, "Server");
}

#[test]
fn an_attempt_that_hangs_is_tried_again() {
    let mut world = with(|command| {
        command.start_to_close_timeout = seconds(1);
        command.retry_policy.as_mut().unwrap().maximum_attempts = 2;
    });
    world.start_activity("a");
    world.wait(1000);
    assert_eq!(world.activity("a").attempt, 2);
    assert!(world.tasks.is_empty(), "in backoff");
    world.wait(1000);
    world.start_activity("a");
    world.wait(1000);
    world.expect(
        6,
        "6 ActivityTaskStarted of 5 attempt 2 after \"activity StartToClose timeout\"
        7 ActivityTaskTimedOut of 5 started 6 StartToClose MaximumAttemptsReached
        8 WorkflowTaskScheduled",
    );
    let Some(Attributes::ActivityTaskTimedOutEventAttributes(event)) = &world.history[6].attributes
    else {
        panic!("timed out");
    };
    let cause = event.failure.as_ref().unwrap().cause.as_ref().unwrap();
    assert_eq!(cause.message, "activity StartToClose timeout");
}

#[test]
fn heartbeats_keep_it_alive_and_their_details_are_kept() {
    let mut world = with(|command| command.heartbeat_timeout = seconds(1));
    let target = world.start_activity("a");
    for _ in 0..3 {
        world.wait(900);
        let beat =
            world.play(|run, cx| core::heartbeat(run, cx, &target, Some(text("half")), "worker"));
        let (outcome, response) = beat.unwrap();
        assert!(!response.cancel_requested);
        world.commit(outcome.unwrap());
    }
    world.wait(1000);
    let retried = world.activity("a");
    assert_eq!(retried.attempt, 2);
    assert_eq!(retried.heartbeat_details, Some(text("half")));
    assert_eq!(retried.last_worker_identity, "worker");
    let last = retried.last_failure.as_ref().unwrap();
    assert_eq!(last.message, "activity Heartbeat timeout");
    let gone = world.play(|run, cx| core::heartbeat(run, cx, &target, None, "worker"));
    assert!(gone.is_err());
}

#[test]
fn who_sends_a_heartbeat_is_its_worker_where_nobody_else_is_known() {
    let mut world = with(|_| {});
    let target = world.start_activity("a");
    for (identity, known) in [("me", "me"), ("", "me"), ("you", "you")] {
        let beat = world.play(|run, cx| core::heartbeat(run, cx, &target, None, identity));
        world.commit(beat.unwrap().0.unwrap());
        assert_eq!(world.activity("a").last_worker_identity, known);
    }
}

#[test]
fn whose_attempt_and_whole_end_at_the_same_instant_runs_out_as_a_whole() {
    let mut world = with(|command| {
        command.start_to_close_timeout = seconds(3);
        command.schedule_to_close_timeout = seconds(2);
        command.retry_policy = Some(RetryPolicy {
            maximum_attempts: 1,
            ..RetryPolicy::default()
        });
    });
    world.start_activity("a");
    world.wait(2000);
    let kind = world
        .history
        .iter()
        .find_map(|event| match &event.attributes {
            Some(Attributes::ActivityTaskTimedOutEventAttributes(timed_out)) => {
                match timed_out.failure.as_ref()?.failure_info.as_ref()? {
                    FailureInfo::TimeoutFailureInfo(info) => Some(info.timeout_type()),
                    _ => None,
                }
            }
            _ => None,
        });
    assert_eq!(kind, Some(TimeoutType::ScheduleToClose));
}

#[test]
fn it_times_out_at_the_very_end_of_a_backoff() {
    let mut world = with(|command| {
        command.schedule_to_close_timeout = seconds(11);
        command.schedule_to_start_timeout = seconds(11);
    });
    world.wait(10_000);
    let target = world.start_activity("a");
    world.fail_activity(&target, boom("Kind")).unwrap();
    world.wait(1000);
    world.expect(
        6,
        "6 ActivityTaskTimedOut of 5 started 0 ScheduleToClose Timeout
        7 WorkflowTaskScheduled",
    );
    assert_eq!(world.tasks.len(), 1);
}

#[test]
fn by_id_the_attempt_does_not_matter() {
    let mut world = with(|_| {});
    let known = Target::Id("a".to_owned());
    let refused = world.fail_activity(&known, boom("Kind")).unwrap_err();
    assert!(refused.message().starts_with("invalid activityID"));
    let unknown = Target::Id("b".to_owned());
    let refused = world.complete_activity(&unknown).unwrap_err();
    assert_eq!(
        refused.message(),
        "cannot find pending activity with ActivityID b, check workflow execution history for more details"
    );
    world.complete_activity(&known).unwrap();
    world.expect(
        6,
        "6 ActivityTaskStarted of 5 attempt 1
        7 ActivityTaskCompleted of 5 started 6
        8 WorkflowTaskScheduled",
    );
}

#[test]
fn what_is_too_large_fails_it() {
    let large = || text(&"x".repeat(Limits::DEFAULT.blob_size + 1));
    let failed = "6 ActivityTaskStarted of 5 attempt 1
        7 ActivityTaskFailed of 5 started 6 NonRetryableFailure
        8 WorkflowTaskScheduled";
    let mut world = with(|_| {});
    let target = world.start_activity("a");
    let done = world.play(|run, cx| core::complete(run, cx, &target, Some(large()), worker(None)));
    world.commit(done.unwrap());
    world.expect(6, failed);

    let mut world = with(|_| {});
    let target = world.start_activity("a");
    let beat = world.play(|run, cx| core::heartbeat(run, cx, &target, Some(large()), "worker"));
    let (outcome, response) = beat.unwrap();
    assert!(response.cancel_requested);
    world.commit(outcome.unwrap());
    world.expect(6, failed);

    let mut world = with(|_| {});
    let target = world.start_activity("a");
    let failure = Failure {
        message: "x".repeat(Limits::DEFAULT.blob_size + 1),
        ..boom("Kind")
    };
    let details = Some(large());
    let result =
        world.play(|run, cx| core::fail(run, cx, &target, Some(failure), details, worker(None)));
    let (outcome, notes) = result.unwrap();
    let notes: Vec<_> = notes.iter().map(|note| note.message.as_str()).collect();
    assert_eq!(
        notes,
        [
            "Heartbeat details exceed size limit.",
            "Failure exceeds size limit."
        ]
    );
    world.commit(outcome);
    world.expect(6, failed);
}

#[test]
fn a_large_failure_is_cut_for_the_next_attempt() {
    let mut world = with(|_| {});
    let target = world.start_activity("a");
    let failure = Failure {
        stack_trace: "x".repeat(100_000),
        ..boom("Kind")
    };
    world.fail_activity(&target, failure).unwrap();
    let kept = world.activity("a").last_failure.clone().unwrap();
    assert_eq!(kept.message, "Failure exceeds size limit.");
    assert!(steadfast_core::failure::size(&kept) <= limits::ACTIVITY_FAILURE_KEPT_MAX);
    assert_eq!(kept.cause.unwrap().message, "boom");
}

#[test]
fn only_application_failures_are_taken() {
    let mut world = with(|_| {});
    let target = world.start_activity("a");
    let refused = world.fail_activity(&target, Failure::default());
    let refused = refused.unwrap_err();
    assert_eq!(
        refused.message(),
        "Failure must have ApplicationFailureInfo."
    );
}

#[test]
fn a_poll_that_repeats_gets_the_same_start() {
    let mut world = with(|_| {});
    let task = world.tasks[0].clone();
    let target = world.start_activity("a");
    let same = world.play(|run, cx| core::start(run, cx, &task, "worker", "poll-a"));
    let (outcome, again) = same.unwrap();
    assert!(outcome.is_none(), "nothing is to be made durable");
    assert_eq!(crate::world::token(&again), target);
    let other = world.play(|run, cx| core::start(run, cx, &task, "worker", "another"));
    assert!(other.is_none());
}

#[test]
fn a_start_that_left_nobody_knowing_is_taken_back() {
    let mut world = with(|_| {});
    let task = world.tasks[0].clone();
    let lost = world.start_activity("a");
    assert_eq!(world.tasks, []);
    let other = world.play(|run, cx| core::withdraw(run, cx, &task, "another"));
    assert!(other.is_none(), "another poll's start stays");
    let outcome = world.play(|run, cx| core::withdraw(run, cx, &task, "poll-a"));
    world.commit(outcome.expect("it was started for this poll"));
    assert_eq!(
        world.tasks,
        std::slice::from_ref(&task),
        "it waits for a worker again"
    );
    let again = world.play(|run, cx| core::withdraw(run, cx, &task, "poll-a"));
    assert!(again.is_none(), "it is not started any more");
    assert!(world.complete_activity(&lost).is_err());
    world.wait(1);
    let target = world.start_activity("a");
    assert_eq!(world.activity("a").attempt, 1);
    world.complete_activity(&target).unwrap();
    let none = world.play(|run, cx| core::withdraw(run, cx, &task, "poll-a"));
    assert!(none.is_none(), "it is over");
}

#[test]
fn a_task_that_is_started_by_the_same_commit_is_never_stored() {
    let mut world = World::open();
    let schedule = Do::ScheduleActivityTaskCommandAttributes(activity("a", 0));
    let completion = world.complete_task(RespondWorkflowTaskCompletedRequest {
        commands: vec![command(schedule)],
        ..Default::default()
    });
    let mut outcome = completion.outcome.expect("the completion was taken");
    let task = outcome.tasks_added[0].clone();
    let started = world.play(|run, cx| core::start(run, cx, &task, "worker", "poll"));
    let (next, activity) = started.unwrap();
    outcome.absorb(next.expect("it was not started before"));
    assert_eq!(outcome.tasks_added, []);
    assert!(!outcome.tasks_removed.contains(&task));
    world.commit(outcome);
    let target = crate::world::token(&activity);
    world.complete_activity(&target).unwrap();
}

#[test]
fn eager_ones_start_with_the_completion() {
    let eager = || {
        let mut command = activity("a", 0);
        command.request_eager_execution = true;
        Do::ScheduleActivityTaskCommandAttributes(command)
    };
    let mut world = World::open();
    let completed = world.done(vec![eager()]).unwrap();
    assert_eq!(completed.eager_activities, [5]);
    assert!(world.tasks.is_empty());
    let target = crate::world::token(&world.activity("a"));
    world.complete_activity(&target).unwrap();

    let mut world = World::open();
    let completed = world.done(vec![eager(), cancel_activity(5)]).unwrap();
    assert!(
        completed.eager_activities.is_empty(),
        "canceled before it left"
    );
    world.expect(
        5,
        "5 ActivityTaskScheduled a
        6 ActivityTaskCancelRequested of 5
        7 ActivityTaskCanceled of 5 started 0 requested 6
        8 WorkflowTaskScheduled",
    );

    let mut world = World::open();
    let completed = world.done(vec![eager(), complete()]).unwrap();
    assert!(completed.eager_activities.is_empty(), "nobody waits for it");
}

#[test]
fn an_unstarted_one_may_be_canceled_twice_at_once() {
    let mut world = World::open();
    let commands = vec![schedule("a"), cancel_activity(5), cancel_activity(5)];
    world.done(commands).unwrap();
    world.expect(
        5,
        "5 ActivityTaskScheduled a
        6 ActivityTaskCancelRequested of 5
        7 ActivityTaskCancelRequested of 5
        8 ActivityTaskCanceled of 5 started 0 requested 6
        9 WorkflowTaskScheduled",
    );
}

#[test]
fn a_running_one_is_canceled_once() {
    let mut world = with(|_| {});
    let target = world.start_activity("a");
    world.signal("s");
    world.poll();
    world.done(vec![cancel_activity(5)]).unwrap();
    world.signal("s");
    world.poll();
    world.complete_activity(&target).unwrap();
    // Its close is buffered: the workflow cannot know.
    world.done(vec![cancel_activity(5)]).unwrap();
    world.expect(
        14,
        "14 WorkflowTaskCompleted
        15 ActivityTaskCancelRequested of 5
        16 ActivityTaskStarted of 5 attempt 1
        17 ActivityTaskCompleted of 5 started 16
        18 WorkflowTaskScheduled",
    );
}

#[test]
fn a_close_drops_what_it_canceled_itself() {
    let mut world = World::open();
    let commands = vec![schedule("a"), cancel_activity(5), complete()];
    world.done(commands).unwrap();
    assert!(world.run.buffered.is_empty() && world.tasks.is_empty());
    world.expect(
        5,
        "5 ActivityTaskScheduled a
        6 ActivityTaskCancelRequested of 5
        7 WorkflowExecutionCompleted",
    );
}

#[test]
fn timeouts_are_normalised() {
    let timeouts = |run: i64, given: [i64; 4]| {
        let mut world = World::with_run_timeout(run);
        let mut command = activity("a", 0);
        let given = given.map(|given| (given > 0).then(|| to_duration(given * SECOND)));
        command.schedule_to_close_timeout = given[0];
        command.schedule_to_start_timeout = given[1];
        command.start_to_close_timeout = given[2];
        command.heartbeat_timeout = given[3];
        let command = Do::ScheduleActivityTaskCommandAttributes(command);
        world.done(vec![command, timer("t", 1)]).unwrap();
        let a = world.activity("a");
        let all = [
            a.schedule_to_close,
            a.schedule_to_start,
            a.start_to_close,
            a.heartbeat_timeout,
        ];
        all.map(|nanos| nanos / SECOND)
    };
    assert_eq!(timeouts(0, [0, 0, 60, 0]), [0, 0, 60, 0]);
    assert_eq!(timeouts(40, [0, 0, 60, 0]), [40, 40, 40, 0]);
    assert_eq!(timeouts(40, [20, 0, 0, 0]), [20, 20, 20, 0]);
    assert_eq!(timeouts(40, [90, 90, 90, 90]), [40, 40, 40, 40]);
    assert_eq!(timeouts(40, [0, 5, 3, 10]), [40, 5, 3, 3]);
}

#[test]
fn the_summary_of_a_command_is_on_its_event() {
    let mut world = World::open();
    let mut command = crate::world::command(timer("t", 1000));
    assert_eq!(command.command_type(), CommandType::StartTimer);
    command.user_metadata = Some(steadfast_protocol::sdk::UserMetadata {
        summary: Some(crate::world::payload("why")),
        details: None,
    });
    world.done_with(vec![command.clone()]).unwrap();
    assert_eq!(world.history[4].user_metadata, command.user_metadata);
}
