//! Errors that the use cases of several capabilities share.

use crate::{
    domain::{InvalidField, Reason, throttling::Refused},
    security::{hashing::HashingError, random::RandomError, sealing::SealError},
    storage::{StorageError, users::UserTakenError},
};

/// The keyring lacks the key that a credential is sealed under: a fault of the installation, not a
/// wrong password.
#[derive(Debug, thiserror::Error)]
#[error("a credential is sealed under a key that is not in the keyring")]
pub(crate) struct KeyUnavailable;

/// An error that prevents the verification of a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptError {
    #[error("too many failed attempts: {0:?}")]
    TooMany(Refused),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl AttemptError {
    /// The credential is locked; waiting does not help.
    pub(super) const LOCKED: Self = Self::TooMany(Refused::Stopped);
}

/// Why a sensitive change is refused to an actor who has the right to it. Nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SensitiveError {
    #[error("the password was proven too long ago for this change")]
    ProofTooOld,
    /// The setting `audit.require_reason` is on.
    #[error("a reason is required for this change; pass --reason")]
    ReasonRequired,
}

/// An error from saving a credential. Nothing was written, unless the storage error is an unknown
/// outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SaveCredentialError {
    #[error("the caller may not save this credential")]
    Forbidden,
    /// The right does not cover users with rights over others.
    #[error("the caller may not act on this user, who has rights over others")]
    ProtectedUser,
    #[error("no such user")]
    UnknownUser,
    /// `field` is the path of the credential in the request.
    #[error("users of this type may not have this credential type")]
    TypeNotForUser { field: String },
    /// The password policy refused the password, for each of these reasons. `field` is the path of
    /// the credential in the request.
    #[error("the password {}", join(reasons))]
    PasswordRefused { field: String, reasons: Vec<Reason> },
    /// An imported hash is not supported.
    #[error("the hash {0}")]
    UnacceptableHash(InvalidField),
    #[error("another user has this identifier")]
    IdentifierTaken,
    #[error("the credential has changed since the last read")]
    Outdated,
    /// Since the request was authenticated, its password was replaced, or the actor was retired or
    /// logged out everywhere.
    #[error("the authentication of the request is no longer valid")]
    ProofOutdated,
    #[error(transparent)]
    Sensitive(#[from] SensitiveError),
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    #[error(transparent)]
    KeyUnavailable(#[from] KeyUnavailable),
    #[error(transparent)]
    Hashing(#[from] HashingError),
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("the new hash cannot be encoded as a PHC string")]
    Unwritable,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl SaveCredentialError {
    /// True when nothing was executed because the connection was stale; another one may work.
    pub(super) fn is_retryable(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_retryable())
    }
}

/// Joins reasons into one sentence.
fn join(reasons: &[Reason]) -> String {
    reasons.iter().map(Reason::to_string).collect::<Vec<_>>().join(", ")
}

/// An error from comparing a value with a stored credential.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyCredentialError {
    #[error(transparent)]
    KeyUnavailable(#[from] KeyUnavailable),
    #[error(transparent)]
    Hashing(#[from] HashingError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// An error from reading a user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadUserError {
    #[error("the caller may not read this user")]
    Forbidden,
    /// The right does not cover users with rights over others.
    #[error("the caller may not act on this user, who has rights over others")]
    ProtectedUser,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// An error from changing a user; nothing was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeUserError {
    #[error("the caller may not change users")]
    Forbidden,
    /// The right belongs to administrators and the help desk.
    #[error("the caller may not help users")]
    HelpForbidden,
    /// The right does not cover users with rights over others.
    #[error("the caller may not act on this user, who has rights over others")]
    ProtectedUser,
    #[error("the caller may not change their own role")]
    OwnRole,
    #[error(
        "no active administrator would be left; grant another user the administrator right first"
    )]
    LastAdministrator,
    #[error("no such user")]
    UnknownUser,
    #[error("another user has this login name")]
    LoginNameTaken,
    #[error("another user has this nickname")]
    NickNameTaken,
    /// The call is for external users only.
    #[error("the user is not external")]
    NotExternal,
    #[error("the user has changed since the last read")]
    Outdated,
    #[error("the user has changed since the time that the caller names")]
    ModifiedSince,
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// Since the request was authenticated, the actor was retired or logged out everywhere.
    #[error("the authentication of the request is no longer valid")]
    ProofOutdated,
    #[error(transparent)]
    Sensitive(#[from] SensitiveError),
    #[error(transparent)]
    Read(#[from] ReadUserError),
    #[error(transparent)]
    Credential(#[from] SaveCredentialError),
    #[error(transparent)]
    Untrusted(#[from] UntrustedError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<UserTakenError> for ChangeUserError {
    fn from(error: UserTakenError) -> Self {
        match error {
            UserTakenError::LoginNameTaken => Self::LoginNameTaken,
            UserTakenError::NickNameTaken => Self::NickNameTaken,
            // Only operators choose ids.
            UserTakenError::UserIdTaken => InvalidField::new("id", Reason::Taken).into(),
            UserTakenError::Storage(error) => error.into(),
        }
    }
}

/// An error of a call on untrusted credentials. Nothing was written and no secret was returned,
/// unless the storage error is an unknown outcome of a save or removal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UntrustedError {
    #[error("the caller may not use the untrusted credentials of this user")]
    Forbidden,
    #[error(transparent)]
    Sensitive(#[from] SensitiveError),
    #[error("no such user")]
    UnknownUser,
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// Since the request was authenticated, the actor was retired or logged out everywhere.
    #[error("the authentication of the request is no longer valid")]
    ProofOutdated,
    #[error(transparent)]
    KeyUnavailable(#[from] KeyUnavailable),
    /// The alarm in the log names the row.
    #[error("an untrusted credential cannot be unsealed: it was changed or moved")]
    Damaged,
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// An error from adding a user; nothing was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddUserError {
    #[error(transparent)]
    Taken(#[from] UserTakenError),
    #[error(transparent)]
    Change(#[from] ChangeUserError),
}

impl From<StorageError> for AddUserError {
    fn from(error: StorageError) -> Self {
        ChangeUserError::from(error).into()
    }
}

impl From<AddUserError> for ChangeUserError {
    fn from(error: AddUserError) -> Self {
        match error {
            AddUserError::Taken(error) => error.into(),
            AddUserError::Change(error) => error,
        }
    }
}
