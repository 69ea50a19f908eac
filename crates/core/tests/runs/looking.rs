//! What is read of a run: which way queries go, and its description (golden `query`, `describe`).

use std::sync::Arc;

use steadfast_core::execution::Execution;
use steadfast_core::limits::Limits;
use steadfast_core::query::{self, BufferedQuery, Plan};
use steadfast_core::signal::{self, Signal};
use steadfast_core::time::{SECOND, Time};
use steadfast_core::{Refusal, describe};
use steadfast_protocol::common::Payload;
use steadfast_protocol::enums::{
    EventType, PendingWorkflowTaskState, QueryRejectCondition, WorkflowExecutionStatus,
};
use steadfast_protocol::history::history_event::Attributes;

use crate::script::World;

fn world(script: &str) -> World {
    let mut world = World::default();
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        world.play(line);
    }
    world
}

/// The plan for a query by a caller who waits five seconds.
fn plan(script: &str, reject: QueryRejectCondition) -> Result<Plan, Refusal> {
    let world = world(script);
    let run = &world.runs.last().expect("a run").run;
    let now = world.cx(|cx| cx.now);
    query::decide(run, now, Some(now.plus(5 * SECOND)), reject as i32)
}

#[test]
fn a_query_goes_where_it_is_answered_soonest_with_all_that_happened() {
    let plan = |script: &str| plan(script, QueryRejectCondition::None);
    let direct = |sticky: Option<&str>| Plan::Direct {
        sticky: sticky.map(str::to_owned),
    };
    let idle = "start\npoll\ndone timer=300";
    assert_eq!(plan(idle), Ok(direct(None)));
    assert_eq!(
        plan("start\npoll\ndone timer=300 sticky"),
        Ok(direct(Some("own")))
    );
    assert_eq!(plan("start\npoll\ndone complete"), Ok(direct(None)));
    assert_eq!(plan("start"), Ok(Plan::Buffer));
    assert_eq!(plan(&format!("{idle}\nsignal")), Ok(Plan::Buffer));
    assert_eq!(plan(&format!("{idle}\nsignal\npoll")), Ok(Plan::Buffer));
    assert_eq!(plan("start delay=2"), Ok(Plan::WaitForTask));
    assert_eq!(plan("start child"), Ok(Plan::WaitForTask));
}

#[test]
fn a_run_that_no_worker_can_load_answers_no_query() {
    let plan = |script: &str| plan(script, QueryRejectCondition::None);
    let not_ready = |message: &str| Err(Refusal::WorkflowNotReady(message.to_owned()));
    assert_eq!(
        plan("start\nterminate"),
        not_ready("Workflow execution closed before WorkflowTaskStarted event")
    );
    assert_eq!(
        plan("start delay=600"),
        not_ready("Workflow task is not scheduled yet.")
    );
    assert_eq!(
        plan("start\npoll\nfail\npoll\nfail\npoll\nfail"),
        not_ready("Unable to query workflow due to Workflow Task in failed state.")
    );
}

#[test]
fn callers_may_reject_closed_runs() {
    use QueryRejectCondition::{NotCompletedCleanly, NotOpen};
    let failed = "start\npoll\ndone fail";
    let rejected = Ok(Plan::Rejected(WorkflowExecutionStatus::Failed));
    assert_eq!(plan(failed, NotOpen), rejected);
    assert_eq!(plan(failed, NotCompletedCleanly), rejected);
    let direct = Ok(Plan::Direct { sticky: None });
    assert_eq!(
        plan("start\npoll\ndone complete", NotCompletedCleanly),
        direct
    );
    assert_eq!(plan("start\npoll\ndone timer=9", NotOpen), direct);
}

#[test]
fn a_waiting_query_rides_on_the_next_task_or_is_handed_back() {
    let mut world = world("start\npoll\ndone timer=300\nsignal\npoll");
    let query = |id: &str| BufferedQuery {
        id: id.to_owned(),
        query: Arc::default(),
        delivered: false,
    };
    let run = &mut world.runs[0].run;
    assert_eq!(query::buffer(run, &Limits::DEFAULT, query("q1")), Ok(()));
    let refused = query::buffer(run, &Limits::DEFAULT, query("q2")).expect_err("only one waits");
    assert!(matches!(refused, Refusal::ResourceExhausted { .. }));
    assert!(query::cancel(run, "q1"));
    assert!(!query::cancel(run, "q1"));
    assert_eq!(query::buffer(run, &Limits::DEFAULT, query("q3")), Ok(()));
    // The task that runs started before the query came; no other one follows.
    assert_eq!(
        world.play("done"),
        "8 TaskStarted | 9 TaskCompleted +query q3"
    );
    let run = &mut world.runs[0].run;
    assert!(run.queries.is_empty());
}

