//! Imports users with their credentials, one by one.

use std::{collections::HashSet, sync::Arc};

use crate::{
    domain::{
        InvalidField, Reason,
        change_context::ChangeContext,
        save_user::SaveUser,
        untrusted_credential::{MAXIMUM_PER_USER, SaveUntrusted},
        user::{LoginName, User, UserId, UserReference, UserType},
    },
    service::{
        credentials::hasher::CredentialHasher,
        errors::ChangeUserError,
        users::{directory::UserDirectory, saving::Users},
    },
    storage::{Database, untrusted_credentials, users},
};

/// A user to import from another system.
#[derive(Debug)]
pub(crate) struct ImportedUser {
    pub(crate) login_name: LoginName,
    /// The id that a new user gets and that an existing user must have.
    pub(crate) user_id: Option<UserId>,
    /// True: the user is never added, so that part of a user cannot become another, active one.
    pub(crate) must_exist: bool,
    /// All other members.
    pub(crate) members: SaveUser,
}

/// The effect of an import on a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Imported {
    /// The user is added.
    Added,
    /// The user exists and is updated.
    Changed,
}

/// Imports single users.
pub(crate) struct UserImport {
    pub(crate) database: Database,
    pub(crate) directory: Arc<UserDirectory>,
    pub(crate) users: Arc<Users>,
    pub(crate) hasher: Arc<CredentialHasher>,
}

impl UserImport {
    /// Adds a user, or changes the user with that login name, in one transaction.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn import(
        &self,
        context: ChangeContext<'_>,
        user: ImportedUser,
    ) -> Result<(Imported, UserId), ChangeUserError> {
        if !context.actor.may_administer_users() {
            return Err(ChangeUserError::Forbidden);
        }
        self.users.transactions.require_sensitive(context)?;
        let found = self.directory.find_by_name(&user.login_name).await?;
        require_same_id(&user, found.as_ref())?;
        let ImportedUser { login_name, user_id, must_exist, mut members } = user;
        if let Some(found) = found {
            require_own_role_kept(context, &members, &found)?;
            let reference = UserReference::Name(login_name);
            let changed = self.users.change(context, &reference, &found, members).await?;
            return Ok((Imported::Changed, changed.user.user_id));
        }
        if must_exist {
            return Err(not_added());
        }
        members.login_names = vec![login_name.into()];
        let added = self.users.create(context, user_id, members).await?;
        Ok((Imported::Added, added.user.user_id))
    }

    /// Checks the effect of [`Self::import`] without hashing or writing. `is_added_before`: an earlier
    /// line would add the user.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn preview(
        &self,
        context: ChangeContext<'_>,
        user: &ImportedUser,
        is_added_before: bool,
    ) -> Result<(Imported, Option<UserId>), ChangeUserError> {
        let found = self.directory.find_by_name(&user.login_name).await?;
        require_same_id(user, found.as_ref())?;
        if user.must_exist && found.is_none() && !is_added_before {
            return Err(not_added());
        }
        if let Some(found) = &found {
            require_own_role_kept(context, &user.members, found)?;
        }
        let members = SaveUser {
            user_id: found.as_ref().map(|found| found.user_id),
            login_names: vec![user.login_name.clone().into()],
            user_type: user.members.user_type,
            nick_name: user.members.nick_name.clone(),
            ..SaveUser::default()
        };
        let user_type = members.user_type.or(found.as_ref().map(|found| found.user_type));
        let user_type = user_type.unwrap_or(UserType::Internal);
        let problems = self.hasher.problems_of_types(user_type, &user.members.credentials);
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem.into());
        }
        let untrusted = &user.members.untrusted_credentials;
        self.require_room(found.as_ref(), untrusted).await?;
        for credential in &user.members.credentials {
            self.hasher.check(context, user.login_name.as_str(), credential).await?;
        }
        let problems = self.users.problems(context, &members).await?;
        // Another line may add an administrator before this one.
        let mut problems =
            problems.into_iter().filter(|problem| problem.reason != Reason::LastAdministrator);
        match problems.next() {
            Some(problem) => Err(problem.into()),
            None if found.is_some() => Ok((Imported::Changed, members.user_id)),
            None if user.must_exist => Ok((Imported::Changed, user.user_id)),
            None => {
                self.require_free_id(user.user_id).await?;
                Ok((Imported::Added, user.user_id))
            }
        }
    }

    /// Fails if the user would have too many untrusted credentials.
    async fn require_room(
        &self,
        found: Option<&User>,
        untrusted: &[SaveUntrusted],
    ) -> Result<(), ChangeUserError> {
        let stored = match found {
            Some(found) if !untrusted.is_empty() => {
                let user_ids = [found.user_id];
                read_on_connection!(self.database, |connection| {
                    untrusted_credentials::list_by_users(&mut connection, &user_ids)
                })?
            }
            _ => Vec::new(),
        };
        let stored: HashSet<_> = stored
            .iter()
            .map(|row| (row.credential_type.as_str(), row.public_value.as_str()))
            .collect();
        let new: HashSet<_> = untrusted
            .iter()
            .map(|command| (command.credential_type.as_str(), command.public_value.as_str()))
            .filter(|key| !stored.contains(key))
            .collect();
        if !new.is_empty() && stored.len() + new.len() > MAXIMUM_PER_USER {
            let reason = Reason::TooManyPerUser(MAXIMUM_PER_USER);
            return Err(InvalidField::new("untrusted_credentials", reason).into());
        }
        Ok(())
    }

    async fn require_free_id(&self, user_id: Option<UserId>) -> Result<(), ChangeUserError> {
        let Some(user_id) = user_id else { return Ok(()) };
        let mut connection = self.database.connection().await?;
        if users::is_assigned(&mut connection, user_id).await? {
            return Err(InvalidField::new("id", Reason::Taken).into());
        }
        Ok(())
    }
}

/// The error of a line that only changes a user, who does not exist.
fn not_added() -> ChangeUserError {
    InvalidField::new("login_name", Reason::NotAdded).into()
}

fn require_same_id(user: &ImportedUser, found: Option<&User>) -> Result<(), InvalidField> {
    let differs = found.zip(user.user_id).is_some_and(|(found, id)| found.user_id != id);
    if differs { Err(InvalidField::new("id", Reason::Contradiction)) } else { Ok(()) }
}

/// Fails if a line would change the role of the actor. It may repeat the role, as an export does.
fn require_own_role_kept(
    context: ChangeContext<'_>,
    members: &SaveUser,
    found: &User,
) -> Result<(), ChangeUserError> {
    let is_changed = members.role.is_some_and(|role| role != found.role);
    if is_changed && !context.actor.may_change_role_of(found.user_id) {
        Err(ChangeUserError::OwnRole)
    } else {
        Ok(())
    }
}
