//! Settings of client connections: limits and timeouts.

use std::time::Duration;

use super::{problem::Problem, reader::Reader};

/// The upper bound of the limit, which exceeds the number of ports of one address.
const MAXIMUM_LIMIT: usize = 1_000_000;

/// The connection settings of section `http`.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionSettings {
    /// The maximum number of connections.
    pub(crate) maximum: usize,
    /// The maximum number of connections from one address that is not a trusted proxy.
    pub(crate) per_address: usize,
    /// The timeout of the request head, and then of the request body.
    pub(crate) read_timeout: Duration,
    /// The timeout of an idle connection.
    pub(crate) idle_timeout: Duration,
    /// The timeout of a client that reads a response.
    pub(crate) write_timeout: Duration,
}

impl ConnectionSettings {
    pub(super) fn take(reader: &mut Reader) -> Self {
        Self {
            maximum: reader.get("http.maximum_connections"),
            per_address: reader.get("http.maximum_connections_per_address"),
            read_timeout: reader.seconds("http.read_timeout_seconds"),
            idle_timeout: reader.seconds("http.idle_timeout_seconds"),
            write_timeout: reader.seconds("http.write_timeout_seconds"),
        }
    }

    pub(super) fn problems(&self) -> Option<Problem> {
        if !(1..=MAXIMUM_LIMIT).contains(&self.maximum) {
            let reason = "must be between 1 and 1000000";
            return Some(Problem::new("http.maximum_connections", reason));
        }
        (!(1..=self.maximum).contains(&self.per_address)).then(|| {
            let reason = "must be between 1 and http.maximum_connections";
            Problem::new("http.maximum_connections_per_address", reason)
        })
    }
}
