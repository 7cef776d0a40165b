//! Maps the errors of the use cases to rows of the error table.

use super::{
    api_error::ApiError,
    details::MissingRight,
    kind::{ErrorKind, RETRY_SOON},
};
use crate::domain::{InvalidField, Reason};
use crate::http::reason_header::KEEPER_REASON;
use crate::service::{
    HashingError, Interrupted, RandomError, StorageError, TokenRefused,
    activity::report::ReadActivityError,
    audit::audit_reader::ReadAuditError,
    authentication::{AuthenticationError, Refusal},
    errors::{
        AttemptError, ChangeUserError, ReadUserError, SaveCredentialError, SensitiveError,
        UntrustedError,
    },
    mail::recipients::FindRecipientError,
    sessions::errors::TicketError,
};

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        error.count_invalid_row();
        let kind = match &error {
            StorageError::NoConnection(_)
            | StorageError::ReadOnly
            | StorageError::SharedSession
            | StorageError::NoCredentials(_)
            | StorageError::NotExecuted(_)
            | StorageError::ConnectionLost(_) => ErrorKind::DatabaseUnavailable,
            StorageError::Busy(_) | StorageError::CallerBusy => {
                ErrorKind::Overloaded { retry_after: RETRY_SOON }
            }
            StorageError::OutcomeUnknown(_) => ErrorKind::OutcomeUnknown,
            StorageError::Constraint(_)
            | StorageError::Inconsistent { .. }
            | StorageError::Migration(_)
            | StorageError::BadUrl(_)
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
            HashingError::InvalidParameters
            | HashingError::Random(_)
            | HashingError::ThreadStart(_) => ErrorKind::Internal,
        };
        Self::caused(kind, error)
    }
}

impl From<AttemptError> for ApiError {
    fn from(error: AttemptError) -> Self {
        match error {
            AttemptError::TooMany(refused) => {
                let retry_after = refused.retry_after();
                Self::caused(ErrorKind::TooManyAttempts { retry_after }, error)
            }
            AttemptError::Storage(error) => error.into(),
        }
    }
}

/// The refusal of a help desk user who acts on a user with rights over others.
const PROTECTED: ErrorKind = ErrorKind::Forbidden(MissingRight::ProtectedUser);

impl From<AuthenticationError> for ApiError {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::Refused { reason: Refusal::WrongXsrf, .. } => {
                Self::caused(ErrorKind::XsrfWrong, error)
            }
            AuthenticationError::Refused { .. } => Self::caused(ErrorKind::Unauthenticated, error),
            AuthenticationError::ChangeRequired { .. } => {
                Self::caused(ErrorKind::PasswordChangeRequired, error)
            }
            AuthenticationError::OnlineSession => {
                ErrorKind::Forbidden(MissingRight::OnlineSession).into()
            }
            AuthenticationError::KeyUnavailable(_) | AuthenticationError::IssuerUnavailable(_) => {
                Self::caused(ErrorKind::KeyUnavailable, error)
            }
            AuthenticationError::OldSystemUnavailable(_)
            | AuthenticationError::DirectoryUnavailable(_)
                if error.is_other_system_busy() =>
            {
                Self::caused(ErrorKind::Overloaded { retry_after: RETRY_SOON }, error)
            }
            AuthenticationError::OldSystemUnavailable(_) => {
                Self::caused(ErrorKind::OldSystemUnavailable, error)
            }
            AuthenticationError::DirectoryUnavailable(_) => {
                Self::caused(ErrorKind::DirectoryUnavailable, error)
            }
            AuthenticationError::ReadOnly => Self::caused(ErrorKind::ReadOnly, error),
            AuthenticationError::Moving(error) => (*error).into(),
            AuthenticationError::Attempt(error) => error.into(),
            AuthenticationError::Hashing(error) => error.into(),
            AuthenticationError::Storage(error) => error.into(),
        }
    }
}

impl From<SensitiveError> for ApiError {
    fn from(error: SensitiveError) -> Self {
        match error {
            SensitiveError::ProofTooOld => ErrorKind::ProofTooOld.into(),
            SensitiveError::ReasonRequired => {
                InvalidField::new(KEEPER_REASON, Reason::Required).into()
            }
        }
    }
}

impl From<SaveCredentialError> for ApiError {
    fn from(error: SaveCredentialError) -> Self {
        match error {
            SaveCredentialError::Forbidden => {
                ErrorKind::Forbidden(MissingRight::SaveCredential).into()
            }
            SaveCredentialError::Sensitive(error) => error.into(),
            SaveCredentialError::ProtectedUser => PROTECTED.into(),
            SaveCredentialError::UnknownUser => ErrorKind::UnknownUser.into(),
            SaveCredentialError::TypeNotForUser { field } => {
                InvalidField::new(format!("{field}.Type.Type"), Reason::TypeNotForUser).into()
            }
            SaveCredentialError::PasswordRefused { field, reasons } => {
                ErrorKind::PasswordRefused { field: format!("{field}.Value"), reasons }.into()
            }
            SaveCredentialError::UnacceptableHash(refused) => refused.into(),
            SaveCredentialError::KeyUnavailable(_) => {
                Self::caused(ErrorKind::KeyUnavailable, error)
            }
            SaveCredentialError::Random(error) => error.into(),
            SaveCredentialError::IdentifierTaken => ErrorKind::IdentifierTaken.into(),
            SaveCredentialError::Outdated => ErrorKind::Outdated.into(),
            SaveCredentialError::ProofOutdated => Self::caused(ErrorKind::Unauthenticated, error),
            SaveCredentialError::Attempt(error) => error.into(),
            SaveCredentialError::Hashing(error) => error.into(),
            SaveCredentialError::Storage(error) => error.into(),
            SaveCredentialError::Seal(_) | SaveCredentialError::Unwritable => {
                Self::caused(ErrorKind::Internal, error)
            }
        }
    }
}

