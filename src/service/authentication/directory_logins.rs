//! Asks the directory about the passwords of logins: equal ones at the same time once, and recent ones
//! not again.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;

use super::password_target::{PresentedPassword, Target};
use crate::{
    directory::{BindVerdict, DirectoryError, PasswordVerifier},
    domain::client_info::FairnessKey,
    security::hashing::{HashingEngine, SingleFlight, VerificationDigest},
};

/// What the directory says about a password, for each login that waits for it.
type SharedVerdict = Result<BindVerdict, Arc<DirectoryError>>;

/// Asks the directory about passwords.
pub(crate) struct DirectoryLogins {
    verifier: Arc<PasswordVerifier>,
    /// How long an accepted password is not asked about again.
    verified_lifetime: Duration,
    /// The time of every refusal since the directory was asked, which is longer than its deadline.
    pub(super) refusal_time: Duration,
    /// Of one address each, as in the hashing engine.
    flights: SingleFlight<(FairnessKey, Option<VerificationDigest>), SharedVerdict>,
}

impl DirectoryLogins {
    /// Asks through `verifier`.
    pub(crate) fn new(
        verifier: Arc<PasswordVerifier>,
        verified_lifetime: Duration,
        refusal_time: Duration,
    ) -> Self {
        Self { verifier, verified_lifetime, refusal_time, flights: SingleFlight::new() }
    }

    /// Asks the directory about the password of a login, and caches its verdict. The password is sent
    /// only if it can authenticate the owner of the target.
    ///
    /// # Errors
    /// When the directory has not decided.
    pub(super) async fn ask(
        &self,
        hashing: &HashingEngine,
        presented: PresentedPassword<'_>,
        target: Option<&Target<'_>>,
    ) -> SharedVerdict {
        let key = presented.client_info.fairness_key();
        let request = target.map(|target| target.request(presented));
        // An equal login may have finished since the application read the cache.
        if request.as_ref().and_then(|request| hashing.cached_result(request)) == Some(true) {
            return Ok(BindVerdict::Accepted);
        }
        let digest = request.as_ref().map(|request| hashing.digest(request));
        let start = || {
            let verifier = Arc::clone(&self.verifier);
            let allowed = target.filter(|target| target.is_login_allowed);
            let identifier = allowed.and_then(|target| target.identifier.clone());
            // In the form in which passwords are compared here, so that one count is one password.
            let password = presented.password.secret().clone();
            async move { verifier.verify(identifier.as_ref(), &password).await.map_err(Arc::new) }
                .boxed()
        };
        let verdict = self.flights.join_or_start((key, digest), start).await.value?;
        if let Some(request) = &request {
            let is_right = verdict == BindVerdict::Accepted;
            hashing.remember(key, request, is_right, self.verified_lifetime);
        }
        Ok(verdict)
    }
}
