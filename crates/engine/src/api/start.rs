//! Runs begin: start, and signal with start.

use std::sync::Arc;

use steadfast_core::Refusal;
use steadfast_core::execution::RunKey;
use steadfast_core::options;
use steadfast_core::outcome::Outcome;
use steadfast_core::policy::{self, Decision};
use steadfast_core::signal::{self, Signal};
use steadfast_core::start::{self, StartParams};
use steadfast_core::workflow_task::TaskStart;
use steadfast_protocol::common::Link;
use steadfast_protocol::common::link::workflow_event::{
    EventReference, Reference, RequestIdReference,
};
use steadfast_protocol::common::link::{Variant, WorkflowEvent};
use steadfast_protocol::enums::{EventType, WorkflowExecutionStatus, WorkflowIdConflictPolicy};
use steadfast_protocol::workflowservice::{
    SignalWithStartWorkflowExecutionRequest, SignalWithStartWorkflowExecutionResponse,
    StartWorkflowExecutionRequest, StartWorkflowExecutionResponse,
};

use super::Call;
use super::workflow_task::response;
use crate::Engine;
use crate::node::Node;
use crate::shard::{Departures, Durability, RunChange, Shard, store_refusal};
use crate::view::View;

/// What a start came to, before it is durable.
struct Begun {
    key: Arc<RunKey>,
    started: bool,
    eager_task: Option<TaskStart>,
}

impl Engine {
    /// Starts a run, by the id policies.
    ///
    /// # Errors
    /// ALREADY_EXISTS by the policies; INVALID_ARGUMENT for too large an input; RESOURCE_EXHAUSTED; UNAVAILABLE.
    pub async fn start_workflow_execution(
        &self,
        call: Call,
        request: StartWorkflowExecutionRequest,
    ) -> Result<StartWorkflowExecutionResponse, Refusal> {
        self.admit()?;
        let node = self.node();
        let request_id = request.request_id.clone();
        let (durability, answer) = {
            let mut shard = node.lock_of(&call.namespace.id, &request.workflow_id);
            let answer = begin(node, &mut shard, &call, request, None);
            match answer {
                Ok((begun, durability)) => {
                    let answer = start_response(&mut shard, &call, begun, request_id);
                    (durability, answer)
                }
                Err(refusal) => (shard.barrier(), Err(refusal)),
            }
        };
        durability.reached().await?;
        answer
    }

    /// Signals the open run, or starts one with the signal in it.
    ///
    /// # Errors
    /// As for a start and for a signal.
    pub async fn signal_with_start_workflow_execution(
        &self,
        call: Call,
        request: SignalWithStartWorkflowExecutionRequest,
    ) -> Result<SignalWithStartWorkflowExecutionResponse, Refusal> {
        self.admit()?;
        let node = self.node();
        let (durability, answer) = {
            let mut shard = node.lock_of(&call.namespace.id, &request.workflow_id);
            match signal_or_begin(node, &mut shard, &call, request) {
                Ok((answer, durability)) => (durability, Ok(answer)),
                Err(refusal) => (shard.barrier(), Err(refusal)),
            }
        };
        durability.reached().await?;
        answer
    }
}

