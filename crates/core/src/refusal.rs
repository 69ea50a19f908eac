//! Why the server does not do what it was asked to: one small enum, independent of gRPC.

use std::fmt;

/// A request that is refused, in the protocol's terms.
///
/// The variants are what clients can tell apart: the gRPC status and the detail message that travels with it
/// (server-semantics 0.1). The server crate maps them; nothing else in the project knows a status code.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// INVALID_ARGUMENT, no detail. Final: the request itself is wrong.
    InvalidArgument(String),
    /// INVALID_ARGUMENT with `QueryFailedFailure`: the worker's query handler failed.
    QueryFailed {
        /// The worker's message.
        message: String,
        /// The worker's failure if it sent one.
        failure: Option<Box<steadfast_protocol::failure::Failure>>,
    },
    /// NOT_FOUND with `NotFoundFailure`. Final.
    NotFound(String),
    /// NOT_FOUND with `NamespaceNotFoundFailure`. Final.
    NamespaceNotFound(String),
    /// ALREADY_EXISTS with `WorkflowExecutionAlreadyStartedFailure`. Final.
    AlreadyStarted {
        /// What happened, with the ids of the run in the way.
        message: String,
        /// The request id that created the run in the way.
        start_request_id: String,
        /// The run in the way.
        run_id: String,
        /// The first run of its chain.
        first_execution_run_id: String,
    },
    /// ALREADY_EXISTS with `NamespaceAlreadyExistsFailure`. Final.
    NamespaceAlreadyExists(String),
    /// FAILED_PRECONDITION, no detail. Final until something else changes.
    FailedPrecondition(String),
    /// FAILED_PRECONDITION with `WorkflowNotReadyFailure`: clients may try again later.
    WorkflowNotReady(String),
    /// FAILED_PRECONDITION with `NamespaceInvalidStateFailure`.
    NamespaceInvalidState {
        /// Name of the namespace.
        namespace: String,
        /// Its state, `enums::NamespaceState` as a number.
        state: i32,
        /// The states in which the call is allowed.
        allowed: Vec<i32>,
        /// The whole sentence.
        message: String,
    },
    /// RESOURCE_EXHAUSTED with `ResourceExhaustedFailure`. Retryable: nothing was done.
    ResourceExhausted {
        /// `enums::ResourceExhaustedCause` as a number.
        cause: i32,
        /// `enums::ResourceExhaustedScope` as a number.
        scope: i32,
        /// What is exhausted.
        message: String,
    },
    /// PERMISSION_DENIED with `PermissionDeniedFailure`. Final.
    PermissionDenied(String),
    /// UNAVAILABLE. Ambiguous or transient: the caller may repeat the call with the same request id.
    Unavailable(String),
    /// ABORTED, no detail. Retryable.
    Aborted(String),
    /// DEADLINE_EXCEEDED: the caller's own time ran out.
    DeadlineExceeded(String),
    /// UNIMPLEMENTED, with the name of the RPC or the feature.
    Unimplemented(String),
}

impl Refusal {
    /// INVALID_ARGUMENT with `message`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidArgument(message.into())
    }

    /// NOT_FOUND with `message`.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::NotFound(message.into())
    }

    /// NOT_FOUND for a change of a run that is closed.
    pub fn already_completed() -> Self {
        Self::NotFound("workflow execution already completed".to_owned())
    }

    /// NOT_FOUND for a workflow task that is gone: closed, timed out, or started by somebody else.
    pub fn workflow_task_not_found() -> Self {
        Self::NotFound("Workflow task not found.".to_owned())
    }

    /// NOT_FOUND for an activity attempt that is gone.
    pub fn activity_not_found() -> Self {
        Self::NotFound(
            "invalid activityID or activity already timed out or invoking workflow is completed"
                .to_owned(),
        )
    }

    /// RESOURCE_EXHAUSTED with cause SYSTEM_OVERLOADED, scope SYSTEM.
    pub fn system_overloaded(message: impl Into<String>) -> Self {
        use steadfast_protocol::enums::{ResourceExhaustedCause, ResourceExhaustedScope};
        Self::ResourceExhausted {
            cause: ResourceExhaustedCause::SystemOverloaded as i32,
            scope: ResourceExhaustedScope::System as i32,
            message: message.into(),
        }
    }

    /// RESOURCE_EXHAUSTED with cause BUSY_WORKFLOW, scope NAMESPACE.
    pub fn busy_workflow(message: impl Into<String>) -> Self {
        use steadfast_protocol::enums::{ResourceExhaustedCause, ResourceExhaustedScope};
        Self::ResourceExhausted {
            cause: ResourceExhaustedCause::BusyWorkflow as i32,
            scope: ResourceExhaustedScope::Namespace as i32,
            message: message.into(),
        }
    }

    /// The sentence for the caller.
    pub fn message(&self) -> &str {
        match self {
            Self::InvalidArgument(message)
            | Self::QueryFailed { message, .. }
            | Self::NotFound(message)
            | Self::AlreadyStarted { message, .. }
            | Self::FailedPrecondition(message)
            | Self::WorkflowNotReady(message)
            | Self::NamespaceInvalidState { message, .. }
            | Self::ResourceExhausted { message, .. }
            | Self::PermissionDenied(message)
            | Self::Unavailable(message)
            | Self::Aborted(message)
            | Self::DeadlineExceeded(message)
            | Self::Unimplemented(message) => message,
            Self::NamespaceNotFound(name) | Self::NamespaceAlreadyExists(name) => name,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NamespaceNotFound(name) => write!(f, "Namespace {name} is not found."),
            Self::NamespaceAlreadyExists(name) => write!(f, "Namespace \"{name}\" already exists"),
            other => f.write_str(other.message()),
        }
    }
}

impl std::error::Error for Refusal {}
