//! Adding, changing, retiring and deleting users through the API and by operators.

use sqlx::PgConnection;

use crate::service::{
    Service,
    credentials::saving::{HashedCredential, SaveCredentialError},
    user_transaction::{AuditedChange, ChangeUserError},
    users::directory::{AddUserError, UserWithCredentials, find_whole},
};
use crate::{
    domain::{
        InvalidField, Reason,
        audit::AuditKind,
        change_context::ChangeContext,
        new_login_name::NewLoginName,
        save_credential::NewCredential,
        save_user::SaveUser,
        user::{DisplayName, NewUser, User, UserId, UserType, acts_on_anybody},
    },
    security::user_signature::user_signature,
    storage::{
        self, credentials, user_writes,
        users::{self, UserHead},
    },
};

impl From<AddUserError> for ChangeUserError {
    fn from(error: AddUserError) -> Self {
        match error {
            AddUserError::Taken(error) => error.into(),
            AddUserError::Change(error) => error,
        }
    }
}

impl Service {
    /// Adds a user or changes one, with credentials, in one transaction; tells them as they are then.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn save_user(
        &self,
        context: ChangeContext<'_>,
        command: SaveUser,
    ) -> Result<UserWithCredentials, ChangeUserError> {
        if !context.actor.may_act_on_anybody() {
            return Err(ChangeUserError::Forbidden);
        }
        match command.user_id {
            None => self.create_user(context, None, command).await,
            Some(user_id) => self.change_user(context, user_id, command).await,
        }
    }

    /// Why a user could not be saved, beside what their members say alone.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn problems_of_user(
        &self,
        context: ChangeContext<'_>,
        command: &SaveUser,
    ) -> Result<Vec<InvalidField>, ChangeUserError> {
        if !context.actor.may_act_on_anybody() {
            return Err(ChangeUserError::Forbidden);
        }
        let current = match command.user_id {
            None => None,
            Some(user_id) => {
                let found = self.find_user(user_id).await?;
                Some(found.ok_or(ChangeUserError::UnknownUser)?)
            }
        };
        let current_name = current.as_ref().map(|user| user.login_name.as_str());
        let mut problems = Vec::new();
        match command.new_login_name(current_name) {
            Err(problem) => problems.push(problem),
            Ok(Some(name))
                if !self.taken(std::slice::from_ref(&name), command.user_id).await?.is_empty() =>
            {
                problems.push(InvalidField::new("UserName", Reason::Taken));
            }
            Ok(_) => {}
        }
        let named = command.new_login_name(current_name).ok().flatten();
        let login_name =
            named.as_ref().map(NewLoginName::as_str).or(current_name).unwrap_or_default();
        for value in command.credentials.iter().filter_map(NewCredential::password) {
            let reasons = self.password_problems(context.actor.caller(), login_name, value).await;
            let reasons = reasons.map_err(SaveCredentialError::from)?;
            problems.extend(reasons.into_iter().map(|of| InvalidField::new("Credentials", of)));
        }
        let user_type = command.user_type.or(current.as_ref().map(|user| user.user_type));
        let user_type = user_type.unwrap_or(UserType::Internal);
        if command.credentials.iter().any(|new| !new.credential_type.is_for(user_type)) {
            problems.push(InvalidField::new("Credentials", Reason::TypeNotForUser));
        }
        Ok(problems)
    }

    pub(in crate::service) async fn create_user(
        &self,
        context: ChangeContext<'_>,
        user_id: Option<UserId>,
        mut command: SaveUser,
    ) -> Result<UserWithCredentials, ChangeUserError> {
        let user = new_user(user_id, &mut command)?;
        let credentials = std::mem::take(&mut command.credentials);
        let of = (user.user_type, user.login_name.as_str());
        let hashed = self.hash_all(context, of, credentials).await?;
        Ok(self.insert_user(context, &user, &hashed).await?)
    }

    pub(in crate::service) async fn change_user(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        mut command: SaveUser,
    ) -> Result<UserWithCredentials, ChangeUserError> {
        // Before the hashes, so that an unknown user costs none.
        let user = self.find_user(user_id).await?.ok_or(ChangeUserError::UnknownUser)?;
        let user_type = command.user_type.unwrap_or(user.user_type);
        let credentials = std::mem::take(&mut command.credentials);
        let new_name = command.new_login_name(Some(&user.login_name))?;
        let login_name = new_name.as_ref().map_or(user.login_name.as_str(), NewLoginName::as_str);
        let hashed = self.hash_all(context, (user_type, login_name), credentials).await?;
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut head = self.lock_user(&mut transaction, context, user_id).await?;
        self.write_user(&mut transaction, context, (user_id, &mut head), &command).await?;
        self.write_credentials(&mut transaction, context, (user_id, &hashed)).await?;
        let changed = find_whole(&mut transaction, user_id).await?;
        storage::commit(transaction).await?;
        changed.ok_or(ChangeUserError::UnknownUser)
    }

    /// Writes what is another one than it was, with its evidence.
    async fn write_user(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        (user_id, head): (UserId, &mut UserHead),
        command: &SaveUser,
    ) -> Result<(), ChangeUserError> {
        let before = users::find_by_id(connection, user_id).await?;
        let before = before.ok_or(ChangeUserError::UnknownUser)?;
        if command.signature.as_ref().is_some_and(|of| *of != user_signature(&before)) {
            return Err(ChangeUserError::Outdated);
        }
        let name = command.new_login_name(Some(&before.login_name))?;
        if let Some(name) = &name {
            user_writes::rename(connection, user_id, name).await?;
        }
        let after = changed(&before, command);
        if before.user_type != after.user_type {
            self.require_types_for(connection, &after).await?;
        }
        for change in changes(&before, &after, name.is_some()) {
            self.append_audit_event(connection, context, (user_id, head), change).await?;
        }
        Ok(user_writes::update(connection, &after).await?)
    }

    /// Refuses a user of a type that credentials of theirs are not for.
    async fn require_types_for(
        &self,
        connection: &mut PgConnection,
        user: &User,
    ) -> Result<(), ChangeUserError> {
        let stored = credentials::list_by_user(connection, user.user_id).await?;
        let mut types = stored.iter().filter_map(|of| self.types.find(&of.credential_type));
        if types.all(|of| of.is_for(user.user_type)) {
            return Ok(());
        }
        Err(InvalidField::new("Type", Reason::Contradiction).into())
    }

    /// Deletes a user: everything that could log in as them ends, and their names are free. What
    /// stays is their id and their chain.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn delete_user(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
    ) -> Result<(), ChangeUserError> {
        if !context.actor.may_act_on_anybody() {
            return Err(ChangeUserError::Forbidden);
        }
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut head = self.lock_user(&mut transaction, context, user_id).await?;
        let change = AuditedChange::to_user(AuditKind::UserDeleted, true);
        self.append_audit_event(&mut transaction, context, (user_id, &mut head), change).await?;
        user_writes::tombstone(&mut transaction, user_id, context.now).await?;
        Ok(storage::commit(transaction).await?)
    }

    /// The slow part: no connection is held meanwhile.
    pub(in crate::service) async fn hash_all(
        &self,
        context: ChangeContext<'_>,
        (user_type, login_name): (UserType, &str),
        credentials: Vec<NewCredential>,
    ) -> Result<Vec<HashedCredential>, ChangeUserError> {
        if self.rules.single_per_user && credentials.len() > 1 {
            return Err(InvalidField::new("Credentials", Reason::Contradiction).into());
        }
        if credentials.iter().any(|new| !new.credential_type.is_for(user_type)) {
            return Err(InvalidField::new("Credentials", Reason::TypeNotForUser).into());
        }
        let mut hashed = Vec::with_capacity(credentials.len());
        for credential in credentials {
            hashed.push(self.hash_credential(context, login_name, credential).await?);
        }
        Ok(hashed)
    }
}

