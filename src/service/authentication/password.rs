//! Basic: authenticates with a name and a password, against the credential types that Basic may
//! verify.
//!
//! Known and unknown names take the same steps: one statement reads the user and the attempt
//! counters; the verification cache is consulted; one statement counts the attempt; then one hash
//! is computed for each type, against a decoy where there is no stored credential. Only a success
//! skips later steps.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{
    error::{AuthenticationError, Refusal},
    password_target::{PresentedPassword, Target},
};
use crate::{
    domain::{
        client_info::ClientInfo,
        credential::CredentialValue,
        credential_type::CredentialTypes,
        principal::{AuthenticationScheme, Principal, Proof},
        stored_credential::StoredCredential,
        user::{LoginName, User},
    },
    security::{
        attempt_digests::pseudo_subject,
        hashing::{Admission, HashingEngine, HashingError, VerificationOutcome},
        keyring_handle::KeyringHandle,
    },
    service::{
        credentials::{last_uses::LastUses, rehashing::RehashQueue},
        throttling::throttle::{AttemptCounters, ReservedAttempt, Throttling},
        unsealing::unseal_hash,
    },
    storage::{
        Database, StorageError,
        attempts::Attempt,
        logins::{self, Login, LoginQuery},
    },
};

/// The delay of a response that refuses a login for lack of capacity. It slows down clients that
/// ignore `Retry-After`, and costs nothing.
const REFUSED_LOGIN_DELAY: Duration = Duration::from_millis(80);

/// Authenticates with passwords.
pub(crate) struct PasswordAuthenticator {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) hashing: Arc<HashingEngine>,
    pub(crate) types: Arc<CredentialTypes>,
    pub(crate) throttling: Arc<Throttling>,
    pub(crate) last_uses: Arc<LastUses>,
    pub(crate) rehash_queue: Arc<RehashQueue>,
}

impl PasswordAuthenticator {
    /// The user with that name and password.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub(in crate::service) async fn authenticate(
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
        let _admission = self.admit(client_info, &name).await?;
        let types = self.types.usable_for_basic();
        let presented = PresentedPassword { name: &name, password: &password, client_info, now };
        let login = self.find_login(presented, &types).await?;
        let row = self.verify(&login, &types, presented).await?;
        let Some(user) = login.candidate.as_ref().map(|candidate| &candidate.user) else {
            return Err(refuse(None, Refusal::UnknownUser));
        };
        let row = row.map_err(|refusal| refuse(Some(user), refusal))?;
        let scheme = AuthenticationScheme::Basic;
        self.last_uses.push(row, scheme, client_info, now);
        let credential_type = row.credential_type.clone();
        let proof = Proof::Password { credential_type, version: row.version };
        Ok(Principal { user: user.clone(), scheme, proof, auth_time: now, application: None })
    }

    /// Admits the login to the hashing engine; `None` when it needs no admission.
    async fn admit(
        &self,
        client_info: &ClientInfo,
        name: &LoginName,
    ) -> Result<Option<Admission>, HashingError> {
        let admitted = self.hashing.admit_login(client_info.fairness_key(), name.canonical());
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
        let address = self.throttling.address_digest(presented.client_info);
        let query = LoginQuery {
            canonical_name,
            types,
            pseudo: pseudo_subject(&self.keyring.current(), canonical_name),
            address: address.as_deref(),
            maximum_per_address: self.throttling.maximum_per_address(),
            now: presented.now,
        };
        let mut connection = self.database.connection().await?;
        let login = logins::find(&mut connection, &query).await?;
        connection.release();
        Ok(login)
    }

    /// The first stored credential that the password matches, or the reason for the refusal.
    async fn verify<'login>(
        &self,
        login: &'login Login,
        types: &'login [String],
        presented: PresentedPassword<'_>,
    ) -> Result<Result<&'login StoredCredential, Refusal>, AuthenticationError> {
        let PresentedPassword { password, client_info, now, .. } = presented;
        let counters =
            AttemptCounters { failures: &login.failure_counts, address: login.address_failures };
        let allowed = self.throttling.allowed_types(types, &counters, now)?;
        let attempt = self.throttling.attempt(login.subject, password, client_info, now);
        let mut unknown = Vec::new();
        for credential_type in allowed {
            let mut target = self.target(login, credential_type, now)?;
            if counters.is_locked(credential_type) {
                target.lock();
            }
            match self.cached_result(&target, presented) {
                Some(true) => {
                    let recorded =
                        self.throttling.record_login(&attempt, credential_type, &counters, false);
                    recorded.await?;
                    return target.proven_row().map(Ok);
                }
                Some(false) => {}
                None => unknown.push(target),
            }
        }
        if unknown.is_empty() {
            self.hashing.wait_before_refusal(password, Instant::now()).await;
            return Ok(Err(Refusal::WrongPassword));
        }
        self.verify_by_hash(login, unknown, presented, &attempt, &counters).await
    }

    /// Counts the attempt, and hashes for each target whose result is not cached.
    async fn verify_by_hash<'login>(
        &self,
        login: &'login Login,
        targets: Vec<Target<'login>>,
        presented: PresentedPassword<'_>,
        attempt: &Attempt,
        counters: &AttemptCounters<'_>,
    ) -> Result<Result<&'login StoredCredential, Refusal>, AuthenticationError> {
        let mut refusal = Refusal::WrongPassword;
        let types = targets.iter().map(|target| target.credential_type.to_owned()).collect();
        let is_known = counters.address.is_privileged();
        let reserved = self.throttling.reserve_attempt(attempt, types, is_known).await?;
        for mut target in targets {
            let credential_type = target.credential_type;
            let of_target =
                |reserved: &&ReservedAttempt| reserved.credential_type == credential_type;
            let Some(reserved) = reserved.iter().find(of_target) else { continue };
            if reserved.is_locked {
                target.lock();
            }
            let request = target.request(presented);
            let outcome =
                self.hashing.verify(presented.client_info.fairness_key(), &request).await?;
            if !target.is_login_allowed && target.row.is_some() {
                // Applies to any password. A row of another type may still authenticate.
                refusal = target.refusal(login);
            }
            if outcome == VerificationOutcome::Wrong {
                continue;
            }
            self.throttling.record_login(attempt, credential_type, counters, true).await?;
            self.rehash_if_outdated(&target, outcome, presented.password);
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
        let hash = row.map(|row| unseal_hash(&self.keyring.current(), row)).transpose()?.flatten();
        Ok(Target::new(login, credential_type, row, hash, now))
    }

    /// The cached result for a target. A password that was wrong before the lock is not hashed
    /// after it; otherwise the time would reveal the lock, and so that the name exists.
    fn cached_result(&self, target: &Target<'_>, presented: PresentedPassword<'_>) -> Option<bool> {
        let was_wrong = target.is_locked
            && self.hashing.cached_result(&target.request_before_lock(presented)) == Some(false);
        if was_wrong { Some(false) } else { self.hashing.cached_result(&target.request(presented)) }
    }

    fn rehash_if_outdated(
        &self,
        target: &Target<'_>,
        outcome: VerificationOutcome,
        password: &CredentialValue,
    ) {
        let (Some(row), Some(hash)) = (target.row, &target.hash) else { return };
        let is_outdated = self.hashing.should_rehash(hash, password);
        if outcome == VerificationOutcome::Verified && is_outdated {
            self.rehash_queue.push(row.clone(), password.clone());
        }
    }
}
