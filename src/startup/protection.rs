//! What the system can do so that secrets stay in this process: no core dumps, nobody looks in, and
//! nothing of it is written to swap.

use rustix::{
    mm::{MlockAllFlags, mlockall},
    process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit},
};

/// What the system granted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protection {
    /// True: no core dump is written, and no other process of this account can look into this one.
    pub(crate) core_dumps_off: bool,
    /// True: nothing is written to swap.
    pub(crate) memory_locked: bool,
}

/// Forbids core dumps, of children too, and that other processes look in.
pub(crate) fn forbid_core_dumps() -> bool {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let is_limited = setrlimit(Resource::Core, none).is_ok();
    is_limited && set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}

/// Keeps what this process uses out of swap, where it may lock as much as it wants. With a limit
/// the lock would make an allocation fail some day, and the process with it.
pub(crate) fn protect() -> Protection {
    Protection { core_dumps_off: forbid_core_dumps(), memory_locked: lock_memory() }
}

/// Asks without any allowance: the system then agrees only for the capability that needs none,
/// which it knows better than what a container is told of its capabilities.
fn lock_memory() -> bool {
    // Only what is touched: reserved stacks and arenas would count as used otherwise.
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    let limit = getrlimit(Resource::Memlock);
    if limit.current.is_none() {
        return mlockall(flags).is_ok();
    }
    let none = Rlimit { current: Some(0), ..limit };
    let is_locked = setrlimit(Resource::Memlock, none).is_ok() && mlockall(flags).is_ok();
    // Lifting a limit to where it was is always allowed.
    let _ = setrlimit(Resource::Memlock, limit);
    is_locked
}
