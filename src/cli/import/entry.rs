//! An entry of an import: one line of the import format, or the reason why there is none.

use std::{borrow::Cow, ops::ControlFlow};

use zeroize::Zeroizing;

use crate::domain::InvalidField;

/// An entry of the input.
pub(super) struct Entry {
    /// The number of the line where it begins, or of the entry in its list, from 1.
    pub(super) number: u64,
    /// The name of an entry of an export.
    pub(super) name: Option<String>,
    pub(super) content: Content,
    /// The names of its members that have no place in this service.
    pub(super) dropped: Vec<String>,
}

/// The content of an entry.
pub(super) enum Content {
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
pub(super) struct Problem {
    pub(super) field: String,
    pub(super) reason: Cow<'static, str>,
}

impl Problem {
    pub(super) fn new(field: impl Into<String>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// The problem of a login name that another entry has, too.
    pub(super) fn repeated(unit: &str, other: u64) -> Self {
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
pub(super) type Sink<'sink> = dyn FnMut(Entry) -> ControlFlow<()> + 'sink;
