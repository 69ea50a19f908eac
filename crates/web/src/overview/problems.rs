//! What is wrong now, and how to mend it: a pure function of what the services say.

use steadfast_protocol::workflowservice::DescribeWorkflowExecutionResponse;

use crate::queues::survey::{Queue, Side};
use crate::time;
use crate::visit::Visit;
use crate::workflows::query::quoted;

/// A backlog that is older needs more workers.
const BACKLOG_NS_MAX: i128 = 10_000_000_000;
/// From this attempt on, an activity is in trouble rather than unlucky.
const ATTEMPTS_MAX: i32 = 3;
/// Problems of one kind that are told one by one.
const TOLD_MAX: usize = 20;

/// Something that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) title: String,
    /// How to mend it.
    pub(super) advice: String,
    /// The page that says more.
    pub(super) url: String,
    pub(super) link: &'static str,
}

pub(super) fn of(
    visit: &Visit,
    namespace: &str,
    queues: &[Queue],
    running: &[DescribeWorkflowExecutionResponse],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for queue in queues {
        if queue.is_abandoned() {
            let query = format!(
                "TaskQueue = {} AND ExecutionStatus = \"Running\"",
                quoted(&queue.name)
            );
            problems.push(Problem {
                title: format!(
                    "No worker polls the task queue {}; {} open run{} on it.",
                    queue.name,
                    queue.open,
                    if queue.open == 1 { " waits" } else { "s wait" }
                ),
                advice: "Start a worker for this queue, or look whether its name is spelled alike in workers and clients.".to_owned(),
                url: visit.links.workflows_where(namespace, &query),
                link: "Show the runs",
            });
            continue;
        }
        for (side, word) in [(&queue.workflow, "workflow"), (&queue.activity, "activity")] {
            problems.extend(slow(visit, namespace, &queue.name, side, word));
        }
    }
    let mut tasks = Vec::new();
    let mut activities = Vec::new();
    for run in running {
        let info = run.workflow_execution_info.clone().unwrap_or_default();
        let execution = info.execution.unwrap_or_default();
        let url = visit
            .links
            .run(namespace, &execution.workflow_id, &execution.run_id);
        if let Some(task) = run
            .pending_workflow_task
            .as_ref()
            .filter(|task| task.attempt > 1)
        {
            tasks.push(Problem {
                title: format!(
                    "The workflow task of {} fails; this is attempt {}.",
                    execution.workflow_id, task.attempt
                ),
                advice: "The code of the workflow does not agree with its history, or throws. Mend it and deploy the worker: the run goes on by itself.".to_owned(),
                url: url.clone(),
                link: "Show the run",
            });
        }
        for activity in &run.pending_activities {
            if activity.attempt < ATTEMPTS_MAX {
                continue;
            }
            let kind = activity.activity_type.clone().unwrap_or_default().name;
            let said = activity
                .last_failure
                .as_ref()
                .map(|failure| failure.message.as_str());
            activities.push(Problem {
                title: format!(
                    "Activity {kind} of {} is in attempt {}: {}",
                    execution.workflow_id,
                    activity.attempt,
                    said.unwrap_or("it failed before")
                ),
                advice:
                    "What it calls fails. It is tried again until it succeeds or its time is over."
                        .to_owned(),
                url: url.clone(),
                link: "Show the run",
            });
        }
    }
    for mut kind in [tasks, activities] {
        let more = kind.len().saturating_sub(TOLD_MAX);
        kind.truncate(TOLD_MAX);
        problems.append(&mut kind);
        if more > 0 {
            problems.push(Problem {
                title: format!("{more} more like these."),
                advice: "Failures that are alike stand together on their own page.".to_owned(),
                url: visit.links.failures(namespace),
                link: "Show the failures",
            });
        }
    }
    problems
}

fn slow(visit: &Visit, namespace: &str, queue: &str, side: &Side, word: &str) -> Option<Problem> {
    if side.backlog == 0 || side.age < BACKLOG_NS_MAX {
        return None;
    }
    let pollers = side.pollers.len();
    let advice = match pollers {
        0 => format!("No worker polls for {word} tasks on this queue: start one."),
        _ => "Its workers do not keep up: start more of them, or let each do more at once."
            .to_owned(),
    };
    Some(Problem {
        title: format!(
            "{} {word} task{} on {queue}, the oldest since {}.",
            side.backlog,
            if side.backlog == 1 {
                " waits"
            } else {
                "s wait"
            },
            time::duration(side.age)
        ),
        advice,
        url: visit.links.task_queue(namespace, queue),
        link: "Show the queue",
    })
}
