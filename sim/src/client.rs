//! The workload: starts, signals, cancels, terminates, deletes, asks and reads, at random.

use std::rc::Rc;

use steadfast_core::Refusal;
use steadfast_protocol::common::{WorkflowExecution, WorkflowType};
use steadfast_protocol::enums::{WorkflowIdConflictPolicy, WorkflowIdReusePolicy};
use steadfast_protocol::query::WorkflowQuery;
use steadfast_protocol::workflowservice::{
    DeleteWorkflowExecutionRequest, DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest, QueryWorkflowRequest,
    RequestCancelWorkflowExecutionRequest, SignalWithStartWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
};

use crate::calls::Kind;
use crate::check::{acknowledged, sdk};
use crate::commands::{QUEUE, WORKFLOW, millis, queue, retry};
use crate::program::Input;
use crate::world::{NAMESPACE, World};

/// One client, which makes requests as long as faults happen.
pub(crate) async fn run(world: Rc<World>) {
    while world.is_faulty() {
        let workflow_id = format!("w{}", world.dice.below(world.options.workflow_ids));
        match world.dice.below(20) {
            0..=7 => start(&world, &workflow_id).await,
            8..=11 => signal(&world, &workflow_id).await,
            12 => signal_with_start(&world, &workflow_id).await,
            13 => cancel(&world, &workflow_id).await,
            14 => terminate(&world, &workflow_id).await,
            15 if world.dice.chance(300) => delete(&world, &workflow_id).await,
            16 => query(&world, &workflow_id).await,
            17 => follow(&world, &workflow_id).await,
            _ => describe(&world, &workflow_id).await,
        }
        let pause = world.dice.below(world.options.client_pause_ms);
        world.sleep(pause).await;
    }
}

/// Ends what would never end by itself.
pub(crate) async fn end_crons(world: Rc<World>) {
    let ids: Vec<_> = {
        let ledger = world.store.ledger();
        let open = ledger.open_runs().filter(|(_, run)| is_cron(run));
        open.map(|(_, run)| run.workflow_id.clone()).collect()
    };
    for id in ids {
        terminate(&world, &id).await;
    }
}

fn is_cron(run: &crate::ledger::Run) -> bool {
    use steadfast_protocol::history::history_event::Attributes;
    matches!(
        run.attributes(1),
        Some(Attributes::WorkflowExecutionStartedEventAttributes(it)) if !it.cron_schedule.is_empty()
    )
}

fn execution(workflow_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution {
        workflow_id: workflow_id.to_owned(),
        run_id: String::new(),
    })
}

fn workflow_type() -> Option<WorkflowType> {
    Some(WorkflowType {
        name: WORKFLOW.to_owned(),
    })
}

fn start_request(world: &World, workflow_id: &str) -> StartWorkflowExecutionRequest {
    let dice = &world.dice;
    let input = Input {
        program: dice.next() >> 1,
        depth: 2,
        runs_left: dice.below(3),
        workflow_ids: world.options.workflow_ids,
    };
    let cron = dice.chance(60);
    let schedule = if cron { "@every 7s" } else { "" };
    let reuse = *dice.pick(&[
        WorkflowIdReusePolicy::AllowDuplicate,
        WorkflowIdReusePolicy::AllowDuplicate,
        WorkflowIdReusePolicy::AllowDuplicateFailedOnly,
        WorkflowIdReusePolicy::RejectDuplicate,
    ]);
    let conflict = *dice.pick(&[
        WorkflowIdConflictPolicy::Fail,
        WorkflowIdConflictPolicy::UseExisting,
        WorkflowIdConflictPolicy::TerminateExisting,
    ]);
    let conflict = match conflict {
        WorkflowIdConflictPolicy::TerminateExisting
            if reuse == WorkflowIdReusePolicy::RejectDuplicate =>
        {
            WorkflowIdConflictPolicy::Fail
        }
        conflict => conflict,
    };
    StartWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: workflow_type(),
        task_queue: queue(QUEUE),
        input: crate::commands::payloads(&input.encode()),
        workflow_execution_timeout: millis(if cron || dice.chance(200) { 120_000 } else { 0 }),
        workflow_run_timeout: millis(if dice.chance(200) {
            dice.between(1_000, 60_000)
        } else {
            0
        }),
        workflow_task_timeout: millis(*dice.pick(&[0, 2_000, 5_000])),
        identity: "client".to_owned(),
        request_id: dice.uuid(),
        workflow_id_reuse_policy: reuse as i32,
        workflow_id_conflict_policy: conflict as i32,
        retry_policy: if dice.chance(200) { retry(3) } else { None },
        cron_schedule: schedule.to_owned(),
        workflow_start_delay: millis(if !cron && dice.chance(100) { 3_000 } else { 0 }),
        ..Default::default()
    }
}

