//! Throttles authentication attempts before anything is hashed
//! (docs/reference/wire-contract.md#d26-throttling-and-lockout). One statement counts and admits an
//! attempt, so that parallel attempts on any number of instances cannot exceed the limits.

use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use crate::{
    domain::{
        client_info::ClientInfo,
        credential::CredentialValue,
        throttling::{
            AddressFailureCount, AttemptLimits, FailureCount, MAXIMUM_CONSECUTIVE, Refused, Subject,
        },
        typed_login::TypedLogin,
    },
    security::{
        attempt_digests::{address_digest, pending_digest, secret_digest, typed_login_digest},
        keyring_handle::KeyringHandle,
    },
    service::{activity::metrics::ActivityMetrics, errors::AttemptError},
    storage::{
        Database, StorageError,
        attempts::{self, Attempt, PendingFailure, ReservedType},
    },
};

/// The minimum time between two records of a success from one known address.
const SUCCESS_INTERVAL: Duration = Duration::HOUR;

/// The delay to report when concurrent attempts used up the limit and have since finished.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

/// The counters of earlier attempts: on a subject, and from an address.
pub(in crate::service) struct AttemptCounters<'login> {
    /// Failures on the subject, by credential type.
    pub(in crate::service) failures: &'login [(String, FailureCount)],
    pub(in crate::service) address: AddressFailureCount,
}

impl AttemptCounters<'_> {
    fn failures_of(&self, credential_type: &str) -> Option<FailureCount> {
        let counted = self.failures.iter().find(|(name, _)| name == credential_type);
        counted.map(|(_, count)| *count)
    }

    /// True when the credential of that type is locked: even the right secret is refused.
    pub(in crate::service) fn is_locked(&self, credential_type: &str) -> bool {
        self.failures_of(credential_type).is_some_and(|count| count.is_locked())
    }
}

/// A credential type whose attempt was counted, so that its secret may be verified.
#[derive(Clone)]
pub(in crate::service) struct ReservedAttempt {
    pub(in crate::service) credential_type: String,
    /// True when the credential is locked: the attempt takes as long as any other and fails.
    pub(in crate::service) is_locked: bool,
    /// False from a known address: the attempt counts for lockout only.
    is_throttled: bool,
}

/// Counts and limits attempts.
pub(crate) struct Throttling {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) limits: AttemptLimits,
    pub(crate) metrics: Arc<ActivityMetrics>,
}

impl Throttling {
    /// The limit of failures per address; a login query counts no further.
    pub(in crate::service) fn maximum_per_address(&self) -> u32 {
        self.limits.maximum_per_address
    }

    /// An attempt to authenticate as `subject` with a secret.
    pub(in crate::service) fn attempt(
        &self,
        subject: Subject,
        value: &CredentialValue,
        client_info: &ClientInfo,
        at: OffsetDateTime,
    ) -> Attempt {
        Attempt {
            subject,
            address: self.address_digest(client_info),
            secret: secret_digest(&self.keyring.current(), subject, value),
            at,
        }
    }

    /// An attempt to authenticate as `subject` that another system decides. It is asked about what was
    /// typed, so each spelling is another attempt.
    pub(in crate::service) fn typed_attempt(
        &self,
        subject: Subject,
        typed: TypedLogin<'_>,
        client_info: &ClientInfo,
        at: OffsetDateTime,
    ) -> Attempt {
        Attempt {
            subject,
            address: self.address_digest(client_info),
            secret: typed_login_digest(&self.keyring.current(), subject, typed),
            at,
        }
    }

    /// The digest under which attempts from an address are counted; `None` for commands.
    pub(in crate::service) fn address_digest(&self, client_info: &ClientInfo) -> Option<Vec<u8>> {
        client_info.network().map(|network| address_digest(&self.keyring.current(), network))
    }

