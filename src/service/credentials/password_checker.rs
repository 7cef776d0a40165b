//! Checks new passwords against the policy of the installation and the list of common passwords,
//! and estimates how guessable they are.

use std::sync::Arc;

use secrecy::SecretString;

use crate::{
    domain::{
        Reason, change_context::ChangeContext, client_info::FairnessKey,
        credential::CredentialValue, password_policy::PasswordPolicy,
        save_credential::NewCredential,
    },
    security::{
        common_passwords,
        generated_password::{FormOfPassword, generate_password, password_of_form},
        hashing::{HashingEngine, HashingError},
        keyring_handle::KeyringHandle,
        random::RandomError,
    },
    service::errors::SaveCredentialError,
};

/// The maximum number of passwords that are generated until the policy accepts one.
const MAXIMUM_GENERATED: u8 = 5;

/// Checks and generates new passwords.
pub(crate) struct PasswordChecker {
    pub(crate) hashing: Arc<HashingEngine>,
    /// `None` when every password is accepted.
    pub(crate) policy: Option<PasswordPolicy>,
}

impl PasswordChecker {
    /// Fails unless the user with this login name may have the credential; only plain passwords are
    /// checked.
    ///
    /// # Errors
    /// [`SaveCredentialError::PasswordRefused`], or when the estimate does not finish in time.
    pub(super) async fn require(
        &self,
        caller: FairnessKey,
        login_name: &str,
        credential: &NewCredential,
    ) -> Result<(), SaveCredentialError> {
        let Some(value) = credential.password() else { return Ok(()) };
        let reasons = self.problems(caller, login_name, value).await?;
        if reasons.is_empty() {
            return Ok(());
        }
        Err(SaveCredentialError::PasswordRefused { field: credential.field.clone(), reasons })
    }

    /// Every reason why the user with that login name may not have this password. A password that
    /// the policy or the list refuses is not estimated.
    ///
    /// # Errors
    /// When the estimate does not finish in time.
    pub(in crate::service) async fn problems(
        &self,
        caller: FairnessKey,
        login_name: &str,
        value: &CredentialValue,
    ) -> Result<Vec<Reason>, HashingError> {
        let Some(policy) = &self.policy else { return Ok(Vec::new()) };
        let words = policy.words_of(login_name);
        let mut problems = policy.problems(value, &words);
        // A short password is often also a common one; one reason is enough.
        if problems.is_empty() && common_passwords::is_listed(value) {
            problems.push(Reason::CommonPassword);
        }
        if problems.is_empty() {
            // The estimate takes milliseconds, which would block an async thread.
            let estimate = move |value: &[u8]| common_passwords::is_guessable(value, &words);
            if self.hashing.check(caller, value, estimate).await? {
                problems.push(Reason::Guessable);
            }
        }
        Ok(problems)
    }

    /// Generates a password that the policy accepts; its text, and the value to save.
    ///
    /// # Errors
    /// When there is no randomness, or the estimate does not finish in time.
    pub(in crate::service) async fn generate(
        &self,
        caller: FairnessKey,
    ) -> Result<(SecretString, CredentialValue), SaveCredentialError> {
        self.first_accepted(caller, |_| generate_password()).await
    }

    /// A password that satisfies the policy, and is the same for each request of a form.
    ///
    /// # Errors
    /// As [`Self::generate`].
    pub(in crate::service) async fn generate_for(
        &self,
        context: ChangeContext<'_>,
        keyring: &KeyringHandle,
        form: FormOfPassword<'_>,
    ) -> Result<(SecretString, CredentialValue), SaveCredentialError> {
        let keyring = keyring.current();
        let generate = |attempt| password_of_form(keyring.writing(), form, attempt);
        self.first_accepted(context.actor.fairness_key(), generate).await
    }

    /// The first generated password that satisfies the policy.
    async fn first_accepted(
        &self,
        caller: FairnessKey,
        generate: impl Fn(u8) -> Result<SecretString, RandomError>,
    ) -> Result<(SecretString, CredentialValue), SaveCredentialError> {
        let mut generated = parse(generate(0)?)?;
        // The filter of common passwords has false positives: it refuses one in many thousands.
        for attempt in 1..=MAXIMUM_GENERATED {
            if self.problems(caller, "", &generated.1).await?.is_empty() {
                break;
            }
            generated = parse(generate(attempt)?)?;
        }
        Ok(generated)
    }
}

/// A generated password: its text, and the value to save.
fn parse(text: SecretString) -> Result<(SecretString, CredentialValue), SaveCredentialError> {
    let value = CredentialValue::parse("Password", &text);
    Ok((text, value.map_err(|_| SaveCredentialError::Unwritable)?))
}
