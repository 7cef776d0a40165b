//! Settings of OpenID Connect issuers.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use url::{Host, Url};

use super::problem::Problem;
use crate::domain::credential_type::{CredentialType, CredentialTypes};

/// The source of an issuer's key set.
pub(crate) enum KeySource<'settings> {
    File(&'settings Path),
    Url(Url),
}

/// One entry of `authentication.issuers`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerSettings {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    /// File with the key set; either this or `jwks_url`.
    pub(crate) jwks_file: Option<PathBuf>,
    /// URL of the key set.
    pub(crate) jwks_url: Option<String>,
    pub(crate) credential_type: String,
    #[serde(default = "default_claim")]
    pub(crate) claim: String,
    #[serde(default = "default_maximum_age_seconds")]
    pub(crate) maximum_age_seconds: u32,
}

/// Omits the query of the URL, which can contain an API key.
impl fmt::Debug for IssuerSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jwks_url = self.jwks_url.as_deref().map(|url| url.split('?').next());
        formatter
            .debug_struct("IssuerSettings")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("jwks_file", &self.jwks_file)
            .field("jwks_url", &jwks_url.flatten())
            .field("credential_type", &self.credential_type)
            .field("claim", &self.claim)
            .field("maximum_age_seconds", &self.maximum_age_seconds)
            .finish()
    }
}

fn default_claim() -> String {
    "sub".to_owned()
}

fn default_maximum_age_seconds() -> u32 {
    86_400
}

impl IssuerSettings {
    /// The source of the key set; `None` unless there is exactly one, and it is valid.
    pub(crate) fn key_source(&self) -> Option<KeySource<'_>> {
        match (&self.jwks_file, &self.jwks_url) {
            (Some(file), None) => Some(KeySource::File(file)),
            (None, Some(url)) => Some(KeySource::Url(key_set_url(url)?)),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }

    fn has_credentials_in_url(&self) -> bool {
        has_credentials(&self.issuer) || self.jwks_url.as_deref().is_some_and(has_credentials)
    }
}

/// True for a URL with a user name or a password, which logs and tokens would reveal.
pub(super) fn has_credentials(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
}

/// True for a valid value of a claim. Surrounding spaces are easily overlooked and never match.
pub(super) fn is_claim_text(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control)
}

/// A URL whose response cannot be modified in transit.
fn key_set_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(is_protected_in_transit)
}

/// True for https, and for http on loopback.
pub(super) fn is_protected_in_transit(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}

/// Problems of the issuers.
pub(super) fn issuer_problems(issuers: &[IssuerSettings], types: &CredentialTypes) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut reject = |reason| problems.push(Problem::new("authentication.issuers", reason));
    let mut names = Vec::new();
    for entry in issuers {
        let credential_type = types.find(&entry.credential_type);
        if !credential_type.is_some_and(CredentialType::is_identifier) {
            reject("credential_type must be an identifier type, such as ActiveDirectory");
        }
        if entry.has_credentials_in_url() {
            reject("URLs must not contain credentials; remove the user name and password");
        } else if entry.key_source().is_none() {
            reject(
                "each issuer requires a jwks_file, or an https jwks_url (http on loopback only)",
            );
        }
        let texts = [&entry.issuer, &entry.audience, &entry.claim];
        if !texts.into_iter().all(|text| is_claim_text(text)) {
            reject(
                "issuer, audience and claim must not be empty, start or end with a space, or \
                 contain control characters",
            );
        }
        if entry.maximum_age_seconds == 0 {
            reject("maximum_age_seconds must be at least 1");
        }
        if names.contains(&&entry.issuer) {
            reject("duplicate issuer; remove one of the entries");
        }
        names.push(&entry.issuer);
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, io::Write};

    use crate::configuration::Settings;

    #[test]
    fn a_key_set_off_this_host_needs_https() {
        for (url, is_accepted) in [
            ("https://i.example/keys", true),
            ("http://localhost:8080/keys", true),
            ("http://127.0.0.1/keys", true),
            ("http://[::1]/keys", true),
            ("http://i.example/keys", false),
            ("http://localhost.example/keys", false),
            ("http://127.0.0.1.example/keys", false),
            ("http://192.0.2.1/keys", false),
            ("http://[2001:db8::1]/keys", false),
            ("ftp://127.0.0.1/keys", false),
            ("file:///keys", false),
        ] {
            let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
            writeln!(
                file,
                "[authentication]\nissuers = [{{ issuer = 'i', audience = 'a', jwks_url = '{url}', \
                 credential_type = 'ActiveDirectory' }}]"
            )
            .unwrap();
            let read = Settings::read(Some(file.path()), HashMap::new());
            assert_eq!(read.is_ok(), is_accepted, "{url}");
            let problems = read.err().map(|problems| problems.to_string()).unwrap_or_default();
            assert_eq!(problems.contains("https jwks_url"), !is_accepted, "{url}: {problems}");
        }
    }
}
