//! What a visibility store does.

use std::sync::Arc;

use crate::filter::{Filter, GroupBy, Sort};
use crate::record::{Change, Record};

/// A store of [`Record`]s. It is a projection: it may lag behind the primary store by milliseconds, and can be lost and
/// rebuilt from it (architecture, rule 10). All calls block; none waits for the network.
pub trait VisibilityStore: Send + Sync {
    /// Applies all changes, in this order, in one transaction. An upsert whose version is smaller than the stored one
    /// is ignored. The marker, if given, is stored with them, so that it tells after a restart how far the projection
    /// has come.
    fn apply(&self, changes: &[Change], marker: Option<&[u8]>) -> Result<(), StoreError>;

    /// The marker of the last applied changes that had one; none in a new or rebuilt store, which must then be filled
    /// from the primary store.
    fn marker(&self) -> Result<Option<Vec<u8>>, StoreError>;

    /// One page of the runs for which the filter holds, from the position of the token on.
    fn page(&self, list: &List<'_>, caller: &Caller) -> Result<Page, StoreError>;

    /// How many runs there are for which the filter holds.
    fn tally(
        &self,
        namespace_id: &str,
        filter: &Filter,
        group_by: Option<GroupBy>,
        caller: &Caller,
    ) -> Result<Count, StoreError>;

    /// So many pages and counts it makes at one time; further ones would wait for those.
    fn concurrency(&self) -> usize {
        1
    }

    /// A page in the usual order, for a caller who stays.
    fn list(
        &self,
        namespace_id: &str,
        filter: &Filter,
        page_size: usize,
        token: &[u8],
    ) -> Result<Page, StoreError> {
        let list = List {
            namespace_id,
            filter,
            sort: None,
            page_size,
            token,
        };
        self.page(&list, &Caller::who_stays())
    }

    /// A count for a caller who stays.
    fn count(
        &self,
        namespace_id: &str,
        filter: &Filter,
        group_by: Option<GroupBy>,
    ) -> Result<Count, StoreError> {
        self.tally(namespace_id, filter, group_by, &Caller::who_stays())
    }
}

/// Which page of which list is wanted.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    /// Whose runs.
    pub namespace_id: &'a str,
    /// Which of them.
    pub filter: &'a Filter,
    /// The order. None is the usual one: close time descending with open runs first, start time descending, run id
    /// ascending. In another one runs with an equal value follow each other in an order of the store's own.
    pub sort: Option<&'a Sort>,
    /// At most so many runs.
    pub page_size: usize,
    /// Where the page begins: empty for the first one, else what came with the page before in the same order.
    pub token: &'a [u8],
}

/// Who waits for an answer. A store asks again and again while it searches whether they still do, and stops if not.
#[derive(Clone)]
pub struct Caller(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Caller {
    /// Waits as long as it takes.
    pub fn who_stays() -> Self {
        Self(None)
    }

    /// Waits until `left` says that they have left.
    pub fn until(left: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(left)))
    }

    /// Whether nobody waits any more.
    pub fn has_left(&self) -> bool {
        self.0.as_ref().is_some_and(|left| left())
    }

    /// Whether they may leave at all.
    pub fn may_leave(&self) -> bool {
        self.0.is_some()
    }
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
    /// The caller has left, so that there is nobody to answer.
    #[error("nobody waits for the answer any more")]
    Abandoned,
    /// Anything else: an UNAVAILABLE.
    #[error("the visibility store failed: {0}")]
    Failed(String),
}
