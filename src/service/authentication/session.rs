//! Session cookie: authenticates with a live session of this service and an XSRF token that only
//! the pages of this service know (docs/reference/wire-contract.md#d27-sessions).

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
    domain::{
        application::InstallationType,
        principal::{AuthenticationScheme, Principal, Proof},
        user::User,
    },
    security::{
        keyring_handle::KeyringHandle,
        session_cookie::{SessionReference, read_session},
        xsrf::{XsrfScope, is_xsrf_token},
    },
    storage::{
        Database,
        tickets::{Ticket, TicketKind},
    },
};

/// Authenticates with session cookies.
pub(crate) struct SessionAuthenticator {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) installation: InstallationType,
    pub(crate) issued: Arc<IssuedTickets>,
    pub(crate) admissions: Admissions,
}

impl SessionAuthenticator {
    /// The owner of a session, after a check of the XSRF token. Only a request that reads a page has
    /// no token.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub(super) async fn authenticate(
        &self,
        cookie: &SecretString,
        xsrf: Option<&SecretString>,
        request: Requested<'_>,
        now: OffsetDateTime,
    ) -> Result<Authenticated, AuthenticationError> {
        let malformed = || AuthenticationError::refused(None, Refusal::MalformedSession);
        let read = read_session(cookie).ok_or_else(malformed)?;
        let admission = self.admissions.admit_unauthenticated(request, read.user_id)?;
        let mut connection = self.database.connection().await?;
        let reference = self.issued.reference(TicketKind::Session, read.user_id, &read.digest);
        let (user, session) = self.issued.find_live(&mut connection, &reference, now).await?;
        let scope = XsrfScope::Session(&read.digest);
        if xsrf.is_some_and(|xsrf| !is_xsrf_token(&self.keyring.current(), scope, xsrf)) {
            return Err(AuthenticationError::refused(Some(&user), Refusal::WrongXsrf));
        }
        if !self.may_have_session(&user) {
            return Err(AuthenticationError::OnlineSession);
        }
        let client_info = request.client_info;
        self.issued.renew(&mut connection, &reference, &session, client_info, now).await?;
        connection.release();
        let admission = self.admissions.move_to(admission, user.user_id)?;
        let principal = principal(user, &session, read.digest);
        let proof = self.admissions.admit_proof(request.work, &principal)?;
        Ok(Authenticated { principal, admission: admission.or(proof), lookup: None })
    }

    /// The owner of a live session, without a check of the XSRF token.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub(in crate::service) async fn principal_of(
        &self,
        read: &SessionReference,
        now: OffsetDateTime,
    ) -> Result<Principal, AuthenticationError> {
        let reference = self.issued.reference(TicketKind::Session, read.user_id, &read.digest);
        let mut connection = self.database.connection().await?;
        let (user, session) = self.issued.find_live(&mut connection, &reference, now).await?;
        connection.release();
        Ok(principal(user, &session, read.digest.clone()))
    }

    /// Online, only administrators, the help desk and auditors may have sessions
    /// (docs/reference/wire-contract.md#d9-installation-type); external users are none of them.
    pub(in crate::service) fn may_have_session(&self, user: &User) -> bool {
        self.installation == InstallationType::Onsite
            || user.is_active_administrator()
            || user.active_role().is_some()
    }
}

/// The owner of a session whose cookie has this digest.
fn principal(user: User, session: &Ticket, digest: Vec<u8>) -> Principal {
    Principal {
        user,
        scheme: AuthenticationScheme::Session,
        proof: Proof::Session { digest },
        auth_time: session.auth_time,
        // `Authenticator` decides.
        is_proof_recent: false,
        application: None,
    }
}
