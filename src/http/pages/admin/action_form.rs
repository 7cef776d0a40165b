//! The form of an action on a credential, as typed.

use secrecy::SecretString;
use serde::Deserialize;

use super::{credential_of_page::CredentialOfPage, user_fields::CHECKED};
use crate::{
    domain::change_cause::ChangeCause,
    http::{error::ErrorKind, pages::forms::Form},
};

/// The form of an action.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::http) struct ActionForm {
    pub(super) r#type: String,
    /// The version that the form was opened with; 0 without a credential.
    version: String,
    /// `true` when the box is checked: somebody else may know the value.
    pub(super) compromised: String,
    /// The caller's own password.
    pub(super) own_password: SecretString,
    pub(super) reason: String,
    /// The number of a form that generates a password; see [`super::form_id`].
    pub(super) form_id: String,
}

impl ActionForm {
    /// The form of a page that is opened.
    pub(super) fn opened(page: &CredentialOfPage) -> Self {
        Self::default().reopened(page)
    }

    /// The form with the present version, for a page that says that the credential has changed.
    pub(super) fn reopened(self, page: &CredentialOfPage) -> Self {
        Self { version: page.version().to_string(), ..self }
    }

    /// Adds the hidden values to a form that is shown.
    pub(super) fn add_to(&self, page: &CredentialOfPage, form: Form) -> Form {
        page.add_to(form, &self.version)
    }

    /// The version that the form was opened with; 0 without a credential.
    ///
    /// # Errors
    /// [`ErrorKind::Outdated`] when it is missing, as in a page of another release.
    pub(super) fn version(&self) -> Result<i64, ErrorKind> {
        self.version.parse().map_err(|_| ErrorKind::Outdated)
    }

    /// The cause of a mark.
    pub(super) fn cause(&self) -> ChangeCause {
        if self.compromised == CHECKED {
            ChangeCause::Compromised
        } else {
            ChangeCause::Administrator
        }
    }

    /// True when the form was opened with another version than the stored credential has.
    pub(super) fn is_stale(&self, page: &CredentialOfPage) -> bool {
        self.version() != Ok(page.version())
    }
}
