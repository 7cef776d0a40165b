//! Who is asking: what hashing is shared fairly between, and what evidence names.

use std::net::{IpAddr, Ipv6Addr};

use super::user::UserId;

/// The party that hashing work is done for: the address before authentication, the principal
/// after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FairnessKey {
    /// An address of the network.
    Address(IpAddr),
    /// A user that has proven who they are.
    User(UserId),
    /// An operator's command.
    Command,
}

/// Where a request came from.
#[derive(Debug, Clone)]
pub(crate) struct ClientInfo {
    /// `None` for commands.
    pub(crate) address: Option<IpAddr>,
    /// Names the request in the log and in the answer.
    pub(crate) request_id: String,
}

impl ClientInfo {
    /// The party to hash for while nobody has been authenticated.
    pub(crate) fn caller(&self) -> FairnessKey {
        self.network().map_or(FairnessKey::Command, FairnessKey::Address)
    }

    /// The address as [`network_of`] cuts it.
    pub(crate) fn network(&self) -> Option<IpAddr> {
        self.address.map(network_of)
    }
}

/// The part of an address that one party has: all of IPv4, the first 64 bits of IPv6.
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
    fn who_has_a_network_of_ipv6_is_one_party_and_ipv4_is_what_it_is_in_either_form() {
        let network = |address: &str| {
            ClientInfo { address: address.parse().ok(), request_id: String::new() }.network()
        };
        assert_eq!(network("2001:db8:1:2:3::4"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
