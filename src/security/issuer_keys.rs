//! The key set of an OpenID Connect issuer (RFC 7517), read from a file or fetched from a URL on
//! demand.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use jsonwebtoken::jwk::{Jwk, JwkSet};
use tokio::sync::Mutex;
use url::Url;

use crate::{
    bounded_file,
    domain::encoding::{self, EncodingError},
};

/// The source of a key set.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    /// Read at start, and again when the file changes.
    File(PathBuf),
    /// Fetched on demand.
    Url(Url),
}

/// A key set is invalid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssuerError {
    #[error("failed to read the key set {0}")]
    Unreadable(PathBuf, #[source] std::io::Error),
    #[error("the key set {0} is not a JSON Web Key Set (RFC 7517)")]
    Malformed(PathBuf, #[source] serde_json::Error),
    #[error("the key set {0} {1}")]
    Encoding(PathBuf, EncodingError),
    #[error(
        "the key set {0} has no usable key; it needs one for RS256 (2,048 to 8,192 bits), ES256 or \
         EdDSA with a kid"
    )]
    Unusable(PathBuf),
}

/// A fetched text does not replace the known keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeySetError {
    #[error("the response is not a JSON Web Key Set (RFC 7517)")]
    Malformed,
    #[error(
        "the key set has no usable key; it needs one for RS256 (2,048 to 8,192 bits), ES256 or EdDSA \
         with a kid"
    )]
    Unusable,
}

/// A key set and its source.
#[derive(Debug)]
pub(crate) struct IssuerKeys {
    source: KeySource,
    /// True for a key set that can verify a token.
    is_usable: fn(&JwkSet) -> bool,
    known: RwLock<Known>,
    /// When the next fetch is allowed. Locked during a fetch.
    next_fetch: Arc<Mutex<Option<Instant>>>,
}

#[derive(Debug)]
struct Known {
    keys: JwkSet,
    /// `None`: not fetched yet.
    since: Option<Instant>,
}

impl IssuerKeys {
    /// Reads the keys of a file. The keys of a URL are fetched later.
    ///
    /// # Errors
    /// When the file is missing or not a key set, or has no usable key.
    pub(super) fn load(
        source: KeySource,
        is_usable: fn(&JwkSet) -> bool,
    ) -> Result<Self, IssuerError> {
        let keys = match &source {
            KeySource::Url(_) => JwkSet { keys: Vec::new() },
            KeySource::File(path) => read_file(path, is_usable)?,
        };
        let known = RwLock::new(Known { keys, since: None });
        Ok(Self { source, is_usable, known, next_fetch: Arc::default() })
    }

    /// Reads the file again. Keys of a URL stay as they are.
    ///
    /// # Errors
    /// The errors of [`Self::load`]. The former keys stay in use.
    pub(super) fn reload(&self) -> Result<(), IssuerError> {
        if let KeySource::File(path) = &self.source {
            let keys = read_file(path, self.is_usable)?;
            self.write().keys = keys;
        }
        Ok(())
    }

    /// The URL of the key set, unless it is a file.
    pub(crate) fn url(&self) -> Option<&Url> {
        match &self.source {
            KeySource::Url(url) => Some(url),
            KeySource::File(_) => None,
        }
    }

    /// The file of the key set, unless it has a URL.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.source {
            KeySource::File(path) => Some(path),
            KeySource::Url(_) => None,
        }
    }

    /// When the next fetch is allowed. The task that fetches the keys holds the lock.
    pub(crate) fn next_fetch(&self) -> Arc<Mutex<Option<Instant>>> {
        Arc::clone(&self.next_fetch)
    }

    /// Time since the last fetch. `None`: not fetched yet.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.read().since.map(|since| since.elapsed())
    }

    /// Replaces the keys with a fetched key set.
    ///
    /// # Errors
    /// When the text is not a key set, or has no usable key. The former keys stay in use.
    pub(crate) fn replace(&self, text: &[u8]) -> Result<(), KeySetError> {
        let keys: JwkSet = serde_json::from_slice(text).map_err(|_| KeySetError::Malformed)?;
        if !(self.is_usable)(&keys) {
            return Err(KeySetError::Unusable);
        }
        *self.write() = Known { keys, since: Some(Instant::now()) };
        Ok(())
    }

    /// The key with this id.
    pub(super) fn find(&self, kid: &str) -> Option<Jwk> {
        self.read().keys.find(kid).cloned()
    }

    /// The only key that fits. `None` when no key or several fit.
    pub(super) fn find_only(&self, fits: impl Fn(&Jwk) -> bool) -> Option<Jwk> {
        let known = self.read();
        let mut fitting = known.keys.keys.iter().filter(|key| fits(key));
        let only = fitting.next()?;
        fitting.next().is_none().then(|| only.clone())
    }

    // The data is consistent after a panic of another holder.
    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_file(path: &Path, is_usable: fn(&JwkSet) -> bool) -> Result<JwkSet, IssuerError> {
    let bytes = bounded_file::read(path);
    let path = || path.to_owned();
    let bytes = bytes.map_err(|error| IssuerError::Unreadable(path(), error))?;
    let text = encoding::text(&bytes).map_err(|error| IssuerError::Encoding(path(), error))?;
    let keys: JwkSet =
        serde_json::from_str(text).map_err(|error| IssuerError::Malformed(path(), error))?;
    if is_usable(&keys) { Ok(keys) } else { Err(IssuerError::Unusable(path())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetched_key_set_without_a_usable_key_does_not_replace_the_known_one() {
        let url = Url::parse("https://issuer.example/keys").unwrap();
        let keys = IssuerKeys::load(KeySource::Url(url), |keys| !keys.keys.is_empty()).unwrap();
        let assert_refused = || {
            assert_eq!(keys.replace(br#"{"keys":[]}"#), Err(KeySetError::Unusable));
            assert_eq!(keys.replace(b"no key set"), Err(KeySetError::Malformed));
        };
        assert_refused();
        assert!(keys.age().is_none(), "nothing is known");
        keys.replace(br#"{"keys":[{"kty":"oct","kid":"known","k":"AAAA"}]}"#).unwrap();
        assert_refused();
        assert!(keys.find("known").is_some());
    }
}
