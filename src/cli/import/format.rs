//! The formats of an import, and the options that choose and describe one.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{
    csv::{self, CsvOptions, Delimiter},
    detection,
    entry::Sink,
    exports::{self, Export, HashConfig},
    input::{Input, Source},
    json_lines,
};
use crate::cli::output::Failure;

/// The arguments that name an input.
#[derive(Args)]
pub(super) struct InputArguments {
    /// File with users, plain or compressed with gzip or zstd; `-` is standard input.
    file: PathBuf,
    /// Format of the file. Default: `csv` if its name ends with `.csv` or `.tsv`, else `json-lines`.
    #[arg(long, value_enum, value_name = "FORMAT")]
    from: Option<FormatName>,
    /// CSV: the delimiter. Default: the one in the header.
    #[arg(long, value_enum)]
    delimiter: Option<Delimiter>,
    /// CSV: read a member from the column with that name, for example `login_name=E-mail`.
    #[arg(long, value_name = "MEMBER=NAME")]
    column: Vec<String>,
    /// CSV: ignore the column with that name.
    #[arg(long, value_name = "NAME")]
    ignore_column: Vec<String>,
    /// Firebase: file with the hash parameters of the project, as the console shows them.
    #[arg(long, value_name = "FILE")]
    firebase_hash_config: Option<PathBuf>,
    /// Django: the model of users. Default: `auth.user`.
    #[arg(long, value_name = "APP.MODEL")]
    django_user_model: Option<String>,
}

/// The name of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatName {
    /// One user as JSON per line.
    JsonLines,
    /// A table with a header.
    Csv,
    /// Realm of Keycloak, as `kc.sh export` writes it.
    Keycloak,
    /// Identities of Ory Kratos with their credentials.
    Kratos,
    /// Organizations of ZITADEL.
    Zitadel,
    /// `firebase auth:export` in JSON.
    Firebase,
    /// Entries of an LDAP directory, as slapcat writes them.
    Ldif,
    /// `manage.py dumpdata` in JSON.
    Django,
}

/// A format with its options.
pub(super) enum Format {
    JsonLines,
    Csv(CsvOptions),
    Export(Export),
}

impl InputArguments {
    pub(super) fn source(&self) -> Source {
        Source::from(self.file.as_path())
    }

    /// The format with its options.
    ///
    /// # Errors
    /// When an option belongs to another format, or one is missing or invalid.
    pub(super) fn format(&self) -> Result<Format, Failure> {
        let name = self.from.unwrap_or_else(|| format_of(&self.file));
        self.require_own_options(name)?;
        Ok(match name {
            FormatName::JsonLines => Format::JsonLines,
            FormatName::Csv => {
                Format::Csv(CsvOptions::parse(self.delimiter, &self.column, &self.ignore_column)?)
            }
            FormatName::Keycloak => Format::Export(Export::Keycloak),
            FormatName::Kratos => Format::Export(Export::Kratos),
            FormatName::Zitadel => Format::Export(Export::Zitadel),
            FormatName::Firebase => {
                let file = self.firebase_hash_config.as_deref().ok_or_else(|| {
                    Failure::new(
                        "the format firebase needs the hash parameters of the project; copy them \
                         from the Firebase console into a file, and add `--firebase-hash-config FILE`",
                    )
                })?;
                Format::Export(Export::Firebase(HashConfig::read(file)?))
            }
            FormatName::Ldif => Format::Export(Export::Ldif),
            FormatName::Django => {
                let model = self.django_user_model.as_deref().unwrap_or("auth.user");
                Format::Export(Export::Django { user_model: model.to_lowercase() })
            }
        })
    }

    fn require_own_options(&self, name: FormatName) -> Result<(), Failure> {
        let options = [
            ("--delimiter", self.delimiter.is_some(), FormatName::Csv, "csv"),
            ("--column", !self.column.is_empty(), FormatName::Csv, "csv"),
            ("--ignore-column", !self.ignore_column.is_empty(), FormatName::Csv, "csv"),
            (
                "--firebase-hash-config",
                self.firebase_hash_config.is_some(),
                FormatName::Firebase,
                "firebase",
            ),
            ("--django-user-model", self.django_user_model.is_some(), FormatName::Django, "django"),
        ];
        let foreign = options.into_iter().find(|(_, is_given, of, _)| *is_given && *of != name);
        foreign.map_or(Ok(()), |(option, _, _, format)| {
            Err(Failure::new(format!("{option} needs the format {format}; add `--from {format}`")))
        })
    }
}

/// The format of a file without `--from`.
fn format_of(file: &Path) -> FormatName {
    let name = file.to_string_lossy().to_lowercase();
    let name = [".gz", ".zst"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(&name);
    let is_csv = [".csv", ".tsv"].iter().any(|suffix| name.ends_with(suffix));
    if is_csv { FormatName::Csv } else { FormatName::JsonLines }
}

impl Format {
    /// What the numbers of results count.
    pub(super) fn unit(&self) -> &'static str {
        match self {
            Self::JsonLines | Self::Csv(_) | Self::Export(Export::Ldif) => "line",
            Self::Export(_) => "entry",
        }
    }

    /// The name for checkpoints and messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::JsonLines => "JSON lines",
            Self::Csv(_) => "CSV",
            Self::Export(export) => export.name(),
        }
    }

    /// The options that decide on what is read, without secrets. Those of two runs are equal if they
    /// read a file alike.
    pub(super) fn options(&self) -> Vec<String> {
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
    pub(super) fn read(&self, mut input: Input, sink: &mut Sink<'_>) -> Result<(), Failure> {
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
