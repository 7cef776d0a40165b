//! Issuing and ending tickets, and ending everything derived.

use secrecy::SecretString;
use time::OffsetDateTime;

use crate::service::{
    Service,
    user_transaction::{AuditedChange, ChangeUserError},
    users::directory::ReadUserError,
};
use crate::{
    domain::{
        audit::AuditKind,
        change_context::ChangeContext,
        principal::{Actor, Proof},
        user::{User, UserId, UserReference},
    },
    security::{
        random::RandomError,
        so_ticket::{new_ticket, read_ticket},
    },
    storage::{
        self, StorageError,
        tickets::{self, NewTicketRow, Ticket, TicketKind},
        users,
    },
};

// What `http` lists, which does not look below.
pub(crate) use crate::storage::tickets::TicketSummary;

/// A ticket that was just issued; its text is shown this once.
pub(crate) struct IssuedTicket {
    pub(crate) text: SecretString,
    pub(crate) expires_at: OffsetDateTime,
}

/// Why there is no ticket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TicketError {
    /// Only a password gives a ticket: one made from a ticket or a token could live for ever, and
    /// one made from a session would outlive signing out.
    #[error("a ticket is given for a password only")]
    Forbidden,
    /// The request carried no ticket that could be ended.
    #[error("the request was not authenticated with a ticket")]
    NoTicket,
    /// The password was replaced between its verification and now.
    #[error("the proven password has been replaced")]
    ProofOutdated,
    #[error("no such user")]
    UnknownUser,
    #[error("the user is retired")]
    Retired,
    #[error(transparent)]
    Change(#[from] ChangeUserError),
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The evidence of a ticket or session that begins.
fn beginning(kind: TicketKind) -> AuditedChange<'static> {
    let kind = match kind {
        TicketKind::Ticket => AuditKind::TicketIssued,
        TicketKind::Session => AuditKind::SessionStarted,
    };
    AuditedChange::to_user(kind, false)
}

/// The evidence of one that ends, by somebody's hand or for a new one; not of one that expires.
fn end(kind: TicketKind) -> AuditedChange<'static> {
    let kind = match kind {
        TicketKind::Ticket => AuditKind::TicketEnded,
        TicketKind::Session => AuditKind::SessionEnded,
    };
    AuditedChange::to_user(kind, false)
}

impl Service {
    /// A ticket for somebody who proved a password in this very request.
    ///
    /// # Errors
    /// See [`TicketError`].
    pub(crate) async fn issue_ticket(
        &self,
        context: ChangeContext<'_>,
    ) -> Result<IssuedTicket, TicketError> {
        match context.actor {
            Actor::Principal(by) if matches!(by.proof, Proof::Password { .. }) => {
                self.new_ticket(context, &by.user, by.auth_time).await
            }
            Actor::Principal(_) | Actor::Command => Err(TicketError::Forbidden),
        }
    }

    /// A ticket for a user, at an operator's word.
    ///
    /// # Errors
    /// See [`TicketError`].
    pub(crate) async fn issue_ticket_for(
        &self,
        context: ChangeContext<'_>,
        user: &User,
    ) -> Result<IssuedTicket, TicketError> {
        if user.is_retired {
            return Err(TicketError::Retired);
        }
        self.new_ticket(context, user, context.now).await
    }

    async fn new_ticket(
        &self,
        context: ChangeContext<'_>,
        user: &User,
        auth_time: OffsetDateTime,
    ) -> Result<IssuedTicket, TicketError> {
        let new = new_ticket(user.user_id)?;
        let issued = (TicketKind::Ticket, new.digest.as_slice());
        let expires_at = self.store_issued(context, user, issued, auth_time).await?;
        Ok(IssuedTicket { text: new.text, expires_at })
    }

