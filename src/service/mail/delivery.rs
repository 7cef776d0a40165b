//! Delivers queued mails in the background.
//!
//! A mail is delivered at least once. It is claimed, its link is stored, and only then is it sent,
//! without a connection to the database. After a crash in between, the next delivery sends the mail
//! again, with a link of its own; each link that arrives works until one of them is used.

use std::{sync::Arc, time::Duration, time::SystemTime};

use secrecy::ExposeSecret;
use time::OffsetDateTime;
use tokio::sync::Notify;

use super::{
    links::{LINK, LinkOptions},
    metrics::{MailEvent, MailMetrics},
    recipients::{FindRecipientError, Recipients},
    requests::WINDOW,
    texts::{MailTextArguments, WriteMailTexts},
};
use crate::{
    clock,
    domain::{
        audit::AuditKind, change_context::ChangeContext, client_info::ClientInfo,
        mail_address::MailAddress, principal::Actor, user::User,
    },
    mail::{MailClient, MailError, OutgoingMail},
    security::{
        keyring_handle::KeyringHandle, random::RandomError, session_cookie::new_session,
        ticket_digest::TicketDigests,
    },
    service::{
        errors::ChangeUserError,
        operations::maintenance::Maintenance,
        user_transaction::{AuditedChange, UserTransactions},
    },
    storage::{
        self, Database, StorageError, password_links,
        password_links::PasswordLink,
        password_mails::{self, MailOutcome, WaitingMail},
        users,
    },
};

/// The time between two looks at the queue. Requests to this instance are delivered at once.
const PERIOD: Duration = Duration::from_secs(5);

/// The time from a failed delivery to the next one, in seconds.
const DELAYS: [i64; 7] = [10, 30, 60, 120, 300, 600, 600];

/// The age after which a mail is given up. The queue may have waited for an outage, and the user no
/// longer waits for the mail.
const MAXIMUM_AGE: time::Duration = time::Duration::minutes(30);

/// The longest pause after failures of the server.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The time beyond the time limit of a delivery after which another instance takes over.
const GRACE: Duration = Duration::from_secs(30);

