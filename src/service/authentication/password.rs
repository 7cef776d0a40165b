//! Basic: a name and a password, against the rows of the types that Basic may verify.
//!
//! Known and unknown names take the same road: one statement, then one hash for each of those
//! types, a decoy standing in for each row that does not exist. Only a success ends it early, and
//! only what was verified before, against the same row, is not hashed.

use std::time::Duration;

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{AuthenticationError, Refusal};
use crate::{
    domain::{
        caller::Origin,
        credential::CredentialValue,
        principal::{AuthenticationScheme, Principal, Proof},
        stored_credential::StoredCredential,
        user::{LoginName, User},
    },
    security::hashing::{Admission, Claim, HashingError, Proven},
    service::Service,
    storage::credentials::{self, Candidate},
};

/// When a login that is not let in is told so. Who guesses does not heed `Retry-After` and would
/// come back at once; waiting costs nothing here.
const REFUSED_LOGIN_DELAY: Duration = Duration::from_millis(80);

/// What a request presented, and from where.
#[derive(Clone, Copy)]
struct Presented<'request> {
    name: &'request LoginName,
    password: &'request CredentialValue,
    origin: &'request Origin,
    now: OffsetDateTime,
}

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
        let _admission = self.admit_login(origin, &name).await?;
        let types = self.types.usable_for_basic();
        let mut connection = self.connection().await?;
        let candidate =
            credentials::find_for_login(&mut connection, name.canonical(), &types).await?;
        connection.release();
        let presented = Presented { name: &name, password: &password, origin, now };
        let row = self.prove(candidate.as_ref(), &types, presented).await?;
        let Some(user) = candidate.as_ref().map(|candidate| &candidate.user) else {
            return Err(refuse(None, Refusal::UnknownUser));
        };
        let row = row.map_err(|refusal| refuse(Some(user), refusal))?;
        if user.is_retired {
            return Err(refuse(Some(user), Refusal::Retired));
        }
        self.last_uses.push(row, AuthenticationScheme::Basic, origin, now);
        let credential_type = row.credential_type.clone();
        let proof = Proof::Password { credential_type, version: row.version };
        let user = user.clone();
        Ok(Principal {
            user,
            scheme: AuthenticationScheme::Basic,
            proof,
            auth_time: now,
            application: None,
        })
    }

    /// A place for the login, where it needs one.
    async fn admit_login(
        &self,
        origin: &Origin,
        name: &LoginName,
    ) -> Result<Option<Admission>, HashingError> {
        let admitted = self.hashing.admit_login(origin.caller(), name.canonical());
        if admitted.is_err() {
            tokio::time::sleep(REFUSED_LOGIN_DELAY).await;
        }
        admitted
    }

    /// The first of the types' rows that was made from this password and counts, or why none was.
    async fn prove<'rows>(
        &self,
        candidate: Option<&'rows Candidate>,
        types: &[String],
        presented: Presented<'_>,
    ) -> Result<Result<&'rows StoredCredential, Refusal>, AuthenticationError> {
        let rows = candidate.map(|candidate| candidate.credentials.as_slice()).unwrap_or_default();
        let mut has_ended = false;
        let is_active = candidate.is_some_and(|candidate| !candidate.user.is_retired);
        for credential_type in types {
            let row = rows.iter().find(|row| row.credential_type == *credential_type);
            let hash = row.map(|row| self.open_hash(row)).transpose()?.flatten();
            let is_valid = row.is_none_or(|row| row.validity.contains(presented.now));
            let may_be_remembered = is_active && is_valid;
            let claim = Claim {
                canonical_name: presented.name.canonical(),
                credential_type,
                value: presented.password,
                row,
                hash: hash.as_ref(),
                may_be_remembered,
            };
            let proven = self.hashing.prove(presented.origin.caller(), &claim).await?;
            let (Some(row), Some(hash)) = (row, &hash) else { continue };
            if proven == Proven::No {
                continue;
            }
            if !is_valid {
                // As if it were wrong, in time as well; a row of another type may still count.
                has_ended = true;
                continue;
            }
            let is_to_upgrade =
                self.hashing.is_below_target(hash) && !hash.is_blind_to(presented.password.bytes());
            if proven == Proven::Now && may_be_remembered && is_to_upgrade {
                self.upgrades.push(row.clone(), presented.password.clone());
            }
            return Ok(Ok(row));
        }
        Ok(Err(if has_ended { Refusal::NotValidNow } else { Refusal::WrongPassword }))
    }
}
