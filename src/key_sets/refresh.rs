//! Refreshes the key sets of issuers: when a key set is old, so that a revoked key is not accepted
//! for long, and when a token names an unknown key, at most once a minute.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::OwnedMutexGuard;
use tracing::Instrument;
use url::Url;

use super::client::{FetchError, KeySetClient};
use crate::{
    detached::detached,
    security::{issuer_keys::IssuerKeys, issuer_token::UnverifiedToken},
    trace_context::client_span,
};

/// The maximum age of a key set that is used without another fetch.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// The maximum age of a key set that is used while its issuer is unreachable.
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);

/// The minimum time between two fetches from one issuer, even when tokens name unknown keys.
const FETCH_INTERVAL: Duration = Duration::from_secs(60);

/// The minimum time between a failed fetch and the next one.
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

    /// Fetches the key set of the token's issuer when the known one is old or lacks the token's
    /// key.
    ///
    /// # Errors
    /// When no usable key set is known and the fetch fails.
    pub(crate) async fn refresh_for(
        &self,
        token: &UnverifiedToken<'_>,
    ) -> Result<(), IssuerUnavailable> {
        let keys = token.issuer().keys();
        let Some(url) = keys.url() else { return Ok(()) };
        if token.has_key() && is_fresh(keys) {
            return Ok(());
        }
        // While a usable key is known, one request refreshes the key set and the others do not
        // wait.
        let is_usable = keys.age().is_some_and(|age| age < USABLE);
        let next_fetch = match keys.next_fetch().try_lock_owned() {
            Ok(next_fetch) => Some(next_fetch),
            Err(_) if token.has_key() && is_usable => None,
            Err(_) => Some(keys.next_fetch().lock_owned().await),
        };
        if let Some(next_fetch) = next_fetch
            && !(token.has_key() && is_fresh(keys))
            && next_fetch.is_none_or(|at| at <= Instant::now())
        {
            let fetch = fetch(self.0.clone(), Arc::clone(keys), url.clone(), next_fetch);
            // Every token of the issuer may need its result.
            detached(fetch).await;
        }
        let age = keys.age().filter(|age| *age < USABLE);
        age.map(|_| ()).ok_or(IssuerUnavailable)
    }
}

/// Fetches a key set and replaces the known one.
async fn fetch(
    client: KeySetClient,
    keys: Arc<IssuerKeys>,
    url: Url,
    mut next_fetch: OwnedMutexGuard<Option<Instant>>,
) {
    // Set before the fetch, so that a panic does not cause another fetch at once.
    *next_fetch = Some(Instant::now() + RETRY_INTERVAL);
    let fetched = client.fetch(&url).instrument(client_span!("key_sets.fetch")).await;
    let replaced = fetched.and_then(|text| keys.replace(&text).map_err(FetchError::KeySet));
    let url = without_query(&url);
    if let Err(error) = &replaced {
        tracing::error!(
            issuer.url = url,
            error = error as &dyn std::error::Error,
            "failed to fetch the key set of an issuer"
        );
        return;
    }
    *next_fetch = Some(Instant::now() + FETCH_INTERVAL);
    tracing::info!(issuer.url = url, "fetched the key set of an issuer");
}

/// The URL for the log. The query is left out because it may contain a secret.
fn without_query(url: &Url) -> &str {
    url.as_str().split('?').next().unwrap_or_default()
}

fn is_fresh(keys: &IssuerKeys) -> bool {
    keys.age().is_some_and(|age| age < FRESH)
}
