//! Authentication: from a presented credential to a principal, or to a refusal whose reason only the
//! log receives.

mod admissions;
pub(crate) mod authenticator;
pub(crate) mod bearer;
pub(crate) mod directory_logins;
pub(crate) mod error;
pub(crate) mod issued;
pub(crate) mod issuer_token;
mod login_attempt;
pub(crate) mod moving;
pub(crate) mod old_system_questions;
mod outcome;
pub(crate) mod password;
mod password_elsewhere;
mod password_target;
pub(crate) mod session;
pub(crate) mod ticket;
pub(crate) mod tokens;
pub(crate) mod valid_from;

pub(in crate::service) use self::outcome::record_authentication;
pub(crate) use self::{
    admissions::Admissions,
    authenticator::{AuthenticationAttempt, Authenticator, EnabledSchemes},
    error::{AuthenticationError, Refusal},
    outcome::{Authenticated, PasswordLogin, Work},
};
