//! The form that saves a credential: reading what was typed, and showing it again without a secret.

use std::sync::Arc;

use secrecy::SecretString;
use serde::Deserialize;
use time::{
    OffsetDateTime, PrimitiveDateTime,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

use super::{credential_of_page::CredentialOfPage, proof};
use crate::{
    domain::{
        InvalidField, Reason,
        credential::{CredentialValue, DisplayValue},
        credential_type::CredentialType,
        save_credential::{NewCredential, NewSecret, SaveCredential},
        validity::Validity,
    },
    http::{
        error::{ApiError, ErrorKind},
        pages::{field::Field, forms::Form},
        request_context::RequestContext,
    },
    service::credentials::saving::Credentials,
};

/// The field of a secret, which no page shows again.
pub(super) const SECRET: &str = "CredentialValue";
/// The field of an identifier, which is no secret.
pub(super) const IDENTIFIER: &str = "Identifier";
const DISPLAY_VALUE: &str = "DisplayValue";
const VALID_FROM: &str = "ValidFrom";
const VALID_TO: &str = "ValidTo";

/// The longest value, in bytes.
const MAXIMUM_VALUE: usize = 1024;
/// The longest display value, in characters.
const MAXIMUM_DISPLAY_VALUE: usize = 254;
/// The longest text of a time, in characters.
const MAXIMUM_MOMENT: usize = 40;

/// The forms of a time that people type, besides RFC 3339.
const MOMENTS: [&[BorrowedFormatItem<'static>]; 4] = [
    format_description!("[year]-[month]-[day] [hour]:[minute]"),
    format_description!("[year]-[month]-[day]T[hour]:[minute]"),
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]"),
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]"),
];

/// The form as typed.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::http) struct CredentialForm {
    pub(super) r#type: String,
    /// The version that the form was opened with; 0 without a credential.
    version: String,
    credential_value: SecretString,
    identifier: String,
    display_value: String,
    valid_from: String,
    valid_to: String,
    /// The caller's own password.
    pub(super) own_password: SecretString,
    pub(super) reason: String,
}

impl CredentialForm {
    /// The form of a page that is opened.
    pub(super) fn opened(page: &CredentialOfPage) -> Self {
        Self::default().reopened(page)
    }

    /// The form with the present version, for a page that says that the credential has changed.
    pub(super) fn reopened(self, page: &CredentialOfPage) -> Self {
        Self { version: page.version().to_string(), ..self }
    }

    /// The command that saves the credential.
    ///
    /// # Errors
    /// Names the first field that is invalid. A missing version is that of a form whose page is too
    /// old.
    pub(super) fn command(&self, page: &CredentialOfPage) -> Result<SaveCredential, ErrorKind> {
        let credential_type = page.credential_type.clone();
        let (field, text) = self.typed_value(page);
        let value = CredentialValue::require(field, Some(&text))?;
        credential_type.check(field, &value)?;
        let display_value = DisplayValue::parse(DISPLAY_VALUE, &self.display_value)?;
        let validity = self.validity()?;
        let credential = NewCredential {
            display_value: Some(display_value).filter(|text| !text.as_str().is_empty()),
            validity: Some(validity).filter(|validity| !validity.is_always()),
            secret: NewSecret::Value(value),
            ..NewCredential::new(credential_type, CredentialValue::require(field, Some(&text))?)
        };
        let replaces = Some(self.version.parse().map_err(|_| ErrorKind::Outdated)?);
        Ok(SaveCredential { user_id: page.user().user_id, credential, replaces })
    }

    /// The field with the secret or the identifier, and what was typed there.
    fn typed_value(&self, page: &CredentialOfPage) -> (&'static str, SecretString) {
        if page.credential_type.is_identifier() {
            (IDENTIFIER, SecretString::from(self.identifier.as_str()))
        } else {
            (SECRET, self.credential_value.clone())
        }
    }

    /// True when the other request of a form that was sent twice has saved the secret or identifier.
    ///
    /// # Errors
    /// When the value cannot be compared.
    pub(super) async fn is_just_saved(
        &self,
        context: &RequestContext,
        page: &CredentialOfPage,
    ) -> Result<bool, ApiError> {
        let (field, text) = self.typed_value(page);
        let Ok(value) = CredentialValue::require(field, Some(&text)) else { return Ok(false) };
        let (user_id, credential_type) = (page.user().user_id, page.credential_type.clone());
        let is_saved =
            context.clone().run(move |credentials: Arc<Credentials>, caller| async move {
                let context = caller.change_context();
                credentials.has_just_saved(context, user_id, &credential_type, &value).await
            });
        is_saved.await
    }

