//! Who is asking: from what a request presented to a principal.
//!
//! Every refusal has an inner reason for the log; the caller learns only that it was refused.

mod application;
mod issued;
mod issuer_token;
mod password;
mod session;
mod ticket;
mod token;
pub(crate) mod tokens;

use secrecy::SecretString;
use time::OffsetDateTime;

use crate::service::{Service, throttling::counting::AttemptError, unsealing::KeyUnavailable};
use crate::{
    domain::{
        client_info::{ClientInfo, FairnessKey},
        principal::{AuthenticationScheme, PresentedCredential, Principal},
        user::{User, UserId},
    },
    key_sets::IssuerUnavailable,
    security::{
        access_token::TokenRefused,
        hashing::{Admission, HashingError},
    },
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
    Attempt(#[from] AttemptError),
    #[error(transparent)]
    KeyUnavailable(#[from] KeyUnavailable),
    #[error(transparent)]
    IssuerUnavailable(#[from] IssuerUnavailable),
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
    #[error("the credential does not count yet, or not any more")]
    NotValidNow,
    #[error("the credential is locked after too many wrong secrets in a row")]
    Locked,
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

/// What a request presents before anything else is looked at.
pub(crate) struct AuthenticationAttempt {
    pub(crate) credential: PresentedCredential,
    /// `SO-AppToken`.
    pub(crate) app_token: Option<SecretString>,
    pub(crate) client_info: ClientInfo,
    pub(crate) work: Work,
}

/// What a request costs beside its authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Statements only.
    Light,
    /// A hash: only so many are let in at a time.
    Hashing,
}

/// Somebody who is who they say, with a place where hashing is if the request needs one.
pub(crate) struct Authenticated {
    pub(crate) principal: Principal,
    /// To be kept until the request is answered.
    pub(crate) admission: Option<Admission>,
}

impl AuthenticationError {
    fn refused(user: Option<&User>, reason: Refusal) -> Self {
        Self::Refused { user_id: user.map(|user| user.user_id), reason }
    }

    /// True when another connection to the database may find out.
    pub(super) fn is_of_lost_connection(&self) -> bool {
        match self {
            Self::Storage(error) | Self::Attempt(AttemptError::Storage(error)) => {
                error.is_of_lost_connection()
            }
            Self::Refused { .. }
            | Self::OnlineSession
            | Self::Attempt(AttemptError::TooMany(_))
            | Self::KeyUnavailable(_)
            | Self::IssuerUnavailable(_)
            | Self::Hashing(_) => false,
        }
    }

    pub(super) fn scheme_off() -> Self {
        Self::refused(None, Refusal::SchemeOff)
    }
}

impl Service {
    /// Finds out who presented this, and whether there is room for their work. Where the text
    /// itself names a user, the room comes first: a refusal costs no statement. Until the proof it
    /// is the room of the caller's address.
    ///
    /// # Errors
    /// [`AuthenticationError::Refused`], or what kept us from finding out.
    pub(crate) async fn authenticate(
        &self,
        presentation: AuthenticationAttempt,
        now: OffsetDateTime,
    ) -> Result<Authenticated, AuthenticationError> {
        let found = self.authenticate_once(&presentation, now).await;
        if found.as_ref().err().is_some_and(AuthenticationError::is_of_lost_connection) {
            // The same secret is the same try, so it is charged once.
            return Box::pin(self.authenticate_once(&presentation, now)).await;
        }
        found
    }

    async fn authenticate_once(
        &self,
        presentation: &AuthenticationAttempt,
        now: OffsetDateTime,
    ) -> Result<Authenticated, AuthenticationError> {
        let AuthenticationAttempt { credential, app_token, client_info, work } = presentation;
        let work = *work;
        if !self.is_enabled(credential.scheme()) {
            return Err(AuthenticationError::scheme_off());
        }
        let authenticated = match credential {
            PresentedCredential::Password { name, password } => {
                // Apart: every request that waits would have room for it otherwise.
                let verification =
                    Box::pin(self.authenticate_password(name, password, client_info, now));
                let principal = verification.await?;
                let admission = self.admit(work, principal.user_id())?;
                Authenticated { principal, admission }
            }
            PresentedCredential::Ticket(text) => {
                self.authenticate_ticket(text, (work, client_info), now).await?
            }
            PresentedCredential::Token(text) => {
                self.authenticate_token(text, (work, client_info), now).await?
            }
            PresentedCredential::Session { cookie, xsrf } => {
                self.authenticate_session((cookie, xsrf), (work, client_info), now).await?
            }
        };
        self.identify_application(authenticated, app_token.as_ref())
    }

    /// A place for the work of a request that names a user and has proven nothing yet.
    fn admit_unproven(
        &self,
        (work, client_info): (Work, &ClientInfo),
        named: UserId,
    ) -> Result<Option<Admission>, HashingError> {
        match work {
            Work::Light => Ok(None),
            Work::Hashing => self
                .hashing
                .admit_unproven(client_info.caller(), FairnessKey::User(named))
                .map(Some),
        }
    }

    /// The place, now of the user who was proven.
    fn move_admission(
        &self,
        admission: Option<Admission>,
        proven: UserId,
    ) -> Result<Option<Admission>, HashingError> {
        let moved = |place| self.hashing.move_admission(place, FairnessKey::User(proven));
        admission.map(moved).transpose()
    }

    /// A place for the work that a request of a proven user brings; light work needs none.
    fn admit(&self, work: Work, user_id: UserId) -> Result<Option<Admission>, HashingError> {
        match work {
            Work::Light => Ok(None),
            Work::Hashing => self.hashing.admit(FairnessKey::User(user_id)).map(Some),
        }
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
