//! Basic: a name and a password, against the rows of the types that Basic may verify.
//!
//! Known and unknown names take the same road: one statement, then one hash for each of those
//! types, a decoy standing in for each row that does not exist. Only a success ends it early.

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{AuthenticationError, Refusal};
use crate::{
    domain::{
        caller::Origin,
        credential::CredentialValue,
        principal::{AuthenticationScheme, Principal, Proof},
        user::{LoginName, User},
    },
    service::Service,
    storage::credentials::{self, Candidate},
};

impl Service {
    pub(in crate::service) async fn authenticate_password(
        &self,
        name: &str,
        password: &SecretString,
        origin: &Origin,
        now: OffsetDateTime,
    ) -> Result<Principal, AuthenticationError> {
        let refuse = |user: Option<&User>, reason| AuthenticationError::refused(user, reason);
        let name = LoginName::parse(name).map_err(|_| refuse(None, Refusal::ImpossibleName))?;
        let password = CredentialValue::parse("Password", password)
            .map_err(|_| refuse(None, Refusal::ImpossiblePassword))?;
        let types = self.types.usable_for_basic();
        let candidate = {
            let mut connection = self.connection().await?;
            credentials::find_for_login(&mut connection, name.canonical(), &types).await?
        };
        let proof = self.prove(candidate.as_ref(), &types, &password, origin).await?;
        let user = candidate.map(|candidate| candidate.user);
        let Some(user) = user else {
            return Err(refuse(None, Refusal::UnknownUser));
        };
        let Some(proof) = proof else {
            return Err(refuse(Some(&user), Refusal::WrongPassword));
        };
        if user.is_retired {
            return Err(refuse(Some(&user), Refusal::Retired));
        }
        Ok(Principal {
            user,
            scheme: AuthenticationScheme::Basic,
            proof,
            auth_time: now,
            application: None,
        })
    }

    /// The first of the types whose row was made from this password.
    async fn prove(
        &self,
        candidate: Option<&Candidate>,
        types: &[String],
        password: &CredentialValue,
        origin: &Origin,
    ) -> Result<Option<Proof>, AuthenticationError> {
        let rows = candidate.map(|candidate| candidate.credentials.as_slice()).unwrap_or_default();
        for credential_type in types {
            let row = rows.iter().find(|row| row.credential_type == *credential_type);
            let hash = row.map(|row| self.open_hash(row)).transpose()?.flatten();
            let is_proven = self.hashing.verify(origin.caller(), password, hash.as_ref()).await?;
            if let (true, Some(row)) = (is_proven, row) {
                let credential_type = row.credential_type.clone();
                return Ok(Some(Proof::Password { credential_type, version: row.version }));
            }
        }
        Ok(None)
    }
}
