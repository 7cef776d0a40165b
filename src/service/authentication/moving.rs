//! Moves users from an old system at their first login (docs/how-to/move-users-at-login.md): asks it
//! whether name and password are right, and keeps the password from then on.
//!
//! A user moves who does not exist here, or exists and never had a credential, so a right that was
//! taken away here does not come back from there. The old system is asked about everybody without a
//! password here, and its answers about others are discarded, so that refusals do not tell them apart.

use std::sync::Arc;

use sqlx::PgConnection;

use super::{
    error::AuthenticationError,
    old_system_questions::OldSystemQuestions,
    password_target::{PresentedPassword, Target, may_move},
};
use crate::{
    domain::{
        audit::AuditKind,
        change_context::ChangeContext,
        credential_type::CredentialType,
        new_login_name::NewLoginName,
        new_user::NewUser,
        nick_name::NickName,
        principal::Actor,
        user::{DisplayName, User, UserId, UserType},
        validity::Validity,
        vendor_ids::VendorIds,
    },
    migration_hook::{AcceptedUser, MigrationHook},
    security::hashing::{HashingEngine, StoredHash},
    service::{
        credentials::hasher::HashedCredential,
        errors::ChangeUserError,
        operations::maintenance::Maintenance,
        user_transaction::{AuditedChange, UserTransactions},
        users::writer::UserWriter,
    },
    storage::{
        self, Database, StorageError,
        logins::{self, Login},
        users,
    },
};

/// Moves users at their first login.
pub(crate) struct Moving {
    pub(crate) database: Database,
    pub(crate) hook: Arc<MigrationHook>,
    pub(crate) questions: Arc<OldSystemQuestions>,
    pub(crate) hashing: Arc<HashingEngine>,
    /// The type of the credential that is kept.
    pub(crate) password_type: CredentialType,
    pub(crate) writer: Arc<UserWriter>,
    pub(crate) transactions: Arc<UserTransactions>,
    /// Nobody moves while the service is read-only.
    pub(crate) maintenance: Arc<Maintenance>,
}

/// What an answer of the old system may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerUse {
    /// The user moves when it accepts the password.
    Move,
    /// Whatever it answers, only a stored password logs the user in: another login of the same user
    /// may have moved them meanwhile.
    Discard,
}

impl Moving {
    /// What the answer about this login may do; `None` if the old system is not asked, because the
    /// user has a password here. All others cost the same statement.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn answer_use(
        &self,
        login: &Login,
        presented: PresentedPassword<'_>,
        targets: &[Target<'_>],
    ) -> Result<Option<AnswerUse>, StorageError> {
        let is_password = |target: &Target<'_>| self.is_password_type(target.credential_type);
        if !lacks_password(login) || !targets.iter().any(is_password) {
            return Ok(None);
        }
        let had_credentials = read_on_connection!(self.database, |connection| {
            logins::has_had_credentials(&mut connection, login.subject)
        })?;
        let may_move = match &login.candidate {
            Some(candidate) => may_move(&candidate.user) && !had_credentials,
            None => NewLoginName::try_from(presented.name.clone()).is_ok(),
        };
        Ok(Some(if may_move { AnswerUse::Move } else { AnswerUse::Discard }))
    }

    /// True for the type of the credential that is kept.
    pub(super) fn is_password_type(&self, type_name: &str) -> bool {
        self.password_type.as_str() == type_name
    }

