//! Requests for mails with which a user sets a new password
//! (docs/reference/wire-contract.md#d34-password-reset-mail).

use std::sync::Arc;

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
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
        client_info::ClientInfo,
        principal::Actor,
        throttling::Subject,
        user::{LoginName, User, UserId, UserReference, UserType},
    },
    security::{
        attempt_digests::{address_digest, pseudo_subject},
        audit_chain::audit_mac,
    },
    service::{
        errors::ChangeUserError,
        user_transaction::{ChangeLocks, UserTransactions, next_event},
    },
    storage::{
        self, Database, StorageError,
        password_mails::{self, NewPasswordMail, RefusedMail},
        users::{self, UserHead},
    },
};

/// The time in which mails to one user, and to one address, are counted.
pub(super) const WINDOW: Duration = Duration::HOUR;

/// The maximum number of mails that clients of one network may ask for in [`WINDOW`] without
/// authentication: enough for the colleagues in an office.
const MAXIMUM_PER_NETWORK: i64 = 60;

/// A mail was not asked for by somebody who did not sign in. Nothing here depends on the user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForgottenError {
    #[error("clients of this network have asked for too many mails")]
    TooManyRequests,
    #[error(transparent)]
    Change(#[from] ChangeUserError),
}

impl From<StorageError> for ForgottenError {
    fn from(error: StorageError) -> Self {
        Self::Change(error.into())
    }
}

/// What became of a request.
enum Outcome {
    Queued,
    /// The user has had enough mails.
    EnoughForUser,
    /// Clients of the network have asked for enough mails.
    EnoughForNetwork,
}

/// A request for a mail.
struct Request<'request> {
    subject: Subject,
    /// The digest of the network of a client who did not authenticate.
    network: Option<&'request [u8]>,
    language: &'request str,
    maximum: u32,
}

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
        let subject = user_id.into();
        self.queue(context, &Request { subject, network: None, language, maximum }).await?;
        Ok(true)
    }

    /// Queues a mail to the user with a login name, for somebody who did not sign in. As for
    /// [`Self::request`], the answer does not depend on the user, and the same statements run.
    ///
    /// # Errors
    /// When clients of this network have asked for too many mails, or the database does not answer.
    pub(crate) async fn request_by_name(
        &self,
        client_info: &ClientInfo,
        name: &LoginName,
        language: &str,
    ) -> Result<(), ForgottenError> {
        let Some(maximum) = self.maximum else { return Ok(()) };
        let now = clock::now();
        let keyring = self.transactions.keyring.current();
        let network = client_info.network().map(|network| address_digest(&keyring, network));
        let pseudo = pseudo_subject(&keyring, name.canonical());
        let subject = {
            let mut connection = self.database.connection().await?;
            // Without a lock, so that clients above the limit do not wait for each other.
            if let Some(network) = &network
                && is_exhausted(&mut connection, network, now - WINDOW).await?
            {
                connection.release();
                self.metrics.record(MailEvent::Throttled);
                return Err(ForgottenError::TooManyRequests);
            }
            let found = users::find_subject(&mut connection, name.canonical(), pseudo).await?;
            connection.release();
            found
        };
        let context = ChangeContext { actor: Actor::Anonymous, client_info, reason: None, now };
        let request = Request { subject, network: network.as_deref(), language, maximum };
        match self.queue(context, &request).await? {
            Outcome::Queued | Outcome::EnoughForUser => Ok(()),
            Outcome::EnoughForNetwork => Err(ForgottenError::TooManyRequests),
        }
    }

    async fn queue(
        &self,
        context: ChangeContext<'_>,
        request: &Request<'_>,
    ) -> Result<Outcome, ChangeUserError> {
        let mut queued = self.try_to_queue(context, request).await;
        if matches!(&queued, Err(ChangeUserError::Storage(error)) if error.is_retryable()) {
            queued = self.try_to_queue(context, request).await;
        }
        let outcome = queued?;
        let is_queued = matches!(outcome, Outcome::Queued);
        self.metrics.record(if is_queued { MailEvent::Queued } else { MailEvent::Throttled });
        self.wake.notify_one();
        Ok(outcome)
    }

    async fn try_to_queue(
        &self,
        context: ChangeContext<'_>,
        request: &Request<'_>,
    ) -> Result<Outcome, ChangeUserError> {
        let subject = request.subject;
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        if let Some(network) = request.network {
            // Counted under a lock: requests at the same time do not exceed the limit together.
            password_mails::lock_digests(&mut transaction, &[network.to_vec()]).await?;
            if is_exhausted(&mut transaction, network, context.now - WINDOW).await? {
                storage::commit(transaction).await?;
                connection.release();
                return Ok(Outcome::EnoughForNetwork);
            }
            if refuse_beyond_limit(&mut transaction, context, request, network).await? {
                storage::commit(transaction).await?;
                connection.release();
                return Ok(Outcome::EnoughForUser);
            }
            password_mails::lock_subject(&mut transaction, subject).await?;
        }
        let transactions = &self.transactions;
        let ChangeLocks { head, is_actor_current } =
            transactions.lock_subject_for_change(&mut transaction, context, subject).await?;
        if !is_actor_current {
            return Err(ChangeUserError::ProofOutdated);
        }
        let chain = subject.user_id().filter(|_| head.is_some());
        let head = head.unwrap_or_else(head_of_nobody);
        let kind = AuditKind::PasswordMailRequested;
        // The event of a pseudo user is computed and not stored.
        let user_id = subject.user_id().unwrap_or(UserId::SMALLEST);
        let event = next_event(context, user_id, kind, &head, head.session_epoch);
        let keyring = transactions.keyring.current();
        let key = keyring.writing();
        let mail = NewPasswordMail {
            subject,
            network: request.network,
            mac: &audit_mac(key, &head.audit_mac, &event),
            event: &event,
            key_id: key.id(),
            language: request.language,
            since: event.occurred_at - WINDOW,
            limit: request.maximum.into(),
        };
        let is_queued = password_mails::queue(&mut transaction, &mail).await?;
        if let Some(user_id) = chain.filter(|_| is_queued) {
            transactions.note_event(user_id, kind);
        }
        storage::commit(transaction).await?;
        connection.release();
        Ok(if is_queued { Outcome::Queued } else { Outcome::EnoughForUser })
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

/// Stores a request for a user who has had enough mails; returns false if the user has not. Without the
/// lock of the user, so that any number of requests does not delay the changes of that user.
async fn refuse_beyond_limit(
    connection: &mut PgConnection,
    context: ChangeContext<'_>,
    request: &Request<'_>,
    network: &[u8],
) -> Result<bool, StorageError> {
    let Request { subject, language, maximum, .. } = *request;
    let since = context.now - WINDOW;
    let count = password_mails::count_of_subject(connection, subject, since).await?;
    if count < i64::from(maximum) {
        return Ok(false);
    }
    let refused = RefusedMail {
        subject,
        network,
        language,
        request_id: &context.client_info.request_id,
        requested_at: context.now,
    };
    password_mails::refuse(connection, &refused).await?;
    Ok(true)
}

/// True if clients of a network have asked for as many mails as they may.
async fn is_exhausted(
    connection: &mut PgConnection,
    network: &[u8],
    since: OffsetDateTime,
) -> Result<bool, StorageError> {
    let count = password_mails::count_of_network(connection, network, since).await?;
    Ok(count >= MAXIMUM_PER_NETWORK)
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
