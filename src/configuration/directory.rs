//! Settings of the directory: section `directory`.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use url::{Host, Url};

use super::{problem::Problem, reader::Reader, verification::VerificationSettings};

/// The longest time limits.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The largest page. Active Directory sends at most 1,000 entries by default.
const MAXIMUM_PAGE: u16 = 1000;

/// The upper bound of `directory.maximum_entries`. An answer with that many takes about 3 MB.
const MAXIMUM_ENTRIES: usize = 10_000;

const MAXIMUM_CONNECTIONS: usize = 64;

/// The problem of a setting that the others need.
const MISSING: &str = "is required, because another setting of directory is set; set it";

/// The longest `NetBIOS` name of a domain.
const LONGEST_DOMAIN: usize = 15;

/// How the connection to the directory is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DirectoryEncryption {
    /// TLS from the first byte (`ldaps://`).
    Tls,
    /// TLS after the `StartTLS` operation (`ldap://`).
    StartTls,
    /// None (`ldap://` with `start_tls = false`).
    Nothing,
}

/// Section `directory`.
#[derive(Debug, Clone)]
pub(crate) struct DirectorySettings {
    /// A host name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) encryption: DirectoryEncryption,
    /// True when the directory is on this machine.
    pub(crate) is_loopback: bool,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) bind_dn: String,
    pub(crate) password_file: PathBuf,
    pub(crate) user_base_dn: String,
    pub(crate) user_filter: String,
    pub(crate) user_search_filter: String,
    pub(crate) user_value_attribute: String,
    pub(crate) user_name_attribute: String,
    pub(crate) user_columns: Vec<String>,
    pub(crate) domain: Option<String>,
    pub(crate) group_base_dn: String,
    pub(crate) group_filter: String,
    pub(crate) group_search_filter: String,
    pub(crate) group_name_attribute: String,
    pub(crate) member_filter: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) search_timeout: Duration,
    pub(crate) page_size: u16,
    pub(crate) maximum_entries: usize,
    pub(crate) maximum_connections: usize,
    /// `None`: the directory verifies no passwords.
    pub(crate) verification: Option<VerificationSettings>,
}

/// The server that `directory.url` names.
struct Server {
    host: String,
    port: u16,
    encryption: DirectoryEncryption,
    is_loopback: bool,
}

impl Server {
    /// True when others can read what is sent to the server.
    fn is_exposed(&self) -> bool {
        self.encryption == DirectoryEncryption::Nothing && !self.is_loopback
    }
}

impl DirectorySettings {
    /// Reads the section. `None` if it is not set, or after a problem.
    pub(super) fn take(reader: &mut Reader) -> Option<Self> {
        let url: Option<String> = reader.optional("directory.url");
        let server = take_server(reader, url.as_deref());
        let texts = Texts::take(reader);
        let ca_file: Option<PathBuf> = reader.optional("directory.ca_file");
        let bind_dn: Option<String> = reader.optional("directory.bind_dn");
        let password_file = reader.secret_file("directory.password_file");
        let user_base_dn: Option<String> = reader.optional("directory.user_base_dn");
        let group_base_dn: Option<String> = reader.optional("directory.group_base_dn");
        let limits = Limits::take(reader);
        let verification = take_verification(reader, server.as_ref());
        if ca_file.is_some()
            && server
                .as_ref()
                .is_some_and(|server| server.encryption == DirectoryEncryption::Nothing)
        {
            reader.problem("directory.ca_file", "has no effect without TLS; remove it");
        }
        let is_used = texts.domain.is_some() || ca_file.is_some() || verification.is_some();
        let required = [
            ("directory.url", url.is_some()),
            ("directory.bind_dn", is_present(bind_dn.as_ref())),
            ("directory.password_file", password_file.is_some()),
            ("directory.user_base_dn", is_present(user_base_dn.as_ref())),
            ("directory.group_base_dn", is_present(group_base_dn.as_ref())),
        ];
        if is_used || required.iter().any(|(_, is_set)| *is_set) {
            for (setting, _) in required.iter().filter(|(_, is_set)| !is_set) {
                reader.problem(setting, MISSING);
            }
        }
        let Server { host, port, encryption, is_loopback } = server?;
        Some(Self {
            host,
            port,
            encryption,
            is_loopback,
            ca_file,
            bind_dn: bind_dn?,
            password_file: password_file?,
            user_base_dn: user_base_dn?,
            user_filter: texts.user_filter,
            user_search_filter: texts.user_search_filter,
            user_value_attribute: texts.user_value_attribute,
            user_name_attribute: texts.user_name_attribute,
            user_columns: texts.user_columns,
            domain: texts.domain,
            group_base_dn: group_base_dn?,
            group_filter: texts.group_filter,
            group_search_filter: texts.group_search_filter,
            group_name_attribute: texts.group_name_attribute,
            member_filter: texts.member_filter,
            connect_timeout: limits.connect_timeout,
            search_timeout: limits.search_timeout,
            page_size: limits.page_size,
            maximum_entries: limits.maximum_entries,
            maximum_connections: limits.maximum_connections,
            verification,
        })
    }
}

