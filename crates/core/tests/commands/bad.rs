//! Commands that are wrong: exactly the reference's sentences, and nothing of the completion is left.

use steadfast_core::limits::{self, Limits};
use steadfast_core::time::SECOND;
use steadfast_protocol::Duration;
use steadfast_protocol::command::command::Attributes as Do;
use steadfast_protocol::command::*;
use steadfast_protocol::common::{RetryPolicy, SearchAttributes, WorkflowExecution, WorkflowType};
use steadfast_protocol::history::history_event::Attributes;

use crate::world::{
    World, activity, cancel_activity, complete, payload, queue, schedule, state, text, timer,
};

const NEGATIVE: Option<Duration> = Some(Duration {
    seconds: -1,
    nanos: 0,
});

fn marker(name: &str) -> Do {
    Do::RecordMarkerCommandAttributes(RecordMarkerCommandAttributes {
        marker_name: name.to_owned(),
        ..Default::default()
    })
}

fn act(change: impl FnOnce(&mut ScheduleActivityTaskCommandAttributes)) -> Vec<Do> {
    let mut command = activity("a1", 0);
    change(&mut command);
    vec![Do::ScheduleActivityTaskCommandAttributes(command)]
}

fn child(change: impl FnOnce(&mut StartChildWorkflowExecutionCommandAttributes)) -> Do {
    let mut command = StartChildWorkflowExecutionCommandAttributes {
        workflow_id: "child".to_owned(),
        workflow_type: Some(WorkflowType {
            name: "Child".to_owned(),
        }),
        task_queue: Some(queue("queue")),
        ..Default::default()
    };
    change(&mut command);
    Do::StartChildWorkflowExecutionCommandAttributes(command)
}

fn cancel_external(workflow_id: &str, namespace: &str) -> Do {
    Do::RequestCancelExternalWorkflowExecutionCommandAttributes(
        RequestCancelExternalWorkflowExecutionCommandAttributes {
            workflow_id: workflow_id.to_owned(),
            namespace: namespace.to_owned(),
            ..Default::default()
        },
    )
}

fn signal_external(workflow_id: &str, run_id: &str, signal: &str) -> Do {
    Do::SignalExternalWorkflowExecutionCommandAttributes(
        SignalExternalWorkflowExecutionCommandAttributes {
            execution: Some(WorkflowExecution {
                workflow_id: workflow_id.to_owned(),
                run_id: run_id.to_owned(),
            }),
            signal_name: signal.to_owned(),
            ..Default::default()
        },
    )
}

fn cancel_timer(id: &str) -> Do {
    Do::CancelTimerCommandAttributes(CancelTimerCommandAttributes {
        timer_id: id.to_owned(),
    })
}

fn start_timer(timeout: Option<Duration>) -> Do {
    Do::StartTimerCommandAttributes(StartTimerCommandAttributes {
        timer_id: "t".to_owned(),
        start_to_fire_timeout: timeout,
    })
}

fn upsert(name: &str) -> Do {
    let field = (name.to_owned(), payload("1"));
    Do::UpsertWorkflowSearchAttributesCommandAttributes(
        UpsertWorkflowSearchAttributesCommandAttributes {
            search_attributes: Some(SearchAttributes {
                indexed_fields: [field].into(),
            }),
        },
    )
}

fn again(change: impl FnOnce(&mut ContinueAsNewWorkflowExecutionCommandAttributes)) -> Vec<Do> {
    let mut command = ContinueAsNewWorkflowExecutionCommandAttributes::default();
    change(&mut command);
    vec![Do::ContinueAsNewWorkflowExecutionCommandAttributes(command)]
}

