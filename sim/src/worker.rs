//! A worker process: polls for workflow tasks, and answers them from nothing but the history.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use steadfast_core::Refusal;
use steadfast_protocol::common::WorkflowExecution;
use steadfast_protocol::enums::{QueryResultType, TaskQueueKind};
use steadfast_protocol::history::HistoryEvent;
use steadfast_protocol::query::WorkflowQueryResult;
use steadfast_protocol::taskqueue::{StickyExecutionAttributes, TaskQueue};
use steadfast_protocol::workflowservice::{
    GetWorkflowExecutionHistoryRequest, PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse, RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskCompletedResponse,
    RespondWorkflowTaskFailedRequest,
};

use crate::activities;
use crate::calls::Kind;
use crate::check::{acknowledged, sdk};
use crate::commands::{QUEUE, failure, millis, payloads, queue};
use crate::executor::Owner;
use crate::interpreter::{Answer, interpret};
use crate::world::{NAMESPACE, World};

/// Runs a worker keeps in its cache.
const CACHE_MAX: usize = 8;

/// One worker process.
pub(crate) struct Worker {
    world: Rc<World>,
    /// Names it; part of its own queue's name.
    pub identity: String,
    sticky: bool,
    /// Histories of the runs whose next tasks come here, up to the last completed task.
    cache: RefCell<BTreeMap<String, Vec<HistoryEvent>>>,
    /// Runs of which a task is being done: as in SDKs, the next one waits for its end.
    busy: RefCell<BTreeSet<String>>,
}

/// Keeps workers running: when one dies, another one takes its place.
pub(crate) async fn keep(world: Rc<World>, slot: u64) {
    let mut number = slot * 1000;
    loop {
        number += 1;
        let owner = Owner::Worker(number);
        start(&world, owner, number);
        loop {
            world.sleep(1_000).await;
            let every = world.options.worker_dies_every;
            if every > 0 && world.happens(1000 / every.max(1), "worker: died") {
                break;
            }
        }
        world.trace(format_args!("worker {number} dies"));
        world.executor.abort_all(owner);
        world.sleep(world.dice.below(5_000)).await;
    }
}

fn start(world: &Rc<World>, owner: Owner, number: u64) {
    let worker = Rc::new(Worker {
        world: world.clone(),
        identity: format!("worker-{number}"),
        sticky: world.options.sticky,
        cache: RefCell::default(),
        busy: RefCell::default(),
    });
    let spawn = |queue: TaskQueue| {
        let worker = worker.clone();
        world
            .executor
            .spawn(owner, async move { worker.poll(queue).await });
    };
    for _ in 0..2 {
        spawn(queue(QUEUE).unwrap_or_default());
        if worker.sticky {
            spawn(worker.own_queue());
        }
        let polling = activities::poll(world.clone(), worker.identity.clone(), owner);
        world.executor.spawn(owner, polling);
    }
}

impl Worker {
    fn own_queue(&self) -> TaskQueue {
        TaskQueue {
            name: format!("{}-own", self.identity),
            kind: TaskQueueKind::Sticky as i32,
            normal_name: QUEUE.to_owned(),
        }
    }

    async fn poll(self: Rc<Self>, queue: TaskQueue) {
        loop {
            let request = PollWorkflowTaskQueueRequest {
                namespace: NAMESPACE.to_owned(),
                task_queue: Some(queue.clone()),
                identity: self.identity.clone(),
                ..Default::default()
            };
            let polled = self
                .world
                .call(
                    "poll workflow task",
                    Kind::Poll,
                    request,
                    |engine, call, request| async move {
                        engine.poll_workflow_task_queue(call, request).await
                    },
                    |_, _, _| {},
                )
                .await;
            match polled {
                Ok(task) if task.task_token.is_empty() => {}
                Ok(task) if task.query.is_some() => self.answer_query(task).await,
                Ok(task) => {
                    let mut next = Some(task);
                    while let Some(task) = next {
                        next = self.work(task).await;
                    }
                }
                Err(_) => self.world.sleep(self.world.dice.between(10, 500)).await,
            }
        }
    }

