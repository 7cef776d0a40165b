//! The options of CSV, and the delimiter of a header.

use super::members;
use crate::service::import::file::error::InputError;

/// The character between two fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delimiter {
    Comma,
    Semicolon,
    Tab,
}

impl Delimiter {
    const ALL: [Self; 3] = [Self::Comma, Self::Semicolon, Self::Tab];

    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }
}

/// How CSV is read.
#[derive(Debug, Default)]
pub(crate) struct CsvOptions {
    delimiter: Option<Delimiter>,
    /// Members and the names of their columns.
    pub(super) mapped: Vec<(&'static str, String)>,
    /// The names of ignored columns.
    pub(super) ignored: Vec<String>,
}

impl CsvOptions {
    /// Parses the arguments `--delimiter`, `--column` and `--ignore-column`.
    ///
    /// # Errors
    /// When a mapping has no `=` or no known member, or repeats one.
    pub(crate) fn parse(
        delimiter: Option<Delimiter>,
        columns: &[String],
        ignored: &[String],
    ) -> Result<Self, InputError> {
        let mut mapped: Vec<(&'static str, String)> = Vec::new();
        for text in columns {
            let parsed = text
                .split_once('=')
                .and_then(|(member, name)| Some((members::member_named(member)?, name.to_owned())));
            let (member, name) = parsed.ok_or_else(|| {
                let members = members::member_names().join(", ");
                InputError::new(format!("--column {text}: must be MEMBER=NAME; members: {members}"))
            })?;
            if mapped.iter().any(|(other, column)| *other == member || *column == name) {
                return Err(InputError::new(format!(
                    "--column {text}: repeats a member or a column"
                )));
            }
            mapped.push((member, name));
        }
        Ok(Self { delimiter, mapped, ignored: ignored.to_vec() })
    }

    /// The options that were given, in an order that does not depend on that of the arguments.
    pub(crate) fn texts(&self) -> Vec<String> {
        let delimiter = self.delimiter.map(|delimiter| format!("delimiter={delimiter:?}"));
        let mapped = self.mapped.iter().map(|(member, name)| format!("column {member}={name}"));
        let ignored = self.ignored.iter().map(|name| format!("ignored={name}"));
        let mut texts: Vec<_> = delimiter.into_iter().chain(mapped).chain(ignored).collect();
        texts.sort_unstable();
        texts.dedup();
        texts
    }

    /// The delimiter: the given one, or the one in the header. A header without any has one column.
    ///
    /// # Errors
    /// When the header has more than one outside of quotes.
    pub(super) fn delimiter_of(&self, header: &[u8]) -> Result<Delimiter, &'static str> {
        if let Some(delimiter) = self.delimiter {
            return Ok(delimiter);
        }
        let mut is_quoted = false;
        let unquoted = header.iter().filter(|byte| {
            is_quoted ^= **byte == b'"';
            !is_quoted
        });
        let unquoted: Vec<u8> = unquoted.copied().collect();
        let mut found = Delimiter::ALL.iter().filter(|one| unquoted.contains(&one.byte()));
        match (found.next(), found.next()) {
            (Some(delimiter), None) => Ok(*delimiter),
            (None, _) => Ok(Delimiter::Comma),
            (Some(_), Some(_)) => {
                Err("the header has more than one of comma, semicolon and tab; pass `--delimiter`")
            }
        }
    }
}
