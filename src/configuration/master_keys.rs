//! Settings of the master keys of a wrapped keyring: sections `keyring.transit` and
//! `keyring.pkcs11`.

use std::{path::PathBuf, time::Duration};

use url::Url;

use super::{issuers::is_protected_in_transit, reader::Reader};
use crate::domain::transit_path::{is_transit_name, is_transit_path};

/// The longest `keyring.transit.timeout_seconds`.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest label of a token. PKCS#11 has 32 bytes for it.
const LONGEST_TOKEN_LABEL: usize = 32;

/// The master keys of a wrapped keyring, and how long a start waits for them.
#[derive(Debug, Clone)]
pub(crate) struct MasterKeySettings {
    pub(crate) transit: Option<TransitSettings>,
    pub(crate) pkcs11: Option<Pkcs11Settings>,
    /// The maximum time that `serve` waits for a master key that is not available.
    pub(crate) startup_wait: Duration,
}

/// Section `keyring.transit`.
#[derive(Debug, Clone)]
pub(crate) struct TransitSettings {
    pub(crate) address: Url,
    pub(crate) mount: String,
    pub(crate) key: String,
    pub(crate) namespace: Option<String>,
    pub(crate) token_file: PathBuf,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) timeout: Duration,
}

/// Section `keyring.pkcs11`.
#[derive(Debug, Clone)]
pub(crate) struct Pkcs11Settings {
    pub(crate) module: PathBuf,
    pub(crate) token: String,
    pub(crate) key: String,
    pub(crate) pin_file: PathBuf,
}

impl MasterKeySettings {
    /// Reads both sections.
    pub(super) fn take(reader: &mut Reader) -> Self {
        Self {
            transit: TransitSettings::take(reader),
            pkcs11: Pkcs11Settings::take(reader),
            startup_wait: reader.seconds("keyring.startup_wait_seconds"),
        }
    }
}

impl TransitSettings {
    /// Reads the section. `None` if it is not set, or after a problem.
    fn take(reader: &mut Reader) -> Option<Self> {
        let address: Option<String> = reader.optional("keyring.transit.address");
        let key: Option<String> = reader.optional("keyring.transit.key");
        let token_file = reader.secret_file("keyring.transit.token_file");
        let mount: String = reader.get("keyring.transit.mount");
        let namespace: Option<String> = reader.optional("keyring.transit.namespace");
        let ca_file: Option<PathBuf> = reader.optional("keyring.transit.ca_file");
        let timeout = reader.seconds("keyring.transit.timeout_seconds");
        check_transit_names(reader, &mount, namespace.as_deref(), key.as_deref());
        if !(Duration::from_secs(1)..=LONGEST_TIMEOUT).contains(&timeout) {
            reader.problem("keyring.transit.timeout_seconds", "must be between 1 and 60");
        }
        let required = [
            ("address", address.is_some()),
            ("key", key.is_some()),
            ("token_file", token_file.is_some()),
        ];
        require_together(
            reader,
            "keyring.transit",
            &required,
            namespace.is_some() || ca_file.is_some(),
        );
        let url = base_url(reader, address.as_deref()?);
        let (address, key, token_file) = (url?, key?, token_file?);
        Some(Self { address, mount, key, namespace, token_file, ca_file, timeout })
    }
}

/// Adds a problem for each name that cannot be part of a URL.
fn check_transit_names(
    reader: &mut Reader,
    mount: &str,
    namespace: Option<&str>,
    key: Option<&str>,
) {
    let path = "must consist of letters, digits, - _ . and single slashes between them";
    if !is_transit_path(mount) {
        reader.problem("keyring.transit.mount", path);
    }
    if namespace.is_some_and(|namespace| !is_transit_path(namespace)) {
        reader.problem("keyring.transit.namespace", path);
    }
    if key.is_some_and(|key| !is_transit_name(key)) {
        reader.problem("keyring.transit.key", "must consist of letters, digits, - _ and .");
    }
}

fn base_url(reader: &mut Reader, address: &str) -> Option<Url> {
    let url = Url::parse(address).ok().filter(is_base_url);
    if url.is_none() {
        reader.problem(
            "keyring.transit.address",
            "must be an https URL without path, user name and password, such as \
             https://openbao.example:8200 (http on loopback only)",
        );
    }
    url
}

impl Pkcs11Settings {
    /// Reads the section. `None` if it is not set, or after a problem.
    fn take(reader: &mut Reader) -> Option<Self> {
        let setting = |name: &str| format!("keyring.pkcs11.{name}");
        let module: Option<PathBuf> = reader.optional(&setting("module"));
        let token: Option<String> = reader.optional(&setting("token"));
        let key: Option<String> = reader.optional(&setting("key"));
        let pin_file = reader.secret_file(&setting("pin_file"));
        if module.as_ref().is_some_and(|module| !module.is_absolute()) {
            // The loader would search a name without a folder in other places.
            reader.problem(&setting("module"), "must be an absolute path");
        }
        if token.as_deref().is_some_and(|token| token.len() > LONGEST_TOKEN_LABEL) {
            reader.problem(&setting("token"), "must be a label of at most 32 bytes");
        }
        let required = [
            ("module", module.is_some()),
            ("token", token.is_some()),
            ("key", key.is_some()),
            ("pin_file", pin_file.is_some()),
        ];
        require_together(reader, "keyring.pkcs11", &required, false);
        Some(Self { module: module?, token: token?, key: key?, pin_file: pin_file? })
    }
}

/// A problem for each missing setting of a section that is used.
fn require_together(reader: &mut Reader, section: &str, settings: &[(&str, bool)], is_used: bool) {
    if !is_used && !settings.iter().any(|(_, is_set)| *is_set) {
        return;
    }
    for (name, _) in settings.iter().filter(|(_, is_set)| !is_set) {
        let reason = format!("is required, because another setting of {section} is set; set it");
        reader.problem(&format!("{section}.{name}"), reason);
    }
}

/// True for a URL that the paths of the API can be appended to, and that cannot be changed in
/// transit.
fn is_base_url(url: &Url) -> bool {
    is_protected_in_transit(url)
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}
