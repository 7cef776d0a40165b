//! Validates the network settings: rejects values that would be ignored or could never match.

use std::{collections::HashSet, net::SocketAddr};

use ipnet::IpNet;

use super::{problem::Problem, sections::Settings};
use crate::domain::{host_name::is_host_name, origin_pattern::OriginPattern};

/// The shortest allowed prefixes of trusted networks. The networks of content delivery networks are
/// narrower. Every host in the network can forge the client address, which rate limits and audit
/// events use.
const WIDEST_V4: u8 = 12;
const WIDEST_V6: u8 = 28;

/// Networks that are not routed on the Internet (RFC 6890), which may be trusted as a whole.
const PRIVATE: [&str; 8] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "fe80::/10",
];

/// IPv4 addresses in the form of IPv6 (RFC 4291, section 2.5.5.2). Clients never have them, because
/// their addresses are converted.
const MAPPED: &str = "::ffff:0:0/96";

impl Settings {
    /// Problems of the network settings.
    pub(super) fn network_problems(&self) -> Vec<Problem> {
        let mut problems = self.host_problems();
        problems.extend(self.listener_problem());
        problems.extend(self.http.tls.problems());
        problems.extend(self.operations.tls.problems());
        problems.extend(self.tls_proxy_problem());
        problems.extend(self.http.trusted_proxies.iter().filter_map(proxy_problem));
        problems.extend(self.application_problems());
        problems
    }

    fn host_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut reject = |setting: &str, reason: &str| problems.push(Problem::new(setting, reason));
        if !self.http.allowed_hosts.iter().all(|host| is_host_name(host)) {
            reject(
                "http.allowed_hosts",
                "must be host names such as keeper.example, or addresses such as 192.0.2.1 or \
                 [2001:db8::1], without scheme, port, path, comma or *; write other letters in the \
                 xn-- form; separate host names with spaces in a variable",
            );
        }
        if !is_base_path(&self.http.base_path) {
            reject("http.base_path", "must be empty, or a path such as /SuperOffice");
        }
        if !self.http.cors_origins.iter().all(|pattern| OriginPattern::parse(pattern).is_some()) {
            reject(
                "http.cors_origins",
                "must be *, or origins such as https://app.example, with * for subdomains or the \
                 port; separate origins with spaces in a variable",
            );
        }
        problems
    }

    /// Two listeners cannot share a port.
    fn listener_problem(&self) -> Option<Problem> {
        let (api, operations) = (self.http.listen, self.operations.listen?);
        let overlaps = |one: SocketAddr, other: SocketAddr| {
            one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified()
        };
        let is_shared =
            api.port() != 0 && api.port() == operations.port() && overlaps(api, operations);
        is_shared.then(|| {
            Problem::new("operations.listen", "conflicts with http.listen; use another port")
        })
    }

    fn tls_proxy_problem(&self) -> Option<Problem> {
        if !self.http.tls_terminated_by_proxy {
            return None;
        }
        self.http.tls.is_enabled().then(|| {
            let reason = "conflicts with http.tls.certificate_file; remove either one";
            Problem::new("http.tls_terminated_by_proxy", reason)
        })
    }

    fn application_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut reject = |reason| problems.push(Problem::new("installation.applications", reason));
        let applications = &self.installation.applications;
        let digests: HashSet<_> =
            applications.iter().map(|entry| entry.token_sha256.to_lowercase()).collect();
        let names: HashSet<_> = applications.iter().map(|entry| entry.name.as_str()).collect();
        if digests.len() < applications.len() || names.len() < applications.len() {
            reject("duplicate application name or token_sha256; remove one of the entries");
        }
        if applications.iter().any(|entry| entry.name.is_empty() || entry.digest().is_none()) {
            reject("each application requires a name, and token_sha256 as 64 hexadecimal digits");
        }
        problems
    }
}

/// True for a valid base path. Clients normalize `.`, `..` and empty segments, so they never
/// request a path that contains them.
fn is_base_path(path: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let is_segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(is_plain);
    path.is_empty() || path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_segment))
}

/// The problem of a trusted network, if any.
fn proxy_problem(network: &IpNet) -> Option<Problem> {
    let is_within = |wider: &str| wider.parse().is_ok_and(|wider: IpNet| wider.contains(network));
    let is_mapped = MAPPED
        .parse()
        .is_ok_and(|mapped: IpNet| mapped.contains(network) || network.contains(&mapped));
    let widest = if network.addr().is_ipv4() { WIDEST_V4 } else { WIDEST_V6 };
    let is_private = PRIVATE.into_iter().any(is_within);
    let reason = if network.prefix_len() < widest && !is_private {
        "must not contain a public network wider than /12 (IPv6: /28), because every host in it \
         can forge client addresses; list the proxies"
    } else if network.addr().is_unspecified() || network.addr().is_multicast() {
        "must not contain an unspecified or multicast address; list the proxies"
    } else if is_mapped {
        "must not contain an IPv4-mapped IPv6 address; write it as IPv4"
    } else {
        return None;
    };
    Some(Problem::new("http.trusted_proxies", reason))
}
