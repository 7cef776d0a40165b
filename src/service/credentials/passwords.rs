//! Sets and changes passwords, which are credentials of the type `CRM5/PASSWORD`.

use std::sync::Arc;

use secrecy::SecretString;
use uuid::Uuid;

use super::{
    password_checker::PasswordChecker,
    repeated::{SentValue, has_just_saved},
    saving::Credentials,
    writer::PasswordProof,
};
use crate::{
    domain::{
        Reason,
        audit::AuditKind,
        change_context::ChangeContext,
        client_info::FairnessKey,
        credential::CredentialValue,
        password_policy::PasswordPolicy,
        passwords::{ChangePassword, SetPassword},
        principal::{Actor, Principal},
        save_credential::{NewCredential, SaveCredential},
        stored_credential::StoredCredential,
        user::{LoginName, User, UserId, UserReference},
    },
    security::{
        generated_password::FormOfPassword,
        hashing::{HashingEngine, StoredHash, VerificationOutcome, VerificationRequest},
        keyring_handle::KeyringHandle,
    },
    service::{
        errors::{AttemptError, SaveCredentialError},
        mail::{links::PasswordLinks, recipients::FindRecipientError, requests::PasswordMails},
        throttling::throttle::Throttling,
        unsealing::unseal_hash,
        users::directory::UserDirectory,
    },
    storage::{Database, StorageError, credentials},
};

/// The ways in which a password can be changed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ChangeTypes {
    /// With the link of a mail.
    pub(crate) by_mail: bool,
    /// With the old password, or by an administrator.
    pub(crate) by_password: bool,
}

/// Sets, changes and checks passwords.
pub(crate) struct Passwords {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) hashing: Arc<HashingEngine>,
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) checker: Arc<PasswordChecker>,
    pub(crate) directory: Arc<UserDirectory>,
    pub(crate) throttling: Arc<Throttling>,
    pub(crate) mails: Arc<PasswordMails>,
    pub(crate) links: Arc<PasswordLinks>,
}

impl Passwords {
    /// Sets the password of a user, for administrators.
    ///
    /// # Errors
    /// See [`SaveCredentialError`].
    pub(crate) async fn set(
        &self,
        context: ChangeContext<'_>,
        command: SetPassword,
    ) -> Result<(), SaveCredentialError> {
        if !context.actor.may_administer_users() {
            return Err(SaveCredentialError::Forbidden);
        }
        self.credentials.transactions.require_sensitive(context)?;
        let user_id = self.resolve(&command.user).await?.user_id;
        self.save(context, &command.user, user_id, command.password, None).await
    }

    /// Sets a generated password and returns it; it cannot be read again. For administrators, and for
    /// the help desk on users without rights over others.
    ///
    /// # Errors
    /// See [`SaveCredentialError`].
    pub(crate) async fn set_generated(
        &self,
        context: ChangeContext<'_>,
        user: UserReference,
    ) -> Result<SecretString, SaveCredentialError> {
        let coverage = context.actor.help_coverage().ok_or(SaveCredentialError::Forbidden)?;
        self.credentials.transactions.require_sensitive(context)?;
        let found = self.resolve(&user).await?;
        if !coverage.includes(found.is_protected()) {
            return Err(SaveCredentialError::ProtectedUser);
        }
        let (text, password) = self.checker.generate(context.actor.fairness_key()).await?;
        self.save(context, &user, found.user_id, password, None).await?;
        Ok(text)
    }

    /// Replaces the password of that version with a generated one and returns it, as
    /// [`Self::set_generated`] does. Version 0 means that the user has no password. A form that is sent
    /// again within a minute saves nothing, and gets the same password.
    ///
    /// # Errors
    /// See [`SaveCredentialError`].
    pub(crate) async fn replace_with_generated(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        version: i64,
        form_id: Option<Uuid>,
    ) -> Result<SecretString, SaveCredentialError> {
        let coverage = context.actor.help_coverage().ok_or(SaveCredentialError::Forbidden)?;
        self.credentials.transactions.require_sensitive(context)?;
        let found = self.resolve(&UserReference::Id(user_id)).await?;
        if !coverage.includes(found.is_protected()) {
            return Err(SaveCredentialError::ProtectedUser);
        }
        let subject = format!("{user_id} {version}");
        let form = FormOfPassword { actor: context.actor.user_id(), subject: &subject, form_id };
        let (text, password) = self.checker.generate_for(context, &self.keyring, form).await?;
        let credential_type = self.credentials.types().password().clone();
        let credential = NewCredential::new(credential_type.clone(), password);
        let command = SaveCredential { user_id, credential, replaces: Some(version) };
        let saved = self.credentials.save_permitted(context, command, None, None).await;
        if let Err(SaveCredentialError::Outdated) = saved {
            let value = CredentialValue::parse("Password", &text);
            let value = value.map_err(|_| SaveCredentialError::Unwritable)?;
            let type_name = credential_type.as_str();
            let sent = SentValue { user_id, type_name, value: &value };
            // No attempt to count: the value is computed from the form, so it is no guess.
            let Self { database, hashing, keyring, .. } = self;
            if has_just_saved(database, hashing, keyring, context, sent).await? {
                return Ok(text);
            }
        }
        saved?;
        Ok(text)
    }

