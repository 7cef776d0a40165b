//! Hashes new credentials, the slow part of a save. No database connection is held meanwhile.

use std::sync::Arc;

use secrecy::SecretString;

use super::password_checker::PasswordChecker;
use crate::{
    domain::{
        InvalidField, Reason,
        change_cause::ChangeCause,
        change_context::ChangeContext,
        credential_type::CredentialType,
        new_user::NewUser,
        principal::Actor,
        save_credential::{NewCredential, NewSecret},
        user::{UserId, UserType},
        validity::Validity,
    },
    security::hashing::{AcceptedHash, HashingEngine, StoredHash},
    service::errors::{ChangeUserError, SaveCredentialError},
};

/// A new credential without its plain value.
pub(in crate::service) struct HashedCredential {
    /// Its path in the request, for error messages.
    pub(in crate::service) field: String,
    pub(in crate::service) credential_type: CredentialType,
    pub(in crate::service) display_value: Option<String>,
    pub(in crate::service) hash: StoredHash,
    /// The value, for identifier types only.
    pub(in crate::service) identifier: Option<SecretString>,
    pub(in crate::service) validity: Validity,
    /// Why the owner must change it; `None`: they need not.
    pub(in crate::service) change_required: Option<ChangeCause>,
}

/// The user who gets credentials, as they are after the save.
#[derive(Clone, Copy)]
pub(in crate::service) struct CredentialOwner<'owner> {
    /// `None`: a new user.
    pub(in crate::service) user_id: Option<UserId>,
    pub(in crate::service) user_type: UserType,
    pub(in crate::service) login_name: &'owner str,
}

impl<'owner> CredentialOwner<'owner> {
    /// A user who is being added.
    pub(in crate::service) fn of_new(user: &'owner NewUser) -> Self {
        let login_name = user.login_name.as_str();
        Self { user_id: None, user_type: user.user_type, login_name }
    }
}

/// Hashes new credentials.
pub(crate) struct CredentialHasher {
    pub(crate) hashing: Arc<HashingEngine>,
    pub(crate) passwords: Arc<PasswordChecker>,
    /// True when each user has one credential, whatever its type
    /// (docs/reference/wire-contract.md#d13-replacement-by-type).
    pub(crate) single_per_user: bool,
    /// True when a password that somebody else set must be changed by its owner.
    pub(crate) requires_change_after_reset: bool,
}

impl CredentialHasher {
    /// Checks and hashes a credential, and drops the plain value.
    ///
    /// # Errors
    /// See [`SaveCredentialError`].
    pub(in crate::service) async fn hash(
        &self,
        context: ChangeContext<'_>,
        login_name: &str,
        credential: NewCredential,
    ) -> Result<HashedCredential, SaveCredentialError> {
        let caller = context.actor.fairness_key();
        // Boxed, as the rare branch below, so that a save that waits for its hash is small.
        Box::pin(self.passwords.require(caller, login_name, &credential)).await?;
        let identifier = credential.identifier().cloned();
        let NewCredential {
            field,
            credential_type,
            secret,
            display_value,
            validity,
            change_required,
        } = credential;
        let hash = match &secret {
            NewSecret::Value(value) => StoredHash::Own(self.hashing.hash(caller, value).await?),
            NewSecret::Hash(text) => match self.accept_hash(&field, text)? {
                AcceptedHash::Stored(hash) => hash,
                AcceptedHash::Weak(weak) => Box::pin(self.hashing.wrap(caller, weak)).await?,
            },
        };
        let lifetime = credential_type.lifetime();
        let default = lifetime.map(|lifetime| Validity::starting(context.now, lifetime));
        let validity = validity.or(default).unwrap_or_default();
        let display_value = display_value.map(|text| text.as_str().to_owned());
        Ok(HashedCredential {
            field,
            credential_type,
            display_value,
            hash,
            identifier,
            validity,
            change_required,
        })
    }

    /// Marks a password that an administrator sets for another user, if the installation requires it
    /// to be changed. Users who may not change their own password keep it.
    pub(in crate::service) fn mark_reset(
        &self,
        context: ChangeContext<'_>,
        owner: CredentialOwner<'_>,
        credential: &mut NewCredential,
    ) {
        let is_of_other = match context.actor {
            Actor::Principal(principal) => owner.user_id != Some(principal.user_id()),
            // A command says so itself: an imported password is the user's own.
            Actor::Command
            | Actor::OldSystem
            | Actor::PasswordLink(_)
            | Actor::Service
            | Actor::Anonymous => false,
        };
        let is_reset = self.requires_change_after_reset
            && is_of_other
            && owner.user_type.may_change_password()
            && credential.password().is_some();
        if is_reset && credential.change_required.is_none() {
            credential.change_required = Some(ChangeCause::Administrator);
        }
    }

    /// Why a user of that type may not have these credentials, whatever their values are.
    pub(in crate::service) fn problems_of_types(
        &self,
        user_type: UserType,
        credentials: &[NewCredential],
    ) -> Vec<InvalidField> {
        let too_many = (self.single_per_user && credentials.len() > 1)
            .then(|| InvalidField::new("Credentials", Reason::Contradiction));
        let is_forbidden = |new: &&NewCredential| !new.credential_type.is_allowed_for(user_type);
        let forbidden = credentials.iter().filter(is_forbidden).map(|new| {
            InvalidField::new(format!("{}.Type.Type", new.field), Reason::TypeNotForUser)
        });
        too_many.into_iter().chain(forbidden).collect()
    }

    /// Checks and hashes all credentials of a user.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(in crate::service) async fn hash_all(
        &self,
        context: ChangeContext<'_>,
        owner: CredentialOwner<'_>,
        credentials: Vec<NewCredential>,
    ) -> Result<Vec<HashedCredential>, ChangeUserError> {
        let problems = self.problems_of_types(owner.user_type, &credentials);
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem.into());
        }
        let mut hashed = Vec::with_capacity(credentials.len());
        for mut credential in credentials {
            self.mark_reset(context, owner, &mut credential);
            hashed.push(self.hash(context, owner.login_name, credential).await?);
        }
        Ok(hashed)
    }

    /// Checks everything that [`Self::hash`] checks, without hashing.
    ///
    /// # Errors
    /// See [`SaveCredentialError`].
    pub(in crate::service) async fn check(
        &self,
        context: ChangeContext<'_>,
        login_name: &str,
        credential: &NewCredential,
    ) -> Result<(), SaveCredentialError> {
        if let NewSecret::Hash(text) = &credential.secret {
            self.accept_hash(&credential.field, text)?;
        }
        self.passwords.require(context.actor.fairness_key(), login_name, credential).await
    }

    /// True when saving this credential needs a hash: it has a clear-text value, or a hash that is
    /// fast or weak.
    pub(in crate::service) fn needs_hash(&self, credential: &NewCredential) -> bool {
        match &credential.secret {
            NewSecret::Value(_) => true,
            NewSecret::Hash(text) => matches!(self.hashing.accept(text), Ok(AcceptedHash::Weak(_))),
        }
    }

    /// Reads a hash that another system computed; `field` names its credential in the request.
    fn accept_hash(
        &self,
        field: &str,
        text: &SecretString,
    ) -> Result<AcceptedHash, SaveCredentialError> {
        self.hashing.accept(text).map_err(|reason| {
            let field = format!("{field}.Hash");
            SaveCredentialError::UnacceptableHash(InvalidField::new(field, reason))
        })
    }
}
