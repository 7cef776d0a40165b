//! Finds the user of a credential, or adds one.

use super::{
    directory::{UserWithCredentials, find_with_credentials},
    saving::Users,
};
use crate::{
    domain::{
        change_context::ChangeContext,
        new_user::NewUser,
        nick_name::NickName,
        resolve_user::{ResolveUser, UserKey},
        user::{User, UserId},
        vendor_ids::VendorIds,
    },
    service::{
        credentials::hasher::CredentialOwner,
        errors::{ChangeUserError, SaveCredentialError},
        identifier_owner::{find_candidate, row_of},
    },
};

/// How often a new user is tried whose login name or identifier another request takes meanwhile.
const ATTEMPTS: usize = 5;

/// The user of a credential.
pub(crate) struct ResolvedUser {
    pub(crate) found: UserWithCredentials,
    /// True when this call added the user.
    pub(crate) is_added: bool,
}

impl Users {
    /// Finds the user by the identifier, or by the login name for a credential without one; adds
    /// the user with the credential if there is none. A user who is found stays as they are.
    ///
    /// Two calls at the same time return the same user: a unique key makes the second addition
    /// fail, which then finds the user of the first.
    ///
    /// # Errors
    /// See [`ChangeUserError`]. The login name or the identifier is taken if its user has another
    /// type.
    pub(crate) async fn resolve(
        &self,
        context: ChangeContext<'_>,
        command: ResolveUser,
    ) -> Result<ResolvedUser, ChangeUserError> {
        if !context.actor.may_administer_users() {
            return Err(ChangeUserError::Forbidden);
        }
        // Before the hash, so that a user who exists costs none.
        let expected_type = command.user_type;
        if let Some(user) = self.find_by_key(&command.key).await? {
            return self
                .resolved(&command.key, expected_type == user.user_type, user.user_id)
                .await;
        }
        self.transactions.require_sensitive(context)?;
        let ResolveUser { user_type, display_name, key, credential } = command;
        let login_name = key.login_name().as_str().to_owned();
        let credentials = vec![credential];
        let owner = CredentialOwner { user_id: None, user_type, login_name: &login_name };
        let hashed = self.hasher.hash_all(context, owner, credentials).await?;
        let mut taken = None;
        for _ in 0..ATTEMPTS {
            let login_name = key.login_name().clone();
            let login_name = match &key {
                UserKey::Identifier { .. } => self.directory.free_variant(login_name, None).await?,
                UserKey::LoginName(_) => login_name,
            };
            let user = NewUser {
                user_id: None,
                display_name: display_name.clone().unwrap_or_else(|| (&login_name).into()),
                login_name,
                user_type,
                is_administrator: false,
                role: None,
                is_retired: false,
                vendor_ids: VendorIds::default(),
                nick_name: NickName::default(),
            };
            match self
                .writer
                .insert(context, &user, &hashed, &[])
                .await
                .map_err(ChangeUserError::from)
            {
                Ok(found) => return Ok(ResolvedUser { found, is_added: true }),
                Err(error) if is_taken(&error) => taken = Some(error),
                Err(error) => return Err(error),
            }
            if let Some(user) = self.find_by_key(&key).await? {
                return self.resolved(&key, user_type == user.user_type, user.user_id).await;
            }
        }
        Err(taken.unwrap_or(ChangeUserError::LoginNameTaken))
    }

    /// The user with that key.
    async fn find_by_key(&self, key: &UserKey) -> Result<Option<User>, ChangeUserError> {
        let (credential_type, identifier) = match key {
            UserKey::LoginName(name) => {
                return Ok(self.directory.find_by_canonical_name(name.canonical()).await?);
            }
            UserKey::Identifier { credential_type, identifier, .. } => {
                (credential_type.as_str(), identifier)
            }
        };
        let keyring = &self.writer.keyring;
        let candidate =
            find_candidate(&self.database, keyring, credential_type, identifier).await?;
        let Some(candidate) = candidate else { return Ok(None) };
        let row = row_of(&keyring.current(), &candidate, identifier);
        match row.map_err(SaveCredentialError::from)? {
            Some(_) => Ok(Some(candidate.user)),
            // The directory leads to a user whose credential does not have the identifier.
            None => Err(SaveCredentialError::IdentifierTaken.into()),
        }
    }

    /// A user who was found.
    async fn resolved(
        &self,
        key: &UserKey,
        has_type: bool,
        user_id: UserId,
    ) -> Result<ResolvedUser, ChangeUserError> {
        if !has_type {
            return Err(match key {
                UserKey::Identifier { .. } => SaveCredentialError::IdentifierTaken.into(),
                UserKey::LoginName(_) => ChangeUserError::LoginNameTaken,
            });
        }
        let found = read_on_connection!(self.database, |connection| find_with_credentials(
            &mut connection,
            user_id
        ))?;
        // Another request has deleted the user since.
        let found = found.ok_or(ChangeUserError::UnknownUser)?;
        Ok(ResolvedUser { found, is_added: false })
    }
}

/// True when another user has the login name or the identifier of the new one.
fn is_taken(error: &ChangeUserError) -> bool {
    matches!(
        error,
        ChangeUserError::LoginNameTaken
            | ChangeUserError::Credential(SaveCredentialError::IdentifierTaken)
    )
}
