//! The lines that the next transaction of an import writes.

use std::time::{Duration, Instant};

use crate::service::{import::users::ImportedUser, operations::maintenance::Change};

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
    /// The change that began with the first line; `None` without lines.
    change: Option<Change>,
    bytes: usize,
    /// When the lines before these were taken.
    taken_at: Instant,
}

impl Batch {
    /// An empty batch.
    pub(super) fn new() -> Self {
        Self { lines: Vec::new(), change: None, bytes: 0, taken_at: Instant::now() }
    }

    /// Adds a line of that many bytes, which is part of this change.
    pub(super) fn push(&mut self, number: u64, user: ImportedUser, bytes: usize, change: &Change) {
        self.lines.push((number, user));
        self.change.get_or_insert_with(|| change.clone());
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

    /// Takes the lines out, with the change that they are part of.
    pub(super) fn take(&mut self) -> (Vec<(u64, ImportedUser)>, Option<Change>) {
        let Self { lines, change, .. } = std::mem::replace(self, Self::new());
        (lines, change)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        domain::credential_type::{CredentialTypes, PASSWORD},
        service::{import::file::line, operations::maintenance::Maintenance},
    };

    #[test]
    fn waiting_lines_are_a_change_in_progress() {
        let maintenance = Arc::new(Maintenance::default());
        let types = CredentialTypes::new(Vec::new(), PASSWORD).unwrap();
        let mut batch = Batch::new();
        for number in 1..=2 {
            let change = maintenance.begin_change().unwrap();
            let user = line::parse(br#"{"login_name":"a"}"#, &types).unwrap();
            batch.push(number, user, 1, &change);
        }
        // The second change has ended, because the first one includes its line.
        assert_eq!(maintenance.in_progress(), 1);
        let (lines, change) = batch.take();
        assert_eq!((lines.len(), maintenance.in_progress()), (2, 1));
        drop(change);
        assert_eq!((batch.is_empty(), maintenance.in_progress()), (true, 0));
    }
}
