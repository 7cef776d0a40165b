//! The one status table (protocol.md 10.28), and how failures of the use cases get into it.

mod causes;
mod details;

use std::{borrow::Cow, time::Duration};

use actix_web::{HttpResponse, ResponseError, http::StatusCode};

pub(crate) use self::details::{BodyFault, MissingRight};
use crate::domain::{InvalidField, Reason};

/// Everything that can be wrong with a request, as the client sees it. The text comes with the
/// caller's language (`localisation`); `Display` is for logs and never contains a rejected value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    MalformedBody(BodyFault),
    InvalidField(InvalidField),
    /// By the policy: every reason.
    PasswordRefused {
        field: &'static str,
        reasons: Vec<Reason>,
    },
    /// `None`: a member that the request does not have; its name may be anything.
    DuplicateMember {
        field: Option<String>,
    },
    Unauthenticated,
    XsrfMissing,
    XsrfWrong,
    Forbidden(MissingRight),
    ApplicationNotTrusted,
    UnknownRoute,
    UnknownUser,
    MethodNotAllowed {
        allow: String,
    },
    RequestTimeout,
    IdentifierTaken,
    LoginNameTaken,
    Outdated,
    BodyTooLarge,
    UriTooLong,
    UnsupportedMediaType,
    MisdirectedRequest,
    HeadersTooLarge,
    /// `None`: waiting does not help.
    TooManyAttempts {
        retry_after: Option<Duration>,
    },
    Overloaded {
        retry_after: Duration,
    },
    DatabaseUnavailable,
    KeyUnavailable,
    ShuttingDown,
    OutcomeUnknown,
    Internal,
}

/// How long to wait where nothing better is known.
pub(super) const RETRY_SOON: Duration = Duration::from_secs(1);

/// The vendor's names of what went wrong (protocol.md 10.28).
mod error_type {
    pub(super) const ARGUMENT: &str = "ArgumentException";
    pub(super) const SESSION: &str = "SoSessionException";
    pub(super) const RIGHTS: &str = "SoIllegalOperationException";
    pub(super) const NOT_FOUND: &str = "SoNotFoundException";
    pub(super) const HTTP: &str = "HttpResponseException";
    pub(super) const UNAVAILABLE: &str = "SoServiceUnavailableException";
    pub(super) const INTERNAL: &str = "Exception";
}

impl ErrorKind {
    /// One of each, for documents and tests.
    pub(in crate::http) fn samples() -> Vec<Self> {
        let field = || "Credential.Value".to_owned();
        vec![
            Self::MalformedBody(BodyFault::NotJson),
            Self::InvalidField(InvalidField { field: field(), reason: Reason::Required }),
            Self::PasswordRefused { field: "Credential.Value", reasons: vec![Reason::Guessable] },
            Self::DuplicateMember { field: Some(field()) },
            Self::Unauthenticated,
            Self::XsrfMissing,
            Self::XsrfWrong,
            Self::Forbidden(MissingRight::SaveCredential),
            Self::ApplicationNotTrusted,
            Self::UnknownRoute,
            Self::UnknownUser,
            Self::MethodNotAllowed { allow: "POST".to_owned() },
            Self::RequestTimeout,
            Self::IdentifierTaken,
            Self::LoginNameTaken,
            Self::Outdated,
            Self::BodyTooLarge,
            Self::UriTooLong,
            Self::UnsupportedMediaType,
            Self::MisdirectedRequest,
            Self::HeadersTooLarge,
            Self::TooManyAttempts { retry_after: Some(RETRY_SOON) },
            Self::Overloaded { retry_after: RETRY_SOON },
            Self::DatabaseUnavailable,
            Self::KeyUnavailable,
            Self::ShuttingDown,
            Self::OutcomeUnknown,
            Self::Internal,
        ]
    }

    /// What can be wrong with a body, one of each.
    pub(in crate::http) fn of_bodies() -> Vec<Self> {
        let is_of_body = |kind: &Self| {
            matches!(
                kind,
                Self::MalformedBody(_)
                    | Self::InvalidField(_)
                    | Self::DuplicateMember { .. }
                    | Self::RequestTimeout
                    | Self::BodyTooLarge
                    | Self::UnsupportedMediaType
            )
        };
        Self::samples().into_iter().filter(is_of_body).collect()
    }

