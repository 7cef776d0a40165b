//! Which program asks (`SO-AppToken`, protocol.md 10.9). Onsite nobody looks at it.

use secrecy::SecretString;

use super::{Authenticated, AuthenticationError, Refusal};
use crate::{
    domain::{application::InstallationType, principal::AuthenticationScheme},
    service::Service,
};

impl Service {
    /// Online, the application of the request: the one of `SO-AppToken`, else the one that an
    /// access token was issued to. A ticket needs a known one.
    pub(super) fn identify_application(
        &self,
        mut authenticated: Authenticated,
        app_token: Option<&SecretString>,
    ) -> Result<Authenticated, AuthenticationError> {
        if self.rules.installation == InstallationType::Onsite {
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
}
