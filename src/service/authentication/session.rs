//! The cookie session: a live session of this service, and the value that only its own pages
//! know (protocol.md 10.27).

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{Authenticated, AuthenticationError, Refusal, Work, issued::Reference};
use crate::{
    domain::{
        application::InstallationType,
        client_info::ClientInfo,
        principal::{AuthenticationScheme, Principal, Proof},
        user::User,
    },
    security::{
        session_cookie::{SessionReference, read_session},
        xsrf::{XsrfScope, is_xsrf_token},
    },
    service::Service,
    storage::tickets::{Ticket, TicketKind},
};

impl Service {
    pub(super) async fn authenticate_session(
        &self,
        (cookie, xsrf): (&SecretString, &SecretString),
        request: (Work, &ClientInfo),
        now: OffsetDateTime,
    ) -> Result<Authenticated, AuthenticationError> {
        let malformed = || AuthenticationError::refused(None, Refusal::MalformedSession);
        let read = read_session(cookie).ok_or_else(malformed)?;
        let admission = self.admit_unproven(request, read.user_id)?;
        let mut connection = self.connection().await?;
        let at = self.reference(TicketKind::Session, read.user_id, &read.digest);
        let (user, session) = self.find_live(&mut connection, &at, now).await?;
        if !is_xsrf_token(&self.keyring, XsrfScope::Session(&read.digest), xsrf) {
            return Err(AuthenticationError::refused(Some(&user), Refusal::WrongXsrf));
        }
        if !self.may_have_session(&user) {
            return Err(AuthenticationError::OnlineSession);
        }
        self.renew(&mut connection, &at, &session, now).await?;
        connection.release();
        let admission = self.move_admission(admission, user.user_id)?;
        Ok(Authenticated { principal: principal(user, &session, at), admission })
    }

    /// Whose session that is, if it still counts.
    pub(in crate::service) async fn principal_of_session(
        &self,
        read: &SessionReference,
        now: OffsetDateTime,
    ) -> Result<Principal, AuthenticationError> {
        let at = self.reference(TicketKind::Session, read.user_id, &read.digest);
        let mut connection = self.connection().await?;
        let (user, session) = self.find_live(&mut connection, &at, now).await?;
        connection.release();
        Ok(principal(user, &session, at))
    }

    /// Online, sessions are for administrators (protocol.md 10.9), who are never external users.
    pub(in crate::service) fn may_have_session(&self, user: &User) -> bool {
        self.rules.installation == InstallationType::Onsite || user.is_active_administrator()
    }
}

fn principal(user: User, session: &Ticket, at: Reference) -> Principal {
    Principal {
        user,
        scheme: AuthenticationScheme::Session,
        proof: Proof::Session { digests: at.digests.readable },
        auth_time: session.auth_time,
        application: None,
    }
}
