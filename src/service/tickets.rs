//! Issuing and ending tickets.

use secrecy::SecretString;
use time::OffsetDateTime;

use super::Service;
use crate::{
    domain::{
        principal::{Principal, Proof},
        user::{User, UserId},
    },
    security::{
        random::RandomError,
        so_ticket::{new_ticket, read_ticket},
    },
    storage::{
        self, StorageError,
        tickets::{self, NewTicketRow, Ticket},
        users,
    },
};

/// A ticket that was just issued; its text is shown this once.
pub(crate) struct IssuedTicket {
    pub(crate) text: SecretString,
    pub(crate) expires_at: OffsetDateTime,
}

/// Why there is no ticket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TicketError {
    /// Only a password gives a ticket: one made from a ticket or a token could live for ever.
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
    Random(#[from] RandomError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Service {
    /// A ticket for somebody who proved a password in this very request.
    ///
    /// # Errors
    /// See [`TicketError`].
    pub(crate) async fn issue_ticket(
        &self,
        principal: &Principal,
        now: OffsetDateTime,
    ) -> Result<IssuedTicket, TicketError> {
        if !matches!(principal.proof, Proof::Password { .. }) {
            return Err(TicketError::Forbidden);
        }
        self.store_ticket(&principal.user, principal.auth_time, now)
            .await
    }

    /// A ticket for a user, at an operator's word.
    ///
    /// # Errors
    /// See [`TicketError`].
    pub(crate) async fn issue_ticket_for(
        &self,
        user: &User,
        now: OffsetDateTime,
    ) -> Result<IssuedTicket, TicketError> {
        if user.is_retired {
            return Err(TicketError::Retired);
        }
        self.store_ticket(user, now, now).await
    }

    async fn store_ticket(
        &self,
        user: &User,
        auth_time: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<IssuedTicket, TicketError> {
        let new = new_ticket(user.user_id)?;
        let expires_at = self.ticket_expiry(auth_time, now);
        let ticket = Ticket {
            session_epoch: user.session_epoch,
            auth_time,
            expires_at,
        };
        let mut transaction = self.pool.begin().await.map_err(StorageError::from)?;
        let locked = users::lock(&mut transaction, user.user_id).await?;
        let locked = locked.ok_or(TicketError::UnknownUser)?;
        // The ticket would be dead anyway, its epoch being past; better not to hand it out.
        if locked.session_epoch != user.session_epoch {
            return Err(TicketError::ProofOutdated);
        }
        let row = NewTicketRow {
            user_id: user.user_id,
            digest: &new.digest,
            ticket: &ticket,
            created_at: now,
        };
        tickets::insert(
            &mut transaction,
            &row,
            i64::from(self.rules.maximum_tickets),
        )
        .await?;
        storage::commit(transaction).await?;
        Ok(IssuedTicket {
            text: new.text,
            expires_at,
        })
    }

    /// Ends the ticket that this request came with.
    ///
    /// # Errors
    /// [`TicketError::NoTicket`], or what the database said.
    pub(crate) async fn end_current_ticket(
        &self,
        principal: &Principal,
    ) -> Result<(), TicketError> {
        let Proof::Ticket { digest } = &principal.proof else {
            return Err(TicketError::NoTicket);
        };
        let mut connection = self.connection().await?;
        tickets::delete(&mut connection, principal.user_id(), digest).await?;
        Ok(())
    }

    /// Ends the ticket of that text; false when there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn end_ticket(&self, text: &SecretString) -> Result<bool, StorageError> {
        let Some(reference) = read_ticket(text) else {
            return Ok(false);
        };
        let mut connection = self.connection().await?;
        tickets::delete(&mut connection, reference.user_id, &reference.digest).await
    }

    /// Ends all tickets of a user and tells how many there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn end_tickets_of(&self, user_id: UserId) -> Result<u64, StorageError> {
        tickets::delete_by_user(&mut *self.connection().await?, user_id).await
    }
}
