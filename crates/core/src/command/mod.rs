//! Commands: what a worker decided, one file for each (server-semantics 4).
//!
//! Each file checks its command, writes its event, and changes the pending items. Nothing is taken back here: a command
//! that is wrong undoes the whole completion.

mod cancel_activity;
mod cancel_external;
mod cancel_timer;
mod cancel_workflow;
mod check;
mod complete_workflow;
mod continue_as_new;
mod fail_workflow;
mod modify_properties;
mod nexus;
mod protocol_message;
mod record_marker;
mod schedule_activity;
mod signal_external;
mod start_child;
mod start_timer;
mod upsert_search_attributes;

use std::collections::BTreeSet;

use steadfast_protocol::command::Command;
use steadfast_protocol::command::command::Attributes;
use steadfast_protocol::enums::{CommandType, WorkflowTaskFailedCause as Cause};

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
#[derive(Debug)]
pub enum CommandError {
    /// The workflow task fails with this cause; the caller gets INVALID_ARGUMENT with `message`.
    TaskFailed {
        /// Cause in the WorkflowTaskFailed event.
        cause: Cause,
        /// `<Cause>: <detail>`.
        message: String,
        /// Whether the run is terminated as well (sizes that no retry can mend).
        terminate: bool,
    },
    /// Only the call fails; the workflow task stays started.
    Refused(Refusal),
}

impl CommandError {
    /// The workflow task fails; the next attempt may do better.
    fn bad(cause: Cause, detail: impl std::fmt::Display) -> Self {
        Self::TaskFailed {
            cause,
            message: format!("{cause:?}: {detail}"),
            terminate: false,
        }
    }

    /// Something is larger than any attempt may send: the run is terminated.
    fn too_large(cause: Cause, detail: impl std::fmt::Display) -> Self {
        Self::TaskFailed {
            cause,
            message: format!("{cause:?}: {detail}"),
            terminate: true,
        }
    }
}

/// Whether the commands may follow each other: what closes the run comes last.
///
/// # Errors
/// INVALID_ARGUMENT with the whole sequence.
pub fn check_sequence(commands: &[Command]) -> Result<(), Refusal> {
    let Some((_, before)) = commands.split_last() else {
        return Ok(());
    };
    let Some(closing) = before.iter().find(|command| is_closing(command)) else {
        return Ok(());
    };
    let name = |command: &Command| format!("{:?}", command.command_type());
    let sequence: Vec<_> = commands.iter().map(name).collect();
    Err(Refusal::invalid(format!(
        "invalid command sequence: [{}], command {} must be the last command.",
        sequence.join(", "),
        name(closing)
    )))
}

fn is_closing(command: &Command) -> bool {
    matches!(
        command.command_type(),
        CommandType::CompleteWorkflowExecution
            | CommandType::FailWorkflowExecution
            | CommandType::CancelWorkflowExecution
            | CommandType::ContinueAsNewWorkflowExecution
    )
}

/// Applies one command. Its event gets the command's description for people.
///
/// # Errors
/// [`CommandError`]; the caller undoes the completion.
pub fn apply(
    tx: &mut Transition<'_>,
    scope: &mut Scope,
    command: Command,
) -> Result<(), CommandError> {
    let kind = command.command_type();
    let Some(cause) = cause_of(kind) else {
        return Err(CommandError::Refused(Refusal::invalid(format!(
            "unknown command type: {}",
            CommandType::try_from(command.command_type)
                .map_or(command.command_type.to_string(), |kind| format!("{kind:?}"))
        ))));
    };
    let event_id = tx.run.head.next_event_id;
    dispatch(tx, scope, kind, cause, command.attributes)?;
    // The event of a command is the first one it adds; a protocol message has none of its own.
    let described = command.user_metadata.is_some() || !command.event_group_markers.is_empty();
    if described && tx.run.head.next_event_id > event_id && kind != CommandType::ProtocolMessage {
        tx.amend(event_id, |event| {
            event.user_metadata = command.user_metadata;
            event.event_group_markers = command.event_group_markers;
        });
    }
    Ok(())
}

