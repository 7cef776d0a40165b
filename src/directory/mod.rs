//! The LDAP client that finds groups and users in a directory, such as Active Directory
//! ([ADR 54](../../docs/adr/0054-directory-over-ldap.md)), and verifies passwords there
//! ([ADR 69](../../docs/adr/0069-verify-passwords-by-a-bind.md)).

mod ber;
mod bind_verdict;
mod client;
mod connection;
mod connection_pool;
mod connector;
mod entry;
mod error;
mod filter;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support;
mod message;
mod metrics;
mod options;
mod password_verifier;
mod pooled_connection;
mod relay;
mod result_code;
mod sid;

pub(crate) use self::{
    bind_verdict::{BindVerdict, DirectoryRefusal},
    client::Directory,
    connector::CA_FILE,
    error::DirectoryError,
    filter::{FilterTemplate, Placeholder},
    metrics::DirectoryMetrics,
    options::{
        DirectoryOptions, Encryption, GroupOptions, ServerOptions, UserOptions, VerifierOptions,
    },
    password_verifier::PasswordVerifier,
};
