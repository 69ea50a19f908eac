//! The runs of a deleted namespace go, and then its record.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use steadfast_core::terminate;
use steadfast_store::StoreError;

use crate::Namespace;
use crate::node::Node;
use crate::shard::{Departures, RunChange};
use crate::view::View;

/// Runs deleted at a time, before others get their turn at the shard.
const DELETED_AT_A_TIME: usize = 64;
/// Wait before what is left is looked at again.
const PAUSE: Duration = Duration::from_millis(200);

impl Node {
    /// Deletes the runs of deleted namespaces, until the node stops.
    pub(crate) async fn run_deletions(self: Arc<Self>) {
        while !self.is_stopping() {
            for namespace in self.namespaces().deleted() {
                match self.delete_some(&namespace) {
                    Ok(true) => {}
                    Ok(false) => {
                        if let Err(refusal) = self.namespaces().forget(&namespace.id) {
                            tracing::warn!(%refusal, "a deleted namespace is not forgotten yet");
                        }
                    }
                    Err(error) => tracing::warn!(%error, "a deleted namespace cannot be read"),
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Marks some runs of the namespace for deletion. `false`: there are none left.
    fn delete_some(self: &Arc<Self>, namespace: &Namespace) -> Result<bool, StoreError> {
        let mut found = false;
        for index in 0..self.shard_count() {
            let mut after: Option<bytes::Bytes> = None;
            loop {
                let mut shard = self.lock(index);
                let start = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
                let (last, runs) = shard.stored_runs(&namespace.id, start, DELETED_AT_A_TIME)?;
                for key in runs {
                    found = true;
                    shard.shrink();
                    if !shard.load(&key)? {
                        continue;
                    }
                    let run = shard.run(&key);
                    if !run.is_open() && run.head.delete_time <= self.now().0 {
                        continue;
                    }
                    let view = View::new(self, namespace);
                    let cx = view.context(self, self.now());
                    if let Ok(outcome) = terminate::delete(shard.run_mut(&key), &cx) {
                        let change = RunChange {
                            key: Arc::new(key),
                            outcome,
                        };
                        let _ = shard.commit(self, vec![change], Departures::default(), None);
                    }
                }
                match last {
                    Some(last) => after = Some(last),
                    None => break,
                }
            }
        }
        Ok(found)
    }
}
