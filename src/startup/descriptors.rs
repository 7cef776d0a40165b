//! The limit of open files, which limits the number of connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// File descriptors reserved for the database, listeners, files and the runtime.
const RESERVED: usize = 256;

/// The number of client connections that the limit of open files allows, at most `wanted`. Raises
/// the soft limit to the hard limit first: many systems start processes with a soft limit of 1024.
pub(super) fn allowed_connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let current =
        if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let Some(descriptors) = current.and_then(|current| usize::try_from(current).ok()) else {
        return wanted;
    };
    let allowed = wanted.min(descriptors.saturating_sub(RESERVED).max(1));
    if allowed < wanted {
        tracing::warn!(
            wanted,
            allowed,
            "the limit of open files is lower than http.maximum_connections; raise it \
             (LimitNOFILE, ulimit -n)"
        );
    }
    allowed
}