    /// True when the actor has just given themselves this password. The comparison counts as an
    /// attempt, as that of an old password does: otherwise it would tell the holder of the session
    /// whether guesses are the new password.
    ///
    /// # Errors
    /// See [`SaveCredentialError`].
    pub(crate) async fn has_just_changed_own(
        &self,
        context: ChangeContext<'_>,
        new: &CredentialValue,
    ) -> Result<bool, SaveCredentialError> {
        let Actor::Principal(principal) = context.actor else { return Ok(false) };
        let (credentials, user) = (&self.credentials, &principal.user);
        let (credential_type, kind) = (credentials.types().password(), AuditKind::CredentialSaved);
        let has_changed =
            credentials.has_just_changed(context, user.user_id, credential_type, kind, None);
        if !has_changed.await? {
            return Ok(false);
        }
        let verified = self.verify(context, user, new).await;
        self.record(&verified);
        Ok(verified?.is_some())
    }

    /// Changes a password after verifying the old one; false when the old one is wrong
    /// (docs/reference/wire-contract.md#d17-refused-passwords).
    ///
    /// # Errors
    /// See [`SaveCredentialError`].
    pub(crate) async fn change(
        &self,
        context: ChangeContext<'_>,
        command: ChangePassword,
    ) -> Result<bool, SaveCredentialError> {
        let ChangePassword { user, old, new } = command;
        let Some(old) = old else {
            self.set(context, SetPassword { user, password: new }).await?;
            return Ok(true);
        };
        if !context.actor.may_change_password_of(&user) {
            return Err(SaveCredentialError::Forbidden);
        }
        let reference = context.actor.normalize_reference(user);
        let user = self.resolve(&reference).await?;
        if context.actor.user_id() != Some(user.user_id) {
            self.credentials.transactions.require_sensitive(context)?;
        }
        let verified = self.verify(context, &user, &old).await;
        self.record(&verified);
        let Some(proof) = verified? else {
            return Ok(false);
        };
        self.save(context, &reference, user.user_id, new, Some(&proof)).await?;
        Ok(true)
    }

    /// A generated password, which is not saved.
    ///
    /// # Errors
    /// See [`SaveCredentialError`].
    pub(crate) async fn propose(
        &self,
        context: ChangeContext<'_>,
    ) -> Result<SecretString, SaveCredentialError> {
        Ok(self.checker.generate(context.actor.fairness_key()).await?.0)
    }

    /// Counts the outcome of the verification of the current password, unless it was right: that is
    /// no login.
    fn record(&self, verified: &Result<Option<PasswordProof>, SaveCredentialError>) {
        match verified {
            Ok(None) => self.throttling.metrics.record_failure(),
            Err(SaveCredentialError::Attempt(AttemptError::TooMany(_))) => {
                self.throttling.metrics.record_throttled();
            }
            Ok(Some(_)) | Err(_) => {}
        }
    }

