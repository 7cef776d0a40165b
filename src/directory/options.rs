//! The options of the client.

use std::{path::PathBuf, time::Duration};

use super::filter::FilterTemplate;

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// TLS from the first byte (`ldaps://`).
    Tls,
    /// TLS after the `StartTLS` operation.
    StartTls,
    /// None.
    Nothing,
}

/// The server, and the account of the service.
#[derive(Debug, Clone)]
pub(crate) struct ServerOptions {
    /// A host name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) encryption: Encryption,
    /// `None`: the authorities of the operating system.
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) bind_dn: String,
    pub(crate) password_file: PathBuf,
    /// The maximum time to connect, negotiate TLS and bind.
    pub(crate) connect_timeout: Duration,
    pub(crate) maximum_connections: usize,
}

/// Where users are, and what is read of them.
#[derive(Debug, Clone)]
pub(crate) struct UserOptions {
    pub(crate) base_dn: String,
    /// The entries that are users.
    pub(crate) filter: FilterTemplate,
    pub(crate) search_filter: FilterTemplate,
    pub(crate) member_filter: FilterTemplate,
    /// The attribute with the value of the credential. A SID is decoded.
    pub(crate) value_attribute: String,
    pub(crate) name_attribute: String,
    /// The part of the display value before the backslash.
    pub(crate) domain: Option<String>,
    /// More attributes that are shown.
    pub(crate) columns: Vec<String>,
}

/// Where groups are, and what is read of them.
#[derive(Debug, Clone)]
pub(crate) struct GroupOptions {
    pub(crate) base_dn: String,
    /// The entries that are groups.
    pub(crate) filter: FilterTemplate,
    pub(crate) search_filter: FilterTemplate,
    pub(crate) name_attribute: String,
}

/// How passwords are verified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VerifierOptions {
    /// The maximum time of one verification: the wait for a place, the lookup and the bind.
    pub(crate) timeout: Duration,
    /// The maximum number of verifications at a time, and of connections of each kind.
    pub(crate) maximum_connections: usize,
}

/// All options.
#[derive(Debug, Clone)]
pub(crate) struct DirectoryOptions {
    pub(crate) server: ServerOptions,
    pub(crate) users: UserOptions,
    pub(crate) groups: GroupOptions,
    /// The maximum time of all searches of a call.
    pub(crate) search_timeout: Duration,
    pub(crate) page_size: u16,
    /// The maximum number of entries that a search may return.
    pub(crate) maximum_entries: usize,
    /// `None`: the directory verifies no passwords.
    pub(crate) passwords: Option<VerifierOptions>,
}
