//! What the services say about task queues.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use steadfast_protocol::enums::TaskQueueType;
use steadfast_protocol::taskqueue::{PollerInfo, TaskQueue};
use steadfast_protocol::workflowservice::{
    DescribeTaskQueueRequest, ListWorkflowExecutionsRequest,
};

use crate::backend::Backend;
use crate::failure::PageError;
use crate::time;

/// Runs whose queues are looked at, of the open and of the closed ones.
const RUNS_MAX: i32 = 1000;
/// Queues that are described.
pub(crate) const QUEUES_MAX: usize = 200;
const CALLS_MAX: usize = 16;

/// The types of tasks with their words.
pub(crate) const TYPES: [(TaskQueueType, &str); 2] = [
    (TaskQueueType::Workflow, "Workflow tasks"),
    (TaskQueueType::Activity, "Activity tasks"),
];

/// A task queue: one of its types.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side {
    pub(crate) pollers: Vec<PollerInfo>,
    pub(crate) backlog: i64,
    /// Nanoseconds that the oldest task has waited.
    pub(crate) age: i128,
    pub(crate) added_per_second: f32,
    pub(crate) dispatched_per_second: f32,
}

impl Side {
    /// How long the oldest task has waited, for people.
    pub(crate) fn age_text(&self) -> String {
        match self.backlog {
            0 => String::new(),
            _ => time::duration(self.age),
        }
    }
}

/// A task queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) workflow: Side,
    pub(crate) activity: Side,
    /// Open runs of it, among those that were looked at.
    pub(crate) open: usize,
}

impl Queue {
    /// Whether open runs wait for a worker that is not there.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.workflow.pollers.is_empty() && (self.open > 0 || self.workflow.backlog > 0)
    }
}

/// The task queues of a namespace, those in trouble first.
pub(crate) async fn all(backend: &Backend, namespace: &str) -> Result<Vec<Queue>, PageError> {
    let names = names(backend, namespace).await?;
    let described = futures_util::stream::iter(names).map(|(name, open)| async move {
        let mut queue = describe(backend, namespace, &name).await?;
        queue.open = open;
        Ok::<_, PageError>(queue)
    });
    let described: Vec<_> = described.buffer_unordered(CALLS_MAX).collect().await;
    let mut queues = described.into_iter().collect::<Result<Vec<_>, _>>()?;
    queues.sort_by(|a, b| {
        let key = |queue: &Queue| (!queue.is_abandoned(), queue.name.clone());
        key(a).cmp(&key(b))
    });
    Ok(queues)
}

/// The names with the number of open runs.
async fn names(backend: &Backend, namespace: &str) -> Result<BTreeMap<String, usize>, PageError> {
    let list = |query: &str| {
        let request = ListWorkflowExecutionsRequest {
            namespace: namespace.to_owned(),
            page_size: RUNS_MAX,
            query: query.to_owned(),
            ..ListWorkflowExecutionsRequest::default()
        };
        let mut client = backend.workflow();
        async move { client.list_workflow_executions(request).await }
    };
    let (open, closed) = tokio::join!(
        list("ExecutionStatus = \"Running\""),
        list("ExecutionStatus != \"Running\"")
    );
    let mut names = BTreeMap::new();
    for info in open?.into_inner().executions {
        *names.entry(info.task_queue).or_default() += 1;
    }
    for info in closed?.into_inner().executions {
        if names.len() >= QUEUES_MAX {
            break;
        }
        names.entry(info.task_queue).or_default();
    }
    names.retain(|name, _| !name.is_empty());
    while names.len() > QUEUES_MAX {
        names.pop_last();
    }
    Ok(names)
}

/// One task queue. One that nobody knows is empty.
pub(crate) async fn describe(
    backend: &Backend,
    namespace: &str,
    name: &str,
) -> Result<Queue, PageError> {
    let (workflow, activity) = tokio::try_join!(
        side(backend, namespace, name, TaskQueueType::Workflow),
        side(backend, namespace, name, TaskQueueType::Activity),
    )?;
    Ok(Queue {
        name: name.to_owned(),
        workflow,
        activity,
        open: 0,
    })
}

async fn side(
    backend: &Backend,
    namespace: &str,
    name: &str,
    kind: TaskQueueType,
) -> Result<Side, PageError> {
    let request = DescribeTaskQueueRequest {
        namespace: namespace.to_owned(),
        task_queue: Some(TaskQueue {
            name: name.to_owned(),
            ..TaskQueue::default()
        }),
        task_queue_type: kind as i32,
        report_stats: true,
        ..DescribeTaskQueueRequest::default()
    };
    let answer = backend.workflow().describe_task_queue(request).await?;
    let answer = answer.into_inner();
    let stats = answer.stats.unwrap_or_default();
    let mut pollers = answer.pollers;
    pollers.sort_by(|a, b| a.identity.cmp(&b.identity));
    Ok(Side {
        pollers,
        backlog: stats.approximate_backlog_count,
        age: stats
            .approximate_backlog_age
            .as_ref()
            .map_or(0, time::nanos),
        added_per_second: stats.tasks_add_rate,
        dispatched_per_second: stats.tasks_dispatch_rate,
    })
}
