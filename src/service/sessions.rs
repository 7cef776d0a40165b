//! Signing in with a page, and out (protocol.md 10.27).

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{Service, authentication::AuthenticationError, tickets::TicketError};
use crate::{
    domain::{caller::Origin, principal::Principal, user::User},
    security::{
        random::RandomError,
        session_cookie::{new_session, read_session},
        xsrf::{XsrfScope, is_xsrf_token, new_login_page, new_xsrf_token},
    },
    storage::{
        StorageError,
        tickets::{self, TicketKind},
    },
};

/// Somebody's wish to sign in.
pub(crate) struct SignIn {
    pub(crate) name: String,
    pub(crate) password: SecretString,
    /// The cookie of the session that the browser had before, if any.
    pub(crate) former: Option<SecretString>,
    pub(crate) origin: Origin,
}

/// A session that was just made; both texts go to the browser.
pub(crate) struct NewSession {
    pub(crate) cookie: SecretString,
    pub(crate) xsrf: SecretString,
    pub(crate) user: User,
}

/// A login page: what it has as a cookie, and what its form brings back.
pub(crate) struct LoginPage {
    pub(crate) cookie: SecretString,
    pub(crate) token: SecretString,
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    #[error(transparent)]
    Authentication(#[from] AuthenticationError),
    #[error(transparent)]
    Session(#[from] TicketError),
}

impl Service {
    /// A new session for whoever has this name and password. The session that the browser had
    /// before, if any, ends.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub(crate) async fn sign_in(
        &self,
        sign_in: SignIn,
        now: OffsetDateTime,
    ) -> Result<NewSession, SignInError> {
        let SignIn { name, password, former, origin } = sign_in;
        if !self.rules.schemes.session {
            return Err(AuthenticationError::scheme_off().into());
        }
        let principal = self.authenticate_password(&name, &password, &origin, now).await?;
        if !self.may_have_session(&principal.user) {
            return Err(AuthenticationError::OnlineSession.into());
        }
        let Principal { user, auth_time, .. } = principal;
        let session = new_session(user.user_id).map_err(TicketError::from)?;
        let xsrf = new_xsrf_token(&self.keyring, XsrfScope::Session(&session.digest));
        let xsrf = xsrf.map_err(TicketError::from)?;
        let derived = (TicketKind::Session, session.digest.as_slice());
        self.store_derived(&user, derived, auth_time, now).await?;
        if let Some(former) = former {
            self.end_session(&former).await.map_err(TicketError::from)?;
        }
        Ok(NewSession { cookie: session.text, xsrf, user })
    }

    /// Whose session this is, and a value for its pages; `None` when it does not count any more.
    ///
    /// # Errors
    /// When the database does not answer, or there are no random bytes.
    pub(crate) async fn show_session(
        &self,
        cookie: &SecretString,
        now: OffsetDateTime,
    ) -> Result<Option<(User, SecretString)>, TicketError> {
        let Some(read) = read_session(cookie) else { return Ok(None) };
        let user = match self.user_of_session(&read, now).await {
            Ok(user) => user,
            Err(AuthenticationError::Storage(error)) => return Err(error.into()),
            Err(_) => return Ok(None),
        };
        if !self.may_have_session(&user) {
            return Ok(None);
        }
        let xsrf = new_xsrf_token(&self.keyring, XsrfScope::Session(&read.digest))?;
        Ok(Some((user, xsrf)))
    }

    /// Ends a session; false when it is alive and `xsrf` does not belong to it. Where nothing is
    /// alive, there is nothing to end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn sign_out(
        &self,
        cookie: &SecretString,
        xsrf: &SecretString,
        now: OffsetDateTime,
    ) -> Result<bool, StorageError> {
        let Some(read) = read_session(cookie) else { return Ok(true) };
        if !is_xsrf_token(&self.keyring, XsrfScope::Session(&read.digest), xsrf) {
            return match self.user_of_session(&read, now).await {
                Ok(_) => Ok(false),
                Err(AuthenticationError::Storage(error)) => Err(error),
                Err(_) => Ok(true),
            };
        }
        self.end_session(cookie).await?;
        Ok(true)
    }

    async fn end_session(&self, cookie: &SecretString) -> Result<(), StorageError> {
        if let Some(read) = read_session(cookie) {
            let at = self.reference(TicketKind::Session, read.user_id, &read.digest);
            let mut connection = self.connection().await?;
            tickets::delete(&mut connection, at.user_id, &at.digests.readable).await?;
        }
        Ok(())
    }

    /// A login page for a browser that has this cookie of another one, or none.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub(crate) fn new_login_page(
        &self,
        open: Option<SecretString>,
    ) -> Result<LoginPage, RandomError> {
        let cookie = open.map_or_else(new_login_page, Ok)?;
        let token = new_xsrf_token(&self.keyring, XsrfScope::LoginPage(&cookie))?;
        Ok(LoginPage { cookie, token })
    }

    /// True when a form came from the page that was given this cookie.
    pub(crate) fn is_of_login_page(&self, page: &LoginPage) -> bool {
        is_xsrf_token(&self.keyring, XsrfScope::LoginPage(&page.cookie), &page.token)
    }
}
