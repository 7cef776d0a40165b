//! Fetches a key set over HTTP.

use std::time::Duration;

use url::Url;

use crate::{security::issuer_keys::KeySetError, trace_context::outgoing_headers};

/// The timeout of one fetch.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The maximum size of a key set, in bytes. Real key sets are far smaller.
const MAXIMUM_LENGTH: usize = 256 * 1024;

/// An error from fetching a key set.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Request(reqwest::Error),
    #[error("the key set is longer than 256 KiB")]
    TooLong,
    #[error(transparent)]
    KeySet(KeySetError),
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        // The query of the URL may contain a secret; the caller logs the URL without its query.
        Self::Request(error.without_url())
    }
}

/// An HTTP client for key sets.
#[derive(Clone)]
pub(super) struct KeySetClient(reqwest::Client);

impl KeySetClient {
    /// Builds a client that uses no proxy and follows no redirects.
    ///
    /// # Errors
    /// When TLS is not available.
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // Connect only to the configured URL, not to a redirect target or a proxy.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self(client))
    }

    /// Fetches the key set at `url` and returns the unparsed response body.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(super) async fn fetch(&self, url: &Url) -> Result<Vec<u8>, FetchError> {
        let mut request = self.0.get(url.clone());
        for (name, value) in outgoing_headers() {
            request = request.header(name, value);
        }
        let mut response = request.send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAXIMUM_LENGTH {
                return Err(FetchError::TooLong);
            }
        }
        Ok(body)
    }
}
