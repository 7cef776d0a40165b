//! The input and the result of an authentication.

use super::error::AuthenticationError;
use crate::{
    domain::{
        client_info::ClientInfo,
        principal::{AuthenticationScheme, Principal},
    },
    security::hashing::Admission,
    service::{
        activity::metrics::{ActivityMetrics, AuthenticationOutcome},
        credentials::list_check::PendingLookup,
        errors::AttemptError,
    },
};

/// The work that a request causes after its authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Statements only.
    Light,
    /// A hash; the number of admitted requests is limited.
    Hashing,
    /// A hash if the session's password was proven too long ago; then admitted as [`Self::Hashing`].
    Proving,
    /// As [`Self::Hashing`], for a new value of the secret that authenticates the caller: the only
    /// work for a secret that must be changed.
    ChangingSecret,
}

/// The request that is authenticated.
#[derive(Clone, Copy)]
pub(super) struct Requested<'request> {
    pub(super) work: Work,
    pub(super) client_info: &'request ClientInfo,
}

/// An authenticated request.
pub(crate) struct Authenticated {
    pub(crate) principal: Principal,
    /// The admission to the hashing queue, held until the response; `None` for light work.
    pub(crate) admission: Option<Admission>,
    /// Held until the response, too; `None` unless a password was verified by a hash.
    pub(crate) lookup: Option<PendingLookup>,
}

/// A password that authenticates its user.
pub(crate) struct PasswordLogin {
    pub(crate) principal: Principal,
    /// Held until the request is answered.
    pub(crate) lookup: Option<PendingLookup>,
}

/// Counts the authentication of a request, from its final result: a retry is not counted again.
pub(in crate::service) fn record_authentication(
    metrics: &ActivityMetrics,
    scheme: AuthenticationScheme,
    found: Result<&Principal, &AuthenticationError>,
) {
    let outcome = match found {
        Ok(principal) if principal.must_change_secret() => AuthenticationOutcome::ChangeRequired,
        Ok(_) => AuthenticationOutcome::Success,
        Err(error) => error.outcome(),
    };
    metrics.record_authentication(scheme, outcome);
}

/// Counts a verification of a password for the report of the activity, which omits those without an
/// outcome, such as one that the database did not answer.
pub(super) fn record_password(
    metrics: &ActivityMetrics,
    found: &Result<PasswordLogin, AuthenticationError>,
) {
    match found {
        Ok(_) => metrics.record_login(),
        Err(AuthenticationError::Refused { .. }) => metrics.record_failure(),
        Err(AuthenticationError::Attempt(AttemptError::TooMany(_))) => metrics.record_throttled(),
        Err(_) => {}
    }
}
