//! The runs of a deleted namespace go, and then its record.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use steadfast_core::terminate;
use steadfast_store::StoreError;

use crate::Namespace;
use crate::clock::instant;
use crate::node::Node;
use crate::shard::{Departures, RunChange};
use crate::view::View;

/// Rows looked at, and runs deleted, at a time, before others get their turn at the shard.
const DELETED_AT_A_TIME: usize = 64;
/// The least wait before what is left is looked at again.
const PAUSE: Duration = Duration::from_millis(200);
/// The wait, in times what looking took: the runs of a namespace are found by going through those of all.
const PAUSE_SHARE: u32 = 10;

impl Node {
    /// Deletes the runs of deleted namespaces, until the node stops.
    pub(crate) async fn run_deletions(self: Arc<Self>) {
        while !self.is_stopping() {
            let begun = instant();
            for namespace in self.namespaces().deleted() {
                match self.delete_some(&namespace).await {
                    Ok(true) => {}
                    Ok(false) => {
                        if let Err(refusal) = self.namespaces().forget(&namespace.id) {
                            tracing::warn!(%refusal, "a deleted namespace is not forgotten yet");
                        }
                    }
                    Err(error) => tracing::warn!(%error, "a deleted namespace cannot be read"),
                }
            }
            tokio::time::sleep(PAUSE.max(PAUSE_SHARE * (instant() - begun))).await;
        }
    }

    /// Marks the runs of the namespace for deletion. `false`: there are none left.
    async fn delete_some(self: &Arc<Self>, namespace: &Namespace) -> Result<bool, StoreError> {
        let mut found = false;
        for index in 0..self.shard_count() {
            let mut after = None;
            loop {
                let (some, last) = self.delete_page(namespace, index, after.as_deref())?;
                found |= some;
                if last.is_none() {
                    break;
                }
                after = last;
                tokio::task::yield_now().await;
            }
        }
        Ok(found)
    }

    /// The same among the next rows of a shard. Says whether there were any, and the last row if there may be more.
    fn delete_page(
        self: &Arc<Self>,
        namespace: &Namespace,
        index: u16,
        after: Option<&[u8]>,
    ) -> Result<(bool, Option<Bytes>), StoreError> {
        let mut shard = self.lock(index);
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (last, runs) = shard.stored_runs(&namespace.id, start, DELETED_AT_A_TIME)?;
        let found = !runs.is_empty();
        for key in runs {
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
        Ok((found, last))
    }
}
