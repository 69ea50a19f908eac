//! What a run waits for, with all that is known of it.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use steadfast_protocol::enums::{
    ParentClosePolicy, PendingActivityState, PendingWorkflowTaskState,
};
use steadfast_protocol::workflow::PendingActivityInfo;
use steadfast_protocol::workflowservice::DescribeWorkflowExecutionResponse;

use super::head::{self, Head};
use super::load::{Loaded, load, readable};
use super::{RunPath, named};
use crate::failure::PageError;
use crate::history::attributes::{self, Attribute, Content, enum_words};
use crate::history::group::{Group, Kind};
use crate::history::moment::timestamp;
use crate::live::Fragment;
use crate::payload::PayloadView;
use crate::payload::failure::{self, FailureView};
use crate::shell::Shell;
use crate::time::Moment;
use crate::visit::{Visit, page};

/// More of a kind are counted.
const SHOWN_MAX: usize = 100;

struct Activity {
    id: String,
    name: String,
    state: String,
    attempt: String,
    queue: String,
    worker: String,
    event: i64,
    times: Vec<(&'static str, Option<Moment>)>,
    heartbeat: Vec<PayloadView>,
    failure: Vec<FailureView>,
}

struct Child {
    workflow_id: String,
    workflow_type: String,
    link: String,
    policy: String,
    event: i64,
}

struct Timer {
    id: String,
    summary: String,
    due: Option<Moment>,
    event: i64,
}

struct Task {
    state: String,
    attempt: i32,
    scheduled: Option<Moment>,
    started: Option<Moment>,
}

struct Sent {
    title: String,
    to: String,
    link: String,
    event: i64,
}

/// All that is pending.
struct Pending {
    task: Option<Task>,
    activities: Vec<Activity>,
    activity_count: usize,
    timers: Vec<Timer>,
    timer_count: usize,
    children: Vec<Child>,
    child_count: usize,
    sent: Vec<Sent>,
    nexus: Vec<Vec<Attribute>>,
    callbacks: Vec<Vec<Attribute>>,
}

#[derive(Template)]
#[template(path = "run/pending.html")]
struct PendingPage {
    shell: Shell,
    head: Head,
    pending: Pending,
}

#[derive(Template)]
#[template(path = "run/pending_list.html")]
struct PendingFragment<'a> {
    shell: &'a Shell,
    head: &'a Head,
    pending: Pending,
}

pub(super) async fn show(Path(path): RunPath, visit: Visit) -> Result<Response, PageError> {
    let mut loaded = load(&visit, named(path)).await?;
    let problem = decode(&visit, &mut loaded).await;
    let mut head = Head::new(&visit, &loaded, "pending-activities");
    head.codec_problem = problem;
    page(&PendingPage {
        shell: head::shell(&visit, &loaded, "pending-activities").await,
        pending: Pending::new(&visit, &loaded),
        head,
    })
}

/// Makes what is pending readable; says why if that fails.
async fn decode(visit: &Visit, loaded: &mut Loaded) -> String {
    let name = "temporal.api.workflowservice.v1.DescribeWorkflowExecutionResponse";
    let description = loaded.description.clone();
    let (description, problem) = readable(visit, &loaded.name.namespace, name, description).await;
    loaded.description = description;
    problem
}

pub(super) async fn fragments(
    visit: &Visit,
    loaded: &mut Loaded,
    shell: &Shell,
    head: &Head,
) -> Result<Vec<Fragment>, PageError> {
    decode(visit, loaded).await;
    let pending = Pending::new(visit, loaded);
    let fragment = PendingFragment {
        shell,
        head,
        pending,
    };
    Ok(vec![Fragment::render("run-pending", &fragment)?])
}