    /// The credential types that may be attempted, according to counters that were read earlier.
    ///
    /// # Errors
    /// When no type may be attempted.
    pub(in crate::service) fn allowed_types<'types>(
        &self,
        types: &'types [String],
        counters: &AttemptCounters<'_>,
        now: OffsetDateTime,
    ) -> Result<Vec<&'types String>, AttemptError> {
        if counters.address.is_privileged() {
            let unlocked: Vec<_> = types.iter().filter(|name| !counters.is_locked(name)).collect();
            return if unlocked.is_empty() { Err(AttemptError::LOCKED) } else { Ok(unlocked) };
        }
        if let Some(refused) = self.limits.refuses_address(&counters.address) {
            return Err(AttemptError::TooMany(refused));
        }
        let refused = |name: &String| {
            counters.failures_of(name).and_then(|count| self.limits.refuses(count, now))
        };
        let allowed: Vec<_> = types.iter().filter(|name| refused(name).is_none()).collect();
        match types.iter().filter_map(refused).min() {
            Some(refused) if allowed.is_empty() => Err(AttemptError::TooMany(refused)),
            _ => Ok(allowed),
        }
    }

    /// Counts an attempt for each of the types that may be attempted, and returns these types.
    ///
    /// # Errors
    /// When no type may be attempted.
    pub(in crate::service) async fn reserve_attempt(
        &self,
        attempt: &Attempt,
        types: Vec<String>,
        may_be_known_address: bool,
    ) -> Result<Vec<ReservedAttempt>, AttemptError> {
        let statements = self.database.statements();
        let mut connection = self.database.connection().await?;
        if may_be_known_address
            && run_step!(statements, connection, |connection| {
                statements.reserve_known_attempt(connection, attempt)
            })
        {
            let counted = run_step!(statements, connection, |connection| {
                statements.count_known_attempt(connection, attempt, &types)
            });
            connection.release();
            let mut reserved = self.reserved(attempt, counted, false);
            reserved.retain(|reserved| !reserved.is_locked);
            return if reserved.is_empty() { Err(AttemptError::LOCKED) } else { Ok(reserved) };
        }
        let counted = run_step!(statements, connection, |connection| {
            statements.reserve_attempt(connection, attempt, &types, &self.limits)
        });
        if counted.is_empty() {
            // Concurrent attempts used up the limit, so the counters that were read earlier are
            // outdated.
            let current = attempts::list(&mut connection, attempt.subject).await?;
            connection.release();
            let attempted =
                current.iter().filter(|summary| types.contains(&summary.credential_type));
            let refused = attempted
                .filter_map(|summary| self.limits.refuses(summary.count, attempt.at))
                .min();
            return Err(AttemptError::TooMany(refused.unwrap_or(Refused::Delayed(RETRY_AFTER))));
        }
        connection.release();
        Ok(self.reserved(attempt, counted, true))
    }

    /// The counted types; logs a warning for each that reaches a limit unless this attempt
    /// succeeds.
    fn reserved(
        &self,
        attempt: &Attempt,
        types: Vec<ReservedType>,
        is_throttled: bool,
    ) -> Vec<ReservedAttempt> {
        let reserved = types.into_iter().map(|reserved| {
            let ReservedType { credential_type, failures, throttle_failures } = reserved;
            let is_last = failures == MAXIMUM_CONSECUTIVE;
            // The owner's attempt from a known address is not counted, so it reaches no limit.
            let is_stopped = is_throttled && throttle_failures == self.limits.maximum_failures;
            if is_last || is_stopped {
                tracing::warn!(
                    user.id = attempt.subject.as_i32(),
                    credential.r#type = credential_type,
                    credential.is_locked = is_last,
                    "the maximum number of failed attempts is reached; unless this attempt \
                     succeeds, the credential is locked until an administrator unlocks it"
                );
            }
            let is_locked = failures > MAXIMUM_CONSECUTIVE;
            ReservedAttempt { credential_type, is_locked, is_throttled }
        });
        reserved.collect()
    }

    /// The attempt while another system is asked about its secret. It is reserved under a digest of its
    /// own: what it takes back is never the count of a failure.
    pub(in crate::service) fn pending_attempt(&self, attempt: &Attempt) -> Attempt {
        Attempt {
            subject: attempt.subject,
            address: attempt.address.clone(),
            secret: pending_digest(&self.keyring.current(), &attempt.secret),
            at: attempt.at,
        }
    }

    /// Counts a failure with the secret of `attempt`, in place of the reserved `pending` one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::service) async fn confirm_failure(
        &self,
        pending: &Attempt,
        attempt: &Attempt,
        reserved: &[ReservedAttempt],
    ) -> Result<(), StorageError> {
        let name = |reserved: &ReservedAttempt| reserved.credential_type.clone();
        let types: Vec<_> = reserved.iter().map(name).collect();
        let unlocked = reserved.iter().filter(|reserved| !reserved.is_locked);
        let unlocked: Vec<_> = unlocked.map(name).collect();
        // All were reserved in one way.
        let is_throttled = reserved.iter().any(|reserved| reserved.is_throttled);
        let failure =
            PendingFailure { pending, attempt, types: &types, unlocked: &unlocked, is_throttled };
        let statements = self.database.statements();
        step_on_connection!(self.database, |connection| statements.confirm_failure(
            connection,
            &failure,
            &self.limits
        ))
    }

    /// Takes back a reserved pending attempt on credentials of these types, because nobody could tell
    /// whether its secret is right.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::service) async fn release_attempt(
        &self,
        pending: &Attempt,
        types: &[String],
    ) -> Result<(), StorageError> {
        let statements = self.database.statements();
        step_on_connection!(self.database, |connection| statements.release_attempt(
            connection,
            pending,
            types,
            &self.limits
        ))
    }

    /// Records a successful login, unless nothing would change.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::service) async fn record_login(
        &self,
        attempt: &Attempt,
        credential_type: &str,
        counters: &AttemptCounters<'_>,
        was_reserved: bool,
    ) -> Result<(), StorageError> {
        let has_failures =
            counters.failures_of(credential_type).is_some_and(|count| count.failures > 0);
        let last_succeeded_at = counters.address.last_succeeded_at;
        let is_due = last_succeeded_at.is_none_or(|last| attempt.at - last > SUCCESS_INTERVAL);
        if was_reserved || has_failures || is_due {
            self.record_success(attempt, credential_type).await?;
        }
        Ok(())
    }

    /// Records that the secret of an attempt was correct: resets the failures of its type, and
    /// makes its address a known address.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::service) async fn record_success(
        &self,
        attempt: &Attempt,
        credential_type: &str,
    ) -> Result<(), StorageError> {
        let mut connection = self.database.connection().await?;
        let statements = self.database.statements();
        run_step!(statements, connection, |connection| {
            statements.record_success(connection, attempt, credential_type, &self.limits)
        });
        connection.release();
        Ok(())
    }
}
