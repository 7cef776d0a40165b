//! Who may try a secret at all, before any hash (protocol.md 10.26). One statement charges a try and
//! admits it, so that no instance and no crowd can try more than is allowed.

use time::Duration;

use crate::service::{
    Service,
    user_transaction::{AuditedChange, ChangeUserError},
    users::directory::ReadUserError,
};
use crate::{
    domain::{
        attempts::{
            AddressFailureCount, AttemptSummary, FailureCount, MAXIMUM_CONSECUTIVE, Refused,
            Subject,
        },
        audit::AuditKind,
        change_context::ChangeContext,
        client_info::ClientInfo,
        credential::CredentialValue,
        credential_type::CredentialType,
        principal::Actor,
        user::UserId,
    },
    security::attempt_digests::{address_digest, tried_digest},
    storage::{
        self, StorageError,
        attempts::{self, Attempt, ReservedType},
    },
};

/// How often a success from an address that is known is noted again.
const KNOWN_AGAIN: Duration = Duration::HOUR;

/// Why a secret is not tried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptError {
    /// Too much was tried in vain.
    #[error("too many attempts: {0:?}")]
    TooMany(Refused),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What is known before a try: of a subject, and of whoever tries.
pub(in crate::service) struct Standing<'login> {
    pub(in crate::service) tries: &'login [(String, FailureCount)],
    pub(in crate::service) caller: AddressFailureCount,
}

impl Standing<'_> {
    fn tries_of(&self, credential_type: &str) -> Option<FailureCount> {
        let of_type = self.tries.iter().find(|(name, _)| name == credential_type);
        of_type.map(|(_, tries)| *tries)
    }

    /// True when nothing lets in with a secret of that type, not even the right one.
    pub(in crate::service) fn is_locked(&self, credential_type: &str) -> bool {
        self.tries_of(credential_type).is_some_and(|tries| tries.are_locked())
    }
}

/// A type whose secret may be tried, and was charged for it.
pub(in crate::service) struct ReservedAttempt {
    pub(in crate::service) credential_type: String,
    /// True where it looks like a try and is none: there were too many in a row.
    pub(in crate::service) is_locked: bool,
}

impl Service {
    /// A try that is about to be made.
    pub(in crate::service) fn attempt(
        &self,
        subject: Subject,
        value: &CredentialValue,
        (client_info, at): (&ClientInfo, time::OffsetDateTime),
    ) -> Attempt {
        Attempt {
            subject,
            address: self.address_digest(client_info),
            secret: tried_digest(&self.keyring, subject, value),
            at,
        }
    }

    /// What an address is counted by; `None` for commands.
    pub(in crate::service) fn address_digest(&self, client_info: &ClientInfo) -> Option<Vec<u8>> {
        client_info.network().map(|network| address_digest(&self.keyring, network))
    }

