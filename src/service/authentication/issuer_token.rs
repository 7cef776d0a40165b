//! Authenticates with Bearer tokens of configured issuers: finds the user whose identifier is in
//! the token.

use std::sync::Arc;

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{
    admissions::Admissions,
    error::{AuthenticationError, Refusal},
    outcome::{Authenticated, Requested},
};
use crate::{
    domain::{
        credential::CredentialValue,
        principal::{AuthenticationScheme, Principal, Proof},
    },
    key_sets::KeySets,
    security::{
        issuer_token::{Issuer, IssuerIdentity, read_issuer_token},
        keyring_handle::KeyringHandle,
    },
    service::{
        credentials::last_uses::LastUses,
        identifier_owner::{find_candidate, row_of},
    },
    storage::Database,
};

/// Authenticates with tokens of configured issuers.
pub(crate) struct IssuerTokenAuthenticator {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) issuers: Arc<[Issuer]>,
    pub(crate) key_sets: Arc<KeySets>,
    pub(crate) last_uses: Arc<LastUses>,
    pub(crate) admissions: Admissions,
}

impl IssuerTokenAuthenticator {
    /// The owner of the identifier that a token proves.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub(super) async fn authenticate(
        &self,
        text: &SecretString,
        request: Requested<'_>,
        now: OffsetDateTime,
    ) -> Result<Authenticated, AuthenticationError> {
        let IssuerIdentity { credential_type, identifier, auth_time } =
            self.verify(text, now).await?;
        let refuse = |reason| AuthenticationError::refused(None, reason);
        // Normalized in the same way as stored values.
        let identifier = CredentialValue::parse("identifier", &identifier)
            .map_err(|_| refuse(Refusal::UnknownIdentifier))?;
        let identifier = identifier.secret();
        self.admissions.require_room(request.work)?;
        let candidate =
            find_candidate(&self.database, &self.keyring, &credential_type, identifier).await?;
        let candidate = candidate.ok_or_else(|| refuse(Refusal::UnknownIdentifier))?;
        let row = row_of(&self.keyring.current(), &candidate, identifier)?;
        let refuse = |reason| AuthenticationError::refused(Some(&candidate.user), reason);
        let row = row.ok_or_else(|| refuse(Refusal::IdentifierMismatch))?;
        if candidate.user.is_retired {
            return Err(refuse(Refusal::Retired));
        }
        if !row.validity.contains(now) {
            return Err(refuse(Refusal::NotValidNow));
        }
        let scheme = AuthenticationScheme::Bearer;
        self.last_uses.push(row, scheme, request.client_info, now);
        let user = candidate.user;
        // An issuer whose clock is fast must not extend lifetimes.
        let auth_time = auth_time.min(now);
        let admission = self.admissions.admit(request.work, user.user_id)?;
        let principal = Principal {
            user,
            scheme,
            proof: Proof::Token { is_of_session: false },
            auth_time,
            is_proof_recent: false,
            application: None,
        };
        Ok(Authenticated { principal, admission, lookup: None })
    }

    /// The identity that a token proves.
    async fn verify(
        &self,
        text: &SecretString,
        now: OffsetDateTime,
    ) -> Result<IssuerIdentity, AuthenticationError> {
        let refuse = |refused| AuthenticationError::refused(None, Refusal::Token(refused));
        let token = read_issuer_token(&self.issuers, text).map_err(refuse)?;
        self.key_sets.refresh_for(&token).await?;
        token.verify(now).map_err(refuse)
    }
}