#[test]
fn a_description_is_complete() {
    let mut world = world("start execution=600 child\nrelease");
    let describe = |world: &World| world.cx(|cx| describe::describe(&world.runs[0].run, cx));
    let scheduled = describe(&world);
    let info = scheduled.workflow_execution_info.expect("info");
    assert_eq!(info.status(), WorkflowExecutionStatus::Running);
    assert_eq!(info.history_length, 2);
    assert_eq!(info.task_queue, "queue");
    assert_eq!(info.first_run_id, "r1");
    assert_eq!(info.parent_execution, info.root_execution);
    assert!(info.memo.is_some() && info.search_attributes.is_some());
    assert_eq!((info.close_time, info.execution_duration), (None, None));
    let task = scheduled.pending_workflow_task.expect("a task");
    assert_eq!(task.state(), PendingWorkflowTaskState::Scheduled);
    assert_eq!(task.attempt, 1);
    let extended = scheduled.workflow_extended_info.expect("more info");
    let request = &extended.request_id_infos["request"];
    assert_eq!(request.event_type(), EventType::WorkflowExecutionStarted);
    assert_eq!((request.event_id, request.buffered), (1, false));
    let expiration = extended.execution_expiration_time.expect("a timeout");
    let started = info.start_time.expect("a start");
    let span = Time::from_proto(&expiration).since(Time::from_proto(&started));
    assert_eq!(span, 600 * SECOND);

    world.play("poll");
    let task = describe(&world).pending_workflow_task.expect("a task");
    assert_eq!(task.state(), PendingWorkflowTaskState::Started);
    assert!(task.started_time.is_some());
    let buffered = "start request=2 policies=,USE_EXISTING attach";
    world.play(buffered);
    let extended = describe(&world).workflow_extended_info.expect("more info");
    assert!(extended.request_id_infos["2"].buffered);

    world.play("wait s=3");
    world.play("terminate");
    let closed = describe(&world);
    let info = closed.workflow_execution_info.expect("info");
    assert_eq!(info.status(), WorkflowExecutionStatus::Terminated);
    assert_eq!(info.history_length, 6);
    assert_eq!(info.execution_duration.map(|it| it.seconds), Some(3));
    assert!(closed.pending_workflow_task.is_none());
}

/// A signal to a run that is beyond a limit: the last event of that run, and what the sender is told.
fn signal_beyond(grow: impl FnOnce(&mut Execution)) -> (Option<String>, Result<(), Refusal>) {
    let mut run = world("start").runs[0].run.clone();
    grow(&mut run);
    let signal = Signal {
        name: "sig".to_owned(),
        ..Signal::default()
    };
    let sent = World::default().cx(|cx| signal::signal(&mut run, cx, signal, false));
    let outcome = sent.expect("the run is open").expect("the signal is new");
    let last = outcome.blocks.iter().flatten().last();
    let events = outcome.blocks.iter().flatten().count();
    assert_eq!(events, 1, "the signal or the end, not both");
    let reason = last.and_then(|event| match &event.attributes {
        Some(Attributes::WorkflowExecutionTerminatedEventAttributes(end)) => {
            Some(end.reason.clone())
        }
        _ => None,
    });
    (reason, outcome.reply(()))
}

#[test]
fn a_run_beyond_its_limits_is_ended_and_the_caller_hears_of_it() {
    let limits = Limits::DEFAULT;
    type Grow = fn(&mut Execution, Limits);
    let cases: [(&str, Grow); 3] = [
        ("Workflow history size exceeds limit.", |run, limits| {
            run.head.history_size = limits.history_size + 1;
        }),
        ("Workflow history count exceeds limit.", |run, limits| {
            run.head.next_event_id = limits.history_count + 2;
        }),
        (
            "Workflow mutable state size exceeds limit.",
            |run, limits| {
                run.pending_bytes = limits.state_size + 1;
            },
        ),
    ];
    for (reason, grow) in cases {
        let (end, told) = signal_beyond(|run| grow(run, limits.clone()));
        assert_eq!(end.as_deref(), Some(reason));
        assert_eq!(told, Err(Refusal::invalid(reason)));
    }
    let at_the_limit = signal_beyond(|run| run.head.next_event_id = limits.history_count);
    assert_eq!(at_the_limit, (None, Ok(())));
}

#[test]
fn a_memo_counts_in_the_state_of_a_run_as_what_is_pending_does() {
    let mut world = world("start");
    let memo = &mut world.runs[0].run.head.memo;
    let payload = Payload {
        data: vec![b'x'; 2000].into(),
        ..Payload::default()
    };
    memo.insert("note".to_owned(), payload);
    world.limits.state_size = 3000;
    assert_eq!(world.play("signal"), "3 Signaled{sig}");
    world.limits.state_size = 2000;
    assert_eq!(
        world.play("signal"),
        "4 Terminated{Workflow mutable state size exceeds limit. by=history-service}"
    );
}

#[test]
fn no_limit_of_a_run_keeps_it_from_starting() {
    let mut world = World::default();
    world.limits.history_size = 10;
    world.limits.state_size = 10;
    assert_eq!(
        world.play("start"),
        "1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}"
    );
    assert_eq!(
        world.play("signal"),
        "3 Terminated{Workflow history size exceeds limit. by=history-service}"
    );
}

fn reported(world: &World) -> Option<String> {
    let attributes = &world.runs[0].run.head.search_attributes;
    let value = attributes.get("TemporalReportedProblems");
    value.map(|value| String::from_utf8_lossy(&value.data).into_owned())
}

#[test]
fn a_workflow_task_that_keeps_failing_is_reported_until_it_succeeds() {
    let mut world = world("start");
    world.play("poll");
    world.play("fail");
    // From now on the worker is silent.
    for attempt in 2..=Limits::DEFAULT.problems_reported_from {
        assert_eq!(reported(&world), None, "before attempt {attempt} failed");
        world.play("poll");
        world.play("wait s=1000");
        world.play("due");
    }
    let problem = r#"["category=WorkflowTaskFailed","cause=WorkflowTaskFailedCauseWorkflowWorkerUnhandledFailure"]"#;
    assert_eq!(reported(&world).as_deref(), Some(problem));
    world.play("poll");
    world.play("done");
    assert_eq!(reported(&world), None);
}

#[test]
fn a_worker_that_never_answers_is_reported_too() {
    let mut world = world("start");
    for _ in 0..Limits::DEFAULT.problems_reported_from {
        assert_eq!(reported(&world), None);
        world.play("poll");
        world.play("wait s=1000");
        world.play("due");
    }
    let problem =
        r#"["category=WorkflowTaskTimedOut","cause=WorkflowTaskTimedOutCauseStartToClose"]"#;
    assert_eq!(reported(&world).as_deref(), Some(problem));
}
