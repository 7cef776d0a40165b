//! Why there is no place for an import.

/// A file cannot be received or imported now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlaceError {
    /// The form was sent before.
    Known,
    /// Another import is in progress.
    Busy,
    /// As many files as possible are being received.
    Full,
}