async fn start(world: &Rc<World>, workflow_id: &str) {
    let request = start_request(world, workflow_id);
    let reply = world.retrying(|| {
        world.call(
            "start",
            Kind::Change,
            request.clone(),
            |engine, call, request| async move {
                engine.start_workflow_execution(call, request).await
            },
            |world, request, reply| match reply {
                Ok(reply) => acknowledged::start(world, &request.request_id, &reply.run_id),
                Err(refusal) => acknowledged::refused(world, refusal),
            },
        )
    });
    count(world, reply.await);
}

async fn signal(world: &Rc<World>, workflow_id: &str) {
    let request = SignalWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: execution(workflow_id),
        signal_name: format!("s{}", world.dice.next()),
        request_id: world.dice.uuid(),
        ..Default::default()
    };
    let reply = world.retrying(|| {
        let workflow_id = workflow_id.to_owned();
        world.call(
            "signal",
            Kind::Change,
            request.clone(),
            |engine, call, request| async move {
                engine.signal_workflow_execution(call, request).await
            },
            move |world, request, reply| {
                if reply.is_ok() {
                    acknowledged::signal(world, &workflow_id, &request.request_id);
                }
            },
        )
    });
    count(world, reply.await);
}

async fn signal_with_start(world: &Rc<World>, workflow_id: &str) {
    let start = start_request(world, workflow_id);
    let request = SignalWithStartWorkflowExecutionRequest {
        namespace: start.namespace,
        workflow_id: start.workflow_id,
        workflow_type: start.workflow_type,
        task_queue: start.task_queue,
        input: start.input,
        workflow_execution_timeout: start.workflow_execution_timeout,
        identity: start.identity,
        request_id: start.request_id,
        workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicate as i32,
        workflow_id_conflict_policy: WorkflowIdConflictPolicy::UseExisting as i32,
        signal_name: format!("s{}", world.dice.next()),
        cron_schedule: start.cron_schedule,
        ..Default::default()
    };
    let reply = world.retrying(|| {
        let workflow_id = workflow_id.to_owned();
        world.call(
            "signal with start",
            Kind::Change,
            request.clone(),
            |engine, call, request| async move {
                engine
                    .signal_with_start_workflow_execution(call, request)
                    .await
            },
            move |world, request, reply| {
                if let Ok(reply) = reply {
                    acknowledged::signal(world, &workflow_id, &request.request_id);
                    if reply.started {
                        acknowledged::start(world, &request.request_id, &reply.run_id);
                    }
                }
            },
        )
    });
    count(world, reply.await);
}

async fn cancel(world: &Rc<World>, workflow_id: &str) {
    let request = RequestCancelWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: execution(workflow_id),
        request_id: world.dice.uuid(),
        ..Default::default()
    };
    let reply = world.retrying(|| {
        let workflow_id = workflow_id.to_owned();
        world.call(
            "cancel",
            Kind::Change,
            request.clone(),
            |engine, call, request| async move {
                engine
                    .request_cancel_workflow_execution(call, request)
                    .await
            },
            move |world, _, reply| {
                if reply.is_ok() {
                    acknowledged::cancel(world, &workflow_id);
                }
            },
        )
    });
    count(world, reply.await);
}

