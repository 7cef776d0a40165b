//! Signs in and out with a browser (docs/reference/wire-contract.md#d27-sessions).

use std::sync::Arc;

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{
    errors::{SignInError, TicketError},
    tickets::{NewTicket, Tickets},
};
use crate::{
    domain::{
        change_context::ChangeContext,
        client_info::ClientInfo,
        principal::{Actor, AuthenticationScheme, Principal},
        user::User,
    },
    security::{
        keyring_handle::KeyringHandle,
        random::RandomError,
        session_cookie::{SessionReference, new_session, read_session},
        xsrf::{XsrfScope, is_xsrf_token, new_login_page, new_xsrf_token},
    },
    service::{
        authentication::{
            PasswordLogin, error::AuthenticationError, issued::IssuedTickets,
            password::PasswordAuthenticator, record_authentication, session::SessionAuthenticator,
        },
        credentials::saving::Credentials,
        errors::ChangeUserError,
    },
    storage::tickets::TicketKind,
};

/// A request to sign in.
pub(crate) struct SignIn {
    pub(crate) name: String,
    pub(crate) password: SecretString,
    /// The session cookie of the request, if any; its session ends.
    pub(crate) former: Option<SecretString>,
    pub(crate) client_info: ClientInfo,
}

/// A new session. The cookie and the XSRF token are sent to the browser.
pub(crate) struct NewSession {
    pub(crate) cookie: SecretString,
    pub(crate) xsrf: SecretString,
    pub(crate) user: User,
}

/// The cookie of a login page, and the XSRF token in its form.
pub(crate) struct LoginPage {
    pub(crate) cookie: SecretString,
    pub(crate) token: SecretString,
}

/// Starts, shows and ends the sessions of browsers.
pub(crate) struct Sessions {
    /// False when the installation does not accept sessions.
    pub(crate) is_enabled: bool,
    pub(crate) keyring: KeyringHandle,
    pub(crate) passwords: Arc<PasswordAuthenticator>,
    pub(crate) authenticator: Arc<SessionAuthenticator>,
    pub(crate) issued: Arc<IssuedTickets>,
    pub(crate) tickets: Arc<Tickets>,
    pub(crate) credentials: Arc<Credentials>,
}

impl Sessions {
    /// True when the installation accepts sessions.
    pub(crate) fn are_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Starts a session with a name and a password, and ends the earlier session of the browser.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub(crate) async fn sign_in(
        &self,
        sign_in: SignIn,
        now: OffsetDateTime,
    ) -> Result<NewSession, SignInError> {
        let SignIn { name, password, client_info, .. } = &sign_in;
        let login = self.log_in(name, password, client_info, now).await?;
        self.start_session(sign_in, login, now).await
    }

