//! From a refusal to a gRPC status, with the protocol's detail message (server-semantics 0.1).

use prost::Message;
use steadfast_core::Refusal;
use steadfast_protocol::enums::{ResourceExhaustedCause, ResourceExhaustedScope};
use steadfast_protocol::{Any, errordetails, google::rpc};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// The longest message of a status, in bytes: it travels in a header.
const MESSAGE_BYTES_MAX: usize = 4000;

/// The status that says what `refusal` says.
pub(crate) fn status(refusal: Refusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        Refusal::InvalidArgument(_) => plain(Code::InvalidArgument, message),
        Refusal::QueryFailed { failure, .. } => detailed(
            Code::InvalidArgument,
            message,
            "QueryFailedFailure",
            &errordetails::QueryFailedFailure {
                failure: failure.map(|failure| *failure),
            },
        ),
        Refusal::NotFound(_) => detailed(
            Code::NotFound,
            message,
            "NotFoundFailure",
            &errordetails::NotFoundFailure::default(),
        ),
        Refusal::NamespaceNotFound(namespace) => detailed(
            Code::NotFound,
            message,
            "NamespaceNotFoundFailure",
            &errordetails::NamespaceNotFoundFailure {
                namespace: cut(namespace),
            },
        ),
        Refusal::AlreadyStarted {
            start_request_id,
            run_id,
            first_execution_run_id,
            ..
        } => detailed(
            Code::AlreadyExists,
            message,
            "WorkflowExecutionAlreadyStartedFailure",
            &errordetails::WorkflowExecutionAlreadyStartedFailure {
                start_request_id,
                run_id,
                first_execution_run_id,
            },
        ),
        Refusal::NamespaceAlreadyExists(_) => detailed(
            Code::AlreadyExists,
            message,
            "NamespaceAlreadyExistsFailure",
            &errordetails::NamespaceAlreadyExistsFailure {},
        ),
        Refusal::FailedPrecondition(_) => plain(Code::FailedPrecondition, message),
        Refusal::WorkflowNotReady(_) => detailed(
            Code::FailedPrecondition,
            message,
            "WorkflowNotReadyFailure",
            &errordetails::WorkflowNotReadyFailure {},
        ),
        Refusal::NamespaceInvalidState {
            namespace,
            state,
            allowed,
            ..
        } => detailed(
            Code::FailedPrecondition,
            message,
            "NamespaceInvalidStateFailure",
            &errordetails::NamespaceInvalidStateFailure {
                namespace,
                state,
                allowed_states: allowed,
            },
        ),
        Refusal::ResourceExhausted { cause, scope, .. } => exhausted(message, cause, scope),
        Refusal::PermissionDenied(_) => detailed(
            Code::PermissionDenied,
            message,
            "PermissionDeniedFailure",
            &errordetails::PermissionDeniedFailure::default(),
        ),
        Refusal::Unavailable(_) => plain(Code::Unavailable, message),
        Refusal::Aborted(_) => plain(Code::Aborted, message),
        Refusal::DeadlineExceeded(_) => plain(Code::DeadlineExceeded, message),
        Refusal::Unimplemented(_) => plain(Code::Unimplemented, message),
    }
}

/// FAILED_PRECONDITION: the client is of a version that this server does not serve.
pub(crate) fn client_version_not_supported(name: &str, version: &str, supported: &str) -> Status {
    detailed(
        Code::FailedPrecondition,
        format!(
            "Client version {version} is not supported. Server supports {name} versions: {supported}"
        ),
        "ClientVersionNotSupportedFailure",
        &errordetails::ClientVersionNotSupportedFailure {
            client_version: version.to_owned(),
            client_name: name.to_owned(),
            supported_versions: supported.to_owned(),
        },
    )
}

/// FAILED_PRECONDITION: the client does not want a server of this version.
pub(crate) fn server_version_not_supported(version: &str, wanted: &str) -> Status {
    detailed(
        Code::FailedPrecondition,
        format!(
            "Server version {version} is not supported by client. Client supports server versions: {wanted}"
        ),
        "ServerVersionNotSupportedFailure",
        &errordetails::ServerVersionNotSupportedFailure {
            server_version: version.to_owned(),
            client_supported_server_versions: wanted.to_owned(),
        },
    )
}

