//! Activities (server-semantics 5).

use crate::record::Activity;
use crate::time::Time;

/// When something is due of `activity`: the end of its backoff, or the first of its timeouts.
pub(crate) fn next_deadline(_activity: &Activity) -> Option<Time> {
    None
}
