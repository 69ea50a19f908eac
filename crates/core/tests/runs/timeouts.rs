//! What becomes due: runs, executions, timers, workflow tasks (worked histories 9, 22, 23; golden `timeout`).

use crate::script::check;

#[test]
fn several_things_are_due_at_once() {
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done timer=2 timer=1: 3 TaskStarted | 4 TaskCompleted, 5 TimerStarted{t2}, 6 TimerStarted{t1}
        wait s=3:
        due: 7 TimerFired{t1}, 8 TimerFired{t2}, 9 TaskScheduled{attempt=1}
        poll: attempt 1 events 9/10 after 3
        ",
    );
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done timer=1 sticky: 3 TaskStarted | 4 TaskCompleted, 5 TimerStarted{t1}
        signal: 6 Signaled{sig}, 7 TaskScheduled{attempt=1 own}
        wait s=10:
        due: 8 TaskTimedOut{ScheduleToStart}, 9 TimerFired{t1}, 10 TaskScheduled{attempt=1}
        poll: attempt 1 events 10/11 after 3
        done complete: 11 TaskStarted | 12 TaskCompleted, 13 Completed
        ",
    );
    check(
        "
        start task=1: 1 Started{attempt=1 task=1s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        signal:
        wait s=1:
        due: 3 TaskStarted | 4 TaskTimedOut{StartToClose}, 5 Signaled{sig}, 6 TaskScheduled{attempt=1}
        poll: attempt 1 events 6/7 after 0
        ",
    );
    check(
        "
        start run=2: 1 Started{attempt=1 run=2s task=2s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done timer=1: 3 TaskStarted | 4 TaskCompleted, 5 TimerStarted{t1}
        wait s=5:
        due: 6 TimerFired{t1}, 7 TimedOut{RetryPolicyNotSet}
        ",
    );
}

#[test]
fn an_execution_times_out_over_its_chain() {
    check(
        "
        start execution=1 retry=5: 1 Started{attempt=1 run=1s task=1s}, 2 TaskScheduled{attempt=1}
        wait s=1:
        due: 3 TimedOut{Timeout}
        ",
    );
    check(
        "
        start execution=3: 1 Started{attempt=1 run=3s task=3s}, 2 TaskScheduled{attempt=1}
        wait s=1:
        poll: attempt 1 events 2/3 after 0
        done again: 3 TaskStarted | 4 TaskCompleted, 5 ContinuedAsNew{run=3s next=u2} => 1 Started{attempt=1 initiator=Workflow run=3s task=3s after=r1}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done timer=300: 3 TaskStarted | 4 TaskCompleted, 5 TimerStarted{t300}
        wait s=2:
        due: 6 TimedOut{Timeout}
        ",
    );
    check(
        "
        start execution=3 delay=5: 1 Started{attempt=1 backoff=5s run=3s task=3s}
        wait s=3:
        due: 2 TimedOut{Timeout}
        ",
    );
}

#[test]
fn a_run_times_out() {
    check(
        "
        start run=1: 1 Started{attempt=1 run=1s task=1s}, 2 TaskScheduled{attempt=1}
        wait s=1:
        due: 3 TimedOut{RetryPolicyNotSet}
        ",
    );
    check(
        "
        start run=1: 1 Started{attempt=1 run=1s task=1s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        signal:
        wait s=1:
        due: 3 TaskStarted | 4 TaskFailed{ForceCloseCommand}, 5 Signaled{sig}, 6 TimedOut{RetryPolicyNotSet}
        ",
    );
    check(
        "
        start run=1 retry=2: 1 Started{attempt=1 run=1s task=1s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        wait s=1:
        due: 3 TaskStarted | 4 TaskFailed{ForceCloseCommand}, 5 TimedOut{InProgress next=u2} => 1 Started{attempt=2 initiator=Retry backoff=1s run=1s task=1s after=r1 failure=workflow_timeout}
        wait s=1:
        due: 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done complete: 3 TaskStarted | 4 TaskCompleted, 5 Completed
        ",
    );
    check(
        "
        start run=1 delay=5: 1 Started{attempt=1 backoff=5s run=1s task=1s}
        wait s=5:
        due: 2 TaskScheduled{attempt=1}
        wait s=0.999:
        due: nothing
        wait s=0.001:
        due: 3 TimedOut{RetryPolicyNotSet}
        ",
    );
}
