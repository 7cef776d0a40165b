//! Lines in progress: read, but without a printed result.

use std::collections::{BTreeMap, HashSet};

use crate::{domain::user::UserId, service::import::users::ImportedUser};

/// Unfinished lines with their users, once the line is parsed.
#[derive(Default)]
pub(super) struct Unfinished {
    lines: BTreeMap<u64, Option<LineUser>>,
    names: HashSet<String>,
    ids: HashSet<i32>,
}

/// The user of a line.
struct LineUser {
    canonical_name: String,
    user_id: Option<i32>,
}

impl Unfinished {
    /// Adds a line that was read.
    pub(super) fn insert(&mut self, number: u64) {
        self.lines.insert(number, None);
    }

    /// True when a started line may be about the same user.
    pub(super) fn conflicts_with(&self, user: &ImportedUser) -> bool {
        let line_user = LineUser::new(user);
        self.names.contains(&line_user.canonical_name)
            || line_user.user_id.is_some_and(|id| self.ids.contains(&id))
    }

    /// Records the user of a line that is started.
    pub(super) fn start(&mut self, number: u64, user: &ImportedUser) {
        let line_user = LineUser::new(user);
        self.names.insert(line_user.canonical_name.clone());
        self.ids.extend(line_user.user_id);
        self.lines.insert(number, Some(line_user));
    }

    /// Removes a line after its result was printed.
    pub(super) fn finish(&mut self, number: u64) {
        if let Some(Some(line_user)) = self.lines.remove(&number) {
            self.names.remove(&line_user.canonical_name);
            line_user.user_id.map(|id| self.ids.remove(&id));
        }
    }

    /// Number of the last line up to which all lines are finished, at most `number`.
    pub(super) fn completed_up_to(&self, number: u64) -> u64 {
        self.lines.keys().next().map_or(number, |first| first - 1)
    }
}

impl LineUser {
    fn new(user: &ImportedUser) -> Self {
        let user_id = user.user_id.map(UserId::as_i32);
        Self { canonical_name: user.login_name.canonical().to_owned(), user_id }
    }
}
