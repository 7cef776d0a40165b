//! The mail server that a URL names.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};
use zeroize::Zeroizing;

/// The longest user name and password, in bytes: longer ones do not fit into a line of SMTP.
const MAXIMUM_CREDENTIAL: usize = 255;

/// How the connection to the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SmtpEncryption {
    /// TLS from the first byte (`smtps://`).
    Tls,
    /// TLS after the command `STARTTLS` (`smtp://`).
    StartTls,
    /// None (`smtp://` with `start_tls = false`).
    Nothing,
}

/// The server, and the account of the service.
#[derive(Debug, Clone)]
pub(crate) struct SmtpServer {
    /// A host name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) encryption: SmtpEncryption,
    /// True when the server is on this machine.
    pub(crate) is_loopback: bool,
    /// `None`: the server asks for no login.
    pub(crate) login: Option<SmtpLogin>,
}

/// The account of the service on the server.
#[derive(Debug, Clone)]
pub(crate) struct SmtpLogin {
    pub(crate) user: SecretString,
    pub(crate) password: SecretString,
}

impl SmtpServer {
    /// Reads `smtps://[USER:PASSWORD@]HOST[:PORT]`, or `smtp://…`, which uses `STARTTLS` if
    /// `starts_tls`; `None` for any other text. User and password are percent-encoded.
    pub(crate) fn parse(text: &SecretString, starts_tls: bool) -> Option<Self> {
        let url = Url::parse(text.expose_secret().trim_end_matches(['\r', '\n'])).ok()?;
        let (encryption, default_port) = match (url.scheme(), starts_tls) {
            ("smtps", _) => (SmtpEncryption::Tls, 465),
            ("smtp", true) => (SmtpEncryption::StartTls, 587),
            ("smtp", false) => (SmtpEncryption::Nothing, 25),
            _ => return None,
        };
        let is_bare =
            matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let host = match url.host()? {
            Host::Domain(name) => name.to_lowercase(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
        if !is_bare || host.is_empty() || !host.chars().all(is_host) {
            return None;
        }
        let is_loopback =
            host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        let port = url.port().unwrap_or(default_port);
        Some(Self { host, port, encryption, is_loopback, login: parse_login(&url)? })
    }
}

/// The login of a URL: `None` if it is invalid or half of it is missing.
#[expect(clippy::option_option, reason = "the outer one is invalid, the inner one is absent")]
fn parse_login(url: &Url) -> Option<Option<SmtpLogin>> {
    match (url.username(), url.password()) {
        ("", None) => Some(None),
        ("", Some(_)) | (_, None) => None,
        (user, Some(password)) => {
            let login = SmtpLogin { user: decode(user)?, password: decode(password)? };
            Some(Some(login))
        }
    }
}

fn decode(text: &str) -> Option<SecretString> {
    let bytes = Zeroizing::new(percent_decode_str(text).collect::<Vec<u8>>());
    let text = std::str::from_utf8(&bytes).ok()?;
    let is_valid =
        (1..=MAXIMUM_CREDENTIAL).contains(&text.len()) && !text.chars().any(char::is_control);
    is_valid.then(|| SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<SmtpServer> {
        SmtpServer::parse(&SecretString::from(text), true)
    }

    #[test]
    fn a_url_names_the_server_and_the_login() {
        let server = parse("smtps://keeper%40example.com:p%3Ass%20word@Mail.example.com").unwrap();
        assert_eq!((server.host.as_str(), server.port), ("mail.example.com", 465));
        assert_eq!((server.encryption, server.is_loopback), (SmtpEncryption::Tls, false));
        let login = server.login.unwrap();
        assert_eq!(login.user.expose_secret(), "keeper@example.com");
        assert_eq!(login.password.expose_secret(), "p:ss word");
        let server = parse("smtp://[::1]:2525/\n").unwrap();
        assert_eq!((server.host.as_str(), server.port), ("::1", 2525));
        assert_eq!((server.encryption, server.is_loopback), (SmtpEncryption::StartTls, true));
        assert!(server.login.is_none());
        let plain = SmtpServer::parse(&SecretString::from("smtp://localhost"), false).unwrap();
        assert_eq!((plain.encryption, plain.port), (SmtpEncryption::Nothing, 25));
    }

    #[test]
    fn other_urls_are_refused() {
        for text in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtps://",
            "smtps://mail.example.com/path",
            "smtps://mail.example.com?tls=none",
            "smtps://mail.example.com#x",
            "smtps://mail.example.com:99999",
            "smtps://user@mail.example.com",
            "smtps://:password@mail.example.com",
            "smtps://user:@mail.example.com",
            "smtps://us%0Aer:password@mail.example.com",
            "smtps://user:%FF@mail.example.com",
            "smtps://mail%20host.example.com",
            &format!("smtps://user:{}@mail.example.com", "p".repeat(256)),
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let server = parse("smtps://marker1:marker2@mail.example.com").unwrap();
        assert!(!format!("{server:?}").contains("marker"));
    }
}
