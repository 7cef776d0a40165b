//! Signing in with a page, and out (protocol.md 10.27).

use secrecy::SecretString;
use time::OffsetDateTime;

use crate::service::{
    Service, authentication::AuthenticationError, sessions::tickets::TicketError,
    user_transaction::ChangeUserError,
};
use crate::{
    domain::{
        change_context::ChangeContext,
        client_info::ClientInfo,
        principal::{Actor, Principal},
        user::User,
    },
    security::{
        random::RandomError,
        session_cookie::{SessionReference, new_session, read_session},
        xsrf::{XsrfScope, is_xsrf_token, new_login_page, new_xsrf_token},
    },
    storage::tickets::TicketKind,
};

/// Somebody's wish to sign in.
pub(crate) struct SignIn {
    pub(crate) name: String,
    pub(crate) password: SecretString,
    /// The cookie of the session that the browser had before, if any.
    pub(crate) former: Option<SecretString>,
    pub(crate) client_info: ClientInfo,
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
        let SignIn { name, password, former, client_info } = sign_in;
        if !self.rules.schemes.session {
            return Err(AuthenticationError::scheme_off().into());
        }
        let mut proven = self.authenticate_password(&name, &password, &client_info, now).await;
        if proven.as_ref().err().is_some_and(AuthenticationError::is_of_lost_connection) {
            proven = self.authenticate_password(&name, &password, &client_info, now).await;
        }
        let principal = proven?;
        if !self.may_have_session(&principal.user) {
            return Err(AuthenticationError::OnlineSession.into());
        }
        let context =
            ChangeContext { actor: Actor::Principal(&principal), client_info: &client_info, now };
        let session = new_session(principal.user_id()).map_err(TicketError::from)?;
        let xsrf = new_xsrf_token(&self.keyring, XsrfScope::Session(&session.digest));
        let xsrf = xsrf.map_err(TicketError::from)?;
        let issued = (TicketKind::Session, session.digest.as_slice());
        self.store_issued(context, &principal.user, issued, principal.auth_time).await?;
        if let Some(former) = former {
            self.end_former(context, &former).await?;
        }
        Ok(NewSession { cookie: session.text, xsrf, user: principal.user })
    }

    /// Whose session this is, and a value for its pages; `None` when it does not count any more.
    ///
    /// # Errors
    /// See [`TicketError`].
    pub(crate) async fn show_session(
        &self,
        cookie: &SecretString,
        now: OffsetDateTime,
    ) -> Result<Option<(User, SecretString)>, TicketError> {
        let Some(read) = read_session(cookie) else { return Ok(None) };
        let Some(Principal { user, .. }) = self.live_session(&read, now).await? else {
            return Ok(None);
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
    /// See [`TicketError`].
    pub(crate) async fn sign_out(
        &self,
        (cookie, xsrf): (&SecretString, &SecretString),
        client_info: &ClientInfo,
        now: OffsetDateTime,
    ) -> Result<bool, TicketError> {
        let Some(read) = read_session(cookie) else { return Ok(true) };
        let Some(principal) = self.live_session(&read, now).await? else { return Ok(true) };
        if !is_xsrf_token(&self.keyring, XsrfScope::Session(&read.digest), xsrf) {
            return Ok(false);
        }
        let context = ChangeContext { actor: Actor::Principal(&principal), client_info, now };
        match self.end_session(context, &read).await {
            // It has ended meanwhile; that is what was asked for.
            Err(TicketError::Change(ChangeUserError::ProofOutdated)) => Ok(true),
            ended => ended.map(|_| true),
        }
    }

    /// Ends the session that a browser had before somebody signed in with it, whosever it was.
    async fn end_former(
        &self,
        context: ChangeContext<'_>,
        cookie: &SecretString,
    ) -> Result<(), TicketError> {
        let Some(read) = read_session(cookie) else { return Ok(()) };
        if self.live_session(&read, context.now).await?.is_some() {
            self.end_session(context, &read).await?;
        }
        Ok(())
    }

    async fn end_session(
        &self,
        context: ChangeContext<'_>,
        read: &SessionReference,
    ) -> Result<bool, TicketError> {
        let at = self.reference(TicketKind::Session, read.user_id, &read.digest);
        Ok(self.revoke_issued(context, at.user_id, &at.digests.readable).await?)
    }

    /// The user of that session; `None` when it has ended.
    async fn live_session(
        &self,
        read: &SessionReference,
        now: OffsetDateTime,
    ) -> Result<Option<Principal>, TicketError> {
        match self.principal_of_session(read, now).await {
            Ok(principal) => Ok(Some(principal)),
            Err(AuthenticationError::Storage(error)) => Err(error.into()),
            Err(_) => Ok(None),
        }
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
