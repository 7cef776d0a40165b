//! Writes exported users as lines that an import reads.

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::export::{ExportedUntrusted, OpenedSecret};
use crate::{
    domain::credential::CredentialSummary, service::users::directory::UserWithCredentials,
};

/// A line with untrusted credentials only, which adds them to the user of an earlier line.
pub(crate) fn untrusted_line(
    exported: &UserWithCredentials,
    untrusted: &[&ExportedUntrusted],
) -> Value {
    let optional = |time: Option<OffsetDateTime>| time.map_or(Value::Null, timestamp);
    let credential = |found: &&ExportedUntrusted| {
        let (row, secret) = (&found.row, found.secret.as_ref()?);
        Some(json!({
            "type": row.credential_type,
            "public_value": row.public_value,
            "secret": secret.secret().expose_secret(),
            "comment": row.details.comment(),
            "active": row.details.is_active,
            "valid_from": optional(row.details.validity.from()),
            "valid_to": optional(row.details.validity.to()),
        }))
    };
    json!({
        "id": exported.user.user_id.as_i32(),
        "login_name": exported.user.login_name,
        // Without the line that adds the user, this one would add an active user with the secrets.
        "must_exist": true,
        "untrusted_credentials": untrusted.iter().filter_map(credential).collect::<Vec<_>>(),
    })
}

/// The line of a user, with the secrets that `secret` returns.
pub(crate) fn user_line<'secret>(
    exported: &UserWithCredentials,
    secret: impl Fn(&CredentialSummary) -> Option<&'secret OpenedSecret>,
) -> Value {
    let UserWithCredentials { user, credentials } = exported;
    let credential = |summary: &CredentialSummary| credential(summary, secret(summary));
    let mut line = json!({
        "id": user.user_id.as_i32(),
        "login_name": user.login_name,
        "display_name": user.display_name,
        "type": user.user_type.as_str(),
        "administrator": user.is_administrator,
        "retired": user.is_retired,
        "credentials": credentials.iter().map(credential).collect::<Vec<_>>(),
    });
    let ids = user.vendor_ids;
    // Omitted when there is none, so that earlier releases can import the line.
    let numbers = [("person_id", ids.person), ("role_id", ids.role), ("ej_user_id", ids.ej_user)];
    if let Value::Object(members) = &mut line {
        for (name, id) in numbers.into_iter().filter(|(_, id)| !id.is_none()) {
            members.insert(name.to_owned(), id.as_i32().into());
        }
        if let Some(role) = user.role {
            members.insert("role".to_owned(), role.as_str().into());
        }
        if !user.nick_name.is_empty() {
            members.insert("nick_name".to_owned(), user.nick_name.as_str().into());
        }
    }
    line
}

fn credential(summary: &CredentialSummary, secret: Option<&OpenedSecret>) -> Value {
    let optional = |time: Option<OffsetDateTime>| time.map_or(Value::Null, timestamp);
    let mut credential = json!({
        "type": summary.credential_type,
        "display_value": summary.display_value,
        "valid_from": optional(summary.validity.from()),
        "valid_to": optional(summary.validity.to()),
    });
    let (name, secret) = match secret {
        None => return credential,
        Some(OpenedSecret::Hash(hash)) => ("hash", hash),
        Some(OpenedSecret::Identifier(identifier)) => ("value", identifier),
    };
    if let Value::Object(members) = &mut credential {
        members.insert(name.to_owned(), secret.expose_secret().into());
        // Omitted when there is none, so that earlier releases can import the line.
        if let Some(cause) = summary.change_required {
            members.insert("change_required".to_owned(), cause.as_str().into());
        }
    }
    credential
}

/// A time as RFC 3339 in UTC.
fn timestamp(time: OffsetDateTime) -> Value {
    time.format(&Rfc3339).map_or(Value::Null, Value::String)
}