    /// True when the form was opened with another version than the stored credential has.
    pub(super) fn is_stale(&self, page: &CredentialOfPage) -> bool {
        self.version != page.version().to_string()
    }

    fn validity(&self) -> Result<Validity, InvalidField> {
        let from = moment(VALID_FROM, &self.valid_from)?;
        let to = moment(VALID_TO, &self.valid_to)?;
        Validity::parse(VALID_TO, from, to)
    }

    /// The form with what was typed, except for a secret.
    pub(super) fn form(&self, page: &CredentialOfPage) -> Form {
        let frame = &page.frame;
        let form = Form::new(frame, &page.path("credential"));
        let form = page.add_to(form, &self.version);
        let display_value = Field::text(
            DISPLAY_VALUE,
            frame.text("page-credential-display"),
            MAXIMUM_DISPLAY_VALUE,
        )
        .with_value(&self.display_value)
        .with_hint(frame.text("page-credential-display-hint"))
        .with_purpose("off");
        let time = |name, key, typed: &str| {
            Field::text(name, frame.text(key), MAXIMUM_MOMENT)
                .with_value(typed)
                .with_hint(frame.text("page-credential-valid-hint"))
                .with_purpose("off")
        };
        let form = form
            .with_field(self.value(page))
            .with_field(display_value)
            .with_field(time(VALID_FROM, "page-credential-valid-from", &self.valid_from))
            .with_field(time(VALID_TO, "page-credential-valid-to", &self.valid_to));
        proof::with_proof(form, frame, &self.reason).with_submit(frame.text("page-save"))
    }

    fn value(&self, page: &CredentialOfPage) -> Field {
        let frame = &page.frame;
        let label = frame.text("page-credential-value");
        if page.credential_type.is_identifier() {
            let field = Field::text(IDENTIFIER, label, MAXIMUM_VALUE).with_purpose("off");
            return field.with_value(&self.identifier).required();
        }
        let field = Field::password(SECRET, label, "new-password", frame).required();
        if page.credential_type.is_password() {
            field.checked_by_policy(frame, page.user().user_id)
        } else {
            field
        }
    }
}

/// The error at the field of the value, if it is about the value.
pub(super) fn at_value(kind: ErrorKind, credential_type: &CredentialType) -> ErrorKind {
    let field = if credential_type.is_identifier() { IDENTIFIER } else { SECRET };
    if kind == ErrorKind::IdentifierTaken {
        return InvalidField::new(field, Reason::Taken).into();
    }
    if let ErrorKind::PasswordRefused { reasons, .. } = kind {
        return ErrorKind::PasswordRefused { field: field.to_owned(), reasons };
    }
    kind
}

/// A time as typed, in UTC unless it has an offset; `None` for an empty text.
fn moment(field: &str, text: &str) -> Result<Option<OffsetDateTime>, InvalidField> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let typed = |format| PrimitiveDateTime::parse(text, &format).ok();
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok();
    let moment = moment.or_else(|| Some(MOMENTS.into_iter().find_map(typed)?.assume_utc()));
    moment.map(Some).ok_or_else(|| InvalidField::new(field, Reason::NotMoment))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_time_is_typed_in_utc_or_with_an_offset() {
        for (text, expected) in [
            ("2027-01-02 03:04", datetime!(2027-01-02 03:04 UTC)),
            (" 2027-01-02T03:04 ", datetime!(2027-01-02 03:04 UTC)),
            ("2027-01-02 03:04:05", datetime!(2027-01-02 03:04:05 UTC)),
            ("2027-01-02T03:04:05", datetime!(2027-01-02 03:04:05 UTC)),
            ("2027-01-02T03:04:05+01:00", datetime!(2027-01-02 03:04:05 +1)),
        ] {
            assert_eq!(moment("f", text), Ok(Some(expected)), "{text}");
        }
        assert_eq!(moment("f", "  "), Ok(None));
        for text in
            ["tomorrow", "2027-02-30 00:00", "2027-01-02", "27-01-02 03:04", "2027-01-02 25:00"]
        {
            assert_eq!(moment("f", text).unwrap_err().reason, Reason::NotMoment, "{text}");
        }
    }
}
