//! The parameters of `database.url`, and their rules.

use std::{borrow::Cow, str::FromStr};

use sqlx::postgres::PgSslMode;
use url::Url;

use super::bad_database_url::BadDatabaseUrl;

/// Parameters of libpq (PostgreSQL's manual, 34.1.2) that sqlx ignores or this service overwrites.
const IGNORED: [&str; 35] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "scram_client_key",
    "scram_server_key",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkeylogfile",
    "sslnegotiation",
    "sslpassword",
    "sslsni",
    "tcp_user_timeout",
];

/// The parameters that sqlx 0.9 supports and this service does not overwrite, each with its
/// aliases, and the one that names the rule of this service.
const PARAMETERS: [(&str, &[&str]); 13] = [
    ("sslmode", &["ssl-mode"]),
    ("sslrootcert", &["ssl-root-cert", "ssl-ca"]),
    ("sslcert", &["ssl-cert"]),
    ("sslkey", &["ssl-key"]),
    ("statement-cache-capacity", &[]),
    ("host", &["hostaddr"]),
    ("port", &[]),
    ("dbname", &[]),
    ("user", &[]),
    ("password", &[]),
    ("options", &[]),
    ("options[…]", &[]),
    (SERVER_RULE, &[]),
];

/// The parameter of libpq that selects among the hosts. sqlx does not know it.
pub(super) const SERVER_RULE: &str = "target_session_attrs";

/// Session parameters that this service sets from its own settings.
const OWN_OPTIONS: [&str; 3] =
    ["lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"];

/// The parameters of a URL, each with its value.
pub(super) type Parameters = Vec<(&'static str, String)>;

/// The parameters of the URL under their canonical names.
pub(super) fn parameters(url: &Url) -> Result<Parameters, BadDatabaseUrl> {
    let canonical = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
        if name.starts_with("options[") && name.ends_with(']') {
            return Ok(("options[…]", format!("{name}={value}")));
        }
        let known = PARAMETERS
            .into_iter()
            .find(|(first, others)| *first == name || others.contains(&name.as_ref()));
        match known {
            Some((first, _)) => Ok((first, value.into_owned())),
            // An unknown name may be part of a password, so it is not shown.
            None => Err(IGNORED
                .into_iter()
                .find(|known| *known == name)
                .map_or(BadDatabaseUrl::UnknownParameter, BadDatabaseUrl::Ignored)),
        }
    };
    url.query_pairs().map(canonical).collect()
}

pub(super) fn find<'parameters>(
    parameters: &'parameters Parameters,
    name: &str,
) -> Option<&'parameters str> {
    parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

/// Refuses duplicate values, because only one would be used. A host may be given in the authority
/// and as a parameter if the parameter is the directory of a Unix socket: a URL with a user name
/// needs an authority.
pub(super) fn check_repetition(url: &Url, parameters: &Parameters) -> Result<(), BadDatabaseUrl> {
    let in_authority = [
        ("user", !url.username().is_empty()),
        ("password", url.password().is_some()),
        ("port", url.port().is_some()),
        ("dbname", !url.path().trim_start_matches('/').is_empty()),
    ];
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    let mut pairs = url.query_pairs();
    if has_host && pairs.any(|(name, value)| name == "host" && !value.starts_with('/')) {
        return Err(BadDatabaseUrl::Repeated("host"));
    }
    for (name, _) in PARAMETERS {
        let before = usize::from(in_authority.contains(&(name, true)));
        let count = parameters.iter().filter(|(known, _)| *known == name).count();
        if count + before > 1 && !name.starts_with("options") {
            return Err(BadDatabaseUrl::Repeated(name));
        }
    }
    Ok(())
}

pub(super) fn check_value(name: &'static str, value: &str) -> Result<(), BadDatabaseUrl> {
    let is_ssl_mode = || {
        let mode = PgSslMode::from_str(value);
        // sqlx treats `allow` as `disable`.
        mode.is_ok_and(|mode| !matches!(mode, PgSslMode::Allow))
    };
    let is_host = || !value.is_empty() && (value.starts_with('/') || !value.contains(','));
    let (is_valid, requirement) = match name {
        "sslmode" => {
            (is_ssl_mode(), "it must be disable, prefer, require, verify-ca or verify-full")
        }
        "statement-cache-capacity" => (value.parse::<usize>().is_ok(), "it must be a number"),
        "port" => (value.parse::<u16>().is_ok_and(|port| port > 0), "it must be a port"),
        "host" => (
            is_host(),
            "it must be one host, or the directory of a socket; write several hosts before the \
             database name, as in postgres://user@a,b/database",
        ),
        SERVER_RULE => (
            value == "read-write",
            "it must be read-write: the service only uses a server that accepts writes",
        ),
        "options" | "options[…]" => (
            !OWN_OPTIONS.iter().any(|option| value.contains(option)),
            "set timeouts with database.lock_timeout_seconds and \
             database.statement_timeout_seconds",
        ),
        _ => (!value.is_empty(), "it must not be empty"),
    };
    if is_valid { Ok(()) } else { Err(BadDatabaseUrl::InvalidValue { name, requirement }) }
}

pub(super) fn check_certificates(parameters: &Parameters) -> Result<(), BadDatabaseUrl> {
    let mode = find(parameters, "sslmode").unwrap_or_default().to_ascii_lowercase();
    if find(parameters, "sslrootcert").is_some() && !mode.starts_with("verify-") {
        return Err(BadDatabaseUrl::UnusedRootCertificate);
    }
    if find(parameters, "sslcert").is_some() != find(parameters, "sslkey").is_some() {
        return Err(BadDatabaseUrl::IncompleteClientCertificate);
    }
    Ok(())
}
