//! Bearer tokens of configured issuers: the user is the owner of the identifier that the token
//! proves.

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{Authenticated, AuthenticationError, Refusal, Work};
use crate::{
    domain::{
        client_info::ClientInfo,
        credential::CredentialValue,
        principal::{AuthenticationScheme, Principal, Proof},
        stored_credential::StoredCredential,
    },
    security::{
        identifier::{identifier_digests, same_identifier},
        issuer_token::{IssuerIdentity, read_issuer_token},
    },
    service::Service,
    storage::credentials::{self, Candidate},
};

impl Service {
    pub(super) async fn authenticate_issuer_token(
        &self,
        text: &SecretString,
        (work, client_info): (Work, &ClientInfo),
        now: OffsetDateTime,
    ) -> Result<Authenticated, AuthenticationError> {
        let refuse = |reason| AuthenticationError::refused(None, reason);
        let token = read_issuer_token(&self.issuers, text);
        let token = token.map_err(|refused| refuse(Refusal::Token(refused)))?;
        self.key_sets.refresh_for(&token).await?;
        let identity = token.verify(now).map_err(|refused| refuse(Refusal::Token(refused)))?;
        let IssuerIdentity { credential_type, identifier, auth_time } = identity;
        // Brought to the form that saved values have.
        let identifier = CredentialValue::parse("identifier", &identifier)
            .map_err(|_| refuse(Refusal::UnknownIdentifier))?;
        let identifier = identifier.secret();
        let digests = identifier_digests(&self.keyring, &credential_type, identifier);
        let mut connection = self.connection().await?;
        let found =
            credentials::find_by_identifier(&mut connection, &credential_type, &digests).await?;
        connection.release();
        let candidate = found.ok_or_else(|| refuse(Refusal::UnknownIdentifier))?;
        let row = self.row_of_identifier(&candidate, identifier)?;
        let refuse = |reason| AuthenticationError::refused(Some(&candidate.user), reason);
        let row = row.ok_or_else(|| refuse(Refusal::IdentifierMismatch))?;
        if candidate.user.is_retired {
            return Err(refuse(Refusal::Retired));
        }
        if !row.validity.contains(now) {
            return Err(refuse(Refusal::NotValidNow));
        }
        let scheme = AuthenticationScheme::Bearer;
        self.last_uses.push(row, scheme, client_info, now);
        let user = candidate.user;
        // An issuer whose clock is ahead must not stretch what is derived from its proof.
        let auth_time = auth_time.min(now);
        let admission = self.admit(work, user.user_id)?;
        let principal =
            Principal { user, scheme, proof: Proof::Token, auth_time, application: None };
        Ok(Authenticated { principal, admission })
    }

    /// Whoever can write to the database can point a digest at another user, but cannot seal the
    /// identifier into that user's row.
    fn row_of_identifier<'rows>(
        &self,
        candidate: &'rows Candidate,
        identifier: &SecretString,
    ) -> Result<Option<&'rows StoredCredential>, AuthenticationError> {
        for row in &candidate.credentials {
            let held = self.open(row)?.and_then(|envelope| envelope.identifier);
            if held.is_some_and(|held| same_identifier(&held, identifier)) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}
