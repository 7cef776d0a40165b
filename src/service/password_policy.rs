//! Whether a password may be one: the rules of the installation, and what is tried first.

use std::sync::Arc;

use super::{Service, credentials::SaveCredentialError};
use crate::{
    domain::{Reason, credential::CredentialValue},
    security::tried_first,
};

impl Service {
    /// Refuses what may not be the password of the user of that name.
    ///
    /// # Errors
    /// [`SaveCredentialError::PasswordRefused`].
    pub(super) async fn require_password(
        &self,
        login_name: &str,
        value: &CredentialValue,
    ) -> Result<(), SaveCredentialError> {
        let problems = self.password_problems(login_name, value).await;
        if problems.is_empty() {
            return Ok(());
        }
        Err(SaveCredentialError::PasswordRefused(problems))
    }

    /// Why this may not be the password of the user of that name: every reason, or none.
    pub(crate) async fn password_problems(
        &self,
        login_name: &str,
        value: &CredentialValue,
    ) -> Vec<Reason> {
        let Some(policy) = self.rules.password_policy.clone() else { return Vec::new() };
        let (words, value) = (policy.words_of(login_name), value.clone());
        // One at a time, also when its caller has gone away meanwhile.
        let turn = Arc::clone(&self.estimates).lock_owned().await;
        // The estimate takes milliseconds, which others would wait for.
        let found = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut problems = policy.problems(&value, &words);
            // What is short is guessed sooner anyway; one reason says it.
            if problems.is_empty() {
                problems = tried_first::reasons(&value, &words);
            }
            problems
        });
        found.await.unwrap_or_else(|_| vec![Reason::Guessable])
    }
}
