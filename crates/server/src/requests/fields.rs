//! The checks that many requests share, field by field.

use prost::Message;
use steadfast_core::Refusal;
use steadfast_core::limits::{ID_LENGTH_MAX, Limits};
use steadfast_core::time::{self, DURATION_MAX};
use steadfast_protocol::Duration;
use steadfast_protocol::common::{Memo, Payloads, WorkflowExecution, WorkflowType};
use uuid::Uuid;

/// At most [`ID_LENGTH_MAX`] bytes, else "`field` length exceeds limit."
pub(crate) fn length(field: &str, value: &str) -> Result<(), Refusal> {
    if value.len() > ID_LENGTH_MAX {
        return Err(Refusal::InvalidArgument(format!(
            "{field} length exceeds limit."
        )));
    }
    Ok(())
}

/// The identity of a worker, which descriptions of queues repeat; may be empty. That of other callers has no limit of
/// its own.
pub(crate) fn identity(value: &str) -> Result<(), Refusal> {
    length("Identity", value)
}

/// Not empty, else `message`.
pub(crate) fn set(value: &str, message: &str) -> Result<(), Refusal> {
    if value.is_empty() {
        return Err(Refusal::invalid(message));
    }
    Ok(())
}

/// The number of a value of the enum.
pub(crate) fn enumeration<E: TryFrom<i32>>(field: &str, value: i32) -> Result<(), Refusal> {
    match E::try_from(value) {
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::InvalidArgument(format!(
            "{value} is not a value of {field}."
        ))),
    }
}

/// The execution a request is about: the workflow id is there, the run id is a UUID or empty.
pub(crate) fn execution(value: Option<&WorkflowExecution>) -> Result<(), Refusal> {
    let Some(execution) = value else {
        return Err(Refusal::invalid("Execution is not set on request."));
    };
    set(&execution.workflow_id, "WorkflowId is not set on request.")?;
    length("WorkflowId", &execution.workflow_id)?;
    run_id(&execution.run_id, "Invalid RunId.")
}

/// Empty or a UUID, else `message`.
pub(crate) fn run_id(value: &str, message: &str) -> Result<(), Refusal> {
    if !value.is_empty() && Uuid::try_parse(value).is_err() {
        return Err(Refusal::invalid(message));
    }
    Ok(())
}

/// The type of a workflow to start.
pub(crate) fn workflow_type(value: Option<&WorkflowType>) -> Result<(), Refusal> {
    let name = value.map_or("", |workflow_type| workflow_type.name.as_str());
    set(name, "WorkflowType is not set on request.")?;
    length("WorkflowType", name)
}

/// A duration that is not negative; what is longer than a hundred years is cut to that. The answer says what is wrong
/// with it.
pub(crate) fn duration(value: Option<&mut Duration>) -> Result<(), &'static str> {
    let Some(value) = value else { return Ok(()) };
    if value.seconds < 0 || value.nanos < 0 {
        return Err("negative duration");
    }
    let nanos = time::duration(Some(value)).map_err(|_| "duration has out-of-range nanos")?;
    if nanos == DURATION_MAX {
        *value = time::to_duration(nanos);
    }
    Ok(())
}

/// [`duration`] of a field of a request.
pub(crate) fn duration_field(field: &str, value: Option<&mut Duration>) -> Result<(), Refusal> {
    duration(value).map_err(|cause| {
        Refusal::InvalidArgument(format!(
            "An invalid {field} is set on request. cause: {cause}"
        ))
    })
}

/// The size of an input, result or details.
pub(crate) fn blob(limits: &Limits, value: Option<&Payloads>) -> Result<(), Refusal> {
    if value.is_some_and(|payloads| payloads.encoded_len() > limits.blob_size) {
        return Err(Refusal::invalid("Blob data size exceeds limit."));
    }
    Ok(())
}

/// The size of a memo.
pub(crate) fn memo(limits: &Limits, value: Option<&Memo>) -> Result<(), Refusal> {
    if value.is_some_and(|memo| memo.encoded_len() > limits.memo_size) {
        return Err(Refusal::invalid("Memo size exceeds limit."));
    }
    Ok(())
}

/// The id by which a repeated request is recognised; a caller that gives none gets a random one.
pub(crate) fn request_id(value: &mut String) -> Result<(), Refusal> {
    if value.is_empty() {
        *value = Uuid::new_v4().to_string();
    }
    length("RequestId", value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use steadfast_core::time::SECOND;

    #[test]
    fn durations_are_checked_and_cut() {
        let check = |seconds, nanos| {
            let mut value = Duration { seconds, nanos };
            duration(Some(&mut value)).map(|()| (value.seconds, value.nanos))
        };
        assert_eq!(check(5, 7), Ok((5, 7)));
        assert_eq!(check(-1, 0), Err("negative duration"));
        assert_eq!(check(0, -1), Err("negative duration"));
        assert_eq!(check(1, -1), Err("negative duration"));
        assert_eq!(check(0, i32::MAX), Err("duration has out-of-range nanos"));
        assert_eq!(check(i64::MAX, 5), Ok((DURATION_MAX / SECOND, 0)));
        assert_eq!(check(i64::MIN, i32::MIN), Err("negative duration"));
    }

    #[test]
    fn executions_name_a_workflow_and_maybe_a_run() {
        let check = |workflow_id: &str, run_id: &str| {
            execution(Some(&WorkflowExecution {
                workflow_id: workflow_id.to_owned(),
                run_id: run_id.to_owned(),
            }))
            .map_err(|refusal| refusal.to_string())
        };
        assert_eq!(check("w", ""), Ok(()));
        assert_eq!(check("w", "4d3b7a2e-5f0c-4a3c-8f4e-2f8b5b2f2c11"), Ok(()));
        assert_eq!(check("w", "odd"), Err("Invalid RunId.".to_owned()));
        assert_eq!(
            check("", "odd"),
            Err("WorkflowId is not set on request.".to_owned())
        );
        assert!(check(&"w".repeat(1001), "").is_err());
    }
}