/// A delivery failed.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    /// Also after instances died in each delivery.
    #[error("the request is older than half an hour, or had too many deliveries; ask again")]
    Overdue,
    #[error(transparent)]
    Mail(#[from] MailError),
    #[error(transparent)]
    Recipient(#[from] FindRecipientError),
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Change(#[from] ChangeUserError),
}

/// What one look at the queue did.
#[derive(PartialEq, Eq)]
enum Progress {
    /// No mail was due.
    Nothing,
    /// A mail was handled.
    Handled,
    /// The server failed, so others would fail, too.
    ServerFailed,
}

/// Delivers mails.
pub(crate) struct MailDelivery {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) transactions: Arc<UserTransactions>,
    pub(crate) recipients: Arc<Recipients>,
    pub(crate) client: MailClient,
    pub(crate) write_texts: WriteMailTexts,
    pub(crate) links: LinkOptions,
    /// The maximum number of mails to one address in [`WINDOW`].
    pub(crate) maximum: u32,
    pub(crate) metrics: Arc<MailMetrics>,
    pub(crate) wake: Arc<Notify>,
}

impl MailDelivery {
    /// Delivers mails as they become due, and none while changes are refused; never returns.
    pub(crate) async fn run(&self, maintenance: &Arc<Maintenance>) {
        let mut failures = 0;
        loop {
            let change = loop {
                match tokio::time::timeout(PERIOD, maintenance.writable()).await {
                    Ok(change) => break change,
                    // Mails grow old meanwhile, too.
                    Err(_) => self.metrics.measure(&self.database).await,
                }
            };
            let delivered = change.include(self.deliver_next()).await;
            let progress = delivered.unwrap_or_else(|error| {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot read or write the queue of mails; retrying later"
                );
                Progress::Nothing
            });
            drop(change);
            match progress {
                Progress::Handled => failures = 0,
                Progress::ServerFailed => {
                    failures += 1;
                    self.metrics.measure(&self.database).await;
                    tokio::time::sleep(pause_after(failures)).await;
                }
                Progress::Nothing => {
                    self.client.close_idle().await;
                    self.metrics.measure(&self.database).await;
                    // It ends early when this instance queues a mail.
                    let _ = tokio::time::timeout(PERIOD, self.wake.notified()).await;
                }
            }
        }
    }

    /// Delivers the mail that is due first.
    async fn deliver_next(&self) -> Result<Progress, DeliveryError> {
        let now = clock::now();
        let until = now + self.client.timeout() + GRACE;
        let claimed = {
            let mut connection = self.database.connection().await?;
            let statements = self.database.statements();
            let claimed = statements.claim_mail(&mut connection, now, until).await?;
            connection.release();
            claimed
        };
        let Some(mail) = claimed else { return Ok(Progress::Nothing) };
        if is_overdue(&mail, now) {
            log_failed(&mail, &DeliveryError::Overdue);
            self.finish(&mail, MailOutcome::Failed).await?;
            return Ok(Progress::Handled);
        }
        match self.deliver(&mail).await {
            Ok(outcome) => {
                self.finish(&mail, outcome).await?;
                Ok(Progress::Handled)
            }
            Err(error) => self.fail(&mail, &error).await,
        }
    }

    /// Finds the recipient, stores a link and sends it, or logs why it is not sent.
    async fn deliver(&self, mail: &WaitingMail) -> Result<MailOutcome, DeliveryError> {
        let now = clock::now();
        let mut connection = self.database.connection().await?;
        let user = users::find_by_id(&mut connection, mail.user_id).await?;
        let Some(user) = user else {
            log_dropped(mail, "the user does not exist");
            return Ok(MailOutcome::Dropped);
        };
        if user.session_epoch != mail.session_epoch {
            log_dropped(mail, "the password was changed after the request");
            return Ok(MailOutcome::Dropped);
        }
        let recipient = self.recipients.find(&mut connection, &user, now).await?;
        let Some(recipient) = recipient else {
            log_dropped(mail, "the user has no address, or may not set a password");
            return Ok(MailOutcome::Dropped);
        };
        connection.release();
        let link = new_session(mail.user_id)?;
        if !self.store_link(mail, &recipient, &link.digest).await? {
            log_dropped(mail, "the address has had enough mails");
            return Ok(MailOutcome::Throttled);
        }
        let url = zeroize::Zeroizing::new(format!(
            "{}?token={}",
            self.links.page_url,
            link.text.expose_secret()
        ));
        let written = self.write(mail, &user, &recipient, &url);
        self.client.send(&written).await?;
        Ok(MailOutcome::Sent)
    }

    /// Counts a mail to an address and stores its link; false when the address has had enough mails.
    async fn store_link(
        &self,
        mail: &WaitingMail,
        recipient: &MailAddress,
        digest: &[u8],
    ) -> Result<bool, StorageError> {
        let digests = self.recipients.digests(recipient);
        let since = mail.requested_at - WINDOW;
        let limit = self.maximum.into();
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        password_mails::lock_digests(&mut transaction, &digests).await?;
        if !password_mails::set_address(&mut transaction, mail, &digests, since, limit).await? {
            return Ok(false);
        }
        let now = clock::now();
        let keyring = self.keyring.current();
        let stored = PasswordLink {
            user_id: mail.user_id,
            digest: TicketDigests::of(&keyring, LINK, mail.user_id, digest).writing,
            address_digest: digests.into_iter().next().unwrap_or_default(),
            session_epoch: mail.session_epoch,
            created_at: now,
            expires_at: now + self.links.lifetime,
        };
        password_links::insert(&mut transaction, &stored).await?;
        storage::commit(transaction).await?;
        connection.release();
        Ok(true)
    }

    fn write<'mail>(
        &self,
        mail: &WaitingMail,
        user: &User,
        recipient: &'mail MailAddress,
        url: &str,
    ) -> OutgoingMail<'mail> {
        let texts = (self.write_texts)(&MailTextArguments {
            language: &mail.language,
            login_name: &user.login_name,
            url,
            minutes: self.links.lifetime.as_secs() / 60,
        });
        OutgoingMail {
            recipient,
            subject: texts.subject,
            body: texts.body.into(),
            id: format!("password.{}.{}", mail.mail_id, mail.requested_at.unix_timestamp()),
            date: SystemTime::from(clock::now()),
        }
    }

    /// Repeats a failed delivery later, or gives up.
    async fn fail(
        &self,
        mail: &WaitingMail,
        error: &DeliveryError,
    ) -> Result<Progress, DeliveryError> {
        let Some(delay) = delay_after(mail, error) else {
            log_failed(mail, error);
            self.finish(mail, MailOutcome::Failed).await?;
            return Ok(progress_after(error));
        };
        tracing::warn!(
            user.id = %mail.user_id,
            request.id = mail.request_id,
            attempts = mail.attempts,
            retry_after_seconds = delay,
            error = error as &dyn std::error::Error,
            "a mail for a new password was not sent; retrying later"
        );
        self.metrics.record(MailEvent::Retried);
        let until = clock::now() + time::Duration::seconds(delay);
        let mut connection = self.database.connection().await?;
        password_mails::postpone(&mut connection, mail, until).await?;
        connection.release();
        Ok(progress_after(error))
    }

    /// Ends the delivery, with an audit event if the user exists.
    async fn finish(&self, mail: &WaitingMail, outcome: MailOutcome) -> Result<(), DeliveryError> {
        let (event, kind) = match outcome {
            MailOutcome::Sent => (MailEvent::Sent, AuditKind::PasswordMailSent),
            MailOutcome::Failed => (MailEvent::Failed, AuditKind::PasswordMailFailed),
            MailOutcome::Dropped => (MailEvent::Dropped, AuditKind::PasswordMailFailed),
            MailOutcome::Throttled => (MailEvent::Throttled, AuditKind::PasswordMailFailed),
        };
        let client_info =
            ClientInfo { address: None, request_id: mail.request_id.clone(), device: None };
        let now = clock::now();
        let context =
            ChangeContext { actor: Actor::Service, client_info: &client_info, reason: None, now };
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        let transactions = &self.transactions;
        let user = match transactions.lock_user(&mut transaction, context, mail.user_id).await {
            Ok(user) => Some(user),
            Err(ChangeUserError::UnknownUser) => None,
            Err(error) => return Err(error.into()),
        };
        let is_finished = password_mails::finish(&mut transaction, mail, outcome, now).await?;
        if let Some(mut user) = user.filter(|_| is_finished) {
            let change = AuditedChange::to_user(kind, false);
            transactions.append_audit_event(&mut transaction, context, &mut user, change).await?;
        }
        storage::commit(transaction).await?;
        connection.release();
        self.metrics.record(event);
        Ok(())
    }
}

