//! Parses one line of an import: a user as JSON, with the values of their credentials.

use secrecy::SecretString;
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    domain::{
        InvalidField, Reason,
        change_cause::ChangeCause,
        credential_type::CredentialTypes,
        role::Role,
        save_credential::UncheckedCredential,
        save_user::UncheckedSaveUser,
        untrusted_credential::{
            PublicValue, SaveUntrusted, UntrustedDetails, UntrustedSecret, UntrustedType,
        },
        user::{LoginName, UserId, UserType},
        validity::Validity,
    },
    service::import::users::ImportedUser,
};

/// The longest line in bytes, which is also the longest request body.
pub(crate) const MAXIMUM_LINE: usize = 64 * 1024;

/// A user. A missing member leaves the value of an existing user unchanged; a new user gets the
/// default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    login_name: String,
    id: Option<i32>,
    /// True: the line fails if there is no such user, instead of adding one.
    #[serde(default)]
    must_exist: bool,
    display_name: Option<String>,
    #[serde(rename = "type")]
    user_type: Option<String>,
    administrator: Option<bool>,
    role: Option<String>,
    retired: Option<bool>,
    person_id: Option<i32>,
    role_id: Option<i32>,
    ej_user_id: Option<i32>,
    nick_name: Option<String>,
    #[serde(default)]
    credentials: Vec<LineCredential>,
    #[serde(default)]
    untrusted_credentials: Vec<LineUntrusted>,
}

/// A credential. It is ignored if it has neither a value nor a hash, as in an export without
/// secrets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineCredential {
    #[serde(rename = "type")]
    type_name: Option<String>,
    value: Option<SecretString>,
    /// A hash made by another system, instead of the value.
    hash: Option<SecretString>,
    display_value: Option<String>,
    valid_from: Option<String>,
    valid_to: Option<String>,
    change_required: Option<String>,
}

/// An untrusted credential.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineUntrusted {
    #[serde(rename = "type")]
    type_name: Option<String>,
    public_value: Option<String>,
    secret: Option<SecretString>,
    comment: Option<String>,
    active: Option<bool>,
    valid_from: Option<String>,
    valid_to: Option<String>,
}

/// Parses a line.
///
/// # Errors
/// Names the invalid member, never its value.
pub(crate) fn parse(text: &[u8], types: &CredentialTypes) -> Result<ImportedUser, InvalidField> {
    let line: Line = serde_json::from_slice(text).map_err(|error| syntax_error(&error))?;
    let credentials = line.credentials.into_iter().enumerate();
    let unchecked = UncheckedSaveUser {
        display_name: line.display_name,
        user_type: line.user_type.map(|text| {
            UserType::parse(&text).ok_or_else(|| InvalidField::new("type", Reason::UnknownUserType))
        }),
        is_administrator: line.administrator.map(Ok),
        role: line.role.map(|text| Role::parse_optional("role", &text)),
        is_retired: line.retired,
        person_id: line.person_id,
        role_id: line.role_id,
        ej_user_id: line.ej_user_id,
        nick_name: line.nick_name,
        credentials: credentials
            .map(|(index, credential)| credential.into_unchecked(index))
            .collect::<Result<_, _>>()?,
        ..UncheckedSaveUser::default()
    };
    let mut members = unchecked.check(types).map_err(first_problem)?;
    let untrusted = line.untrusted_credentials.into_iter().enumerate();
    let untrusted = untrusted.map(|(index, credential)| credential.into_command(index));
    members.untrusted_credentials = untrusted.collect::<Result<_, _>>()?;
    Ok(ImportedUser {
        login_name: LoginName::require("login_name", Some(&line.login_name))?,
        user_id: line.id.map(|id| UserId::require("id", Some(id))).transpose()?,
        must_exist: line.must_exist,
        members,
    })
}

impl LineCredential {
    fn into_unchecked(self, index: usize) -> Result<UncheckedCredential, InvalidField> {
        let path = format!("credentials[{index}]");
        let validity = parse_validity(&path, self.valid_from, self.valid_to)?;
        Ok(UncheckedCredential {
            type_name: self.type_name,
            value: self.value,
            hash: self.hash,
            display_value: self.display_value,
            validity: (!validity.is_always()).then_some(validity),
            change_required: self
                .change_required
                .map(|text| parse_change_cause(&path, &text))
                .transpose()?,
        })
    }
}

