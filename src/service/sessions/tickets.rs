//! Issues, lists and revokes tickets and sessions.

use std::sync::Arc;

use secrecy::SecretString;
use sqlx::PgConnection;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use super::errors::TicketError;
use crate::{
    domain::{
        audit::AuditKind,
        change_context::ChangeContext,
        principal::{Actor, Proof},
        rights::Coverage,
        user::{User, UserId, UserReference},
    },
    security::so_ticket::{new_ticket, read_ticket},
    service::{
        authentication::issued::IssuedTickets,
        errors::{ChangeUserError, ReadUserError},
        user_transaction::{AuditedChange, LockedUser, UserTransactions},
    },
    storage::{
        self, Database, StorageError,
        tickets::{self, NewTicketRow, Ticket, TicketClient},
        users,
    },
};

// Re-exported for `http`, which does not depend on `storage`.
pub(crate) use crate::storage::tickets::{TicketKind, TicketSummary};

/// A new ticket. Its text cannot be read again.
pub(crate) struct IssuedTicket {
    pub(crate) text: SecretString,
    pub(crate) expires_at: OffsetDateTime,
}

/// A ticket or session to store.
pub(super) struct NewTicket<'digest> {
    pub(super) kind: TicketKind,
    pub(super) digest: &'digest [u8],
    /// The time of the authentication that it is based on.
    pub(super) auth_time: OffsetDateTime,
}

/// Issues, lists and revokes tickets and sessions.
pub(crate) struct Tickets {
    pub(crate) database: Database,
    /// The same, with the connections that are reserved for logins, for which tickets are issued.
    pub(crate) logins: Database,
    pub(crate) transactions: Arc<UserTransactions>,
    pub(crate) issued: Arc<IssuedTickets>,
    /// The maximum number of live tickets, and of live sessions, per user; a new one ends the
    /// oldest.
    pub(crate) maximum_per_user: u32,
}

impl Tickets {
    /// Issues a ticket to the caller, whose request authenticated with a password.
    ///
    /// # Errors
    /// See [`TicketError`].
    pub(crate) async fn issue(
        &self,
        context: ChangeContext<'_>,
    ) -> Result<IssuedTicket, TicketError> {
        match context.actor {
            Actor::Principal(caller) if matches!(caller.proof, Proof::Password { .. }) => {
                self.issue_since(context, &caller.user, caller.auth_time).await
            }
            Actor::Principal(_)
            | Actor::Command
            | Actor::OldSystem
            | Actor::PasswordLink(_)
            | Actor::Service
            | Actor::Anonymous => Err(TicketError::Forbidden),
        }
    }

    /// Issues a ticket to a user. For operators.
    ///
    /// # Errors
    /// See [`TicketError`].
    pub(crate) async fn issue_for(
        &self,
        context: ChangeContext<'_>,
        user: &User,
    ) -> Result<IssuedTicket, TicketError> {
        if user.is_retired {
            return Err(TicketError::Retired);
        }
        self.issue_since(context, user, context.now).await
    }

    async fn issue_since(
        &self,
        context: ChangeContext<'_>,
        user: &User,
        auth_time: OffsetDateTime,
    ) -> Result<IssuedTicket, TicketError> {
        let issued = new_ticket(user.user_id)?;
        let new = NewTicket { kind: TicketKind::Ticket, digest: &issued.digest, auth_time };
        let expires_at = self.store(context, user, new).await?;
        Ok(IssuedTicket { text: issued.text, expires_at })
    }

