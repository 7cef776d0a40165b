//! The target of a password verification: one credential type of a login.

use secrecy::SecretString;
use time::OffsetDateTime;

use super::error::{AuthenticationError, Refusal};
use crate::{
    domain::{
        client_info::ClientInfo,
        credential::CredentialValue,
        stored_credential::StoredCredential,
        typed_login::TypedLogin,
        user::{LoginName, User, UserType},
    },
    security::hashing::{StoredHash, VerificationRequest},
    storage::{StorageError, logins::Login},
};

/// A name and a password, and the request that presents them.
#[derive(Clone, Copy)]
pub(super) struct PresentedPassword<'request> {
    pub(super) name: &'request LoginName,
    pub(super) password: &'request CredentialValue,
    /// The password as the user typed it, before normalization.
    pub(super) typed: &'request SecretString,
    /// What the old system decides, when the user has no password here. It may tell apart spellings
    /// that are equal here, so each one is another attempt with a result of its own.
    pub(super) question: Option<TypedLogin<'request>>,
    pub(super) client_info: &'request ClientInfo,
    pub(super) now: OffsetDateTime,
}

/// The credential types of the targets.
pub(super) fn types_of(targets: &[Target<'_>]) -> Vec<String> {
    targets.iter().map(|target| target.credential_type.to_owned()).collect()
}

/// A credential type that may be attempted, with the stored credential.
pub(super) struct Target<'login> {
    pub(super) credential_type: &'login str,
    pub(super) row: Option<&'login StoredCredential>,
    /// `None` also when the row cannot be unsealed, and for a password that the directory verifies.
    pub(super) hash: Option<StoredHash>,
    /// The identifier of the user in the directory, if that verifies the password.
    pub(super) identifier: Option<SecretString>,
    /// True when the right password authenticates: the row can be unsealed and is valid now, the
    /// user is active, and the credential is not locked.
    ///
    /// Without a row, no password matches. It is then true when the right password could move the
    /// user from the old system, so that the cache does not apply a refusal from before to a user who
    /// is enabled or unlocked.
    pub(super) is_login_allowed: bool,
    /// True when the credential is locked.
    pub(super) is_locked: bool,
}

impl<'login> Target<'login> {
    /// The target of a login whose row contains this hash.
    pub(super) fn new(
        login: &'login Login,
        credential_type: &'login str,
        row: Option<&'login StoredCredential>,
        hash: Option<StoredHash>,
        now: OffsetDateTime,
    ) -> Self {
        let user = login.candidate.as_ref().map(|candidate| &candidate.user);
        let is_login_allowed = match row {
            Some(row) => {
                let is_active = user.is_some_and(|user| !user.is_retired);
                is_active && row.validity.contains(now) && hash.is_some()
            }
            None => user.is_none_or(may_move),
        };
        let (identifier, is_locked) = (None, false);
        Self { credential_type, row, hash, identifier, is_login_allowed, is_locked }
    }

    /// The target of a login that the directory decides, of a user with this identifier there. It has
    /// no hash: the value of the credential is no secret, and must not log in.
    pub(super) fn in_directory(
        login: &'login Login,
        credential_type: &'login str,
        row: Option<&'login StoredCredential>,
        identifier: Option<SecretString>,
        now: OffsetDateTime,
    ) -> Self {
        let target = Self::new(login, credential_type, row, None, now);
        let user = login.candidate.as_ref().map(|candidate| &candidate.user);
        let is_login_allowed = user
            .is_some_and(|user| !user.is_retired && is_person(user.user_type))
            && row.is_some_and(|row| row.validity.contains(now))
            && identifier.is_some();
        Self { identifier, is_login_allowed, ..target }
    }

    /// The verification of a password.
    pub(super) fn request<'request>(
        &'request self,
        presented: PresentedPassword<'request>,
    ) -> VerificationRequest<'request> {
        VerificationRequest {
            canonical_name: presented.name.canonical(),
            credential_type: self.credential_type,
            value: presented.password,
            row: self.row,
            hash: self.hash.as_ref(),
            is_login_allowed: self.is_login_allowed,
            question: presented.question,
        }
    }

    /// The same verification before the lock, under which earlier wrong passwords are cached.
    pub(super) fn request_before_lock<'request>(
        &'request self,
        presented: PresentedPassword<'request>,
    ) -> VerificationRequest<'request> {
        VerificationRequest { is_login_allowed: true, ..self.request(presented) }
    }

    /// Marks the credential as locked.
    pub(super) fn lock(&mut self) {
        (self.is_locked, self.is_login_allowed) = (true, false);
    }

    /// Why even the right password does not authenticate.
    pub(super) fn refusal(&self, login: &Login) -> Refusal {
        let user = login.candidate.as_ref().map(|candidate| &candidate.user);
        if self.is_locked {
            Refusal::Locked
        } else if user.is_some_and(|user| user.is_retired) {
            Refusal::Retired
        } else if self.identifier.is_some() && user.is_some_and(|user| !is_person(user.user_type)) {
            Refusal::NotAPerson
        } else {
            Refusal::NotValidNow
        }
    }

    /// The row that the password matched. A decoy never matches.
    ///
    /// # Errors
    /// When there is no row.
    pub(super) fn proven_row(&self) -> Result<&'login StoredCredential, AuthenticationError> {
        self.row.ok_or(StorageError::Inconsistent { table: "credentials" }.into())
    }
}

/// True for a user whom the old system may decide about: an active person without rights over others.
pub(super) fn may_move(user: &User) -> bool {
    is_person(user.user_type) && !user.is_retired && !user.is_protected()
}

/// True for a user who is a person. The directory does not log in systems and anonymous users.
fn is_person(user_type: UserType) -> bool {
    match user_type {
        UserType::Internal | UserType::Resource | UserType::External => true,
        UserType::Anonymous | UserType::System => false,
    }
}
