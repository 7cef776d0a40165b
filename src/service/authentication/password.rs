//! Basic: authenticates with a name and a password, against the credential types that Basic may
//! verify.
//!
//! Known and unknown names take the same steps: one statement reads the user and the attempt
//! counters; the verification cache is consulted; one statement counts the attempt; then one hash
//! is computed for each type, against a decoy where there is no stored credential. Only a success
//! skips later steps. `password_elsewhere.rs` has the steps of other systems that decide.

use std::{sync::Arc, time::Instant};

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{
    admissions::delay_refusal_of_login,
    directory_logins::DirectoryLogins,
    error::{AuthenticationError, Refusal},
    login_attempt::{Hashed, LoginAttempt, Verified, delay},
    moving::{Moving, lacks_password},
    outcome::{self, PasswordLogin},
    password_target::{PresentedPassword, Target, types_of},
};
use crate::{
    domain::{
        client_info::ClientInfo,
        credential::CredentialValue,
        credential_type::{ACTIVE_DIRECTORY, CredentialTypes},
        principal::{AuthenticationScheme, Principal, Proof},
        typed_login::TypedLogin,
        user::{LoginName, User},
    },
    security::{
        attempt_digests::pseudo_subject,
        hashing::{Admission, HashingEngine, HashingError, Verification, VerificationOutcome},
        keyring_handle::KeyringHandle,
    },
    service::{
        credentials::{
            last_uses::LastUses,
            list_check::{ListCheckRule, PendingLookup},
            rehashing::RehashQueue,
        },
        throttling::throttle::{AttemptCounters, ReservedAttempt, Throttling},
        unsealing::{unseal, unseal_hash},
    },
    storage::{
        Database, StorageError,
        attempts::Attempt,
        logins::{Login, LoginQuery},
    },
};

/// Authenticates with passwords.
pub(crate) struct PasswordAuthenticator {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) hashing: Arc<HashingEngine>,
    pub(crate) types: Arc<CredentialTypes>,
    pub(crate) throttling: Arc<Throttling>,
    pub(crate) last_uses: Arc<LastUses>,
    pub(crate) rehash_queue: Arc<RehashQueue>,
    /// `None`: passwords are not looked up in the list of common passwords when their owners log in.
    pub(crate) list_checks: Option<Arc<ListCheckRule>>,
    /// `None`: no users move from an old system.
    pub(crate) moving: Option<Moving>,
    /// `None`: the directory verifies no passwords.
    pub(crate) directory: Option<Arc<DirectoryLogins>>,
}

impl PasswordAuthenticator {
    /// The user with that name and password.
    ///
    /// # Errors
    /// See [`AuthenticationError`]. A password that must be changed authenticates nobody here.
    pub(in crate::service) async fn authenticate(
        &self,
        name: &str,
        password: &SecretString,
        client_info: &ClientInfo,
        now: OffsetDateTime,
    ) -> Result<PasswordLogin, AuthenticationError> {
        let login = self.authenticate_for_change(name, password, client_info, now).await?;
        if login.principal.must_change_secret() {
            let user_id = login.principal.user_id();
            return Err(AuthenticationError::ChangeRequired { user_id });
        }
        Ok(login)
    }

