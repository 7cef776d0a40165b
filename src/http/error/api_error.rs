//! The error type of handlers and middlewares.

use std::error::Error;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};

use super::kind::ErrorKind;
use crate::{
    domain::{InvalidField, Reason},
    http::reason_header::KEEPER_REASON,
    telemetry::error_chain,
};

/// A failed request: the error for the client, and its cause for the log.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub(in crate::http) struct ApiError {
    pub(in crate::http) kind: ErrorKind,
    #[source]
    pub(in crate::http) cause: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// An error with its cause.
    pub(in crate::http) fn caused(
        kind: ErrorKind,
        cause: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self { kind, cause: Some(Box::new(cause)) }
    }

    /// Sets the member that a refused password has in the request; other errors are unchanged.
    pub(in crate::http) fn of_password_in(mut self, name: &'static str) -> Self {
        if let ErrorKind::PasswordRefused { field, .. } = &mut self.kind {
            name.clone_into(field);
        }
        self
    }

    /// Names the member of an invalid field or a refused password within `parent`; other errors, and
    /// that of a header, are unchanged.
    pub(in crate::http) fn within(mut self, parent: &str) -> Self {
        if let ErrorKind::InvalidField(InvalidField { field, .. })
        | ErrorKind::PasswordRefused { field, .. } = &mut self.kind
            && field != KEEPER_REASON
        {
            *field = format!("{parent}.{field}");
        }
        self
    }

    /// Sets the member that names the user in the request, in the refusal of a user who is not
    /// external; other errors are unchanged.
    pub(in crate::http) fn of_external_user_in(mut self, name: &'static str) -> Self {
        if let ErrorKind::InvalidField(refused) = &mut self.kind
            && refused.reason == Reason::NotExternalUser
        {
            name.clone_into(&mut refused.field);
        }
        self
    }

    /// Logs the failure with the chain of its causes, at a level that depends on the status.
    pub(in crate::http) fn log(&self) {
        let row = self.kind.row();
        let (status, code) = (row.status, row.code);
        let field = self.kind.field();
        let cause = self.cause.as_deref().map(|cause| error_chain(cause));
        if status.is_server_error() {
            tracing::error!(code, cause, "the request failed");
        } else if matches!(
            status,
            StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::MISDIRECTED_REQUEST
                | StatusCode::TOO_MANY_REQUESTS
        ) {
            tracing::warn!(code, reason = cause, "the request was refused");
        } else {
            tracing::info!(code, field, reason = cause, "the request was invalid");
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.kind.row().status
    }

    /// The status without a body. `error_rendering`, which knows the request, adds the body.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

impl<E: Into<ErrorKind>> From<E> for ApiError {
    fn from(kind: E) -> Self {
        Self { kind: kind.into(), cause: None }
    }
}