async fn terminate(world: &Rc<World>, workflow_id: &str) {
    let request = TerminateWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: execution(workflow_id),
        identity: world.dice.uuid(),
        ..Default::default()
    };
    let reply = world.retrying(|| {
        let workflow_id = workflow_id.to_owned();
        world.call(
            "terminate",
            Kind::Change,
            request.clone(),
            |engine, call, request| async move {
                engine.terminate_workflow_execution(call, request).await
            },
            move |world, request, reply| {
                if reply.is_ok() {
                    acknowledged::termination(world, &workflow_id, &request.identity);
                }
            },
        )
    });
    count(world, reply.await);
}

async fn delete(world: &Rc<World>, workflow_id: &str) {
    let request = DeleteWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: execution(workflow_id),
    };
    let reply = world.retrying(|| {
        world.call(
            "delete",
            Kind::Change,
            request.clone(),
            |engine, call, request| async move {
                engine.delete_workflow_execution(call, request).await
            },
            |_, _, _| {},
        )
    });
    count(world, reply.await);
}

async fn describe(world: &Rc<World>, workflow_id: &str) {
    let request = DescribeWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        execution: execution(workflow_id),
    };
    let reply =
        world.call(
            "describe",
            Kind::Read,
            request,
            |engine, call, request| async move {
                engine.describe_workflow_execution(call, request).await
            },
            |world, _, reply| {
                let info = reply.as_ref().ok();
                let info = info.and_then(|reply| reply.workflow_execution_info.as_ref());
                let run_id = info.and_then(|info| info.execution.as_ref());
                if let Some(run) = run_id
                    && !world.store.ledger().runs.contains_key(&run.run_id)
                {
                    let run_id = &run.run_id;
                    world.violation(format!("run {run_id} was described before it is durable"));
                }
            },
        );
    count(world, reply.await);
}

async fn query(world: &Rc<World>, workflow_id: &str) {
    let request = QueryWorkflowRequest {
        namespace: NAMESPACE.to_owned(),
        execution: execution(workflow_id),
        query: Some(WorkflowQuery {
            query_type: "signals".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let reply = world.call(
        "query",
        Kind::Read,
        request,
        |engine, call, request| async move { engine.query_workflow(call, request).await },
        |world, _, reply| {
            if reply.is_ok() {
                world.marks.add("query: answered");
            }
        },
    );
    count(world, reply.await);
}

/// Reads a history to its end, as it grows.
async fn follow(world: &Rc<World>, workflow_id: &str) {
    let mut execution = execution(workflow_id).unwrap_or_default();
    let mut events = Vec::new();
    let mut token = bytes::Bytes::new();
    for _ in 0..50 {
        let request = GetWorkflowExecutionHistoryRequest {
            namespace: NAMESPACE.to_owned(),
            execution: Some(execution.clone()),
            next_page_token: token.clone(),
            wait_new_event: world.dice.chance(500),
            ..Default::default()
        };
        let page = world.retrying(|| {
            world.call(
                "follow",
                Kind::Poll,
                request.clone(),
                |engine, call, request| async move {
                    engine.get_workflow_execution_history(call, request).await
                },
                |_, _, _| {},
            )
        });
        let Ok(page) = page.await else { return };
        events.extend(sdk::arrived(page.history));
        let run_id = run_of(world, &events);
        if let Some(run_id) = run_id {
            sdk::read(world, &run_id, &events);
            execution.run_id = run_id;
        }
        token = page.next_page_token;
        if token.is_empty() {
            return;
        }
    }
}

/// The run whose first event this is.
fn run_of(world: &World, events: &[steadfast_protocol::history::HistoryEvent]) -> Option<String> {
    use steadfast_protocol::history::history_event::Attributes;
    let started = events.first()?;
    let Some(Attributes::WorkflowExecutionStartedEventAttributes(it)) = &started.attributes else {
        world.violation("a history does not begin with its start".to_owned());
        return None;
    };
    Some(it.original_execution_run_id.clone())
}

fn count<R>(world: &World, reply: Result<R, Refusal>) {
    world.model.borrow_mut().count(&reply);
}
