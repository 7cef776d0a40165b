//! The part of a login with a password that other systems decide: the old system of users who move,
//! or the directory.
//!
//! The attempt is counted before the other system is asked, under a digest of its own. Then either the
//! failure is counted, or the attempt is taken back.

use std::time::{Duration, Instant};

use super::{
    directory_logins::DirectoryLogins,
    error::{AuthenticationError, Refusal},
    login_attempt::{Hashed, LoginAttempt, Verified, delay},
    moving::{AnswerUse, Moving, asked_name},
    password::PasswordAuthenticator,
    password_target::{Target, types_of},
};
use crate::{
    directory::BindVerdict, domain::credential_type::ACTIVE_DIRECTORY, migration_hook::HookAnswer,
    security::hashing::Admission, service::throttling::throttle::ReservedAttempt,
    storage::attempts::Attempt,
};

impl PasswordAuthenticator {
    /// Asks the old system whether the password is right; `None` when it is. Then the stored password
    /// decides: that of this login, or of another one that was faster.
    /// The attempt is counted before, and taken back unless the login is refused.
    /// While it is asked, the login holds neither a database connection nor an admission.
    pub(super) async fn ask_old_system(
        &self,
        moving: &Moving,
        answer_use: AnswerUse,
        LoginAttempt { login, presented, attempt, .. }: LoginAttempt<'_, '_>,
        targets: &[Target<'_>],
        admission: &mut Option<Admission>,
    ) -> Result<Option<Vec<ReservedAttempt>>, AuthenticationError> {
        // Nothing was asked, so there is nothing to count: this verifies no password.
        let begun = moving.maintenance.begin_change();
        let change = begun.ok_or(AuthenticationError::ReadOnly)?;
        *admission = None;
        let pending = self.throttling.pending_attempt(attempt);
        let reserved = self.throttling.reserve_attempt(&pending, types_of(targets), false).await?;
        let may_ask = |target: &&Target<'_>| {
            let is_admitted = |reserved: &ReservedAttempt| {
                reserved.credential_type == target.credential_type && !reserved.is_locked
            };
            moving.is_password_type(target.credential_type) && reserved.iter().any(is_admitted)
        };
        if let Some(target) = targets.iter().find(may_ask) {
            match moving.questions.ask(asked_name(login, presented), presented, target).await {
                Ok(HookAnswer::Accepted(user)) => {
                    self.throttling.release_attempt(&pending).await?;
                    if answer_use == AnswerUse::Move {
                        *admission = self.admit(presented).await?;
                        change.include(moving.keep(login, presented, user)).await?;
                    }
                    return Ok(None);
                }
                Ok(HookAnswer::Rejected | HookAnswer::Unknown) => {}
                Err(error) => {
                    self.throttling.release_attempt(&pending).await?;
                    return Err(AuthenticationError::OldSystemUnavailable(error));
                }
            }
        }
        self.throttling.confirm_failure(&pending, attempt, &reserved).await?;
        *admission = self.admit(presented).await?;
        Ok(Some(reserved))
    }

    /// Verifies the password here first, and then in the directory. While the directory is asked, the
    /// login holds neither a database connection nor an admission.
    ///
    /// A login without a credential that the directory verifies takes the same steps, so that neither
    /// its time nor an outage tells it apart.
    pub(super) async fn verify_in_directory<'login>(
        &self,
        directory: &DirectoryLogins,
        of: LoginAttempt<'login, '_>,
        targets: Vec<Target<'login>>,
        admission: &mut Option<Admission>,
    ) -> Result<Verified<'login>, AuthenticationError> {
        let LoginAttempt { attempt, counters, .. } = of;
        let pending = self.throttling.pending_attempt(attempt);
        let of = LoginAttempt { pending: Some(&pending), ..of };
        let types = types_of(&targets);
        let is_known = counters.address.is_privileged();
        let reserved = self.throttling.reserve_attempt(&pending, types, is_known).await?;
        let (in_directory, here): (Vec<_>, Vec<_>) = targets.into_iter().partition(is_in_directory);
        let (refusal, owed) = match self.verify_by_hash(of, here, &reserved).await? {
            Hashed::Row(row, lookup) => return Ok(Verified::Row(row, lookup)),
            Hashed::Wrong { refusal, owed } => (refusal, owed),
        };
        *admission = None;
        let target = in_directory.into_iter().next();
        let target = target.map(|target| reserved_target(target, &reserved));
        let asked = Instant::now();
        match directory.ask(&self.hashing, of.presented, target.as_ref()).await {
            Ok(BindVerdict::Accepted) => {
                let target = target.ok_or_else(|| AuthenticationError::refused(None, refusal))?;
                self.record_success(of, target.credential_type).await?;
                Ok(Verified::Row(target.proven_row()?, None))
            }
            Ok(verdict @ (BindVerdict::Refused(_) | BindVerdict::NotSent)) => {
                self.throttling.confirm_failure(&pending, attempt, &reserved).await?;
                self.delay_refusal(owed, asked, admission).await;
                Ok(Verified::Refused(refusal_of(verdict, of, target.as_ref(), refusal)))
            }
            Err(error) => {
                self.count_undecided(&pending, attempt, reserved).await?;
                // Otherwise the time of the error would reveal the cost of the hash.
                delay(owed).await;
                Err(AuthenticationError::DirectoryUnavailable(error))
            }
        }
    }

    /// Counts the failure of the passwords here, and takes back the attempt on that of the directory,
    /// which has not decided. Otherwise passwords here could be guessed without a limit while the
    /// directory is away.
    async fn count_undecided(
        &self,
        pending: &Attempt,
        attempt: &Attempt,
        mut reserved: Vec<ReservedAttempt>,
    ) -> Result<(), AuthenticationError> {
        reserved.retain(|reserved| reserved.credential_type != ACTIVE_DIRECTORY);
        if !reserved.is_empty() {
            self.throttling.confirm_failure(pending, attempt, &reserved).await?;
        }
        Ok(self.throttling.release_attempt(pending).await?)
    }

    /// Waits before a refusal is answered: for what its hashes owe, and if the directory verifies
    /// passwords, for its time since `asked`. Meanwhile, others may use the admission for their hashes.
    pub(super) async fn delay_refusal(
        &self,
        owed: Duration,
        asked: Instant,
        admission: &mut Option<Admission>,
    ) {
        let Some(directory) = &self.directory else { return delay(owed).await };
        *admission = None;
        delay(owed + directory.refusal_time.saturating_sub(asked.elapsed())).await;
    }
}

/// True for the target that the directory verifies.
fn is_in_directory(target: &Target<'_>) -> bool {
    target.credential_type == ACTIVE_DIRECTORY
}

/// The target, locked unless its attempt was counted and admitted.
fn reserved_target<'login>(
    mut target: Target<'login>,
    reserved: &[ReservedAttempt],
) -> Target<'login> {
    let is_admitted = |reserved: &ReservedAttempt| {
        reserved.credential_type == target.credential_type && !reserved.is_locked
    };
    if !reserved.iter().any(is_admitted) {
        target.lock();
    }
    target
}

/// The reason of a refusal for the log, which prefers that of the directory.
fn refusal_of(
    verdict: BindVerdict,
    of: LoginAttempt<'_, '_>,
    target: Option<&Target<'_>>,
    here: Refusal,
) -> Refusal {
    match (verdict, target) {
        (BindVerdict::Refused(reason), _) => Refusal::Directory(reason),
        (_, Some(target)) if target.row.is_some() && !target.is_login_allowed => {
            target.refusal(of.login)
        }
        _ => here,
    }
}