    /// Keeps the password of a user whom the old system accepted, and adds a user who does not
    /// exist. If the same user moved or changed meanwhile, nothing is written: the next
    /// verification decides.
    ///
    /// # Errors
    /// When the password cannot be hashed or written.
    pub(super) async fn keep(
        &self,
        login: &Login,
        presented: PresentedPassword<'_>,
        accepted: AcceptedUser,
    ) -> Result<(), AuthenticationError> {
        let PresentedPassword { password, client_info, now, .. } = presented;
        let hash = self.hashing.hash(client_info.fairness_key(), password).await?;
        let hashed = HashedCredential {
            field: "Credential".to_owned(),
            credential_type: self.password_type.clone(),
            display_value: None,
            // The policy is for new passwords.
            hash: StoredHash::Own(hash),
            identifier: None,
            validity: Validity::default(),
            change_required: None,
        };
        let context = ChangeContext { actor: Actor::OldSystem, client_info, reason: None, now };
        let written = match &login.candidate {
            Some(candidate) => self.move_known(context, &candidate.user, &hashed).await,
            None => self.add(context, presented, accepted, &hashed).await,
        };
        match written {
            Ok(Some(user_id)) => {
                self.hook.record_move();
                let id = user_id.as_i32();
                tracing::info!(user.id = id, "a user moved from the old system");
                Ok(())
            }
            // Another login of the user was faster, or the user was deleted.
            Ok(None) | Err(ChangeUserError::LoginNameTaken | ChangeUserError::UnknownUser) => {
                Ok(())
            }
            Err(ChangeUserError::Storage(error)) => Err(error.into()),
            Err(error) => Err(AuthenticationError::Moving(Box::new(error))),
        }
    }

    /// Saves the password of an existing user; `None` if the user may no longer move.
    async fn move_known(
        &self,
        context: ChangeContext<'_>,
        user: &User,
        hashed: &HashedCredential,
    ) -> Result<Option<UserId>, ChangeUserError> {
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        // Concurrent logins of the user wait here.
        self.transactions.lock_user(&mut transaction, context, user.user_id).await?;
        let current = users::find_by_id(&mut transaction, user.user_id).await?;
        // The old system was asked about the name that the user had then.
        if !current
            .is_some_and(|current| may_move(&current) && current.login_name == user.login_name)
            || logins::has_had_credentials(&mut transaction, user.user_id.into()).await?
        {
            return Ok(None);
        }
        self.write(&mut transaction, context, user.user_id, hashed).await?;
        storage::commit(transaction).await?;
        connection.release();
        Ok(Some(user.user_id))
    }

    /// Adds a user with the password.
    async fn add(
        &self,
        context: ChangeContext<'_>,
        presented: PresentedPassword<'_>,
        accepted: AcceptedUser,
        hashed: &HashedCredential,
    ) -> Result<Option<UserId>, ChangeUserError> {
        let AcceptedUser { display_name, user_type } = accepted;
        let login_name = NewLoginName::try_from(presented.name.clone())?;
        let user = NewUser {
            user_id: None,
            display_name: display_name.unwrap_or_else(|| DisplayName::from(&login_name)),
            login_name,
            user_type: user_type.unwrap_or(UserType::Internal),
            is_administrator: false,
            role: None,
            is_retired: false,
            vendor_ids: VendorIds::default(),
            nick_name: NickName::default(),
        };
        let user_id = self.writer.next_user_id().await?;
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        self.writer.write_user(&mut transaction, context, user_id, &user).await?;
        self.write(&mut transaction, context, user_id, hashed).await?;
        storage::commit(transaction).await?;
        connection.release();
        Ok(Some(user_id))
    }

    /// Writes the password, after the event that says where it comes from.
    async fn write(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        user_id: UserId,
        hashed: &HashedCredential,
    ) -> Result<(), ChangeUserError> {
        let mut locked = self.transactions.lock_user(connection, context, user_id).await?;
        let moved = AuditedChange::to_user(AuditKind::UserMoved, false);
        self.transactions.append_audit_event(connection, context, &mut locked, moved).await?;
        let hashed = std::slice::from_ref(hashed);
        self.writer.write_credentials(connection, context, user_id, hashed).await
    }
}

/// True for a login that the old system decides, if there is one: of a user without a password here, or
/// of nobody here.
pub(super) fn lacks_password(login: &Login) -> bool {
    login.candidate.as_ref().is_none_or(|candidate| candidate.credentials.is_empty())
}

/// The name that the old system is asked about: of a user here, always the one that they have here.
/// Several names that a user may type belong to one user here, but to several there.
pub(super) fn asked_name<'login>(
    login: &'login Login,
    presented: PresentedPassword<'login>,
) -> &'login str {
    let user = login.candidate.as_ref().map(|candidate| candidate.user.login_name.as_str());
    user.unwrap_or_else(|| presented.name.as_str())
}