impl DirectorySettings {
    /// Problems of the time limits, with those of other sections. A search must time out by itself, so
    /// that the response says that the directory is slow.
    pub(super) fn timeout_problems(
        &self,
        hashing_deadline: Duration,
        answer_timeout: Duration,
    ) -> Vec<Problem> {
        let is_too_long = answer_timeout <= self.connect_timeout + self.search_timeout;
        let of_searches = is_too_long.then(|| {
            Problem::new(
                "directory.search_timeout_seconds",
                "directory.connect_timeout_seconds + directory.search_timeout_seconds must be less \
                 than http.answer_timeout_seconds",
            )
        });
        let of_passwords = self.verification.and_then(|verification| {
            verification.timeout_problem(hashing_deadline, answer_timeout)
        });
        of_searches.into_iter().chain(of_passwords).collect()
    }
}

/// The filters and attributes.
struct Texts {
    user_filter: String,
    user_search_filter: String,
    user_value_attribute: String,
    user_name_attribute: String,
    user_columns: Vec<String>,
    domain: Option<String>,
    group_filter: String,
    group_search_filter: String,
    group_name_attribute: String,
    member_filter: String,
}

impl Texts {
    fn take(reader: &mut Reader) -> Self {
        let texts = Self {
            user_filter: reader.get("directory.user_filter"),
            user_search_filter: reader.get("directory.user_search_filter"),
            user_value_attribute: reader.get("directory.user_value_attribute"),
            user_name_attribute: reader.get("directory.user_name_attribute"),
            user_columns: reader.words("directory.user_columns"),
            domain: reader.optional("directory.domain"),
            group_filter: reader.get("directory.group_filter"),
            group_search_filter: reader.get("directory.group_search_filter"),
            group_name_attribute: reader.get("directory.group_name_attribute"),
            member_filter: reader.get("directory.member_filter"),
        };
        for (setting, attribute) in [
            ("directory.user_value_attribute", &texts.user_value_attribute),
            ("directory.user_name_attribute", &texts.user_name_attribute),
            ("directory.group_name_attribute", &texts.group_name_attribute),
        ] {
            if !is_attribute(attribute) {
                reader.problem(setting, "must be the name of an attribute, such as objectSid");
            }
        }
        if !texts.user_columns.iter().all(|attribute| is_attribute(attribute)) {
            let reason = "must be names of attributes, such as displayName; separate them with \
                          spaces in a variable";
            reader.problem("directory.user_columns", reason);
        }
        if texts.domain.as_deref().is_some_and(|domain| !is_domain(domain)) {
            let reason = "must be a NetBIOS name of 1 to 15 letters, digits, - and _, such as DOM";
            reader.problem("directory.domain", reason);
        }
        texts
    }
}

struct Limits {
    connect_timeout: Duration,
    search_timeout: Duration,
    page_size: u16,
    maximum_entries: usize,
    maximum_connections: usize,
}

