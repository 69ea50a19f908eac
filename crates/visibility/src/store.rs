//! What a visibility store does.

use crate::filter::{Filter, GroupBy, Sort};
use crate::record::{Change, Record};

/// A store of [`Record`]s. It is a projection: it may lag behind the primary store by milliseconds, and can be lost and
/// rebuilt from it (architecture, rule 10). All calls block; none waits for the network.
pub trait VisibilityStore: Send + Sync {
    /// Applies all changes, in this order, in one transaction. An upsert whose version is smaller than the stored one
    /// is ignored. The marker, if given, is stored with them, so that it tells after a restart how far the projection
    /// has come.
    fn apply(&self, changes: Vec<Change>, marker: Option<&[u8]>) -> Result<(), StoreError>;

    /// The marker of the last applied changes that had one; none in a new or rebuilt store, which must then be filled
    /// from the primary store.
    fn marker(&self) -> Result<Option<Vec<u8>>, StoreError>;

    /// One page of the runs for which the filter holds, from the position of the token on (empty: from the start).
    /// Ordered by close time descending with open runs first, start time descending, run id ascending.
    fn list(
        &self,
        namespace_id: &str,
        filter: &Filter,
        page_size: usize,
        token: &[u8],
    ) -> Result<Page, StoreError>;

    /// The same in another order; runs with an equal value follow each other in an order of the store's own. A token is
    /// good for the sort that it came from.
    fn list_sorted(
        &self,
        namespace_id: &str,
        filter: &Filter,
        sort: &Sort,
        page_size: usize,
        token: &[u8],
    ) -> Result<Page, StoreError>;

    /// How many runs there are for which the filter holds.
    fn count(
        &self,
        namespace_id: &str,
        filter: &Filter,
        group_by: Option<GroupBy>,
    ) -> Result<Count, StoreError>;
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The runs, in order.
    pub records: Vec<Record>,
    /// Where the next page begins; empty if this page is not full. As in the reference, the page after a last full
    /// one is empty.
    pub next_page_token: Vec<u8>,
}

/// A count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All runs that were counted.
    pub total: u64,
    /// With a `GROUP BY`: the groups that are not empty. The value is the short name of the status, or the division
    /// ("" for none); ordered by the status number, or by the name of the division.
    pub groups: Vec<(String, u64)>,
}

/// Why a store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The page token is none of ours: an INVALID_ARGUMENT.
    #[error("invalid next page token")]
    InvalidToken,
    /// The stored data is damaged. The store must be opened again, which empties it, and be rebuilt.
    #[error("the visibility store is damaged: {0}")]
    Damaged(String),
    /// Anything else: an UNAVAILABLE.
    #[error("the visibility store failed: {0}")]
    Failed(String),
}