    /// Starts a session of a user who has logged in, and ends the earlier session of the browser.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub(super) async fn start_session(
        &self,
        SignIn { former, client_info, .. }: SignIn,
        login: PasswordLogin,
        now: OffsetDateTime,
    ) -> Result<NewSession, SignInError> {
        let PasswordLogin { principal, lookup: _until_stored } = login;
        if principal.must_change_secret() {
            let user_id = principal.user_id();
            return Err(AuthenticationError::ChangeRequired { user_id }.into());
        }
        let actor = Actor::Principal(&principal);
        let context = ChangeContext { actor, client_info: &client_info, reason: None, now };
        let session = new_session(principal.user_id()).map_err(TicketError::from)?;
        let xsrf = new_xsrf_token(&self.keyring.current(), XsrfScope::Session(&session.digest));
        let xsrf = xsrf.map_err(TicketError::from)?;
        let kind = TicketKind::Session;
        let new = NewTicket { kind, digest: &session.digest, auth_time: principal.auth_time };
        self.tickets.store(context, &principal.user, new).await?;
        if let Some(former) = former {
            self.end_former(context, &former).await.map_err(SignInError::FormerSession)?;
        }
        Ok(NewSession { cookie: session.text, xsrf, user: principal.user })
    }

    /// The user with that name and password, who may have a session; perhaps only to change the
    /// password. Counts the authentication of the request.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub(super) async fn log_in(
        &self,
        name: &str,
        password: &SecretString,
        client_info: &ClientInfo,
        now: OffsetDateTime,
    ) -> Result<PasswordLogin, AuthenticationError> {
        let found = self.verify_login(name, password, client_info, now).await;
        let principal = found.as_ref().map(|login| &login.principal);
        let metrics = &self.passwords.throttling.metrics;
        record_authentication(metrics, AuthenticationScheme::Basic, principal);
        found
    }

    /// As [`Self::log_in`], for a request whose authentication is counted already.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub(super) async fn verify_login(
        &self,
        name: &str,
        password: &SecretString,
        client_info: &ClientInfo,
        now: OffsetDateTime,
    ) -> Result<PasswordLogin, AuthenticationError> {
        if !self.is_enabled {
            return Err(AuthenticationError::scheme_off());
        }
        let passwords = &self.passwords;
        let mut found = passwords.authenticate_for_change(name, password, client_info, now).await;
        if found.as_ref().err().is_some_and(AuthenticationError::is_retryable_read) {
            found = passwords.authenticate_for_change(name, password, client_info, now).await;
        }
        let login = found?;
        if !self.authenticator.may_have_session(&login.principal.user) {
            // A mark would shut out users who cannot change their password with a session.
            if let Some(lookup) = login.lookup {
                lookup.cancel();
            }
            return Err(AuthenticationError::OnlineSession);
        }
        Ok(login)
    }

    /// The owner of a live session, and an XSRF token for its pages; `None` when the session has
    /// ended.
    ///
    /// # Errors
    /// See [`TicketError`].
    pub(crate) async fn show(
        &self,
        cookie: &SecretString,
        now: OffsetDateTime,
    ) -> Result<Option<(Principal, SecretString)>, TicketError> {
        let Some(read) = read_session(cookie) else { return Ok(None) };
        let Some(principal) = self.find_live(&read, now).await? else { return Ok(None) };
        if !self.authenticator.may_have_session(&principal.user) {
            return Ok(None);
        }
        let xsrf = new_xsrf_token(&self.keyring.current(), XsrfScope::Session(&read.digest))?;
        Ok(Some((principal, xsrf)))
    }

    /// An XSRF token for a page of the session with that cookie, which the caller has
    /// authenticated; `None` when it is not the cookie of a session.
    ///
    /// # Errors
    /// When the system provides no random bytes.
    pub(crate) fn new_xsrf_token(
        &self,
        cookie: &SecretString,
    ) -> Result<Option<SecretString>, RandomError> {
        let Some(read) = read_session(cookie) else { return Ok(None) };
        new_xsrf_token(&self.keyring.current(), XsrfScope::Session(&read.digest)).map(Some)
    }

    /// True if the XSRF token belongs to the session with that cookie, which the caller has
    /// authenticated.
    pub(crate) fn is_xsrf_token(&self, cookie: &SecretString, token: &SecretString) -> bool {
        read_session(cookie).is_some_and(|read| {
            is_xsrf_token(&self.keyring.current(), XsrfScope::Session(&read.digest), token)
        })
    }

    /// Ends a session; false when it is live and the XSRF token does not belong to it.
    ///
    /// # Errors
    /// See [`TicketError`].
    pub(crate) async fn sign_out(
        &self,
        cookie: &SecretString,
        xsrf: &SecretString,
        client_info: &ClientInfo,
        now: OffsetDateTime,
    ) -> Result<bool, TicketError> {
        let Some(read) = read_session(cookie) else { return Ok(true) };
        let Some(principal) = self.find_live(&read, now).await? else { return Ok(true) };
        if !is_xsrf_token(&self.keyring.current(), XsrfScope::Session(&read.digest), xsrf) {
            return Ok(false);
        }
        let context =
            ChangeContext { actor: Actor::Principal(&principal), client_info, reason: None, now };
        match self.end(context, &read).await {
            // The session has already ended, as requested.
            Err(ChangeUserError::ProofOutdated) => Ok(true),
            ended => Ok(ended.map(|_| true)?),
        }
    }

    /// Ends the earlier session of the browser, which may belong to another user.
    async fn end_former(
        &self,
        context: ChangeContext<'_>,
        cookie: &SecretString,
    ) -> Result<(), TicketError> {
        let Some(read) = read_session(cookie) else { return Ok(()) };
        if self.find_live(&read, context.now).await?.is_some() {
            self.end(context, &read).await?;
        }
        Ok(())
    }

    async fn end(
        &self,
        context: ChangeContext<'_>,
        read: &SessionReference,
    ) -> Result<bool, ChangeUserError> {
        let reference = self.issued.reference(TicketKind::Session, read.user_id, &read.digest);
        self.tickets.revoke(context, reference.user_id, &reference.digests.readable).await
    }

    /// The owner of a session; `None` when it has ended.
    async fn find_live(
        &self,
        read: &SessionReference,
        now: OffsetDateTime,
    ) -> Result<Option<Principal>, TicketError> {
        match self.authenticator.principal_of(read, now).await {
            Ok(principal) => Ok(Some(principal)),
            Err(AuthenticationError::Storage(error)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// A login page for a browser. `open` is the cookie of a login page that is already open.
    ///
    /// # Errors
    /// When the system provides no random bytes.
    pub(crate) fn new_login_page(
        &self,
        open: Option<SecretString>,
    ) -> Result<LoginPage, RandomError> {
        let cookie = open.map_or_else(new_login_page, Ok)?;
        let token = new_xsrf_token(&self.keyring.current(), XsrfScope::LoginPage(&cookie))?;
        Ok(LoginPage { cookie, token })
    }

    /// True when a form belongs to the login page with that cookie.
    pub(crate) fn is_of_login_page(&self, page: &LoginPage) -> bool {
        is_xsrf_token(&self.keyring.current(), XsrfScope::LoginPage(&page.cookie), &page.token)
    }
}
