//! Classifies the failures of an import: problems of one line, and errors that end the import.

use crate::{
    domain::{InvalidField, Reason},
    service::{
        HashingError, StorageError,
        errors::{ChangeUserError, SaveCredentialError, UntrustedError},
        import::file::line::with_line_names,
    },
};

/// The problem of one line, or an error that affects all lines.
pub(super) fn problem_of_line(error: ChangeUserError) -> Result<InvalidField, ChangeUserError> {
    let of_user = |reason| Ok(InvalidField::new("login_name", reason));
    match error {
        ChangeUserError::Invalid(problem) => Ok(with_line_names(problem)),
        ChangeUserError::Untrusted(UntrustedError::Invalid(problem)) => {
            Ok(InvalidField::new("untrusted_credentials", problem.reason))
        }
        ChangeUserError::LoginNameTaken => of_user(Reason::Taken),
        ChangeUserError::NickNameTaken => Ok(InvalidField::new("nick_name", Reason::Taken)),
        ChangeUserError::LastAdministrator => of_user(Reason::LastAdministrator),
        ChangeUserError::OwnRole => Ok(InvalidField::new("role", Reason::OwnRole)),
        ChangeUserError::Credential(SaveCredentialError::IdentifierTaken) => {
            Ok(InvalidField::new("credentials", Reason::Taken))
        }
        // The result of a line has one reason: the first.
        ChangeUserError::Credential(SaveCredentialError::PasswordRefused { reasons, .. }) => {
            let first = reasons.into_iter().next().unwrap_or(Reason::Guessable);
            Ok(InvalidField::new("credentials.value", first))
        }
        ChangeUserError::Credential(SaveCredentialError::UnacceptableHash(problem)) => {
            Ok(with_line_names(problem))
        }
        ChangeUserError::Credential(SaveCredentialError::TypeNotForUser { .. }) => {
            Ok(InvalidField::new("credentials", Reason::TypeNotForUser))
        }
        // Another transaction locked or deleted the user.
        ChangeUserError::UnknownUser
        | ChangeUserError::Outdated
        | ChangeUserError::ModifiedSince
        | ChangeUserError::Storage(StorageError::Busy(_))
        // A command has no deadline for a hash; an import of a page gives way to logins.
        | ChangeUserError::Credential(
            SaveCredentialError::UnknownUser
            | SaveCredentialError::Storage(StorageError::Busy(_))
            | SaveCredentialError::Hashing(HashingError::Overloaded { .. }),
        )
        | ChangeUserError::Untrusted(
            UntrustedError::UnknownUser | UntrustedError::Storage(StorageError::Busy(_)),
        ) => Ok(InvalidField::new("login_name", Reason::Busy)),
        ChangeUserError::Storage(
            StorageError::Inconsistent { .. }
            | StorageError::Constraint(_)
            | StorageError::Refused(_),
        )
        | ChangeUserError::Credential(SaveCredentialError::Storage(
            StorageError::Inconsistent { .. }
            | StorageError::Constraint(_)
            | StorageError::Refused(_),
        ))
        | ChangeUserError::Untrusted(UntrustedError::Damaged) => {
            tracing::error!(error = &error as &dyn std::error::Error, "import of a line failed");
            Ok(InvalidField::new("line", Reason::Damaged))
        }
        ChangeUserError::Forbidden
        | ChangeUserError::HelpForbidden
        | ChangeUserError::ProtectedUser
        | ChangeUserError::Read(_)
        | ChangeUserError::Sensitive(_)
        | ChangeUserError::NotExternal
        | ChangeUserError::ProofOutdated
        | ChangeUserError::Credential(_)
        | ChangeUserError::Untrusted(_)
        | ChangeUserError::Storage(_) => Err(error),
    }
}
