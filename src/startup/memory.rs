//! Calculates the memory ceiling of the process at startup.

use crate::{configuration::Settings, security::hashing::Capacity};

/// The maximum memory without connections and hashing, in KiB.
const BASE_KIB: u64 = 40 * 1024;

/// The maximum memory of one idle connection, in KiB.
const CONNECTION_KIB: u64 = 24;

/// The maximum memory of one idle connection with TLS, in KiB.
const TLS_CONNECTION_KIB: u64 = 96;

/// The maximum memory of the process, in KiB: the base, the hashing threads, 10 % for the overhead
/// of the allocator, and all connections. Requests in progress are not included: those of one
/// connection hold up to 96 KiB in HTTP/1.1, and in HTTP/2 256 KiB and as much for their responses.
pub(super) fn ceiling_kib(hashing: Capacity, settings: &Settings) -> u64 {
    let fixed = BASE_KIB + hashing.memory_kib;
    let connections = u64::try_from(settings.http.connections.maximum).unwrap_or(u64::MAX);
    let connection =
        if settings.http.tls.is_enabled() { TLS_CONNECTION_KIB } else { CONNECTION_KIB };
    fixed + fixed / 10 + connections.saturating_mul(connection)
}
