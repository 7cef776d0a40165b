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
    /// The version that the page was opened with; 0 without a credential.
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

    /// The form that is shown again after a sign-in. It says if the credential has changed since.
    pub(super) fn resumed(&self, page: &CredentialOfPage, shown: Form) -> Form {
        if self.version() == Ok(page.version()) {
            shown
        } else {
            shown.with_problem(page.frame.text("page-credential-stale"))
        }
    }
}