    /// The whole history of the task, from what came with it, the cache, and the server.
    async fn history(
        &self,
        task: &PollWorkflowTaskQueueResponse,
    ) -> Result<Vec<HistoryEvent>, Refusal> {
        let execution = task.workflow_execution.clone().unwrap_or_default();
        let run_id = execution.run_id.as_str();
        let mut events = sdk::arrived(task.history.clone());
        let mut token = task.next_page_token.clone();
        let first = events.first().map_or(0, |event| event.event_id);
        if first != 1 {
            let cached = self.cache.borrow().get(run_id).cloned();
            match cached {
                Some(cached) => {
                    let last = cached.len() as i64;
                    if first != 0 && first <= last {
                        // Handed out before the task that was completed meanwhile.
                        self.world.marks.add("worker: task older than the cache");
                        return Err(Refusal::not_found("stale"));
                    }
                    if first != 0 && first != last + 1 {
                        self.world.violation(format!(
                            "run {run_id}: the cache has {last} events, the task continues with {first}"
                        ));
                    }
                    events = [cached, events].concat();
                }
                None => {
                    self.world.marks.add("worker: not in the cache");
                    events.clear();
                    token.clear();
                    let (page, next) = self.page(&execution, token).await?;
                    events = page;
                    token = next;
                }
            }
        }
        while !token.is_empty() {
            let (page, next) = self.page(&execution, token).await?;
            events.extend(page);
            token = next;
        }
        if task.started_event_id != 0 {
            events.retain(|event| event.event_id <= task.started_event_id);
        }
        Ok(events)
    }

    async fn page(
        &self,
        execution: &WorkflowExecution,
        token: bytes::Bytes,
    ) -> Result<(Vec<HistoryEvent>, bytes::Bytes), Refusal> {
        let request = GetWorkflowExecutionHistoryRequest {
            namespace: NAMESPACE.to_owned(),
            execution: Some(execution.clone()),
            next_page_token: token,
            maximum_page_size: self.world.dice.between(1, 40) as i32,
            ..Default::default()
        };
        let page = self.world.retrying(|| {
            self.world.call(
                "history",
                Kind::Read,
                request.clone(),
                |engine, call, request| async move {
                    engine.get_workflow_execution_history(call, request).await
                },
                |_, _, _| {},
            )
        });
        let page = page.await?;
        Ok((sdk::arrived(page.history), page.next_page_token))
    }

    /// Does a workflow task. Answers the next one, if it came with the reply.
    async fn work(
        self: &Rc<Self>,
        task: PollWorkflowTaskQueueResponse,
    ) -> Option<PollWorkflowTaskQueueResponse> {
        let world = &self.world;
        let execution = task.workflow_execution.clone().unwrap_or_default();
        let run_id = execution.run_id.clone();
        while self.busy.borrow().contains(&run_id) {
            world.sleep(2).await;
        }
        self.busy.borrow_mut().insert(run_id.clone());
        let next = self.work_on(&task, &execution).await;
        self.busy.borrow_mut().remove(&run_id);
        next
    }

    async fn work_on(
        self: &Rc<Self>,
        task: &PollWorkflowTaskQueueResponse,
        execution: &WorkflowExecution,
    ) -> Option<PollWorkflowTaskQueueResponse> {
        let world = &self.world;
        let run_id = execution.run_id.clone();
        let bad = world.options.bad_task;
        if world.happens(bad, "worker: workflow task dropped") {
            self.cache.borrow_mut().remove(&run_id);
            return None;
        }
        let events = match self.history(task).await {
            Ok(events) => events,
            Err(_) => {
                self.cache.borrow_mut().remove(&run_id);
                return None;
            }
        };
        let whole = task.next_page_token.is_empty()
            && sdk::arrived(task.history.clone())
                .last()
                .is_some_and(|event| events.last() == Some(event));
        if !whole && sdk::workflow_task(task, &events).is_some() {
            // A part of the history was read later, and the task was over by then.
            world.marks.add("worker: task over before its history came");
            return None;
        }
        sdk::read(world, &run_id, &events);
        if let Some(wrong) = sdk::workflow_task(task, &events) {
            world.violation(format!("run {run_id}: the task's history {wrong}"));
        }
        let answer = match interpret(&execution.workflow_id, &events) {
            Ok(answer) => answer,
            Err(wrong) => {
                world.violation(format!("run {run_id}: the replay failed: {wrong}"));
                return None;
            }
        };
        if world.happens(bad, "worker: workflow task failed") {
            self.cache.borrow_mut().remove(&run_id);
            self.fail(task).await;
            return None;
        }
        if world.happens(bad, "worker: workflow task late") {
            world.sleep(world.dice.below(15_000)).await;
        } else {
            world.sleep(world.dice.below(20)).await;
        }
        self.complete(task, &run_id, events, answer).await
    }

    async fn fail(&self, task: &PollWorkflowTaskQueueResponse) {
        let request = RespondWorkflowTaskFailedRequest {
            namespace: NAMESPACE.to_owned(),
            task_token: task.task_token.clone(),
            identity: self.identity.clone(),
            failure: Some(failure("simulated", false)),
            ..Default::default()
        };
        let failed = self.world.retrying(|| {
            self.world.call(
                "fail workflow task",
                Kind::Change,
                request.clone(),
                |engine, call, request| async move {
                    engine.respond_workflow_task_failed(call, request).await
                },
                |_, _, _| {},
            )
        });
        let _ = failed.await;
    }

