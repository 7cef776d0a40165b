//! The one status table (protocol.md 10.28), and how failures of the use cases get into it.

use std::time::Duration;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};

use crate::{
    domain::InvalidField,
    service::{
        HashingError, Interrupted, StorageError, TokenRefused, authentication::AuthenticationError,
        credentials::SaveCredentialError, tickets::TicketError,
    },
};

/// Everything that can be wrong with a request, as the client sees it. `Display` is the client's
/// text, so it never contains the cause or a rejected value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ErrorKind {
    #[error("The request body could not be read: {0}.")]
    MalformedBody(&'static str),
    #[error(transparent)]
    InvalidField(#[from] InvalidField),
    #[error("{field}: is given more than once")]
    DuplicateMember { field: String },
    #[error("The caller could not be authenticated.")]
    Unauthenticated,
    #[error(
        "X-XSRF-TOKEN HTTP header missing. Add X-XSRF-TOKEN HTTP header to use existing session, \
         or add an Authorization header."
    )]
    XsrfMissing,
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("No resource was found at this URL.")]
    UnknownRoute,
    #[error("There is no user with this id.")]
    UnknownUser,
    #[error("The resource does not support this method.")]
    MethodNotAllowed { allow: String },
    #[error("The request was not received in time.")]
    RequestTimeout,
    #[error("Another user has this identifier.")]
    IdentifierTaken,
    #[error("The request body is larger than 64 KiB.")]
    BodyTooLarge,
    #[error("The URL is longer than 8 KiB.")]
    UriTooLong,
    #[error("The media type of the request body is not supported.")]
    UnsupportedMediaType,
    #[error("This service does not answer for this host.")]
    MisdirectedRequest,
    #[error("The request headers are too large.")]
    HeadersTooLarge,
    #[error("Too much is waiting; try again later.")]
    Overloaded { retry_after: Duration },
    #[error("The database cannot be reached; nothing was changed.")]
    DatabaseUnavailable,
    #[error("A key that is needed is not available.")]
    KeyUnavailable,
    #[error("The service is shutting down.")]
    ShuttingDown,
    #[error("The outcome is unknown; the request may be repeated.")]
    OutcomeUnknown,
    #[error("An error has occurred.")]
    Internal,
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
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, class::RIGHTS, "forbidden"),
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
            SaveCredentialError::Forbidden => ErrorKind::Forbidden(
                "You may save only your own password, in a request that carries the current one \
                 (Basic); otherwise use ChangeOwnPassword.",
            )
            .into(),
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
            TicketError::Forbidden => ErrorKind::Forbidden(
                "A ticket is given for a password (Basic) only, not for a ticket or a token.",
            )
            .into(),
            TicketError::NoTicket => ErrorKind::Forbidden(
                "Only a request that came with a ticket (SoTicket) can end its ticket.",
            )
            .into(),
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
