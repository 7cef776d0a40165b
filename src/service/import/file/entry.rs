//! An entry of an import: one line of the import format, or the reason why there is none.

use std::{borrow::Cow, ops::ControlFlow};

use zeroize::Zeroizing;

use crate::domain::InvalidField;

/// An entry of the input.
pub(crate) struct Entry {
    /// The number of the line where it begins, or of the entry in its list, from 1.
    pub(crate) number: u64,
    /// The name of an entry of an export.
    pub(crate) name: Option<String>,
    pub(crate) content: Content,
    /// The names of its members that have no place in this service.
    pub(crate) dropped: Vec<String>,
}

/// An entry for its result.
pub(crate) struct EntryId {
    pub(crate) number: u64,
    pub(crate) name: Option<String>,
}

impl Entry {
    /// False for a line that cannot be an object of JSON.
    pub(crate) fn may_be_json(&self) -> bool {
        let Content::Line(text) = &self.content else { return true };
        text.trim_ascii_start().starts_with(b"{")
    }
}

/// The content of an entry.
pub(crate) enum Content {
    /// A line of the import format, as `super::line` parses it.
    Line(Zeroizing<Vec<u8>>),
    /// The entry cannot be imported.
    Invalid(Problem),
    /// Another entry of the file, with this number, has the same login name.
    Repeated { other: u64 },
    /// The entry is no user who can log in here, for this reason.
    Skipped(&'static str),
    /// The entry is no user and has no result, but its `dropped` names count.
    None,
}

/// Why an entry cannot be imported. It names the member, never its value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) field: String,
    pub(crate) reason: Cow<'static, str>,
}

impl Problem {
    pub(crate) fn new(field: impl Into<String>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// The problem of a login name that another entry has, too.
    pub(crate) fn repeated(unit: &str, other: u64) -> Self {
        let reason = format!("is also the name of {unit} {other} of this file; remove one");
        Self::new("login_name", reason)
    }
}

impl From<InvalidField> for Problem {
    fn from(problem: InvalidField) -> Self {
        Self::new(problem.field, problem.reason.to_string())
    }
}

impl<P: Into<Problem>> From<Result<Zeroizing<Vec<u8>>, P>> for Content {
    fn from(line: Result<Zeroizing<Vec<u8>>, P>) -> Self {
        line.map_or_else(|problem| Self::Invalid(problem.into()), Self::Line)
    }
}

/// Receives each entry. Reading ends when it breaks.
pub(crate) type Sink<'sink> = dyn FnMut(Entry) -> ControlFlow<()> + 'sink;
