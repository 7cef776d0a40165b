//! Asks the directory about the passwords of logins: equal ones at the same time once, and wrong ones
//! not again.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::{FutureExt, TryFutureExt};

use super::password_target::{PresentedPassword, Target};
use crate::{
    directory::{BindVerdict, DirectoryError, PasswordVerifier},
    domain::client_info::FairnessKey,
    security::hashing::{HashingEngine, SingleFlight, VerificationDigest},
};

/// What the directory says about a password, for each login that waits for it.
pub(super) type SharedVerdict = Result<BindVerdict, Arc<DirectoryError>>;

/// The logins that one question decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Equal {
    /// With the same password for the same credential, from any address: a password that many send at
    /// once is counted once, so it must be sent to the directory once.
    Password(VerificationDigest),
    /// Without a credential that the directory verifies, from one address.
    Nobody(FairnessKey),
}

/// Asks the directory about passwords.
pub(crate) struct DirectoryLogins {
    verifier: Arc<PasswordVerifier>,
    /// How long an accepted password is not asked about again.
    verified_lifetime: Duration,
    /// The time of every refusal since the directory was asked, which is longer than its deadline.
    pub(super) refusal_time: Duration,
    flights: Arc<SingleFlight<Equal, SharedVerdict>>,
}

impl DirectoryLogins {
    /// Asks through `verifier`.
    pub(crate) fn new(
        verifier: Arc<PasswordVerifier>,
        verified_lifetime: Duration,
        refusal_time: Duration,
    ) -> Self {
        Self { verifier, verified_lifetime, refusal_time, flights: Arc::default() }
    }

    /// Asks the directory about the password of a login. The password is sent only if it can
    /// authenticate the owner of the target, and is not known to be wrong; otherwise the directory is
    /// asked about nobody. Caches what the verdict says about the password, and not what it says about
    /// the account, whose state may change at any time.
    ///
    /// # Errors
    /// When the directory has not decided.
    pub(super) fn ask(
        &self,
        hashing: &Arc<HashingEngine>,
        presented: PresentedPassword<'_>,
        target: Option<&Target<'_>>,
    ) -> impl Future<Output = SharedVerdict> + Send + use<> {
        let key = presented.client_info.fairness_key();
        let request = target.map(|target| target.request(presented));
        let equal = match &request {
            Some(request) => Equal::Password(hashing.digest(request)),
            None => Equal::Nobody(key),
        };
        let keys = request.as_ref().map(|request| hashing.cache_keys(key, request));
        let lifetime = self.verified_lifetime;
        let asking = {
            let (verifier, hashing) = (Arc::clone(&self.verifier), Arc::clone(hashing));
            let allowed = target.filter(|target| target.is_login_allowed);
            let identifier = allowed.and_then(|target| target.identifier.clone());
            // In the form in which passwords are compared here, so that one count is one password.
            let password = presented.password.secret().clone();
            async move {
                // An equal login may have finished since the application read the cache.
                let known = keys.and_then(|keys| hashing.recall(&keys));
                if known == Some(true) {
                    return Ok(BindVerdict::Accepted);
                }
                let identifier = identifier.as_ref().filter(|_| known.is_none());
                let verdict = verifier.verify(key, identifier, &password).await?;
                if let Some((keys, is_right)) = keys.zip(verdict.is_right()) {
                    hashing.remember(&keys, is_right, lifetime);
                }
                Ok::<_, DirectoryError>(verdict)
            }
        };
        let flights = Arc::clone(&self.flights);
        async move {
            let start = || asking.map_err(Arc::new).boxed();
            flights.join_or_start(equal, start).await.value
        }
    }
}
