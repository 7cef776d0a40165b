//! Numbers the entries of an export, and finds users who appear twice.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    ops::ControlFlow,
};

use crate::{
    domain::user::LoginName,
    service::import::file::{
        entry::{Content, Entry, Problem, Sink},
        names::{shortened, shortened_names},
        new_line::NewLine,
    },
};

/// An entry after its conversion.
#[derive(Debug)]
pub(super) struct Converted {
    /// The login name, or another name of the entry.
    pub(super) name: Option<String>,
    pub(super) user: User,
    /// The names of the members that have no place in this service.
    pub(super) dropped: Vec<String>,
}

/// The user of an entry.
#[derive(Debug)]
pub(super) enum User {
    Line(NewLine),
    Invalid(Problem),
    Skipped(&'static str),
    /// The entry is no user and has no result.
    None,
}

impl Converted {
    /// An entry that is not of the expected structure.
    pub(super) fn not_a(kind: &str, error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let reason =
            format!("is not {kind}: wrong type or repeated member at line {line}, column {column}");
        let user = User::Invalid(Problem::new("entry", reason));
        Self { name: None, user, dropped: Vec::new() }
    }
}

/// Counts entries and passes them on.
///
/// It keeps two numbers for each user, to find a login name that appears twice.
pub(super) struct Entries<'sink, 'inner> {
    sink: &'sink mut Sink<'inner>,
    count: u64,
    hasher: RandomState,
    /// The hash of each login name, with the number of its first entry.
    seen: HashMap<u64, u64>,
    has_users: bool,
}

impl<'sink, 'inner> Entries<'sink, 'inner> {
    pub(super) fn new(sink: &'sink mut Sink<'inner>) -> Self {
        let (hasher, seen) = (RandomState::new(), HashMap::new());
        Self { sink, count: 0, hasher, seen, has_users: false }
    }

    /// True when there was no user.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_users
    }

    /// Converts the next entry of a list.
    pub(super) fn convert(&mut self, convert: impl FnOnce() -> Converted) -> ControlFlow<()> {
        self.convert_numbered(self.count + 1, convert)
    }

    /// Converts an entry that has a number.
    pub(super) fn convert_numbered(
        &mut self,
        number: u64,
        convert: impl FnOnce() -> Converted,
    ) -> ControlFlow<()> {
        self.count = number;
        let Converted { name, user, dropped } = convert();
        let content = match user {
            User::None => Content::None,
            User::Skipped(reason) => Content::Skipped(reason),
            User::Invalid(problem) => Content::Invalid(problem),
            User::Line(line) => match self.first_with_name(&line.login_name, number) {
                Some(other) => Content::Repeated { other },
                None => Content::from(line.write()),
            },
        };
        self.has_users |= !matches!(content, Content::None);
        // An invalid name is a refused value, which is not repeated.
        let name = name.filter(|name| LoginName::parse(name).is_ok()).map(shortened);
        let dropped = shortened_names(dropped);
        (self.sink)(Entry { number, name, content, dropped })
    }

    /// The number of an earlier entry with that login name.
    fn first_with_name(&mut self, login_name: &str, number: u64) -> Option<u64> {
        // An invalid name is refused with its line.
        let name = LoginName::parse(login_name).ok()?;
        let hash = self.hasher.hash_one(name.canonical());
        let first = *self.seen.entry(hash).or_insert(number);
        (first != number).then_some(first)
    }
}

/// First and last name, if there is one.
pub(super) fn full_name(first: Option<String>, last: Option<String>) -> Option<String> {
    let names = [first, last].into_iter().flatten();
    let names: Vec<_> = names.map(|name| name.trim().to_owned()).collect();
    let full = names.join(" ").trim().to_owned();
    (!full.is_empty()).then_some(full)
}

/// The member for a user who is disabled. One who is not has no member, so that importing again does
/// not reactivate a user who was retired here.
pub(super) fn retired_if(is_disabled: bool) -> Option<bool> {
    is_disabled.then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_shortened_and_an_invalid_one_is_not_passed_on() {
        let mut entries = Vec::new();
        let mut keep = |entry: Entry| {
            entries.push(entry);
            ControlFlow::Continue(())
        };
        let long = "\u{e9}".repeat(1_000_000);
        let dropped = vec!["\u{e9}".repeat(5_000); 5000];
        let converted =
            || Converted { name: Some(long), user: User::Skipped("has no name"), dropped };
        let _ = Entries::new(&mut keep).convert(converted);
        let Entry { name, dropped, .. } = &entries[0];
        let shown = "\u{e9}".repeat(100);
        assert_eq!(name.as_ref(), None);
        assert_eq!((dropped.len(), &dropped[0], dropped[1000].as_str()), (1001, &shown, "others"));
        let kept = dropped.iter().map(String::capacity).sum::<usize>();
        assert!(kept < 1001 * 400 && dropped.capacity() < 2000, "{kept}");
    }
}
