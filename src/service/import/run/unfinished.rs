//! Entries in progress: read, but without a result.

use std::collections::{BTreeMap, HashSet};

use crate::{
    domain::user::UserId,
    service::import::{file::entry::EntryId, users::ImportedUser},
};

/// Unfinished entries with their users, once the line is parsed.
#[derive(Default)]
pub(super) struct Unfinished {
    entries: BTreeMap<u64, Unresolved>,
    names: HashSet<String>,
    ids: HashSet<i32>,
    /// The canonical names of users whom a dry run would have added.
    added: HashSet<String>,
}

/// An entry without a result.
struct Unresolved {
    name: Option<String>,
    user: Option<LineUser>,
}

/// The user of a line.
struct LineUser {
    canonical_name: String,
    user_id: Option<i32>,
}

impl Unfinished {
    /// Adds an entry that was read.
    pub(super) fn insert(&mut self, number: u64, name: Option<String>) {
        self.entries.insert(number, Unresolved { name, user: None });
    }

    /// True when a started line may be about the same user.
    pub(super) fn conflicts_with(&self, user: &ImportedUser) -> bool {
        self.names.contains(user.login_name.canonical())
            || user.user_id.is_some_and(|id| self.ids.contains(&id.as_i32()))
    }

    /// Records the user of a line that is started.
    pub(super) fn start(&mut self, number: u64, user: &ImportedUser) {
        let line_user = LineUser::new(user);
        self.names.insert(line_user.canonical_name.clone());
        self.ids.extend(line_user.user_id);
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.user = Some(line_user);
        }
    }

    /// The number and the name of an entry.
    pub(super) fn id(&self, number: u64) -> EntryId {
        let name = self.entries.get(&number).and_then(|entry| entry.name.clone());
        EntryId { number, name }
    }

    /// Records that a dry run would have added the user of a line.
    pub(super) fn note_added(&mut self, number: u64) {
        let user = self.entries.get(&number).and_then(|entry| entry.user.as_ref());
        self.added.extend(user.map(|user| user.canonical_name.clone()));
    }

    /// True when an earlier line of a dry run would have added the user.
    pub(super) fn is_added(&self, user: &ImportedUser) -> bool {
        self.added.contains(user.login_name.canonical())
    }

    /// Removes an entry after its result was printed.
    pub(super) fn finish(&mut self, number: u64) {
        if let Some(Unresolved { user: Some(line_user), .. }) = self.entries.remove(&number) {
            self.names.remove(&line_user.canonical_name);
            line_user.user_id.map(|id| self.ids.remove(&id));
        }
    }

    /// Number of the last entry up to which all entries are finished, at most `number`.
    pub(super) fn completed_up_to(&self, number: u64) -> u64 {
        self.entries.keys().next().map_or(number, |first| first - 1)
    }
}

impl LineUser {
    fn new(user: &ImportedUser) -> Self {
        let user_id = user.user_id.map(UserId::as_i32);
        Self { canonical_name: user.login_name.canonical().to_owned(), user_id }
    }
}
