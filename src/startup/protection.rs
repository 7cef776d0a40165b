//! Keeps secrets in the memory of this process: disables core dumps and ptrace, and locks memory.

use rustix::{
    mm::{MlockAllFlags, mlockall},
    process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit},
};

/// The protections that the operating system granted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protection {
    /// Core dumps are disabled, and other processes of this account cannot read the memory.
    pub(crate) core_dumps_off: bool,
    /// Memory is not swapped.
    pub(crate) memory_locked: bool,
}

/// Disables core dumps, also of child processes, and ptrace by other processes.
pub(crate) fn forbid_core_dumps() -> bool {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let is_limited = setrlimit(Resource::Core, none).is_ok();
    is_limited && set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}

/// Disables core dumps, and locks memory if the process may lock memory without a limit. With a
/// limit, a later allocation would fail.
pub(crate) fn protect() -> Protection {
    Protection { core_dumps_off: forbid_core_dumps(), memory_locked: lock_memory() }
}

/// Locks memory if there is no limit, or with `CAP_IPC_LOCK`. To test for the capability, sets the
/// limit to zero and tries to lock, because the capability sets of a container can be misleading.
fn lock_memory() -> bool {
    // ONFAULT locks used pages only, not reserved stacks and arenas.
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    let limit = getrlimit(Resource::Memlock);
    if limit.current.is_none() {
        return mlockall(flags).is_ok();
    }
    let none = Rlimit { current: Some(0), ..limit };
    let is_locked = setrlimit(Resource::Memlock, none).is_ok() && mlockall(flags).is_ok();
    // Restoring the soft limit is always allowed.
    let _ = setrlimit(Resource::Memlock, limit);
    is_locked
}