impl Pending {
    fn new(visit: &Visit, loaded: &Loaded) -> Self {
        let DescribeWorkflowExecutionResponse {
            pending_activities,
            pending_children,
            pending_workflow_task,
            callbacks,
            pending_nexus_operations,
            ..
        } = &loaded.description;
        let open = loaded.index.grouping.open().map(|(_, group)| group);
        let open: Vec<&Group> = open.filter(|_| loaded.is_open()).collect();
        let timers = open.iter().filter(|group| group.kind == Kind::Timer);
        let api = "temporal.api.workflow.v1";
        Self {
            task: pending_workflow_task.as_ref().map(|task| Task {
                state: enum_words(task.state().as_str_name(), "PENDING_WORKFLOW_TASK_STATE"),
                attempt: task.attempt,
                scheduled: visit.clock.moment(task.scheduled_time.as_ref()),
                started: match task.state() {
                    PendingWorkflowTaskState::Started => {
                        visit.clock.moment(task.started_time.as_ref())
                    }
                    _ => None,
                },
            }),
            activities: pending_activities
                .iter()
                .take(SHOWN_MAX)
                .map(|one| activity(visit, &open, one))
                .collect(),
            activity_count: pending_activities.len(),
            timers: timers
                .clone()
                .take(SHOWN_MAX)
                .map(|timer| Timer {
                    id: timer.id.clone(),
                    summary: timer.summary.clone(),
                    due: visit.clock.moment(timer.due.map(timestamp).as_ref()),
                    event: timer.first_event(),
                })
                .collect(),
            timer_count: timers.count(),
            children: pending_children
                .iter()
                .take(SHOWN_MAX)
                .map(|child| Child {
                    link: match child.run_id.as_str() {
                        "" => String::new(),
                        run => visit
                            .links
                            .run(&loaded.name.namespace, &child.workflow_id, run),
                    },
                    workflow_id: child.workflow_id.clone(),
                    workflow_type: child.workflow_type_name.clone(),
                    policy: match child.parent_close_policy() {
                        ParentClosePolicy::Unspecified => String::new(),
                        policy => enum_words(policy.as_str_name(), "PARENT_CLOSE_POLICY"),
                    },
                    event: child.initiated_id,
                })
                .collect(),
            child_count: pending_children.len(),
            sent: open
                .iter()
                .filter(|group| matches!(group.kind, Kind::SignalSent | Kind::CancelSent))
                .take(SHOWN_MAX)
                .map(|group| sent(visit, loaded, group))
                .collect(),
            nexus: pending_nexus_operations
                .iter()
                .map(|one| attributes::of_message(&format!("{api}.PendingNexusOperationInfo"), one))
                .collect(),
            callbacks: callbacks
                .iter()
                .map(|one| attributes::of_message(&format!("{api}.CallbackInfo"), one))
                .collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.task.is_none()
            && self.activities.is_empty()
            && self.timers.is_empty()
            && self.children.is_empty()
            && self.sent.is_empty()
            && self.nexus.is_empty()
            && self.callbacks.is_empty()
    }
}

fn sent(visit: &Visit, loaded: &Loaded, group: &Group) -> Sent {
    let (to, run) = group.run.clone().unwrap_or_default();
    let namespace = &loaded.name.namespace;
    Sent {
        title: group.title(),
        link: match run.as_str() {
            "" => visit.links.workflow(namespace, &to),
            run => visit.links.run(namespace, &to, run),
        },
        to,
        event: group.first_event(),
    }
}

fn activity(visit: &Visit, open: &[&Group], activity: &PendingActivityInfo) -> Activity {
    let moment = |time| visit.clock.moment(time);
    let step = open
        .iter()
        .rev()
        .find(|group| group.kind == Kind::Activity && group.id == activity.activity_id);
    let state = match activity.state() {
        PendingActivityState::Scheduled if activity.next_attempt_schedule_time.is_some() => {
            "waits for its next attempt".to_owned()
        }
        state => enum_words(state.as_str_name(), "PENDING_ACTIVITY_STATE"),
    };
    let options = activity.activity_options.as_ref();
    Activity {
        id: activity.activity_id.clone(),
        name: activity.activity_type.clone().unwrap_or_default().name,
        state,
        attempt: match activity.maximum_attempts {
            0 => activity.attempt.to_string(),
            most => format!("{} of {most}", activity.attempt),
        },
        queue: options
            .and_then(|options| options.task_queue.clone())
            .unwrap_or_default()
            .name,
        worker: activity.last_worker_identity.clone(),
        event: step.map_or(0, |group| group.first_event()),
        times: vec![
            (
                "Next attempt",
                moment(activity.next_attempt_schedule_time.as_ref()),
            ),
            ("Scheduled", moment(activity.scheduled_time.as_ref())),
            ("Last started", moment(activity.last_started_time.as_ref())),
            (
                "Last heartbeat",
                moment(activity.last_heartbeat_time.as_ref()),
            ),
            (
                "Last attempt ended",
                moment(activity.last_attempt_complete_time.as_ref()),
            ),
            ("Gives up", moment(activity.expiration_time.as_ref())),
        ],
        heartbeat: PayloadView::list(activity.heartbeat_details.as_ref()),
        failure: activity
            .last_failure
            .as_ref()
            .map_or_else(Vec::new, failure::chain),
    }
}
