//! Commands: what a worker decided, one file for each (server-semantics 4).

use std::collections::BTreeSet;

use steadfast_protocol::command::Command;
use steadfast_protocol::enums::WorkflowTaskFailedCause;

use crate::refusal::Refusal;
use crate::transition::Transition;

/// What the commands of one completion share.
pub struct Scope {
    /// The completion's own event; command events refer to it.
    pub completed_event_id: i64,
    /// The worker.
    pub identity: String,
    /// A workflow task has to follow though no event asks for it.
    pub task_wanted: bool,
    /// Activities (by Scheduled event) that were started for the worker itself.
    pub eager_activities: Vec<i64>,
    /// Workflow ids of the children initiated by this completion.
    pub initiated_children: BTreeSet<String>,
}

impl Scope {
    /// The scope of the completion whose event is `completed_event_id`.
    pub fn new(completed_event_id: i64, identity: String) -> Self {
        Self {
            completed_event_id,
            identity,
            task_wanted: false,
            eager_activities: Vec::new(),
            initiated_children: BTreeSet::new(),
        }
    }
}

/// Why a command is not applied. Either way the whole completion is undone.
pub enum CommandError {
    /// The workflow task fails with this cause; the caller gets INVALID_ARGUMENT with `message`.
    TaskFailed {
        /// Cause in the WorkflowTaskFailed event.
        cause: WorkflowTaskFailedCause,
        /// `<Cause>: <detail>`.
        message: String,
        /// Whether the run is terminated as well (sizes that no retry can mend).
        terminate: bool,
    },
    /// Only the call fails; the workflow task stays started.
    Refused(Refusal),
}

/// Whether the commands may follow each other: what closes the run comes last.
///
/// # Errors
/// INVALID_ARGUMENT with the whole sequence.
pub fn check_sequence(_commands: &[Command]) -> Result<(), Refusal> {
    Ok(())
}

/// Applies one command.
///
/// # Errors
/// [`CommandError`]; the caller undoes the completion.
pub fn apply(
    _tx: &mut Transition<'_>,
    _scope: &mut Scope,
    _command: Command,
) -> Result<(), CommandError> {
    Ok(())
}
