//! The options that choose and describe the format of an import.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::{
    cli::{output::Failure, secret_input::read_secret},
    service::import::file::{
        csv::{CsvOptions, Delimiter},
        error::InputError,
        exports::{Export, HashConfig},
        format::Format,
        input::{Input, Source},
    },
};

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
    delimiter: Option<DelimiterName>,
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
                let delimiter = self.delimiter.map(Delimiter::from);
                Format::Csv(CsvOptions::parse(delimiter, &self.column, &self.ignore_column)?)
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

/// The name of a delimiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DelimiterName {
    Comma,
    Semicolon,
    Tab,
}

impl From<DelimiterName> for Delimiter {
    fn from(name: DelimiterName) -> Self {
        match name {
            DelimiterName::Comma => Self::Comma,
            DelimiterName::Semicolon => Self::Semicolon,
            DelimiterName::Tab => Self::Tab,
        }
    }
}

/// Opens a source. Asks for the passphrase of an archive.
///
/// # Errors
/// See [`Input::open`].
pub(super) fn open(source: &Source) -> Result<Input, Failure> {
    let ask = || read_secret("Passphrase").map_err(|failure| InputError::new(failure.to_string()));
    Ok(Input::open(source, ask)?)
}
