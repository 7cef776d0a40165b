//! Changes a password that must be changed, and then signs in
//! (docs/reference/wire-contract.md#d35-forced-password-change).
//!
//! No session starts before the change, so there is none that must be kept from doing anything else.

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{
    errors::{RequiredChangeError, SignInError},
    sign_in::{NewSession, Sessions, SignIn},
};
use crate::{
    domain::{
        change_context::ChangeContext,
        credential::CredentialValue,
        principal::{Actor, Principal, Proof},
        save_credential::{NewCredential, SaveCredential},
    },
    service::{authentication::PasswordLogin, errors::SaveCredentialError},
};

/// A request to sign in with a secret that must be changed, and its new value.
pub(crate) struct RequiredChange {
    pub(crate) sign_in: SignIn,
    pub(crate) new_password: SecretString,
}

impl Sessions {
    /// Changes the secret that the user signs in with, and starts a session with the new one.
    ///
    /// # Errors
    /// See [`RequiredChangeError`]. Inside: the secret was changed, but no session was started.
    pub(crate) async fn change_and_sign_in(
        &self,
        change: RequiredChange,
        now: OffsetDateTime,
    ) -> Result<Result<NewSession, SignInError>, RequiredChangeError> {
        let RequiredChange { sign_in, new_password } = change;
        let SignIn { name, password, client_info, .. } = &sign_in;
        let found = self.log_in(name, password, client_info, now).await;
        let PasswordLogin { principal, lookup: _until_saved } = found.map_err(SignInError::from)?;
        let command = self.command(&principal, &new_password)?;
        let actor = Actor::Principal(&principal);
        let context = ChangeContext { actor, client_info, reason: None, now };
        self.credentials.save(context, command).await?;
        // The authentication of this request is counted with the former password.
        let found = self.verify_login(name, &new_password, client_info, now).await;
        Ok(match found {
            Ok(login) => self.start_session(sign_in, login, now).await,
            Err(error) => Err(error.into()),
        })
    }

    /// The command that replaces the secret that authenticated this user.
    fn command(
        &self,
        principal: &Principal,
        new_password: &SecretString,
    ) -> Result<SaveCredential, RequiredChangeError> {
        let Proof::Password { credential_type, .. } = &principal.proof else {
            return Err(SaveCredentialError::Forbidden.into());
        };
        let found = self.credentials.types().find(credential_type);
        let credential_type = found.ok_or(SaveCredentialError::Forbidden)?.clone();
        let value = CredentialValue::parse("NewPassword", new_password)?;
        let credential = NewCredential::new(credential_type, value);
        Ok(SaveCredential { user_id: principal.user_id(), credential, replaces: None })
    }
}
