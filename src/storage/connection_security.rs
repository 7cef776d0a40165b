//! Tells how a connection to the database is protected.

use std::net::IpAddr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// How a connection to the database is protected. sqlx opens it as its options say, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionSecurity {
    /// True for a Unix socket or a loopback address: the connection does not leave this host.
    pub(crate) is_local: bool,
    /// True when the server's certificate and host name are verified.
    pub(crate) verifies_server: bool,
}

impl ConnectionSecurity {
    /// The security of a connection to any of these hosts: that of the worst.
    pub(super) fn of_all(hosts: &[PgConnectOptions]) -> Self {
        let is_local =
            |host: &PgConnectOptions| host.get_socket().is_some() || is_local(host.get_host());
        let verifies =
            |host: &PgConnectOptions| matches!(host.get_ssl_mode(), PgSslMode::VerifyFull);
        Self { is_local: hosts.iter().all(is_local), verifies_server: hosts.iter().all(verifies) }
    }
}

/// True for the directory of a Unix socket, a loopback address, or `localhost`. Every other name
/// may resolve to another host, even one that ends with `.localhost`.
fn is_local(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    host.starts_with('/')
        || name.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_sockets_loopback_addresses_and_localhost_are_local() {
        for host in
            ["/run/postgresql", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "LocalHost."]
        {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "db.example",
            "10.0.0.1",
            "0.0.0.0",
            "::",
            "fe80::1",
            "::ffff:10.0.0.1",
            "127.1",
            "db.localhost",
            "localhost.example",
            "localhost,db.example",
            "",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