/// A new user as the command has them.
pub(in crate::service) fn new_user(
    user_id: Option<UserId>,
    command: &mut SaveUser,
) -> Result<NewUser, ChangeUserError> {
    let login_name = command.new_login_name(None)?;
    let login_name = login_name.ok_or(ChangeUserError::UnknownUser)?;
    let display_name = command.display_name.take();
    Ok(NewUser {
        user_id,
        display_name: display_name.unwrap_or_else(|| DisplayName::from(&login_name)),
        login_name,
        user_type: command.user_type.unwrap_or(UserType::Internal),
        is_administrator: command.is_administrator.unwrap_or_default(),
        is_retired: command.is_retired.unwrap_or_default(),
    })
}

/// The user after the change, but for their login name.
fn changed(before: &User, command: &SaveUser) -> User {
    let display_name = command.display_name.as_ref().map(|name| name.as_str().to_owned());
    User {
        display_name: display_name.unwrap_or_else(|| before.display_name.clone()),
        user_type: command.user_type.unwrap_or(before.user_type),
        is_administrator: command.is_administrator.unwrap_or(before.is_administrator),
        is_retired: command.is_retired.unwrap_or(before.is_retired),
        ..before.clone()
    }
}

/// What happened between the two.
fn changes(before: &User, after: &User, is_renamed: bool) -> Vec<AuditedChange<'static>> {
    let acts = |user: &User| acts_on_anybody(user.user_type, user.is_administrator);
    let is_changed = is_renamed
        || before.display_name != after.display_name
        // It may say nothing, as of external users.
        || (before.is_administrator != after.is_administrator && acts(before) == acts(after))
        || before.user_type != after.user_type;
    let right =
        if acts(after) { AuditKind::AdministratorGranted } else { AuditKind::AdministratorRevoked };
    let state = if after.is_retired { AuditKind::UserRetired } else { AuditKind::UserReactivated };
    let all = [
        (is_changed, AuditedChange::to_user(AuditKind::UserChanged, false)),
        (acts(before) != acts(after), AuditedChange::to_user(right, false)),
        (before.is_retired != after.is_retired, AuditedChange::to_user(state, after.is_retired)),
    ];
    all.into_iter().filter_map(|(happened, what)| happened.then_some(what)).collect()
}