impl Limits {
    fn take(reader: &mut Reader) -> Self {
        let limits = Self {
            connect_timeout: reader.seconds("directory.connect_timeout_seconds"),
            search_timeout: reader.seconds("directory.search_timeout_seconds"),
            page_size: reader.get("directory.page_size"),
            maximum_entries: reader.get("directory.maximum_entries"),
            maximum_connections: reader.get("directory.maximum_connections"),
        };
        for (setting, timeout) in [
            ("directory.connect_timeout_seconds", limits.connect_timeout),
            ("directory.search_timeout_seconds", limits.search_timeout),
        ] {
            if !(Duration::from_secs(1)..=LONGEST_TIMEOUT).contains(&timeout) {
                reader.problem(setting, "must be between 1 and 60");
            }
        }
        if !(1..=MAXIMUM_PAGE).contains(&limits.page_size) {
            reader.problem("directory.page_size", "must be between 1 and 1000");
        }
        if !(1..=MAXIMUM_ENTRIES).contains(&limits.maximum_entries) {
            reader.problem("directory.maximum_entries", "must be between 1 and 10000");
        }
        if !(1..=MAXIMUM_CONNECTIONS).contains(&limits.maximum_connections) {
            reader.problem("directory.maximum_connections", "must be between 1 and 64");
        }
        limits
    }
}

/// Reads how passwords are verified. Others must not read them on their way to the server.
fn take_verification(reader: &mut Reader, server: Option<&Server>) -> Option<VerificationSettings> {
    let verification = VerificationSettings::take(reader)?;
    if server.is_some_and(Server::is_exposed) {
        reader.problem(
            "directory.verify_passwords",
            "the passwords of users would cross the network in plain text, which no setting \
             allows; use ldaps:// or StartTLS",
        );
    }
    Some(verification)
}

/// Reads the server, and how the connection to it is protected.
fn take_server(reader: &mut Reader, url: Option<&str>) -> Option<Server> {
    let start_tls: bool = reader.get("directory.start_tls");
    let allow_unencrypted: bool = reader.get("directory.allow_unencrypted");
    let Some(url) = url else {
        if !start_tls || allow_unencrypted {
            reader.problem("directory.url", MISSING);
        }
        return None;
    };
    let Some((scheme, host, port)) = parse_url(url) else {
        reader.problem(
            "directory.url",
            "must be ldaps://HOST or ldap://HOST, with a port if it is not 636 or 389, and without \
             path, user name and password",
        );
        return None;
    };
    let is_loopback =
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let encryption = match (scheme.as_str(), start_tls) {
        ("ldaps", true) => DirectoryEncryption::Tls,
        ("ldaps", false) => {
            reader.problem("directory.start_tls", "applies to ldap:// only; remove it");
            DirectoryEncryption::Tls
        }
        (_, true) => DirectoryEncryption::StartTls,
        (_, false) => DirectoryEncryption::Nothing,
    };
    let server = Server { host, port, encryption, is_loopback };
    let is_exposed = server.is_exposed();
    if is_exposed && !allow_unencrypted {
        reader.problem(
            "directory.start_tls",
            "the password would cross the network in plain text; use ldaps:// or StartTLS. \
             directory.allow_unencrypted = true accepts the risk",
        );
    }
    if !is_exposed && allow_unencrypted {
        reader.problem(
            "directory.allow_unencrypted",
            "has no effect, because the connection is encrypted or on this machine; remove it",
        );
    }
    Some(server)
}

/// The scheme, host and port of a URL.
fn parse_url(text: &str) -> Option<(String, String, u16)> {
    let url = Url::parse(text).ok()?;
    let default_port = match url.scheme() {
        "ldaps" => 636,
        "ldap" => 389,
        _ => return None,
    };
    let is_bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let host = match url.host()? {
        Host::Domain(name) => name.to_lowercase(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
    let is_valid = is_bare && !host.is_empty() && host.chars().all(is_host);
    is_valid.then(|| (url.scheme().to_owned(), host, url.port().unwrap_or(default_port)))
}

fn is_present(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.trim().is_empty())
}

/// True for the name of an attribute or its numbers (RFC 4512, section 1.4).
fn is_attribute(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';');
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_allowed)
}

fn is_domain(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=LONGEST_DOMAIN).contains(&text.len()) && text.chars().all(is_allowed)
}
