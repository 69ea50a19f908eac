//! Signals, cancel requests, terminations, deletions in every state (worked histories 5 to 8, 22, 27; golden `signal`, `cancel`, `terminate`, `delete`).

use crate::script::check;

#[test]
fn a_run_is_asked_once_to_cancel() {
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done timer=300: 3 TaskStarted | 4 TaskCompleted, 5 TimerStarted{t300}
        cancel reason=why: 6 CancelRequested{cause=why}, 7 TaskScheduled{attempt=1}
        cancel reason=more: nothing
        poll: attempt 1 events 7/8 after 3
        done cancel: 8 TaskStarted | 9 TaskCompleted, 10 Canceled
        cancel: nothing
        ",
    );
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        cancel:
        done complete: 3 TaskStarted | 4 TaskFailed{UnhandledCommand}, 5 CancelRequested, 6 TaskScheduled{attempt=1} refused: UnhandledCommand
        poll: attempt 1 events 6/7 after 0
        done complete: 7 TaskStarted | 8 TaskCompleted, 9 Completed
        ",
    );
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        cancel first=r9: refused: workflow execution not found
        cancel first=r1: 3 CancelRequested
        ",
    );
}

#[test]
fn delete_closes_first() {
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        delete: 3 TaskStarted | 4 TaskFailed{ForceCloseCommand}, 5 Terminated{Delete workflow execution by=history-service}
        due: deleted
        ",
    );
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done complete: 3 TaskStarted | 4 TaskCompleted, 5 Completed
        due: nothing
        delete:
        due: deleted
        ",
    );
}

#[test]
fn signals_wait_for_the_task_that_runs() {
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        signal id=a:
        signal id=a: nothing
        done complete: 3 TaskStarted | 4 TaskFailed{UnhandledCommand}, 5 Signaled{sig}, 6 TaskScheduled{attempt=1} refused: UnhandledCommand
        signal: 7 Signaled{sig}
        poll: attempt 1 events 6/8 after 0
        signal: refused: workflow operation can not be applied because workflow is closing
        done timer=1: 8 TaskStarted | 9 TaskCompleted, 10 TimerStarted{t1}
        poll: no task
        ",
    );
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        signal size=2097153: refused: Blob data size exceeds limit.
        ",
    );
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        fail: 3 TaskStarted | 4 TaskFailed{WorkflowWorkerUnhandledFailure}
        signal: 5 Signaled{sig}
        poll: attempt 1 events 6/7 after 0
        fail: 6 TaskScheduled{attempt=1}, 7 TaskStarted | 8 TaskFailed{WorkflowWorkerUnhandledFailure}
        ",
    );
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        fail: 3 TaskStarted | 4 TaskFailed{WorkflowWorkerUnhandledFailure}
        poll: attempt 2 events 5/6 after 0
        signal:
        fail: 5 Signaled{sig}, 6 TaskScheduled{attempt=1}
        ",
    );
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        fail: 3 TaskStarted | 4 TaskFailed{WorkflowWorkerUnhandledFailure}
        poll: attempt 2 events 5/6 after 0
        fail:
        poll: attempt 3 events 5/6 after 0
        done timer=1: 5 TaskScheduled{attempt=3}, 6 TaskStarted | 7 TaskCompleted, 8 TimerStarted{t1}
        ",
    );
}

#[test]
fn terminate_in_every_state() {
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        terminate: 3 Terminated{terminated by user via frontend by=frontend-service}
        terminate: refused: workflow execution already completed
        signal: refused: workflow execution already completed
        cancel: nothing
        wait s=3600:
        due: deleted
        ",
    );
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        signal:
        terminate by=kit: 3 TaskStarted | 4 TaskFailed{ForceCloseCommand}, 5 Signaled{sig}, 6 Terminated{terminated by user via frontend by=kit}
        done complete: refused: Workflow task not found.
        ",
    );
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        fail: 3 TaskStarted | 4 TaskFailed{WorkflowWorkerUnhandledFailure}
        poll: attempt 2 events 5/6 after 0
        signal:
        terminate by=kit: 5 Signaled{sig}, 6 Terminated{terminated by user via frontend by=kit}
        ",
    );
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        fail: 3 TaskStarted | 4 TaskFailed{WorkflowWorkerUnhandledFailure}
        terminate: 5 Terminated{terminated by user via frontend by=frontend-service}
        ",
    );
    check(
        "
        start child: 1 Started{attempt=1 task=10s}
        terminate: 2 Terminated{terminated by user via frontend by=frontend-service} +NotifyParent
        ",
    );
}
