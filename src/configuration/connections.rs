//! Bounds on connections: how many, and how long each phase of one may take.

use std::time::Duration;

use super::{Problem, reader::Reader};

/// More than a system has ports for one address.
const MOST_CONNECTIONS: usize = 1_000_000;

/// What section `http` says of connections.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionSettings {
    /// In all.
    pub(crate) maximum: usize,
    /// From one address that is no trusted proxy.
    pub(crate) per_address: usize,
    /// From the first byte of a request to the last one of its head, and then of its body.
    pub(crate) read_timeout: Duration,
    /// Between an answer and the next request.
    pub(crate) idle_timeout: Duration,
    /// Until the caller has taken what was sent.
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

    pub(super) fn contradictions(&self) -> Option<Problem> {
        if !(1..=MOST_CONNECTIONS).contains(&self.maximum) {
            let reason = "must be between 1 and 1000000";
            return Some(Problem::new("http.maximum_connections", reason));
        }
        (!(1..=self.maximum).contains(&self.per_address)).then(|| {
            let reason = "must be between 1 and http.maximum_connections";
            Problem::new("http.maximum_connections_per_address", reason)
        })
    }
}
