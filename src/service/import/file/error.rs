//! The errors of an input as a whole.

use std::io;

use crate::security::{archive::ArchiveError, secret_file::SecretFileError};

/// An input that cannot be read, with the next step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    SecretFile(#[from] SecretFileError),
}

impl InputError {
    /// An error with this message.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Refused(message.into())
    }
}
