//! Lines that were read and whose result was not told yet.

use std::collections::{BTreeMap, HashSet};

use crate::{domain::user::UserId, service::import::users::ImportedUser};

/// The lines, and whom they are about, once that is known.
#[derive(Default)]
pub(super) struct Unfinished {
    lines: BTreeMap<u64, Option<Whom>>,
    names: HashSet<String>,
    ids: HashSet<i32>,
}

/// Whom a line is about.
struct Whom {
    canonical_name: String,
    user_id: Option<i32>,
}

impl Unfinished {
    /// A line was read.
    pub(super) fn read(&mut self, number: u64) {
        self.lines.insert(number, None);
    }

    /// True when a line of what may be the same user has been started.
    pub(super) fn is_near(&self, user: &ImportedUser) -> bool {
        let whom = Whom::of(user);
        self.names.contains(&whom.canonical_name)
            || whom.user_id.is_some_and(|id| self.ids.contains(&id))
    }

    /// A line is started.
    pub(super) fn start(&mut self, number: u64, user: &ImportedUser) {
        let whom = Whom::of(user);
        self.names.insert(whom.canonical_name.clone());
        self.ids.extend(whom.user_id);
        self.lines.insert(number, Some(whom));
    }

    /// A line's result was told.
    pub(super) fn finish(&mut self, number: u64) {
        if let Some(Some(whom)) = self.lines.remove(&number) {
            self.names.remove(&whom.canonical_name);
            whom.user_id.map(|id| self.ids.remove(&id));
        }
    }

    /// The last line before which all are finished, of lines up to `number`.
    pub(super) fn done_of(&self, number: u64) -> u64 {
        self.lines.keys().next().map_or(number, |first| first - 1)
    }
}

impl Whom {
    fn of(user: &ImportedUser) -> Self {
        let user_id = user.user_id.map(UserId::as_i32);
        Self { canonical_name: user.login_name.canonical().to_owned(), user_id }
    }
}
