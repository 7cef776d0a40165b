//! What the engine reports: problems, and the time of each hash.

use std::{fmt, time::Duration};

/// Receives the events of an engine. Called on the thread where the event occurs.
pub type OnEvent = fn(EngineEvent);

/// A problem for an operator, or the end of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineEvent {
    /// The AVX2 kernel and the `argon2` crate disagree on this machine. The kernel is not used.
    KernelMismatch,
    /// A hashing thread panicked. Its job is lost; the thread continues.
    ThreadPanicked,
    /// A stored hash needs more memory than [`maximum_memory_kib`]. It is not verified.
    ///
    /// [`maximum_memory_kib`]: crate::HashingOptions::maximum_memory_kib
    MemoryLimitExceeded,
    /// A stored hash is argon2id over a function outside the limits of imported hashes. It is not
    /// verified.
    FunctionLimitExceeded,
    /// A hash or a check for a caller has ended: it waited in the queue, and then took time on a
    /// thread. Reported where the caller waits.
    Computed {
        /// The time in the queue.
        waited: Duration,
        /// The time on a thread.
        worked: Duration,
    },
}

impl fmt::Display for EngineEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::KernelMismatch => {
                "the AVX2 kernel computes wrong hashes on this machine; it is not used"
            }
            Self::ThreadPanicked => "a hashing thread panicked; it continues with the next job",
            Self::FunctionLimitExceeded => {
                "a stored hash is over a function outside the limits; it is not verified"
            }
            Self::MemoryLimitExceeded => {
                "a stored hash needs more memory than the maximum; it is not verified"
            }
            Self::Computed { .. } => "a hash was computed",
        })
    }
}
