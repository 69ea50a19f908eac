//! What follows the close of a run: the next run of the chain, and who is told.

use crate::transition::Transition;

/// To be called once a closing event without a successor is written.
pub(crate) fn after_close(_tx: &mut Transition<'_>) {}