fn exhausted(message: String, cause: i32, scope: i32) -> Status {
    let mut status = detailed(
        Code::ResourceExhausted,
        message,
        "ResourceExhaustedFailure",
        &errordetails::ResourceExhaustedFailure { cause, scope },
    );
    let cause = ResourceExhaustedCause::try_from(cause)
        .unwrap_or_default()
        .as_str_name();
    let scope = ResourceExhaustedScope::try_from(scope)
        .unwrap_or_default()
        .as_str_name();
    let headers = status.metadata_mut();
    insert(
        headers,
        "x-resource-exhausted-cause",
        &short_name(cause, "RESOURCE_EXHAUSTED_CAUSE_"),
    );
    insert(
        headers,
        "x-resource-exhausted-scope",
        &short_name(scope, "RESOURCE_EXHAUSTED_SCOPE_"),
    );
    status
}

fn insert(headers: &mut MetadataMap, key: &'static str, value: &str) {
    if let Ok(value) = MetadataValue::try_from(value) {
        headers.insert(key, value);
    }
}

/// `RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT` as `RpsLimit`.
pub(crate) fn short_name(name: &str, prefix: &str) -> String {
    let words = name.strip_prefix(prefix).unwrap_or(name).split('_');
    words
        .flat_map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            [first.to_owned(), rest.to_lowercase()]
        })
        .collect()
}

fn plain(code: Code, message: String) -> Status {
    Status::new(code, cut(message))
}

/// The details repeat code and message: Go clients replace a status whose details say something else.
fn detailed(code: Code, message: String, name: &str, detail: &impl Message) -> Status {
    let message = cut(message);
    let details = rpc::Status {
        code: code as i32,
        message: message.clone(),
        details: vec![Any {
            type_url: format!("type.googleapis.com/temporal.api.errordetails.v1.{name}"),
            value: detail.encode_to_vec(),
        }],
    };
    Status::with_details(code, message, details.encode_to_vec().into())
}

fn cut(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES_MAX {
        let end = (0..=MESSAGE_BYTES_MAX)
            .rev()
            .find(|&end| message.is_char_boundary(end))
            .unwrap_or_default();
        message.truncate(end);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(status: &Status) -> rpc::Status {
        rpc::Status::decode(status.details()).unwrap()
    }

    #[test]
    fn details_repeat_code_and_message() {
        let status = status(Refusal::NamespaceNotFound("orders".to_owned()));
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(status.message(), "Namespace orders is not found.");
        let details = details(&status);
        assert_eq!(details.code, Code::NotFound as i32);
        assert_eq!(details.message, status.message());
        let detail = &details.details[0];
        assert_eq!(
            detail.type_url,
            "type.googleapis.com/temporal.api.errordetails.v1.NamespaceNotFoundFailure"
        );
        let failure = errordetails::NamespaceNotFoundFailure::decode(&*detail.value).unwrap();
        assert_eq!(failure.namespace, "orders");
    }

    #[test]
    fn exhaustion_is_said_in_headers_too() {
        let status = status(Refusal::busy_workflow("Workflow is busy."));
        assert_eq!(status.code(), Code::ResourceExhausted);
        let header = |name: &str| status.metadata().get(name).unwrap().to_str().unwrap();
        assert_eq!(header("x-resource-exhausted-cause"), "BusyWorkflow");
        assert_eq!(header("x-resource-exhausted-scope"), "Namespace");
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let status = status(Refusal::invalid("é".repeat(3000)));
        assert_eq!(status.message().len(), 4000);
        let status = super::status(Refusal::invalid(format!("x{}", "é".repeat(3000))));
        assert_eq!(status.message().len(), 3999);
        // A command may name a namespace as long as it likes.
        let status = super::status(Refusal::NamespaceNotFound("n".repeat(70_000)));
        assert!(status.details().len() < 9000);
    }
}