    /// Those of the types that may be tried, as things stood when they were read.
    ///
    /// # Errors
    /// When it is none of them.
    pub(in crate::service) fn open_types<'types>(
        &self,
        types: &'types [String],
        actor_snapshot: &Standing<'_>,
        now: time::OffsetDateTime,
    ) -> Result<Vec<&'types String>, AttemptError> {
        if actor_snapshot.caller.is_privileged() {
            let unlocked: Vec<_> =
                types.iter().filter(|name| !actor_snapshot.is_locked(name)).collect();
            return if unlocked.is_empty() { Err(LOCKED) } else { Ok(unlocked) };
        }
        let limits = &self.rules.attempts;
        if let Some(refused) = limits.refuses_address(&actor_snapshot.caller) {
            return Err(AttemptError::TooMany(refused));
        }
        let refused = |name: &String| {
            actor_snapshot.tries_of(name).and_then(|tries| limits.refuses(tries, now))
        };
        let open: Vec<_> = types.iter().filter(|name| refused(name).is_none()).collect();
        match types.iter().filter_map(refused).min() {
            Some(refused) if open.is_empty() => Err(AttemptError::TooMany(refused)),
            _ => Ok(open),
        }
    }

    /// Charges a try to those of the types where one may be made, and tells which.
    ///
    /// # Errors
    /// When it is none of them.
    pub(in crate::service) async fn reserve_attempt(
        &self,
        attempt: &Attempt,
        types: Vec<String>,
        is_perhaps_known: bool,
    ) -> Result<Vec<ReservedAttempt>, AttemptError> {
        let mut connection = self.connection().await?;
        let limits = &self.rules.attempts;
        if is_perhaps_known && attempts::charge_known(&mut connection, attempt).await? {
            let counted = attempts::count_known(&mut connection, attempt, &types).await?;
            connection.release();
            let mut open = self.charged(attempt, counted);
            open.retain(|charged| !charged.is_locked);
            return if open.is_empty() { Err(LOCKED) } else { Ok(open) };
        }
        let charged = attempts::reserve_attempt(&mut connection, attempt, &types, limits).await?;
        if charged.is_empty() {
            // Others were faster; how long to wait now is not what was read before.
            let now = attempts::list(&mut connection, attempt.subject).await?;
            let of_types = now.iter().filter(|of| types.contains(&of.credential_type));
            let refused = of_types.filter_map(|of| limits.refuses(of.tries, attempt.at)).min();
            connection.release();
            return Err(AttemptError::TooMany(refused.unwrap_or(Refused::Delayed(AGAIN))));
        }
        connection.release();
        Ok(self.charged(attempt, charged))
    }

    /// What was charged, with a warning where the last try was spent.
    fn charged(&self, attempt: &Attempt, types: Vec<ReservedType>) -> Vec<ReservedAttempt> {
        let charged = types.into_iter().map(|of| {
            let ReservedType { credential_type, failures, throttle_failures } = of;
            let is_last = failures == MAXIMUM_CONSECUTIVE;
            if is_last || throttle_failures == self.rules.attempts.maximum_failures {
                tracing::warn!(
                    subject.id = attempt.subject.as_i32(),
                    credential.r#type = credential_type,
                    credential.is_locked = is_last,
                    "unless this try is right, nothing more is tried until it is unlocked"
                );
            }
            ReservedAttempt { credential_type, is_locked: failures > MAXIMUM_CONSECUTIVE }
        });
        charged.collect()
    }

    /// Notes that a secret was right, where there is anything to note.
    pub(in crate::service) async fn record_success(
        &self,
        attempt: &Attempt,
        credential_type: &str,
        (actor_snapshot, was_charged): (&Standing<'_>, bool),
    ) -> Result<(), StorageError> {
        let AddressFailureCount { last_succeeded_at, .. } = actor_snapshot.caller;
        let has_failures =
            actor_snapshot.tries_of(credential_type).is_some_and(|of| of.failures > 0);
        let is_due = last_succeeded_at.is_none_or(|last| attempt.at - last > KNOWN_AGAIN);
        if was_charged || has_failures || is_due {
            self.note_success(attempt, credential_type).await?;
        }
        Ok(())
    }

    /// Notes that a secret was right.
    pub(in crate::service) async fn note_success(
        &self,
        attempt: &Attempt,
        credential_type: &str,
    ) -> Result<(), StorageError> {
        let mut connection = self.connection().await?;
        let limits = &self.rules.attempts;
        attempts::record_success(&mut connection, attempt, credential_type, limits).await?;
        connection.release();
        Ok(())
    }

    /// Lets a user's secrets be tried again, of one type or of all; false when nothing was counted.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn unlock(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        credential_type: Option<&CredentialType>,
    ) -> Result<bool, ChangeUserError> {
        if !context.actor.may_act_on_anybody() {
            return Err(ChangeUserError::Forbidden);
        }
        let type_name = credential_type.map(CredentialType::as_str);
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut head = self.lock_user(&mut transaction, context, user_id).await?;
        if !attempts::forget(&mut transaction, user_id, type_name).await? {
            return Ok(false);
        }
        let change = AuditedChange {
            kind: AuditKind::CredentialUnlocked,
            credential_type: type_name,
            revokes_issued: false,
        };
        self.append_audit_event(&mut transaction, context, (user_id, &mut head), change).await?;
        storage::commit(transaction).await?;
        Ok(true)
    }

    /// What was tried in vain for a user, by type; `None`: no such user.
    ///
    /// # Errors
    /// See [`ReadUserError`].
    pub(crate) async fn list_attempts(
        &self,
        actor: Actor<'_>,
        user_id: UserId,
    ) -> Result<Option<Vec<AttemptSummary>>, ReadUserError> {
        if !actor.may_act_on_anybody() {
            return Err(ReadUserError::Forbidden);
        }
        let mut connection = self.connection().await?;
        if storage::users::find_head(&mut connection, user_id).await?.is_none() {
            return Ok(None);
        }
        let mut listed = attempts::list(&mut connection, user_id.into()).await?;
        // A success leaves the count behind delays; where it delays nobody, there is nothing to tell.
        listed.retain(|AttemptSummary { tries, .. }| {
            let is_throttled = tries.next_allowed_at.is_some() || self.rules.attempts.stops(*tries);
            tries.failures > 0 || is_throttled
        });
        Ok(Some(listed))
    }
}

/// What a known address is told: waiting does not help.
pub(in crate::service) const LOCKED: AttemptError = AttemptError::TooMany(Refused::Stopped);

/// How long to wait where others were faster and are done already.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(1);
