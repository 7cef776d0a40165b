//! Importing users with their credentials, one by one, and reading them page by page for an export.

use std::collections::HashMap;

use secrecy::SecretString;
use sqlx::PgConnection;

use crate::service::{
    Service,
    credentials::saving::{SaveCredentialError, VerifyCredentialError},
    user_transaction::ChangeUserError,
    users::directory::UserWithCredentials,
};
use crate::{
    domain::{
        InvalidField, Reason,
        change_context::ChangeContext,
        credential::CredentialSummary,
        save_credential::{NewCredential, NewSecret},
        save_user::SaveUser,
        user::{LoginName, User, UserId, UserType},
    },
    security::hashing::StoredHash,
    storage::{self, StorageError, credentials, users},
};

/// How many users are read at a time.
const PAGE: i64 = 500;

/// A user as another system has them.
#[derive(Debug)]
pub(crate) struct ImportedUser {
    pub(crate) login_name: LoginName,
    /// The id that a new one is to have; of one who is there, the one they must have.
    pub(crate) user_id: Option<UserId>,
    /// Everything else.
    pub(crate) members: SaveUser,
}

/// What became of an imported user, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Imported {
    /// They were not there.
    Added,
    /// They were, and are as the import says now.
    Changed,
}

impl Service {
    /// Adds a user, or changes the one of that login name, in one transaction.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn import_user(
        &self,
        context: ChangeContext<'_>,
        user: ImportedUser,
    ) -> Result<(Imported, UserId), ChangeUserError> {
        if !context.actor.may_act_on_anybody() {
            return Err(ChangeUserError::Forbidden);
        }
        let found = self.find_user_by_name(&user.login_name).await?;
        require_same_id(&user, found.as_ref())?;
        let ImportedUser { login_name, user_id, mut members } = user;
        if let Some(found) = found {
            let changed = self.change_user(context, found.user_id, members).await?;
            return Ok((Imported::Changed, changed.user.user_id));
        }
        members.login_names = vec![login_name];
        let added = self.create_user(context, user_id, members).await?;
        Ok((Imported::Added, added.user.user_id))
    }

    /// What would become of an imported user, without hashing and without writing.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn try_import(
        &self,
        context: ChangeContext<'_>,
        user: &ImportedUser,
    ) -> Result<(Imported, Option<UserId>), ChangeUserError> {
        let found = self.find_user_by_name(&user.login_name).await?;
        require_same_id(user, found.as_ref())?;
        let members = SaveUser {
            user_id: found.as_ref().map(|of| of.user_id),
            login_names: vec![user.login_name.clone()],
            user_type: user.members.user_type,
            ..SaveUser::default()
        };
        let user_type = members.user_type.or(found.as_ref().map(|of| of.user_type));
        let is_for =
            |of: &NewCredential| of.credential_type.is_for(user_type.unwrap_or(UserType::Internal));
        if !user.members.credentials.iter().all(is_for) {
            return Err(InvalidField::new("Credentials", Reason::TypeNotForUser).into());
        }
        for credential in &user.members.credentials {
            if let NewSecret::Hash(text) = &credential.secret {
                self.accept_hash(&credential.field, text)?;
            }
            if let Some(password) = credential.password() {
                let caller = context.actor.caller();
                self.require_password(caller, user.login_name.as_str(), password).await?;
            }
        }
        let problems = self.problems_of_user(context, &members).await?;
        match problems.into_iter().next() {
            Some(problem) => Err(problem.into()),
            None if found.is_some() => Ok((Imported::Changed, members.user_id)),
            None => {
                self.require_free_id(user.user_id).await?;
                Ok((Imported::Added, user.user_id))
            }
        }
    }

    /// A hash that another system made, of the credential that was sent there.
    pub(in crate::service) fn accept_hash(
        &self,
        field: &str,
        text: &SecretString,
    ) -> Result<StoredHash, SaveCredentialError> {
        self.hashing.accept(text).map_err(|reason| {
            SaveCredentialError::UnacceptableHash(InvalidField::new(
                format!("{field}.Hash"),
                reason,
            ))
        })
    }

    async fn require_free_id(&self, user_id: Option<UserId>) -> Result<(), ChangeUserError> {
        let Some(user_id) = user_id else { return Ok(()) };
        let mut connection = self.connection().await?;
        if users::was_given(&mut connection, user_id).await? {
            return Err(InvalidField::new("id", Reason::Taken).into());
        }
        Ok(())
    }

    /// The next users after an id with what may be told about their credentials; an empty page is
    /// the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn export_users_after(
        &self,
        after: Option<UserId>,
    ) -> Result<Vec<UserWithCredentials>, StorageError> {
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        storage::begin_snapshot(&mut transaction).await?;
        page_after(&mut transaction, after).await
    }
}

/// Users and their credentials; within one moment, if the transaction sees just one.
async fn page_after(
    connection: &mut PgConnection,
    after: Option<UserId>,
) -> Result<Vec<UserWithCredentials>, StorageError> {
    let users = users::list_after(connection, after.map_or(0, UserId::as_i32), PAGE).await?;
    let user_ids: Vec<_> = users.iter().map(|user| user.user_id).collect();
    let mut of_users: HashMap<UserId, Vec<CredentialSummary>> = HashMap::new();
    for summary in credentials::list_by_users(connection, &user_ids).await? {
        of_users.entry(summary.user_id).or_default().push(summary);
    }
    let whole = users.into_iter().map(|user| {
        let credentials = of_users.remove(&user.user_id).unwrap_or_default();
        UserWithCredentials { user, credentials }
    });
    Ok(whole.collect())
}

/// What a credential is made of, for another installation: a hash, or the value that names somebody.
pub(crate) struct ExportedSecret {
    pub(crate) user_id: UserId,
    pub(crate) credential_type: String,
    /// `None`: the row does not open.
    pub(crate) secret: Option<OpenedSecret>,
}

/// A secret as it is imported again.
pub(crate) enum OpenedSecret {
    Hash(SecretString),
    Identifier(SecretString),
}

impl Service {
    /// The next users after an id with their credentials and what these are made of, as all of them
    /// were at one moment. For a whole export only.
    ///
    /// # Errors
    /// When the database does not answer, or the keyring lacks a key.
    pub(crate) async fn export_whole_after(
        &self,
        after: Option<UserId>,
    ) -> Result<(Vec<UserWithCredentials>, Vec<ExportedSecret>), VerifyCredentialError> {
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        storage::begin_snapshot(&mut transaction).await?;
        let page = page_after(&mut transaction, after).await?;
        let user_ids: Vec<_> = page.iter().map(|of| of.user.user_id).collect();
        let rows = credentials::list_stored(&mut transaction, &user_ids).await?;
        drop(transaction);
        let mut secrets = Vec::with_capacity(rows.len());
        for row in rows {
            let secret = self.open(&row)?.map(|envelope| match envelope.identifier {
                Some(identifier) => OpenedSecret::Identifier(identifier),
                None => OpenedSecret::Hash(envelope.phc),
            });
            let (user_id, credential_type) = (row.user_id, row.credential_type);
            secrets.push(ExportedSecret { user_id, credential_type, secret });
        }
        Ok((page, secrets))
    }
}

fn require_same_id(user: &ImportedUser, found: Option<&User>) -> Result<(), InvalidField> {
    let is_other = found.zip(user.user_id).is_some_and(|(found, id)| found.user_id != id);
    if is_other { Err(InvalidField::new("id", Reason::Contradiction)) } else { Ok(()) }
}
