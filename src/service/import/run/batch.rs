//! The lines that the next transaction of an import writes.

use std::time::{Duration, Instant};

use crate::service::import::users::ImportedUser;

/// The longest time that a line waits in a batch.
pub(super) const PERIOD: Duration = Duration::from_secs(1);

/// The most lines in a batch. With more, the work for each batch is too small a part to save
/// (docs/adr/0082-batches-of-an-import.md).
const MAXIMUM_LINES: usize = 2_000;

/// The bytes of its lines from which on a batch is written, which bounds the memory.
const MAXIMUM_BYTES: usize = 1024 * 1024;

/// Lines with nothing to hash, with their numbers.
pub(super) struct Batch {
    lines: Vec<(u64, ImportedUser)>,
    bytes: usize,
    /// When the lines before these were taken.
    taken_at: Instant,
}

impl Batch {
    /// An empty batch.
    pub(super) fn new() -> Self {
        Self { lines: Vec::new(), bytes: 0, taken_at: Instant::now() }
    }

    /// Adds a line of that many bytes.
    pub(super) fn push(&mut self, number: u64, user: ImportedUser, bytes: usize) {
        self.lines.push((number, user));
        self.bytes += bytes;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// True when it is to be written before it gets another line.
    pub(super) fn is_full(&self) -> bool {
        self.lines.len() >= MAXIMUM_LINES || self.bytes >= MAXIMUM_BYTES
    }

    /// True when its lines have waited long enough.
    pub(super) fn is_due(&self) -> bool {
        self.taken_at.elapsed() >= PERIOD
    }

    /// Takes the lines out.
    pub(super) fn take(&mut self) -> Vec<(u64, ImportedUser)> {
        std::mem::replace(self, Self::new()).lines
    }
}
