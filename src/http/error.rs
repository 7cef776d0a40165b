//! The one status table (protocol.md 10.28), and how failures of the use cases get into it.

use std::time::Duration;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};

use crate::{
    domain::{InvalidField, Reason},
    service::{
        HashingError, Interrupted, StorageError, TokenRefused, authentication::AuthenticationError,
        credentials::SaveCredentialError, tickets::TicketError,
    },
};

/// Everything that can be wrong with a request, as the client sees it. The text comes with the
/// caller's language (`localisation`); `Display` is for logs and never contains a rejected value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    MalformedBody(BodyFault),
    InvalidField(InvalidField),
    DuplicateMember { field: String },
    Unauthenticated,
    XsrfMissing,
    XsrfWrong,
    Forbidden(MissingRight),
    ApplicationNotTrusted,
    UnknownRoute,
    UnknownUser,
    MethodNotAllowed { allow: String },
    RequestTimeout,
    IdentifierTaken,
    BodyTooLarge,
    UriTooLong,
    UnsupportedMediaType,
    MisdirectedRequest,
    HeadersTooLarge,
    Overloaded { retry_after: Duration },
    DatabaseUnavailable,
    KeyUnavailable,
    ShuttingDown,
    OutcomeUnknown,
    Internal,
}

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFault {
    NotJson,
    NotXml,
    NotForm,
    NotUtf8,
    NotUtf16,
    ByteOrderMark,
    DocumentType,
    TooDeep,
    TooManyValues,
    NotObject,
    EndedEarly,
    /// The web framework refused it before anything of ours saw it.
    Framework,
}

impl BodyFault {
    /// Every fault, for tests.
    #[cfg(test)]
    pub(super) const ALL: [Self; 12] = [
        Self::NotJson,
        Self::NotXml,
        Self::NotForm,
        Self::NotUtf8,
        Self::NotUtf16,
        Self::ByteOrderMark,
        Self::DocumentType,
        Self::TooDeep,
        Self::TooManyValues,
        Self::NotObject,
        Self::EndedEarly,
        Self::Framework,
    ];

    /// The name under which its text is kept.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::NotJson => "body-not-json",
            Self::NotXml => "body-not-xml",
            Self::NotForm => "body-not-form",
            Self::NotUtf8 => "body-not-utf8",
            Self::NotUtf16 => "body-not-utf16",
            Self::ByteOrderMark => "body-byte-order-mark",
            Self::DocumentType => "body-document-type",
            Self::TooDeep => "body-too-deep",
            Self::TooManyValues => "body-too-many-values",
            Self::NotObject => "body-not-object",
            Self::EndedEarly => "body-ended-early",
            Self::Framework => "body-framework",
        }
    }
}

/// What the caller lacks the right to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MissingRight {
    SaveCredential,
    IssueTicket,
    EndTicket,
    OnlineSession,
}

impl MissingRight {
    /// Every one, for tests.
    #[cfg(test)]
    pub(super) const ALL: [Self; 4] =
        [Self::SaveCredential, Self::IssueTicket, Self::EndTicket, Self::OnlineSession];

    /// The name under which its text is kept.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::SaveCredential => "forbidden-save-credential",
            Self::IssueTicket => "forbidden-issue-ticket",
            Self::EndTicket => "forbidden-end-ticket",
            Self::OnlineSession => "forbidden-online-session",
        }
    }
}

