//! Retry, cron and continue-as-new (worked histories 23 to 25; golden `start.retry_chain`, `start.cron`, `continue`).

use crate::script::check;

#[test]
fn a_run_continues_as_new() {
    check(
        "
        start run=60 execution=600: 1 Started{attempt=1 run=60s task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        signal:
        done again: 3 TaskStarted | 4 TaskFailed{UnhandledCommand}, 5 Signaled{sig}, 6 TaskScheduled{attempt=1} refused: UnhandledCommand
        poll: attempt 1 events 6/7 after 0
        done timer=9 again: 7 TaskStarted | 8 TaskCompleted, 9 TimerStarted{t9}, 10 ContinuedAsNew{run=60s next=u2} => 1 Started{attempt=1 initiator=Workflow run=60s task=10s after=r1}, 2 TaskScheduled{attempt=1}
        signal: 3 Signaled{sig}
        poll: attempt 1 events 2/4 after 0
        ",
    );
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done again=600: 3 TaskStarted | 4 TaskCompleted, 5 ContinuedAsNew{next=u2} => 1 Started{attempt=1 initiator=Workflow backoff=600s task=10s after=r1}
        signal: 2 Signaled{sig}
        cancel: 3 CancelRequested, 4 TaskScheduled{attempt=1}
        terminate first=r9: refused: workflow execution not found
        terminate first=r1: 5 Terminated{terminated by user via frontend by=frontend-service}
        ",
    );
    check(
        "
        start child: 1 Started{attempt=1 task=10s}
        release: 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done again: 3 TaskStarted | 4 TaskCompleted, 5 ContinuedAsNew{next=u2} => 1 Started{attempt=1 initiator=Workflow task=10s after=r1}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done complete: 3 TaskStarted | 4 TaskCompleted, 5 Completed +NotifyParent
        ",
    );
}

#[test]
fn a_cron_run_is_followed_by_the_next() {
    check(
        "
        start cron=@every_2s: 1 Started{attempt=1 initiator=CronSchedule backoff=2s task=10s}
        wait s=2:
        due: 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        wait s=1:
        done complete=first: 3 TaskStarted | 4 TaskCompleted, 5 Completed{result=first next=u2} => 1 Started{attempt=1 initiator=CronSchedule backoff=1s task=10s after=r1 result=first}
        wait s=1:
        due: 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done fail=A: 3 TaskStarted | 4 TaskCompleted, 5 Failed{RetryPolicyNotSet next=u4} => 1 Started{attempt=1 initiator=CronSchedule backoff=2s task=10s after=u2 failure=boom result=first}
        wait s=2:
        due: 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done cancel: 3 TaskStarted | 4 TaskCompleted, 5 Canceled
        ",
    );
    check(
        "
        start cron=@every_2s retry=2 interval=1: 1 Started{attempt=1 initiator=CronSchedule backoff=2s task=10s}
        wait s=2:
        due: 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done fail=A: 3 TaskStarted | 4 TaskCompleted, 5 Failed{InProgress next=u2} => 1 Started{attempt=2 initiator=Retry backoff=1s task=10s after=r1 failure=boom}
        wait s=1:
        due: 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done fail=B: 3 TaskStarted | 4 TaskCompleted, 5 Failed{MaximumAttemptsReached next=u4} => 1 Started{attempt=1 initiator=CronSchedule backoff=2s task=10s after=u2 failure=boom}
        ",
    );
    check(
        "
        start cron=@every_2s run=1: 1 Started{attempt=1 initiator=CronSchedule backoff=2s run=1s task=1s}
        wait s=3:
        due: 2 TaskScheduled{attempt=1}, 3 TimedOut{RetryPolicyNotSet next=u2} => 1 Started{attempt=1 initiator=CronSchedule backoff=1s run=1s task=1s after=r1 failure=workflow_timeout}
        wait s=2:
        due: 2 TaskScheduled{attempt=1}, 3 TimedOut{RetryPolicyNotSet next=u4} => 1 Started{attempt=1 initiator=CronSchedule backoff=1s run=1s task=1s after=u2 failure=workflow_timeout}
        ",
    );
    check(
        "
        start cron=@every_2s: 1 Started{attempt=1 initiator=CronSchedule backoff=2s task=10s}
        terminate: 2 Terminated{terminated by user via frontend by=frontend-service}
        ",
    );
}

#[test]
fn a_failed_run_is_retried() {
    check(
        "
        start retry=2 interval=1: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done fail=A: 3 TaskStarted | 4 TaskCompleted, 5 Failed{InProgress next=u2} => 1 Started{attempt=2 initiator=Retry backoff=1s task=10s after=r1 failure=boom}
        wait s=1:
        due: 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done fail=B: 3 TaskStarted | 4 TaskCompleted, 5 Failed{MaximumAttemptsReached}
        ",
    );
    check(
        "
        start retry=2: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done fail=Fatal: 3 TaskStarted | 4 TaskCompleted, 5 Failed{NonRetryableFailure}
        ",
    );
    check(
        "
        start retry=0 interval=60 execution=20: 1 Started{attempt=1 run=20s task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done fail=A: 3 TaskStarted | 4 TaskCompleted, 5 Failed{Timeout}
        ",
    );
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        poll: attempt 1 events 2/3 after 0
        done fail=A: 3 TaskStarted | 4 TaskCompleted, 5 Failed{RetryPolicyNotSet}
        ",
    );
}
