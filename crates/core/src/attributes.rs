//! Memo and search attributes of a run.

use crate::execution::Execution;

/// Notes in the search attribute `BuildIds` that a worker of this build completed a workflow task.
pub(crate) fn note_build_id(_run: &mut Execution, _build_id: &str) {}
