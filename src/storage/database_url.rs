//! Parses `database.url`, and refuses parameters that would be ignored.
//!
//! sqlx skips an unknown parameter with a warning, and interprets some parameters differently from
//! libpq. The operator relies on every parameter in the URL, so these are errors here.

use std::{net::IpAddr, path::PathBuf, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use super::connection_security::ConnectionSecurity;

/// Why a URL is refused. No variant contains a value of the URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadDatabaseUrl {
    #[error("must be postgres://user@host/database")]
    NotPostgresql,
    #[error("contains a #; write %23 in a user name or password")]
    Fragment,
    #[error("names several hosts; use one name that resolves to the primary server")]
    SeveralHosts,
    #[error("has an unknown parameter; write %3F for ? and %26 for & in a password")]
    UnknownParameter,
    #[error("has the parameter {0}, which this service ignores; remove it")]
    Ignored(&'static str),
    #[error("has duplicate values for {0}; remove one")]
    Repeated(&'static str),
    #[error("has an invalid value for the parameter {name}; {requirement}")]
    InvalidValue { name: &'static str, requirement: &'static str },
    #[error("has sslrootcert without sslmode=verify-full; add sslmode=verify-full")]
    UnusedRootCertificate,
    #[error("has only one of sslcert and sslkey; set both")]
    IncompleteClientCertificate,
}

/// A valid database URL.
pub(crate) struct DatabaseUrl {
    pub(super) options: PgConnectOptions,
    pub(crate) has_password: bool,
    /// The file of `sslrootcert`.
    pub(crate) root_certificate: Option<PathBuf>,
    /// The file of `sslcert`.
    pub(crate) client_certificate: Option<PathBuf>,
    /// The file of `sslkey`.
    pub(crate) client_key: Option<PathBuf>,
    /// How connections with this URL are protected.
    pub(crate) security: ConnectionSecurity,
}

/// Parameters of libpq (PostgreSQL's manual, 34.1.2) that sqlx ignores or this service overwrites.
const IGNORED: [&str; 36] = [
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
    "target_session_attrs",
    "tcp_user_timeout",
];

/// The parameters that sqlx 0.9 supports and this service does not overwrite, each with its
/// aliases.
const PARAMETERS: [(&str, &[&str]); 12] = [
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
];

/// Session parameters that this service sets from its own settings.
const OWN_OPTIONS: [&str; 3] =
    ["lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"];

/// The parameters of a URL, each with its value.
type Parameters = Vec<(&'static str, String)>;

impl DatabaseUrl {
    /// Parses a URL.
    ///
    /// # Errors
    /// See [`BadDatabaseUrl`].
    pub(crate) fn parse(text: &SecretString) -> Result<Self, BadDatabaseUrl> {
        let text = text.expose_secret();
        if has_several_hosts(text) {
            return Err(BadDatabaseUrl::SeveralHosts);
        }
        let url = Url::parse(text).map_err(|_| BadDatabaseUrl::NotPostgresql)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") || url.cannot_be_a_base() {
            return Err(BadDatabaseUrl::NotPostgresql);
        }
        if url.fragment().is_some() {
            return Err(BadDatabaseUrl::Fragment);
        }
        let parameters = parameters(&url)?;
        check_repetition(&url, &parameters)?;
        parameters.iter().try_for_each(|(name, value)| check_value(name, value))?;
        check_certificates(&parameters)?;
        let options =
            PgConnectOptions::from_str(text).map_err(|_| BadDatabaseUrl::NotPostgresql)?;
        let options = without_brackets(options);
        let file = |name| find(&parameters, name).filter(|value| !is_pem(value)).map(PathBuf::from);
        Ok(Self {
            security: ConnectionSecurity::of(&options),
            options,
            has_password: url.password().is_some() || find(&parameters, "password").is_some(),
            root_certificate: file("sslrootcert"),
            client_certificate: file("sslcert"),
            client_key: file("sslkey"),
        })
    }
}

/// True when the authority is a list of hosts, which libpq accepts.
fn has_several_hosts(text: &str) -> bool {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().is_some_and(|hosts| hosts.contains(','))
}

/// The parameters of the URL under their canonical names.
fn parameters(url: &Url) -> Result<Parameters, BadDatabaseUrl> {
    let canonical = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
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

fn find<'parameters>(parameters: &'parameters Parameters, name: &str) -> Option<&'parameters str> {
    parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

/// Refuses duplicate values, because only one would be used. A host may be given in the authority
/// and as a parameter if the parameter is the directory of a Unix socket: a URL with a user name
/// needs an authority.
fn check_repetition(url: &Url, parameters: &Parameters) -> Result<(), BadDatabaseUrl> {
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

fn check_value(name: &'static str, value: &str) -> Result<(), BadDatabaseUrl> {
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
        "host" => (is_host(), "it must be one host, or the directory of a socket"),
        "options" | "options[…]" => (
            !OWN_OPTIONS.iter().any(|option| value.contains(option)),
            "set timeouts with database.lock_timeout_seconds and \
             database.statement_timeout_seconds",
        ),
        _ => (!value.is_empty(), "it must not be empty"),
    };
    if is_valid { Ok(()) } else { Err(BadDatabaseUrl::InvalidValue { name, requirement }) }
}

fn check_certificates(parameters: &Parameters) -> Result<(), BadDatabaseUrl> {
    let mode = find(parameters, "sslmode").unwrap_or_default().to_ascii_lowercase();
    if find(parameters, "sslrootcert").is_some() && !mode.starts_with("verify-") {
        return Err(BadDatabaseUrl::UnusedRootCertificate);
    }
    if find(parameters, "sslcert").is_some() != find(parameters, "sslkey").is_some() {
        return Err(BadDatabaseUrl::IncompleteClientCertificate);
    }
    Ok(())
}

/// True for inline PEM: sqlx accepts it in place of a file name.
fn is_pem(value: &str) -> bool {
    value.trim().starts_with("-----BEGIN")
}

/// Removes the brackets of an IPv6 address in the URL, which a resolver does not accept.
fn without_brackets(options: PgConnectOptions) -> PgConnectOptions {
    let host = options.get_host();
    let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inside.and_then(|address| address.parse::<IpAddr>().ok()) {
        Some(address) => options.host(&address.to_string()),
        None => options,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DatabaseUrl, BadDatabaseUrl> {
        DatabaseUrl::parse(&SecretString::from(text))
    }

    #[test]
    fn supported_urls_are_accepted() {
        for text in [
            "postgres://keeper@db.example/keeper",
            "postgresql://keeper:secret@db.example:5433/keeper?sslmode=verify-full&sslrootcert=/ca",
            "postgres://keeper@localhost/postgres?host=%2Ftmp%2Fsocket&sslmode=disable",
            "postgres://keeper@%2Ftmp%2Fsocket:5432/keeper?statement-cache-capacity=100",
            "postgres:///keeper?host=/var/run/postgresql&user=keeper",
            "postgres://h/d?ssl-mode=require&options[search_path]=keeper&options=-c%20jit=off",
            "postgres://h/d?sslcert=/c&sslkey=/k&hostaddr=10.0.0.1&port=5433",
        ] {
            assert_eq!(parse(text).err(), None, "{text}");
        }
    }

    #[test]
    fn ignored_parameters_are_refused_without_showing_their_values() {
        let ignored = BadDatabaseUrl::Ignored("target_session_attrs");
        for (text, error) in [
            ("nonsense", BadDatabaseUrl::NotPostgresql),
            ("mysql://u@h/d", BadDatabaseUrl::NotPostgresql),
            ("postgres:keeper", BadDatabaseUrl::NotPostgresql),
            ("postgres://u:marker#more@h/d", BadDatabaseUrl::NotPostgresql),
            ("postgres://u@h/d#marker", BadDatabaseUrl::Fragment),
            ("postgres://u@h1:5432,h2:5432/d", BadDatabaseUrl::SeveralHosts),
            ("postgres://u@h1,h2/d", BadDatabaseUrl::SeveralHosts),
            ("postgres://u:12?marker@h/d", BadDatabaseUrl::UnknownParameter),
            ("postgres://h/d?target_session_attrs=marker", ignored),
            ("postgres://h/d?connect_timeout=1", BadDatabaseUrl::Ignored("connect_timeout")),
            ("postgres://h/d?application_name=x", BadDatabaseUrl::Ignored("application_name")),
            ("postgres://u@h/d?user=v", BadDatabaseUrl::Repeated("user")),
            ("postgres://u:a@h/d?password=b", BadDatabaseUrl::Repeated("password")),
            ("postgres://h/d?host=other", BadDatabaseUrl::Repeated("host")),
            ("postgres://h/d?host=/a&hostaddr=::1", BadDatabaseUrl::Repeated("host")),
            (
                "postgres://h/d?sslmode=require&ssl-mode=disable",
                BadDatabaseUrl::Repeated("sslmode"),
            ),
            (
                "postgres://h/d?sslmode=require&sslrootcert=/ca",
                BadDatabaseUrl::UnusedRootCertificate,
            ),
            ("postgres://h/d?sslcert=/c", BadDatabaseUrl::IncompleteClientCertificate),
        ] {
            let found = parse(text).err();
            assert_eq!(found.as_ref(), Some(&error), "{text}");
            assert!(!error.to_string().contains("marker"), "{error}");
        }
        for (text, name) in [
            ("postgres://h/d?sslmode=allow", "sslmode"),
            ("postgres://h/d?sslmode=marker", "sslmode"),
            ("postgres://h/d?port=marker", "port"),
            ("postgres:///d?host=h1,h2", "host"),
            ("postgres://h/d?options=-c%20lock_timeout=1", "options"),
            ("postgres://h/d?options[statement_timeout]=1", "options[…]"),
            ("postgres://h?dbname=", "dbname"),
        ] {
            let error = parse(text).err().unwrap();
            let is_named =
                matches!(error, BadDatabaseUrl::InvalidValue { name: found, .. } if found == name);
            assert!(is_named, "{text}: {error:?}");
            assert!(!error.to_string().contains("marker"), "{error}");
        }
    }

    #[test]
    fn the_brackets_of_an_ipv6_address_are_removed() {
        for text in ["postgres://u@[::1]:5433/d", "postgres://u@h/d?hostaddr=::1"] {
            assert_eq!(parse(text).unwrap().options.get_host(), "::1", "{text}");
        }
    }

    #[test]
    fn files_and_password_are_detected() {
        let url = parse("postgres://u:p@h/d?sslmode=verify-ca&ssl-ca=/ca&sslcert=/c&sslkey=/k");
        let url = url.unwrap();
        assert!(url.has_password);
        assert_eq!(url.root_certificate, Some(PathBuf::from("/ca")));
        assert_eq!(url.client_certificate, Some(PathBuf::from("/c")));
        assert_eq!(url.client_key, Some(PathBuf::from("/k")));
        assert!(!parse("postgres://u@h/d").unwrap().has_password);
    }
}
