//! The fields of a record as a line of the import format.

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::{
    domain::{InvalidField, Reason, credential_type::PASSWORD},
    security::hashing::{TextKind, text_kind},
    service::import::file::{
        entry::Problem,
        new_line::{NewLine, NewLineCredential},
    },
};

/// The members of one user, field by field.
#[derive(Default)]
pub(super) struct Row {
    line: NewLine,
    credential: NewLineCredential,
}

impl Row {
    /// Sets a member. A field is taken as it is, with its spaces; what a spreadsheet reads as a
    /// formula is text.
    ///
    /// # Errors
    /// When the field is no number or boolean.
    pub(super) fn set(&mut self, member: &str, field: &str) -> Result<(), Problem> {
        let text = || Some(field.to_owned());
        let (line, credential) = (&mut self.line, &mut self.credential);
        match member {
            "login_name" => field.clone_into(&mut line.login_name),
            "id" => line.id = Some(integer(member, field)?),
            "display_name" => line.display_name = text(),
            "type" => line.user_type = text(),
            "administrator" => line.administrator = Some(boolean(member, field)?),
            "retired" => line.retired = Some(boolean(member, field)?),
            "person_id" => line.person_id = Some(integer(member, field)?),
            "role_id" => line.role_id = Some(integer(member, field)?),
            "ej_user_id" => line.ej_user_id = Some(integer(member, field)?),
            "nick_name" => line.nick_name = text(),
            "value" => credential.value = text(),
            "hash" => credential.hash = text(),
            "credential_type" => credential.type_name = text(),
            "display_value" => credential.display_value = text(),
            "valid_from" => credential.valid_from = text(),
            "valid_to" => credential.valid_to = text(),
            "change_required" => credential.change_required = text(),
            _ => return Err(InvalidField::new(member, Reason::NotAUser).into()),
        }
        Ok(())
    }

    /// The line.
    ///
    /// # Errors
    /// When it is too long, or has a hash as a value.
    pub(super) fn line(mut self) -> Result<Zeroizing<Vec<u8>>, Problem> {
        require_no_hash(&self.credential)?;
        if self.credential.value.is_some() || self.credential.hash.is_some() {
            self.line.credentials.push(self.credential);
        }
        Ok(self.line.write()?)
    }
}

/// Refuses a hash as a value: anyone who knows the hash would log in with it.
fn require_no_hash(credential: &NewLineCredential) -> Result<(), Problem> {
    let Some(value) = &credential.value else { return Ok(()) };
    let type_name = credential.type_name.as_deref().unwrap_or(PASSWORD);
    let reason = match text_kind(&SecretString::from(value.as_str())) {
        TextKind::Hash => {
            "is a hash; name its column `hash`, or pass `--column hash=NAME`, as \
             `--column hash=Password`"
        }
        TextKind::PossibleHash if type_name.eq_ignore_ascii_case(PASSWORD) => {
            "may be a hash of DES-crypt, which is not supported; reset this password, or import it \
             as JSON lines if it is no hash"
        }
        TextKind::Password | TextKind::PossibleHash => return Ok(()),
    };
    Err(Problem::new("value", reason))
}

fn integer(member: &str, field: &str) -> Result<i32, Problem> {
    field.trim().parse().map_err(|_| InvalidField::new(member, Reason::NotInteger).into())
}

/// A boolean as databases and spreadsheets write it.
fn boolean(member: &str, field: &str) -> Result<bool, Problem> {
    match field.trim().to_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "0" => Ok(false),
        _ => Err(InvalidField::new(member, Reason::NotBoolean).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_the_members_of_a_line() {
        let mut row = Row::default();
        for (member, field) in [
            ("login_name", "ada"),
            ("id", "7"),
            ("administrator", "Yes"),
            ("retired", "0"),
            ("value", " =1+1 "),
        ] {
            row.set(member, field).unwrap();
        }
        let line = String::from_utf8(row.line().unwrap().to_vec()).unwrap();
        let expected = r#"{"login_name":"ada","id":7,"administrator":true,"retired":false,"credentials":[{"value":" =1+1 "}]}"#;
        assert_eq!(line, expected);
        for (member, field) in [("id", "seven"), ("retired", "maybe")] {
            assert_eq!(Row::default().set(member, field).unwrap_err().field, member);
        }
    }
}
