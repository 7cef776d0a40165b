//! The OpenID Connect issuers of the settings.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use url::{Host, Url};

use super::{Problem, Settings};
use crate::domain::credential_type::{CredentialType, CredentialTypes};

/// Where an issuer's keys are.
pub(crate) enum KeySource<'settings> {
    File(&'settings Path),
    Url(Url),
}

/// One entry of `authentication.issuers`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerSettings {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    /// Either this …
    pub(crate) jwks_file: Option<PathBuf>,
    /// … or this: where the key set is fetched.
    pub(crate) jwks_url: Option<String>,
    pub(crate) credential_type: String,
    #[serde(default = "subject")]
    pub(crate) claim: String,
    #[serde(default = "day")]
    pub(crate) maximum_age_seconds: u32,
}

/// Without the query of the URL, which can have a key of the caller.
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

fn subject() -> String {
    "sub".to_owned()
}

fn day() -> u32 {
    86_400
}

impl IssuerSettings {
    /// Where the keys are; `None` when it is not one usable place.
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

/// True for a URL with a user name or a password, which others than its server would read.
pub(super) fn has_credentials(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
}

/// True for a text that a token can have in a claim. What stands around it would be overlooked, and
/// never match.
pub(super) fn is_token_text(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control)
}

/// A URL that nobody on the way can change the answer of.
fn key_set_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_loopback = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    (url.scheme() == "https" || (url.scheme() == "http" && is_loopback)).then_some(url)
}

impl Settings {
    pub(super) fn issuer_contradictions(&self, types: &CredentialTypes) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |reason| problems.push(Problem::new("authentication.issuers", reason));
        let mut issuers = Vec::new();
        for entry in &self.authentication.issuers {
            let bound = types.find(&entry.credential_type);
            if !bound.is_some_and(CredentialType::is_identifier) {
                refuse("credential_type must be an identifier type");
            }
            if entry.has_credentials_in_url() {
                refuse("put no credentials into the URL; a key set is public");
            } else if entry.key_source().is_none() {
                refuse("each needs a jwks_file, or a jwks_url with https (http on loopback only)");
            }
            let texts = [&entry.issuer, &entry.audience, &entry.claim];
            if !texts.into_iter().all(|text| is_token_text(text)) {
                refuse("issuer, audience and claim must be texts, without blanks around them");
            }
            if entry.maximum_age_seconds == 0 {
                refuse("maximum_age_seconds must be at least 1");
            }
            if issuers.contains(&&entry.issuer) {
                refuse("names an issuer twice");
            }
            issuers.push(&entry.issuer);
        }
        problems
    }
}