impl LineUntrusted {
    fn into_command(self, index: usize) -> Result<SaveUntrusted, InvalidField> {
        let path = format!("untrusted_credentials[{index}]");
        let field = |name: &str| format!("{path}.{name}");
        let required = || InvalidField::new(field("secret"), Reason::Required);
        let secret = UntrustedSecret::parse(&field("secret"), self.secret.ok_or_else(required)?)?;
        let validity = parse_validity(&path, self.valid_from, self.valid_to)?;
        let is_active = self.active.unwrap_or(true);
        Ok(SaveUntrusted {
            credential_type: UntrustedType::require(&field("type"), self.type_name.as_deref())?,
            public_value: PublicValue::require(
                &field("public_value"),
                self.public_value.as_deref(),
            )?,
            secret: Some(secret.ok_or_else(required)?),
            details: UntrustedDetails::parse(&field("comment"), self.comment, is_active, validity)?,
        })
    }
}

/// Why the owner of a credential with that path must change it. An export has every reason.
fn parse_change_cause(path: &str, text: &str) -> Result<ChangeCause, InvalidField> {
    let unknown =
        || InvalidField::new(format!("{path}.change_required"), Reason::UnknownChangeCause);
    ChangeCause::parse(text).ok_or_else(unknown)
}

/// The period of a credential with that path.
fn parse_validity(
    path: &str,
    from: Option<String>,
    to: Option<String>,
) -> Result<Validity, InvalidField> {
    let parse_time = |name: &str, text: Option<String>| {
        let parsed = text.map(|text| OffsetDateTime::parse(&text, &Rfc3339)).transpose();
        parsed.map_err(|_| InvalidField::new(format!("{path}.{name}"), Reason::NotMoment))
    };
    let (from, to) = (parse_time("valid_from", from)?, parse_time("valid_to", to)?);
    Validity::parse(&format!("{path}.valid_to"), from, to)
}

/// Keeps the kind and the position of a parser error, because its message may repeat a value.
fn syntax_error(error: &serde_json::Error) -> InvalidField {
    let reason = if error.is_data() { Reason::NotAUser } else { Reason::NotJson };
    InvalidField::new(format!("column {}", error.column()), reason)
}

/// The first problem, with the member names of a line.
fn first_problem(problems: Vec<InvalidField>) -> InvalidField {
    let first = problems.into_iter().next();
    first.map_or_else(|| InvalidField::new("line", Reason::NotAUser), with_line_names)
}

/// Replaces the member names of the API by those of a line.
pub(crate) fn with_line_names(problem: InvalidField) -> InvalidField {
    let names = [
        ("Credentials", "credentials"),
        (".Type.Type", ".type"),
        (".Value", ".value"),
        (".Hash", ".hash"),
        (".DisplayValue", ".display_value"),
        ("Tooltip", "display_name"),
        ("Person.PersonId", "person_id"),
        ("Role.Id", "role_id"),
        ("EjUserId", "ej_user_id"),
        ("NickName", "nick_name"),
        ("UserName", "login_name"),
        ("Type", "type"),
    ];
    let mut field = problem.field;
    for (api_name, line_name) in names {
        field = field.replace(api_name, line_name);
    }
    InvalidField { field, ..problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::credential_type::PASSWORD;

    fn parse(text: &str) -> Result<ImportedUser, InvalidField> {
        let types = CredentialTypes::new(Vec::new(), PASSWORD).unwrap();
        super::parse(text.as_bytes(), &types)
    }

    #[test]
    fn an_invalid_line_names_the_member_and_never_its_value() {
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
            (r#"{"login_name": "a", "person_id": -1}"#, "person_id"),
            (r#"{"login_name": "a", "role_id": -1}"#, "role_id"),
            (r#"{"login_name": "a", "ej_user_id": -1}"#, "ej_user_id"),
            (r#"{"login_name": "a", "nick_name": "marker\u0001"}"#, "nick_name"),
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
                r#"{"login_name": "a", "untrusted_credentials": [{}]}"#,
                "untrusted_credentials[0].secret",
            ),
            (
                r#"{"login_name": "a", "untrusted_credentials": [{"type": "t", "secret": "marker"}]}"#,
                "untrusted_credentials[0].public_value",
            ),
            (
                r#"{"login_name": "a", "untrusted_credentials": [{"secret": "marker\u0000"}]}"#,
                "untrusted_credentials[0].secret",
            ),
            (
                r#"{"login_name": "a", "untrusted_credentials": [{"secret": "s", "valid_to": "marker"}]}"#,
                "untrusted_credentials[0].valid_to",
            ),
            (
                r#"{"login_name": "a", "credentials": [{"value": "v"}, {"value": "w"}]}"#,
                "credentials[1].type",
            ),
        ] {
            let problem = parse(text).unwrap_err();
            assert_eq!(problem.field, field, "{text}");
            assert!(!problem.to_string().contains("marker"), "{problem}");
        }
    }

    #[test]
    fn a_credential_without_a_value_is_ignored() {
        let user = parse(r#"{"login_name": "a", "credentials": [{"type": "CRM5/PASSWORD"}]}"#);
        assert!(user.unwrap().members.credentials.is_empty());
    }
}
