//! The error table: every kind of error with its status, `ErrorType` and `Code`
//! (docs/reference/wire-contract.md#d28-statuses-and-codes).

use std::{borrow::Cow, fmt, time::Duration};

use actix_web::http::StatusCode;
use wire_formats::{BodyError, MemberError, ReadError};

use super::details::{BodyFault, EnvelopeFault, MissingRight};
use crate::domain::{InvalidField, Reason};

/// An error as the client sees it. `localization` has the messages; `Display` writes the code, for
/// logs. Neither contains a rejected value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) enum ErrorKind {
    MalformedBody(BodyFault),
    InvalidField(InvalidField),
    /// The password policy refuses the password, for each of these reasons.
    PasswordRefused {
        field: String,
        reasons: Vec<Reason>,
    },
    /// `None` for a member that the operation does not have; the response does not echo its name.
    DuplicateMember {
        field: Option<String>,
    },
    Unauthenticated,
    XsrfMissing,
    XsrfWrong,
    Forbidden(MissingRight),
    ApplicationNotTrusted,
    /// A sensitive change needs a newer proof of the password.
    ProofTooOld,
    /// The password must be changed, and allows nothing else.
    PasswordChangeRequired,
    UnknownRoute,
    UnknownUser,
    /// The link of a mail never existed, has expired, or was used.
    InvalidLink,
    MethodNotAllowed {
        allow: String,
    },
    RequestTimeout,
    IdentifierTaken,
    LoginNameTaken,
    NickNameTaken,
    /// No active administrator would be left.
    LastAdministrator,
    Outdated,
    PreconditionFailed,
    BodyTooLarge,
    UriTooLong,
    UnsupportedMediaType,
    MisdirectedRequest,
    ProxyRequired,
    HeadersTooLarge,
    /// `None` when an administrator must unlock the account.
    TooManyAttempts {
        retry_after: Option<Duration>,
    },
    Overloaded {
        retry_after: Duration,
    },
    DatabaseUnavailable,
    KeyUnavailable,
    DirectoryUnavailable,
    OldSystemUnavailable,
    ShuttingDown,
    /// Changes are refused during maintenance.
    ReadOnly,
    /// Changes are refused while too many audit events are undelivered.
    AuditStreamFull,
    OutcomeUnknown,
    Internal,
}

/// The default value of `Retry-After`.
pub(super) const RETRY_SOON: Duration = Duration::from_secs(1);

/// The value of `Retry-After` during maintenance, which takes minutes.
const RETRY_AFTER_MAINTENANCE: Duration = Duration::from_secs(60);

/// The value of `Retry-After` while a sink of the audit stream catches up.
const RETRY_AFTER_CATCHING_UP: Duration = Duration::from_secs(10);

/// The member that samples name.
const FIELD: &str = "Credential.Value";

/// The vendor's names of error types (docs/reference/wire-contract.md#d28-statuses-and-codes).
mod error_type {
    pub(super) const ARGUMENT: &str = "ArgumentException";
    pub(super) const SESSION: &str = "SoSessionException";
    pub(super) const RIGHTS: &str = "SoIllegalOperationException";
    pub(super) const NOT_FOUND: &str = "SoNotFoundException";
    pub(super) const HTTP: &str = "HttpResponseException";
    pub(super) const UNAVAILABLE: &str = "SoServiceUnavailableException";
    pub(super) const INTERNAL: &str = "Exception";
}

/// One row of the error table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct ErrorRow {
    pub(in crate::http) status: StatusCode,
    pub(in crate::http) error_type: &'static str,
    pub(in crate::http) code: &'static str,
}

/// Defines the error table: a sample of each kind, then its status, `ErrorType` and `Code`. The key
/// of its text is `error-` and the code.
macro_rules! error_table {
    ($($kind:ident $(($sample:expr))? $({ $($field:ident: $value:expr),* })?
        => $status:ident, $error_type:ident, $code:literal;)*) => {
        impl ErrorKind {
            /// One of each kind, for documents and tests.
            pub(in crate::http) fn samples() -> Vec<Self> {
                vec![$(Self::$kind $(($sample))? $({ $($field: $value),* })?),*]
            }

            /// The row of this kind.
            pub(in crate::http) fn row(&self) -> ErrorRow {
                match self {
                    $(Self::$kind { .. } => ErrorRow {
                        status: StatusCode::$status,
                        error_type: error_type::$error_type,
                        code: $code,
                    }),*
                }
            }
        }
    };
}

