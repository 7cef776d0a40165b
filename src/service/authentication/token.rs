//! Bearer: a token of this service (`8A:…`) or of a configured issuer (protocol.md 10.7).

use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

use super::{Authenticated, AuthenticationError, Refusal, Work};
use crate::{
    domain::{
        client_info::ClientInfo,
        principal::{AuthenticationScheme, Principal, Proof},
    },
    security::access_token::PREFIX,
    service::Service,
    storage::users,
};

impl Service {
    pub(super) async fn authenticate_token(
        &self,
        text: &SecretString,
        (work, client_info): (Work, &ClientInfo),
        now: OffsetDateTime,
    ) -> Result<Authenticated, AuthenticationError> {
        if text.expose_secret().starts_with(PREFIX) {
            self.authenticate_access_token(text, work, now).await
        } else {
            // Apart: every request that waits would have room for it otherwise.
            Box::pin(self.authenticate_issuer_token(text, (work, client_info), now)).await
        }
    }

    async fn authenticate_access_token(
        &self,
        text: &SecretString,
        work: Work,
        now: OffsetDateTime,
    ) -> Result<Authenticated, AuthenticationError> {
        let refuse = |reason| AuthenticationError::refused(None, reason);
        let content = self
            .access_tokens
            .verify(&self.keyring, &self.applications, text)
            .map_err(|refused| refuse(Refusal::Token(refused)))?;
        let admission = self.admit(work, content.user_id)?;
        let mut connection = self.connection().await?;
        let found = users::find_by_id(&mut connection, content.user_id).await?;
        connection.release();
        let user = found.ok_or_else(|| refuse(Refusal::UnknownUser))?;
        self.check_issued(&user, content.session_epoch, content.auth_time, now)?;
        let principal = Principal {
            user,
            scheme: AuthenticationScheme::Bearer,
            proof: Proof::Token,
            auth_time: content.auth_time,
            application: content.application,
        };
        Ok(Authenticated { principal, admission })
    }
}
