//! The part of a login with a password that other systems decide: the old system of users who move,
//! or the directory.
//!
//! The attempt is counted before the other system is asked, under a digest of its own. Then either the
//! failure is counted, or the attempt is taken back. Both the question and what is counted go on when
//! the client leaves: otherwise, its next login would learn the answer of an attempt that does not count.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    directory_logins::{DirectoryLogins, SharedVerdict},
    error::{AuthenticationError, Refusal},
    login_attempt::{Hashed, LoginAttempt, Verified, delay},
    moving::{AnswerUse, Moving, asked_name},
    old_system_questions::SharedAnswer,
    password::PasswordAuthenticator,
    password_target::{PresentedPassword, Target, types_of},
};
use crate::{
    detached::detached,
    directory::BindVerdict,
    domain::{client_info::FairnessKey, credential_type::ACTIVE_DIRECTORY},
    migration_hook::HookAnswer,
    security::hashing::Admission,
    service::throttling::throttle::{ReservedAttempt, Throttling},
    storage::{StorageError, attempts::Attempt, working_for},
};

/// An attempt that was counted before another system was asked.
struct CountedQuestion {
    throttling: Arc<Throttling>,
    /// Whose database connections count what the other system says.
    caller: FairnessKey,
    /// The attempt with the digest of the question.
    pending: Attempt,
    /// The attempt with the digest of the secret.
    attempt: Attempt,
    reserved: Vec<ReservedAttempt>,
}

impl CountedQuestion {
    /// Asks the old system, and counts its answer.
    async fn ask_old_system(
        self,
        asking: impl Future<Output = SharedAnswer> + Send + 'static,
    ) -> Result<SharedAnswer, StorageError> {
        let caller = self.caller;
        let asking = async move {
            let answer = asking.await;
            match &answer {
                Ok(HookAnswer::Rejected | HookAnswer::Unknown) => self.count().await?,
                Ok(HookAnswer::Accepted(_)) | Err(_) => self.take_back().await?,
            }
            Ok(answer)
        };
        detached(working_for(caller, asking)).await
    }

    /// Asks the directory, and counts its verdict.
    async fn ask_directory(
        self,
        asking: impl Future<Output = SharedVerdict> + Send + 'static,
    ) -> Result<SharedVerdict, StorageError> {
        let caller = self.caller;
        let asking = async move {
            let verdict = asking.await;
            match &verdict {
                Ok(BindVerdict::Accepted) => self.take_back().await?,
                Ok(BindVerdict::Refused(_) | BindVerdict::NotSent) => self.count().await?,
                Err(_) => self.count_undecided().await?,
            }
            Ok(verdict)
        };
        detached(working_for(caller, asking)).await
    }

    async fn count(&self) -> Result<(), StorageError> {
        self.throttling.confirm_failure(&self.pending, &self.attempt, &self.reserved).await
    }

    /// Takes back what this login has reserved. An earlier one with the same secret may have left a
    /// count for another type, where the secret was compared.
    async fn take_back(&self) -> Result<(), StorageError> {
        let types = self.reserved.iter().map(|reserved| reserved.credential_type.clone());
        self.throttling.release_attempt(&self.pending, &types.collect::<Vec<_>>()).await
    }

    /// Counts the failure of the passwords here, and takes back the attempt on that of the directory,
    /// which has not decided. Otherwise passwords here could be guessed without a limit while the
    /// directory is away.
    async fn count_undecided(mut self) -> Result<(), StorageError> {
        self.reserved.retain(|reserved| reserved.credential_type != ACTIVE_DIRECTORY);
        if !self.reserved.is_empty() {
            self.count().await?;
        }
        self.throttling.release_attempt(&self.pending, &[ACTIVE_DIRECTORY.to_owned()]).await
    }
}

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
        let begun = moving.maintenance.begin_login_change();
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
        let Some(target) = targets.iter().find(may_ask) else {
            self.throttling.confirm_failure(&pending, attempt, &reserved).await?;
            *admission = self.admit(presented).await?;
            return Ok(Some(reserved));
        };
        let question = self.counted_question(presented, pending, attempt, &reserved);
        let asking = moving.questions.ask(asked_name(login, presented), presented, target);
        match Box::pin(question.ask_old_system(asking)).await? {
            Ok(HookAnswer::Accepted(user)) => {
                if answer_use == AnswerUse::Move {
                    *admission = self.admit(presented).await?;
                    change.include(moving.keep(login, presented, user)).await?;
                }
                Ok(None)
            }
            Ok(HookAnswer::Rejected | HookAnswer::Unknown) => {
                *admission = self.admit(presented).await?;
                Ok(Some(reserved))
            }
            Err(error) => Err(AuthenticationError::OldSystemUnavailable(error)),
        }
    }

    fn counted_question(
        &self,
        presented: PresentedPassword<'_>,
        pending: Attempt,
        attempt: &Attempt,
        reserved: &[ReservedAttempt],
    ) -> CountedQuestion {
        CountedQuestion {
            throttling: Arc::clone(&self.throttling),
            caller: presented.client_info.fairness_key(),
            pending,
            attempt: attempt.clone(),
            reserved: reserved.to_vec(),
        }
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
        let counted = pending.clone();
        let question = self.counted_question(of.presented, counted, attempt, &reserved);
        let asking = directory.ask(&self.hashing, of.presented, target.as_ref());
        match Box::pin(question.ask_directory(asking)).await? {
            Ok(BindVerdict::Accepted) => {
                let target = target.ok_or_else(|| AuthenticationError::refused(None, refusal))?;
                self.record_success(of, target.credential_type).await?;
                Ok(Verified::Row(target.proven_row()?, None))
            }
            Ok(verdict @ (BindVerdict::Refused(_) | BindVerdict::NotSent)) => {
                self.delay_refusal(owed, asked, admission).await;
                Ok(Verified::Refused(refusal_of(verdict, of, target.as_ref(), refusal)))
            }
            Err(error) => {
                // Otherwise the time of the error would reveal the cost of the hash.
                delay(owed).await;
                Err(AuthenticationError::DirectoryUnavailable(error))
            }
        }
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
