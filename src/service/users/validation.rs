//! Validates users without saving them: every reason why a save would fail.

use super::{
    changes::changed_user,
    last_administrator::leaves_no_administrator,
    saving::{Users, is_outdated},
};
use crate::{
    domain::{
        InvalidField, Reason,
        change_context::ChangeContext,
        new_login_name::NewLoginName,
        save_credential::NewCredential,
        save_user::SaveUser,
        user::{User, UserId, UserType},
    },
    service::{
        credentials::hasher::CredentialOwner,
        errors::{ChangeUserError, SaveCredentialError},
        identifier_owner::find_candidate,
    },
    storage::StorageError,
};

impl Users {
    /// Validates a command whose members are valid on their own; returns every reason why a save of
    /// it would fail now, except what sensitive changes need. Nothing is locked or written.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn problems(
        &self,
        context: ChangeContext<'_>,
        command: &SaveUser,
    ) -> Result<Vec<InvalidField>, ChangeUserError> {
        if !context.actor.may_administer_users() {
            return Err(ChangeUserError::Forbidden);
        }
        let current = match command.user_id {
            None => None,
            Some(user_id) => {
                let found = self.directory.find_by_id(user_id).await?;
                Some(found.ok_or(ChangeUserError::UnknownUser)?)
            }
        };
        let current_name = current.as_ref().map(|user| user.login_name.as_str());
        let new_name = command.new_login_name(current_name);
        let field = command.field_of_new_login_name(current_name);
        let mut problems = self.problems_of_name(command.user_id, field, &new_name).await?;
        let current_nick_name = current.as_ref().map_or("", |user| user.nick_name.as_str());
        if let Some(nick_name) = command.new_nick_name(current_nick_name)
            && self.directory.is_nick_name_taken(nick_name, command.user_id).await?
        {
            problems.push(InvalidField::new("NickName", Reason::Taken));
        }
        let new_name = new_name.ok().flatten();
        let login_name =
            new_name.as_ref().map(NewLoginName::as_str).or(current_name).unwrap_or_default();
        let user_type = command.user_type.or(current.as_ref().map(|user| user.user_type));
        let user_type = user_type.unwrap_or(UserType::Internal);
        let owner = CredentialOwner { user_id: command.user_id, user_type, login_name };
        let credentials = command.credentials.as_slice();
        problems.extend(self.problems_of_credentials(context, owner, credentials).await?);
        if let Some(current) = &current {
            problems.extend(self.problems_of_change(current, command).await?);
        }
        Ok(problems)
    }

    /// The problems of a new login name, which the member `field` has.
    async fn problems_of_name(
        &self,
        user_id: Option<UserId>,
        field: &str,
        new_name: &Result<Option<NewLoginName>, InvalidField>,
    ) -> Result<Vec<InvalidField>, ChangeUserError> {
        let name = match new_name {
            Err(problem) => return Ok(vec![problem.clone()]),
            Ok(None) => return Ok(Vec::new()),
            Ok(Some(name)) => std::slice::from_ref(name),
        };
        if self.directory.taken_names(name, user_id).await?.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![InvalidField::new(field, Reason::Taken)])
    }

    /// The problems of the types and the values of new credentials.
    async fn problems_of_credentials(
        &self,
        context: ChangeContext<'_>,
        owner: CredentialOwner<'_>,
        credentials: &[NewCredential],
    ) -> Result<Vec<InvalidField>, SaveCredentialError> {
        let caller = context.actor.fairness_key();
        let mut problems = self.hasher.problems_of_types(owner.user_type, credentials);
        for credential in credentials {
            let mut reasons = match credential.password() {
                Some(value) => self.passwords.problems(caller, owner.login_name, value).await?,
                None => Vec::new(),
            };
            if self.is_identifier_taken(owner.user_id, credential).await? {
                reasons.push(Reason::Taken);
            }
            let field = format!("{}.Value", credential.field);
            let of_value = |reason| InvalidField::new(field.as_str(), reason);
            problems.extend(reasons.into_iter().map(of_value));
        }
        Ok(problems)
    }

    /// True when a credential has an identifier of another user.
    async fn is_identifier_taken(
        &self,
        user_id: Option<UserId>,
        credential: &NewCredential,
    ) -> Result<bool, StorageError> {
        let Some(identifier) = credential.identifier() else { return Ok(false) };
        let credential_type = credential.credential_type.as_str();
        let keyring = &self.writer.keyring;
        let found = find_candidate(&self.database, keyring, credential_type, identifier).await?;
        Ok(found.is_some_and(|candidate| Some(candidate.user.user_id) != user_id))
    }

    /// The problems of a change that depend on the stored state of the user.
    async fn problems_of_change(
        &self,
        before: &User,
        command: &SaveUser,
    ) -> Result<Vec<InvalidField>, StorageError> {
        let after = changed_user(before, command);
        let outdated = is_outdated(command, before)
            .then(|| InvalidField::new("RequestSignature", Reason::Outdated));
        let mut connection = self.database.connection().await?;
        let of_type = self.problem_of_type(&mut connection, before, &after).await?;
        let leaves_none = leaves_no_administrator(&mut connection, before, &after).await?;
        connection.release();
        let last = leaves_none
            .then(|| InvalidField::new(member_that_ends_right(&after), Reason::LastAdministrator));
        Ok([outdated, of_type, last].into_iter().flatten().collect())
    }
}

/// The member whose change ends the right of an administrator; `after` has lost it.
fn member_that_ends_right(after: &User) -> &'static str {
    if after.is_retired {
        "Deleted"
    } else if after.is_administrator {
        "Type"
    } else {
        "Role.Value"
    }
}