/// Carries the policies out. The batch is queued when this returns; the answer rests on the durability given with it.
fn begin(
    node: &Arc<Node>,
    shard: &mut Shard,
    call: &Call,
    request: StartWorkflowExecutionRequest,
    signal: Option<Signal>,
) -> Result<(Begun, Durability), Refusal> {
    let namespace = &call.namespace;
    let current = shard
        .find(&namespace.id, &request.workflow_id, "")
        .map_err(|error| store_refusal(&error))?;
    // A signal-with-start that terminates what runs does so each time it is sent, as in the reference server.
    let repeats = signal.is_some() && terminates(&request);
    let decision = policy::decide(
        current.as_ref().map(|key| shard.run(key)),
        if repeats { "" } else { &request.request_id },
        request.workflow_id_reuse_policy,
        request.workflow_id_conflict_policy,
    )?;
    let view = View::new(node, namespace);
    let cx = view.context(node, node.now());
    let mut changes = Vec::new();
    let run_id = node.ids().uuid();
    match (decision, current) {
        (Decision::Duplicate { started }, Some(key)) => {
            let eager_task = if request.request_eager_execution {
                start::eager_task_again(shard.run(&key))
            } else {
                None
            };
            let durability = shard.durability(&key);
            let begun = Begun {
                key,
                started,
                eager_task,
            };
            return Ok((begun, durability));
        }
        (Decision::UseExisting, Some(key)) => {
            let durability = match options::attach(shard.run_mut(&key), &cx, &request) {
                Some(outcome) => commit_existing(node, shard, &key, outcome)?,
                None => shard.durability(&key),
            };
            let begun = Begun {
                key,
                started: false,
                eager_task: None,
            };
            return Ok((begun, durability));
        }
        (Decision::TerminateExisting, Some(key)) => {
            let started = start_params(request, run_id, signal);
            let started = start::start(&cx, started)?;
            let outcome =
                policy::terminate_existing(shard.run_mut(&key), &cx, &started.run.key.run_id);
            changes.push(RunChange { key, outcome });
            return Ok(commit_started(node, shard, changes, started));
        }
        _ => {}
    }
    let started = start::start(&cx, start_params(request, run_id, signal))?;
    Ok(commit_started(node, shard, changes, started))
}

fn start_params(
    request: StartWorkflowExecutionRequest,
    run_id: String,
    signal: Option<Signal>,
) -> StartParams {
    StartParams {
        request,
        run_id,
        signal,
        allow_eager: true,
        ..StartParams::default()
    }
}

/// Commits a change of the run that was there. Nothing of a change that ended it is answered.
fn commit_existing(
    node: &Arc<Node>,
    shard: &mut Shard,
    key: &Arc<RunKey>,
    outcome: Outcome,
) -> Result<Durability, Refusal> {
    let reply = outcome.reply(());
    let change = RunChange {
        key: key.clone(),
        outcome,
    };
    let durability = shard.commit(node, vec![change], Departures::default(), None);
    reply.map(|()| durability)
}

fn commit_started(
    node: &Arc<Node>,
    shard: &mut Shard,
    mut changes: Vec<RunChange>,
    started: start::Started,
) -> (Begun, Durability) {
    let key = shard.create(started.run);
    changes.push(RunChange {
        key: key.clone(),
        outcome: started.outcome,
    });
    let durability = shard.commit(node, changes, Departures::default(), None);
    let begun = Begun {
        key,
        started: true,
        eager_task: started.eager_task,
    };
    (begun, durability)
}

fn start_response(
    shard: &mut Shard,
    call: &Call,
    begun: Begun,
    request_id: String,
) -> Result<StartWorkflowExecutionResponse, Refusal> {
    let eager_workflow_task = match &begun.eager_task {
        Some(task) => Some(response(shard, &begun.key, task)?),
        None => None,
    };
    let run = shard.run(&begun.key);
    let started = run.start_attributes();
    let created_by = run.head.create_request_id == request_id;
    let reference = if begun.started || created_by {
        Reference::EventRef(EventReference {
            event_id: 1,
            event_type: EventType::WorkflowExecutionStarted as i32,
        })
    } else {
        let known = run
            .head
            .request_ids
            .iter()
            .find(|known| known.id == request_id);
        match known {
            Some(known) => Reference::RequestIdRef(RequestIdReference {
                request_id,
                event_type: known.event_type,
            }),
            None => Reference::EventRef(EventReference {
                event_id: 1,
                event_type: EventType::WorkflowExecutionStarted as i32,
            }),
        }
    };
    Ok(StartWorkflowExecutionResponse {
        run_id: begun.key.run_id.clone(),
        first_execution_run_id: started.first_execution_run_id.clone(),
        started: begun.started,
        status: run.head.status,
        eager_workflow_task: eager_workflow_task.map(Box::new),
        link: Some(link(&call.namespace.name, &begun.key, reference)),
    })
}