    /// Stores a ticket or a session, with its event, and tells when it expires.
    pub(in crate::service) async fn store_issued(
        &self,
        context: ChangeContext<'_>,
        user: &User,
        (kind, digest): (TicketKind, &[u8]),
        auth_time: OffsetDateTime,
    ) -> Result<OffsetDateTime, TicketError> {
        let now = context.now;
        let expires_at = self.expiry(kind, auth_time, now);
        let user_id = user.user_id;
        let digest = self.reference(kind, user_id, digest).digests.writing;
        let ticket = Ticket { digest, session_epoch: user.session_epoch, auth_time, expires_at };
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        let locked = users::lock(&mut transaction, user_id).await?;
        let mut head = locked.ok_or(TicketError::UnknownUser)?;
        // It would be dead anyway, its epoch being past; better not to hand it out.
        if head.session_epoch != user.session_epoch {
            return Err(TicketError::ProofOutdated);
        }
        let row = NewTicketRow { kind, user_id, ticket: &ticket, created_at: now };
        let maximum = i64::from(self.rules.maximum_tickets);
        let ended = tickets::insert(&mut transaction, &row, maximum).await?;
        let of_user = (user_id, &mut head);
        self.append_audit_event(&mut transaction, context, of_user, beginning(kind)).await?;
        for _ in 0..ended {
            let of_user = (user_id, &mut head);
            self.append_audit_event(&mut transaction, context, of_user, end(kind)).await?;
        }
        storage::commit(transaction).await?;
        Ok(expires_at)
    }

    /// Ends the ticket that this request came with.
    ///
    /// # Errors
    /// [`TicketError::NoTicket`], or what the database said.
    pub(crate) async fn end_current_ticket(
        &self,
        context: ChangeContext<'_>,
    ) -> Result<(), TicketError> {
        let Actor::Principal(by) = context.actor else { return Err(TicketError::NoTicket) };
        let Proof::Ticket { digests } = &by.proof else { return Err(TicketError::NoTicket) };
        self.revoke_issued(context, by.user_id(), digests).await?;
        Ok(())
    }

    /// Ends the ticket or session that a user has under one of these digests, with its event; false
    /// when there is none.
    pub(in crate::service) async fn revoke_issued(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        digests: &[Vec<u8>],
    ) -> Result<bool, ChangeUserError> {
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut head = match self.lock_user(&mut transaction, context, user_id).await {
            Err(ChangeUserError::UnknownUser) => return Ok(false),
            held => held?,
        };
        let live = (head.session_epoch, context.now);
        let ended = tickets::delete_live(&mut transaction, user_id, digests, live).await?;
        let Some(kind) = ended else { return Ok(false) };
        self.append_audit_event(&mut transaction, context, (user_id, &mut head), end(kind)).await?;
        storage::commit(transaction).await?;
        Ok(true)
    }

    /// Ends the ticket of that text; false when there is none.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn end_ticket(
        &self,
        context: ChangeContext<'_>,
        text: &SecretString,
    ) -> Result<bool, ChangeUserError> {
        let Some(read) = read_ticket(text) else {
            return Ok(false);
        };
        let at = self.reference(TicketKind::Ticket, read.user_id, &read.digest);
        self.revoke_issued(context, at.user_id, &at.digests.readable).await
    }

    /// Ends every ticket, session and token of a user but the one the author came with, and tells
    /// how many tickets and sessions there were (protocol.md 10.16: the epoch ends them, deleting
    /// rows is housekeeping).
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn end_sessions_of(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
    ) -> Result<u64, ChangeUserError> {
        if !context.actor.may_end_sessions_of(&UserReference::Id(user_id)) {
            return Err(ChangeUserError::Forbidden);
        }
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut head = self.lock_user(&mut transaction, context, user_id).await?;
        let change = AuditedChange::to_user(AuditKind::SessionsEnded, true);
        self.append_audit_event(&mut transaction, context, (user_id, &mut head), change).await?;
        let ended = tickets::delete_earlier(&mut transaction, user_id, head.session_epoch).await?;
        storage::commit(transaction).await?;
        Ok(ended)
    }

    /// Ends one of a user's tickets or sessions; false when none is stored under that digest.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn end_ticket_of(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        digest: Vec<u8>,
    ) -> Result<bool, ChangeUserError> {
        if !context.actor.may_end_sessions_of(&UserReference::Id(user_id)) {
            return Err(ChangeUserError::Forbidden);
        }
        self.revoke_issued(context, user_id, &[digest]).await
    }

    /// The user's tickets and sessions that still count, newest first; `None`: no such user.
    ///
    /// # Errors
    /// See [`ReadUserError`].
    pub(crate) async fn list_tickets(
        &self,
        actor: Actor<'_>,
        user_id: UserId,
        now: OffsetDateTime,
    ) -> Result<Option<Vec<TicketSummary>>, ReadUserError> {
        if !actor.may_end_sessions_of(&UserReference::Id(user_id)) {
            return Err(ReadUserError::Forbidden);
        }
        let mut connection = self.connection().await?;
        if users::find_head(&mut connection, user_id).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(tickets::list_live(&mut connection, user_id, now).await?))
    }
}