    /// As [`Self::authenticate`], also with a password that must be changed, for that change only.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub(in crate::service) async fn authenticate_for_change(
        &self,
        name: &str,
        password: &SecretString,
        client_info: &ClientInfo,
        now: OffsetDateTime,
    ) -> Result<PasswordLogin, AuthenticationError> {
        let found = self.find_user(name, password, client_info, now).await;
        outcome::record_password(&self.throttling.metrics, &found);
        found
    }

    async fn find_user(
        &self,
        name: &str,
        typed: &SecretString,
        client_info: &ClientInfo,
        now: OffsetDateTime,
    ) -> Result<PasswordLogin, AuthenticationError> {
        let name = LoginName::parse(name)
            .map_err(|_| AuthenticationError::refused(None, Refusal::ImpossibleName))?;
        let password = &CredentialValue::parse("Password", typed)
            .map_err(|_| AuthenticationError::refused(None, Refusal::ImpossiblePassword))?;
        let question = None;
        let presented =
            PresentedPassword { name: &name, password, typed, question, client_info, now };
        if let Some(login) = self.attempt(presented, self.moving.as_ref()).await? {
            return Ok(login);
        }
        // The stored password decides now: of the user who has just moved, or of one who may not.
        let found = Box::pin(self.attempt(presented, None)).await?;
        found.ok_or(StorageError::Inconsistent { table: "credentials" }.into())
    }

    /// Verifies the password once; `None` when the old system accepts it.
    async fn attempt(
        &self,
        presented: PresentedPassword<'_>,
        moving: Option<&Moving>,
    ) -> Result<Option<PasswordLogin>, AuthenticationError> {
        let PresentedPassword { client_info, now, .. } = presented;
        let refuse = |user: Option<&User>, reason| AuthenticationError::refused(user, reason);
        let mut admission = self.admit(presented).await?;
        let types = self.attempted_types();
        let login = self.find_login(presented, &types).await?;
        let presented =
            PresentedPassword { question: self.question(presented, &login), ..presented };
        let found = match self.verify(&login, &types, presented, moving, &mut admission).await? {
            Verified::Row(row, lookup) => Ok((row, lookup)),
            Verified::Refused(refusal) => Err(refusal),
            Verified::AcceptedByOldSystem => return Ok(None),
        };
        let Some(user) = login.candidate.as_ref().map(|candidate| &candidate.user) else {
            return Err(refuse(None, Refusal::UnknownUser));
        };
        let (row, lookup) = found.map_err(|refusal| refuse(Some(user), refusal))?;
        let scheme = AuthenticationScheme::Basic;
        self.last_uses.push(row, scheme, client_info, now);
        let credential_type = row.credential_type.clone();
        let must_change = row.change_required.is_some();
        let proof = Proof::Password { credential_type, version: row.version, must_change };
        let user = user.clone();
        let (is_proof_recent, application) = (true, None);
        let principal =
            Principal { user, scheme, proof, auth_time: now, is_proof_recent, application };
        Ok(Some(PasswordLogin { principal, lookup }))
    }

    /// What the old system decides about a login, whether or not it is asked again.
    fn question<'request>(
        &self,
        PresentedPassword { name, typed, .. }: PresentedPassword<'request>,
        login: &Login,
    ) -> Option<TypedLogin<'request>> {
        let is_asked = self.moving.is_some() && lacks_password(login);
        is_asked.then_some(TypedLogin { name: name.as_str(), password: typed })
    }

    /// The types of credentials that a password may fit: those that Basic verifies, and at last that of
    /// the directory.
    fn attempted_types(&self) -> Vec<String> {
        let mut types = self.types.usable_for_basic();
        types.extend(self.directory.as_ref().map(|_| ACTIVE_DIRECTORY.to_owned()));
        types
    }

    /// Admits the login to the hashing engine; `None` when it needs no admission.
    pub(super) async fn admit(
        &self,
        PresentedPassword { client_info, name, .. }: PresentedPassword<'_>,
    ) -> Result<Option<Admission>, HashingError> {
        let admitted = self.hashing.admit_login(client_info.fairness_key(), name.canonical());
        delay_refusal_of_login(admitted).await
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
        let login = self.database.statements().find_login(&mut connection, &query).await?;
        connection.release();
        Ok(login)
    }

    /// The first stored credential that the password matches, or the reason for the refusal.
    async fn verify<'login>(
        &self,
        login: &'login Login,
        types: &'login [String],
        presented: PresentedPassword<'_>,
        moving: Option<&Moving>,
        admission: &mut Option<Admission>,
    ) -> Result<Verified<'login>, AuthenticationError> {
        let PresentedPassword { password, now, .. } = presented;
        let counters =
            AttemptCounters { failures: &login.failure_counts, address: login.address_failures };
        let allowed = self.throttling.allowed_types(types, &counters, now)?;
        let attempt = self.counted_attempt(login, presented);
        let (mut unknown, mut repeated) = (Vec::new(), 0_u32);
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
                    return Ok(Verified::Row(target.proven_row()?, None));
                }
                // The directory takes the same steps again, without the password: what it refuses for
                // another reason is not cached, and must not differ from this.
                Some(false) if credential_type != ACTIVE_DIRECTORY => repeated += 1,
                Some(false) | None => unknown.push(target),
            }
        }
        if unknown.is_empty() {
            let owed = self.hashing.owed(password, Instant::now()) * repeated;
            self.delay_refusal(owed, Instant::now(), admission).await;
            return Ok(Verified::Refused(Refusal::WrongPassword));
        }
        let (counters, attempt) = (&counters, &attempt);
        let of = LoginAttempt { login, presented, counters, attempt, pending: None, repeated };
        if let Some(directory) = &self.directory {
            // Boxed so that this rare branch does not enlarge every waiting future.
            return Box::pin(self.verify_in_directory(directory, of, unknown, admission)).await;
        }
        let answer_use = match moving {
            Some(moving) => moving.answer_use(login, presented, &unknown).await?,
            None => None,
        };
        let reserved = if let Some((moving, answer_use)) = moving.zip(answer_use) {
            // Boxed so that this rare branch does not enlarge every waiting future.
            let asked = self.ask_old_system(moving, answer_use, of, &unknown, admission);
            let Some(reserved) = Box::pin(asked).await? else {
                return Ok(Verified::AcceptedByOldSystem);
            };
            reserved
        } else {
            let is_known = counters.address.is_privileged();
            self.throttling.reserve_attempt(attempt, types_of(&unknown), is_known).await?
        };
        match self.verify_by_hash(of, unknown, &reserved).await? {
            Hashed::Row(row, lookup) => Ok(Verified::Row(row, lookup)),
            Hashed::Wrong { refusal, owed } => {
                delay(owed).await;
                Ok(Verified::Refused(refusal))
            }
        }
    }

    /// The attempt under which a login is counted.
    fn counted_attempt(&self, login: &Login, presented: PresentedPassword<'_>) -> Attempt {
        let PresentedPassword { password, question, client_info, now, .. } = presented;
        let throttling = &self.throttling;
        match question {
            Some(typed) => throttling.typed_attempt(login.subject, typed, client_info, now),
            None => throttling.attempt(login.subject, password, client_info, now),
        }
    }

    /// Hashes for each target whose attempt is counted and whose result is not cached.
    pub(super) async fn verify_by_hash<'login>(
        &self,
        of: LoginAttempt<'login, '_>,
        targets: Vec<Target<'login>>,
        reserved: &[ReservedAttempt],
    ) -> Result<Hashed<'login>, AuthenticationError> {
        let LoginAttempt { login, presented, repeated, .. } = of;
        let mut refusal = Refusal::WrongPassword;
        // Otherwise the time would reveal that somebody tried this password recently.
        let mut total_owed = self.hashing.owed(presented.password, Instant::now()) * repeated;
        for mut target in targets {
            let credential_type = target.credential_type;
            let of_target =
                |reserved: &&ReservedAttempt| reserved.credential_type == credential_type;
            let Some(reserved) = reserved.iter().find(of_target) else { continue };
            if reserved.is_locked {
                target.lock();
            }
            let request = target.request(presented);
            let key = presented.client_info.fairness_key();
            let verified = self.hashing.verify_undelayed(key, &request).await?;
            let Verification { outcome, owed } = verified;
            total_owed += owed;
            if !target.is_login_allowed && target.row.is_some() {
                // Applies to any password. A row of another type may still authenticate.
                refusal = target.refusal(login);
            }
            if outcome == VerificationOutcome::Wrong {
                continue;
            }
            self.record_success(of, credential_type).await?;
            self.rehash_if_outdated(&target, outcome, presented.password);
            let lookup = self.lookup(login, &target, presented);
            return Ok(Hashed::Row(target.proven_row()?, lookup));
        }
        Ok(Hashed::Wrong { refusal, owed: total_owed })
    }

    /// Records that the password of a counted attempt is right. As it belongs to one type, it was no
    /// guess at the others.
    pub(super) async fn record_success(
        &self,
        LoginAttempt { attempt, pending, counters, .. }: LoginAttempt<'_, '_>,
        credential_type: &str,
    ) -> Result<(), StorageError> {
        if let Some(pending) = pending {
            self.throttling.release_attempt(pending, &self.attempted_types()).await?;
        }
        self.throttling.record_login(attempt, credential_type, counters, true).await
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
        let keyring = self.keyring.current();
        if credential_type == ACTIVE_DIRECTORY {
            let envelope = row.map(|row| unseal(&keyring, row)).transpose()?.flatten();
            let identifier = envelope.and_then(|envelope| envelope.identifier);
            return Ok(Target::in_directory(login, credential_type, row, identifier, now));
        }
        let hash = row.map(|row| unseal_hash(&keyring, row)).transpose()?.flatten();
        Ok(Target::new(login, credential_type, row, hash, now))
    }

    /// The cached result for a target. A password that was wrong before the lock is not hashed
    /// after it; otherwise the time would reveal the lock, and so that the name exists.
    fn cached_result(&self, target: &Target<'_>, presented: PresentedPassword<'_>) -> Option<bool> {
        let was_wrong = target.is_locked
            && self.hashing.cached_result(&target.request_before_lock(presented)) == Some(false);
        if was_wrong { Some(false) } else { self.hashing.cached_result(&target.request(presented)) }
    }

    /// The lookup of a password that was just verified in the list of common passwords.
    fn lookup(
        &self,
        login: &Login,
        target: &Target<'_>,
        presented: PresentedPassword<'_>,
    ) -> Option<PendingLookup> {
        let (user, row) = (&login.candidate.as_ref()?.user, target.row?);
        if row.credential_type != self.types.password().as_str() {
            return None;
        }
        let list_checks = self.list_checks.as_ref()?;
        list_checks.prepare(user, row, presented.password, presented.client_info)
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
