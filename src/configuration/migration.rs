//! Settings of the move from an old system at the first login: section `migration`.

use std::{path::PathBuf, time::Duration};

use url::Url;

use super::{issuers::is_protected_in_transit, reader::Reader};

/// The longest `migration.hook_timeout_seconds`.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

const MAXIMUM_REQUESTS: usize = 256;

/// The problem of a setting that the others need.
const MISSING: &str = "is required, because another setting of migration is set; set it";

/// Section `migration`.
#[derive(Debug, Clone)]
pub(crate) struct MigrationSettings {
    pub(crate) url: Url,
    pub(crate) key_file: PathBuf,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) timeout: Duration,
    pub(crate) maximum_requests: usize,
}

impl MigrationSettings {
    /// Reads the section. `None` if it is not set, or after a problem.
    pub(super) fn take(reader: &mut Reader) -> Option<Self> {
        let url: Option<String> = reader.optional("migration.hook_url");
        let key_file = reader.secret_file("migration.hook_key_file");
        let ca_file: Option<PathBuf> = reader.optional("migration.hook_ca_file");
        let timeout = reader.seconds("migration.hook_timeout_seconds");
        let maximum_requests = reader.get("migration.hook_maximum_requests");
        if !(Duration::from_secs(1)..=LONGEST_TIMEOUT).contains(&timeout) {
            reader.problem("migration.hook_timeout_seconds", "must be between 1 and 60");
        }
        if !(1..=MAXIMUM_REQUESTS).contains(&maximum_requests) {
            reader.problem("migration.hook_maximum_requests", "must be between 1 and 256");
        }
        if url.is_none() && (key_file.is_some() || ca_file.is_some()) {
            reader.problem("migration.hook_url", MISSING);
        }
        if key_file.is_none() && (url.is_some() || ca_file.is_some()) {
            reader.problem("migration.hook_key_file", MISSING);
        }
        let url = take_url(reader, url.as_deref()?)?;
        if ca_file.is_some() && url.scheme() == "http" {
            reader.problem("migration.hook_ca_file", "has no effect without TLS; remove it");
        }
        Some(Self { url, key_file: key_file?, ca_file, timeout, maximum_requests })
    }
}

/// A URL that nobody can read or change requests to. The log may show it.
fn take_url(reader: &mut Reader, text: &str) -> Option<Url> {
    let is_usable = |url: &Url| {
        is_protected_in_transit(url)
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    };
    let url = Url::parse(text).ok().filter(is_usable);
    if url.is_none() {
        reader.problem(
            "migration.hook_url",
            "must be an https URL without user name, password and query, such as \
             https://old.example.com/verify-login (http on loopback only)",
        );
    }
    url
}
