//! What the services may ask of the engine: one method for each RPC that touches an execution or a task queue.

mod activity_task;
mod history;
mod query;
mod start;
mod task_queue;
mod workflow;
mod workflow_task;

use std::sync::Arc;
use std::time::{Duration, Instant};

use steadfast_core::Refusal;
use steadfast_core::context::Context;
use steadfast_core::execution::{Execution, RunKey};
use steadfast_core::outcome::Outcome;
use steadfast_core::time::Time;
use steadfast_protocol::common::WorkflowExecution;

use crate::clock::instant;
use crate::node::Node;
use crate::shard::{Departures, Durability, RunChange, Shard, store_refusal};
use crate::token::{TaskToken, TokenKind};
use crate::view::View;
use crate::{Engine, Namespace};

pub(crate) use query::DirectQueries;

/// What a call brings besides its request.
#[derive(Clone)]
pub struct Call {
    /// The namespace the request names, or that of its task token.
    pub namespace: Arc<Namespace>,
    /// When the caller stops waiting. Long polls answer (empty) a second before it; `None` where the caller set none.
    pub deadline: Option<Instant>,
    /// Whether the caller shows histories to people (`temporal-cli`, `temporal-ui`): workflow tasks that are not yet
    /// part of the history are left out then.
    pub for_people: bool,
}

/// Long polls are answered this long before their caller gives up.
const MARGIN: Duration = Duration::from_secs(1);

impl Call {
    /// When a long poll of at most so many nanoseconds has to be answered.
    fn poll_until(&self, longest: i64) -> Instant {
        let now = instant();
        let limit = now + Duration::from_nanos(longest.unsigned_abs());
        match self.deadline {
            Some(deadline) => limit.min(deadline.checked_sub(MARGIN).unwrap_or(now)),
            None => limit,
        }
    }
}

impl Engine {
    fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Whether something new may be begun.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED while too much waits for the store; nothing was done.
    fn admit(&self) -> Result<(), Refusal> {
        if self.node.committer.is_full() {
            return Err(Refusal::system_overloaded(
                "too many changes wait to be written; try again later",
            ));
        }
        Ok(())
    }

    /// Applies `change` to the run that `execution` names (the current one without a run id), and waits until it is
    /// durable. A change without an outcome found the wish fulfilled already.
    async fn change_run<T>(
        &self,
        call: &Call,
        execution: Option<&WorkflowExecution>,
        change: impl FnOnce(&mut Execution, &Context<'_>) -> Result<(Option<Outcome>, T), Refusal>,
    ) -> Result<(Arc<RunKey>, T), Refusal> {
        self.admit()?;
        let node = self.node();
        let (workflow_id, run_id) = names(execution);
        let (key, durability, result) = {
            let mut shard = node.lock_of(&call.namespace.id, workflow_id);
            let key = require(&mut shard, &call.namespace, workflow_id, run_id)?;
            let view = View::new(node, &call.namespace);
            let cx = view.context(node, node.now());
            let changed = change(shard.run_mut(&key), &cx);
            let (durability, result) = conclude(node, &mut shard, &key, changed);
            (key, durability, result)
        };
        durability.reached().await?;
        Ok((key, result?))
    }

    /// As [`Engine::change_run`], for the run of a task token.
    async fn change_by_token<T>(
        &self,
        call: &Call,
        token: &TaskToken,
        missing: fn() -> Refusal,
        change: impl FnOnce(&mut Execution, &Context<'_>) -> Result<(Option<Outcome>, T), Refusal>,
    ) -> Result<T, Refusal> {
        self.admit()?;
        let node = self.node();
        let (durability, result) = {
            let mut shard = node.lock_of(&call.namespace.id, &token.workflow_id);
            let found = shard.find(&call.namespace.id, &token.workflow_id, &token.run_id);
            let key = found
                .map_err(|error| store_refusal(&error))?
                .ok_or_else(missing)?;
            let view = View::new(node, &call.namespace);
            let cx = view.context(node, node.now());
            let changed = change(shard.run_mut(&key), &cx);
            conclude(node, &mut shard, &key, changed)
        };
        durability.reached().await?;
        result
    }
}

/// Queues the commit of a change. Whatever is answered, a refusal too, rests on what is in memory and waits for it.
fn conclude<T>(
    node: &Arc<Node>,
    shard: &mut Shard,
    key: &Arc<RunKey>,
    changed: Result<(Option<Outcome>, T), Refusal>,
) -> (Durability, Result<T, Refusal>) {
    match changed {
        Ok((Some(outcome), value)) => {
            let result = outcome.reply(value);
            let change = RunChange {
                key: key.clone(),
                outcome,
            };
            let durability = shard.commit(node, vec![change], Departures::default(), None);
            (durability, result)
        }
        Ok((None, value)) => (shard.durability(key), Ok(value)),
        Err(refusal) => (shard.durability(key), Err(refusal)),
    }
}

/// Workflow id and run id of an execution; empty where it is absent.
fn names(execution: Option<&WorkflowExecution>) -> (&str, &str) {
    execution.map_or(("", ""), |execution| {
        (execution.workflow_id.as_str(), execution.run_id.as_str())
    })
}

/// The run, which is in memory afterwards.
///
/// # Errors
/// NOT_FOUND if there is none.
fn require(
    shard: &mut Shard,
    namespace: &Namespace,
    workflow_id: &str,
    run_id: &str,
) -> Result<Arc<RunKey>, Refusal> {
    let found = shard.find(&namespace.id, workflow_id, run_id);
    let found = found.map_err(|error| store_refusal(&error))?;
    found.ok_or_else(|| {
        Refusal::not_found(if run_id.is_empty() {
            format!("workflow not found for ID: {workflow_id}")
        } else {
            format!(
                "workflow execution not found for workflow ID \"{workflow_id}\" and run ID \"{run_id}\""
            )
        })
    })
}

/// The task token of a request, which the frontend has looked at already.
///
/// # Errors
/// INVALID_ARGUMENT for one of another kind.
fn token(bytes: &[u8], kind: TokenKind) -> Result<TaskToken, Refusal> {
    TaskToken::decode_checked(bytes)
        .filter(|token| token.kind() == kind)
        .ok_or_else(|| Refusal::invalid("Error deserializing task token."))
}

/// The engine's time at which an instant of the machine's clock will be.
fn time_of(node: &Node, then: Instant) -> Time {
    let ahead = then.saturating_duration_since(instant());
    let ahead = i64::try_from(ahead.as_nanos()).unwrap_or(i64::MAX);
    node.now().plus(ahead)
}