fn dispatch(
    tx: &mut Transition<'_>,
    scope: &mut Scope,
    kind: CommandType,
    cause: Cause,
    attributes: Option<Attributes>,
) -> Result<(), CommandError> {
    use Attributes as A;
    use CommandType as T;
    let missing = || {
        CommandError::bad(
            cause,
            format!("{kind:?}CommandAttributes is not set on {kind:?}Command."),
        )
    };
    match (kind, attributes.ok_or_else(missing)?) {
        (T::ScheduleActivityTask, A::ScheduleActivityTaskCommandAttributes(a)) => {
            schedule_activity::apply(tx, scope, a)
        }
        (T::RequestCancelActivityTask, A::RequestCancelActivityTaskCommandAttributes(a)) => {
            cancel_activity::apply(tx, scope, &a)
        }
        (T::StartTimer, A::StartTimerCommandAttributes(a)) => start_timer::apply(tx, scope, a),
        (T::CancelTimer, A::CancelTimerCommandAttributes(a)) => cancel_timer::apply(tx, scope, a),
        (T::RecordMarker, A::RecordMarkerCommandAttributes(a)) => {
            record_marker::apply(tx, scope, a)
        }
        (T::CompleteWorkflowExecution, A::CompleteWorkflowExecutionCommandAttributes(a)) => {
            complete_workflow::apply(tx, scope, a)
        }
        (T::FailWorkflowExecution, A::FailWorkflowExecutionCommandAttributes(a)) => {
            fail_workflow::apply(tx, scope, a)
        }
        (T::CancelWorkflowExecution, A::CancelWorkflowExecutionCommandAttributes(a)) => {
            cancel_workflow::apply(tx, scope, a)
        }
        (
            T::ContinueAsNewWorkflowExecution,
            A::ContinueAsNewWorkflowExecutionCommandAttributes(a),
        ) => continue_as_new::apply(tx, scope, a),
        (T::StartChildWorkflowExecution, A::StartChildWorkflowExecutionCommandAttributes(a)) => {
            start_child::apply(tx, scope, a)
        }
        (
            T::SignalExternalWorkflowExecution,
            A::SignalExternalWorkflowExecutionCommandAttributes(a),
        ) => signal_external::apply(tx, scope, a),
        (
            T::RequestCancelExternalWorkflowExecution,
            A::RequestCancelExternalWorkflowExecutionCommandAttributes(a),
        ) => cancel_external::apply(tx, scope, a),
        (
            T::UpsertWorkflowSearchAttributes,
            A::UpsertWorkflowSearchAttributesCommandAttributes(a),
        ) => upsert_search_attributes::apply(tx, scope, a),
        (T::ModifyWorkflowProperties, A::ModifyWorkflowPropertiesCommandAttributes(a)) => {
            modify_properties::apply(tx, scope, a)
        }
        (T::ProtocolMessage, A::ProtocolMessageCommandAttributes(a)) => {
            Err(protocol_message::refuse(&a))
        }
        (T::ScheduleNexusOperation, A::ScheduleNexusOperationCommandAttributes(a)) => {
            Err(nexus::refuse_schedule(&a))
        }
        (T::RequestCancelNexusOperation, A::RequestCancelNexusOperationCommandAttributes(a)) => {
            Err(nexus::refuse_cancel(&a))
        }
        _ => Err(missing()),
    }
}

/// The cause that a workflow task fails with if a command of this type is wrong; `None` for a type that nobody knows.
fn cause_of(kind: CommandType) -> Option<Cause> {
    use CommandType as T;
    Some(match kind {
        T::Unspecified => return None,
        T::ScheduleActivityTask => Cause::BadScheduleActivityAttributes,
        T::RequestCancelActivityTask => Cause::BadRequestCancelActivityAttributes,
        T::StartTimer => Cause::BadStartTimerAttributes,
        T::CancelTimer => Cause::BadCancelTimerAttributes,
        T::RecordMarker => Cause::BadRecordMarkerAttributes,
        T::CompleteWorkflowExecution => Cause::BadCompleteWorkflowExecutionAttributes,
        T::FailWorkflowExecution => Cause::BadFailWorkflowExecutionAttributes,
        T::CancelWorkflowExecution => Cause::BadCancelWorkflowExecutionAttributes,
        T::ContinueAsNewWorkflowExecution => Cause::BadContinueAsNewAttributes,
        T::StartChildWorkflowExecution => Cause::BadStartChildExecutionAttributes,
        T::SignalExternalWorkflowExecution => Cause::BadSignalWorkflowExecutionAttributes,
        T::RequestCancelExternalWorkflowExecution => {
            Cause::BadRequestCancelExternalWorkflowExecutionAttributes
        }
        T::UpsertWorkflowSearchAttributes => Cause::BadSearchAttributes,
        T::ModifyWorkflowProperties => Cause::BadModifyWorkflowPropertiesAttributes,
        T::ProtocolMessage => Cause::BadUpdateWorkflowExecutionMessage,
        T::ScheduleNexusOperation => Cause::BadScheduleNexusOperationAttributes,
        T::RequestCancelNexusOperation => Cause::BadRequestCancelNexusOperationAttributes,
    })
}
