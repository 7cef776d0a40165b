//! The client of a request, for fairness among clients and for audit events.

use std::net::{IpAddr, Ipv6Addr};

use super::{device::Device, user::UserId};

/// The client that a request is counted for when many wait for hashes or for database connections: the
/// address before authentication, the user after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FairnessKey {
    /// A client address.
    Address(IpAddr),
    /// An authenticated user.
    User(UserId),
    /// The service itself: commands and health checks of operators, and what it does in the background.
    Service,
}

/// The client of a request.
#[derive(Debug, Clone)]
pub(crate) struct ClientInfo {
    /// `None` for commands.
    pub(crate) address: Option<IpAddr>,
    /// Identifies the request in the log and in the response.
    pub(crate) request_id: String,
    /// `None` for commands, and for clients that do not describe themselves.
    pub(crate) device: Option<Device>,
}

impl ClientInfo {
    /// The key before authentication.
    pub(crate) fn fairness_key(&self) -> FairnessKey {
        self.network().map_or(FairnessKey::Service, FairnessKey::Address)
    }

    /// The network of the address; see [`network_of`].
    pub(crate) fn network(&self) -> Option<IpAddr> {
        self.address.map(network_of)
    }
}

/// The network that one client usually owns: a whole IPv4 address, the first 64 bits of an IPv6
/// address.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_client_and_a_mapped_ipv4_address_equals_the_plain_one() {
        let network = |address: &str| {
            ClientInfo { address: address.parse().ok(), request_id: String::new(), device: None }
                .network()
        };
        assert_eq!(network("2001:db8:1:2:3::4"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