#[test]
fn bad_commands_fail_the_task() {
    let long = "a".repeat(1001);
    let policy = |command: &mut ScheduleActivityTaskCommandAttributes| {
        command.retry_policy = Some(RetryPolicy {
            backoff_coefficient: 0.5,
            ..Default::default()
        });
    };
    let cases: Vec<(Vec<Do>, &str)> = vec![
        (
            act(|c| c.activity_id.clear()),
            "BadScheduleActivityAttributes: activityId is not set",
        ),
        (
            act(|c| c.activity_type = None),
            "BadScheduleActivityAttributes: activityType is not set",
        ),
        (
            act(|c| c.start_to_close_timeout = None),
            "BadScheduleActivityAttributes: a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. ActivityId=a1 ActivityType=Act",
        ),
        (
            act(|c| c.heartbeat_timeout = NEGATIVE),
            "BadScheduleActivityAttributes: invalid HeartbeatTimeout: negative duration",
        ),
        (
            act(|c| c.task_queue = Some(queue(""))),
            "BadScheduleActivityAttributes: missing task queue name",
        ),
        (
            act(policy),
            "BadScheduleActivityAttributes: BackoffCoefficient cannot be less than 1 on retry policy.",
        ),
        (
            act(|c| c.activity_id = long.clone()),
            "BadScheduleActivityAttributes: activityId exceeds length limit. Length=1001 Limit=1000",
        ),
        (
            vec![cancel_activity(77)],
            "BadRequestCancelActivityAttributes: invalid history builder state for action: add-activitytask-cancel-requested-event, ScheduledEventID: 77",
        ),
        (
            vec![cancel_activity(0)],
            "BadRequestCancelActivityAttributes: ScheduledEventId is not set on RequestCancelActivityTaskCommand.",
        ),
        (
            vec![timer("", 1)],
            "BadStartTimerAttributes: TimerId is not set on StartTimerCommand.",
        ),
        (
            vec![start_timer(NEGATIVE)],
            "BadStartTimerAttributes: An invalid StartToFireTimeout is set on StartTimerCommand: negative duration. TimerId=t",
        ),
        (
            vec![cancel_timer("none")],
            "BadCancelTimerAttributes: invalid history builder state for action: add-timer-canceled-event, TimerID: none",
        ),
        (
            vec![cancel_timer("")],
            "BadCancelTimerAttributes: TimerId is not set on CancelTimerCommand.",
        ),
        (
            vec![marker("")],
            "BadRecordMarkerAttributes: MarkerName is not set on RecordMarkerCommand.",
        ),
        (
            vec![Do::FailWorkflowExecutionCommandAttributes(
                Default::default(),
            )],
            "BadFailWorkflowExecutionAttributes: Failure is not set on FailWorkflowExecutionCommand.",
        ),
        (
            vec![child(|c| c.workflow_id.clear())],
            "BadStartChildExecutionAttributes: Required field WorkflowId is not set on StartChildWorkflowExecutionCommand. WorkflowType=Child Namespace=place",
        ),
        (
            vec![child(|c| c.workflow_type = None)],
            "BadStartChildExecutionAttributes: Required field WorkflowType is not set on StartChildWorkflowExecutionCommand. WorkflowId=child Namespace=place",
        ),
        (
            vec![child(|c| c.workflow_run_timeout = NEGATIVE)],
            "BadStartChildExecutionAttributes: Invalid WorkflowRunTimeout on StartChildWorkflowExecutionCommand: negative duration. WorkflowId=child WorkflowType=Child Namespace=place",
        ),
        (
            vec![child(|c| c.cron_schedule = "odd".to_owned())],
            "BadStartChildExecutionAttributes: invalid CronSchedule on StartChildWorkflowExecutionCommand: invalid CronSchedule.. WorkflowId=child WorkflowType=Child Namespace=place",
        ),
        (
            vec![child(|c| {
                c.task_queue = Some(queue("temporal-sys-per-ns-tq"))
            })],
            "BadStartChildExecutionAttributes: invalid TaskQueue on StartChildWorkflowExecutionCommand: cannot use internal per-namespace task queue:temporal-sys-per-ns-tq (in parent component task queue: queue). WorkflowId=child WorkflowType=Child Namespace=place",
        ),
        (
            again(|c| c.task_queue = Some(queue("/_sys/q"))),
            "BadContinueAsNewAttributes: task queue name cannot start with reserved prefix /_sys/. WorkflowType=Flow TaskQueue=name:\"/_sys/q\" kind:TASK_QUEUE_KIND_NORMAL",
        ),
        (
            vec![signal_external("", "", "s")],
            "BadSignalWorkflowExecutionAttributes: WorkflowId is not set on SignalExternalWorkflowExecutionCommand. Namespace= RunId= SignalName=s",
        ),
        (
            vec![signal_external("x", "", "")],
            "BadSignalWorkflowExecutionAttributes: SignalName is not set on SignalExternalWorkflowExecutionCommand. WorkflowId=x Namespace= RunId=",
        ),
        (
            vec![signal_external("x", "odd", "s")],
            "BadSignalWorkflowExecutionAttributes: Invalid RunId set on SignalExternalWorkflowExecutionCommand. WorkflowId=x Namespace= RunId=odd SignalName=s",
        ),
        (
            vec![cancel_external("", "")],
            "BadRequestCancelExternalWorkflowExecutionAttributes: WorkflowId is not set on RequestCancelExternalWorkflowExecutionCommand. Namespace= RunId=",
        ),
        (
            vec![cancel_external("x", "other")],
            "BadRequestCancelExternalWorkflowExecutionAttributes: cross namespace commands are not allowed",
        ),
        (
            vec![child(|_| {}), cancel_external("child", "")],
            "BadRequestCancelExternalWorkflowExecutionAttributes: Start and RequestCancel for child workflow is not allowed in same workflow task. WorkflowId=child RunId= Namespace=",
        ),
        (
            vec![Do::UpsertWorkflowSearchAttributesCommandAttributes(
                Default::default(),
            )],
            "BadSearchAttributes: SearchAttributes is not set on UpsertWorkflowSearchAttributesCommand.",
        ),
        (
            vec![upsert("Unknown")],
            "BadSearchAttributes: no mapping for Unknown",
        ),
        (
            vec![Do::ModifyWorkflowPropertiesCommandAttributes(
                Default::default(),
            )],
            "BadModifyWorkflowPropertiesAttributes: UpsertedMemo is not set on ModifyWorkflowPropertiesCommand.",
        ),
        (
            vec![Do::ProtocolMessageCommandAttributes(
                ProtocolMessageCommandAttributes {
                    message_id: "none".to_owned(),
                },
            )],
            "BadUpdateWorkflowExecutionMessage: ProtocolMessageCommand referenced absent message ID none",
        ),
        (
            again(|c| c.workflow_run_timeout = NEGATIVE),
            "BadContinueAsNewAttributes: Invalid WorkflowRunTimeout on ContinueAsNewWorkflowExecutionCommand: negative duration. WorkflowType=Flow TaskQueue=name:\"queue\" kind:TASK_QUEUE_KIND_NORMAL",
        ),
        (
            vec![schedule("same"), schedule("same")],
            "ScheduleActivityDuplicateId: invalid history builder state for action: add-activitytask-scheduled-event, ActivityID: same",
        ),
        (
            vec![timer("same", 1), timer("same", 1)],
            "StartTimerDuplicateId: invalid history builder state for action: add-timer-started-event, TimerID: same",
        ),
    ];
    for (commands, message) in cases {
        let mut world = World::open();
        let all = [vec![marker("m")], commands].concat();
        let refused = world.done(all).err();
        assert_eq!(refused.as_deref(), Some(message));
        let Some(Attributes::WorkflowTaskFailedEventAttributes(event)) =
            &world.history.last().unwrap().attributes
        else {
            panic!("{message}: the task fails");
        };
        assert!(message.starts_with(&format!("{:?}: ", event.cause())));
        assert_eq!(event.failure.as_ref().unwrap().message, message);
        assert_eq!(event.identity, "worker");
        assert_eq!(world.run.head.workflow_task.as_ref().unwrap().attempt, 2);
        assert!(world.effects.is_empty() && world.tasks.len() == 1);
    }
}