    /// Stores a ticket or session with its audit event, and returns its expiry.
    ///
    /// # Errors
    /// See [`TicketError`].
    pub(super) async fn store(
        &self,
        context: ChangeContext<'_>,
        user: &User,
        new: NewTicket<'_>,
    ) -> Result<OffsetDateTime, TicketError> {
        let NewTicket { kind, digest, auth_time } = new;
        let (user_id, session_epoch) = (user.user_id, user.session_epoch);
        let expires_at = self.issued.expiry(kind, auth_time, context.now);
        let digest = self.issued.reference(kind, user_id, digest).digests.writing;
        let created_at = context.now;
        let ticket =
            Ticket { digest, session_epoch, auth_time, expires_at, last_used_at: created_at };
        let mut connection = self.logins.connection_of(context.actor.fairness_key()).await?;
        let mut transaction = connection.begin().await?;
        let head = users::lock(&mut transaction, user_id).await?;
        let head = head.ok_or(TicketError::UnknownUser)?;
        // A ticket of an earlier epoch would already be revoked.
        if head.session_epoch != session_epoch {
            return Err(TicketError::ProofOutdated);
        }
        let mut locked = LockedUser { user_id, head };
        let client = TicketClient {
            address: context.client_info.address.map(|address| address.to_string()),
            device: context.client_info.device.clone(),
        };
        let row = NewTicketRow { kind, user_id, ticket: &ticket, created_at, client };
        let maximum = i64::from(self.maximum_per_user);
        let statements = self.database.statements();
        let ended = statements.insert_ticket(&mut transaction, &row, maximum).await?;
        let events = std::iter::once(start_of(kind)).chain((0..ended).map(|_| end_of(kind)));
        for change in events {
            let appended = self.transactions.append_audit_event(
                &mut transaction,
                context,
                &mut locked,
                change,
            );
            appended.await?;
        }
        storage::commit(transaction).await?;
        Ok(expires_at)
    }

    /// Ends the ticket that authenticated this request.
    ///
    /// # Errors
    /// [`TicketError::NoTicket`], or when the database does not answer.
    pub(crate) async fn end_current(&self, context: ChangeContext<'_>) -> Result<(), TicketError> {
        let Actor::Principal(caller) = context.actor else { return Err(TicketError::NoTicket) };
        let Proof::Ticket { digest } = &caller.proof else { return Err(TicketError::NoTicket) };
        let reference = self.issued.reference(TicketKind::Ticket, caller.user_id(), digest);
        self.revoke(context, reference.user_id, &reference.digests.readable).await?;
        Ok(())
    }

