//! How far the visibility store has come, so that a start can tell whether it has all that it once had.
//!
//! The projector counts its transactions, and the visibility store keeps the number of the last one with what that one
//! wrote. The rows of the queue that a transaction made superfluous are removed from the primary store together with its
//! number. So a visibility store with a smaller number than that has lost runs that nothing else remembers: an older copy
//! was put in its place, or the machine died before its last transactions were on the disk.

use steadfast_store::{ShardId, Store, StoreError, Table};

use crate::Namespaces;
use crate::node::SHARDS;

/// The key, in each shard, of the number of the last transaction whose rows were removed from the queue.
pub(crate) const POSITION_KEY: &[u8] = b"projected";

/// How much further than that a visibility store may be, and so how far the number of one that was filled anew is ahead of
/// it: the one it replaces never counts as current again.
const FILLED: u64 = 1 << 32;

/// Whether a visibility store with this marker has all runs of this primary store but for those in the queue. If not it is
/// to be emptied, and is then filled anew.
///
/// # Errors
/// The primary store cannot be read.
pub fn is_projection_current(
    store: &dyn Store,
    namespaces: &Namespaces,
    marker: &[u8],
) -> Result<bool, StoreError> {
    let position = position_of(namespaces.cluster_id(), marker);
    let least = least_position(store)?;
    Ok(position.is_some_and(|position| position >= least))
}

/// The marker of a complete visibility store of this cluster after so many transactions.
pub(crate) fn marker(cluster_id: &str, position: u64) -> Vec<u8> {
    format!("complete {cluster_id} {position}").into_bytes()
}

/// The transactions that the marker tells of; `None` if it is not that of a complete visibility store of this cluster.
pub(crate) fn position_of(cluster_id: &str, marker: &[u8]) -> Option<u64> {
    let mut parts = str::from_utf8(marker).ok()?.split(' ');
    let of_this = parts.next() == Some("complete") && parts.next() == Some(cluster_id);
    let position = parts.next()?.parse().ok()?;
    (of_this && parts.next().is_none()).then_some(position)
}

/// The number of a visibility store that was filled from a primary store of which it must have seen this one.
pub(crate) fn first_position(least: u64) -> u64 {
    least + FILLED
}

/// The transactions that a visibility store must have seen.
///
/// # Errors
/// The primary store cannot be read.
pub(crate) fn least_position(store: &dyn Store) -> Result<u64, StoreError> {
    let mut least = 0;
    for index in 0..SHARDS {
        let Some(stored) = store.get(ShardId(index), Table::Node, POSITION_KEY)? else {
            continue;
        };
        let Ok(stored) = stored[..].try_into() else {
            return Err(StoreError::Corrupt(
                "the position of the projection is unreadable".to_owned(),
            ));
        };
        least = least.max(u64::from_be_bytes(stored));
    }
    Ok(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    use steadfast_store::{Batch, CommitOutcome, MemoryStore};

    #[test]
    fn markers_tell_of_which_cluster_and_how_far() {
        let marker = marker("cluster", 7);
        assert_eq!(position_of("cluster", &marker), Some(7));
        for other in [
            "complete",
            "complete cluster",
            "complete cluster 7 8",
            "complete cluster x",
            "",
        ] {
            assert_eq!(position_of("cluster", other.as_bytes()), None, "{other}");
        }
        assert_eq!(position_of("another", &marker), None);
    }

    #[test]
    fn what_is_behind_any_shard_is_not_current() {
        let store = std::sync::Arc::new(MemoryStore::new());
        let namespaces = Namespaces::open(store.clone(), "cluster".to_owned()).unwrap();
        let is_current = |position| {
            is_projection_current(&*store, &namespaces, &marker("cluster", position)).unwrap()
        };
        assert!(is_current(0));
        for (shard, position) in [(3, 5_u64), (SHARDS - 1, 4)] {
            let shard = ShardId(shard);
            let mut batch = Batch::new(shard, store.acquire(shard).unwrap());
            batch.put(Table::Node, POSITION_KEY, position.to_be_bytes().to_vec());
            assert_eq!(store.commit(vec![batch]), [CommitOutcome::Ok]);
        }
        assert!(!is_current(4));
        assert!(is_current(5) && is_current(6));
        // One that is lost and comes back after another one was filled and used.
        let shard = ShardId(0);
        let mut batch = Batch::new(shard, store.acquire(shard).unwrap());
        let position = first_position(least_position(&*store).unwrap());
        batch.put(Table::Node, POSITION_KEY, position.to_be_bytes().to_vec());
        assert_eq!(store.commit(vec![batch]), [CommitOutcome::Ok]);
        assert!(!is_current(6) && !is_current(1_000_000));
        assert!(is_current(position));
    }
}
