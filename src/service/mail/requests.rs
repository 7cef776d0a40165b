//! Requests for mails with which a user sets a new password
//! (docs/reference/wire-contract.md#d34-password-reset-mail).

use std::sync::Arc;

use time::Duration;
use tokio::sync::Notify;

use super::{
    metrics::{MailEvent, MailMetrics},
    recipients::{FindRecipientError, Recipients},
};
use crate::{
    clock,
    domain::{
        audit::AuditKind,
        change_context::ChangeContext,
        user::{User, UserId, UserReference, UserType},
    },
    security::audit_chain::audit_mac,
    service::{
        errors::ChangeUserError,
        user_transaction::{ChangeLocks, UserTransactions, lock_for_change, next_event},
    },
    storage::{
        self, Database,
        password_mails::{self, NewPasswordMail},
        users::UserHead,
    },
};

/// The time in which mails to one user, and to one address, are counted.
pub(super) const WINDOW: Duration = Duration::HOUR;

/// Queues mails.
pub(crate) struct PasswordMails {
    pub(crate) database: Database,
    pub(crate) transactions: Arc<UserTransactions>,
    pub(crate) recipients: Arc<Recipients>,
    pub(crate) metrics: Arc<MailMetrics>,
    /// Wakes the delivery of this instance.
    pub(crate) wake: Arc<Notify>,
    /// The maximum number of mails to one user in [`WINDOW`]. `None`: the installation sends no
    /// mails.
    pub(crate) maximum: Option<u32>,
}

impl PasswordMails {
    /// True if the installation sends mails.
    pub(crate) fn are_enabled(&self) -> bool {
        self.maximum.is_some()
    }

    /// Queues a mail to a user. Returns false if the installation sends no mails. The answer does not
    /// depend on whether the user exists, has an address, or has had enough mails, and the same
    /// statements run: the delivery finds the address later.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn request(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        language: &str,
    ) -> Result<bool, ChangeUserError> {
        if !context.actor.may_change_password_of(&UserReference::Id(user_id)) {
            return Err(ChangeUserError::Forbidden);
        }
        let Some(maximum) = self.maximum else { return Ok(false) };
        let mut queued = self.queue(context, user_id, language, maximum).await;
        if matches!(&queued, Err(ChangeUserError::Storage(error)) if error.is_retryable()) {
            queued = self.queue(context, user_id, language, maximum).await;
        }
        let is_queued = queued?;
        self.metrics.record(if is_queued { MailEvent::Queued } else { MailEvent::Throttled });
        self.wake.notify_one();
        Ok(true)
    }

    async fn queue(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        language: &str,
        maximum: u32,
    ) -> Result<bool, ChangeUserError> {
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        let ChangeLocks { head, is_actor_current } =
            lock_for_change(&mut transaction, context, user_id).await?;
        if !is_actor_current {
            return Err(ChangeUserError::ProofOutdated);
        }
        if head.is_some() {
            self.transactions.changed_chains.push(user_id);
        }
        let head = head.unwrap_or_else(head_of_nobody);
        let kind = AuditKind::PasswordMailRequested;
        let event = next_event(context, user_id, kind, &head, head.session_epoch);
        let keyring = self.transactions.keyring.current();
        let key = keyring.writing();
        let mail = NewPasswordMail {
            mac: &audit_mac(key, &head.audit_mac, &event),
            event: &event,
            key_id: key.id(),
            language,
            since: event.occurred_at - WINDOW,
            limit: maximum.into(),
        };
        let is_queued = password_mails::queue(&mut transaction, &mail).await?;
        storage::commit(transaction).await?;
        connection.release();
        Ok(is_queued)
    }

    /// True if a mail can let this user set a password.
    ///
    /// # Errors
    /// See [`FindRecipientError`].
    pub(in crate::service) async fn has_recipient(
        &self,
        user: &User,
    ) -> Result<bool, FindRecipientError> {
        if !self.are_enabled() {
            return Ok(false);
        }
        let mut connection = self.database.connection().await?;
        let found = self.recipients.find(&mut connection, user, clock::now()).await?;
        connection.release();
        Ok(found.is_some())
    }
}

/// In place of the head of a user who does not exist, so that the same work is done.
fn head_of_nobody() -> UserHead {
    UserHead {
        session_epoch: 0,
        login_name: String::new(),
        user_type: UserType::Internal,
        is_protected: false,
        audit_sequence: 0,
        audit_mac: vec![0; 32],
    }
}
