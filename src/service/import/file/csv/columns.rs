//! The columns of a header, and the members that they hold.

use crate::domain::text::is_hidden_in_text;

use super::{members::known_member, options::CsvOptions, rows::Row};
use crate::service::import::file::entry::Problem;
use zeroize::Zeroizing;

/// The members of a credential, which need a value or a hash.
const OF_CREDENTIAL: [&str; 5] =
    ["credential_type", "display_value", "valid_from", "valid_to", "change_required"];

/// The longest part of an argument that a message shows, in characters.
const SHOWN: usize = 60;

/// A header that is refused. A first line that is a user has secrets in place of names, so names of the
/// file are never repeated: columns have numbers, from 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeaderError {
    #[error(
        "the header has no column with the login name; name it `login_name` or `username`, or pass \
         `--column login_name=NAME`"
    )]
    NoLoginName,
    #[error(
        "column {0} of the header is unknown; add a header if the first line is a user, or pass \
         `--column MEMBER=NAME` to import it, or `--ignore-column NAME`"
    )]
    Unknown(usize),
    #[error("columns {1} and {2} of the header are both {0}; ignore or remove one")]
    Repeated(&'static str, usize, usize),
    /// The name is that of an argument.
    #[error("the header has no column \"{0}\", which an argument names; correct the argument")]
    Missing(String),
    #[error("the header has the column {0}, but neither `value` nor `hash`; add one")]
    NoCredential(&'static str),
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Member(&'static str),
    Ignored,
    Unknown,
}

/// The columns of a header, without unknown ones.
pub(super) struct Columns(Vec<Column>);

impl Columns {
    /// Parses a header.
    ///
    /// # Errors
    /// When a column is unknown, repeated or missing.
    pub(super) fn parse(names: &[String], options: &CsvOptions) -> Result<Self, HeaderError> {
        let has = |name: &String| names.contains(name);
        let members: Vec<_> = names.iter().map(|name| column_named(name, options)).collect();
        if !members.contains(&Column::Member("login_name")) {
            let mapped = options.mapped.iter().find(|(member, _)| *member == "login_name");
            return Err(mapped
                .map_or(HeaderError::NoLoginName, |(_, name)| HeaderError::Missing(shown(name))));
        }
        let mut required = options.mapped.iter().map(|(_, name)| name).chain(&options.ignored);
        if let Some(missing) = required.find(|name| !has(name)) {
            return Err(HeaderError::Missing(shown(missing)));
        }
        let mut seen: Vec<(&'static str, usize)> = Vec::new();
        for (number, column) in (1..).zip(&members) {
            let member = match column {
                Column::Member(member) => *member,
                Column::Ignored => continue,
                Column::Unknown => return Err(HeaderError::Unknown(number)),
            };
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == member) {
                return Err(HeaderError::Repeated(member, *first, number));
            }
            seen.push((member, number));
        }
        let has = |member: &str| seen.iter().any(|(other, _)| *other == member);
        match OF_CREDENTIAL.into_iter().find(|member| has(member)) {
            Some(member) if !has("value") && !has("hash") => Err(HeaderError::NoCredential(member)),
            _ => Ok(Self(members)),
        }
    }

    /// The line of a record.
    ///
    /// # Errors
    /// When the record has another number of fields, or a field is invalid.
    pub(super) fn line(&self, fields: &[String]) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let (expected, found) = (self.0.len(), fields.len());
        if expected != found {
            let reason = format!("has {found} fields, but the header has {expected}");
            return Err(Problem::new("line", reason));
        }
        let mut row = Row::default();
        for (column, field) in self.0.iter().zip(fields) {
            if let (Column::Member(member), false) = (column, field.is_empty()) {
                row.set(member, field)?;
            }
        }
        row.line()
    }
}

/// What a column with this name holds.
fn column_named(name: &String, options: &CsvOptions) -> Column {
    if options.ignored.contains(name) {
        return Column::Ignored;
    }
    let mapped = options.mapped.iter().find(|(_, column)| column == name);
    let member = mapped.map(|(member, _)| *member).or_else(|| known_member(name));
    member.map_or(Column::Unknown, Column::Member)
}

/// The name of an argument for a message.
fn shown(name: &str) -> String {
    name.chars().take(SHOWN).collect::<String>().replace(is_hidden_in_text, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: &str, options: &CsvOptions) -> Result<Vec<Column>, String> {
        let names: Vec<_> = header.split('|').map(str::to_owned).collect();
        let columns = Columns::parse(&names, options).map_err(|error| error.to_string())?;
        Ok(columns.0)
    }

    #[test]
    fn usual_names_are_known_and_others_are_refused_by_number() {
        let plain = CsvOptions::default();
        let columns = parse("User Name|PASSWORD|Full-Name|Disabled|admin", &plain).unwrap();
        let members = ["login_name", "value", "display_name", "retired", "administrator"];
        assert_eq!(columns, members.map(Column::Member));
        for (header, expected) in [
            ("username|marker", "column 2 of the header is unknown"),
            ("marker|username", "column 1 of the header is unknown"),
            ("username|", "column 2 of the header is unknown"),
            ("username|id|Login", "columns 1 and 3 of the header are both login_name"),
            ("username|hash|hash", "columns 2 and 3 of the header are both hash"),
            ("username|valid_to", "the column valid_to, but neither `value` nor `hash`"),
        ] {
            let error = parse(header, &plain).unwrap_err();
            assert!(error.contains(expected), "{header}: {error}");
            assert!(!error.contains("marker"), "{header}: {error}");
        }
    }

    #[test]
    fn a_first_line_that_may_be_a_user_is_not_repeated() {
        let error = parse("ada|marker", &CsvOptions::default()).unwrap_err();
        assert!(error.contains("no column with the login name"), "{error}");
        assert!(!error.contains("marker") && !error.contains("ada"), "{error}");
    }

    #[test]
    fn arguments_map_and_ignore_columns() {
        let texts =
            |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let options = |mapped: &[&str], ignored: &[&str]| {
            CsvOptions::parse(None, &texts(mapped), &texts(ignored)).map_err(|e| e.to_string())
        };
        let mapped = options(&["login_name=E-mail"], &["username", "", "x"]).unwrap();
        let columns = parse("E-mail|username||hash||x", &mapped).unwrap();
        let (name, hash) = (Column::Member("login_name"), Column::Member("hash"));
        let ignored = Column::Ignored;
        assert_eq!(columns, [name, ignored, ignored, hash, ignored, ignored]);
        assert!(parse("E-mail|hash|", &mapped).unwrap_err().contains("no column \"username\""));
        assert!(parse("mail", &mapped).unwrap_err().contains("no column \"E-mail\""));
        for (mapping, expected) in [
            (&["E-mail"][..], "must be MEMBER=NAME; members: login_name, id"),
            (&["mail=E-mail"], "must be MEMBER=NAME"),
            (&["value=a", "value=b"], "repeats a member or a column"),
            (&["value=a", "hash=a"], "repeats a member or a column"),
        ] {
            let error = options(mapping, &[]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
