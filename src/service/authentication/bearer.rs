//! Bearer: authenticates with a token of this service (`8A:…`) or of a configured issuer
//! (docs/reference/wire-contract.md#d7-bearer).

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

use super::{
    admissions::Admissions,
    error::{AuthenticationError, Refusal},
    issued::IssuedTickets,
    issuer_token::IssuerTokenAuthenticator,
    outcome::{Authenticated, Requested, Work},
    tokens::Tokens,
};
use crate::{
    domain::principal::{AuthenticationScheme, Principal, Proof},
    security::access_token::PREFIX,
    storage::{Database, users},
};

/// Authenticates with tokens.
pub(crate) struct BearerAuthenticator {
    pub(crate) database: Database,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) issued: Arc<IssuedTickets>,
    pub(crate) issuer_tokens: IssuerTokenAuthenticator,
    pub(crate) admissions: Admissions,
}

impl BearerAuthenticator {
    /// The owner of a token.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub(super) async fn authenticate(
        &self,
        text: &SecretString,
        request: Requested<'_>,
        now: OffsetDateTime,
    ) -> Result<Authenticated, AuthenticationError> {
        if text.expose_secret().starts_with(PREFIX) {
            self.authenticate_access_token(text, request.work, now).await
        } else {
            // Boxed so that this branch does not enlarge every waiting future.
            Box::pin(self.issuer_tokens.authenticate(text, request, now)).await
        }
    }

    async fn authenticate_access_token(
        &self,
        text: &SecretString,
        work: Work,
        now: OffsetDateTime,
    ) -> Result<Authenticated, AuthenticationError> {
        let refuse = |reason| AuthenticationError::refused(None, reason);
        let content =
            self.tokens.verify(text).map_err(|refused| refuse(Refusal::Token(refused)))?;
        let admission = self.admissions.admit(work, content.user_id)?;
        let mut connection = self.database.connection().await?;
        let found = users::find_by_id(&mut connection, content.user_id).await?;
        connection.release();
        let user = found.ok_or_else(|| refuse(Refusal::UnknownUser))?;
        self.issued.check_issued(&user, content.session_epoch, content.auth_time, now)?;
        let principal = Principal {
            user,
            scheme: AuthenticationScheme::Bearer,
            proof: Proof::Token { is_of_session: content.is_of_session },
            auth_time: content.auth_time,
            // `Authenticator` decides.
            is_proof_recent: false,
            application: content.application,
        };
        Ok(Authenticated { principal, admission, lookup: None })
    }
}
