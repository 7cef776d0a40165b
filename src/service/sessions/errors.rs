//! Errors of tickets and sessions.

use crate::{
    domain::InvalidField,
    security::{access_token::TokenRefused, random::RandomError},
    service::{
        authentication::error::AuthenticationError,
        errors::{ChangeUserError, SaveCredentialError},
    },
    storage::StorageError,
};

/// An error from issuing or ending a ticket or session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TicketError {
    /// A ticket requires a password: a ticket based on another ticket or a token could be renewed
    /// without limit, and one based on a session would outlive the logout.
    #[error("a ticket is issued only to a request with a password")]
    Forbidden,
    #[error("the request was not authenticated with a ticket")]
    NoTicket,
    /// The password was replaced after it was verified.
    #[error("the verified password has been replaced")]
    ProofOutdated,
    #[error("no such user")]
    UnknownUser,
    #[error("the user is retired")]
    Retired,
    #[error(transparent)]
    Change(#[from] ChangeUserError),
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// An error from signing in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    #[error(transparent)]
    Authentication(#[from] AuthenticationError),
    #[error(transparent)]
    Session(#[from] TicketError),
    /// The new session is stored. The browser does not get it, so that the next attempt ends the
    /// former one.
    #[error("failed to end the former session of the browser")]
    FormerSession(#[source] TicketError),
}

/// An error from proving the password again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProofError {
    #[error("the request was not authenticated with a session")]
    NoSession,
    #[error(transparent)]
    Authentication(#[from] AuthenticationError),
    #[error(transparent)]
    Change(#[from] ChangeUserError),
}

/// An error from changing a secret that must be changed, and signing in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequiredChangeError {
    #[error(transparent)]
    SignIn(#[from] SignInError),
    #[error(transparent)]
    Save(#[from] SaveCredentialError),
    #[error(transparent)]
    Invalid(#[from] InvalidField),
}

/// An error from logging in for a ticket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TicketLoginError {
    #[error(transparent)]
    Authentication(#[from] AuthenticationError),
    #[error(transparent)]
    Ticket(#[from] TicketError),
    #[error(transparent)]
    Token(#[from] TokenRefused),
}