impl From<ChangeUserError> for ApiError {
    fn from(error: ChangeUserError) -> Self {
        match error {
            ChangeUserError::Forbidden => {
                ErrorKind::Forbidden(MissingRight::AdministerUsers).into()
            }
            ChangeUserError::HelpForbidden => ErrorKind::Forbidden(MissingRight::HelpUsers).into(),
            ChangeUserError::ProtectedUser => PROTECTED.into(),
            ChangeUserError::OwnRole => ErrorKind::Forbidden(MissingRight::OwnRole).into(),
            ChangeUserError::LastAdministrator => ErrorKind::LastAdministrator.into(),
            ChangeUserError::Sensitive(error) => error.into(),
            ChangeUserError::Read(error) => error.into(),
            ChangeUserError::UnknownUser => ErrorKind::UnknownUser.into(),
            ChangeUserError::LoginNameTaken => ErrorKind::LoginNameTaken.into(),
            ChangeUserError::NickNameTaken => ErrorKind::NickNameTaken.into(),
            ChangeUserError::NotExternal => {
                InvalidField::new("AssociateId", Reason::NotExternalUser).into()
            }
            ChangeUserError::Outdated => ErrorKind::Outdated.into(),
            ChangeUserError::ModifiedSince => ErrorKind::PreconditionFailed.into(),
            ChangeUserError::Invalid(refused) => refused.into(),
            ChangeUserError::ProofOutdated => Self::caused(ErrorKind::Unauthenticated, error),
            ChangeUserError::Credential(error) => error.into(),
            ChangeUserError::Untrusted(error) => error.into(),
            ChangeUserError::Storage(error) => error.into(),
        }
    }
}

impl From<UntrustedError> for ApiError {
    fn from(error: UntrustedError) -> Self {
        match error {
            UntrustedError::Forbidden => {
                ErrorKind::Forbidden(MissingRight::UntrustedCredentials).into()
            }
            UntrustedError::Sensitive(error) => error.into(),
            UntrustedError::UnknownUser => ErrorKind::UnknownUser.into(),
            UntrustedError::Invalid(refused) => refused.into(),
            UntrustedError::ProofOutdated => Self::caused(ErrorKind::Unauthenticated, error),
            UntrustedError::KeyUnavailable(_) => Self::caused(ErrorKind::KeyUnavailable, error),
            UntrustedError::Damaged | UntrustedError::Seal(_) => {
                Self::caused(ErrorKind::Internal, error)
            }
            UntrustedError::Storage(error) => error.into(),
        }
    }
}

impl From<FindRecipientError> for ApiError {
    fn from(error: FindRecipientError) -> Self {
        match error {
            FindRecipientError::KeyUnavailable(_) => Self::caused(ErrorKind::KeyUnavailable, error),
            FindRecipientError::Storage(error) => error.into(),
        }
    }
}

impl From<ReadUserError> for ApiError {
    fn from(error: ReadUserError) -> Self {
        match error {
            ReadUserError::Forbidden => ErrorKind::Forbidden(MissingRight::ReadUser).into(),
            ReadUserError::ProtectedUser => PROTECTED.into(),
            ReadUserError::Storage(error) => error.into(),
        }
    }
}

impl From<ReadAuditError> for ApiError {
    fn from(error: ReadAuditError) -> Self {
        match error {
            ReadAuditError::Forbidden => ErrorKind::Forbidden(MissingRight::ReadAuditEvents).into(),
            ReadAuditError::Storage(error) => error.into(),
        }
    }
}

impl From<ReadActivityError> for ApiError {
    fn from(error: ReadActivityError) -> Self {
        match error {
            ReadActivityError::Forbidden => ErrorKind::Forbidden(MissingRight::ReadActivity).into(),
            ReadActivityError::Storage(error) => error.into(),
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
            TicketError::Change(error) => error.into(),
            TicketError::Storage(error) => error.into(),
        }
    }
}

impl From<RandomError> for ApiError {
    fn from(error: RandomError) -> Self {
        Self::caused(ErrorKind::Internal, error)
    }
}

impl From<TokenRefused> for ApiError {
    fn from(error: TokenRefused) -> Self {
        Self::caused(ErrorKind::Internal, error)
    }
}

impl ApiError {
    /// The interruption of a use case that only reads: it cannot have written anything.
    pub(in crate::http) fn interrupted_reading(error: Interrupted) -> Self {
        match error {
            Interrupted::Ended => error.into(),
            Interrupted::Late => Self::caused(ErrorKind::DatabaseUnavailable, error),
        }
    }
}

impl From<Interrupted> for ApiError {
    fn from(error: Interrupted) -> Self {
        let kind = match error {
            Interrupted::Ended => ErrorKind::Internal,
            Interrupted::Late => ErrorKind::OutcomeUnknown,
        };
        Self::caused(kind, error)
    }
}