/// True for a mail that is no longer delivered. The count includes the delivery that would begin.
fn is_overdue(mail: &WaitingMail, now: OffsetDateTime) -> bool {
    let attempts = usize::try_from(mail.attempts).unwrap_or(usize::MAX);
    now - mail.requested_at > MAXIMUM_AGE || attempts > DELAYS.len() + 1
}

/// The time to the next delivery, in seconds; `None` when there is none. A server that has the mail
/// and does not say so gets it once more at most, because it may have delivered it.
fn delay_after(mail: &WaitingMail, error: &DeliveryError) -> Option<i64> {
    let attempts = usize::try_from(mail.attempts).unwrap_or(usize::MAX);
    let is_last = if let DeliveryError::Mail(MailError::OutcomeUnknown) = error {
        attempts > 1
    } else if let DeliveryError::Mail(error) = error {
        error.is_permanent()
    } else {
        false
    };
    DELAYS.get(attempts.saturating_sub(1)).copied().filter(|_| !is_last)
}

/// What an error says about the other mails.
fn progress_after(error: &DeliveryError) -> Progress {
    // A missing key is that of one address: those of other users may be sealed under other keys.
    if let DeliveryError::Mail(MailError::Refused { .. } | MailError::Unsendable)
    | DeliveryError::Recipient(FindRecipientError::KeyUnavailable(_)) = error
    {
        Progress::Handled
    } else {
        Progress::ServerFailed
    }
}

fn log_failed(mail: &WaitingMail, error: &DeliveryError) {
    tracing::error!(
        user.id = %mail.user_id,
        request.id = mail.request_id,
        attempts = mail.attempts,
        error = error as &dyn std::error::Error,
        "a mail for a new password was not sent; the service does not try again"
    );
}

fn log_dropped(mail: &WaitingMail, reason: &'static str) {
    tracing::info!(
        user.id = %mail.user_id,
        request.id = mail.request_id,
        reason,
        "a mail for a new password was not sent"
    );
}

/// The pause after this many failures of the server in a row.
fn pause_after(failures: u32) -> Duration {
    let seconds = 2_u64.saturating_pow(failures.saturating_sub(1));
    Duration::from_secs(seconds).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_minute() {
        let seconds: Vec<_> = (1..=8).map(|failures| pause_after(failures).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn a_mail_is_given_up_before_half_an_hour() {
        assert!(DELAYS.iter().sum::<i64>() < 30 * 60);
        assert!(DELAYS.is_sorted());
    }
}
