//! Whether a password may be one: the rules of the installation, the list of common passwords, and an
//! estimate of how soon it is guessed.

use crate::service::{Service, credentials::saving::SaveCredentialError};
use crate::{
    domain::{Reason, client_info::FairnessKey, credential::CredentialValue},
    security::{common_passwords, hashing::HashingError},
};

impl Service {
    /// Refuses what may not be the password of the user of that name.
    ///
    /// # Errors
    /// [`SaveCredentialError::PasswordRefused`], or when the estimate cannot be made in time.
    pub(in crate::service) async fn require_password(
        &self,
        caller: FairnessKey,
        login_name: &str,
        value: &CredentialValue,
    ) -> Result<(), SaveCredentialError> {
        let problems = self.password_problems(caller, login_name, value).await?;
        if problems.is_empty() {
            return Ok(());
        }
        Err(SaveCredentialError::PasswordRefused(problems))
    }

    /// Why this may not be the password of the user of that name: every reason, or none. What the
    /// rules or the list refuse is not estimated.
    ///
    /// # Errors
    /// When the estimate cannot be made in time.
    pub(crate) async fn password_problems(
        &self,
        caller: FairnessKey,
        login_name: &str,
        value: &CredentialValue,
    ) -> Result<Vec<Reason>, HashingError> {
        let Some(policy) = &self.rules.password_policy else { return Ok(Vec::new()) };
        let words = policy.words_of(login_name);
        let mut problems = policy.problems(value, &words);
        // What is short is guessed sooner anyway; one reason says it.
        if problems.is_empty() && common_passwords::is_listed(value) {
            problems.push(Reason::CommonPassword);
        }
        if problems.is_empty() {
            // It takes milliseconds, which others would wait for on any other thread.
            let estimate = move |value: &[u8]| common_passwords::is_guessable(value, &words);
            if self.hashing.check(caller, value, estimate).await? {
                problems.push(Reason::Guessable);
            }
        }
        Ok(problems)
    }
}
