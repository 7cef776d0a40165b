//! Authenticates a request by the scheme of its credential.

use std::sync::Arc;

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{
    admissions::{Admissions, delay_refusal_of_login},
    bearer::BearerAuthenticator,
    error::{AuthenticationError, Refusal},
    outcome::{Authenticated, PasswordLogin, Requested, Work, record_authentication},
    password::PasswordAuthenticator,
    session::SessionAuthenticator,
    ticket::TicketAuthenticator,
};
use crate::{
    domain::{
        application::InstallationType,
        client_info::ClientInfo,
        principal::{AuthenticationScheme, PresentedCredential},
        proof_age::MaximumProofAge,
    },
    security::application_token::Applications,
};

/// The credential of a request, and the properties of the request that authentication needs.
pub(crate) struct AuthenticationAttempt {
    pub(crate) credential: PresentedCredential,
    /// `SO-AppToken`.
    pub(crate) app_token: Option<SecretString>,
    pub(crate) client_info: ClientInfo,
    pub(crate) work: Work,
}

/// The schemes that the installation accepts.
#[expect(clippy::struct_excessive_bools, reason = "one switch for each scheme")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct EnabledSchemes {
    pub(crate) basic: bool,
    pub(crate) so_ticket: bool,
    pub(crate) bearer: bool,
    pub(crate) session: bool,
}

impl EnabledSchemes {
    fn contains(self, scheme: AuthenticationScheme) -> bool {
        match scheme {
            AuthenticationScheme::Basic => self.basic,
            AuthenticationScheme::SoTicket => self.so_ticket,
            AuthenticationScheme::Bearer => self.bearer,
            AuthenticationScheme::Session => self.session,
            AuthenticationScheme::Command => true,
            // No request authenticates with these.
            AuthenticationScheme::PasswordLink
            | AuthenticationScheme::Service
            | AuthenticationScheme::Anonymous => false,
        }
    }
}

/// Authenticates requests.
pub(crate) struct Authenticator {
    pub(crate) installation: InstallationType,
    pub(crate) schemes: EnabledSchemes,
    pub(crate) maximum_proof_age: MaximumProofAge,
    pub(crate) applications: Arc<Applications>,
    pub(crate) admissions: Admissions,
    pub(crate) passwords: Arc<PasswordAuthenticator>,
    pub(crate) tickets: TicketAuthenticator,
    pub(crate) bearer: BearerAuthenticator,
    pub(crate) sessions: Arc<SessionAuthenticator>,
}

impl Authenticator {
    /// Authenticates a request and admits its work. A credential that names a user is admitted
    /// first, in the share of its address, so that an overloaded service refuses it without a
    /// database query.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub(crate) async fn authenticate(
        &self,
        attempt: AuthenticationAttempt,
        now: OffsetDateTime,
    ) -> Result<Authenticated, AuthenticationError> {
        let mut found = self.authenticate_once(&attempt, now).await;
        if found.as_ref().err().is_some_and(AuthenticationError::is_retryable_read) {
            // A retry with the same secret is not counted as a failed attempt again.
            found = Box::pin(self.authenticate_once(&attempt, now)).await;
        }
        let metrics = &self.passwords.throttling.metrics;
        let principal = found.as_ref().map(|authenticated| &authenticated.principal);
        record_authentication(metrics, attempt.credential.scheme(), principal);
        found
    }

    async fn authenticate_once(
        &self,
        attempt: &AuthenticationAttempt,
        now: OffsetDateTime,
    ) -> Result<Authenticated, AuthenticationError> {
        let AuthenticationAttempt { credential, app_token, client_info, work } = attempt;
        if !self.schemes.contains(credential.scheme()) {
            return Err(AuthenticationError::scheme_off());
        }
        let request = Requested { work: *work, client_info };
        let authenticated = match credential {
            PresentedCredential::Password { name, password } => {
                // Boxed so that this branch does not enlarge every waiting future.
                Box::pin(self.authenticate_password(name, password, request, now)).await?
            }
            PresentedCredential::Ticket(text) => {
                self.tickets.authenticate(text, request, now).await?
            }
            PresentedCredential::Token(text) => {
                self.bearer.authenticate(text, request, now).await?
            }
            PresentedCredential::Session { cookie, xsrf } => {
                self.sessions.authenticate(cookie, Some(xsrf), request, now).await?
            }
            PresentedCredential::PageSession(cookie) => {
                self.sessions.authenticate(cookie, None, request, now).await?
            }
        };
        let mut authenticated = self.identify_application(authenticated, app_token.as_ref())?;
        let principal = &mut authenticated.principal;
        principal.is_proof_recent =
            self.maximum_proof_age.allows(&principal.proof, principal.auth_time, now);
        Ok(authenticated)
    }

    async fn authenticate_password(
        &self,
        name: &str,
        password: &SecretString,
        Requested { work, client_info }: Requested<'_>,
        now: OffsetDateTime,
    ) -> Result<Authenticated, AuthenticationError> {
        let passwords = &self.passwords;
        // A returning client logs in without an admission, and would be refused after the statements.
        delay_refusal_of_login(self.admissions.require_room(work)).await?;
        let PasswordLogin { principal, lookup } = if work == Work::ChangingSecret {
            passwords.authenticate_for_change(name, password, client_info, now).await?
        } else {
            passwords.authenticate(name, password, client_info, now).await?
        };
        let admission = self.admissions.admit(work, principal.user_id())?;
        Ok(Authenticated { principal, admission, lookup })
    }

    /// Online, sets the application of the request: that of `SO-AppToken`, otherwise that of the
    /// access token. A ticket needs a known application. Onsite, applications are ignored
    /// (docs/reference/wire-contract.md#d9-installation-type).
    fn identify_application(
        &self,
        mut authenticated: Authenticated,
        app_token: Option<&SecretString>,
    ) -> Result<Authenticated, AuthenticationError> {
        if self.installation == InstallationType::Onsite {
            return Ok(authenticated);
        }
        let principal = &mut authenticated.principal;
        if let Some(token) = app_token {
            principal.application = self.applications.find_by_token(token).cloned();
        }
        if principal.scheme == AuthenticationScheme::SoTicket && principal.application.is_none() {
            let user = Some(&principal.user);
            return Err(AuthenticationError::refused(user, Refusal::UnknownApplication));
        }
        Ok(authenticated)
    }

    /// The type of the installation: online or onsite.
    pub(crate) fn installation(&self) -> InstallationType {
        self.installation
    }
}
