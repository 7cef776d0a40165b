//! Who is asking: from what a request presented to a principal.
//!
//! Every refusal has an inner reason for the log; the caller learns only that it was refused.

mod identity;
mod password;
mod ticket;
mod token;

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
    #[error("no such ticket")]
    UnknownTicket,
    #[error("the ticket has expired")]
    Expired,
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
}

impl Service {
    /// Finds out who presented this.
    ///
    /// # Errors
    /// [`AuthenticationError::Refused`], or what kept us from finding out.
    pub(crate) async fn authenticate(
        &self,
        presented: PresentedCredential,
        origin: &Origin,
        now: OffsetDateTime,
    ) -> Result<Principal, AuthenticationError> {
        if !self.is_enabled(presented.scheme()) {
            return Err(AuthenticationError::refused(None, Refusal::SchemeOff));
        }
        match presented {
            PresentedCredential::Password { name, password } => {
                self.authenticate_password(&name, &password, origin, now).await
            }
            PresentedCredential::Ticket(text) => self.authenticate_ticket(&text, now).await,
            PresentedCredential::Token(text) => self.authenticate_token(&text, now).await,
        }
    }

    fn is_enabled(&self, scheme: AuthenticationScheme) -> bool {
        let schemes = self.rules.schemes;
        match scheme {
            AuthenticationScheme::Basic => schemes.basic,
            AuthenticationScheme::SoTicket => schemes.so_ticket,
            AuthenticationScheme::Bearer => schemes.bearer,
            AuthenticationScheme::Command => true,
        }
    }

    /// When everything ends that goes back to a proof at `auth_time`; `None`: never.
    pub(super) fn end_of_lifetime(&self, auth_time: OffsetDateTime) -> Option<OffsetDateTime> {
        let absolute = self.rules.absolute_lifetime;
        if absolute.is_zero() { None } else { auth_time.checked_add(absolute.try_into().ok()?) }
    }

    /// Refuses what was derived from a proof and does not count any more.
    fn check_derived(
        &self,
        user: &User,
        session_epoch: i64,
        auth_time: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), AuthenticationError> {
        let refuse = |reason| Err(AuthenticationError::refused(Some(user), reason));
        if user.is_retired {
            return refuse(Refusal::Retired);
        }
        if session_epoch != user.session_epoch {
            return refuse(Refusal::EarlierEpoch);
        }
        if self.end_of_lifetime(auth_time).is_some_and(|end| end <= now) {
            return refuse(Refusal::LifetimeOver);
        }
        Ok(())
    }
}
