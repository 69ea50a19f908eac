//! What every page of a run begins with: the run as the server describes it, its steps, and who polls its queues.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::StatusCode;
use prost::Message;
use steadfast_protocol::common::WorkflowExecution;
use steadfast_protocol::enums::TaskQueueType;
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::workflow::WorkflowExecutionInfo;
use steadfast_protocol::workflowservice::{
    DescribeTaskQueueRequest, DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse,
};

use crate::failure::PageError;
use crate::history::attributes::reflect;
use crate::history::group::{Group, Kind};
use crate::history::index::{Index, RunName};
use crate::history::moment::{ms, ms_of};
use crate::payload::codec::Asked;
use crate::payload::{failure, shorten};
use crate::visit::Visit;

/// Task queues of activities that are asked for pollers.
const QUEUES_MAX: usize = 5;

/// A run as it is now.
pub(super) struct Loaded {
    pub(super) name: RunName,
    pub(super) description: DescribeWorkflowExecutionResponse,
    pub(super) info: WorkflowExecutionInfo,
    pub(super) index: Arc<Index>,
    going_on: BTreeMap<usize, Group>,
    pub(super) pollers: BTreeMap<(&'static str, String), usize>,
    pub(super) now: i64,
}

/// Asks for a run, first of all whether the visitor may see it.
pub(super) async fn load(visit: &Visit, mut name: RunName) -> Result<Loaded, PageError> {
    let request = DescribeWorkflowExecutionRequest {
        namespace: name.namespace.clone(),
        execution: Some(execution(&name)),
    };
    let mut client = visit.backend.workflow();
    let description = client
        .describe_workflow_execution(request)
        .await?
        .into_inner();
    let info = description.workflow_execution_info.clone().ok_or_else(|| {
        PageError::new(
            StatusCode::BAD_GATEWAY,
            "The server described the run without saying anything of it.",
        )
    })?;
    if let Some(found) = &info.execution {
        name.run_id.clone_from(&found.run_id);
    }
    let index = visit.app.indexes.of(&visit.backend, &name).await?;
    let pollers = match info.close_time {
        None => pollers(visit, &name.namespace, &info.task_queue, &description).await,
        Some(_) => BTreeMap::new(),
    };
    Ok(Loaded {
        now: ms(&visit.clock.timestamp()),
        going_on: going_on(&index, &description),
        name,
        description,
        info,
        index,
        pollers,
    })
}

pub(super) fn execution(name: &RunName) -> WorkflowExecution {
    WorkflowExecution {
        workflow_id: name.workflow_id.clone(),
        run_id: name.run_id.clone(),
    }
}

impl Loaded {
    pub(super) fn is_open(&self) -> bool {
        self.info.close_time.is_none()
    }

    /// No worker polls the task queue of the workflow.
    pub(super) fn has_no_worker(&self) -> bool {
        self.pollers
            .get(&("workflow", self.info.task_queue.clone()))
            == Some(&0)
    }

    /// Its steps, with what is known of those that go on.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Group> {
        let groups = self.index.groups().iter().enumerate();
        groups.map(|(place, group)| self.going_on.get(&place).unwrap_or(group))
    }

    /// One of them.
    pub(super) fn group(&self, place: usize) -> Option<&Group> {
        let known = self.index.groups().get(place);
        self.going_on.get(&place).or(known)
    }
}

/// The steps that go on of which the server knows more than the history says, by their places.
fn going_on(
    index: &Index,
    description: &DescribeWorkflowExecutionResponse,
) -> BTreeMap<usize, Group> {
    let activities = index
        .grouping
        .open()
        .filter(|(_, group)| group.kind == Kind::Activity);
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    open.extend(activities.map(|(place, group)| (group.id.as_str(), place)));
    let mut going_on = BTreeMap::new();
    for pending in &description.pending_activities {
        let Some(place) = open.get(pending.activity_id.as_str()) else {
            continue;
        };
        let mut group = index.groups()[*place].clone();
        group.attempt = pending.attempt.max(1);
        if let Some(last) = &pending.last_failure {
            group.failure = shorten(&failure::brief(last), 300);
        }
        if pending.next_attempt_schedule_time.is_none() {
            group.started = ms_of(pending.last_started_time.as_ref());
        }
        going_on.insert(*place, group);
    }
    going_on
}

async fn pollers(
    visit: &Visit,
    namespace: &str,
    queue: &str,
    description: &DescribeWorkflowExecutionResponse,
) -> BTreeMap<(&'static str, String), usize> {
    let activities = description.pending_activities.iter();
    let options = activities.filter_map(|activity| activity.activity_options.as_ref());
    let queues: BTreeSet<&str> = options
        .filter_map(|options| Some(options.task_queue.as_ref()?.name.as_str()))
        .collect();
    let mut asked = vec![("workflow", TaskQueueType::Workflow, queue)];
    if !description.pending_activities.is_empty() && queues.is_empty() {
        asked.push(("activity", TaskQueueType::Activity, queue));
    }
    let others = queues.into_iter().take(QUEUES_MAX);
    asked.extend(others.map(|queue| ("activity", TaskQueueType::Activity, queue)));
    let mut pollers = BTreeMap::new();
    for (word, kind, queue) in asked {
        let request = DescribeTaskQueueRequest {
            namespace: namespace.to_owned(),
            task_queue: Some(TaskQueue {
                name: queue.to_owned(),
                ..Default::default()
            }),
            task_queue_type: kind as i32,
            ..Default::default()
        };
        // Without an answer the page says nothing of pollers.
        if let Ok(answer) = visit.backend.workflow().describe_task_queue(request).await {
            pollers.insert((word, queue.to_owned()), answer.into_inner().pollers.len());
        }
    }
    pollers
}

/// A message with its payloads as a codec reads them, and what went wrong if it could not.
pub(super) async fn readable<M: Message + Default + Clone>(
    visit: &Visit,
    namespace: &str,
    message_name: &str,
    message: M,
) -> (M, String) {
    let Some(codec) = visit
        .app
        .codec
        .as_ref()
        .filter(|codec| codec.asked() == Asked::ByServer)
    else {
        return (message, String::new());
    };
    let Some(endpoint) = codec.endpoint(visit.codec.as_deref()) else {
        return (message, String::new());
    };
    let Some(mut reflected) = reflect(message_name, &message) else {
        return (message, String::new());
    };
    let who = visit.backend.authorization();
    match codec
        .decode_inside(endpoint, namespace, who, &mut reflected)
        .await
    {
        Ok(()) => (reflected.transcode_to().unwrap_or(message), String::new()),
        Err(error) => (message, error.to_string()),
    }
}
