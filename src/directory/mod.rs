//! The LDAP client that finds groups and users in a directory, such as Active Directory
//! ([ADR 54](../../docs/adr/0054-directory-over-ldap.md)).

mod ber;
mod client;
mod connection;
mod connector;
mod entry;
mod error;
mod filter;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support;
mod message;
mod metrics;
mod options;
mod pooled_connection;
mod relay;
mod result_code;
mod sid;
mod tls;

pub(crate) use self::{
    client::Directory,
    error::DirectoryError,
    filter::{FilterTemplate, Placeholder},
    metrics::DirectoryMetrics,
    options::{DirectoryOptions, Encryption, GroupOptions, ServerOptions, UserOptions},
    tls::client_config,
};
