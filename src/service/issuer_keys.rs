//! Fetching the key sets of issuers: when a token names a key that is not known, at most once a
//! minute; and when they are old, so that a key that its issuer took back is not believed for long.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;
use url::Url;

use super::Service;
use crate::security::{
    issuer_keys::IssuerKeys,
    issuer_token::{Issuer, UnverifiedToken},
};

/// A key set that is older is fetched again.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// A key set that is older is believed no more, should its issuer not answer.
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);

/// However many unknown keys are named, an issuer is asked no more often.
const BETWEEN_FETCHES: Duration = Duration::from_secs(60);

/// So soon it is asked again when it did not answer well.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// How long an issuer may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// More than any issuer publishes.
const MAXIMUM_LENGTH: usize = 256 * 1024;

/// Nobody can say whether the token is right: the issuer's keys are not known.
#[derive(Debug, thiserror::Error)]
#[error("the key set of the issuer cannot be fetched")]
pub(crate) struct IssuerUnavailable;

/// Fetches key sets, each by one request at a time.
pub(crate) struct KeySetClient {
    client: reqwest::Client,
    /// When each may be asked for again.
    next: Mutex<HashMap<Url, Instant>>,
}

impl KeySetClient {
    /// A client that goes straight to whom it is told, with TLS where the URL says so.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // The URL was chosen by an operator; where it leads to was not.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, next: Mutex::default() })
    }

    async fn fetch(&self, url: &Url) -> Result<Vec<u8>, FetchError> {
        let mut answer = self.client.get(url.clone()).send().await?.error_for_status()?;
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            text.extend_from_slice(&chunk);
            if text.len() > MAXIMUM_LENGTH {
                return Err(FetchError::TooLong);
            }
        }
        Ok(text)
    }
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Request(#[from] reqwest::Error),
    #[error("it is longer than 256 KiB")]
    TooLong,
    #[error("it is not a JSON Web Key Set (RFC 7517)")]
    Malformed,
}

impl Service {
    /// Has the keys that a token needs, where they can be had.
    ///
    /// # Errors
    /// When the issuer does not tell its keys and those that are known do not suffice.
    pub(super) async fn have_keys(
        &self,
        token: &UnverifiedToken<'_>,
    ) -> Result<(), IssuerUnavailable> {
        let keys = token.issuer().keys();
        let Some(url) = keys.url() else { return Ok(()) };
        if token.has_key() && is_fresh(keys) {
            return Ok(());
        }
        // Whoever waited here finds what the one before has fetched.
        let mut next = self.key_sets.next.lock().await;
        if token.has_key() && is_fresh(keys) {
            return Ok(());
        }
        if next.get(url).is_none_or(|at| *at <= Instant::now()) {
            let is_fetched = self.fetch_keys(token.issuer(), url).await;
            let wait = if is_fetched { BETWEEN_FETCHES } else { AFTER_FAILURE };
            next.insert(url.clone(), Instant::now() + wait);
        }
        let age = keys.age().filter(|age| *age < USABLE);
        age.map(|_| ()).ok_or(IssuerUnavailable)
    }

    /// True when there is a key set.
    async fn fetch_keys(&self, issuer: &Issuer, url: &Url) -> bool {
        let fetched = self.key_sets.fetch(url).await;
        let replaced = fetched.and_then(|text| {
            issuer.keys().replace(&text).then_some(()).ok_or(FetchError::Malformed)
        });
        if let Err(error) = &replaced {
            tracing::error!(
                issuer.url = %url,
                error = error as &dyn std::error::Error,
                "the key set of an issuer could not be fetched"
            );
            return false;
        }
        tracing::info!(issuer.url = %url, "the key set of an issuer was fetched");
        true
    }
}

fn is_fresh(keys: &IssuerKeys) -> bool {
    keys.age().is_some_and(|age| age < FRESH)
}
