//! Refreshes the key sets of issuers: when a token names an unknown key, at most once a minute, and
//! when a key set is old, so that a revoked key is not accepted for long.

use std::time::{Duration, Instant};

use url::Url;

use super::client::{FetchError, KeySetClient};
use crate::security::{
    issuer_keys::IssuerKeys,
    issuer_token::{Issuer, UnverifiedToken},
};

/// The age up to which a key set is used without another fetch.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// The age up to which a key set is used while its issuer does not answer.
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);

/// The time between two fetches from one issuer, however many unknown keys are named.
const FETCH_INTERVAL: Duration = Duration::from_secs(60);

/// The time until the next fetch after a failed one.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// The token cannot be verified: the key set of its issuer is not available.
#[derive(Debug, thiserror::Error)]
#[error("the key set of the issuer cannot be fetched")]
pub(crate) struct IssuerUnavailable;

/// Keeps the key sets of issuers up to date.
pub(crate) struct KeySets(KeySetClient);

impl KeySets {
    /// Builds the HTTP client.
    ///
    /// # Errors
    /// When TLS is not available.
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        KeySetClient::new().map(Self)
    }

    /// Fetches the key set of the token's issuer when the known one is old or lacks the token's key.
    ///
    /// # Errors
    /// When no usable key set is known and the issuer does not answer.
    pub(crate) async fn refresh_for(
        &self,
        token: &UnverifiedToken<'_>,
    ) -> Result<(), IssuerUnavailable> {
        let keys = token.issuer().keys();
        let Some(url) = keys.url() else { return Ok(()) };
        if token.has_key() && is_fresh(keys) {
            return Ok(());
        }
        // While a usable key is known, one request fetches newer keys and no other waits for it.
        let is_usable = keys.age().is_some_and(|age| age < USABLE);
        let next = match keys.next_fetch().try_lock() {
            Ok(next) => Some(next),
            Err(_) if token.has_key() && is_usable => None,
            Err(_) => Some(keys.next_fetch().lock().await),
        };
        if let Some(mut next) = next
            && !(token.has_key() && is_fresh(keys))
            && next.is_none_or(|at| at <= Instant::now())
        {
            // Set before the fetch, so that a canceled request does not cause another fetch at once.
            *next = Some(Instant::now() + RETRY_INTERVAL);
            if self.fetch(token.issuer(), url).await {
                *next = Some(Instant::now() + FETCH_INTERVAL);
            }
        }
        let age = keys.age().filter(|age| *age < USABLE);
        age.map(|_| ()).ok_or(IssuerUnavailable)
    }

    /// Fetches a key set and replaces the known one; true on success.
    async fn fetch(&self, issuer: &Issuer, url: &Url) -> bool {
        let fetched = self.0.fetch(url).await;
        let replaced = fetched.and_then(|text| {
            issuer.keys().replace(&text).then_some(()).ok_or(FetchError::Malformed)
        });
        if let Err(error) = &replaced {
            tracing::error!(
                issuer.url = without_query(url),
                error = error as &dyn std::error::Error,
                "the key set of an issuer could not be fetched"
            );
            return false;
        }
        tracing::info!(issuer.url = without_query(url), "the key set of an issuer was fetched");
        true
    }
}

/// A URL for the log, without its query, which may contain a secret.
fn without_query(url: &Url) -> &str {
    url.as_str().split('?').next().unwrap_or_default()
}

fn is_fresh(keys: &IssuerKeys) -> bool {
    keys.age().is_some_and(|age| age < FRESH)
}
