//! How runs begin (worked histories 15 and 16; golden `start`, `child`).

use crate::script::check;

#[test]
fn a_child_waits_for_its_parent() {
    check(
        "
        start child: 1 Started{attempt=1 task=10s}
        due: nothing
        release: 2 TaskScheduled{attempt=1}
        release: nothing
        poll: attempt 1 events 2/3 after 0
        done complete: 3 TaskStarted | 4 TaskCompleted, 5 Completed +NotifyParent
        ",
    );
    check(
        "
        start child cron=@every_2s: 1 Started{attempt=1 initiator=CronSchedule backoff=2s task=10s}
        wait s=1:
        due: nothing
        release:
        due: nothing
        wait s=1:
        due: 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done cancel: 3 TaskStarted | 4 TaskCompleted, 5 Canceled +NotifyParent
        ",
    );
    check(
        "
        start child cron=@every_2s: 1 Started{attempt=1 initiator=CronSchedule backoff=2s task=10s}
        wait s=5:
        due: nothing
        release: 2 TaskScheduled{attempt=1}
        ",
    );
    check(
        "
        start child: 1 Started{attempt=1 task=10s}
        cancel: 2 CancelRequested, 3 TaskScheduled{attempt=1}
        release:
        poll: attempt 1 events 3/4 after 0
        done cancel: 4 TaskStarted | 5 TaskCompleted, 6 Canceled +NotifyParent
        ",
    );
}

#[test]
fn a_delay_holds_the_first_task_back() {
    check(
        "
        start delay=1: 1 Started{attempt=1 backoff=1s task=10s}
        due: nothing
        signal: 2 Signaled{sig}
        wait s=1:
        due: 3 TaskScheduled{attempt=1}
        poll: attempt 1 events 3/4 after 0
        done complete: 4 TaskStarted | 5 TaskCompleted, 6 Completed
        ",
    );
    check(
        "
        start delay=600: 1 Started{attempt=1 backoff=600s task=10s}
        signal with-start: 2 Signaled{sig}, 3 TaskScheduled{attempt=1}
        poll: attempt 1 events 3/4 after 0
        done complete: 4 TaskStarted | 5 TaskCompleted, 6 Completed
        wait s=600:
        due: nothing
        ",
    );
    check(
        "
        start delay=600: 1 Started{attempt=1 backoff=600s task=10s}
        cancel reason=why: 2 CancelRequested{cause=why}, 3 TaskScheduled{attempt=1}
        poll: attempt 1 events 3/4 after 0
        done cancel: 4 TaskStarted | 5 TaskCompleted, 6 Canceled
        ",
    );
    check(
        "
        start delay=1 signal=s: 1 Started{attempt=1 backoff=1s task=10s}, 2 Signaled{s}
        wait s=1:
        due: 3 TaskScheduled{attempt=1}
        ",
    );
}

#[test]
fn an_eager_task_is_started_with_the_run() {
    check(
        "
        start eager: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1} eager
        done complete: 3 TaskStarted | 4 TaskCompleted, 5 Completed
        ",
    );
    check(
        "
        start eager task=1: 1 Started{attempt=1 task=1s}, 2 TaskScheduled{attempt=1} eager
        wait s=1:
        due: 3 TaskStarted | 4 TaskTimedOut{StartToClose}
        poll: attempt 2 events 5/6 after 0
        done complete: 5 TaskScheduled{attempt=2}, 6 TaskStarted | 7 TaskCompleted, 8 Completed
        ",
    );
    check(
        "
        start eager delay=1: 1 Started{attempt=1 backoff=1s task=10s}
        ",
    );
}

#[test]
fn a_plain_run() {
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done complete=r: 3 TaskStarted | 4 TaskCompleted, 5 Completed{result=r}
        ",
    );
}

#[test]
fn a_signal_precedes_the_first_task() {
    check(
        "
        start signal=s id=x: 1 Started{attempt=1 task=10s}, 2 Signaled{s}, 3 TaskScheduled{attempt=1}
        signal id=x: nothing
        signal id=y: 4 Signaled{sig}
        poll: attempt 1 events 3/5 after 0
        done complete: 5 TaskStarted | 6 TaskCompleted, 7 Completed
        signal id=y: nothing
        signal id=z: refused: workflow execution already completed
        ",
    );
}

/// The end of a chain is a whole millisecond, and so is that of a run which lasts as long: it must not come first.
#[test]
fn a_run_that_lasts_as_long_as_its_chain_ends_with_it() {
    check(
        "
        wait s=0.0001:
        start execution=1: 1 Started{attempt=1 run=1s task=1s}, 2 TaskScheduled{attempt=1}
        wait s=1:
        due: nothing
        wait s=0.0009:
        due: 3 TimedOut{Timeout}
        ",
    );
}

#[test]
fn timeouts_take_effect() {
    check(
        "
        start execution=100 run=200 task=500: 1 Started{attempt=1 run=100s task=100s}, 2 TaskScheduled{attempt=1}
        ",
    );
    check(
        "
        start execution=50: 1 Started{attempt=1 run=50s task=10s}, 2 TaskScheduled{attempt=1}
        ",
    );
    check(
        "
        start run=5: 1 Started{attempt=1 run=5s task=5s}, 2 TaskScheduled{attempt=1}
        ",
    );
    check(
        "
        start task=500: 1 Started{attempt=1 task=120s}, 2 TaskScheduled{attempt=1}
        ",
    );
    check(
        "
        start size=2097153: refused: Blob data size exceeds limit.
        ",
    );
}