/// How long to wait where nothing better is known.
const RETRY_SOON: Duration = Duration::from_secs(1);

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
    pub(super) fn samples() -> Vec<Self> {
        let field = || "Credential.Value".to_owned();
        vec![
            Self::MalformedBody(BodyFault::NotJson),
            Self::InvalidField(InvalidField { field: field(), reason: Reason::Required }),
            Self::DuplicateMember { field: field() },
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
            Self::BodyTooLarge,
            Self::UriTooLong,
            Self::UnsupportedMediaType,
            Self::MisdirectedRequest,
            Self::HeadersTooLarge,
            Self::Overloaded { retry_after: RETRY_SOON },
            Self::DatabaseUnavailable,
            Self::KeyUnavailable,
            Self::ShuttingDown,
            Self::OutcomeUnknown,
            Self::Internal,
        ]
    }

    /// The whole status table: status, `ErrorType`, `Code`.
    pub(super) fn row(&self) -> (StatusCode, &'static str, &'static str) {
        use error_type as class;
        match self {
            Self::MalformedBody(_) => (StatusCode::BAD_REQUEST, class::ARGUMENT, "malformed_body"),
            Self::InvalidField(_) => (StatusCode::BAD_REQUEST, class::ARGUMENT, "invalid_field"),
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
            Self::Overloaded { .. } => unavailable("overloaded"),
            Self::DatabaseUnavailable => unavailable("database_unavailable"),
            Self::KeyUnavailable => unavailable("key_unavailable"),
            Self::ShuttingDown => unavailable("shutting_down"),
            Self::OutcomeUnknown => unavailable("outcome_unknown"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, class::INTERNAL, "internal"),
        }
    }

    /// The stable name of what went wrong.
    pub(super) fn code(&self) -> &'static str {
        self.row().2
    }

    /// The offending member, when it is one.
    pub(super) fn field(&self) -> Option<&str> {
        if let Self::InvalidField(InvalidField { field, .. }) | Self::DuplicateMember { field } =
            self
        {
            Some(field)
        } else {
            None
        }
    }

    /// How long to wait before trying again; every 503 says it.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        if let Self::Overloaded { retry_after } = self {
            return Some(*retry_after);
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
    pub(super) kind: ErrorKind,
    #[source]
    pub(super) cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ApiError {
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

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        let kind = match &error {
            StorageError::Unavailable(_) => ErrorKind::DatabaseUnavailable,
            StorageError::Busy(_) => ErrorKind::Overloaded { retry_after: RETRY_SOON },
            StorageError::OutcomeUnknown(_) => ErrorKind::OutcomeUnknown,
            StorageError::Constraint(_)
            | StorageError::Inconsistent { .. }
            | StorageError::Migration(_)
            | StorageError::BadUrl
            | StorageError::Refused(_) => ErrorKind::Internal,
        };
        Self::caused(kind, error)
    }
}

impl From<HashingError> for ApiError {
    fn from(error: HashingError) -> Self {
        let kind = match &error {
            HashingError::Overloaded { retry_after } => {
                ErrorKind::Overloaded { retry_after: *retry_after }
            }
            HashingError::ShuttingDown => ErrorKind::ShuttingDown,
            HashingError::ImpossibleCost | HashingError::Random(_) | HashingError::NoThread(_) => {
                ErrorKind::Internal
            }
        };
        Self::caused(kind, error)
    }
}

impl From<AuthenticationError> for ApiError {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::Refused { .. } => Self::caused(ErrorKind::Unauthenticated, error),
            AuthenticationError::KeyUnavailable(_) => {
                Self::caused(ErrorKind::KeyUnavailable, error)
            }
            AuthenticationError::Hashing(error) => error.into(),
            AuthenticationError::Storage(error) => error.into(),
        }
    }
}

impl From<SaveCredentialError> for ApiError {
    fn from(error: SaveCredentialError) -> Self {
        match error {
            SaveCredentialError::Forbidden => {
                ErrorKind::Forbidden(MissingRight::SaveCredential).into()
            }
            SaveCredentialError::UnknownUser => ErrorKind::UnknownUser.into(),
            SaveCredentialError::IdentifierTaken => ErrorKind::IdentifierTaken.into(),
            SaveCredentialError::ProofOutdated => Self::caused(ErrorKind::Unauthenticated, error),
            SaveCredentialError::Hashing(error) => error.into(),
            SaveCredentialError::Storage(error) => error.into(),
            SaveCredentialError::Seal(_) | SaveCredentialError::Unwritable => {
                Self::caused(ErrorKind::Internal, error)
            }
        }
    }
}

impl From<TicketError> for ApiError {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::Forbidden => ErrorKind::Forbidden(MissingRight::IssueTicket).into(),
            TicketError::NoTicket => ErrorKind::Forbidden(MissingRight::EndTicket).into(),
            TicketError::ProofOutdated | TicketError::UnknownUser | TicketError::Retired => {
                Self::caused(ErrorKind::Unauthenticated, error)
            }
            TicketError::Random(_) => Self::caused(ErrorKind::Internal, error),
            TicketError::Storage(error) => error.into(),
        }
    }
}

impl From<TokenRefused> for ApiError {
    fn from(error: TokenRefused) -> Self {
        Self::caused(ErrorKind::Internal, error)
    }
}

impl From<Interrupted> for ApiError {
    fn from(error: Interrupted) -> Self {
        Self::caused(ErrorKind::Internal, error)
    }
}