#[test]
fn a_second_bad_completion_changes_nothing() {
    let mut world = World::open();
    let first = world.done(vec![marker("")]).err();
    world.poll();
    let before = state(&world.run);
    let commands = vec![schedule("a"), timer("t", 1), child(|_| {}), marker("")];
    assert_eq!(world.done(commands).err(), first);
    assert_eq!(state(&world.run), before);
    assert!(world.run.started_task.is_some(), "it times out");
    assert!(world.run.activity_ids.is_empty() && world.run.timer_ids.is_empty());
    // The same attempt may still do better.
    world.done(vec![complete()]).unwrap();
    world.expect(
        5,
        "5 WorkflowTaskScheduled 2
        6 WorkflowTaskStarted
        7 WorkflowTaskCompleted
        8 WorkflowExecutionCompleted",
    );
}

#[test]
fn a_close_comes_last() {
    let mut world = World::open();
    let before = state(&world.run);
    let refused = world.done(vec![complete(), timer("t", 1)]);
    assert_eq!(
        refused.err().as_deref(),
        Some(
            "invalid command sequence: [CompleteWorkflowExecution, StartTimer], command CompleteWorkflowExecution must be the last command."
        )
    );
    assert_eq!(state(&world.run), before);
    let refused = world.done_with(vec![Command::default()]);
    assert_eq!(
        refused.err().as_deref(),
        Some("unknown command type: Unspecified")
    );
    assert_eq!(state(&world.run), before);
}

