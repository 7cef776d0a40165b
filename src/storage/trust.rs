//! Which connections may still be what they were when they were opened.
//!
//! A server that was demoted, restarted or changed under its connections tells so in the answer to one
//! statement, on one of them; the others are no better. So such an answer ends the trust in every
//! connection that was opened before it, and all are replaced as they are needed.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts how often trust ended in this process.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The generation of a connection that is opened now.
pub(super) fn generation() -> u64 {
    GENERATION.load(Ordering::Acquire)
}

/// Ends the trust in every connection that is open.
pub(super) fn end_trust() {
    GENERATION.fetch_add(1, Ordering::AcqRel);
}
