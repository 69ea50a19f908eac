//! What a start does where the workflow id is in use, or was (golden `start.running_conflict_*`,
//! `start.closed_reuse_matrix`, `start.on_conflict_options*`, `start.dedup_*`).

use crate::script::check;

const STARTED: &str = "1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}";

#[test]
fn an_open_run_is_met_by_the_conflict_policy() {
    let refused = "refused: Workflow execution is already running. WorkflowId: flow, RunId: r1.";
    let terminated = format!(
        "3 Terminated{{TerminateIfRunning WorkflowIdReusePolicy by=history-service \
         details=\"terminated by new runID: r2\"}} & {STARTED}"
    );
    let reuse_policies = [
        "UNSPECIFIED",
        "ALLOW_DUPLICATE",
        "ALLOW_DUPLICATE_FAILED_ONLY",
        "REJECT_DUPLICATE",
    ];
    for reuse in reuse_policies {
        for (conflict, answer) in [
            ("UNSPECIFIED", refused),
            ("FAIL", refused),
            ("USE_EXISTING", "nothing"),
            ("TERMINATE_EXISTING", &terminated),
        ] {
            check(&format!(
                "start: {STARTED}
                 start request=2 policies={reuse},{conflict}: {answer}"
            ));
        }
    }
    check(&format!(
        "start: {STARTED}
         start request=2 policies=TERMINATE_IF_RUNNING,UNSPECIFIED: {terminated}"
    ));
}

#[test]
fn a_closed_run_is_met_by_the_reuse_policy() {
    let failed_only = "refused: Workflow execution already finished successfully. WorkflowId: flow, RunId: r1. \
                       Workflow Id reuse policy: allow duplicate workflow Id if last run failed.";
    let reject = "refused: Workflow execution already finished. WorkflowId: flow, RunId: r1. \
                  Workflow Id reuse policy: reject duplicate workflow Id.";
    let done = "poll: attempt 1 events 2/3 after 0
                done";
    let completed = "3 TaskStarted | 4 TaskCompleted, 5";
    for (end, has_failed) in [
        (format!("{done} complete: {completed} Completed"), false),
        (
            format!("{done} fail: {completed} Failed{{RetryPolicyNotSet}}"),
            true,
        ),
        (format!("{done} cancel: {completed} Canceled"), true),
        (
            "terminate: 3 Terminated{terminated by user via frontend by=frontend-service}"
                .to_owned(),
            true,
        ),
        (
            "wait s=9:
             due: 3 TimedOut{RetryPolicyNotSet}"
                .to_owned(),
            true,
        ),
    ] {
        for (reuse, answer) in [
            ("UNSPECIFIED", STARTED),
            ("ALLOW_DUPLICATE", STARTED),
            (
                "ALLOW_DUPLICATE_FAILED_ONLY",
                if has_failed { STARTED } else { failed_only },
            ),
            ("REJECT_DUPLICATE", reject),
            ("TERMINATE_IF_RUNNING", STARTED),
        ] {
            check(&format!(
                "start run=9: 1 Started{{attempt=1 run=9s task=9s}}, 2 TaskScheduled{{attempt=1}}
                 {end}
                 start: duplicate started=true
                 start request=2 policies={reuse},UNSPECIFIED: {answer}"
            ));
        }
    }
}

#[test]
fn requests_are_attached_to_an_open_run() {
    check(
        "
        start: 1 Started{attempt=1 task=10s}, 2 TaskScheduled{attempt=1}
        start request=2 policies=,USE_EXISTING attach: 3 OptionsUpdated{request=2}
        start request=2: duplicate started=false
        poll: attempt 1 events 2/4 after 0
        start request=3 policies=,USE_EXISTING attach:
        start request=3: duplicate started=false
        done timer=3: 4 TaskStarted | 5 TaskCompleted, 6 TimerStarted{t3}, 7 OptionsUpdated{request=3}, 8 TaskScheduled{attempt=1}
        ",
    );
}