#[test]
fn an_unknown_namespace_is_refused_without_a_trace() {
    let mut world = World::open();
    let refused = world.done(vec![cancel_external("x", "nowhere")]);
    assert_eq!(
        refused.err().as_deref(),
        Some("Namespace nowhere is not found.")
    );
    assert!(world.run.started_task.is_some());
}

#[test]
fn a_result_that_is_too_large_ends_the_run() {
    let mut world = World::open();
    let result = Some(text(&"x".repeat(Limits::DEFAULT.blob_size)));
    let command = Do::CompleteWorkflowExecutionCommandAttributes(
        CompleteWorkflowExecutionCommandAttributes { result },
    );
    let message = "BadScheduleActivityAttributes: CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit.";
    assert_eq!(world.done(vec![command]).err().as_deref(), Some(message));
    world.expect(
        4,
        "4 WorkflowTaskFailed BadScheduleActivityAttributes
        5 WorkflowExecutionTerminated",
    );
}

#[test]
fn there_is_room_for_so_many_and_no_more() {
    let mut world = World::open();
    let many = (0..limits::PENDING_MAX).map(|number| schedule(&format!("a{number}")));
    world.done(many.collect()).unwrap();
    world.signal("s");
    world.poll();
    let refused = world.done(vec![schedule("more")]);
    assert_eq!(
        refused.err().as_deref(),
        Some(
            "PendingActivitiesLimitExceeded: the number of pending activities, 2000, has reached the per-workflow limit of 2000"
        )
    );
}

#[test]
fn a_timer_without_a_duration_fires_at_once_and_a_long_one_is_cut() {
    let mut world = World::open();
    let endless = Some(Duration {
        seconds: i64::MAX / SECOND,
        nanos: 0,
    });
    let long = Do::StartTimerCommandAttributes(StartTimerCommandAttributes {
        timer_id: "long".to_owned(),
        start_to_fire_timeout: endless,
    });
    world.done(vec![start_timer(None), long]).unwrap();
    let Some(Attributes::TimerStartedEventAttributes(event)) = &world.history[4].attributes else {
        panic!("started");
    };
    assert_eq!(event.start_to_fire_timeout, None);
    world.wait(0);
    assert_eq!(world.run.timers.len(), 1);
}
