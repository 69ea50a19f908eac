//! Checks that several commands share.

use prost::Message;
use steadfast_protocol::common::{Payloads, Priority, SearchAttributes};
use steadfast_protocol::enums::WorkflowTaskFailedCause as Cause;

use super::CommandError;
use crate::limits;
use crate::refusal::Refusal;
use crate::transition::Transition;

/// Refuses a close while the workflow has not seen all that happened. What this very completion caused does not count.
pub(super) fn nothing_unseen(tx: &Transition<'_>) -> Result<(), CommandError> {
    if !tx.has_earlier_buffered() {
        return Ok(());
    }
    let cause = Cause::UnhandledCommand;
    Err(CommandError::TaskFailed {
        cause,
        message: format!("{cause:?}"),
        terminate: false,
    })
}

/// Terminates the run if `payloads` exceed what a single field may hold.
pub(super) fn payloads_size(
    tx: &Transition<'_>,
    payloads: Option<&Payloads>,
    cause: Cause,
    field: &str,
) -> Result<(), CommandError> {
    size(tx, payloads.map_or(0, Message::encoded_len), cause, field)
}

/// Terminates the run if a field of so many bytes exceeds what a single field may hold.
pub(super) fn size(
    tx: &Transition<'_>,
    bytes: usize,
    cause: Cause,
    field: &str,
) -> Result<(), CommandError> {
    within(bytes, tx.cx.limits.blob_size, cause, field)
}

/// Terminates the run if `field` has more bytes than `limit`.
pub(super) fn within(
    bytes: usize,
    limit: usize,
    cause: Cause,
    field: &str,
) -> Result<(), CommandError> {
    if bytes <= limit {
        return Ok(());
    }
    Err(CommandError::too_large(
        cause,
        format!("{field} exceeds size limit."),
    ))
}

/// Refuses another pending item beyond the limit.
pub(super) fn pending(
    count: usize,
    limit: usize,
    cause: Cause,
    items: &str,
) -> Result<(), CommandError> {
    if count < limit {
        return Ok(());
    }
    Err(CommandError::bad(
        cause,
        format!("the number of {items}, {count}, has reached the per-workflow limit of {limit}"),
    ))
}

/// The namespace that a command names, which has to be the run's own: its name and its id.
pub(super) fn own_namespace(
    tx: &Transition<'_>,
    named: &str,
    cause: Cause,
) -> Result<(String, String), CommandError> {
    let own = tx.cx.namespace;
    if !named.is_empty() && named != own.name() {
        return Err(match own.id_of(named) {
            Some(_) => CommandError::bad(cause, "cross namespace commands are not allowed"),
            None => CommandError::Refused(Refusal::NamespaceNotFound(named.to_owned())),
        });
    }
    Ok((own.name().to_owned(), own.id().to_owned()))
}

/// Refuses search attributes that do not exist or have other types. The cause is the same for all commands.
pub(super) fn search_attributes(
    tx: &Transition<'_>,
    attributes: Option<&SearchAttributes>,
) -> Result<(), CommandError> {
    let Some(attributes) = attributes else {
        return Ok(());
    };
    let checked = tx.cx.namespace.check_search_attributes(attributes);
    checked.map_err(|sentence| CommandError::bad(Cause::BadSearchAttributes, sentence))
}

/// What is wrong with a priority.
pub(super) fn priority(priority: Option<&Priority>) -> Result<(), &'static str> {
    let Some(priority) = priority else {
        return Ok(());
    };
    if priority.priority_key < 0 {
        return Err("priority key can't be negative");
    }
    if priority.fairness_key.len() > limits::FAIRNESS_KEY_LENGTH_MAX {
        return Err("fairness key length exceeds limit");
    }
    if priority.fairness_weight.is_nan() || priority.fairness_weight < 0.0 {
        return Err("must be greater than zero");
    }
    Ok(())
}

/// Whether `id` is a UUID, or left out.
pub(super) fn is_uuid_or_empty(id: &str) -> bool {
    id.is_empty() || uuid::Uuid::try_parse(id).is_ok()
}
