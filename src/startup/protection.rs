//! What the system can do so that secrets stay in this process: no core dumps, nobody looks in, and
//! nothing of it is written to swap.

use rustix::{
    mm::{MlockAllFlags, mlockall},
    process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit},
    thread::{CapabilitySet, CapabilitySets, capabilities},
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
    // Only what is touched: reserved stacks and arenas would count as used otherwise.
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    let memory_locked = may_lock_everything() && mlockall(flags).is_ok();
    Protection { core_dumps_off: forbid_core_dumps(), memory_locked }
}

/// True without a limit, and with the capability that no limit counts for.
fn may_lock_everything() -> bool {
    let is_capable = |sets: CapabilitySets| sets.effective.contains(CapabilitySet::IPC_LOCK);
    getrlimit(Resource::Memlock).current.is_none() || capabilities(None).is_ok_and(is_capable)
}
