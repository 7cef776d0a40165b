//! Whether a failure is about one line, and how that is told.

use super::line::in_names_of_lines;
use crate::{
    domain::{InvalidField, Reason},
    service::{
        StorageError,
        errors::{ChangeUserError, SaveCredentialError},
    },
};

/// What is wrong with one line, or what is wrong with all of them.
pub(super) fn problem_of_line(error: ChangeUserError) -> Result<InvalidField, ChangeUserError> {
    match error {
        ChangeUserError::Invalid(problem) => Ok(in_names_of_lines(problem)),
        ChangeUserError::LoginNameTaken => Ok(InvalidField::new("login_name", Reason::Taken)),
        ChangeUserError::Credential(SaveCredentialError::IdentifierTaken) => {
            Ok(InvalidField::new("credentials", Reason::Taken))
        }
        // Of several reasons the first: a line's result has one.
        ChangeUserError::Credential(SaveCredentialError::PasswordRefused(reasons)) => {
            let first = reasons.into_iter().next().unwrap_or(Reason::Guessable);
            Ok(InvalidField::new("credentials.value", first))
        }
        ChangeUserError::Credential(SaveCredentialError::UnacceptableHash(problem)) => {
            Ok(in_names_of_lines(problem))
        }
        ChangeUserError::Credential(SaveCredentialError::TypeNotForUser) => {
            Ok(InvalidField::new("credentials", Reason::TypeNotForUser))
        }
        // Somebody held the user's row for long, or took the user away.
        ChangeUserError::UnknownUser
        | ChangeUserError::Outdated
        | ChangeUserError::Storage(StorageError::Busy(_))
        | ChangeUserError::Credential(
            SaveCredentialError::UnknownUser | SaveCredentialError::Storage(StorageError::Busy(_)),
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
        )) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a line was not imported");
            Ok(InvalidField::new("line", Reason::Damaged))
        }
        ChangeUserError::Forbidden
        | ChangeUserError::ProofOutdated
        | ChangeUserError::Credential(_)
        | ChangeUserError::Storage(_) => Err(error),
    }
}
