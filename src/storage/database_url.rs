//! Parses `database.url`, and refuses parameters that would be ignored.
//!
//! sqlx skips an unknown parameter with a warning, and interprets some parameters differently from
//! libpq. The operator relies on every parameter in the URL, so these are errors here.

use std::{borrow::Cow, net::IpAddr, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use url::Url;

use super::{
    bad_database_url::BadDatabaseUrl,
    connection_security::ConnectionSecurity,
    database_url_parameters::{
        Parameters, SERVER_RULE, check_certificates, check_repetition, check_value, find,
        parameters,
    },
};
use crate::domain::host_list::HostList;

/// A valid database URL.
pub(crate) struct DatabaseUrl {
    /// The options of each host, in the order of the URL.
    pub(super) hosts: Vec<PgConnectOptions>,
    pub(crate) has_password: bool,
    /// True when the URL sets options of the session.
    pub(crate) has_options: bool,
    /// The file of `sslrootcert`.
    pub(crate) root_certificate: Option<PathBuf>,
    /// The file of `sslcert`.
    pub(crate) client_certificate: Option<PathBuf>,
    /// The file of `sslkey`.
    pub(crate) client_key: Option<PathBuf>,
    /// How connections with this URL are protected.
    pub(crate) security: ConnectionSecurity,
}

impl DatabaseUrl {
    /// Parses a URL.
    ///
    /// # Errors
    /// See [`BadDatabaseUrl`].
    pub(crate) fn parse(text: &SecretString) -> Result<Self, BadDatabaseUrl> {
        let text = text.expose_secret();
        let Some(list) = HostList::find(text).filter(HostList::is_several) else {
            let (host, url) = parse_host(text)?;
            return Ok(Self::of(vec![host], &url));
        };
        let (hosts, urls) = list
            .hosts()
            .map(|host| parse_listed(&list, host))
            .collect::<Result<(Vec<_>, Vec<_>), _>>()?;
        // They differ by their hosts only.
        let url = urls.first().ok_or(BadDatabaseUrl::EmptyHost)?;
        Ok(Self::of(hosts, url))
    }

    fn of(hosts: Vec<PgConnectOptions>, url: &ParsedUrl) -> Self {
        let file =
            |name| find(&url.parameters, name).filter(|value| !is_pem(value)).map(PathBuf::from);
        Self {
            security: ConnectionSecurity::of_all(&hosts),
            hosts,
            has_options: url.parameters.iter().any(|(name, _)| name.starts_with("options")),
            has_password: url.has_password || find(&url.parameters, "password").is_some(),
            root_certificate: file("sslrootcert"),
            client_certificate: file("sslcert"),
            client_key: file("sslkey"),
        }
    }
}

/// The parts of a URL that are the same for each of its hosts.
struct ParsedUrl {
    parameters: Parameters,
    /// True when the authority contains a password.
    has_password: bool,
}

/// Parses a URL with one host of its list.
fn parse_listed(
    list: &HostList<'_>,
    host: &str,
) -> Result<(PgConnectOptions, ParsedUrl), BadDatabaseUrl> {
    let is_empty = |host: &str| host.is_empty() || host.starts_with(':');
    if is_empty(host.trim()) {
        return Err(BadDatabaseUrl::EmptyHost);
    }
    let (options, url) = parse_host(&list.with_host(host))?;
    // A parameter that names a host would replace each host of the list.
    if find(&url.parameters, "host").is_some() {
        return Err(BadDatabaseUrl::Repeated("host"));
    }
    Ok((options, url))
}

/// Parses a URL with one host.
fn parse_host(text: &str) -> Result<(PgConnectOptions, ParsedUrl), BadDatabaseUrl> {
    let mut url = Url::parse(text).map_err(|_| BadDatabaseUrl::NotPostgresql)?;
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
    remove_server_rule(&mut url);
    let options = PgConnectOptions::from_url(&url).map_err(|_| BadDatabaseUrl::NotPostgresql)?;
    let has_password = url.password().is_some();
    Ok((without_brackets(options), ParsedUrl { parameters, has_password }))
}

/// Removes the parameter that sqlx does not know and would log.
fn remove_server_rule(url: &mut Url) {
    let is_other = |(name, _): &(Cow<'_, str>, Cow<'_, str>)| name != SERVER_RULE;
    let others: Vec<_> = url.query_pairs().filter(is_other).map(into_owned).collect();
    if others.len() < url.query_pairs().count() {
        url.query_pairs_mut().clear().extend_pairs(others);
    }
}

fn into_owned((name, value): (Cow<'_, str>, Cow<'_, str>)) -> (String, String) {
    (name.into_owned(), value.into_owned())
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
    use sqlx::postgres::PgSslMode;

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
        for (text, error) in [
            ("nonsense", BadDatabaseUrl::NotPostgresql),
            ("mysql://u@h/d", BadDatabaseUrl::NotPostgresql),
            ("postgres:keeper", BadDatabaseUrl::NotPostgresql),
            ("postgres://u:marker#more@h/d", BadDatabaseUrl::NotPostgresql),
            ("postgres://u@h/d#marker", BadDatabaseUrl::Fragment),
            ("postgres://u@h1:5432,/d", BadDatabaseUrl::EmptyHost),
            ("postgres://u@h1,:5432/d", BadDatabaseUrl::EmptyHost),
            ("postgres://u@h1,,h2/d", BadDatabaseUrl::EmptyHost),
            ("postgres://u@h1,h2:marker/d", BadDatabaseUrl::NotPostgresql),
            ("postgres://u@h1,h2/d?host=/marker", BadDatabaseUrl::Repeated("host")),
            ("postgres://u@h1,h2/d?hostaddr=::1", BadDatabaseUrl::Repeated("host")),
            ("postgres://u@h1:1,h2/d?port=2", BadDatabaseUrl::Repeated("port")),
            ("postgres://u:12?marker@h/d", BadDatabaseUrl::UnknownParameter),
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
            ("postgres://a,b/d?target_session_attrs=any", "target_session_attrs"),
            ("postgres://a,b/d?target_session_attrs=marker", "target_session_attrs"),
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
            assert_eq!(parse(text).unwrap().hosts[0].get_host(), "::1", "{text}");
        }
    }

    #[test]
    fn every_host_of_a_list_has_the_options_of_the_url() {
        let url = parse(
            "postgres://u:p@a:6432,b,[2001:db8::1]:5433/d?sslmode=verify-full\
             &target_session_attrs=read-write&sslrootcert=/c%2Ba",
        );
        let url = url.unwrap();
        let found: Vec<_> =
            url.hosts.iter().map(|host| (host.get_host(), host.get_port())).collect();
        assert_eq!(found, [("a", 6432), ("b", 5432), ("2001:db8::1", 5433)]);
        for host in &url.hosts {
            assert_eq!((host.get_username(), host.get_database()), ("u", Some("d")));
            assert!(matches!(host.get_ssl_mode(), PgSslMode::VerifyFull));
        }
        assert!(url.has_password);
        assert_eq!(url.root_certificate, Some(PathBuf::from("/c+a")));
    }

    #[test]
    fn a_list_is_as_protected_as_its_worst_host() {
        let is_local = |text| parse(text).unwrap().security.is_local;
        assert!(is_local("postgres://u@localhost,[::1]:5433/d"));
        assert!(!is_local("postgres://u@localhost,db.example/d"));
        assert!(!is_local("postgres://u@db.example,localhost/d"));
    }

    #[test]
    fn files_and_password_are_detected() {
        let url = parse("postgres://u:p@h/d?sslmode=verify-ca&ssl-ca=/ca&sslcert=/c&sslkey=/k");
        let url = url.unwrap();
        assert!(url.has_password);
        assert_eq!(url.root_certificate, Some(PathBuf::from("/ca")));
        assert_eq!(url.client_certificate, Some(PathBuf::from("/c")));
        assert_eq!(url.client_key, Some(PathBuf::from("/k")));
        let plain = parse("postgres://u@h/d").unwrap();
        assert!(!plain.has_password && !plain.has_options);
        assert!(parse("postgres://u@h/d?options[a]=b").unwrap().has_options);
    }
}
