//! The type of the installation, and the applications that may call it
//! (docs/reference/wire-contract.md#d9-installation-type).

/// Where the installation runs; it decides which callers are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstallationType {
    /// On the operator's own network: every scheme is accepted, and applications are ignored.
    Onsite,
    /// On the public network: Basic is refused, and only trusted applications may call agents.
    Online,
}

/// A program that is identified by its own secret (`SO-AppToken`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Application {
    pub(crate) name: String,
    pub(crate) is_trusted: bool,
}