error_table! {
    MalformedBody(BodyFault::Format(BodyError::NotJson)) => BAD_REQUEST, ARGUMENT, "malformed_body";
    InvalidField(InvalidField::new(FIELD, Reason::Required)) => BAD_REQUEST, ARGUMENT, "invalid_field";
    PasswordRefused { field: FIELD.to_owned(), reasons: vec![Reason::Guessable] } => BAD_REQUEST, ARGUMENT, "password_refused";
    DuplicateMember { field: Some(FIELD.to_owned()) } => BAD_REQUEST, ARGUMENT, "duplicate_member";
    Unauthenticated => UNAUTHORIZED, SESSION, "unauthenticated";
    XsrfMissing => UNAUTHORIZED, ARGUMENT, "xsrf_missing";
    XsrfWrong => UNAUTHORIZED, SESSION, "xsrf_wrong";
    Forbidden(MissingRight::SaveCredential) => FORBIDDEN, RIGHTS, "forbidden";
    ApplicationNotTrusted => FORBIDDEN, RIGHTS, "application_not_trusted";
    ProofTooOld => FORBIDDEN, RIGHTS, "proof_too_old";
    PasswordChangeRequired => FORBIDDEN, RIGHTS, "password_change_required";
    UnknownRoute => NOT_FOUND, NOT_FOUND, "unknown_route";
    UnknownUser => NOT_FOUND, NOT_FOUND, "unknown_user";
    InvalidLink => NOT_FOUND, NOT_FOUND, "invalid_link";
    MethodNotAllowed { allow: "POST".to_owned() } => METHOD_NOT_ALLOWED, HTTP, "method_not_allowed";
    RequestTimeout => REQUEST_TIMEOUT, HTTP, "request_timeout";
    IdentifierTaken => CONFLICT, ARGUMENT, "identifier_taken";
    LoginNameTaken => CONFLICT, ARGUMENT, "login_name_taken";
    NickNameTaken => CONFLICT, ARGUMENT, "nick_name_taken";
    LastAdministrator => CONFLICT, ARGUMENT, "last_administrator";
    Outdated => CONFLICT, ARGUMENT, "outdated";
    PreconditionFailed => PRECONDITION_FAILED, HTTP, "precondition_failed";
    BodyTooLarge => PAYLOAD_TOO_LARGE, HTTP, "body_too_large";
    UriTooLong => URI_TOO_LONG, HTTP, "uri_too_long";
    UnsupportedMediaType => UNSUPPORTED_MEDIA_TYPE, HTTP, "unsupported_media_type";
    MisdirectedRequest => MISDIRECTED_REQUEST, HTTP, "misdirected_request";
    ProxyRequired => MISDIRECTED_REQUEST, HTTP, "proxy_required";
    HeadersTooLarge => REQUEST_HEADER_FIELDS_TOO_LARGE, HTTP, "headers_too_large";
    TooManyAttempts { retry_after: Some(RETRY_SOON) } => TOO_MANY_REQUESTS, UNAVAILABLE, "too_many_attempts";
    Overloaded { retry_after: RETRY_SOON } => SERVICE_UNAVAILABLE, UNAVAILABLE, "overloaded";
    DatabaseUnavailable => SERVICE_UNAVAILABLE, UNAVAILABLE, "database_unavailable";
    KeyUnavailable => SERVICE_UNAVAILABLE, UNAVAILABLE, "key_unavailable";
    DirectoryUnavailable => SERVICE_UNAVAILABLE, UNAVAILABLE, "directory_unavailable";
    OldSystemUnavailable => SERVICE_UNAVAILABLE, UNAVAILABLE, "old_system_unavailable";
    ShuttingDown => SERVICE_UNAVAILABLE, UNAVAILABLE, "shutting_down";
    ReadOnly => SERVICE_UNAVAILABLE, UNAVAILABLE, "read_only";
    AuditStreamFull => SERVICE_UNAVAILABLE, UNAVAILABLE, "audit_stream_full";
    OutcomeUnknown => SERVICE_UNAVAILABLE, UNAVAILABLE, "outcome_unknown";
    Internal => INTERNAL_SERVER_ERROR, INTERNAL, "internal";
}

impl ErrorKind {
    /// A sample of each error that reading a request body can cause.
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

    /// The stable code.
    pub(in crate::http) fn code(&self) -> &'static str {
        self.row().code
    }

    /// The key of its message in `locales`.
    pub(in crate::http) fn text_key(&self) -> Cow<'static, str> {
        if let Self::MalformedBody(fault) = self {
            return fault.key().into();
        }
        if let Self::Forbidden(right) = self {
            return right.key().into();
        }
        format!("error-{}", self.code().replace('_', "-")).into()
    }

    /// The invalid member, when the error is about one.
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

    /// The value of `Retry-After`; every 503 has one.
    pub(in crate::http) fn retry_after(&self) -> Option<Duration> {
        if let Self::Overloaded { retry_after } = self {
            return Some(*retry_after);
        }
        if let Self::TooManyAttempts { retry_after } = self {
            return *retry_after;
        }
        if matches!(self, Self::ReadOnly) {
            return Some(RETRY_AFTER_MAINTENANCE);
        }
        if matches!(self, Self::AuditStreamFull) {
            return Some(RETRY_AFTER_CATCHING_UP);
        }
        (self.row().status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_SOON)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
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

impl From<EnvelopeFault> for ErrorKind {
    fn from(fault: EnvelopeFault) -> Self {
        Self::MalformedBody(BodyFault::Envelope(fault))
    }
}

impl From<BodyError> for ErrorKind {
    fn from(error: BodyError) -> Self {
        BodyFault::Format(error).into()
    }
}

impl From<ReadError> for ErrorKind {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Body(error) => error.into(),
            ReadError::Member { path, error } => InvalidField::new(path, reason(error)).into(),
            ReadError::DuplicateMember { path } => Self::DuplicateMember { field: path },
        }
    }
}

fn reason(error: MemberError) -> Reason {
    match error {
        MemberError::NotInteger => Reason::NotInteger,
        MemberError::OutOfRange => Reason::OutOfRange,
        MemberError::NotBoolean => Reason::NotBoolean,
        MemberError::NotText => Reason::NotText,
        MemberError::NotObject => Reason::NotObject,
        MemberError::NotList => Reason::NotList,
    }
}
