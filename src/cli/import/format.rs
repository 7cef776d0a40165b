//! The formats of an import, and the options that choose and describe one.

use std::path::PathBuf;

use clap::Args;

use super::{
    entry::Sink,
    input::{Input, Source},
    json_lines,
};
use crate::cli::output::Failure;

/// The arguments that name an input.
#[derive(Args)]
pub(super) struct InputArguments {
    /// File with users, plain or compressed with gzip or zstd; `-` is standard input.
    file: PathBuf,
}

/// A format with its options.
pub(super) enum Format {
    JsonLines,
}

impl InputArguments {
    pub(super) fn source(&self) -> Source {
        Source::from(self.file.as_path())
    }

    /// The format.
    pub(super) fn format(&self) -> Format {
        Format::JsonLines
    }
}

impl Format {
    /// What the numbers of results count.
    pub(super) fn unit(&self) -> &'static str {
        match self {
            Self::JsonLines => "line",
        }
    }

    /// The name for checkpoints and messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::JsonLines => "JSON lines",
        }
    }

    /// Passes on every entry of the input.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub(super) fn read(&self, input: Input, sink: &mut Sink<'_>) -> Result<(), Failure> {
        match self {
            Self::JsonLines => json_lines::read(input, sink),
        }
    }
}
