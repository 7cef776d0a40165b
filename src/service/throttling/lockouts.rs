//! Lists and resets the failed attempts of a user.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::{
    domain::{
        audit::AuditKind,
        change_context::ChangeContext,
        credential_type::CredentialType,
        principal::Actor,
        throttling::{AttemptLimits, AttemptSummary},
        user::UserId,
    },
    service::{
        errors::{ChangeUserError, ReadUserError},
        user_transaction::{AuditedChange, UserTransactions},
    },
    storage::{self, Database, attempt_changes, attempts, users},
};

/// The failed attempts on a user's credential of one type.
pub(crate) struct FailedAttempts {
    pub(crate) credential_type: String,
    /// The number of wrong secrets since the last success.
    pub(crate) failures: u32,
    /// `None` when the next attempt is not delayed.
    pub(crate) next_allowed_at: Option<OffsetDateTime>,
    /// True when attempts are refused until an administrator unlocks the credential.
    pub(crate) is_stopped: bool,
}

/// Lists and resets failed attempts.
pub(crate) struct Lockouts {
    pub(crate) database: Database,
    pub(crate) transactions: Arc<UserTransactions>,
    pub(crate) limits: AttemptLimits,
}

impl Lockouts {
    /// Unlocks a user's credential of one type, or all of their credentials, and resets the
    /// failures; false when there were none.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn unlock(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        credential_type: Option<&CredentialType>,
    ) -> Result<bool, ChangeUserError> {
        let coverage = context.actor.help_coverage().ok_or(ChangeUserError::HelpForbidden)?;
        let type_name = credential_type.map(CredentialType::as_str);
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut user = self.transactions.lock_user(&mut transaction, context, user_id).await?;
        user.require_covered(coverage)?;
        self.transactions.require_sensitive(context)?;
        if !attempt_changes::reset(&mut transaction, user_id, type_name).await? {
            return Ok(false);
        }
        let change = AuditedChange {
            kind: AuditKind::CredentialUnlocked,
            credential_type: type_name,
            revokes_issued: false,
        };
        self.transactions.append_audit_event(&mut transaction, context, &mut user, change).await?;
        storage::commit(transaction).await?;
        Ok(true)
    }

    /// The failed attempts on a user's credentials; `None` when there is no such user.
    ///
    /// # Errors
    /// See [`ReadUserError`].
    pub(crate) async fn list(
        &self,
        actor: Actor<'_>,
        user_id: UserId,
    ) -> Result<Option<Vec<FailedAttempts>>, ReadUserError> {
        if !actor.may_read_users() {
            return Err(ReadUserError::Forbidden);
        }
        let mut connection = self.database.connection().await?;
        if users::find_head(&mut connection, user_id).await?.is_none() {
            return Ok(None);
        }
        let listed = attempts::list(&mut connection, user_id.into()).await?;
        Ok(Some(listed.into_iter().filter_map(|summary| self.failed_attempts(summary)).collect()))
    }

    /// `None` when there is nothing to list: after a success, the count for delays remains, but has
    /// no effect below the limits.
    fn failed_attempts(&self, summary: AttemptSummary) -> Option<FailedAttempts> {
        let AttemptSummary { credential_type, count } = summary;
        let is_stopped = self.limits.stops(count);
        let counts = count.failures > 0 || count.next_allowed_at.is_some() || is_stopped;
        counts.then_some(FailedAttempts {
            credential_type,
            failures: count.failures,
            next_allowed_at: count.next_allowed_at,
            is_stopped,
        })
    }
}