    async fn complete(
        self: &Rc<Self>,
        task: &PollWorkflowTaskQueueResponse,
        run_id: &str,
        events: Vec<HistoryEvent>,
        answer: Answer,
    ) -> Option<PollWorkflowTaskQueueResponse> {
        let world = &self.world;
        let result = WorkflowQueryResult {
            result_type: QueryResultType::Answered as i32,
            answer: payloads(&answer.signals.join(",")),
            ..Default::default()
        };
        let results = task.queries.keys().map(|id| (id.clone(), result.clone()));
        let keeps = self.sticky && world.dice.chance(900);
        let sticky_attributes = keeps.then(|| StickyExecutionAttributes {
            worker_task_queue: Some(self.own_queue()),
            schedule_to_start_timeout: millis(5_000),
        });
        let mut commands = answer.commands;
        activities::make_eager(world, &mut commands);
        let closes = commands.last().is_some_and(|command| {
            crate::commands::number_of(command).is_none()
                && !matches!(crate::commands::key_of(command).as_str(), "memo")
        });
        let request = RespondWorkflowTaskCompletedRequest {
            namespace: NAMESPACE.to_owned(),
            task_token: task.task_token.clone(),
            identity: self.identity.clone(),
            return_new_workflow_task: keeps && world.options.eager,
            force_create_new_workflow_task: !closes && world.dice.chance(20),
            query_results: results.collect(),
            sticky_attributes,
            commands,
            ..Default::default()
        };
        let started = task.started_event_id;
        let of_run = run_id.to_owned();
        let completed = world
            .retrying(|| {
                let of_run = of_run.clone();
                world.call(
                    "complete workflow task",
                    Kind::Change,
                    request.clone(),
                    |engine, call, request| async move {
                        engine.respond_workflow_task_completed(call, request).await
                    },
                    move |world, _, reply| {
                        if let Ok(reply) = reply {
                            acknowledged::workflow_task(world, &of_run, started);
                            activities::handed_out(world, &of_run, &reply.activity_tasks);
                        }
                    },
                )
            })
            .await;
        let Ok(completed) = completed else {
            // Whether or not it counts, the cache may be wrong now.
            self.cache.borrow_mut().remove(run_id);
            return None;
        };
        self.keep_history(run_id, events, keeps);
        self.take_activities(&completed);
        completed
            .workflow_task
            .filter(|task| !task.task_token.is_empty())
            .map(|task| *task)
    }

    fn keep_history(&self, run_id: &str, events: Vec<HistoryEvent>, keeps: bool) {
        let mut cache = self.cache.borrow_mut();
        // A worker without a queue of its own still knows what it just saw, for a task that comes with the reply.
        cache.insert(run_id.to_owned(), events);
        if !keeps {
            self.world.marks.add("worker: not sticky");
        }
        if cache.len() > CACHE_MAX {
            let keys: Vec<_> = cache.keys().filter(|key| *key != run_id).cloned().collect();
            cache.remove(self.world.dice.pick(&keys));
        }
    }

    fn take_activities(self: &Rc<Self>, completed: &RespondWorkflowTaskCompletedResponse) {
        for task in &completed.activity_tasks {
            self.world.marks.add("worker: eager activity");
            let running = activities::run(self.world.clone(), self.identity.clone(), task.clone());
            // Its own tasks end with the worker; an eager activity's end is as good as any.
            self.world.executor.spawn(Owner::Client, running);
        }
    }

    async fn answer_query(&self, task: PollWorkflowTaskQueueResponse) {
        let execution = task.workflow_execution.clone().unwrap_or_default();
        let Ok(events) = self.history(&task).await else {
            return;
        };
        sdk::read(&self.world, &execution.run_id, &events);
        let (completed_type, query_result) = match interpret(&execution.workflow_id, &events) {
            Ok(answer) => (
                QueryResultType::Answered,
                payloads(&answer.signals.join(",")),
            ),
            Err(wrong) => {
                self.world
                    .violation(format!("run {}: query: {wrong}", execution.run_id));
                return;
            }
        };
        let request = RespondQueryTaskCompletedRequest {
            namespace: NAMESPACE.to_owned(),
            task_token: task.task_token,
            completed_type: completed_type as i32,
            query_result,
            ..Default::default()
        };
        let _ = self
            .world
            .call(
                "answer query",
                Kind::Change,
                request,
                |engine, call, request| async move {
                    engine.respond_query_task_completed(call, request).await
                },
                |_, _, _| {},
            )
            .await;
    }
}
