//! One line of an import: a user as JSON, with the values of their credentials.

use secrecy::SecretString;
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    domain::{
        InvalidField, Reason,
        credential_type::CredentialTypes,
        save_credential::UncheckedCredential,
        save_user::UncheckedSaveUser,
        user::{LoginName, UserId, UserType},
        validity::Validity,
    },
    service::import::users::ImportedUser,
};

/// The longest line, in bytes: that of a request's body.
pub(super) const MAXIMUM_LINE: usize = 64 * 1024;

/// A user. What is missing is as it was, or as new users are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    login_name: String,
    id: Option<i32>,
    display_name: Option<String>,
    #[serde(rename = "type")]
    user_type: Option<String>,
    administrator: Option<bool>,
    retired: Option<bool>,
    #[serde(default)]
    credentials: Vec<CredentialOfLine>,
}

/// A credential. Without a value it says nothing, as in an export.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialOfLine {
    #[serde(rename = "type")]
    type_name: Option<String>,
    value: Option<SecretString>,
    /// Instead of the value: a hash that another system made.
    hash: Option<SecretString>,
    display_value: Option<String>,
    valid_from: Option<String>,
    valid_to: Option<String>,
}

/// Reads a line.
///
/// # Errors
/// Names what is wrong; never the value.
pub(super) fn read(text: &[u8], types: &CredentialTypes) -> Result<ImportedUser, InvalidField> {
    let line: Line = serde_json::from_slice(text).map_err(|error| unreadable(&error))?;
    let credentials = line.credentials.into_iter().enumerate();
    let unchecked = UncheckedSaveUser {
        display_name: line.display_name,
        user_type: line.user_type.map(|text| {
            UserType::parse(&text).ok_or_else(|| InvalidField::new("type", Reason::UnknownUserType))
        }),
        is_administrator: line.administrator.map(Ok),
        is_retired: line.retired,
        credentials: credentials
            .map(|(index, credential)| credential.into_unchecked(index))
            .collect::<Result<_, _>>()?,
        ..UncheckedSaveUser::default()
    };
    let members = unchecked.check(types).map_err(first)?;
    Ok(ImportedUser {
        login_name: LoginName::require("login_name", Some(&line.login_name))?,
        user_id: line.id.map(|id| UserId::require("id", Some(id))).transpose()?,
        members,
    })
}

impl CredentialOfLine {
    fn into_unchecked(self, index: usize) -> Result<UncheckedCredential, InvalidField> {
        let moment = |name: &str, text: Option<String>| {
            let field = format!("credentials[{index}].{name}");
            let read = text.map(|text| OffsetDateTime::parse(&text, &Rfc3339)).transpose();
            read.map_err(|_| InvalidField::new(field, Reason::NotMoment))
        };
        let from = moment("valid_from", self.valid_from)?;
        let to = moment("valid_to", self.valid_to)?;
        let validity = Validity::parse(&format!("credentials[{index}].valid_to"), from, to)?;
        Ok(UncheckedCredential {
            type_name: self.type_name,
            value: self.value,
            hash: self.hash,
            display_value: self.display_value,
            validity: (!validity.is_always()).then_some(validity),
        })
    }
}

/// What the parser says may repeat a value; what kind of mistake it is, and where, may not.
fn unreadable(error: &serde_json::Error) -> InvalidField {
    let reason = if error.is_data() { Reason::NotAUser } else { Reason::NotJson };
    InvalidField::new(format!("column {}", error.column()), reason)
}

/// The first of the problems, by the names that a line has.
fn first(problems: Vec<InvalidField>) -> InvalidField {
    let first = problems.into_iter().next();
    first.map_or_else(|| InvalidField::new("line", Reason::NotAUser), in_names_of_lines)
}

/// A member by the name that it has in a line.
pub(super) fn in_names_of_lines(problem: InvalidField) -> InvalidField {
    let names = [
        ("Credentials", "credentials"),
        (".Type.Type", ".type"),
        (".Value", ".value"),
        (".Hash", ".hash"),
        (".DisplayValue", ".display_value"),
        ("Tooltip", "display_name"),
        ("UserName", "login_name"),
        ("Type", "type"),
    ];
    let rename = |field: String, (from, to): (&str, &str)| field.replace(from, to);
    InvalidField { field: names.into_iter().fold(problem.field, rename), ..problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::credential_type::PASSWORD;

    fn read(text: &str) -> Result<ImportedUser, InvalidField> {
        let types = CredentialTypes::new(Vec::new(), PASSWORD).unwrap();
        super::read(text.as_bytes(), &types)
    }

    #[test]
    fn what_is_wrong_is_named_as_lines_name_it_and_never_repeated() {
        for (text, field) in [
            ("marker", "column 1"),
            ("{\"login_name\": \"a\"", "column 18"),
            ("[]", "column 2"),
            (r#"{"login_name": 7}"#, "column 16"),
            (r#"{"login_name": "a", "marker": 1}"#, "column 28"),
            (r#"{"login_name": "a:b"}"#, "login_name"),
            (r#"{"login_name": "a", "id": 0}"#, "id"),
            (r#"{"login_name": "a", "type": "marker"}"#, "type"),
            (r#"{"login_name": "a", "display_name": "\u0001"}"#, "display_name"),
            (
                r#"{"login_name": "a", "credentials": [{}, {"type": "marker", "value": "v"}]}"#,
                "credentials[1].type",
            ),
            (
                r#"{"login_name": "a", "credentials": [{"value": "marker\u0000"}]}"#,
                "credentials[0].value",
            ),
            (
                r#"{"login_name": "a", "credentials": [{"value": "v", "valid_to": "marker"}]}"#,
                "credentials[0].valid_to",
            ),
            (
                r#"{"login_name": "a", "credentials": [{"value": "v"}, {"value": "w"}]}"#,
                "credentials[1].type",
            ),
        ] {
            let problem = read(text).unwrap_err();
            assert_eq!(problem.field, field, "{text}");
            assert!(!problem.to_string().contains("marker"), "{problem}");
        }
    }

    #[test]
    fn a_credential_without_a_value_says_nothing() {
        let user = read(r#"{"login_name": "a", "credentials": [{"type": "CRM5/PASSWORD"}]}"#);
        assert!(user.unwrap().members.credentials.is_empty());
    }
}
