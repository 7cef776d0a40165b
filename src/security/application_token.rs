//! `SO-AppToken`: an application's own secret, of which the settings hold only the digest
//! (protocol.md 3 and 10.9).
//!
//! Such secrets are long and random, so a plain digest cannot be searched; short ones are refused.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::domain::application::Application;

/// The shortest secret, in bytes.
const MINIMUM_LENGTH: usize = 16;

/// SHA-256 of a secret.
pub(crate) type ApplicationDigest = [u8; 32];

/// The applications of this installation, each with the digest of its secret.
#[derive(Debug, Clone, Default)]
pub(crate) struct Applications(Vec<(ApplicationDigest, Application)>);

impl Applications {
    /// These applications.
    pub(crate) fn new(entries: Vec<(ApplicationDigest, Application)>) -> Self {
        Self(entries)
    }

    /// The application with that secret.
    pub(crate) fn find_by_token(&self, token: &SecretString) -> Option<&Application> {
        if !is_long_enough(token) {
            return None;
        }
        let digest = application_digest(token);
        // All of them, so that the time taken does not tell which one it was.
        let mut found = None;
        for (known, application) in &self.0 {
            if known.ct_eq(&digest).into() {
                found = Some(application);
            }
        }
        found
    }

    /// The application of that name.
    pub(crate) fn find_by_name(&self, name: &str) -> Option<&Application> {
        self.0.iter().map(|(_, application)| application).find(|of| of.name == name)
    }
}

/// True for a secret that may be an application's: one that nobody can try out.
pub(crate) fn is_long_enough(token: &SecretString) -> bool {
    token.expose_secret().len() >= MINIMUM_LENGTH
}

/// The digest of an application's secret, as the settings hold it.
pub(crate) fn application_digest(token: &SecretString) -> ApplicationDigest {
    Sha256::digest(token.expose_secret().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_is_found_by_its_secret_and_by_its_name() {
        let secret = |text: &str| SecretString::from(text);
        let application = |name: &str| Application { name: name.to_owned(), is_trusted: true };
        let applications = Applications::new(vec![
            (application_digest(&secret("the first secret of all")), application("one")),
            (application_digest(&secret("the second secret of all")), application("two")),
        ]);
        assert_eq!(
            applications.find_by_token(&secret("the second secret of all")).unwrap().name,
            "two"
        );
        assert!(applications.find_by_token(&secret("the second secret of all ")).is_none());
        assert!(applications.find_by_token(&secret("")).is_none());
        assert_eq!(applications.find_by_name("one").unwrap().name, "one");
        assert!(applications.find_by_name("One").is_none());
    }
}