fn signal_or_begin(
    node: &Arc<Node>,
    shard: &mut Shard,
    call: &Call,
    request: SignalWithStartWorkflowExecutionRequest,
) -> Result<(SignalWithStartWorkflowExecutionResponse, Durability), Refusal> {
    let namespace = &call.namespace;
    let request_id = request.request_id.clone();
    let (start, signal) = split(request);
    let current = shard
        .find(&namespace.id, &start.workflow_id, "")
        .map_err(|error| store_refusal(&error))?;
    let open = current.filter(|key| shard.run(key).is_open());
    let (key, started, durability) = match open {
        Some(key) if !terminates(&start) => {
            let view = View::new(node, namespace);
            let cx = view.context(node, node.now());
            let outcome = signal::signal(shard.run_mut(&key), &cx, signal, true)?;
            let durability = match outcome {
                Some(outcome) => commit_existing(node, shard, &key, outcome)?,
                None => shard.durability(&key),
            };
            (key, false, durability)
        }
        _ => {
            let (begun, durability) = begin(node, shard, call, start, Some(signal))?;
            (begun.key, begun.started, durability)
        }
    };
    let run = shard.run(&key);
    debug_assert!(run.status() != WorkflowExecutionStatus::Unspecified);
    let reference = Reference::RequestIdRef(RequestIdReference {
        request_id,
        event_type: EventType::WorkflowExecutionSignaled as i32,
    });
    let response = SignalWithStartWorkflowExecutionResponse {
        run_id: key.run_id.clone(),
        first_execution_run_id: run.start_attributes().first_execution_run_id.clone(),
        started,
        signal_link: Some(link(&namespace.name, &key, reference)),
    };
    Ok((response, durability))
}

fn terminates(request: &StartWorkflowExecutionRequest) -> bool {
    request.workflow_id_conflict_policy == WorkflowIdConflictPolicy::TerminateExisting as i32
}

/// The two halves of the request.
fn split(
    request: SignalWithStartWorkflowExecutionRequest,
) -> (StartWorkflowExecutionRequest, Signal) {
    let signal = Signal {
        name: request.signal_name,
        input: request.signal_input,
        identity: request.identity.clone(),
        request_id: request.request_id.clone(),
        header: request.header.clone(),
        links: request.links.clone(),
        ..Signal::default()
    };
    let start = StartWorkflowExecutionRequest {
        namespace: request.namespace,
        workflow_id: request.workflow_id,
        workflow_type: request.workflow_type,
        task_queue: request.task_queue,
        input: request.input,
        workflow_execution_timeout: request.workflow_execution_timeout,
        workflow_run_timeout: request.workflow_run_timeout,
        workflow_task_timeout: request.workflow_task_timeout,
        identity: request.identity,
        request_id: request.request_id,
        workflow_id_reuse_policy: request.workflow_id_reuse_policy,
        workflow_id_conflict_policy: request.workflow_id_conflict_policy,
        retry_policy: request.retry_policy,
        cron_schedule: request.cron_schedule,
        memo: request.memo,
        search_attributes: request.search_attributes,
        header: request.header,
        workflow_start_delay: request.workflow_start_delay,
        user_metadata: request.user_metadata,
        links: request.links,
        versioning_override: request.versioning_override,
        priority: request.priority,
        ..StartWorkflowExecutionRequest::default()
    };
    (start, signal)
}

/// A link to something of a run.
pub(super) fn link(namespace: &str, key: &RunKey, reference: Reference) -> Link {
    Link {
        variant: Some(Variant::WorkflowEvent(WorkflowEvent {
            namespace: namespace.to_owned(),
            workflow_id: key.workflow_id.clone(),
            run_id: key.run_id.clone(),
            reference: Some(reference),
        })),
    }
}