    /// Ends the ticket with that text; false when it does not exist. For operators.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn end(
        &self,
        context: ChangeContext<'_>,
        text: &SecretString,
    ) -> Result<bool, ChangeUserError> {
        let Some(read) = read_ticket(text) else {
            return Ok(false);
        };
        let reference = self.issued.reference(TicketKind::Ticket, read.user_id, &read.digest);
        self.revoke(context, reference.user_id, &reference.digests.readable).await
    }

    /// Ends a ticket or session of a user by its digest; false when it does not exist.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn end_of_user(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        digest: Vec<u8>,
    ) -> Result<bool, ChangeUserError> {
        let coverage = session_end_coverage(context, user_id)?;
        self.revoke_covered(context, user_id, &[digest], coverage).await
    }

    /// Ends every ticket, session and token of a user except the one that authenticated this
    /// request, and returns the number of tickets and sessions. The new epoch revokes them;
    /// deleting the rows is housekeeping (docs/reference/wire-contract.md#d16-session-epoch).
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn end_all(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
    ) -> Result<u64, ChangeUserError> {
        Ok(self.end_all_shown(context, user_id, None).await?.unwrap_or_default())
    }

    /// As [`Self::end_all`], for a page that showed the user at this epoch. `None` when a later epoch
    /// has already revoked everything that the page showed, and no ticket or session is newer: a form
    /// that is sent twice changes nothing the second time.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn end_all_shown(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        shown_epoch: Option<i64>,
    ) -> Result<Option<u64>, ChangeUserError> {
        let coverage = session_end_coverage(context, user_id)?;
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut user = self.transactions.lock_user(&mut transaction, context, user_id).await?;
        user.require_covered(coverage)?;
        let is_revoked = shown_epoch.is_some_and(|shown| shown != user.head.session_epoch);
        if is_revoked && !self.has_others(&mut transaction, context, user_id).await? {
            return Ok(None);
        }
        let change = AuditedChange::to_user(AuditKind::SessionsEnded, true);
        self.transactions.append_audit_event(&mut transaction, context, &mut user, change).await?;
        let session_epoch = user.head.session_epoch;
        let ended = tickets::delete_earlier(&mut transaction, user_id, session_epoch).await?;
        storage::commit(transaction).await?;
        Ok(Some(ended))
    }

    /// Ends the user's ticket or session that is stored under one of these digests, with its audit
    /// event; false when it does not exist.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(super) async fn revoke(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        digests: &[Vec<u8>],
    ) -> Result<bool, ChangeUserError> {
        self.revoke_covered(context, user_id, digests, Coverage::All).await
    }

    /// As [`Self::revoke`], if the coverage of the right includes the user.
    async fn revoke_covered(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        digests: &[Vec<u8>],
        coverage: Coverage,
    ) -> Result<bool, ChangeUserError> {
        let mut connection = self.database.connection_of(context.actor.fairness_key()).await?;
        let mut transaction = connection.begin().await?;
        let transactions = &self.transactions;
        let mut user = match transactions.lock_user(&mut transaction, context, user_id).await {
            Err(ChangeUserError::UnknownUser) => return Ok(false),
            locked => locked?,
        };
        user.require_covered(coverage)?;
        let session_epoch = user.head.session_epoch;
        let now = context.now;
        let ended =
            tickets::delete_live(&mut transaction, user_id, digests, session_epoch, now).await?;
        let Some(kind) = ended else { return Ok(false) };
        let change = end_of(kind);
        transactions.append_audit_event(&mut transaction, context, &mut user, change).await?;
        storage::commit(transaction).await?;
        Ok(true)
    }

    /// The user's live tickets and sessions, newest first; `None` when there is no such user.
    ///
    /// # Errors
    /// See [`ReadUserError`].
    pub(crate) async fn list(
        &self,
        actor: Actor<'_>,
        user_id: UserId,
        now: OffsetDateTime,
    ) -> Result<Option<Vec<TicketSummary>>, ReadUserError> {
        let coverage = actor.session_list_coverage(&UserReference::Id(user_id));
        let coverage = coverage.ok_or(ReadUserError::Forbidden)?;
        let mut connection = self.database.connection().await?;
        let Some(head) = users::find_head(&mut connection, user_id).await? else {
            return Ok(None);
        };
        if !coverage.includes(head.is_protected) {
            return Err(ReadUserError::ProtectedUser);
        }
        Ok(Some(tickets::list_live(&mut connection, user_id, now).await?))
    }

    /// The digests that the ticket or session of the request may have in a list; empty without one.
    pub(crate) fn digests_of_request(&self, actor: Actor<'_>) -> Vec<Vec<u8>> {
        self.transactions.caller_ticket(actor).map(|ticket| ticket.digests).unwrap_or_default()
    }

    /// True when the user has a valid ticket or session besides the one of the request.
    async fn has_others(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        user_id: UserId,
    ) -> Result<bool, StorageError> {
        let own = self.digests_of_request(context.actor);
        let listed = tickets::list_live(connection, user_id, context.now).await?;
        let is_own =
            |ticket: &TicketSummary| own.iter().any(|own| own.ct_eq(&ticket.digest).into());
        Ok(!listed.iter().all(is_own))
    }
}

/// The coverage of the actor's right to end the tickets and sessions of a user.
fn session_end_coverage(
    context: ChangeContext<'_>,
    user_id: UserId,
) -> Result<Coverage, ChangeUserError> {
    let coverage = context.actor.session_end_coverage(&UserReference::Id(user_id));
    coverage.ok_or(ChangeUserError::HelpForbidden)
}

/// The change that is audited when a ticket or session is issued.
fn start_of(kind: TicketKind) -> AuditedChange<'static> {
    let kind = match kind {
        TicketKind::Ticket => AuditKind::TicketIssued,
        TicketKind::Session => AuditKind::SessionStarted,
    };
    AuditedChange::to_user(kind, false)
}

/// The change that is audited when a ticket or session is ended or replaced; an expiry is not
/// audited.
fn end_of(kind: TicketKind) -> AuditedChange<'static> {
    let kind = match kind {
        TicketKind::Ticket => AuditKind::TicketEnded,
        TicketKind::Session => AuditKind::SessionEnded,
    };
    AuditedChange::to_user(kind, false)
}
