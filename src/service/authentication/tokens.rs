//! Issues and verifies the access tokens of this service.

use std::sync::Arc;

use secrecy::SecretString;
use time::OffsetDateTime;

use crate::{
    domain::{application::Application, principal::Principal},
    security::{
        access_token::{AccessTokenContent, AccessTokens, TokenRefused},
        application_token::Applications,
        keyring_handle::KeyringHandle,
    },
};

/// Issues and verifies access tokens.
pub(crate) struct Tokens {
    pub(crate) keyring: KeyringHandle,
    pub(crate) applications: Arc<Applications>,
    pub(crate) access_tokens: AccessTokens,
}

impl Tokens {
    /// Issues a token to the caller, based on the authentication of this request. It is not
    /// audited: nothing is stored, the token gives no right that the caller lacks, and it ends with
    /// its expiry or with the user's epoch, whose changes are audited.
    ///
    /// # Errors
    /// When the token cannot be signed.
    pub(crate) fn issue(
        &self,
        principal: &Principal,
        now: OffsetDateTime,
    ) -> Result<SecretString, TokenRefused> {
        let content = AccessTokenContent {
            user_id: principal.user_id(),
            session_epoch: principal.user.session_epoch,
            auth_time: principal.auth_time,
            is_of_session: principal.proof.is_of_session(),
            application: principal.application.clone(),
        };
        self.access_tokens.issue(&self.keyring.current(), &self.applications, &content, now)
    }

    /// Verifies a token of this service.
    ///
    /// # Errors
    /// When it is not a valid token of this installation.
    pub(super) fn verify(&self, text: &SecretString) -> Result<AccessTokenContent, TokenRefused> {
        self.access_tokens.verify(&self.keyring.current(), &self.applications, text)
    }

    /// The application with that secret.
    pub(crate) fn find_application(&self, secret: &SecretString) -> Option<Application> {
        self.applications.find_by_token(secret).cloned()
    }

    /// The name of this installation in its tokens.
    pub(crate) fn context(&self) -> &str {
        &self.access_tokens.context
    }
}
