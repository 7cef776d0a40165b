//! Who is asking: from what a request presented to a principal.
//!
//! Every refusal has an inner reason for the log; the caller learns only that it was refused.

mod application;
mod derived;
mod identity;
mod password;
mod session;
mod ticket;
mod token;

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{Service, opening::KeyUnavailable};
use crate::{
    domain::{
        caller::Origin,
        principal::{AuthenticationScheme, PresentedCredential, Principal},
        user::{User, UserId},
    },
    security::{access_token::TokenRefused, hashing::HashingError},
    storage::StorageError,
};

/// Why nobody was authenticated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthenticationError {
    /// What was presented does not prove anything.
    #[error("the caller was not authenticated")]
    Refused {
        /// When it is known whom the caller claimed to be.
        user_id: Option<UserId>,
        #[source]
        reason: Refusal,
    },
    /// Online, sessions are for administrators.
    #[error("only administrators have a session here")]
    OnlineSession,
    #[error(transparent)]
    KeyUnavailable(#[from] KeyUnavailable),
    #[error(transparent)]
    Hashing(#[from] HashingError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The inner reason of a refusal, for the log only.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the scheme is switched off")]
    SchemeOff,
    #[error("the login name cannot be one")]
    ImpossibleName,
    #[error("the password cannot be one")]
    ImpossiblePassword,
    #[error("no such user")]
    UnknownUser,
    #[error("wrong password")]
    WrongPassword,
    #[error("the user is retired")]
    Retired,
    #[error("not a ticket")]
    MalformedTicket,
    #[error("not a session")]
    MalformedSession,
    #[error("no such ticket or session")]
    UnknownTicket,
    #[error("the ticket or session has expired")]
    Expired,
    #[error("the value of X-XSRF-TOKEN is not the session's")]
    WrongXsrf,
    #[error("no known application")]
    UnknownApplication,
    #[error("the password was changed, or everything was ended, since")]
    EarlierEpoch,
    #[error("the proof it goes back to is too long ago")]
    LifetimeOver,
    #[error(transparent)]
    Token(TokenRefused),
    #[error("nobody has this identifier")]
    UnknownIdentifier,
    #[error("the identifier's row holds another identifier")]
    IdentifierMismatch,
}

impl AuthenticationError {
    fn refused(user: Option<&User>, reason: Refusal) -> Self {
        Self::Refused { user_id: user.map(|user| user.user_id), reason }
    }

    pub(super) fn scheme_off() -> Self {
        Self::refused(None, Refusal::SchemeOff)
    }
}

impl Service {
    /// Finds out who presented this.
    ///
    /// # Errors
    /// [`AuthenticationError::Refused`], or what kept us from finding out.
    pub(crate) async fn authenticate(
        &self,
        presented: PresentedCredential,
        app_token: Option<&SecretString>,
        origin: &Origin,
        now: OffsetDateTime,
    ) -> Result<Principal, AuthenticationError> {
        if !self.is_enabled(presented.scheme()) {
            return Err(AuthenticationError::scheme_off());
        }
        let principal = match presented {
            PresentedCredential::Password { name, password } => {
                self.authenticate_password(&name, &password, origin, now).await
            }
            PresentedCredential::Ticket(text) => self.authenticate_ticket(&text, now).await,
            PresentedCredential::Token(text) => self.authenticate_token(&text, now).await,
            PresentedCredential::Session { cookie, xsrf } => {
                self.authenticate_session(&cookie, &xsrf, now).await
            }
        };
        self.identify_application(principal?, app_token)
    }

    fn is_enabled(&self, scheme: AuthenticationScheme) -> bool {
        let schemes = self.rules.schemes;
        match scheme {
            AuthenticationScheme::Basic => schemes.basic,
            AuthenticationScheme::SoTicket => schemes.so_ticket,
            AuthenticationScheme::Bearer => schemes.bearer,
            AuthenticationScheme::Session => schemes.session,
            AuthenticationScheme::Command => true,
        }
    }
}
