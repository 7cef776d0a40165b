//! Recognizes a form that is sent twice, for example by a double click without scripts: the second
//! request finds the work of the first one, and gets the same answer.
//!
//! It counts only within a minute, and only for the actor who made the change, authenticated as
//! then. A later request, or that of somebody else, would learn whether a guess is the current
//! value. So would many requests within the minute: a secret that somebody typed is compared only
//! where guesses are limited.

use time::{Duration, OffsetDateTime};

use super::saving::Credentials;
use crate::{
    domain::{
        audit::AuditKind, change_cause::ChangeCause, change_context::ChangeContext,
        credential::CredentialValue, credential_type::CredentialType, user::UserId,
    },
    security::{hashing::HashingEngine, keyring_handle::KeyringHandle},
    service::{
        errors::{AttemptError, SaveCredentialError},
        unsealing::unseal_hash,
    },
    storage::{
        Database, StorageError,
        audit_events::{self, EventOfActor},
        credentials,
    },
};

/// The longest time between the two requests of a form.
pub(in crate::service) const REPEATED_WITHIN: Duration = Duration::minutes(1);

/// The event of that kind that the actor must have caused within the last minute; `None` for an actor
/// who is no user.
pub(in crate::service) fn event_of_actor(
    context: ChangeContext<'_>,
    user_id: UserId,
    sequence: i64,
    kind: AuditKind,
) -> Option<EventOfActor> {
    let since: OffsetDateTime = context.now - REPEATED_WITHIN;
    let (actor, scheme) = (context.actor.user_id()?, context.actor.scheme());
    Some(EventOfActor { user_id, sequence, kind, actor, scheme, since })
}

/// A value that a request would save.
#[derive(Clone, Copy)]
pub(in crate::service) struct SentValue<'value> {
    pub(in crate::service) user_id: UserId,
    pub(in crate::service) type_name: &'value str,
    pub(in crate::service) value: &'value CredentialValue,
}

/// True when the actor has just saved this value. The comparison is not counted as an attempt: the
/// caller must limit guesses.
///
/// # Errors
/// When the value cannot be compared.
pub(in crate::service) async fn has_just_saved(
    database: &Database,
    hashing: &HashingEngine,
    keyring: &KeyringHandle,
    context: ChangeContext<'_>,
    sent: SentValue<'_>,
) -> Result<bool, SaveCredentialError> {
    let SentValue { user_id, type_name, value } = sent;
    let mut connection = database.connection().await?;
    let row = credentials::find_by_type(&mut connection, user_id, type_name).await?;
    let Some(row) = row else { return Ok(false) };
    let saved = event_of_actor(context, user_id, row.version, AuditKind::CredentialSaved);
    let Some(saved) = saved else { return Ok(false) };
    let is_own = audit_events::exists(&mut connection, &saved).await?;
    connection.release();
    if !is_own {
        return Ok(false);
    }
    let hash = unseal_hash(&keyring.current(), &row)?;
    Ok(hashing.verify_hash(context.actor.fairness_key(), value, hash.as_ref()).await?)
}

impl Credentials {
    /// True when the actor has just saved this value as the user's credential of that type. Another
    /// secret counts as a failed attempt on the credential, from an address that is not known.
    ///
    /// # Errors
    /// When the value cannot be compared, or after too many failed attempts.
    pub(crate) async fn has_just_saved(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        credential_type: &CredentialType,
        value: &CredentialValue,
    ) -> Result<bool, SaveCredentialError> {
        let Self { database, hashing, keyring, throttling, .. } = self;
        let sent = SentValue { user_id, type_name: credential_type.as_str(), value };
        if credential_type.is_identifier() {
            return has_just_saved(database, hashing, keyring, context, sent).await;
        }
        let kind = AuditKind::CredentialSaved;
        if !self.has_just_changed(context, user_id, credential_type, kind, None).await? {
            return Ok(false);
        }
        let attempt = throttling.attempt(user_id.into(), value, context.client_info, context.now);
        // The right secret is no login of the user: only its own count is taken back.
        let pending = throttling.pending_attempt(&attempt);
        let types = [sent.type_name.to_owned()];
        let reserved = throttling.reserve_attempt(&pending, types.to_vec(), false).await?;
        if reserved.iter().any(|reserved| reserved.is_locked) {
            return Err(AttemptError::LOCKED.into());
        }
        let is_saved = has_just_saved(database, hashing, keyring, context, sent).await;
        if matches!(is_saved, Ok(false)) {
            tracing::warn!(
                user.id = %user_id,
                credential.type = sent.type_name,
                reason = "another value was saved just before",
                "a repeated form was not accepted"
            );
            throttling.confirm_failure(&pending, &attempt, &reserved).await?;
        } else {
            // An error says nothing about the secret.
            throttling.release_attempt(&pending, &types).await?;
        }
        is_saved
    }

    /// True when the last change of the user's credential of that type is of that kind, and the actor
    /// has just made it. With a cause, it must be that of the credential's mark.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn has_just_changed(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        credential_type: &CredentialType,
        kind: AuditKind,
        cause: Option<ChangeCause>,
    ) -> Result<bool, StorageError> {
        let mut connection = self.database.connection().await?;
        let type_name = credential_type.as_str();
        let row = credentials::find_by_type(&mut connection, user_id, type_name).await?;
        let row = row.filter(|row| cause.is_none() || row.change_required == cause);
        let event = row.and_then(|row| event_of_actor(context, user_id, row.version, kind));
        match event {
            Some(event) => audit_events::exists(&mut connection, &event).await,
            None => Ok(false),
        }
    }
}
