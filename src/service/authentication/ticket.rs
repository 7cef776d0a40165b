//! SoTicket: a live ticket of this service, renewed by use (protocol.md 10.6).

use secrecy::SecretString;
use time::{Duration, OffsetDateTime};

use super::{AuthenticationError, Refusal};
use crate::{
    domain::principal::{AuthenticationScheme, Principal, Proof},
    security::so_ticket::{TicketReference, read_ticket},
    service::Service,
    storage::tickets::{self, Ticket},
};

/// A ticket is renewed only when more than this much of its term is used, so that most requests
/// write nothing.
const RENEWAL_STEP: Duration = Duration::minutes(5);

impl Service {
    pub(super) async fn authenticate_ticket(
        &self,
        text: &SecretString,
        now: OffsetDateTime,
    ) -> Result<Principal, AuthenticationError> {
        let refuse = |reason| AuthenticationError::refused(None, reason);
        let reference = read_ticket(text).ok_or_else(|| refuse(Refusal::MalformedTicket))?;
        let mut connection = self.connection().await?;
        let found =
            tickets::find_with_user(&mut connection, reference.user_id, &reference.digest).await?;
        let (user, ticket) = found.ok_or_else(|| refuse(Refusal::UnknownTicket))?;
        if ticket.expires_at <= now {
            return Err(AuthenticationError::refused(Some(&user), Refusal::Expired));
        }
        self.check_derived(&user, ticket.session_epoch, ticket.auth_time, now)?;
        if let Some(after) = self.renewed_expiry(&ticket, now) {
            let TicketReference { user_id, digest } = &reference;
            tickets::renew(&mut connection, *user_id, digest, ticket.expires_at, after).await?;
        }
        Ok(Principal {
            user,
            scheme: AuthenticationScheme::SoTicket,
            proof: Proof::Ticket { digest: reference.digest },
            auth_time: ticket.auth_time,
        })
    }

    /// When a ticket made or used now expires.
    pub(in crate::service) fn ticket_expiry(
        &self,
        auth_time: OffsetDateTime,
        now: OffsetDateTime,
    ) -> OffsetDateTime {
        let sliding = now + self.rules.ticket_lifetime;
        self.end_of_lifetime(auth_time).map_or(sliding, |end| end.min(sliding))
    }

    fn renewed_expiry(&self, ticket: &Ticket, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let after = self.ticket_expiry(ticket.auth_time, now);
        // A ticket of a few minutes is renewed more often, or it would end while it is used.
        let step =
            RENEWAL_STEP.min(RENEWAL_STEP * (self.rules.ticket_lifetime.as_secs_f64() / 3600.0));
        (after - ticket.expires_at > step).then_some(after)
    }
}