    /// The whole status table: status, `ErrorType`, `Code`.
    pub(in crate::http) fn row(&self) -> (StatusCode, &'static str, &'static str) {
        use error_type as class;
        match self {
            Self::MalformedBody(_) => (StatusCode::BAD_REQUEST, class::ARGUMENT, "malformed_body"),
            Self::InvalidField(_) => (StatusCode::BAD_REQUEST, class::ARGUMENT, "invalid_field"),
            Self::PasswordRefused { .. } => {
                (StatusCode::BAD_REQUEST, class::ARGUMENT, "password_refused")
            }
            Self::DuplicateMember { .. } => {
                (StatusCode::BAD_REQUEST, class::ARGUMENT, "duplicate_member")
            }
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, class::SESSION, "unauthenticated"),
            Self::XsrfMissing => (StatusCode::UNAUTHORIZED, class::ARGUMENT, "xsrf_missing"),
            Self::XsrfWrong => (StatusCode::UNAUTHORIZED, class::SESSION, "xsrf_wrong"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, class::RIGHTS, "forbidden"),
            Self::ApplicationNotTrusted => {
                (StatusCode::FORBIDDEN, class::RIGHTS, "application_not_trusted")
            }
            Self::UnknownRoute => (StatusCode::NOT_FOUND, class::NOT_FOUND, "unknown_route"),
            Self::UnknownUser => (StatusCode::NOT_FOUND, class::NOT_FOUND, "unknown_user"),
            Self::MethodNotAllowed { .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, class::HTTP, "method_not_allowed")
            }
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, class::HTTP, "request_timeout"),
            Self::IdentifierTaken => (StatusCode::CONFLICT, class::ARGUMENT, "identifier_taken"),
            Self::LoginNameTaken => (StatusCode::CONFLICT, class::ARGUMENT, "login_name_taken"),
            Self::Outdated => (StatusCode::CONFLICT, class::ARGUMENT, "outdated"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, class::HTTP, "body_too_large"),
            Self::UriTooLong => (StatusCode::URI_TOO_LONG, class::HTTP, "uri_too_long"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, class::HTTP, "unsupported_media_type")
            }
            Self::MisdirectedRequest => {
                (StatusCode::MISDIRECTED_REQUEST, class::HTTP, "misdirected_request")
            }
            Self::HeadersTooLarge => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, class::HTTP, "headers_too_large")
            }
            Self::TooManyAttempts { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, class::UNAVAILABLE, "too_many_attempts")
            }
            Self::Overloaded { .. } => unavailable("overloaded"),
            Self::DatabaseUnavailable => unavailable("database_unavailable"),
            Self::KeyUnavailable => unavailable("key_unavailable"),
            Self::ShuttingDown => unavailable("shutting_down"),
            Self::OutcomeUnknown => unavailable("outcome_unknown"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, class::INTERNAL, "internal"),
        }
    }

    /// The stable name of what went wrong.
    pub(in crate::http) fn code(&self) -> &'static str {
        self.row().2
    }

    /// The name under which its text is kept.
    pub(in crate::http) fn text_key(&self) -> Cow<'static, str> {
        if let Self::MalformedBody(fault) = self {
            return fault.key().into();
        }
        if let Self::Forbidden(right) = self {
            return right.key().into();
        }
        format!("error-{}", self.code().replace('_', "-")).into()
    }

    /// The offending member, when it is one.
    pub(in crate::http) fn field(&self) -> Option<&str> {
        if let Self::PasswordRefused { field, .. } = self {
            return Some(field);
        }
        if let Self::InvalidField(InvalidField { field, .. })
        | Self::DuplicateMember { field: Some(field) } = self
        {
            Some(field)
        } else {
            None
        }
    }

    /// How long to wait before trying again; every 503 says it.
    pub(in crate::http) fn retry_after(&self) -> Option<Duration> {
        if let Self::Overloaded { retry_after } = self {
            return Some(*retry_after);
        }
        if let Self::TooManyAttempts { retry_after } = self {
            return *retry_after;
        }
        (self.row().0 == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_SOON)
    }
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.code())
    }
}

impl From<InvalidField> for ErrorKind {
    fn from(refused: InvalidField) -> Self {
        Self::InvalidField(refused)
    }
}

impl From<BodyFault> for ErrorKind {
    fn from(fault: BodyFault) -> Self {
        Self::MalformedBody(fault)
    }
}

fn unavailable(code: &'static str) -> (StatusCode, &'static str, &'static str) {
    (StatusCode::SERVICE_UNAVAILABLE, error_type::UNAVAILABLE, code)
}

/// A failure on its way out: what the client sees, and the cause, which only the log sees.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub(crate) struct ApiError {
    pub(in crate::http) kind: ErrorKind,
    #[source]
    pub(in crate::http) cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ApiError {
    /// The same, said of the member that this call has the password in.
    pub(in crate::http) fn of_password_in(mut self, name: &'static str) -> Self {
        if let ErrorKind::PasswordRefused { field, .. } = &mut self.kind {
            *field = name;
        }
        self
    }

    fn caused(kind: ErrorKind, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { kind, cause: Some(Box::new(cause)) }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.kind.row().0
    }

    /// A bare status: the body is rendered by the middleware, which knows the request.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

impl<E: Into<ErrorKind>> From<E> for ApiError {
    fn from(kind: E) -> Self {
        Self { kind: kind.into(), cause: None }
    }
}
