//! Basic: a name and a password, against the rows of the types that Basic may verify.
//!
//! Known and unknown names take the same road: one statement that says who it is and whether another
//! try may be made; what was found out lately; one statement that charges the try; then one hash for
//! each type, a decoy standing in for each row that does not exist. Only a success ends it early.

use std::time::{Duration, Instant};

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{AuthenticationError, Refusal};
use crate::{
    domain::{
        client_info::ClientInfo,
        credential::CredentialValue,
        principal::{AuthenticationScheme, Principal, Proof},
        stored_credential::StoredCredential,
        user::{LoginName, User},
    },
    security::{
        attempt_digests::pseudo_subject,
        hashing::{Admission, HashingError, StoredHash, VerificationOutcome, VerificationRequest},
    },
    service::{Service, throttling::counting::Standing},
    storage::{
        StorageError,
        logins::{self, Login, LoginQuery},
    },
};

/// When a login that is not let in is told so. Who guesses does not heed `Retry-After` and would
/// come back at once; waiting costs nothing here.
const REFUSED_LOGIN_DELAY: Duration = Duration::from_millis(80);

/// What a request presented, and from where.
#[derive(Clone, Copy)]
struct PresentedPassword<'request> {
    name: &'request LoginName,
    password: &'request CredentialValue,
    client_info: &'request ClientInfo,
    now: OffsetDateTime,
}

/// A type that may be tried, with what is stored of it.
struct Target<'login> {
    credential_type: &'login str,
    row: Option<&'login StoredCredential>,
    /// `None` also when the row does not open.
    hash: Option<StoredHash>,
    /// True when there is a row that opens and counts now, its user may act, and it is not locked.
    lets_in: bool,
    /// True when it lets nobody in until somebody unlocks it.
    is_locked: bool,
}

impl<'login> Target<'login> {
    fn request<'request>(
        &'request self,
        presented: PresentedPassword<'request>,
    ) -> VerificationRequest<'request> {
        VerificationRequest {
            canonical_name: presented.name.canonical(),
            credential_type: self.credential_type,
            value: presented.password,
            row: self.row,
            hash: self.hash.as_ref(),
            lets_in: self.lets_in,
        }
    }

    /// The same, before it was locked: what was found wrong then is remembered under that.
    fn request_before_lock<'request>(
        &'request self,
        presented: PresentedPassword<'request>,
    ) -> VerificationRequest<'request> {
        VerificationRequest { lets_in: true, ..self.request(presented) }
    }

    fn lock(&mut self) {
        (self.is_locked, self.lets_in) = (true, false);
    }

    /// Why no secret lets anybody in.
    fn refusal(&self, login: &Login) -> Refusal {
        if self.is_locked {
            Refusal::Locked
        } else if login.candidate.as_ref().is_some_and(|of| of.user.is_retired) {
            Refusal::Retired
        } else {
            Refusal::NotValidNow
        }
    }

    /// The row that a right secret is of; a decoy is never right.
    fn proven_row(&self) -> Result<&'login StoredCredential, AuthenticationError> {
        self.row.ok_or(StorageError::Inconsistent { table: "credentials" }.into())
    }
}

impl Service {
    pub(in crate::service) async fn authenticate_password(
        &self,
        name: &str,
        password: &SecretString,
        client_info: &ClientInfo,
        now: OffsetDateTime,
    ) -> Result<Principal, AuthenticationError> {
        let refuse = |user: Option<&User>, reason| AuthenticationError::refused(user, reason);
        let name = LoginName::parse(name).map_err(|_| refuse(None, Refusal::ImpossibleName))?;
        let password = CredentialValue::parse("Password", password)
            .map_err(|_| refuse(None, Refusal::ImpossiblePassword))?;
        let _admission = self.admit_login(client_info, &name).await?;
        let types = self.types.usable_for_basic();
        let presented = PresentedPassword { name: &name, password: &password, client_info, now };
        let login = self.find_login(presented, &types).await?;
        let row = self.verify(&login, &types, presented).await?;
        let Some(user) = login.candidate.as_ref().map(|candidate| &candidate.user) else {
            return Err(refuse(None, Refusal::UnknownUser));
        };
        let row = row.map_err(|refusal| refuse(Some(user), refusal))?;
        self.last_uses.push(row, AuthenticationScheme::Basic, client_info, now);
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
        client_info: &ClientInfo,
        name: &LoginName,
    ) -> Result<Option<Admission>, HashingError> {
        let admitted = self.hashing.admit_login(client_info.caller(), name.canonical());
        if admitted.is_err() {
            tokio::time::sleep(REFUSED_LOGIN_DELAY).await;
        }
        admitted
    }

