//! The formats of an import.

use super::{
    csv::{self, CsvOptions},
    detection,
    entry::Sink,
    error::InputError,
    exports::{self, Export},
    input::Input,
    json_lines,
};

/// A format with its options.
pub(crate) enum Format {
    JsonLines,
    Csv(CsvOptions),
    Export(Export),
}

/// The name of the format that a file looks like, with the value of `--from`; `None` if it is not
/// certain.
pub(crate) fn detect(head: &[u8]) -> Option<(&'static str, &'static str)> {
    if let Some(found) = detection::other_format(head, "") {
        return Some((found.name, found.option));
    }
    detection::may_be_csv(head).then_some(("CSV", "csv"))
}

impl Format {
    /// What the numbers of results count.
    pub(crate) fn unit(&self) -> &'static str {
        match self {
            Self::JsonLines | Self::Csv(_) | Self::Export(Export::Ldif) => "line",
            Self::Export(_) => "entry",
        }
    }

    /// The name for checkpoints and messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::JsonLines => "JSON lines",
            Self::Csv(_) => "CSV",
            Self::Export(export) => export.name(),
        }
    }

    /// The options that decide on what is read, without secrets. Those of two runs are equal if they
    /// read a file alike.
    pub(crate) fn options(&self) -> Vec<String> {
        match self {
            Self::JsonLines => Vec::new(),
            Self::Csv(options) => options.texts(),
            Self::Export(export) => export.options(),
        }
    }

    /// Passes on every entry of the input.
    ///
    /// # Errors
    /// When the input cannot be read, or is not of this format.
    pub(crate) fn read(&self, mut input: Input, sink: &mut Sink<'_>) -> Result<(), InputError> {
        if input.is_archive {
            return match self {
                Self::JsonLines => json_lines::read(input, sink),
                Self::Csv(_) | Self::Export(_) => {
                    Err(input.failure("is an archive of `export --whole`; omit `--from`"))
                }
            };
        }
        if let Some(found) = detection::other_format(input.head()?, self.name()) {
            let (name, option) = (found.name, found.option);
            return Err(input.failure(format_args!(
                "looks like {name}, not like {}; pass `--from {option}`",
                self.name()
            )));
        }
        match self {
            Self::JsonLines => json_lines::read(input, sink),
            Self::Csv(options) => csv::read(options, input, sink),
            Self::Export(export) => exports::read(export, input, sink),
        }
    }
}
