//! Finds the entries of a file that have one login name, so that all of them fail.

use std::collections::HashMap;

use super::entry::{Content, Entry};

/// The entries whose login name a later entry has, too, with the number of that one.
#[derive(Default)]
pub(crate) struct Repeated(HashMap<u64, u64>);

impl Repeated {
    /// Notes an entry of the first reading, which marks only later entries.
    pub(crate) fn note(&mut self, entry: &Entry) {
        if let Content::Repeated { other } = entry.content {
            self.0.entry(other).or_insert(entry.number);
        }
    }

    /// Marks an entry of the second reading whose login name a later entry has.
    pub(crate) fn mark(&self, entry: &mut Entry) {
        if let Some(other) = self.0.get(&entry.number) {
            entry.content = Content::Repeated { other: *other };
        }
    }
}
