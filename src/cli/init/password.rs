//! Checks the password of the first administrator before anything is written.

use secrecy::{ExposeSecret, SecretString};

use crate::{
    configuration::Settings,
    domain::{Reason, credential::CredentialValue, new_login_name::NewLoginName},
    security::common_passwords,
};

/// Fails with the first reason why the administrator may not have the password.
///
/// # Errors
/// The reason.
pub(super) fn check_password(
    settings: &Settings,
    administrator: &NewLoginName,
    password: &SecretString,
) -> Result<(), String> {
    let value = CredentialValue::parse("Password", password);
    let value = value.map_err(|error| error.reason.to_string())?;
    let Some(policy) = settings.password_policy() else { return Ok(()) };
    let words = policy.words_of(administrator.as_str());
    let mut reasons = policy.problems(&value, &words);
    if common_passwords::is_listed(&value) {
        reasons.push(Reason::CommonPassword);
    } else if common_passwords::is_guessable(password.expose_secret().as_bytes(), &words) {
        reasons.push(Reason::Guessable);
    }
    reasons.first().map_or(Ok(()), |reason| Err(reason.to_string()))
}
