//! SoTicket: authenticates with a live ticket of this service, which is extended by use
//! (docs/reference/wire-contract.md#d6-soticket).

use std::sync::Arc;

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{
    admissions::Admissions,
    error::{AuthenticationError, Refusal},
    issued::IssuedTickets,
    outcome::{Authenticated, Requested},
};
use crate::{
    domain::principal::{AuthenticationScheme, Principal, Proof},
    security::so_ticket::read_ticket,
    storage::{Database, tickets::TicketKind},
};

/// Authenticates with tickets.
pub(crate) struct TicketAuthenticator {
    pub(crate) database: Database,
    pub(crate) issued: Arc<IssuedTickets>,
    pub(crate) admissions: Admissions,
}

impl TicketAuthenticator {
    /// The owner of a ticket.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub(super) async fn authenticate(
        &self,
        text: &SecretString,
        request: Requested<'_>,
        now: OffsetDateTime,
    ) -> Result<Authenticated, AuthenticationError> {
        let malformed = || AuthenticationError::refused(None, Refusal::MalformedTicket);
        let read = read_ticket(text).ok_or_else(malformed)?;
        let admission = self.admissions.admit_unauthenticated(request, read.user_id)?;
        let mut connection = self.database.connection().await?;
        let reference = self.issued.reference(TicketKind::Ticket, read.user_id, &read.digest);
        let (user, ticket) = self.issued.find_live(&mut connection, &reference, now).await?;
        let client_info = request.client_info;
        self.issued.renew(&mut connection, &reference, &ticket, client_info, now).await?;
        connection.release();
        let admission = self.admissions.move_to(admission, user.user_id)?;
        let principal = Principal {
            user,
            scheme: AuthenticationScheme::SoTicket,
            proof: Proof::Ticket { digest: read.digest },
            auth_time: ticket.auth_time,
            // `Authenticator` decides.
            is_proof_recent: false,
            application: None,
        };
        Ok(Authenticated { principal, admission, lookup: None })
    }
}
