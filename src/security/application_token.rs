//! `SO-AppToken`: the secret of an application. The settings hold only its digest
//! (docs/reference/wire-contract.md).
//!
//! The secrets are long and random, so an unsalted digest resists a dictionary attack. Short
//! secrets are refused.

use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{keyring::Key, length_prefixed::LengthPrefixed, mac::hmac_sha256};
use crate::domain::application::Application;

/// The shortest secret, in bytes.
const MINIMUM_LENGTH: usize = 16;

/// SHA-256 of a secret.
pub(crate) type ApplicationDigest = [u8; 32];

/// The applications of this installation, each with the digest of its secret.
#[derive(Debug, Clone, Default)]
pub(crate) struct Applications(Vec<(ApplicationDigest, Application)>);

impl Applications {
    /// The applications with the digests of their secrets.
    pub(crate) fn new(entries: Vec<(ApplicationDigest, Application)>) -> Self {
        Self(entries)
    }

    /// The application with this secret.
    pub(crate) fn find_by_token(&self, token: &SecretString) -> Option<&Application> {
        if !is_long_enough(token) {
            return None;
        }
        let digest = application_digest(token);
        // Compare with every digest, so that timing does not show which one matches.
        let mut found = None;
        for (known, application) in &self.0 {
            if known.ct_eq(&digest).into() {
                found = Some(application);
            }
        }
        found
    }

    /// The application with this name, and the digest of its secret.
    fn find_by_name(&self, name: &str) -> Option<&(ApplicationDigest, Application)> {
        self.0.iter().find(|(_, application)| application.name == name)
    }

    /// Binds a token to the secret of an application. `None` when there is no such application.
    /// The binding is keyed, because the holder of the token can read it.
    pub(super) fn binding(&self, key: &Key, name: &str) -> Option<String> {
        let (digest, _) = self.find_by_name(name)?;
        let text = LengthPrefixed::of("application").field(name.as_bytes()).field(digest);
        Some(HEXLOWER.encode(&hmac_sha256(&key.application, text.as_bytes())))
    }

    /// The application that a token names, if the token is bound to its current secret.
    pub(super) fn find_bound(&self, key: &Key, name: &str, binding: &str) -> Option<&Application> {
        let expected = self.binding(key, name)?;
        let is_bound: bool = expected.as_bytes().ct_eq(binding.as_bytes()).into();
        self.find_by_name(name).filter(|_| is_bound).map(|(_, application)| application)
    }
}

/// True for a secret that is long enough to resist guessing.
pub(crate) fn is_long_enough(token: &SecretString) -> bool {
    token.expose_secret().len() >= MINIMUM_LENGTH
}

/// The digest of the secret of an application, as in the settings.
pub(crate) fn application_digest(token: &SecretString) -> ApplicationDigest {
    Sha256::digest(token.expose_secret().as_bytes()).into()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::security::keyring::tests::ring;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    /// Applications `one` and `two`. The first has this secret.
    pub(in crate::security) fn applications(secret_of_one: &str) -> Applications {
        let application = |name: &str| Application { name: name.to_owned(), is_trusted: true };
        Applications::new(vec![
            (application_digest(&secret(secret_of_one)), application("one")),
            (application_digest(&secret("the second secret of all")), application("two")),
        ])
    }

    #[test]
    fn an_application_is_found_by_its_secret_and_by_its_name() {
        let applications = applications("the first secret of all");
        assert_eq!(
            applications.find_by_token(&secret("the second secret of all")).unwrap().name,
            "two"
        );
        assert!(applications.find_by_token(&secret("the second secret of all ")).is_none());
        assert!(applications.find_by_token(&secret("")).is_none());
        assert_eq!(applications.find_by_name("one").unwrap().1.name, "one");
        assert!(applications.find_by_name("One").is_none());
    }

    #[test]
    fn a_binding_depends_on_key_name_and_secret() {
        let (ring, before) = (ring(), applications("the first secret of all"));
        let key = ring.writing();
        let binding = before.binding(key, "one").unwrap();
        assert_eq!(before.find_bound(key, "one", &binding).unwrap().name, "one");
        let after = applications("another secret of the first");
        assert!(after.find_bound(key, "one", &binding).is_none());
        assert!(before.find_bound(key, "two", &binding).is_none());
        assert!(before.find_bound(ring.find("old").unwrap(), "one", &binding).is_none());
        assert!(before.find_bound(key, "one", "").is_none());
        assert!(before.binding(key, "three").is_none());
    }
}
