//! Forms that change something: read once it is sure where they come from.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::LOCATION;

use crate::app::App;
use crate::csrf;
use crate::failure::PageError;
use crate::params::Params;
use crate::visit::Visit;

/// The largest form, bytes: a payload may be as large as a request to the services.
const FORM_BYTES_MAX: usize = 4 << 20;

/// The fields of a form that was sent from a page of this UI.
#[derive(Clone, Debug)]
pub struct Form(pub Params);

impl FromRequest<App> for Form {
    type Rejection = PageError;

    async fn from_request(request: Request, app: &App) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, app).await?;
        let bytes = axum::body::to_bytes(body, FORM_BYTES_MAX)
            .await
            .map_err(|_| PageError::new(StatusCode::PAYLOAD_TOO_LARGE, "The form is too large."))?;
        let form = Params::parse(&String::from_utf8_lossy(&bytes));
        match csrf::objection(&parts.headers, &visit.csrf, &form) {
            Some(reason) => Err(PageError::new(StatusCode::FORBIDDEN, reason)),
            None => Ok(Self(form)),
        }
    }
}

/// Where to go after a form was taken: a page to look at, so that reloading it sends nothing again.
pub fn see(url: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, url)]).into_response()
}
