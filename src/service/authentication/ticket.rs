//! SoTicket: a live ticket of this service, renewed by use (protocol.md 10.6).

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{Authenticated, AuthenticationError, Refusal, Work};
use crate::{
    domain::{
        client_info::ClientInfo,
        principal::{AuthenticationScheme, Principal, Proof},
    },
    security::so_ticket::read_ticket,
    service::Service,
    storage::tickets::TicketKind,
};

impl Service {
    pub(super) async fn authenticate_ticket(
        &self,
        text: &SecretString,
        request: (Work, &ClientInfo),
        now: OffsetDateTime,
    ) -> Result<Authenticated, AuthenticationError> {
        let malformed = || AuthenticationError::refused(None, Refusal::MalformedTicket);
        let read = read_ticket(text).ok_or_else(malformed)?;
        let admission = self.admit_unproven(request, read.user_id)?;
        let mut connection = self.connection().await?;
        let at = self.reference(TicketKind::Ticket, read.user_id, &read.digest);
        let (user, ticket) = self.find_live(&mut connection, &at, now).await?;
        self.renew(&mut connection, &at, &ticket, now).await?;
        connection.release();
        let admission = self.move_admission(admission, user.user_id)?;
        let principal = Principal {
            user,
            scheme: AuthenticationScheme::SoTicket,
            proof: Proof::Ticket { digests: at.digests.readable },
            auth_time: ticket.auth_time,
            application: None,
        };
        Ok(Authenticated { principal, admission })
    }
}
