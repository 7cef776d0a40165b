//! The section of the listener of the API.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;
use url::{Host, Url};

use super::{connections::ConnectionSettings, reader::Reader, tls::TlsSettings};

/// Section `http`.
#[derive(Debug, Clone)]
pub(crate) struct HttpSettings {
    pub(crate) listen: SocketAddr,
    pub(crate) tls: TlsSettings,
    pub(crate) tls_terminated_by_proxy: bool,
    pub(crate) allowed_hosts: Vec<String>,
    /// Empty, or a path that starts with `/`.
    pub(crate) base_path: String,
    /// The URL at which users reach this service, without path and final slash.
    pub(crate) public_url: Option<PublicUrl>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) connections: ConnectionSettings,
    pub(crate) answer_timeout: Duration,
    /// False for `dev`: some browsers refuse `Secure` cookies over plain HTTP. Not a setting.
    pub(crate) has_secure_cookies: bool,
    /// False for `dev`, where HSTS would hold for every service on localhost. Not a setting.
    pub(crate) sends_hsts: bool,
}

/// What an address of a listener must be.
pub(super) const ADDRESS: &str = "must be an address and a port, such as 127.0.0.1:8080";

impl HttpSettings {
    pub(super) fn take(reader: &mut Reader) -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 8080));
        Self {
            listen: reader
                .parsed("http.listen", ADDRESS, |text| text.parse().ok())
                .unwrap_or(loopback),
            tls: TlsSettings::take_http(reader),
            tls_terminated_by_proxy: reader.get("http.tls_terminated_by_proxy"),
            allowed_hosts: reader.words("http.allowed_hosts"),
            base_path: reader.get("http.base_path"),
            public_url: take_public_url(reader),
            trusted_proxies: trusted_proxies(reader),
            cors_origins: reader.words("http.cors_origins"),
            connections: ConnectionSettings::take(reader),
            answer_timeout: reader.seconds("http.answer_timeout_seconds"),
            has_secure_cookies: true,
            sends_hsts: true,
        }
    }
}

/// The origin of the links in mails.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PublicUrl {
    /// Scheme, host and port.
    pub(crate) origin: String,
    /// The host, in lower case and as in a URL: an IPv6 address is in brackets.
    pub(crate) host: String,
}

fn take_public_url(reader: &mut Reader) -> Option<PublicUrl> {
    let text: String = reader.optional("http.public_url")?;
    let parsed = parse_public_url(&text);
    if parsed.is_none() {
        reader.problem(
            "http.public_url",
            "must be https:// and a host (http:// on loopback only), with a port if it is not the \
             default one, without path, user name and password; http.base_path is added",
        );
    }
    // Not `None`, which would be the problem that the URL is missing.
    Some(parsed.unwrap_or_default())
}

/// Parses the URL; `None` unless it is an origin that does not send secrets in plain text.
fn parse_public_url(text: &str) -> Option<PublicUrl> {
    let url = Url::parse(text).ok()?;
    let is_loopback = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let is_allowed = url.scheme() == "https" || (url.scheme() == "http" && is_loopback);
    let is_bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let host = url.host_str()?.to_lowercase();
    (is_allowed && is_bare).then(|| PublicUrl { origin: url.origin().ascii_serialization(), host })
}

const NETWORKS: &str =
    "must be addresses or networks, such as 10.0.0.0/8; separate them with spaces in a variable";

/// Reads networks and single addresses.
fn trusted_proxies(reader: &mut Reader) -> Vec<IpNet> {
    let setting = "http.trusted_proxies";
    let mut networks = Vec::new();
    for word in reader.words(setting) {
        match parse_network(&word) {
            Some(network) => networks.push(network),
            None => reader.problem(setting, NETWORKS),
        }
    }
    networks
}

/// Parses a network, or an address as the network of this address alone.
pub(crate) fn parse_network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
