//! Where a transit engine is, and how to log in to it.

use std::{path::PathBuf, time::Duration};

use url::Url;

/// The engine, its key and the access to it.
#[derive(Clone)]
pub(crate) struct TransitOptions {
    /// The base URL of the server.
    pub(crate) address: Url,
    /// The path at which the engine is mounted.
    pub(crate) mount: String,
    /// The name of the key that wraps data keys.
    pub(crate) key: String,
    pub(crate) namespace: Option<String>,
    /// The file with the token. It is read for each call, because agents replace it.
    pub(crate) token_file: PathBuf,
    /// The certificates of the only authorities that the server's certificate may come from.
    pub(crate) ca_file: Option<PathBuf>,
    /// The longest time for one call.
    pub(crate) timeout: Duration,
}

impl TransitOptions {
    /// The mount and the key, as a wrapped keyring names them.
    pub(super) fn key_path(&self) -> String {
        format!("{}/{}", self.mount, self.key)
    }

    /// The host and the port, for messages.
    pub(super) fn host(&self) -> String {
        let host = self.address.host_str().unwrap_or_default();
        self.address.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}
