//! Logs callers in that name their credential in a message, and gives them a ticket: the vendor's
//! SOAP login (docs/reference/wire-contract.md#d30-soap).

use std::sync::Arc;

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{errors::TicketLoginError, tickets::Tickets};
use crate::{
    domain::{
        change_context::ChangeContext,
        principal::{Actor, Principal, Proof},
    },
    service::authentication::{
        Authenticated, AuthenticationAttempt, authenticator::Authenticator, tokens::Tokens,
    },
};

/// A successful login.
pub(crate) struct TicketLogin {
    pub(crate) principal: Principal,
    /// What the caller presents as SoTicket from now on.
    pub(crate) ticket: SecretString,
}

/// Logs callers in, through the same authentication as every other request.
pub(crate) struct TicketLogins {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) tickets: Arc<Tickets>,
    pub(crate) tokens: Arc<Tokens>,
}

impl TicketLogins {
    /// Authenticates a caller. A password obtains a ticket. A token obtains an access token, as
    /// `currentToken` issues it, because a ticket would outlive the token.
    ///
    /// # Errors
    /// See [`TicketLoginError`].
    pub(crate) async fn log_in(
        &self,
        attempt: AuthenticationAttempt,
        now: OffsetDateTime,
    ) -> Result<TicketLogin, TicketLoginError> {
        let client_info = attempt.client_info.clone();
        // The admission of work after the login; there is none.
        let Authenticated { principal, admission: _, lookup: _until_issued } =
            self.authenticator.authenticate(attempt, now).await?;
        let ticket = match principal.proof {
            Proof::Token { .. } => self.tokens.issue(&principal, now)?,
            // `issue` refuses tickets and sessions.
            Proof::Password { .. } | Proof::Ticket { .. } | Proof::Session { .. } => {
                let actor = Actor::Principal(&principal);
                let context = ChangeContext { actor, client_info: &client_info, reason: None, now };
                self.tickets.issue(context).await?.text
            }
        };
        Ok(TicketLogin { principal, ticket })
    }
}
