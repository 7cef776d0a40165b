//! Errors of authentication.

use std::sync::Arc;

use crate::{
    directory::{DirectoryError, DirectoryRefusal},
    domain::{
        throttling::Refused,
        user::{User, UserId},
    },
    key_sets::IssuerUnavailable,
    migration_hook::HookError,
    security::{access_token::TokenRefused, hashing::HashingError},
    service::{
        activity::metrics::AuthenticationOutcome,
        errors::{AttemptError, ChangeUserError, KeyUnavailable},
    },
    storage::StorageError,
};

/// An error from authenticating a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthenticationError {
    /// The credential does not authenticate a user.
    #[error("the caller was not authenticated")]
    Refused {
        /// The user that the credential names, if any.
        user_id: Option<UserId>,
        #[source]
        reason: Refusal,
    },
    /// The password is right, and its owner must change it first.
    #[error("the password must be changed")]
    ChangeRequired { user_id: UserId },
    /// Online, only administrators may have sessions.
    #[error("only administrators may have a session in an online installation")]
    OnlineSession,
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    #[error(transparent)]
    KeyUnavailable(#[from] KeyUnavailable),
    #[error(transparent)]
    IssuerUnavailable(#[from] IssuerUnavailable),
    /// The old system, which decides about this login, gave no answer. The attempt is not counted.
    #[error("the old system cannot be asked whether the password is right")]
    OldSystemUnavailable(#[source] Arc<HookError>),
    /// Users do not move while the service is read-only.
    #[error("the service is read-only, and the user would have to move from the old system")]
    ReadOnly,
    /// The directory, which decides about this login unless a password here does, has not decided. The
    /// attempt is counted for the passwords here only.
    #[error("the directory cannot verify the password")]
    DirectoryUnavailable(#[source] Arc<DirectoryError>),
    /// The password that the old system accepted cannot be kept.
    #[error("the user cannot be moved from the old system")]
    Moving(#[source] Box<ChangeUserError>),
    #[error(transparent)]
    Hashing(#[from] HashingError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The reason of a refusal, for the log only.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the scheme is disabled")]
    SchemeOff,
    #[error("the login name is invalid")]
    ImpossibleName,
    #[error("the password is invalid")]
    ImpossiblePassword,
    #[error("no such user")]
    UnknownUser,
    #[error("wrong password")]
    WrongPassword,
    #[error("the user is retired")]
    Retired,
    #[error("the credential is not yet valid or has expired")]
    NotValidNow,
    #[error("the credential is locked after too many wrong secrets in a row")]
    Locked,
    #[error("the directory logs in neither system users nor anonymous ones")]
    NotAPerson,
    #[error(transparent)]
    Directory(DirectoryRefusal),
    #[error("malformed ticket")]
    MalformedTicket,
    #[error("malformed session cookie")]
    MalformedSession,
    #[error("no such ticket or session")]
    UnknownTicket,
    #[error("the ticket or session has expired")]
    Expired,
    #[error("the value of X-XSRF-TOKEN does not belong to the session")]
    WrongXsrf,
    #[error("the application is missing or unknown")]
    UnknownApplication,
    #[error("revoked by a later change of the password or by a logout everywhere")]
    EarlierEpoch,
    #[error("issued before the database was restored")]
    BeforeRestore,
    #[error("the absolute lifetime since the authentication has expired")]
    LifetimeOver,
    #[error(transparent)]
    Token(TokenRefused),
    #[error("no user has this identifier")]
    UnknownIdentifier,
    #[error("the stored credential contains another identifier")]
    IdentifierMismatch,
}

impl AuthenticationError {
    /// True when waiting logins, not the old system or the directory, are the reason.
    pub(crate) fn is_other_system_busy(&self) -> bool {
        match self {
            Self::OldSystemUnavailable(error) => error.is_busy(),
            Self::DirectoryUnavailable(error) => error.is_busy(),
            Self::Refused { .. }
            | Self::ChangeRequired { .. }
            | Self::OnlineSession
            | Self::Attempt(_)
            | Self::KeyUnavailable(_)
            | Self::IssuerUnavailable(_)
            | Self::ReadOnly
            | Self::Moving(_)
            | Self::Hashing(_)
            | Self::Storage(_) => false,
        }
    }

    /// The outcome for the metrics.
    pub(super) fn outcome(&self) -> AuthenticationOutcome {
        match self {
            Self::Refused { reason: Refusal::Locked, .. }
            | Self::Attempt(AttemptError::TooMany(Refused::Stopped)) => {
                AuthenticationOutcome::Locked
            }
            Self::Refused { .. } | Self::OnlineSession => AuthenticationOutcome::Refused,
            Self::ChangeRequired { .. } => AuthenticationOutcome::ChangeRequired,
            Self::Attempt(AttemptError::TooMany(_)) => AuthenticationOutcome::Throttled,
            Self::Hashing(_) => AuthenticationOutcome::Overloaded,
            Self::Attempt(AttemptError::Storage(_))
            | Self::KeyUnavailable(_)
            | Self::IssuerUnavailable(_)
            | Self::OldSystemUnavailable(_)
            | Self::ReadOnly
            | Self::DirectoryUnavailable(_)
            | Self::Moving(_)
            | Self::Storage(_) => AuthenticationOutcome::Unavailable,
        }
    }

    pub(in crate::service) fn refused(user: Option<&User>, reason: Refusal) -> Self {
        Self::Refused { user_id: user.map(|user| user.user_id), reason }
    }

    pub(in crate::service) fn scheme_off() -> Self {
        Self::refused(None, Refusal::SchemeOff)
    }

    /// True when the connection was lost, so that a retry on another connection may succeed.
    pub(in crate::service) fn is_retryable_read(&self) -> bool {
        match self {
            Self::Storage(error) | Self::Attempt(AttemptError::Storage(error)) => {
                error.is_retryable_read()
            }
            Self::Refused { .. }
            | Self::ChangeRequired { .. }
            | Self::OnlineSession
            | Self::Attempt(AttemptError::TooMany(_))
            | Self::KeyUnavailable(_)
            | Self::IssuerUnavailable(_)
            | Self::OldSystemUnavailable(_)
            | Self::DirectoryUnavailable(_)
            | Self::ReadOnly
            | Self::Moving(_)
            | Self::Hashing(_) => false,
        }
    }
}
