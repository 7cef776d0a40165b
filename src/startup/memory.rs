//! What the process may take in memory, known before the first request.

use crate::security::hashing::Capacity;

/// What the process takes without connections and hashing, in KiB.
const BASE_KIB: u64 = 40 * 1024;

/// What one open connection takes at most, in KiB.
const CONNECTION_KIB: u64 = 24;

/// The most memory the process takes, in KiB: its base and the hashing threads' memory, a tenth
/// more for what allocators leave unused, and every connection that it would keep open.
pub(super) fn ceiling_kib(hashing: Capacity, maximum_connections: usize) -> u64 {
    let fixed = BASE_KIB + hashing.memory_kib;
    let connections = u64::try_from(maximum_connections).unwrap_or(u64::MAX);
    fixed + fixed / 10 + connections.saturating_mul(CONNECTION_KIB)
}
