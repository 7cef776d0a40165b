//! Where this installation runs, and which programs may call it (protocol.md 10.9).

/// What kind of installation this is; it decides which callers are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstallationType {
    /// On the operator's own network: every scheme, applications are not looked at.
    Onsite,
    /// On the public network: no Basic, and the agents are for trusted applications.
    Online,
}

/// A program that names itself by a secret of its own (`SO-AppToken`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Application {
    pub(crate) name: String,
    pub(crate) is_trusted: bool,
}
