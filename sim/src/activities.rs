//! Activity workers: run what the input says, attempt for attempt.

use std::rc::Rc;

use steadfast_core::Refusal;
use steadfast_engine::token::TaskToken;
use steadfast_protocol::command::Command;
use steadfast_protocol::command::command::Attributes;
use steadfast_protocol::workflowservice::{
    PollActivityTaskQueueRequest, PollActivityTaskQueueResponse,
    RecordActivityTaskHeartbeatRequest, RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedRequest, RespondActivityTaskFailedRequest,
};

use crate::calls::Kind;
use crate::check::acknowledged::{self, Attempt};
use crate::commands::{QUEUE, failure, payloads, queue, text_of};
use crate::executor::Owner;
use crate::program::ActivitySpec;
use crate::world::{NAMESPACE, World};

/// Lets some activities start with the answer to the command.
pub(crate) fn make_eager(world: &World, commands: &mut [Command]) {
    if !world.options.eager {
        return;
    }
    for command in commands {
        if let Some(Attributes::ScheduleActivityTaskCommandAttributes(activity)) =
            &mut command.attributes
        {
            activity.request_eager_execution = world.dice.chance(500);
        }
    }
}

fn attempt_of(task: &PollActivityTaskQueueResponse) -> Option<Attempt> {
    let token = TaskToken::decode_checked(&task.task_token)?;
    Some(Attempt {
        run_id: token.run_id,
        scheduled_event_id: token.scheduled_event_id,
        attempt: token.attempt,
    })
}

/// The server handed these out.
pub(crate) fn handed_out(world: &World, _run_id: &str, tasks: &[PollActivityTaskQueueResponse]) {
    for attempt in tasks.iter().filter_map(attempt_of) {
        acknowledged::handed_out(world, &attempt);
    }
}

/// Polls and runs activities, one at a time.
pub(crate) async fn poll(world: Rc<World>, identity: String, owner: Owner) {
    loop {
        let request = PollActivityTaskQueueRequest {
            namespace: NAMESPACE.to_owned(),
            task_queue: queue(QUEUE),
            identity: identity.clone(),
            ..Default::default()
        };
        let polled = world
            .call(
                "poll activity task",
                Kind::Poll,
                request,
                |engine, call, request| async move {
                    engine.poll_activity_task_queue(call, request).await
                },
                |world, _, reply| {
                    if let Ok(task) = reply
                        && let Some(attempt) = attempt_of(task)
                    {
                        acknowledged::handed_out(world, &attempt);
                    }
                },
            )
            .await;
        match polled {
            Ok(task) if task.task_token.is_empty() => {}
            Ok(task) => {
                let running = run(world.clone(), identity.clone(), task);
                world.executor.spawn(owner, running);
            }
            Err(_) => world.sleep(world.dice.between(10, 500)).await,
        }
    }
}

/// Runs one attempt.
pub(crate) async fn run(world: Rc<World>, identity: String, task: PollActivityTaskQueueResponse) {
    let Some(attempt) = attempt_of(&task) else {
        world.violation("an activity task has a foreign token".to_owned());
        return;
    };
    let Some(spec) = ActivitySpec::decode(&text_of(task.input.as_ref())) else {
        world.violation(format!("{attempt:?} came without its input"));
        return;
    };
    let runner = Runner {
        world,
        identity,
        task,
        attempt,
    };
    runner.run(&spec).await;
}

struct Runner {
    world: Rc<World>,
    identity: String,
    task: PollActivityTaskQueueResponse,
    attempt: Attempt,
}

