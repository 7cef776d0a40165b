//! Where the old system is, and how it is asked.

use std::{path::PathBuf, time::Duration};

use url::Url;

/// The address of the old system, the key and the limits.
#[derive(Clone)]
pub(crate) struct HookOptions {
    pub(crate) url: Url,
    /// The file with the keys that sign requests. It is read for each request.
    pub(crate) key_file: PathBuf,
    /// The certificates of the only authorities that the certificate of the old system may come
    /// from.
    pub(crate) ca_file: Option<PathBuf>,
    /// The longest time for one answer. A login waits for half of it at most before it is asked about.
    pub(crate) timeout: Duration,
    /// The maximum number of requests at a time.
    pub(crate) maximum_requests: usize,
}

impl HookOptions {
    /// The host and the port, for messages.
    pub(super) fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}