    /// True when the caller may change the password of that user. A caller without this right does
    /// not learn whether the user exists.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn may_change(
        &self,
        principal: &Principal,
        user: UserReference,
    ) -> Result<bool, StorageError> {
        if !principal.may_change_password_of(&user) {
            return Ok(false);
        }
        Ok(self.directory.find(&principal.normalize_reference(user)).await?.is_some())
    }

    /// The ways in which the caller may change the password of that user. A caller without the right
    /// does not learn whether the user exists.
    ///
    /// # Errors
    /// See [`FindRecipientError`].
    pub(crate) async fn change_types(
        &self,
        principal: &Principal,
        user: UserReference,
    ) -> Result<ChangeTypes, FindRecipientError> {
        if !principal.may_change_password_of(&user) {
            return Ok(ChangeTypes::default());
        }
        let found = self.directory.find(&principal.normalize_reference(user)).await?;
        let Some(user) = found else { return Ok(ChangeTypes::default()) };
        Ok(ChangeTypes { by_mail: self.mails.has_recipient(&user).await?, by_password: true })
    }

    /// The policy for new passwords; `None` if there are no rules.
    pub(crate) fn policy(&self) -> Option<&PasswordPolicy> {
        self.checker.policy.as_ref()
    }

    /// Every reason why a user may not have this password. The user is the one with that id if the
    /// caller may read them, otherwise the caller, so that callers learn no login names of others.
    ///
    /// # Errors
    /// When the database does not answer, or the check does not finish in time.
    pub(crate) async fn problems(
        &self,
        principal: &Principal,
        user_id: Option<UserId>,
        value: &CredentialValue,
    ) -> Result<Vec<Reason>, SaveCredentialError> {
        let is_other = |id: &UserId| *id != principal.user_id();
        let is_readable = |id: &UserId| principal.may_read(&UserReference::Id(*id));
        let found = match user_id.filter(is_other).filter(is_readable) {
            Some(user_id) => self.directory.find_by_id(user_id).await?,
            None => None,
        };
        let user = found.as_ref().unwrap_or(&principal.user);
        let caller = FairnessKey::User(principal.user_id());
        Ok(self.checker.problems(caller, &user.login_name, value).await?)
    }

    async fn save(
        &self,
        context: ChangeContext<'_>,
        reference: &UserReference,
        user_id: UserId,
        value: CredentialValue,
        proof: Option<&PasswordProof>,
    ) -> Result<(), SaveCredentialError> {
        let credential_type = self.credentials.types().password().clone();
        let credential = NewCredential::new(credential_type, value);
        let command = SaveCredential { user_id, credential, replaces: None };
        self.credentials.save_permitted(context, command, reference.login_name(), proof).await
    }

    /// Verifies `value` against the user's stored password; `None` when it is wrong. Without a
    /// stored password, a decoy is verified.
    async fn verify(
        &self,
        context: ChangeContext<'_>,
        user: &User,
        value: &CredentialValue,
    ) -> Result<Option<PasswordProof>, SaveCredentialError> {
        let user_id = user.user_id;
        let type_name = self.credentials.types().password().as_str();
        let row = read_on_connection!(self.database, |connection| credentials::find_by_type(
            &mut connection,
            user_id,
            type_name
        ))?;
        let hash = row
            .as_ref()
            .map(|row| unseal_hash(&self.keyring.current(), row))
            .transpose()?
            .flatten();
        let attempt =
            self.throttling.attempt(user_id.into(), value, context.client_info, context.now);
        let types = vec![type_name.to_owned()];
        let reserved = self.throttling.reserve_attempt(&attempt, types, true).await?;
        if reserved.iter().any(|reserved| reserved.is_locked) {
            // The caller is already authenticated, so the lock need not be hidden.
            return Err(AttemptError::LOCKED.into());
        }
        let is_right = self.is_right(context, user, value, row.as_ref(), hash.as_ref()).await?;
        let is_valid_now = row.as_ref().is_some_and(|row| row.validity.contains(context.now));
        let Some(row) = row.filter(|_| is_right && is_valid_now) else {
            let reason =
                if is_valid_now { "wrong password" } else { "no password that is valid now" };
            tracing::warn!(user.id = %user_id, reason, "the current password was not accepted");
            return Ok(None);
        };
        self.throttling.record_success(&attempt, type_name).await?;
        Ok(Some(PasswordProof { credential_type: row.credential_type, version: row.version }))
    }

    /// True when `value` is the password in the row and the row is valid now.
    async fn is_right(
        &self,
        context: ChangeContext<'_>,
        user: &User,
        value: &CredentialValue,
        row: Option<&StoredCredential>,
        hash: Option<&StoredHash>,
    ) -> Result<bool, SaveCredentialError> {
        let canonical_name = LoginName::parse(&user.login_name)
            .map_err(|_| StorageError::Inconsistent { table: "users" })?;
        let is_valid = row.is_some_and(|row| row.validity.contains(context.now));
        let request = VerificationRequest {
            canonical_name: canonical_name.canonical(),
            credential_type: self.credentials.types().password().as_str(),
            value,
            row,
            hash,
            is_login_allowed: is_valid && hash.is_some(),
            question: None,
        };
        let outcome = self.hashing.verify(context.actor.fairness_key(), &request).await?;
        Ok(outcome != VerificationOutcome::Wrong)
    }

    async fn resolve(&self, user: &UserReference) -> Result<User, SaveCredentialError> {
        self.directory.find(user).await?.ok_or(SaveCredentialError::UnknownUser)
    }
}
