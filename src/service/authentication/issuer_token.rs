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
        stored_credential::StoredCredential,
    },
    key_sets::KeySets,
    security::{
        identifier::{identifier_digests, same_identifier},
        issuer_token::{Issuer, IssuerIdentity, read_issuer_token},
        keyring_handle::KeyringHandle,
    },
    service::{credentials::last_uses::LastUses, unsealing::unseal},
    storage::{
        Database, StorageError,
        credentials::{self, Candidate},
    },
};

/// Authenticates with tokens of configured issuers.
pub(crate) struct IssuerTokenAuthenticator {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) issuers: Arc<[Issuer]>,
    pub(crate) key_sets: KeySets,
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
        let candidate = self.find(&credential_type, identifier).await?;
        let candidate = candidate.ok_or_else(|| refuse(Refusal::UnknownIdentifier))?;
        let row = self.row_of(&candidate, identifier)?;
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
        let principal =
            Principal { user, scheme, proof: Proof::Token, auth_time, application: None };
        Ok(Authenticated { principal, admission })
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

    async fn find(
        &self,
        credential_type: &str,
        identifier: &SecretString,
    ) -> Result<Option<Candidate>, StorageError> {
        let digests = identifier_digests(&self.keyring.current(), credential_type, identifier);
        let mut connection = self.database.connection().await?;
        let found =
            credentials::find_by_identifier(&mut connection, credential_type, &digests).await?;
        connection.release();
        Ok(found)
    }

    /// The candidate's credential with that identifier. An attacker with write access to the
    /// database could assign a digest to another user, but could not seal the identifier into a row
    /// of that user.
    fn row_of<'rows>(
        &self,
        candidate: &'rows Candidate,
        identifier: &SecretString,
    ) -> Result<Option<&'rows StoredCredential>, AuthenticationError> {
        let keyring = self.keyring.current();
        for row in &candidate.credentials {
            let sealed = unseal(&keyring, row)?.and_then(|envelope| envelope.identifier);
            if sealed.is_some_and(|sealed| same_identifier(&sealed, identifier)) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}
