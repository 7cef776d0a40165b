//! The section of the listener of the API.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;

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
            trusted_proxies: trusted_proxies(reader),
            cors_origins: reader.words("http.cors_origins"),
            connections: ConnectionSettings::take(reader),
            answer_timeout: reader.seconds("http.answer_timeout_seconds"),
            has_secure_cookies: true,
            sends_hsts: true,
        }
    }
}

const NETWORKS: &str =
    "must be addresses or networks, such as 10.0.0.0/8; separate them with spaces in a variable";

/// Reads networks and single addresses.
fn trusted_proxies(reader: &mut Reader) -> Vec<IpNet> {
    let setting = "http.trusted_proxies";
    let mut networks = Vec::new();
    for word in reader.words(setting) {
        let address = || word.parse::<IpAddr>().map(IpNet::from);
        match word.parse().or_else(|_| address()) {
            Ok(network) => networks.push(network),
            Err(_) => reader.problem(setting, NETWORKS),
        }
    }
    networks
}
