//! What cannot be shown, as a page that says why and leads on.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tonic::Code;

use crate::visit::Visit;

/// Why there is no page. Handlers return it; `front` makes the page of it.
#[derive(Clone, Debug)]
pub struct PageError {
    /// The status of the answer.
    pub status: StatusCode,
    /// What happened, in a few words.
    pub title: String,
    /// What was said about it; of the services, their own words.
    pub message: String,
    /// The gRPC code, if a service refused.
    pub code: Option<Code>,
}

impl PageError {
    /// An error of this status, with a sentence for people.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            message: message.into(),
            code: None,
        }
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// The request makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl From<tonic::Status> for PageError {
    fn from(status: tonic::Status) -> Self {
        let code = status.code();
        Self {
            status: http_status(code),
            title: title(code).to_owned(),
            message: status.message().to_owned(),
            code: Some(code),
        }
    }
}

impl From<askama::Error> for PageError {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a page could not be rendered");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The page could not be rendered.",
        )
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The HTTP status of a gRPC code, as the HTTP API has it.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

fn title(code: Code) -> &'static str {
    match code {
        Code::NotFound => "Not found",
        Code::InvalidArgument | Code::OutOfRange => "The server does not accept this",
        Code::FailedPrecondition | Code::Aborted => "Not possible in this state",
        Code::AlreadyExists => "It exists already",
        Code::Unauthenticated => "Please sign in",
        Code::PermissionDenied => "Not permitted",
        Code::ResourceExhausted => "The server is busy",
        Code::Unimplemented => "The server has no such feature",
        Code::Unavailable => "The server is not available",
        Code::DeadlineExceeded => "The server did not answer in time",
        _ => "The server failed",
    }
}

/// For paths that lead nowhere.
pub(crate) async fn unknown_path(visit: Visit) -> PageError {
    PageError::not_found(format!("There is no page at {}.", visit.path))
}
