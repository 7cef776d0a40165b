//! Lines, files and exports of an import, for fuzz targets.

use std::{
    io::{BufReader, Cursor},
    ops::ControlFlow,
    path::Path,
};

use super::checkpoint::Checkpoint;
use crate::{
    domain::{
        credential_type::{CredentialTypes, PASSWORD},
        user::UserId,
    },
    service::import::file::{
        csv::CsvOptions,
        entry::{Content, Entry},
        error::InputError,
        exports::{Export, HashConfig},
        format::Format,
        input::{Input, Source},
        line,
    },
};

/// What a line says about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedLine {
    /// The login name as given.
    pub login_name: String,
    /// The id.
    pub user_id: Option<i32>,
    /// The types of the credentials with a value or a hash.
    pub credential_types: Vec<String>,
}

/// Reads a line.
///
/// # Errors
/// The text of the error.
pub fn read_line(text: &[u8]) -> Result<ImportedLine, String> {
    let types = CredentialTypes::new(Vec::new(), PASSWORD).ok_or("no types")?;
    let user = line::parse(text, &types).map_err(|error| error.to_string())?;
    let credentials = user.members.credentials.iter();
    Ok(ImportedLine {
        login_name: user.login_name.as_str().to_owned(),
        user_id: user.user_id.map(UserId::as_i32),
        credential_types: credentials
            .map(|credential| credential.credential_type.as_str().to_owned())
            .collect(),
    })
}

/// The number and the text of a line; `None` when it is too long.
pub type NumberedLine = (u64, Option<Vec<u8>>);

/// The lines of a file that are not blank, and the number of bytes.
///
/// # Errors
/// The text of the error.
pub fn read_file(path: &Path, after: u64) -> Result<(Vec<NumberedLine>, u64), String> {
    let failed = |error: InputError| error.to_string();
    let ask = || Err(InputError::new("no passphrase"));
    let input = Input::open(&Source::File(path.to_owned()), ask).map_err(failed)?;
    let position = input.position();
    let mut read = Vec::new();
    let mut keep = |entry: Entry| {
        if entry.number > after {
            let Content::Line(text) = entry.content else {
                read.push((entry.number, None));
                return ControlFlow::Continue(());
            };
            read.push((entry.number, Some(text.to_vec())));
        }
        ControlFlow::Continue(())
    };
    Format::JsonLines.read(input, &mut keep).map_err(failed)?;
    Ok((read, position.load(std::sync::atomic::Ordering::Relaxed)))
}

/// An entry of CSV or of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedEntry {
    /// The number of its line or in its list.
    pub number: u64,
    /// The line that it became, or the field and the reason why it has none.
    pub line: Result<Vec<u8>, String>,
}

/// The formats that [`read_entries`] reads, in the order of their numbers.
pub const FORMATS: [&str; 7] =
    ["csv", "keycloak", "kratos", "zitadel", "firebase", "ldif", "django"];

/// The entries of a text in one of [`FORMATS`].
///
/// # Errors
/// The text of the error.
pub fn read_entries(format: &str, text: &[u8]) -> Result<Vec<ImportedEntry>, String> {
    let format = match format {
        "csv" => Format::Csv(CsvOptions::default()),
        "keycloak" => Format::Export(Export::Keycloak),
        "kratos" => Format::Export(Export::Kratos),
        "zitadel" => Format::Export(Export::Zitadel),
        "firebase" => Format::Export(Export::Firebase(hash_config()?)),
        "ldif" => Format::Export(Export::Ldif),
        _ => Format::Export(Export::Django { user_model: "auth.user".to_owned() }),
    };
    let input = Input::of_text(Box::new(BufReader::new(Cursor::new(text.to_vec()))));
    let mut entries = Vec::new();
    let mut keep = |entry: Entry| {
        let line = match entry.content {
            Content::Line(line) => Ok(line.to_vec()),
            Content::Invalid(problem) => Err(format!("{}: {}", problem.field, problem.reason)),
            Content::Repeated { other } => Err(format!("has the name of {other}")),
            Content::Skipped(reason) => Err(reason.to_owned()),
            Content::None => return ControlFlow::Continue(()),
        };
        entries.push(ImportedEntry { number: entry.number, line });
        ControlFlow::Continue(())
    };
    format.read(input, &mut keep).map_err(|error| error.to_string())?;
    Ok(entries)
}

fn hash_config() -> Result<HashConfig, String> {
    let text = "algorithm: SCRYPT, base64_signer_key: c2lnbmVy, base64_salt_separator: Bw==, \
                rounds: 8, mem_cost: 14";
    HashConfig::parse(text).map_err(|error| error.to_string())
}

/// The number of lines that the checkpoint beside an imported file has as completed.
///
/// # Errors
/// The text of the error.
pub fn read_checkpoint(imported: &Path) -> Result<u64, String> {
    let source = Source::File(imported.to_owned());
    let opened = Checkpoint::open(&source, &Format::JsonLines);
    let opened = opened.map_err(|error| error.to_string())?;
    Ok(opened.map_or(0, |checkpoint| checkpoint.lines()))
}
