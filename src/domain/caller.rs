//! Who is asking: what hashing is shared fairly between, and what evidence names.

use std::net::IpAddr;

use super::user::UserId;

/// The party that hashing work is done for: the address before authentication, the principal
/// after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    /// An address of the network.
    Address(IpAddr),
    /// A user that has proven who they are.
    User(UserId),
    /// An operator's command.
    Command,
}

/// Where a request came from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// `None` for commands.
    pub(crate) address: Option<IpAddr>,
    /// Names the request in the log and in the answer.
    pub(crate) request_id: String,
}

impl Origin {
    /// The party to hash for while nobody has been authenticated.
    pub(crate) fn caller(&self) -> Caller {
        self.address.map_or(Caller::Command, Caller::Address)
    }
}