    async fn find_login(
        &self,
        presented: PresentedPassword<'_>,
        types: &[String],
    ) -> Result<Login, StorageError> {
        let canonical_name = presented.name.canonical();
        let address = self.address_digest(presented.client_info);
        let query = LoginQuery {
            canonical_name,
            types,
            pseudo: pseudo_subject(&self.keyring, canonical_name),
            address: address.as_deref(),
            maximum_per_address: self.rules.attempts.maximum_per_address,
            now: presented.now,
        };
        let mut connection = self.connection().await?;
        let login = logins::find(&mut connection, &query).await?;
        connection.release();
        Ok(login)
    }

    /// The first of the types' rows that was made from this password and counts, or why none was.
    async fn verify<'login>(
        &self,
        login: &'login Login,
        types: &'login [String],
        presented: PresentedPassword<'_>,
    ) -> Result<Result<&'login StoredCredential, Refusal>, AuthenticationError> {
        let actor_snapshot = Standing { tries: &login.tries, caller: login.caller };
        let open = self.open_types(types, &actor_snapshot, presented.now)?;
        let at = (presented.client_info, presented.now);
        let attempt = self.attempt(login.subject, presented.password, at);
        let mut unknown = Vec::new();
        for credential_type in open {
            let mut target = self.target(login, credential_type, presented.now)?;
            if actor_snapshot.is_locked(credential_type) {
                target.lock();
            }
            match self.cached_result(&target, presented) {
                Some(true) => {
                    self.record_success(&attempt, credential_type, (&actor_snapshot, false))
                        .await?;
                    return target.proven_row().map(Ok);
                }
                Some(false) => {}
                None => unknown.push(target),
            }
        }
        let mut refusal = Refusal::WrongPassword;
        if unknown.is_empty() {
            self.hashing.wait_as_refused(presented.password, Instant::now()).await;
            return Ok(Err(refusal));
        }
        let names = unknown.iter().map(|target| target.credential_type.to_owned()).collect();
        let charged =
            self.reserve_attempt(&attempt, names, actor_snapshot.caller.is_privileged()).await?;
        for mut target in unknown {
            let found = charged.iter().find(|of| of.credential_type == target.credential_type);
            let Some(charged) = found else { continue };
            if charged.is_locked {
                target.lock();
            }
            let request = target.request(presented);
            let proven = self.hashing.verify(presented.client_info.caller(), &request).await?;
            if !target.lets_in && target.row.is_some() {
                // Whatever the secret is; a row of another type may still count.
                refusal = target.refusal(login);
            }
            if proven == VerificationOutcome::Wrong {
                continue;
            }
            self.record_success(&attempt, target.credential_type, (&actor_snapshot, true)).await?;
            self.rehash_if_below_target(&target, proven, presented.password);
            return target.proven_row().map(Ok);
        }
        Ok(Err(refusal))
    }

    fn target<'login>(
        &self,
        login: &'login Login,
        credential_type: &'login str,
        now: OffsetDateTime,
    ) -> Result<Target<'login>, AuthenticationError> {
        let candidate = login.candidate.as_ref();
        let rows = candidate.map(|candidate| candidate.credentials.as_slice()).unwrap_or_default();
        let row = rows.iter().find(|row| row.credential_type == credential_type);
        let hash = row.map(|row| self.open_hash(row)).transpose()?.flatten();
        let is_active = candidate.is_some_and(|candidate| !candidate.user.is_retired);
        let is_valid = row.is_some_and(|row| row.validity.contains(now));
        let lets_in = is_active && is_valid && hash.is_some();
        Ok(Target { credential_type, row, hash, lets_in, is_locked: false })
    }

    /// What was found out about a target lately. That it was locked meanwhile does not make a wrong
    /// secret cost a hash again: it would show that somebody has the name.
    fn cached_result(&self, target: &Target<'_>, presented: PresentedPassword<'_>) -> Option<bool> {
        let was_wrong = target.is_locked
            && self.hashing.cached_result(&target.request_before_lock(presented)) == Some(false);
        if was_wrong { Some(false) } else { self.hashing.cached_result(&target.request(presented)) }
    }

    fn rehash_if_below_target(
        &self,
        target: &Target<'_>,
        proven: VerificationOutcome,
        password: &CredentialValue,
    ) {
        let (Some(row), Some(hash)) = (target.row, &target.hash) else { return };
        let is_to_upgrade = self.hashing.should_rehash(hash, password);
        if proven == VerificationOutcome::Verified && is_to_upgrade {
            self.rehash_queue.push(row.clone(), password.clone());
        }
    }
}