impl Runner {
    async fn run(&self, spec: &ActivitySpec) {
        let number = self.attempt.attempt as u64;
        let mut count: u64 = text_of(self.task.heartbeat_details.as_ref())
            .parse()
            .unwrap_or_default();
        for _ in 0..spec.heartbeats {
            self.world.sleep(spec.millis / (spec.heartbeats + 1)).await;
            count += 1;
            match self.heartbeat(count).await {
                Ok(true) if self.world.dice.chance(700) => return self.cancel().await,
                Ok(_) => {}
                Err(Refusal::NotFound(_)) => return,
                Err(_) => {}
            }
        }
        self.world.sleep(spec.millis / (spec.heartbeats + 1)).await;
        if number <= spec.silent {
            self.world.marks.add("activity: never answered");
            return;
        }
        let failures = spec.silent + spec.failures;
        if number <= failures {
            return self.fail(spec.fatal && number == failures).await;
        }
        self.complete().await;
    }

    async fn heartbeat(&self, count: u64) -> Result<bool, Refusal> {
        let request = RecordActivityTaskHeartbeatRequest {
            namespace: NAMESPACE.to_owned(),
            task_token: self.task.task_token.clone(),
            details: payloads(&count.to_string()),
            identity: self.identity.clone(),
            ..Default::default()
        };
        let attempt = self.attempt.clone();
        let reply = self
            .world
            .call(
                "heartbeat",
                Kind::Read,
                request,
                |engine, call, request| async move {
                    engine.record_activity_task_heartbeat(call, request).await
                },
                move |world, _, reply| {
                    if reply.is_ok() {
                        acknowledged::heartbeat(world, &attempt, count);
                    }
                },
            )
            .await?;
        Ok(reply.cancel_requested)
    }

    async fn complete(&self) {
        let result = format!("{}-{}", self.attempt.attempt, self.world.dice.next());
        let request = RespondActivityTaskCompletedRequest {
            namespace: NAMESPACE.to_owned(),
            task_token: self.task.task_token.clone(),
            result: payloads(&result),
            identity: self.identity.clone(),
            ..Default::default()
        };
        let (world, attempt) = (&self.world, &self.attempt);
        let reply = world.retrying(|| {
            let (attempt, result) = (attempt.clone(), result.clone());
            world.call(
                "complete activity",
                Kind::Change,
                request.clone(),
                |engine, call, request| async move {
                    engine.respond_activity_task_completed(call, request).await
                },
                move |world, _, reply| {
                    if reply.is_ok() {
                        acknowledged::answered(world, &attempt, Some(&result));
                    }
                },
            )
        });
        let _ = reply.await;
    }

    async fn fail(&self, fatal: bool) {
        let request = RespondActivityTaskFailedRequest {
            namespace: NAMESPACE.to_owned(),
            task_token: self.task.task_token.clone(),
            failure: Some(failure("the activity fails", fatal)),
            identity: self.identity.clone(),
            ..Default::default()
        };
        let (world, attempt) = (&self.world, &self.attempt);
        let reply = world.retrying(|| {
            let attempt = attempt.clone();
            world.call(
                "fail activity",
                Kind::Change,
                request.clone(),
                |engine, call, request| async move {
                    engine.respond_activity_task_failed(call, request).await
                },
                move |world, _, reply| {
                    if reply.is_ok() {
                        acknowledged::answered(world, &attempt, None);
                    }
                },
            )
        });
        let _ = reply.await;
    }

    async fn cancel(&self) {
        let request = RespondActivityTaskCanceledRequest {
            namespace: NAMESPACE.to_owned(),
            task_token: self.task.task_token.clone(),
            identity: self.identity.clone(),
            ..Default::default()
        };
        let (world, attempt) = (&self.world, &self.attempt);
        let reply = world.retrying(|| {
            let attempt = attempt.clone();
            world.call(
                "cancel activity",
                Kind::Change,
                request.clone(),
                |engine, call, request| async move {
                    engine.respond_activity_task_canceled(call, request).await
                },
                move |world, _, reply| {
                    if reply.is_ok() {
                        world.marks.add("activity: gave way to its cancellation");
                        acknowledged::answered(world, &attempt, None);
                    }
                },
            )
        });
        let _ = reply.await;
    }
}
