//! Rules for the network settings: a value that would be ignored or could never match is refused.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;

use super::{Problem, Settings};
use crate::domain::{host_name::is_host_name, origin_pattern::OriginPattern};

/// The widest network of proxies: all of the private 10.0.0.0/8, and of the local `fc00::/7`. Every
/// host in it can claim any address, and so chooses the address in limits and audit events.
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 7;

impl Settings {
    pub(super) fn network_contradictions(&self) -> Vec<Problem> {
        let mut problems = self.host_contradictions();
        problems.extend(self.listener_contradiction());
        problems.extend(self.http.trusted_proxies.iter().filter_map(proxy_problem));
        problems.extend(self.application_contradictions());
        problems
    }

    fn host_contradictions(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |setting: &str, reason: &str| problems.push(Problem::new(setting, reason));
        if !self.http.allowed_hosts.iter().all(|host| is_host_name(host)) {
            refuse(
                "http.allowed_hosts",
                "must be host names such as keeper.example, or addresses, IPv6 as [2001:db8::1]; \
                 no scheme, port, path, comma or *; other letters in the xn-- form; in a variable, \
                 spaces between them",
            );
        }
        if !is_base_path(&self.http.base_path) {
            refuse("http.base_path", "must be empty, or a path such as /SuperOffice");
        }
        if !self.http.cors_origins.iter().all(|pattern| OriginPattern::parse(pattern).is_some()) {
            refuse(
                "http.cors_origins",
                "must be *, or origins such as https://app.example, with * for subdomains or port; \
                 in a variable, spaces between them",
            );
        }
        problems
    }

    /// Two listeners cannot have one port.
    fn listener_contradiction(&self) -> Option<Problem> {
        let (api, operations) = (self.http.listen, self.operations.listen?);
        let overlaps = |one: SocketAddr, other: SocketAddr| {
            one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified()
        };
        let is_taken =
            api.port() != 0 && api.port() == operations.port() && overlaps(api, operations);
        is_taken.then(|| {
            Problem::new("operations.listen", "has the port of http.listen; use another port")
        })
    }

    fn application_contradictions(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |reason| problems.push(Problem::new("installation.applications", reason));
        let applications = &self.installation.applications;
        let digests: HashSet<_> =
            applications.iter().map(|known| known.token_sha256.to_lowercase()).collect();
        let names: HashSet<_> = applications.iter().map(|known| known.name.as_str()).collect();
        if digests.len() < applications.len() || names.len() < applications.len() {
            refuse("names an application or a digest twice");
        }
        if applications.iter().any(|known| known.name.is_empty() || known.digest().is_none()) {
            refuse("each needs a name, and token_sha256 as 64 hexadecimal digits");
        }
        problems
    }
}

/// Clients resolve `.`, `..` and often empty segments, so that a path with them is never asked for.
fn is_base_path(path: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let is_segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(is_plain);
    path.is_empty() || path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_segment))
}

/// What is wrong with a network of proxies.
fn proxy_problem(network: &IpNet) -> Option<Problem> {
    let is_mapped = match network.addr() {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.to_ipv4_mapped().is_some(),
    };
    let widest = if network.addr().is_ipv4() { WIDEST_V4 } else { WIDEST_V6 };
    let reason = if network.prefix_len() < widest {
        "trusts a network wider than /8 (IPv6: /7), where anybody can claim any address; name the \
         proxies"
    } else if network.addr().is_unspecified() || network.addr().is_multicast() {
        "has an address that no proxy calls from; name the proxies"
    } else if is_mapped {
        "has an IPv4 address in the form of IPv6; write it as IPv4"
    } else {
        return None;
    };
    Some(Problem::new("http.trusted_proxies", reason))
}
