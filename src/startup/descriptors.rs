//! How many connections the system lets this process have: each needs a file descriptor.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything but callers: the database, listeners, files, and the runtime.
const RESERVED: usize = 256;

/// As many callers' connections as are wanted, or as the system allows. Raises the soft limit to the
/// hard one first: many systems start processes with room for a thousand.
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
            "the limit of open files allows fewer connections than http.maximum_connections; \
             raise it (LimitNOFILE, ulimit -n)"
        );
    }
    allowed
}
