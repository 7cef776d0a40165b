//! Fetching the key sets of issuers: when a token names a key that is not known, at most once a
//! minute; and when they are old, so that a key that its issuer took back is not believed for long.

use std::time::{Duration, Instant};

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

/// Fetches key sets.
pub(crate) struct KeySetClient(reqwest::Client);

impl KeySetClient {
    /// A client that goes straight to whom it is told, with TLS where the URL says so.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // The URL was chosen by an operator; where it leads to, or who is on the way, was not.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self(client))
    }

    async fn fetch(&self, url: &Url) -> Result<Vec<u8>, FetchError> {
        let mut answer = self.0.get(url.clone()).send().await?.error_for_status()?;
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

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        // It would repeat the whole URL.
        Self::Request(error.without_url())
    }
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Request(reqwest::Error),
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
        // As long as there is a usable key, one asks for newer ones and nobody waits for that.
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
            // Before it is asked: whoever goes away meanwhile must not have it asked again at once.
            *next = Some(Instant::now() + AFTER_FAILURE);
            if self.fetch_keys(token.issuer(), url).await {
                *next = Some(Instant::now() + BETWEEN_FETCHES);
            }
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

/// A URL as the log has it: its query can have a key of the caller.
fn without_query(url: &Url) -> &str {
    url.as_str().split('?').next().unwrap_or_default()
}

fn is_fresh(keys: &IssuerKeys) -> bool {
    keys.age().is_some_and(|age| age < FRESH)
}
