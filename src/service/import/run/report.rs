//! Receives the results of an import.

use crate::{
    domain::user::UserId,
    service::{
        errors::ChangeUserError,
        import::{
            file::{
                entry::{EntryId, Problem},
                error::InputError,
            },
            users::Imported,
        },
    },
};

/// The result of an entry.
pub(crate) enum EntryResult<'entry> {
    /// The effect on a user, whose id a dry run may not know.
    Imported(Imported, Option<UserId>),
    Failed(&'entry Problem),
    /// The entry is no user to import, for this reason.
    Skipped(&'static str),
}

/// Receives results. An error ends the import.
pub(crate) trait Report {
    type Error: From<ChangeUserError> + From<InputError>;

    /// The result of an entry.
    fn result(&mut self, entry: &EntryId, result: EntryResult<'_>) -> Result<(), Self::Error>;

    /// The members of an entry that have no place in this service.
    fn dropped(&mut self, names: Vec<String>);

    /// An entry was read; `position` is the number of bytes of the source so far.
    fn read(&mut self, number: u64, position: u64);

    /// Every entry up to this number has its result.
    fn completed(&mut self, number: u64) -> Result<(), Self::Error>;
}
