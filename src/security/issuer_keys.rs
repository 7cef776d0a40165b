//! The public keys of an issuer (RFC 7517): of a file that is read at start, or of a URL that is
//! fetched when it is needed.

use std::{
    path::PathBuf,
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

use jsonwebtoken::jwk::{Jwk, JwkSet};
use url::Url;

use crate::domain::encoding::{self, EncodingError};

/// Where a key set is.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    /// Read once.
    File(PathBuf),
    /// Fetched.
    Url(Url),
}

/// Why a key set cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssuerError {
    #[error("the key set {0} cannot be read")]
    Unreadable(PathBuf, #[source] std::io::Error),
    #[error("the key set {0} is not a JSON Web Key Set (RFC 7517)")]
    Malformed(PathBuf, #[source] serde_json::Error),
    #[error("the key set {0} {1}")]
    Encoding(PathBuf, EncodingError),
    #[error("the key set {0} has no key for RS256, ES256 or EdDSA that a token can name")]
    Unusable(PathBuf),
}

/// A key set as it is known now.
#[derive(Debug)]
pub(crate) struct IssuerKeys {
    source: KeySource,
    known: RwLock<Known>,
    /// When they may be fetched again; held while they are.
    next_fetch: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Known {
    keys: JwkSet,
    /// `None`: never fetched.
    since: Option<Instant>,
}

impl IssuerKeys {
    /// The keys of a file, or none yet.
    ///
    /// # Errors
    /// When the file is missing or no key set, or none of its keys can verify anything.
    pub(super) fn load(
        source: KeySource,
        is_usable: impl FnOnce(&JwkSet) -> bool,
    ) -> Result<Self, IssuerError> {
        let keys = match &source {
            KeySource::Url(_) => JwkSet { keys: Vec::new() },
            KeySource::File(path) => {
                let bytes = std::fs::read(path)
                    .map_err(|error| IssuerError::Unreadable(path.clone(), error))?;
                let text = encoding::text(&bytes)
                    .map_err(|error| IssuerError::Encoding(path.clone(), error))?;
                let keys: JwkSet = serde_json::from_str(text)
                    .map_err(|error| IssuerError::Malformed(path.clone(), error))?;
                if !is_usable(&keys) {
                    return Err(IssuerError::Unusable(path.clone()));
                }
                keys
            }
        };
        Ok(Self {
            source,
            known: RwLock::new(Known { keys, since: None }),
            next_fetch: tokio::sync::Mutex::default(),
        })
    }

    /// Where they are fetched from, if they are.
    pub(crate) fn url(&self) -> Option<&Url> {
        match &self.source {
            KeySource::Url(url) => Some(url),
            KeySource::File(_) => None,
        }
    }

    /// When they may be fetched again; held by whoever fetches them.
    pub(crate) fn next_fetch(&self) -> &tokio::sync::Mutex<Option<Instant>> {
        &self.next_fetch
    }

    /// How long ago they were fetched; `None`: never.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.read().since.map(|since| since.elapsed())
    }

    /// Takes what was fetched just now. False when it is no key set.
    pub(crate) fn replace(&self, text: &[u8]) -> bool {
        let Ok(keys) = serde_json::from_slice::<JwkSet>(text) else { return false };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Known { keys, since: Some(Instant::now()) };
        true
    }

    /// The key of that id.
    pub(super) fn find(&self, kid: &str) -> Option<Jwk> {
        self.read().keys.find(kid).cloned()
    }

    /// The one key that fits; `None` when none does, or several do.
    pub(super) fn find_only(&self, fits: impl Fn(&Jwk) -> bool) -> Option<Jwk> {
        let known = self.read();
        let mut fitting = known.keys.keys.iter().filter(|key| fits(key));
        let only = fitting.next()?;
        fitting.next().is_none().then(|| only.clone())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        // Its data is whole whatever happened to the last holder.
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}
