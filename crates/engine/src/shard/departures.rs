//! What leaves a shard with a commit, and what waits for one.

use std::sync::Arc;

use steadfast_core::Refusal;
use steadfast_core::execution::RunKey;
use steadfast_core::outcome::Outcome;
use steadfast_store::CommitOutcome;
use tokio::sync::oneshot;

use super::unavailable;
use crate::delivery::{Delivery, FollowUp};
use crate::projector::Changes;
use crate::queues::{Meeting, StoredTask};

/// What leaves the shard once a batch is durable.
#[derive(Default)]
pub(crate) struct Departures {
    pub offers: Vec<StoredTask>,
    pub meetings: Vec<Meeting>,
    pub deliveries: Vec<Delivery>,
    pub readers: Vec<oneshot::Sender<()>>,
    pub changes: Changes,
    pub follow_ups: Vec<FollowUp>,
    pub released_queries: Vec<oneshot::Sender<QueryEnd>>,
    pub answered_queries: Vec<(oneshot::Sender<QueryEnd>, QueryEnd)>,
}

/// How the wait of a query for a workflow task ended.
#[derive(Debug)]
pub(crate) enum QueryEnd {
    /// The workflow task brought an answer.
    Answer(Box<steadfast_protocol::query::WorkflowQueryResult>),
    /// Nothing to wait for any more: look again.
    Released,
}

/// Resolves when what a reply rests on is durable.
pub(crate) enum Durability {
    /// It is already.
    Reached,
    /// It is on its way.
    Awaited(oneshot::Receiver<CommitOutcome>),
}

impl Durability {
    /// Waits until it is durable.
    ///
    /// # Errors
    /// UNAVAILABLE: it may or may not be.
    pub(crate) async fn reached(self) -> Result<(), Refusal> {
        match self {
            Self::Reached => Ok(()),
            Self::Awaited(receiver) => match receiver.await {
                Ok(CommitOutcome::Ok) => Ok(()),
                _ => Err(unavailable("the change may not have been recorded")),
            },
        }
    }
}

/// A change of one run within a commit.
pub(crate) struct RunChange {
    pub key: Arc<RunKey>,
    pub outcome: Outcome,
}
