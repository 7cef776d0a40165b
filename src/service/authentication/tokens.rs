//! Issuing access tokens of this service.

use secrecy::SecretString;
use time::OffsetDateTime;

use crate::service::Service;
use crate::{
    domain::principal::Principal,
    security::access_token::{AccessTokenContent, TokenRefused},
};

impl Service {
    /// A token for the caller, which goes back to the same proof as this request does. It leaves no
    /// event: nothing is stored for it and no right comes with it that the caller has not already; it
    /// ends by its expiry and with the user's epoch, whose changes are events.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(crate) fn issue_access_token(
        &self,
        principal: &Principal,
        now: OffsetDateTime,
    ) -> Result<SecretString, TokenRefused> {
        let content = AccessTokenContent {
            user_id: principal.user_id(),
            session_epoch: principal.user.session_epoch,
            auth_time: principal.auth_time,
            application: principal.application.clone(),
        };
        self.access_tokens.issue(&self.keyring, &self.applications, &content, now)
    }
}
